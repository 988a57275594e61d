//! What is wrong with the network at the moment, and what it has done so far.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    sync::watch,
    time::{self, Instant},
};

/// Which way data flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server: requests.
    ToServer,
    /// From the server to the client: answers.
    ToClient,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// FIN to both sides, after all that was let through has been delivered: a truncated message.
    Close,
    /// RST to both sides: what they have not read yet is lost too.
    Reset,
}

/// How long every byte is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delay {
    /// At least this long.
    pub fixed: Duration,
    /// And a random time from zero up to this, anew for each chunk.
    pub jitter: Duration,
}

/// What a proxy has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Connections accepted.
    pub connections: u64,
    /// Connections cut by a fault.
    pub cuts: u64,
    /// Bytes delivered to the server.
    pub to_server: u64,
    /// Bytes delivered to the client.
    pub to_client: u64,
    /// Bits flipped.
    pub flipped: u64,
}

/// Faults of one direction.
#[derive(Debug, Default)]
pub(super) struct Way {
    pub(super) corruption: f64,
    pub(super) corrupt_after: Option<u64>,
    pub(super) cut_after: Option<(u64, Cut)>,
    /// When the line is free again, under a limit of bandwidth.
    free_at: Option<Instant>,
}

/// All faults that are set.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) delay: Delay,
    pub(super) bandwidth: Option<u64>,
    pub(super) black_hole: bool,
    to_server: Way,
    to_client: Way,
}

impl Faults {
    pub(super) fn way(&mut self, direction: Direction) -> &mut Way {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    pub(super) fn heal(&mut self) {
        *self = Self::default();
    }
}

/// What is to become of a chunk.
pub(super) struct Verdict {
    /// When it is to be delivered.
    pub(super) due: Instant,
    /// Cut the connection after its first bytes, which are all that is left in the chunk.
    pub(super) cut: Option<Cut>,
}

/// State shared by a proxy and all its connections.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<(Faults, StdRng, Counters)>,
    black_hole: watch::Sender<bool>,
    accepting: watch::Sender<bool>,
    cuts: watch::Sender<Option<Cut>>,
}

impl Shared {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            state: Mutex::new((Faults::default(), StdRng::seed_from_u64(seed), Counters::default())),
            black_hole: watch::Sender::new(false),
            accepting: watch::Sender::new(true),
            cuts: watch::Sender::new(None),
        }
    }

    fn lock(&self) -> MutexGuard<'_, (Faults, StdRng, Counters)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Faults)) {
        let mut state = self.lock();
        change(&mut state.0);
        self.black_hole.send_replace(state.0.black_hole);
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.lock().2);
    }

    pub(super) fn counters(&self) -> Counters {
        self.lock().2
    }

    pub(super) fn cut(&self, how: Cut) {
        self.cuts.send_replace(Some(how));
    }

    pub(super) fn cuts(&self) -> watch::Receiver<Option<Cut>> {
        self.cuts.subscribe()
    }

    pub(super) fn stop_accepting(&self) {
        self.accepting.send_replace(false);
    }

    pub(super) fn resume_accepting(&self) {
        self.accepting.send_replace(true);
    }

    pub(super) fn accepting(&self) -> watch::Receiver<bool> {
        self.accepting.subscribe()
    }

    pub(super) async fn wait_while_black_hole(&self) {
        // An error means that the proxy is gone, and then its connections are cut.
        let _ = self.black_hole.subscribe().wait_for(|on| !on).await;
    }

    /// Decides on a chunk that was read, and spoils it: flips bits, drops what lies behind a cut.
    pub(super) fn judge(&self, direction: Direction, chunk: &mut Vec<u8>) -> Verdict {
        let mut state = self.lock();
        let (faults, random, counters) = &mut *state;
        let (delay, bandwidth) = (faults.delay, faults.bandwidth);
        let way = faults.way(direction);

        let mut cut = None;
        if let Some((bytes, how)) = way.cut_after.take() {
            // Behind the last byte that may pass only once there is one more, so that a complete message stays one.
            if bytes < chunk.len() as u64 {
                chunk.truncate(bytes as usize);
                cut = Some(how);
            } else {
                way.cut_after = Some((bytes - chunk.len() as u64, how));
            }
        }
        if let Some(bytes) = way.corrupt_after.take() {
            match usize::try_from(bytes).ok().and_then(|index| chunk.get_mut(index)) {
                Some(byte) => {
                    *byte ^= 1;
                    counters.flipped += 1;
                }
                None => way.corrupt_after = Some(bytes - chunk.len() as u64),
            }
        }
        if !chunk.is_empty() && way.corruption > 0.0 && random.random_bool(way.corruption.min(1.0)) {
            let bit = random.random_range(0..chunk.len() * 8);
            chunk[bit / 8] ^= 1 << (bit % 8);
            counters.flipped += 1;
        }

        let now = Instant::now();
        let mut due = now + delay.fixed;
        if !delay.jitter.is_zero() {
            due += delay.jitter.mul_f64(random.random_range(0.0..1.0));
        }
        if let Some(rate) = bandwidth {
            let start = way.free_at.unwrap_or(now).max(now);
            let free = start + Duration::from_secs_f64(chunk.len() as f64 / rate.max(1) as f64);
            way.free_at = Some(free);
            due += free - now;
        }
        Verdict { due, cut }
    }
}

/// Waits until a moment that may lie in the past.
pub(super) async fn until(due: Instant) {
    if due > Instant::now() {
        time::sleep_until(due).await;
    }
}
