//! When an attempt at a request last got any further.

use std::{
    future::Future,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use block::Payload;
use futures::stream;
use tokio::time::{Instant, timeout_at};

/// A body is handed to the connection in pieces of at most so many bytes, so that it is seen to get further.
const PIECE: usize = 64 << 10;

/// The last time a byte of an attempt moved: was taken by its connection, or came back.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    start: Instant,
    /// Milliseconds from the start.
    last: Arc<AtomicU64>,
}

impl Progress {
    /// An attempt that starts now.
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            last: Arc::default(),
        }
    }

    /// A byte moved.
    pub(super) fn moved(&self) {
        self.last
            .store(self.start.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// The data as a body that tells when its pieces are taken. Copies nothing.
    pub(super) fn body(&self, data: &Payload) -> reqwest::Body {
        if let [whole] = data.segments()
            && whole.len() <= PIECE
        {
            return whole.clone().into();
        }
        let progress = self.clone();
        let pieces = data.clone().into_iter().flat_map(|segment| {
            (0..segment.len())
                .step_by(PIECE)
                .map(move |at| segment.slice(at..segment.len().min(at + PIECE)))
        });
        reqwest::Body::wrap_stream(stream::iter(pieces.map(move |piece| {
            progress.moved();
            Ok::<_, io::Error>(piece)
        })))
    }

    /// Waits for `attempt` while it gets further: `None` when nothing moved for `silence`, or at the deadline.
    pub(super) async fn watch<F: Future>(&self, attempt: F, silence: Duration, deadline: Instant) -> Option<F::Output> {
        let mut attempt = pin!(attempt);
        loop {
            let last = self.start + Duration::from_millis(self.last.load(Ordering::Relaxed));
            let give_up = deadline.min(last + silence);
            if give_up <= Instant::now() {
                // What is there already counts all the same.
                return timeout_at(give_up, attempt).await.ok();
            }
            if let Ok(result) = timeout_at(give_up, &mut attempt).await {
                return Some(result);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_attempt_lasts_while_bytes_move() {
        let progress = Progress::new();
        let far = Instant::now() + Duration::from_secs(100);
        let silence = Duration::from_secs(2);
        let slow = async {
            for _ in 0..30 {
                sleep(Duration::from_secs(1)).await;
                progress.moved();
            }
        };
        assert!(progress.watch(slow, silence, far).await.is_some());

        let start = Instant::now();
        let progress = Progress::new();
        assert!(progress.watch(sleep(silence * 2), silence, far).await.is_none());
        assert_eq!(start.elapsed(), silence);

        let start = Instant::now();
        let progress = Progress::new();
        let soon = start + Duration::from_secs(1);
        assert!(progress.watch(sleep(silence * 2), silence, soon).await.is_none());
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }
}
