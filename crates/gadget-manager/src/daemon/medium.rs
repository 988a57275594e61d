//! A kernel block device that is handed out to LUNs, and known to be back when nobody has it any more.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::sync::mpsc;

/// A kernel block device that can be put into a LUN.
#[derive(Debug)]
pub(crate) struct Medium {
    path: PathBuf,
    /// Dropped with the last holder; never used.
    _held: mpsc::Sender<()>,
}

/// The other end: tells when the last holder let go.
#[derive(Debug)]
pub(crate) struct Returned(mpsc::Receiver<()>);

impl Medium {
    /// A medium for the device at `path`.
    pub(crate) fn new(path: &Path) -> (Arc<Self>, Returned) {
        let (held, returned) = mpsc::channel(1);
        (
            Arc::new(Self {
                path: path.to_owned(),
                _held: held,
            }),
            Returned(returned),
        )
    }

    /// Where the device is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Returned {
    /// Waits until nobody holds the medium any more, but no longer than `limit`. Says whether that came about.
    pub(crate) async fn wait(mut self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.0.recv()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_back_when_the_last_holder_drops_it() {
        let (medium, returned) = Medium::new(Path::new("/dev/ublkb7"));
        let other = medium.clone();
        drop(medium);
        let waiting = tokio::spawn(returned.wait(Duration::from_secs(60)));
        drop(other);
        assert!(waiting.await.unwrap());
        let (_medium, returned) = Medium::new(Path::new("/dev/ublkb7"));
        assert!(!returned.wait(Duration::ZERO).await);
    }
}
