//! What each sector may hold, given everything that happened to it: the model of the concurrent cases.
//!
//! Every request has a time at which it began and one at which it ended, from one clock. A sector may hold what a
//! request *W* put there unless another one began after *W* had ended and itself ended before the reading began: only
//! then is it certain that *W* was overwritten. That is exact for single reads; nothing legal is refused, and a
//! value from before the last completed write, or of another sector, never passes.

use std::{
    fmt,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    Outcome,
    data::{SECTOR, Stamp, ZERO, stamp_of},
    ensure,
};

/// A moment of the history's own clock.
pub(super) type Time = u64;

/// A time that has not come.
const NEVER: Time = Time::MAX;

/// What became of a request that changes sectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It is done.
    Done,
    /// It is done, and durable.
    Durable,
    /// It may have been done, to each sector on its own: it failed, its future was dropped, or it was only a hint.
    Perhaps,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    stamp: Stamp,
    began: Time,
    ended: Time,
    effect: Effect,
}

/// The history of a device's sectors.
pub(super) struct History {
    state: Mutex<State>,
}

struct State {
    clock: Time,
    stamp: Stamp,
    sectors: Vec<Vec<Entry>>,
}

/// Which completed requests a reading must see.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sees {
    /// All that ended before this time.
    Since(Time),
    /// All that ended before this time, and the durable ones: the state after a power failure, where the time is the
    /// beginning of the last flush that completed.
    Flushed(Time),
}

/// A request under way.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    sectors: Range<u64>,
    at: Time,
    pub(super) stamp: Stamp,
}

