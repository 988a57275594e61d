//! Bytes per second, over the last few seconds.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Over how long a rate is taken.
const WINDOW: Duration = Duration::from_secs(4);
/// Samples closer than this tell nothing new.
const APART: Duration = Duration::from_millis(200);

/// The last values of two counters: bytes read, bytes written.
#[derive(Debug, Default)]
pub(super) struct Rates {
    samples: VecDeque<(Instant, [u64; 2])>,
}

impl Rates {
    /// Takes a sample and gives the rates that come out of it.
    pub(super) fn take(&mut self, now: Instant, bytes: [u64; 2]) -> [f64; 2] {
        let began_anew = self
            .samples
            .back()
            .is_some_and(|(_, last)| bytes.iter().zip(last).any(|(now, last)| now < last));
        if began_anew {
            self.samples.clear();
        }
        // The youngest sample that is older than the window stays: it is where the window begins.
        while self
            .samples
            .get(1)
            .is_some_and(|(time, _)| now.duration_since(*time) >= WINDOW)
        {
            self.samples.pop_front();
        }
        let rates = self.samples.front().map_or([0.0; 2], |(since, before)| {
            let seconds = now.duration_since(*since).as_secs_f64();
            std::array::from_fn(|index| match bytes[index] - before[index] {
                0 => 0.0,
                #[expect(clippy::cast_precision_loss, reason = "a rate is for people")]
                difference => (difference as f64 / seconds.max(APART.as_secs_f64())).round(),
            })
        });
        let is_new = self
            .samples
            .back()
            .is_none_or(|(last, _)| now.duration_since(*last) >= APART);
        if is_new {
            self.samples.push_back((now, bytes));
        }
        rates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_follow_the_last_seconds() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        let at = |tenths: u64| start + Duration::from_millis(tenths * 100);
        assert_eq!(rates.take(at(0), [1000, 0]), [0.0, 0.0]);
        assert_eq!(rates.take(at(10), [2000, 500]), [1000.0, 500.0]);
        assert_eq!(rates.take(at(20), [3000, 500]), [1000.0, 250.0]);
        for tenths in 3..=10 {
            rates.take(at(tenths * 10), [3000, 500]);
        }
        assert_eq!(rates.take(at(110), [3000, 500]), [0.0, 0.0]);
        assert_eq!(rates.take(at(120), [10, 0]), [0.0, 0.0], "opened anew");
        assert!(rates.samples.len() < 10);
    }
}
