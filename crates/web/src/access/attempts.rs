//! Wrong codes and passwords: the more there were, the longer the next one has to wait.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use super::Peer;
use crate::api::{Problem, ProblemCode};

/// How waiting grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How many may be wrong before anybody has to wait.
    pub free: u32,
    /// How long the first wait is; each next one is twice as long.
    pub first: Duration,
    /// How long a wait becomes at most.
    pub longest: Duration,
}

impl Patience {
    /// How long to wait after so many wrong ones.
    fn delay(self, failures: u32) -> Duration {
        match failures.checked_sub(self.free) {
            None => Duration::ZERO,
            Some(beyond) => self.first.saturating_mul(1 << beyond.min(20)).min(self.longest),
        }
    }
}

/// The wait that all attempts share. The number of failures is kept on disk, and a restart begins the wait anew: pulling the
/// plug gains nothing, and no clock has to be right.
pub(super) struct Gate {
    patience: Patience,
    until: Duration,
}

impl Gate {
    /// After a start with so many failures on record.
    pub(super) fn new(patience: Patience, failures: u32, elapsed: Duration) -> Self {
        Self {
            patience,
            until: elapsed + patience.delay(failures),
        }
    }

    /// Whether an attempt may be made now.
    pub(super) fn check(&self, elapsed: Duration) -> Result<(), Problem> {
        wait(self.until, elapsed)
    }

    /// An attempt is being made, which is taken for wrong until it has been found right.
    pub(super) fn failed(&mut self, failures: u32, elapsed: Duration) {
        self.until = elapsed + self.patience.delay(failures);
    }

    /// It was right.
    pub(super) fn succeeded(&mut self) {
        self.until = Duration::ZERO;
    }
}

/// The waits of single peers.
pub(super) struct Peers {
    patience: Patience,
    known: HashMap<Option<IpAddr>, Failures>,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    until: Duration,
    last: Duration,
}

impl Peers {
    /// How many peers are remembered; of more, those are forgotten whose last failure is the longest ago.
    const MOST: usize = 256;

    pub(super) fn new(patience: Patience) -> Self {
        Self {
            patience,
            known: HashMap::new(),
        }
    }

    /// Whether this one may make an attempt now.
    pub(super) fn check(&self, peer: Peer, elapsed: Duration) -> Result<(), Problem> {
        self.known
            .get(&peer.group())
            .map_or(Ok(()), |failures| wait(failures.until, elapsed))
    }

    /// This one is making an attempt, which is taken for wrong until it has been found right.
    pub(super) fn failed(&mut self, peer: Peer, elapsed: Duration) {
        let peer = peer.group();
        if self.known.len() >= Self::MOST && !self.known.contains_key(&peer) {
            let oldest = self.known.iter().min_by_key(|(_, failures)| failures.last);
            if let Some(oldest) = oldest.map(|(peer, _)| *peer) {
                self.known.remove(&oldest);
            }
        }
        let count = self.known.get(&peer).map_or(0, |failures| failures.count) + 1;
        let failures = Failures {
            count,
            until: elapsed + self.patience.delay(count),
            last: elapsed,
        };
        self.known.insert(peer, failures);
    }

    /// It was right.
    pub(super) fn succeeded(&mut self, peer: Peer) {
        self.known.remove(&peer.group());
    }
}

fn wait(until: Duration, elapsed: Duration) -> Result<(), Problem> {
    let Some(left) = until.checked_sub(elapsed).filter(|left| !left.is_zero()) else {
        return Ok(());
    };
    let seconds = u32::try_from(left.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
    Err(Problem::new(ProblemCode::TooMany, "too many wrong attempts")
        .remedy(format!("wait {seconds} s, then try again"))
        .retry_after(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        free: 3,
        first: Duration::from_secs(60),
        longest: Duration::from_secs(3600),
    };

    #[test]
    fn waits_double_up_to_an_hour() {
        let minutes = |failures| PATIENCE.delay(failures).as_secs() / 60;
        assert_eq!([0, 2, 3, 4, 5, 9, 1000].map(minutes), [0, 0, 1, 2, 4, 60, 60]);
    }

    #[test]
    fn a_restart_begins_the_wait_anew() {
        let start = Duration::from_secs(7);
        let gate = Gate::new(PATIENCE, 4, start);
        let problem = gate.check(start + Duration::from_secs(119)).unwrap_err();
        assert_eq!(problem.retry_after, Some(2));
        assert!(gate.check(start + Duration::from_secs(120)).is_ok());
        assert!(Gate::new(PATIENCE, 2, start).check(start).is_ok());
    }

    #[test]
    fn peers_wait_for_themselves_and_are_bounded() {
        let mut peers = Peers::new(PATIENCE);
        let peer = |n: u32| Peer::of(std::net::Ipv4Addr::from(n).into());
        for _ in 0..3 {
            peers.failed(peer(1), Duration::ZERO);
        }
        assert!(peers.check(peer(1), Duration::ZERO).is_err());
        assert!(peers.check(peer(2), Duration::ZERO).is_ok());
        for n in 0..1000 {
            peers.failed(peer(n + 2), Duration::from_secs(1));
        }
        assert!(peers.known.len() <= Peers::MOST);
    }
}
