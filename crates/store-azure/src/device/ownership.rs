//! The lease of an open disk: held, lapsed or lost, and the task that renews it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use block::BlockError;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until, timeout_at},
};
use tracing::{error, info, warn};

use crate::{
    client::Monitor,
    error::{AzureError, Result},
    service::{Blob, Metadata},
};

/// Metadata key: counts the owners a blob had.
pub(crate) const GENERATION: &str = "cloudstick_generation";
/// Metadata key: who the last owner is.
pub(crate) const OWNER: &str = "cloudstick_owner";
/// Metadata key: since when.
pub(crate) const SINCE: &str = "cloudstick_since";

/// Whether we own the blob.
#[derive(Debug, Clone)]
enum State {
    /// The lease was renewed in time, as far as we know; see `valid_until`.
    Held,
    /// It could not be renewed in time. Ours again if the service still knows it; nothing is sent meanwhile. What the
    /// service said, if it answered and refused to renew it for a reason that does not pass by itself.
    Lapsed(Option<BlockError>),
    /// Somebody else has the blob. Final.
    Lost(BlockError),
    /// Given up by ourselves. Final.
    Released,
}

/// The right to write to a blob.
#[derive(Debug)]
pub(crate) struct Ownership {
    disk: String,
    lease: String,
    generation: u64,
    seconds: u64,
    state: watch::Sender<State>,
    /// Asks for a renewal now.
    doubt: Notify,
    start: Instant,
    /// Milliseconds after `start` until which the lease is surely ours: counted from before the last successful
    /// renewal was *sent*, on the monotonic clock.
    valid_for: AtomicU64,
}

impl Ownership {
    /// A lease that was acquired by a request sent at `sent`.
    pub(crate) fn new(disk: &str, lease: String, generation: u64, seconds: u64, sent: Instant) -> Arc<Self> {
        Arc::new(Self {
            disk: disk.to_owned(),
            lease,
            generation,
            seconds,
            state: watch::Sender::new(State::Held),
            doubt: Notify::new(),
            start: sent,
            valid_for: AtomicU64::new(seconds * 1000),
        })
    }

