//! Closing a device once, also when whoever asked for it gives up.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use tokio::{sync::Mutex, task::JoinHandle};

use crate::{BlockError, Result};

/// Whether a device is closed or being closed, and the task that does it.
///
/// For devices whose closing takes time: it gives up a lease or a lock, and must not stop half-way when the future of
/// [`BlockDevice::close`](crate::BlockDevice::close) is dropped.
#[derive(Default)]
pub struct Closing {
    begun: AtomicBool,
    /// Gone when somebody learned how it went.
    task: Mutex<Option<JoinHandle<Result<()>>>>,
}

impl fmt::Debug for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begun = self.begun.load(Ordering::Acquire);
        f.debug_struct("Closing").field("begun", &begun).finish_non_exhaustive()
    }
}

impl Closing {
    /// Fails once closing has begun.
    ///
    /// # Errors
    ///
    /// [`BlockError::closed`] for `disk`.
    pub fn check(&self, disk: &str) -> Result<()> {
        match self.begun.load(Ordering::Acquire) {
            true => Err(BlockError::closed(disk)),
            false => Ok(()),
        }
    }

    /// Begins with the first call, in a task that goes on when this future is dropped, and waits for its end. One caller
    /// learns how it went, later ones that nothing is left to do. `None` if the task was cut short: it panicked, or its
    /// runtime ended.
    pub async fn run<F>(&self, close: impl FnOnce() -> F) -> Option<Result<()>>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let mut task = self.task.lock().await;
        if !self.begun.swap(true, Ordering::AcqRel) {
            *task = Some(tokio::spawn(close()));
        }
        let Some(running) = task.as_mut() else {
            return Some(Ok(()));
        };
        let ended = running.await;
        *task = None;
        ended.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn closing_goes_on_without_the_first_who_asked_and_happens_once() {
        let (closing, go) = (Closing::default(), Arc::new(Notify::new()));
        assert!(closing.check("tv").is_ok());
        let close = || {
            let go = go.clone();
            async move {
                go.notified().await;
                Err(BlockError::io("tv", "no power"))
            }
        };
        let first = futures::poll!(std::pin::pin!(closing.run(close)));
        assert!(first.is_pending(), "and given up by that");
        assert_eq!(closing.check("tv"), Err(BlockError::closed("tv")));
        go.notify_one();
        let again = || async { unreachable!("it has begun") };
        assert_eq!(closing.run(again).await, Some(Err(BlockError::io("tv", "no power"))));
        assert_eq!(closing.run(again).await, Some(Ok(())), "nothing is left to do");
    }

    #[tokio::test]
    async fn closing_that_is_cut_short_is_told_once() {
        let closing = Closing::default();
        assert_eq!(closing.run(|| async { panic!("on purpose") }).await, None);
        assert_eq!(closing.run(|| async { Ok(()) }).await, Some(Ok(())));
    }
}
