//! Locks on ranges of a disk, for devices whose requests outlive their futures.

use std::{
    collections::VecDeque,
    fmt,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::Operation;

/// Serialises requests on overlapping ranges.
///
/// A request that is carried out by a thread or a server goes on when its future is dropped. Moving the
/// [`RangeGuard`] into whatever outlives the future keeps later requests on the same range waiting until the old one
/// really ended, as the contract of [`BlockDevice`](crate::BlockDevice) demands. Served first come, first served:
/// a waiting writer is not overtaken by later readers of its range.
///
/// Meant for as many ranges as there are requests in flight (hundreds, not millions): it searches them all.
#[derive(Clone, Default)]
pub struct RangeLock {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    next: u64,
    held: Vec<Held>,
    waiting: VecDeque<Waiting>,
}

struct Held {
    id: u64,
    range: Range<u64>,
    exclusive: bool,
}

struct Waiting {
    held: Held,
    ready: oneshot::Sender<RangeGuard>,
}

/// A held range; dropping it lets the next one go.
pub struct RangeGuard {
    id: u64,
    state: Arc<Mutex<State>>,
}

impl fmt::Debug for RangeLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.state);
        write!(
            f,
            "RangeLock({} held, {} waiting)",
            state.held.len(),
            state.waiting.len()
        )
    }
}

impl fmt::Debug for RangeGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RangeGuard({})", self.id)
    }
}

/// A panic while the lock is held cannot leave the lists half changed: every change is one call on one of them.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Held {
    fn conflicts(&self, range: &Range<u64>, exclusive: bool) -> bool {
        (self.exclusive || exclusive) && self.range.start < range.end && range.start < self.range.end
    }
}

impl RangeLock {
    /// A lock with nothing held.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits until nobody else holds any part of `range`, and holds it.
    pub async fn exclusive(&self, range: Range<u64>) -> RangeGuard {
        self.acquire(range, true).await
    }

    /// Waits until nobody holds any part of `range` exclusively, and holds it with others that share it.
    pub async fn shared(&self, range: Range<u64>) -> RangeGuard {
        self.acquire(range, false).await
    }

    /// Holds the range of a request as its operation needs it: alone if that modifies anything, else with others.
    pub async fn for_request(&self, operation: Operation, offset: u64, length: u64) -> RangeGuard {
        self.acquire(offset..offset + length, operation.modifies()).await
    }

    async fn acquire(&self, range: Range<u64>, exclusive: bool) -> RangeGuard {
        loop {
            let ready = {
                let mut state = lock(&self.state);
                let id = state.next;
                state.next += 1;
                let free = !state.held.iter().any(|held| held.conflicts(&range, exclusive))
                    && !state
                        .waiting
                        .iter()
                        .any(|waiting| waiting.held.conflicts(&range, exclusive));
                let held = Held {
                    id,
                    range: range.clone(),
                    exclusive,
                };
                if free {
                    state.held.push(held);
                    return RangeGuard {
                        id,
                        state: self.state.clone(),
                    };
                }
                let (sender, ready) = oneshot::channel();
                state.waiting.push_back(Waiting { held, ready: sender });
                ready
            };
            // The sender is only ever dropped by being used, so this returns at the first turn of the loop.
            if let Ok(guard) = ready.await {
                return guard;
            }
        }
    }
}

impl Drop for RangeGuard {
    fn drop(&mut self) {
        // Guards for waiters that gave up are dropped here, after the lock is released: their drop takes it again.
        let mut abandoned = Vec::new();
        {
            let mut state = lock(&self.state);
            state.held.retain(|held| held.id != self.id);
            let mut at = 0;
            while at < state.waiting.len() {
                let Waiting { held, .. } = &state.waiting[at];
                let blocked = state
                    .held
                    .iter()
                    .any(|other| other.conflicts(&held.range, held.exclusive))
                    || state
                        .waiting
                        .iter()
                        .take(at)
                        .any(|other| other.held.conflicts(&held.range, held.exclusive));
                if blocked {
                    at += 1;
                } else if let Some(Waiting { held, ready }) = state.waiting.remove(at) {
                    let guard = RangeGuard {
                        id: held.id,
                        state: self.state.clone(),
                    };
                    state.held.push(held);
                    abandoned.extend(ready.send(guard).err());
                }
            }
        }
        drop(abandoned);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures::{FutureExt, poll};

    use super::*;

    #[tokio::test]
    async fn only_overlapping_ranges_wait() {
        let lock = RangeLock::new();
        let a = lock.exclusive(0..10).await;
        let _b = lock.exclusive(10..20).await;
        let mut c = Box::pin(lock.exclusive(5..15));
        assert!(poll!(&mut c).is_pending());
        drop(a);
        assert!(poll!(&mut c).is_pending(), "10..20 is still held");
        drop(_b);
        assert!(poll!(&mut c).is_ready());
    }

    #[tokio::test]
    async fn readers_share_and_do_not_overtake_a_waiting_writer() {
        let lock = RangeLock::new();
        let first = lock.shared(0..10).await;
        let second = lock.shared(5..10).now_or_never().expect("readers share");
        let mut writer = Box::pin(lock.exclusive(0..10));
        assert!(poll!(&mut writer).is_pending());
        let mut late = Box::pin(lock.shared(0..10));
        assert!(poll!(&mut late).is_pending());
        drop((first, second));
        let Poll::Ready(guard) = poll!(&mut writer) else {
            panic!("the writer's turn")
        };
        assert!(poll!(&mut late).is_pending());
        drop(guard);
        assert!(poll!(&mut late).is_ready());
    }

    #[tokio::test]
    async fn a_waiter_that_gave_up_blocks_nobody() {
        let lock = RangeLock::new();
        let held = lock.exclusive(0..10).await;
        let mut gone = Box::pin(lock.exclusive(0..10));
        assert!(poll!(&mut gone).is_pending());
        let mut last = Box::pin(lock.exclusive(0..10));
        assert!(poll!(&mut last).is_pending());
        drop(gone);
        drop(held);
        assert!(poll!(&mut last).is_ready());
        drop(last);
        assert_eq!(format!("{lock:?}"), "RangeLock(0 held, 0 waiting)");
    }
}
