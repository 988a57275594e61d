//! A clock that a test moves.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use time::OffsetDateTime;
use web::access::Clock;

/// Stands still unless it is moved.
pub(crate) struct TestClock {
    /// In seconds since 1970.
    start: AtomicI64,
    seconds: AtomicU64,
}

impl Default for TestClock {
    fn default() -> Self {
        Self {
            start: AtomicI64::new(OffsetDateTime::now_utc().unix_timestamp()),
            seconds: AtomicU64::new(0),
        }
    }
}

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.seconds.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    /// Sets the time of day, as somebody does who knows it; or back to 1970, as a board does that starts.
    pub(crate) fn set(&self, now: OffsetDateTime) {
        let start = now - self.elapsed();
        self.start.store(start.unix_timestamp(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> OffsetDateTime {
        let start = OffsetDateTime::from_unix_timestamp(self.start.load(Ordering::SeqCst)).unwrap();
        start + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.seconds.load(Ordering::SeqCst))
    }
}
