//! How many bytes of writes may be under way: as many as the line carries in a few seconds.
//!
//! Requests that are sent together share the line. On a slow one, sixteen long writes would all be too late together, and so
//! would be those that are sent instead of them. So what is sent at once starts small, doubles while answers come soon, and
//! shrinks to what the line was seen to carry. Requests that wait for room wait here and not in the buffers of sockets, where
//! nobody could tell a slow line from a dead one.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, timeout_at},
};

use super::retry::Failure;
use crate::error::AzureError;

/// Shorter bodies are not counted, in bytes.
const SMALL: usize = 64 << 10;
/// Under way at first, in bytes: a line of 1 Mbit/s carries them in 9 s.
const FIRST: usize = 1 << 20;

/// The room for bodies under way.
#[derive(Debug)]
pub(super) struct Pace {
    /// A body should be answered within this time.
    target: Duration,
    /// Who waits for room; the first of them in line holds the door.
    door: Semaphore,
    left: Notify,
    state: Mutex<State>,
    /// A copy of the limit, for those who only want to know.
    limit: AtomicUsize,
}

#[derive(Debug)]
struct State {
    limit: usize,
    most: usize,
    under_way: usize,
    last_cut: Option<Instant>,
}

/// Room that a body takes while it is under way.
#[derive(Debug)]
pub(super) struct Room {
    pace: Arc<Pace>,
    bytes: usize,
    /// Bytes under way when it was let in, with its own.
    together: usize,
    /// They were about as many as were allowed.
    full: bool,
}

impl Pace {
    /// Room for at most `most` bytes, which are to be answered within `target`.
    pub(super) fn new(most: usize, target: Duration) -> Arc<Self> {
        let limit = FIRST.min(most).max(SMALL);
        Arc::new(Self {
            target,
            door: Semaphore::new(1),
            left: Notify::new(),
            state: Mutex::new(State {
                limit,
                most: most.max(SMALL),
                under_way: 0,
                last_cut: None,
            }),
            limit: AtomicUsize::new(limit),
        })
    }

    /// Longest body that is worth sending, a power of two of bytes: two of them fill the room, so that the line is not idle between
    /// them.
    pub(super) fn piece(&self) -> u32 {
        let half = (self.limit.load(Ordering::Relaxed) / 2).max(SMALL);
        1 << half.ilog2()
    }

    /// Waits for room, in the order of asking. Small bodies need none.
    pub(super) async fn room(
        self: &Arc<Self>,
        bytes: usize,
        deadline: Instant,
        object: &str,
    ) -> Result<Option<Room>, Failure> {
        if bytes < SMALL {
            return Ok(None);
        }
        let wait = async {
            let _door = self.door.acquire().await;
            loop {
                if let Some(room) = self.enter(bytes) {
                    return room;
                }
                self.left.notified().await;
            }
        };
        match timeout_at(deadline, wait).await {
            Ok(room) => Ok(Some(room)),
            Err(_) => Err(Failure {
                retry: false,
                ..Failure::unsent(AzureError::unreachable(
                    object,
                    "more is written than the line to the service carries",
                ))
            }),
        }
    }

    fn enter(self: &Arc<Self>, bytes: usize) -> Option<Room> {
        let mut state = self.state();
        let together = state.under_way + bytes;
        if state.under_way > 0 && together > state.limit {
            return None;
        }
        state.under_way = together;
        Some(Room {
            pace: self.clone(),
            bytes,
            together,
            full: together * 2 > state.limit,
        })
    }

    fn change(&self, state: &mut State, limit: usize) {
        state.limit = limit.clamp(SMALL, state.most);
        self.limit.store(state.limit, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether it is time to cut again: requests that were under way together tell the same story.
    fn may_cut(&mut self, target: Duration) -> bool {
        let now = Instant::now();
        let may = self.last_cut.is_none_or(|at| now >= at + target);
        if may {
            self.last_cut = Some(now);
        }
        may
    }
}

impl Room {
    /// The body was answered after `time`.
    pub(super) fn answered(&self, time: Duration) {
        let pace = &*self.pace;
        let mut state = pace.state();
        if time > pace.target {
            let carried = (self.together as f64 * pace.target.as_secs_f64() / time.as_secs_f64()) as usize;
            if carried < state.limit && state.may_cut(pace.target) {
                pace.change(&mut state, carried);
            }
        } else if self.full && state.limit < state.most {
            // Answers to a full room double it.
            let limit = state.limit + self.bytes;
            pace.change(&mut state, limit);
            drop(state);
            pace.left.notify_one();
        }
    }

    /// Nothing moved any more.
    pub(super) fn stuck(&self) {
        let mut state = self.pace.state();
        if state.may_cut(self.pace.target) {
            let limit = state.limit.min(self.together) / 2;
            self.pace.change(&mut state, limit);
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.pace.state().under_way -= self.bytes;
        self.pace.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const TARGET: Duration = Duration::from_secs(3);

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(15)
    }

    fn enter(pace: &Arc<Pace>, bytes: usize) -> Option<Room> {
        pace.room(bytes, soon(), "x").now_or_never()?.expect("room")
    }

    #[tokio::test(start_paused = true)]
    async fn a_fast_line_opens_up_and_a_slow_one_gets_what_it_carries() {
        let pace = Pace::new(64 << 20, TARGET);
        assert_eq!(pace.piece(), 512 << 10);
        for _ in 0..20 {
            while let Some(room) = pace.enter(512 << 10) {
                room.answered(Duration::from_millis(20));
                std::mem::forget(room);
            }
            pace.state().under_way = 0;
        }
        assert_eq!(pace.piece(), 32 << 20);

        // All of it at once takes a line of 250,000 bytes/s far too long.
        let room = pace.enter(32 << 20).expect("room");
        room.answered(Duration::from_secs_f64(f64::from(32 << 20) / 250_000.0));
        let limit = pace.state().limit;
        assert!((740_000..=750_000).contains(&limit), "{limit}");
        assert_eq!(pace.piece(), 256 << 10);
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_given_in_order_and_one_always_gets_in() {
        let pace = Pace::new(64 << 20, TARGET);
        let first = enter(&pace, 4 << 20).expect("alone, it may be longer than the limit");
        let mut second = Box::pin(pace.room(900 << 10, soon(), "x"));
        let mut third = Box::pin(pace.room(64 << 10, soon(), "x"));
        assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
        assert!(enter(&pace, 512).is_none(), "small ones need no room");
        drop(first);
        assert!((&mut third).now_or_never().is_none(), "it is not its turn");
        let second = second.await.expect("room");
        let third = third.await.expect("room");
        assert_eq!(pace.state().under_way, (900 << 10) + (64 << 10));
        drop((second, third));
        assert_eq!(pace.state().under_way, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_halves_it_once_a_round() {
        let pace = Pace::new(64 << 20, TARGET);
        let rooms = [enter(&pace, 512 << 10), enter(&pace, 512 << 10)].map(|room| room.expect("room"));
        rooms.iter().for_each(Room::stuck);
        assert_eq!(pace.state().limit, 256 << 10);
        let late = pace.room(64 << 10, soon(), "x").await.expect_err("no room");
        assert!(late.error.to_string().contains("more is written"), "{}", late.error);
    }
}
