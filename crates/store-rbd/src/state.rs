//! What every open disk has, whichever client reads and writes it: its state, and who is let in.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use block::{BlockError, Closing, Monitor, Operation, Properties, RangeGuard, RangeLock, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{error, info, warn};

use crate::error::RbdError;

/// What a request under way holds, until the client is done with it.
pub(crate) type Held = (Option<RangeGuard>, OwnedSemaphorePermit);

/// The error for an image that cannot be a disk.
pub(crate) fn no_whole_sectors(image: &str, size: u64) -> RbdError {
    let detail = format!("has {size} bytes, which are no whole sectors; resize it to a multiple of 512");
    RbdError::invalid(image, detail)
}

/// Whose turn it is, among the requests of one connection: what a connection never ends is in nobody's way on the next.
pub(crate) struct Turns {
    /// Whatever changes a range has it alone, until the client is done.
    ranges: RangeLock,
    slots: Arc<Semaphore>,
    concurrency: u32,
}

impl Turns {
    /// For at most `concurrency` requests with the client at a time.
    pub(crate) fn new(concurrency: usize) -> Self {
        Self {
            ranges: RangeLock::new(),
            slots: Arc::new(Semaphore::new(concurrency)),
            concurrency: concurrency as u32,
        }
    }

    async fn slot(&self, disk: &str) -> Result<OwnedSemaphorePermit> {
        let slot = self.slots.clone().acquire_owned().await;
        slot.map_err(|_| BlockError::closed(disk))
    }

    /// Waits until no request is under way; none begins while the answer is held.
    pub(crate) async fn idle(&self) -> impl Send + use<> {
        self.slots.clone().acquire_many_owned(self.concurrency).await
    }
}

/// The state of an open disk.
pub(crate) struct DiskState {
    pub(crate) name: String,
    /// All but the size.
    properties: Properties,
    pub(crate) monitor: Monitor,
    closing: Closing,
}

impl DiskState {
    /// Of a disk that can do what `properties` say.
    pub(crate) fn new(name: &str, properties: Properties) -> Self {
        Self {
            name: name.to_owned(),
            properties,
            monitor: Monitor::new(properties.size),
            closing: Closing::default(),
        }
    }

    pub(crate) fn properties(&self) -> Properties {
        Properties {
            size: self.monitor.size(),
            ..self.properties
        }
    }

    /// Fails once the disk is closed or lost.
    pub(crate) fn usable(&self) -> Result<()> {
        self.closing.check(&self.name)?;
        match self.monitor.fence() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Fails if a request cannot be.
    pub(crate) fn check(&self, operation: Operation, offset: u64, length: u64) -> Result<()> {
        self.usable()?;
        self.properties().check(&self.name, operation, offset, length)
    }

    /// Checks a request and waits until nobody else is at its range and there is room for one more.
    pub(crate) async fn begin(&self, turns: &Turns, operation: Operation, offset: u64, length: u64) -> Result<Held> {
        self.check(operation, offset, length)?;
        let guard = turns.ranges.for_request(operation, offset, length).await;
        let slot = turns.slot(&self.name).await?;
        // The disk may have been closed, lost or made smaller meanwhile.
        self.check(operation, offset, length)?;
        Ok((Some(guard), slot))
    }

    /// The same for a flush, which has no range.
    pub(crate) async fn begin_flush(&self, turns: &Turns) -> Result<Held> {
        self.check(Operation::Flush, 0, 0)?;
        let slot = turns.slot(&self.name).await?;
        self.check(Operation::Flush, 0, 0)?;
        Ok((None, slot))
    }

    /// The same for a change of the size: nobody reads or writes what is being cut off.
    pub(crate) async fn begin_resize(&self, turns: &Turns) -> Result<Held> {
        self.check(Operation::Resize, 0, 0)?;
        let guard = turns.ranges.exclusive(0..u64::MAX).await;
        let slot = turns.slot(&self.name).await?;
        self.check(Operation::Resize, 0, 0)?;
        Ok((Some(guard), slot))
    }

    /// Remembers an error that nothing can end. Whether that is news.
    pub(crate) fn remember(&self, error: &BlockError) -> bool {
        let news = matches!(error, BlockError::Fenced { .. }) && self.monitor.fenced(error.clone());
        if news {
            error!(disk = %self.name, %error, "fenced");
        }
        news
    }

    /// Takes notice of the size in bytes that the image has now.
    pub(crate) fn notice_size(&self, size: u64) {
        let usable = size - size % 512;
        if usable != self.monitor.size() {
            info!(disk = %self.name, size = usable, "the image was resized by somebody else");
            self.monitor.set_size(usable);
        }
    }

    /// The cluster was asked at `since` and has not answered within `patience`.
    pub(crate) fn unanswered(&self, since: SystemTime, patience: Duration) {
        let error = BlockError::unreachable(&self.name, format!("no answer of the cluster within {patience:?}"));
        warn!(disk = %self.name, %error, "the cluster does not answer");
        self.monitor.silent(since, error);
    }

    /// Closes the disk once; `close` goes on when this is given up.
    pub(crate) async fn close<F>(&self, close: impl FnOnce() -> F) -> Result<()>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let ended = self.closing.run(close).await;
        ended.unwrap_or_else(|| Err(BlockError::io(&self.name, "closing was cut short")))
    }

    /// The disk is closed: how that went, which is to be fenced if it was lost before.
    pub(crate) fn closed(&self, ended: Result<()>) -> Result<()> {
        let fence = self.monitor.fence();
        self.monitor.closed();
        info!(disk = %self.name, "closed");
        fence.map_or(ended, Err)
    }
}
