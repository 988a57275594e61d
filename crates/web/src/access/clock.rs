//! Time, so that tests need not wait for it.

use std::time::{Duration, Instant};

use time::{Date, Month, OffsetDateTime};

/// Two clocks: one that people set, one that only goes forward.
pub trait Clock: Send + Sync + 'static {
    /// The time of day. It may jump: boards without a battery start in the past.
    fn now(&self) -> OffsetDateTime;

    /// Time since some fixed moment of this run.
    fn elapsed(&self) -> Duration;
}

/// When this program was written. A time of day before that is wrong: nobody has set the clock yet.
pub(crate) fn earliest() -> OffsetDateTime {
    Date::from_calendar_date(2026, Month::January, 2)
        .map_or(OffsetDateTime::UNIX_EPOCH, |date| date.midnight().assume_utc())
}

/// The clocks of the machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
