//! A clock that a test moves.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use time::OffsetDateTime;
use web::access::Clock;

/// Stands still unless it is moved.
pub(crate) struct TestClock {
    start: OffsetDateTime,
    seconds: AtomicU64,
}

impl Default for TestClock {
    fn default() -> Self {
        Self {
            start: OffsetDateTime::now_utc(),
            seconds: AtomicU64::new(0),
        }
    }
}

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.seconds.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> OffsetDateTime {
        self.start + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.seconds.load(Ordering::SeqCst))
    }
}