impl Entry {
    fn is_seen(&self, sees: Sees) -> bool {
        match sees {
            _ if self.effect == Effect::Perhaps => false,
            Sees::Since(time) => self.ended < time,
            Sees::Flushed(time) => self.ended < time || (self.effect == Effect::Durable && self.ended < NEVER),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x} ({:?} {}..", self.stamp, self.effect, self.began)?;
        match self.ended {
            NEVER => f.write_str(" under way)"),
            ended => write!(f, "{ended})"),
        }
    }
}

impl History {
    /// A device of `sectors` sectors of zeroes.
    pub(super) fn new(sectors: u64) -> Self {
        let fresh = Entry {
            stamp: ZERO,
            began: 0,
            ended: 0,
            effect: Effect::Durable,
        };
        Self {
            state: Mutex::new(State {
                clock: 1,
                stamp: 0x100,
                sectors: vec![vec![fresh]; sectors as usize],
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time now. No two moments are the same.
    pub(super) fn now(&self) -> Time {
        let mut state = self.state();
        state.clock += 1;
        state.clock
    }

    /// A write to `sectors` begins; it gets a stamp of its own.
    pub(super) fn begin_write(&self, sectors: Range<u64>) -> Begun {
        let stamp = {
            let mut state = self.state();
            state.stamp += 1;
            state.stamp
        };
        self.begin(sectors, stamp)
    }

    /// A zeroing of `sectors` begins.
    pub(super) fn begin_zero(&self, sectors: Range<u64>) -> Begun {
        self.begin(sectors, ZERO)
    }

    fn begin(&self, sectors: Range<u64>, stamp: Stamp) -> Begun {
        let at = self.now();
        let mut state = self.state();
        for sector in sectors.clone() {
            state.sectors[sector as usize].push(Entry {
                stamp,
                began: at,
                ended: NEVER,
                effect: Effect::Done,
            });
        }
        Begun { sectors, at, stamp }
    }

    /// A request ended.
    pub(super) fn end(&self, begun: &Begun, effect: Effect) {
        let now = self.now();
        let mut state = self.state();
        for sector in begun.sectors.clone() {
            let entries = &mut state.sectors[sector as usize];
            if let Some(entry) = entries.iter_mut().find(|entry| entry.began == begun.at) {
                entry.ended = now;
                entry.effect = effect;
            }
        }
    }

    /// Whether `content`, read from `first` on, is legal.
    pub(super) fn check(&self, first: u64, content: &[u8], sees: Sees) -> Outcome {
        let state = self.state();
        for (sector, content) in (first..).zip(content.chunks_exact(SECTOR)) {
            let stamp = stamp_of(content, sector)?;
            let entries = &state.sectors[sector as usize];
            // Whatever ended before this is certainly overwritten.
            let overwritten = entries
                .iter()
                .filter(|entry| entry.is_seen(sees))
                .map(|entry| entry.began)
                .max()
                .unwrap_or(0);
            let legal = |entry: &&Entry| entry.ended >= overwritten;
            ensure!(
                entries.iter().filter(legal).any(|entry| entry.stamp == stamp),
                "sector {sector} reads as {} (seeing {sees:?}); legal are only: {}",
                match entries.iter().find(|entry| entry.stamp == stamp) {
                    Some(entry) => entry.to_string(),
                    None => format!("{stamp:#x}, which nobody wrote"),
                },
                entries
                    .iter()
                    .filter(legal)
                    .map(Entry::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            );
        }
        Ok(())
    }

    /// Takes what was found as the one and only content from now on, after [`check`](Self::check) and with nothing
    /// under way.
    pub(super) fn settle(&self, first: u64, content: &[u8]) -> Outcome {
        let now = self.now();
        let mut state = self.state();
        for (sector, content) in (first..).zip(content.chunks_exact(SECTOR)) {
            let stamp = stamp_of(content, sector)?;
            state.sectors[sector as usize] = vec![Entry {
                stamp,
                began: now,
                ended: now,
                effect: Effect::Durable,
            }];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::data::stamped, *};

    fn holds(history: &History, stamp: Stamp, sees: Sees) -> bool {
        history.check(0, &stamped(stamp, 0..1), sees).is_ok()
    }

    #[test]
    fn only_the_last_completed_write_or_one_under_way_is_legal() {
        let history = History::new(1);
        let first = history.begin_write(0..1);
        assert!(holds(&history, ZERO, Sees::Since(history.now())));
        assert!(holds(&history, first.stamp, Sees::Since(history.now())));
        let before = history.now();
        history.end(&first, Effect::Done);
        assert!(holds(&history, ZERO, Sees::Since(before)), "the reading began before");
        assert!(!holds(&history, ZERO, Sees::Since(history.now())));
        let (a, b) = (history.begin_write(0..1), history.begin_write(0..1));
        history.end(&a, Effect::Done);
        let now = history.now();
        assert!(!holds(&history, first.stamp, Sees::Since(now)));
        assert!(holds(&history, a.stamp, Sees::Since(now)) && holds(&history, b.stamp, Sees::Since(now)));
        history.end(&b, Effect::Done);
        let now = history.now();
        assert!(holds(&history, a.stamp, Sees::Since(now)), "they overlapped in time");
    }

    #[test]
    fn a_dropped_write_may_show_until_a_later_one_completes() {
        let history = History::new(1);
        let dropped = history.begin_write(0..1);
        history.end(&dropped, Effect::Perhaps);
        let now = history.now();
        assert!(holds(&history, ZERO, Sees::Since(now)) && holds(&history, dropped.stamp, Sees::Since(now)));
        let later = history.begin_write(0..1);
        history.end(&later, Effect::Done);
        let now = history.now();
        assert!(holds(&history, later.stamp, Sees::Since(now)));
        assert!(!holds(&history, dropped.stamp, Sees::Since(now)));
        assert!(!holds(&history, ZERO, Sees::Since(now)));
    }

    #[test]
    fn a_power_failure_may_lose_what_was_not_flushed_only() {
        let history = History::new(1);
        let flushed = history.begin_write(0..1);
        history.end(&flushed, Effect::Done);
        let flush = history.now();
        let volatile = history.begin_write(0..1);
        history.end(&volatile, Effect::Done);
        assert!(holds(&history, volatile.stamp, Sees::Flushed(flush)));
        assert!(holds(&history, flushed.stamp, Sees::Flushed(flush)));
        assert!(!holds(&history, ZERO, Sees::Flushed(flush)));
        let durable = history.begin_write(0..1);
        history.end(&durable, Effect::Durable);
        assert!(holds(&history, durable.stamp, Sees::Flushed(flush)));
        assert!(!holds(&history, volatile.stamp, Sees::Flushed(flush)));
    }
}