    pub(crate) fn lease(&self) -> &str {
        &self.lease
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    fn valid_until(&self) -> Instant {
        self.start + Duration::from_millis(self.valid_for.load(Ordering::Acquire))
    }

    /// Waits until the lease is held for certain.
    ///
    /// # Errors
    ///
    /// [`Fenced`](BlockError::Fenced) for ever once it is lost, [`Unreachable`](BlockError::Unreachable) if nobody
    /// knows by the deadline.
    pub(crate) async fn check(&self, deadline: Instant) -> Result<(), BlockError> {
        {
            let state = self.state.borrow();
            match &*state {
                State::Held if Instant::now() < self.valid_until() => return Ok(()),
                State::Lost(error) => return Err(error.clone()),
                State::Lapsed(Some(error)) => return Err(error.clone()),
                State::Released => return Err(BlockError::closed(&self.disk)),
                State::Held | State::Lapsed(None) => {}
            }
        }
        let mut watcher = self.state.subscribe();
        let settled = watcher.wait_for(|state| match state {
            State::Held => Instant::now() < self.valid_until(),
            State::Lapsed(None) => false,
            State::Lapsed(Some(_)) | State::Lost(_) | State::Released => true,
        });
        match timeout_at(deadline, settled).await {
            Ok(Ok(state)) => match &*state {
                State::Lost(error) | State::Lapsed(Some(error)) => Err(error.clone()),
                State::Held => Ok(()),
                State::Released | State::Lapsed(None) => Err(BlockError::closed(&self.disk)),
            },
            Ok(Err(_)) => Err(BlockError::closed(&self.disk)),
            Err(_) => Err(BlockError::unreachable(
                &self.disk,
                "its lease could not be renewed in time; nothing is written until the service confirms it",
            )),
        }
    }

    /// The service told us that the lease is not ours any more.
    pub(crate) fn lose(&self, why: &AzureError, monitor: &Monitor) {
        let error = BlockError::fenced(&self.disk, format!("{why}; open it again to go on"));
        let news = self.state.send_if_modified(|state| {
            let news = matches!(state, State::Held | State::Lapsed(_));
            if news {
                *state = State::Lost(error.clone());
            }
            news
        });
        if news {
            error!(disk = %self.disk, %error, "fenced");
            monitor.fenced(error);
        }
    }

    /// Adds to the health who the new owner is.
    async fn tell_who(&self, blob: &Blob, monitor: &Monitor) {
        let Ok(properties) = blob.properties().await else {
            return;
        };
        if let Some(owner) = describe_owner(&properties.metadata)
            && generation(&properties.metadata) != self.generation
        {
            let detail = format!("{owner}; open it again to take it back");
            let error = BlockError::fenced(&self.disk, detail);
            self.state.send_modify(|state| {
                if matches!(state, State::Lost(_)) {
                    *state = State::Lost(error.clone());
                }
            });
            monitor.fenced(error);
        }
    }

    /// Ends it from our side; the lease is released by the caller.
    pub(crate) fn release(&self) {
        self.state.send_modify(|state| {
            if !matches!(state, State::Lost(_)) {
                *state = State::Released;
            }
        });
    }

    fn renewed(&self, sent: Instant) {
        let until = (sent - self.start).as_millis() as u64 + self.seconds * 1000;
        self.valid_for.fetch_max(until, Ordering::AcqRel);
        // Also when it was held all along: somebody may have found it run out a moment ago and wait for this.
        self.state.send_modify(|state| {
            if matches!(state, State::Lapsed(_)) {
                *state = State::Held;
            }
        });
    }

    /// The service says that the lease is not in force: a renewal must show whether it is still ours. Nothing is sent
    /// until it did.
    pub(crate) fn doubt(&self) {
        self.lapse(None);
        self.doubt.notify_one();
    }

    fn lapse(&self, refusal: Option<&BlockError>) {
        let news = self.state.send_if_modified(|state| {
            let news = matches!(state, State::Held);
            if news {
                *state = State::Lapsed(refusal.cloned());
            }
            news
        });
        if news {
            warn!(disk = %self.disk, "the lease is not known to be in force; the disk waits");
        }
    }

    /// A renewal failed: those who wait learn why, unless it only was not answered.
    fn not_renewed(&self, refusal: Option<&BlockError>) {
        self.state.send_if_modified(|state| {
            let lapsed = matches!(state, State::Lapsed(_));
            if lapsed {
                *state = State::Lapsed(refusal.cloned());
            }
            lapsed
        });
    }

    fn is_final(&self) -> bool {
        matches!(*self.state.borrow(), State::Lost(_) | State::Released)
    }

    /// Renews the lease until it is lost or released.
    pub(crate) async fn keep(self: Arc<Self>, blob: Blob, monitor: Arc<Monitor>) {
        let period = Duration::from_secs(self.seconds) / 3;
        let mut next = self.start + period;
        let mut refusal = None;
        let mut watcher = self.state.subscribe();
        loop {
            let until = self.valid_until();
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.doubt.notified() => {}
                () = sleep_until(until), if matches!(*self.state.borrow(), State::Held) => {
                    self.lapse(refusal.as_ref());
                    continue;
                }
                changed = watcher.changed() => {
                    if changed.is_err() || self.is_final() {
                        break;
                    }
                    continue;
                }
            }
            let sent = Instant::now();
            let outcome = tokio::select! {
                outcome = blob.renew_lease(&self.lease, sent + period.min(Duration::from_secs(10))) => outcome,
                () = sleep_until(until), if matches!(*self.state.borrow(), State::Held) => {
                    self.lapse(refusal.as_ref());
                    continue;
                }
            };
            next = Instant::now() + Duration::from_secs(1).min(period);
            let outcome = match outcome {
                Ok(()) => self.still_ours(&blob).await,
                Err(failure) => Err(failure.error),
            };
            match outcome {
                Ok(()) => {
                    self.renewed(sent);
                    refusal = None;
                    next = sent + period;
                }
                Err(
                    why @ (AzureError::LeaseLost { .. }
                    | AzureError::LeaseExpired { .. }
                    | AzureError::Leased { .. }
                    | AzureError::NotFound { .. }),
                ) => self.lose(&why, &monitor),
                Err(why) => {
                    info!(disk = %self.disk, error = %why, "the lease was not renewed; trying again");
                    let answered = !matches!(why, AzureError::Unreachable { .. });
                    refusal = answered.then(|| why.into_block(&self.disk));
                    self.not_renewed(refusal.as_ref());
                }
            }
            if self.is_final() {
                break;
            }
        }
        if matches!(*self.state.borrow(), State::Lost(_)) {
            self.tell_who(&blob, &monitor).await;
        }
    }

    /// After a lapse the service may know the lease yet although somebody had the blob in between.
    async fn still_ours(&self, blob: &Blob) -> Result<()> {
        if matches!(*self.state.borrow(), State::Held) {
            return Ok(());
        }
        let properties = blob.properties_now(Instant::now() + Duration::from_secs(10)).await?;
        if generation(&properties.metadata) == self.generation {
            return Ok(());
        }
        Err(AzureError::LeaseLost {
            object: blob.label().to_owned(),
            detail: describe_owner(&properties.metadata).unwrap_or_else(|| "it had another owner meanwhile".to_owned()),
        })
    }
}

/// The generation in metadata; a blob without one never had an owner of ours.
pub(crate) fn generation(metadata: &Metadata) -> u64 {
    metadata.get(GENERATION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Who has a blob since when, by its metadata.
pub(crate) fn describe_owner(metadata: &Metadata) -> Option<String> {
    let owner = metadata.get(OWNER).map(|owner| {
        percent_encoding::percent_decode_str(owner)
            .decode_utf8_lossy()
            .chars()
            .filter(|c| !c.is_control())
            .collect::<String>()
    })?;
    Some(match metadata.get(SINCE) {
        Some(since) => format!("{owner} since {since}"),
        None => owner,
    })
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_found_the_lease_run_out_goes_on_when_it_is_renewed() {
        let ownership = Ownership::new("tv", "id".to_owned(), 1, 60, Instant::now());
        tokio::time::advance(Duration::from_secs(61)).await;
        let mut waiting = Box::pin(ownership.check(Instant::now() + Duration::from_secs(15)));
        assert!((&mut waiting).now_or_never().is_none());
        ownership.renewed(Instant::now());
        assert_eq!(waiting.now_or_never(), Some(Ok(())));
    }
}
