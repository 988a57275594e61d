//! Writes that never arrived, although whoever wrote may believe that they did.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts what the kernel asked a disk to write and the disk did not take.
///
/// The kernel acknowledges a buffered write before it reaches the device; when writing it out fails later, the error goes to
/// whoever asks for a flush next, and to nobody if nobody asks. So it has to be remembered here.
#[derive(Debug, Default)]
pub struct FailedWrites {
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl FailedWrites {
    /// Requests that failed: writes, zeroes and flushes.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Bytes of the writes among them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    pub(crate) fn count(&self, bytes: u64) {
        self.requests.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }
}
