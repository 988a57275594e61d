//! Flushes that tell everybody concerned when they failed.

use std::{
    io,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// What became of the flushes of one file.
///
/// The kernel reports a failed write-back once per open file (`Documentation/core-api/errseq.rst`) and forgets the data
/// then. A second flush under way at the same time, or the next one after a FUA write that met the report, would
/// succeed although what it was to make durable is gone.
#[derive(Default)]
pub(super) struct Sync {
    alone: Mutex<()>,
    failures: AtomicU64,
    /// A FUA write met the report; the next flush has to pass it on.
    unreported: AtomicBool,
}

impl Sync {
    /// A flush begins; what to give to [`flush`](Self::flush).
    pub(super) fn begin(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }

    /// Makes everything durable by `sync`, or fails if anything that was written when it [began](Self::begin) may be
    /// lost.
    pub(super) fn flush(&self, before: u64, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let _alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        sync().inspect_err(|_| {
            self.failures.fetch_add(1, Ordering::AcqRel);
            self.unreported.store(false, Ordering::Release);
        })?;
        if self.unreported.swap(false, Ordering::AcqRel) {
            self.failures.fetch_add(1, Ordering::AcqRel);
        }
        if self.failures.load(Ordering::Acquire) == before {
            return Ok(());
        }
        Err(io::Error::other(
            "earlier writes could not be written back and are lost",
        ))
    }

    /// The result of a request that was to be durable by itself, noted for the next flush.
    pub(super) fn noted(&self, result: io::Result<()>) -> io::Result<()> {
        result.inspect_err(|_| self.unreported.store(true, Ordering::Release))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail() -> io::Result<()> {
        Err(io::Error::from_raw_os_error(libc::EIO))
    }

    #[test]
    fn flushes_under_way_together_fail_together() {
        let sync = Sync::default();
        let (first, second) = (sync.begin(), sync.begin());
        assert!(sync.flush(first, fail).is_err());
        assert!(sync.flush(second, || Ok(())).is_err(), "the kernel reports once");
        let later = sync.begin();
        assert!(sync.flush(later, || Ok(())).is_ok(), "its writes came after");
    }

    #[test]
    fn what_a_fua_write_was_told_the_next_flush_passes_on() {
        let sync = Sync::default();
        assert!(sync.noted(fail()).is_err());
        let (first, second) = (sync.begin(), sync.begin());
        assert!(sync.flush(first, || Ok(())).is_err());
        assert!(sync.flush(second, || Ok(())).is_err());
        assert!(sync.flush(sync.begin(), || Ok(())).is_ok());
    }
}
