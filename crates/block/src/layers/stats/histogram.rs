//! Latencies in buckets that grow with the latency.

use std::{
    array,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::micros;

/// Buckets per power of two, as a power of two itself: a bucket is at most a quarter of its value wide.
const FINE: u32 = 2;
/// Latencies of 2^27 µs (134 s) and more share the last bucket.
const LARGEST: u32 = 27;
const BUCKETS: usize = ((LARGEST - FINE + 1) << FINE) as usize;

/// The bucket of a latency in microseconds.
fn bucket(micros: u64) -> usize {
    let exponent = u64::BITS - 1 - (micros | 1).leading_zeros();
    if exponent < FINE {
        return micros as usize;
    }
    let fine = (micros >> (exponent - FINE)) as usize & ((1 << FINE) - 1);
    let index = ((exponent - FINE + 1) << FINE) as usize + fine;
    index.min(BUCKETS - 1)
}

/// The smallest latency in microseconds that belongs to bucket `index`.
fn lower(index: usize) -> u64 {
    let (octave, fine) = ((index >> FINE) as u32, index as u64 & ((1 << FINE) - 1));
    match octave {
        0 => fine,
        _ => ((1 << FINE) + fine) << (octave - 1),
    }
}

/// Buckets that many threads count into.
pub(super) struct LiveHistogram {
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
    max: AtomicU64,
}

impl Default for LiveHistogram {
    fn default() -> Self {
        Self {
            buckets: array::from_fn(|_| AtomicU64::new(0)),
            sum: AtomicU64::new(0),
            max: AtomicU64::new(0),
        }
    }
}

impl LiveHistogram {
    pub(super) fn record(&self, latency: Duration) {
        let latency = micros(latency);
        self.buckets[bucket(latency)].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(latency, Ordering::Relaxed);
        // Nearly always only read: a new maximum is rare.
        if latency > self.max.load(Ordering::Relaxed) {
            self.max.fetch_max(latency, Ordering::Relaxed);
        }
    }

    pub(super) fn snapshot(&self) -> Histogram {
        Histogram {
            buckets: self
                .buckets
                .iter()
                .map(|bucket| bucket.load(Ordering::Relaxed))
                .collect(),
            sum: self.sum.load(Ordering::Relaxed),
            max: self.max.load(Ordering::Relaxed),
        }
    }
}

/// How long requests took, in buckets at most a quarter of their value wide.
///
/// Serialized as `count`, `mean_us`, `p50_us`, `p99_us` and `max_us`, in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    buckets: Vec<u64>,
    sum: u64,
    max: u64,
}

impl Histogram {
    /// Requests counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The longest that any took.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.max)
    }

    /// What they took on average; zero if there were none.
    #[must_use]
    pub fn mean(&self) -> Duration {
        Duration::from_micros(self.sum.checked_div(self.count()).unwrap_or(0))
    }

    /// An estimate of the time within which the share `quantile` (0 to 1) of the requests ended: the upper bound of
    /// their bucket, so that it is at most a quarter too high and never too low. Zero if there were none.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Duration {
        let wanted = (self.count() as f64 * quantile.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                let upper = if index + 1 == BUCKETS {
                    self.max
                } else {
                    lower(index + 1) - 1
                };
                return Duration::from_micros(upper.min(self.max));
            }
        }
        Duration::ZERO
    }

    /// What was counted after `earlier`, a snapshot of the same counters. The maximum stays that of all time.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = earlier.buckets.iter().chain(std::iter::repeat(&0));
        Self {
            buckets: self
                .buckets
                .iter()
                .zip(before)
                .map(|(now, then)| now.saturating_sub(*then))
                .collect(),
            sum: self.sum.saturating_sub(earlier.sum),
            max: self.max,
        }
    }
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Histogram", 5)?;
        out.serialize_field("count", &self.count())?;
        out.serialize_field("mean_us", &micros(self.mean()))?;
        out.serialize_field("p50_us", &micros(self.quantile(0.5)))?;
        out.serialize_field("p99_us", &micros(self.quantile(0.99)))?;
        out.serialize_field("max_us", &self.max)?;
        out.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_in_order_without_gaps() {
        for index in 0..BUCKETS - 1 {
            assert_eq!(bucket(lower(index)), index);
            assert_eq!(
                bucket(lower(index + 1) - 1),
                index,
                "{index} ends before the next begins"
            );
            assert!(
                lower(index + 1) - lower(index) <= (lower(index) / 4).max(1),
                "{index} is too wide"
            );
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert_eq!(bucket(1 << LARGEST), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_at_most_a_quarter_too_high() {
        let live = LiveHistogram::default();
        assert_eq!(live.snapshot().quantile(0.5), Duration::ZERO);
        for latency in 1..=10_000 {
            live.record(Duration::from_micros(latency));
        }
        let histogram = live.snapshot();
        for (quantile, exact) in [(0.0, 1), (0.01, 100), (0.5, 5000), (0.99, 9900), (1.0, 10_000)] {
            let found = micros(histogram.quantile(quantile));
            assert!(
                (exact..=exact + exact / 4).contains(&found),
                "{quantile}: {found} for {exact}"
            );
        }
        assert_eq!(micros(histogram.max()), 10_000);
        assert_eq!(micros(histogram.mean()), 5000);
        live.record(Duration::from_secs(3600));
        assert_eq!(live.snapshot().quantile(1.0), Duration::from_secs(3600));
        let recent = live.snapshot().since(&histogram);
        assert_eq!((recent.count(), recent.quantile(0.5)), (1, Duration::from_secs(3600)));
    }
}
