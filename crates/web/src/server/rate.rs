//! How often peers may ask.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};

use super::{Limits, Rate, router::Rules};
use crate::{
    access::Peer,
    api::{Problem, ProblemCode},
    routes::Failure,
};

/// How many peers are remembered. A forgotten one begins anew; the bucket of all bounds what that is worth.
const PEERS: usize = 256;

/// Token buckets: one of all, one of each peer.
pub(super) struct Rates {
    limits: Limits,
    buckets: Mutex<Buckets>,
}

struct Buckets {
    all: Bucket,
    of: HashMap<IpAddr, Bucket>,
}

#[derive(Clone, Copy)]
struct Bucket {
    /// In thousandths.
    left: u64,
    /// Up to when it has been filled.
    at: Duration,
}

impl Bucket {
    fn full(rate: Rate, at: Duration) -> Self {
        Self {
            left: u64::from(rate.burst) * 1000,
            at,
        }
    }

    /// Fills up what has come since. A millisecond that has begun counts the next time: somebody may come more often.
    fn fill(&mut self, rate: Rate, now: Duration) {
        let millis = now.saturating_sub(self.at).as_millis().min(1 << 31) as u64;
        self.left = (self.left + millis * u64::from(rate.per_second)).min(u64::from(rate.burst) * 1000);
        self.at += Duration::from_millis(millis);
    }

    /// Seconds until there is one, if there is none.
    fn wait(&self, rate: Rate) -> Option<u32> {
        let missing = 1000_u64.checked_sub(self.left).filter(|missing| *missing > 0)?;
        let millis = missing.div_ceil(u64::from(rate.per_second.max(1)));
        Some(u32::try_from(millis.div_ceil(1000)).unwrap_or(u32::MAX))
    }
}

impl Rates {
    pub(super) fn new(limits: Limits) -> Self {
        let buckets = Buckets {
            all: Bucket::full(limits.rate, Duration::ZERO),
            of: HashMap::new(),
        };
        Self {
            limits,
            buckets: Mutex::new(buckets),
        }
    }

    fn take(&self, peer: Peer, now: Duration) -> Result<(), Problem> {
        let Some(group) = peer.group() else {
            return Ok(());
        };
        let Limits { rate, rate_of_one, .. } = self.limits;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Buckets { all, of } = &mut *buckets;
        if of.len() >= PEERS && !of.contains_key(&group) {
            let oldest = of.iter().min_by_key(|(_, bucket)| bucket.at).map(|(group, _)| *group);
            oldest.map(|oldest| of.remove(&oldest));
        }
        let own = of.entry(group).or_insert_with(|| Bucket::full(rate_of_one, now));
        own.fill(rate_of_one, now);
        all.fill(rate, now);
        if let Some(seconds) = own.wait(rate_of_one).or_else(|| all.wait(rate)) {
            return Err(Problem::new(ProblemCode::TooMany, "too many requests").retry_after(seconds));
        }
        own.left -= 1000;
        all.left -= 1000;
        Ok(())
    }
}

/// Refuses what comes too fast.
pub(super) async fn limit(
    State(rules): State<Rules>,
    peer: Peer,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    rules.rates.take(peer, rules.clock.elapsed())?;
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_slowed_down_one_by_one_and_all_together() {
        let limits = Limits {
            rate_of_one: Rate {
                burst: 3,
                per_second: 1,
            },
            rate: Rate {
                burst: 5,
                per_second: 2,
            },
            ..Limits::default()
        };
        let rates = Rates::new(limits);
        let peer = |n: u8| Peer::of([192, 0, 2, n].into());
        let at = Duration::from_secs(9);
        let all: Vec<bool> = (0..4).map(|_| rates.take(peer(1), at).is_ok()).collect();
        assert_eq!(all, [true, true, true, false]);
        assert_eq!(rates.take(peer(1), at).unwrap_err().retry_after, Some(1));
        let all: Vec<bool> = (0..3).map(|_| rates.take(peer(2), at).is_ok()).collect();
        assert_eq!(all, [true, true, false]);
        assert!(rates.take(Peer::LOCAL, at).is_ok());
        assert!(rates.take(peer(1), at + Duration::from_secs(1)).is_ok());
        assert!(rates.take(peer(1), at + Duration::from_secs(1)).is_err());
    }

    #[test]
    fn who_comes_more_than_once_a_millisecond_uses_up_no_time() {
        let limits = Limits {
            rate_of_one: Rate {
                burst: 1,
                per_second: 1,
            },
            rate: Rate {
                burst: 1,
                per_second: 2,
            },
            ..Limits::default()
        };
        let rates = Rates::new(limits);
        let peer = |n: u8| Peer::of([192, 0, 2, n].into());
        let at = |step: u32| Duration::from_secs(9) + Duration::from_micros(400) * step;
        let served: Vec<u32> = (0..=5000)
            .filter(|step| rates.take(peer(1), at(*step)).is_ok())
            .collect();
        assert_eq!(served, [0, 2500, 5000]);
        // All together have had their next one half a second later.
        assert!((5001..6250).all(|step| rates.take(peer(1), at(step)).is_err()));
        assert!(rates.take(peer(2), at(6249)).is_err());
        assert!(rates.take(peer(2), at(6250)).is_ok());
    }
}
