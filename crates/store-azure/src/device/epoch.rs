//! Keeps writes whose fate is unknown from taking effect later: fencing by sequence number.
//!
//! A request whose answer never came may still be carried out by the service, after later writes to the same pages
//! were acknowledged. So every write is sent on condition that the blob's sequence number is the one it was made for,
//! and after a write of unknown fate nothing else is sent before that number was raised: then the straggler fails.
//!
//! ```text
//!             ticket, settle                 a ticket was dropped without being settled
//!            ┌──────┐                        (timeout, lost connection, dropped future)
//!            ▼      │
//!         Clean(n) ─┘ ────────────────────────────────────▶ Dirty(n)
//!            ▲                                                 │
//!            └──────────── raise: service says m > n ──────────┘
//!                                  Clean(m)
//! ```
//!
//! Writes that were in flight with the old number when it was raised, and are refused for it, did surely nothing and
//! are sent again with the new one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::{Instant, timeout_at};

use crate::error::{AzureError, Result};

/// The state of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The number that writes carry; no write made for an older one can take effect.
    Clean(u64),
    /// A write made for this number has an unknown fate.
    Dirty(u64),
}

/// The sequence number of the blob and whether it must be raised before anything else is sent.
#[derive(Debug)]
pub(crate) struct Epoch {
    state: Mutex<State>,
    raising: tokio::sync::Mutex<()>,
}

/// Permission to send one write for one number. Dropped unsettled, it means that the write's fate is unknown.
#[derive(Debug)]
#[must_use]
pub(crate) struct Ticket<'a> {
    epoch: &'a Epoch,
    number: u64,
    settled: bool,
}

/// Raises the number of the blob: given the least it must become, says what it became.
#[async_trait::async_trait]
pub(crate) trait Raise: Sync {
    async fn raise(&self, to: u64) -> Result<u64>;

    /// When the request that needs it must be done.
    fn deadline(&self) -> Instant;
}

impl Epoch {
    /// A blob whose number was just raised to `number`.
    pub(crate) fn new(number: u64) -> Self {
        Self {
            state: Mutex::new(State::Clean(number)),
            raising: tokio::sync::Mutex::new(()),
        }
    }

    /// A change of state is one assignment: a panic elsewhere leaves it whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clean(&self) -> Option<u64> {
        match *self.state() {
            State::Clean(number) => Some(number),
            State::Dirty(_) => None,
        }
    }

    /// Makes sure that no write of unknown fate can take effect any more. Costs nothing when there is none.
    pub(crate) async fn settle(&self, raise: &impl Raise) -> Result<u64> {
        if let Some(number) = self.clean() {
            return Ok(number);
        }
        let late = |_| AzureError::unreachable("sequence number", "an earlier request is still raising it");
        let _turn = timeout_at(raise.deadline(), self.raising.lock()).await.map_err(late)?;
        let number = match *self.state() {
            State::Clean(number) => return Ok(number),
            State::Dirty(number) => number,
        };
        let became = raise.raise(number + 1).await?;
        if became <= number {
            return Err(AzureError::protocol("sequence number", "the service did not raise it"));
        }
        *self.state() = State::Clean(became);
        Ok(became)
    }

    /// A ticket for one write, after [`settle`](Self::settle).
    pub(crate) async fn ticket(&self, raise: &impl Raise) -> Result<Ticket<'_>> {
        loop {
            self.settle(raise).await?;
            // Another write may have got lost since; then it is raised once more.
            if let Some(number) = self.clean() {
                return Ok(Ticket {
                    epoch: self,
                    number,
                    settled: false,
                });
            }
        }
    }

    /// A write for `number` was refused because the blob has another one. Our own raise explains that; anything else
    /// is put right by raising again.
    pub(crate) fn refused(&self, number: u64) {
        let mut state = self.state();
        if *state == State::Clean(number) {
            *state = State::Dirty(number);
        }
    }
}

impl Ticket<'_> {
    /// The number that the write must carry.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The write took effect, or surely never will.
    pub(crate) fn settle(mut self) {
        self.settled = true;
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.settled {
            let mut state = self.epoch.state();
            // A number that was raised since keeps this write out already.
            if *state == State::Clean(self.number) {
                *state = State::Dirty(self.number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Service {
        number: AtomicU64,
        calls: AtomicUsize,
        broken: std::sync::atomic::AtomicBool,
    }

    #[async_trait::async_trait]
    impl Raise for Service {
        async fn raise(&self, to: u64) -> Result<u64> {
            self.calls.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            if self.broken.load(Ordering::Relaxed) {
                return Err(AzureError::unreachable("blob", "gone"));
            }
            Ok(self.number.fetch_max(to, Ordering::Relaxed).max(to))
        }

        fn deadline(&self) -> Instant {
            Instant::now() + std::time::Duration::from_secs(15)
        }
    }

    #[tokio::test]
    async fn settled_writes_raise_nothing() {
        let (epoch, service) = (Epoch::new(5), Service::default());
        for _ in 0..3 {
            let ticket = epoch.ticket(&service).await.unwrap();
            assert_eq!(ticket.number(), 5);
            ticket.settle();
        }
        assert_eq!(service.calls.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_lost_write_raises_the_number_once_for_everybody() {
        let (epoch, service) = (Epoch::new(5), Service::default());
        let other = epoch.ticket(&service).await.unwrap();
        drop(epoch.ticket(&service).await.unwrap());
        let numbers = futures::future::join_all((0..10).map(|_| epoch.settle(&service))).await;
        assert!(numbers.into_iter().all(|number| number == Ok(6)));
        assert_eq!(service.calls.load(Ordering::Relaxed), 1);
        drop(other);
        assert_eq!(
            epoch.settle(&service).await,
            Ok(6),
            "a loss of an older epoch is fenced already"
        );
        epoch.refused(5);
        assert_eq!(epoch.settle(&service).await, Ok(6), "and so is a refusal");
    }

    #[tokio::test]
    async fn nothing_is_sent_until_the_number_is_raised() {
        let (epoch, service) = (Epoch::new(5), Service::default());
        drop(epoch.ticket(&service).await.unwrap());
        service.broken.store(true, Ordering::Relaxed);
        assert!(epoch.ticket(&service).await.is_err());
        assert!(epoch.settle(&service).await.is_err());
        service.broken.store(false, Ordering::Relaxed);
        assert_eq!(epoch.ticket(&service).await.unwrap().number(), 6);
    }

    #[tokio::test]
    async fn a_loss_during_the_raise_is_covered_by_it() {
        let (epoch, service) = (Epoch::new(5), Service::default());
        let late = epoch.ticket(&service).await.unwrap();
        drop(epoch.ticket(&service).await.unwrap());
        let (number, ()) = tokio::join!(epoch.settle(&service), async { drop(late) });
        assert_eq!(number, Ok(6));
        assert_eq!(epoch.settle(&service).await, Ok(6));
    }

    #[tokio::test]
    async fn a_number_changed_from_outside_is_overtaken() {
        let (epoch, service) = (Epoch::new(5), Service::default());
        service.number.store(90, Ordering::Relaxed);
        epoch.refused(5);
        assert_eq!(epoch.settle(&service).await, Ok(90));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_the_raise_of_another_beyond_its_deadline() {
        let (epoch, service) = (Epoch::new(5), Service::default());
        epoch.refused(5);
        let turn = epoch.raising.lock().await;
        assert!(matches!(
            epoch.settle(&service).await,
            Err(AzureError::Unreachable { .. })
        ));
        drop(turn);
        assert_eq!(epoch.settle(&service).await, Ok(6));
    }
}
