//! How many requests may be in flight: additive increase, multiplicative decrease, and pauses the service asks for.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until, timeout_at},
};

use super::{pace::Room, retry::Failure};
use crate::error::AzureError;

/// Answers to requests that were sent together arrive together: they count as one sign of overload.
const ONE_CUT_PER: Duration = Duration::from_millis(500);

/// The places for requests in flight.
#[derive(Debug)]
pub(super) struct Limiter {
    places: Arc<Semaphore>,
    /// The limit is below its maximum or a pause is on; else the hot path takes no lock.
    restrained: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    max: usize,
    /// Places that are to vanish when they are given back.
    owed: usize,
    good: usize,
    last_cut: Option<Instant>,
    resume_at: Option<Instant>,
}

/// A place among the requests in flight.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Room on the line, for requests with a long body.
    pub(super) room: Option<Room>,
    permit: Option<OwnedSemaphorePermit>,
    limiter: Arc<Limiter>,
}

impl Limiter {
    pub(super) fn new(max: usize) -> Arc<Self> {
        let max = max.max(1);
        Arc::new(Self {
            places: Arc::new(Semaphore::new(max)),
            restrained: AtomicBool::new(false),
            state: Mutex::new(State {
                limit: max,
                max,
                owed: 0,
                good: 0,
                last_cut: None,
                resume_at: None,
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place, and for the end of a pause.
    pub(super) async fn acquire(self: &Arc<Self>, deadline: Instant, object: &str) -> Result<Slot, Failure> {
        let busy = || Failure {
            retry: false,
            ..Failure::unsent(AzureError::unreachable(
                object,
                "too many requests are waiting for the service",
            ))
        };
        let Ok(permit) = timeout_at(deadline, self.places.clone().acquire_owned()).await else {
            return Err(busy());
        };
        let slot = Slot {
            room: None,
            permit: Some(permit.map_err(|_| busy())?),
            limiter: self.clone(),
        };
        while let Some(resume_at) = self.pause() {
            if resume_at >= deadline {
                return Err(Failure {
                    retry: false,
                    ..Failure::unsent(AzureError::Unreachable {
                        object: object.to_owned(),
                        detail: "the service asked for a pause".to_owned(),
                        retry_after: Some(resume_at - Instant::now()),
                    })
                });
            }
            sleep_until(resume_at).await;
        }
        Ok(slot)
    }

    fn pause(&self) -> Option<Instant> {
        if !self.restrained.load(Ordering::Acquire) {
            return None;
        }
        self.state().resume_at.filter(|at| *at > Instant::now())
    }

    /// Halves the limit and starts a pause if the service named one.
    pub(super) fn throttled(&self, pause: Option<Duration>) {
        let mut state = self.state();
        let now = Instant::now();
        if let Some(pause) = pause {
            state.resume_at = state.resume_at.max(Some(now + pause));
        }
        if state.last_cut.is_none_or(|at| now >= at + ONE_CUT_PER) {
            let limit = (state.limit / 2).max(1);
            state.owed += state.limit - limit;
            state.limit = limit;
            state.last_cut = Some(now);
        }
        state.good = 0;
        while state.owed > 0 {
            let Ok(permit) = self.places.try_acquire() else { break };
            permit.forget();
            state.owed -= 1;
        }
        self.restrained.store(true, Ordering::Release);
    }

    /// Lets one more through after a whole round of good answers.
    pub(super) fn succeeded(&self) {
        if !self.restrained.load(Ordering::Acquire) {
            return;
        }
        let mut state = self.state();
        state.good += 1;
        if state.good >= state.limit && state.limit < state.max {
            state.good = 0;
            state.limit += 1;
            if state.owed > 0 {
                state.owed -= 1;
            } else {
                self.places.add_permits(1);
            }
        }
        if state.limit == state.max && state.resume_at.is_none_or(|at| at <= Instant::now()) {
            state.resume_at = None;
            self.restrained.store(false, Ordering::Release);
        }
    }

    #[cfg(test)]
    pub(super) fn limit(&self) -> usize {
        self.state().limit
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.limiter.restrained.load(Ordering::Acquire) {
            return;
        }
        let mut state = self.limiter.state();
        if state.owed > 0
            && let Some(permit) = self.permit.take()
        {
            permit.forget();
            state.owed -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(15)
    }

    #[tokio::test(start_paused = true)]
    async fn overload_halves_the_limit_and_success_restores_it() {
        let limiter = Limiter::new(8);
        let mut held = Vec::new();
        for _ in 0..8 {
            held.push(limiter.acquire(soon(), "x").await.unwrap());
        }
        limiter.throttled(None);
        limiter.throttled(None);
        assert_eq!(limiter.limit(), 4, "answers of one round count once");
        held.clear();
        for _ in 0..4 {
            held.push(limiter.acquire(soon(), "x").await.unwrap());
        }
        assert!(limiter.acquire(soon(), "x").now_or_never().is_none(), "only four now");
        for _ in 0..100 {
            limiter.succeeded();
        }
        assert_eq!(limiter.limit(), 8);
        for _ in 0..4 {
            held.push(limiter.acquire(soon(), "x").now_or_never().expect("a place").unwrap());
        }
        assert!(limiter.acquire(soon(), "x").now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_stops_everybody_or_is_reported() {
        let limiter = Limiter::new(2);
        limiter.throttled(Some(Duration::from_secs(5)));
        let start = Instant::now();
        limiter.acquire(soon(), "x").await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(5));
        limiter.throttled(Some(Duration::from_secs(60)));
        assert!(matches!(
            limiter.acquire(soon(), "x").await.unwrap_err().error,
            AzureError::Unreachable {
                retry_after: Some(_),
                ..
            }
        ));
    }
}
