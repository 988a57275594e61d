//! Fails requests that take too long.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    BlockDevice, BlockError, Disk, Extent, Health, Operation, Payload, Properties, Result, Status, WriteFlags,
    ZeroFlags,
};

/// How long a request may take unless configured otherwise: well under the 30 s after which Linux, as many hosts, gives
/// up on a disk's command and resets the device (`SD_TIMEOUT`, `drivers/scsi/sd.h`).
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(20);

/// A device whose every request ends within a time limit, with [`BlockError::Unreachable`] if need be.
///
/// A request over its time is dropped, which the contract of [`BlockDevice`] allows and makes safe. From the first such
/// request to the next success the status is [`Health::Unreachable`], unless the device below has something worse to
/// tell. A close that takes too long leaves the layer closed and reports the failure; what it had to give up may then
/// be held until the process ends.
pub struct Deadline {
    inner: Disk,
    limit: Duration,
    shared: Arc<Shared>,
    forwarder: JoinHandle<()>,
}

/// What decides over the status.
struct Shared {
    below: watch::Receiver<Status>,
    /// Since when requests have been timing out, with the last error.
    late: Mutex<Option<(SystemTime, BlockError)>>,
    is_late: AtomicBool,
    closed: AtomicBool,
    status: watch::Sender<Status>,
}

impl Shared {
    /// Tells watchers what changed, if anything did.
    fn refresh(&self) {
        let late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        let Status { size, health } = self.below.borrow().clone();
        let health = match (&*late, health) {
            (_, health) if health.is_final() => health,
            _ if self.closed.load(Ordering::Acquire) => Health::Closed,
            (Some((since, error)), _) => Health::Unreachable {
                since: *since,
                error: error.clone(),
            },
            (None, health) => health,
        };
        self.status.send_if_modified(|status| {
            let online = matches!((&status.health, &health), (Health::Online, Health::Online));
            let changed = status.size != size || !online;
            *status = Status { size, health };
            changed
        });
    }
}

impl Deadline {
    /// Gives each request of `inner` at most `limit`.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime: the layer watches the status of `inner` in a task.
    #[must_use]
    pub fn new(inner: Disk, limit: Duration) -> Self {
        let mut below = inner.status();
        let status = below.borrow_and_update().clone();
        let shared = Arc::new(Shared {
            below: inner.status(),
            late: Mutex::new(None),
            is_late: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            status: watch::Sender::new(status),
        });
        let forwarder = tokio::spawn({
            let shared = shared.clone();
            async move {
                while below.changed().await.is_ok() {
                    shared.refresh();
                }
            }
        });
        Self {
            inner,
            limit,
            shared,
            forwarder,
        }
    }

    async fn within<T>(&self, what: &str, request: impl Future<Output = Result<T>>) -> Result<T> {
        if self.shared.closed.load(Ordering::Acquire) {
            return Err(BlockError::closed(self.inner.name()));
        }
        match tokio::time::timeout(self.limit, request).await {
            Ok(result) => {
                if result.is_ok() && self.shared.is_late.load(Ordering::Acquire) {
                    self.recovered();
                }
                result
            }
            Err(_) => Err(self.timed_out(what)),
        }
    }

    fn timed_out(&self, what: &str) -> BlockError {
        let error = BlockError::unreachable(
            self.inner.name(),
            format!("{what} was not answered within {:?}", self.limit),
        );
        {
            let mut late = self.shared.late.lock().unwrap_or_else(PoisonError::into_inner);
            let since = match &*late {
                Some((since, _)) => *since,
                None => SystemTime::now() - self.limit,
            };
            *late = Some((since, error.clone()));
        }
        if !self.shared.is_late.swap(true, Ordering::AcqRel) {
            tracing::warn!(disk = self.inner.name(), %error, "requests time out");
        }
        self.shared.refresh();
        error
    }

    fn recovered(&self) {
        let mut late = self.shared.late.lock().unwrap_or_else(PoisonError::into_inner);
        *late = None;
        drop(late);
        if self.shared.is_late.swap(false, Ordering::AcqRel) {
            tracing::info!(disk = self.inner.name(), "requests are answered in time again");
        }
        self.shared.refresh();
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}

#[async_trait]
impl BlockDevice for Deadline {
    fn properties(&self) -> Properties {
        self.inner.properties()
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn generation(&self) -> Option<u64> {
        self.inner.generation()
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.shared.status.subscribe()
    }

    async fn read(&self, offset: u64, len: u32) -> Result<Payload> {
        self.within(Operation::Read.as_str(), self.inner.read(offset, len))
            .await
    }

    async fn write(&self, offset: u64, data: Payload, flags: WriteFlags) -> Result<()> {
        let request = self.inner.write(offset, data, flags);
        self.within(Operation::Write.as_str(), request).await
    }

    async fn write_zeroes(&self, offset: u64, len: u64, flags: ZeroFlags) -> Result<()> {
        let request = self.inner.write_zeroes(offset, len, flags);
        self.within(Operation::WriteZeroes.as_str(), request).await
    }

    async fn discard(&self, offset: u64, len: u64) -> Result<()> {
        self.within(Operation::Discard.as_str(), self.inner.discard(offset, len))
            .await
    }

    async fn flush(&self) -> Result<()> {
        self.within(Operation::Flush.as_str(), self.inner.flush()).await
    }

    async fn extents(&self, offset: u64, len: u64) -> Result<Vec<Extent>> {
        self.within(Operation::Extents.as_str(), self.inner.extents(offset, len))
            .await
    }

    async fn resize(&self, size: u64) -> Result<()> {
        let result = self.within(Operation::Resize.as_str(), self.inner.resize(size)).await;
        // Not only when the task that watches gets its turn.
        self.shared.refresh();
        result
    }

    async fn close(&self) -> Result<()> {
        let result = match tokio::time::timeout(self.limit, self.inner.close()).await {
            Ok(result) => result,
            Err(_) => Err(self.timed_out("close")),
        };
        self.shared.closed.store(true, Ordering::Release);
        self.shared.refresh();
        result
    }
}

#[cfg(test)]
mod tests {
    use futures::poll;
    use tokio::time::Instant;

    use super::*;
    use crate::{
        MemoryDevice,
        layers::{Action, Fault, Rule, When},
    };

    fn slow() -> (Arc<Fault>, Deadline) {
        let fault = Arc::new(Fault::new(Arc::new(MemoryDevice::new(1 << 20).unwrap()), 1));
        let deadline = Deadline::new(fault.clone(), DEFAULT_DEADLINE);
        (fault, deadline)
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_hangs_fails_in_time_and_the_status_tells() {
        let (fault, disk) = slow();
        let mut status = disk.status();
        fault.add(Rule::new(Action::Hang).on(&[Operation::Read]));
        let start = Instant::now();
        let error = disk.read(0, 512).await.unwrap_err();
        assert_eq!(start.elapsed(), DEFAULT_DEADLINE);
        assert!(error.is_retryable());
        assert_eq!(
            error.to_string(),
            "memory: store unreachable: read was not answered within 20s"
        );
        assert!(status.has_changed().unwrap());
        assert_eq!(status.borrow_and_update().health.as_str(), "unreachable");
        disk.write(0, Payload::zeroes(512), WriteFlags::default())
            .await
            .unwrap();
        assert_eq!(status.borrow_and_update().health.as_str(), "online");
        disk.flush().await.unwrap();
        assert!(!status.has_changed().unwrap(), "nothing new to tell");
    }

    #[tokio::test(start_paused = true)]
    async fn each_operation_has_its_own_time() {
        let (fault, disk) = slow();
        fault.add(Rule::new(Action::Delay(Duration::from_secs(19)..Duration::from_secs(20))).when(When::Always));
        let mut first = disk.read(0, 512);
        assert!(poll!(&mut first).is_pending());
        tokio::time::sleep(Duration::from_secs(5)).await;
        let second = disk.flush();
        futures::future::try_join(async { first.await.map(drop) }, second)
            .await
            .unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_close_that_hangs_ends_and_is_final() {
        let (fault, disk) = slow();
        fault.add(Rule::new(Action::Hang).on(&[Operation::Flush]));
        assert!(disk.close().await.unwrap_err().is_retryable());
        assert_eq!(disk.status().borrow().health.as_str(), "closed");
        assert!(disk.read(0, 512).await.is_err());
    }
}
