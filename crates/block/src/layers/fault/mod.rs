//! Does to requests what networks, disks and power supplies do: for tests.

mod volatile;

use std::{
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use tokio::sync::{Notify, watch};

use crate::{
    BlockDevice, BlockError, Disk, Extent, Features, Operation, Payload, Properties, Result, Status, WriteFlags,
    ZeroFlags,
};

use volatile::VolatileCache;

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Action {
    /// It is carried out after a random time out of this range.
    Delay(Range<Duration>),
    /// It fails without having been carried out.
    Error(BlockError),
    /// It is carried out, and then fails: the answer was lost.
    ErrorAfter(BlockError),
    /// It hangs, without having been carried out, until the rule is [removed](Fault::remove) or its future dropped;
    /// then it is carried out.
    Hang,
    /// A read succeeds with at most so many bytes, fewer than were asked for: what a broken device does, for tests
    /// that callers check the length of what they get. Other operations are left alone.
    ShortRead(usize),
}

/// Which of the requests that a rule is about it strikes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    /// Every one.
    Always,
    /// Each with this probability, from 0 to 1.
    Chance(f64),
    /// Only one, after this many were spared.
    Once(u64),
    /// All after this many were spared.
    After(u64),
}

/// Which requests meet which [`Action`].
#[derive(Debug, Clone)]
pub struct Rule {
    action: Action,
    operations: Vec<Operation>,
    range: Range<u64>,
    when: When,
}

impl Rule {
    /// Does `action` to every request.
    #[must_use]
    pub fn new(action: Action) -> Self {
        Self {
            action,
            operations: Operation::ALL.to_vec(),
            range: 0..u64::MAX,
            when: When::Always,
        }
    }

    /// Only to these operations. A close counts as a flush.
    #[must_use]
    pub fn on(mut self, operations: &[Operation]) -> Self {
        self.operations = operations.to_vec();
        self
    }

    /// Only to requests that touch these bytes. Operations without a range are at byte 0.
    #[must_use]
    pub fn within(mut self, range: Range<u64>) -> Self {
        self.range = range;
        self
    }

    /// Only to some of them.
    #[must_use]
    pub fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }

    fn is_about(&self, operation: Operation, offset: u64, length: u64) -> bool {
        let end = offset.saturating_add(length.max(1));
        self.operations.contains(&operation) && offset < self.range.end && self.range.start < end
    }
}

/// Names a rule, to remove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleId(u64);

struct Active {
    id: RuleId,
    rule: Rule,
    seen: u64,
    removed: Arc<Removed>,
}

#[derive(Default)]
struct Removed {
    is: AtomicBool,
    notify: Notify,
}

struct State {
    rng: SmallRng,
    next: u64,
    rules: Vec<Active>,
}

/// What the rules demand of one request.
#[derive(Default)]
struct Verdict {
    delay: Duration,
    error: Option<BlockError>,
    error_after: Option<BlockError>,
    hang: Vec<Arc<Removed>>,
    short: Option<usize>,
}

/// A device that delays, fails, hangs, and forgets what was not flushed, as its owner tells it to.
///
/// Everything random follows from the seed and the order in which requests arrive. Keep the `Arc` to steer it while
/// it is in use.
pub struct Fault {
    inner: Disk,
    state: Mutex<State>,
    volatile: Option<VolatileCache>,
    dead: AtomicBool,
}

impl Fault {
    /// A layer that leaves `inner` alone until it is told otherwise.
    #[must_use]
    pub fn new(inner: Disk, seed: u64) -> Self {
        Self {
            inner,
            state: Mutex::new(State {
                rng: SmallRng::seed_from_u64(seed),
                next: 0,
                rules: Vec::new(),
            }),
            volatile: None,
            dead: AtomicBool::new(false),
        }
    }

    /// As [`new`](Self::new), and writes stay in the memory of this layer until they are flushed, so that a
    /// [power loss](Self::power_loss) loses them.
    #[must_use]
    pub fn with_volatile_cache(inner: Disk, seed: u64) -> Self {
        Self {
            volatile: Some(VolatileCache::default()),
            ..Self::new(inner, seed)
        }
    }

    /// Adds a rule. A request meets all rules that strike it: the delays add up, and the first error counts.
    pub fn add(&self, rule: Rule) -> RuleId {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let id = RuleId(state.next);
        state.next += 1;
        state.rules.push(Active {
            id,
            rule,
            seen: 0,
            removed: Arc::default(),
        });
        id
    }

    /// Removes a rule; requests that hang by it go on.
    pub fn remove(&self, id: RuleId) {
        self.remove_if(|active| active.id == id);
    }

    /// Removes all rules.
    pub fn clear(&self) {
        self.remove_if(|_| true);
    }

    fn remove_if(&self, which: impl Fn(&Active) -> bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.rules.retain(|active| {
            if which(active) {
                active.removed.is.store(true, Ordering::Release);
                active.removed.notify.notify_waiters();
            }
            !which(active)
        });
    }

    /// Cuts the power: every sector written since the last flush keeps, at random, its old content or any that was
    /// written to it, each on its own, so that requests tear. The layer is dead afterwards and fails everything.
    ///
    /// Returns the device below, to be wrapped and used again.
    ///
    /// # Errors
    ///
    /// Those of the device below.
    pub async fn power_loss(&self, seed: u64) -> Result<Disk> {
        self.dead.store(true, Ordering::Release);
        if let Some(volatile) = &self.volatile {
            volatile.power_loss(&self.inner, seed).await?;
        }
        Ok(self.inner.clone())
    }

    /// Sectors written but not flushed yet.
    #[must_use]
    pub fn unflushed_sectors(&self) -> usize {
        self.volatile.as_ref().map_or(0, VolatileCache::sectors)
    }

    fn judge(&self, operation: Operation, offset: u64, length: u64) -> Verdict {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { rng, rules, .. } = &mut *state;
        let mut verdict = Verdict::default();
        for active in rules {
            if !active.rule.is_about(operation, offset, length) {
                continue;
            }
            active.seen += 1;
            let strikes = match active.rule.when {
                When::Always => true,
                When::Chance(chance) => rng.random_bool(chance.clamp(0.0, 1.0)),
                When::Once(spared) => active.seen == spared + 1,
                When::After(spared) => active.seen > spared,
            };
            if !strikes {
                continue;
            }
            match &active.rule.action {
                Action::Delay(range) if range.is_empty() => verdict.delay += range.start,
                Action::Delay(range) => verdict.delay += rng.random_range(range.clone()),
                Action::Error(error) => drop(verdict.error.get_or_insert_with(|| error.clone())),
                Action::ErrorAfter(error) => drop(verdict.error_after.get_or_insert_with(|| error.clone())),
                Action::Hang => verdict.hang.push(active.removed.clone()),
                Action::ShortRead(bytes) => verdict.short = Some(*bytes),
            }
        }
        verdict
    }

    /// Carries out a request under the rules.
    async fn ruled<T>(
        &self,
        operation: Operation,
        offset: u64,
        length: u64,
        request: impl Future<Output = Result<T>>,
    ) -> Result<(T, Option<usize>)> {
        self.alive()?;
        let verdict = self.judge(operation, offset, length);
        if !verdict.delay.is_zero() {
            tokio::time::sleep(verdict.delay).await;
        }
        for removed in verdict.hang {
            let notified = removed.notify.notified();
            if !removed.is.load(Ordering::Acquire) {
                notified.await;
            }
        }
        if let Some(error) = verdict.error {
            return Err(error);
        }
        // It may have died while the request waited.
        self.alive()?;
        let value = request.await?;
        match verdict.error_after {
            Some(error) => Err(error),
            None => Ok((value, verdict.short)),
        }
    }

    fn alive(&self) -> Result<()> {
        if self.dead.load(Ordering::Acquire) {
            return Err(BlockError::io(self.inner.name(), "the power is gone"));
        }
        Ok(())
    }

    fn check(&self, operation: Operation, offset: u64, length: u64) -> Result<()> {
        // The device below knows whether it is closed, and fails an empty read then.
        self.inner
            .properties()
            .check(self.inner.name(), operation, offset, length)
    }
}

#[async_trait]
impl BlockDevice for Fault {
    fn properties(&self) -> Properties {
        let properties = self.inner.properties();
        Properties {
            features: Features {
                volatile_cache: properties.features.volatile_cache || self.volatile.is_some(),
                ..properties.features
            },
            ..properties
        }
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn generation(&self) -> Option<u64> {
        self.inner.generation()
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.inner.status()
    }

    async fn read(&self, offset: u64, len: u32) -> Result<Payload> {
        let request = async {
            match &self.volatile {
                Some(volatile) => volatile.read(&self.inner, offset, len).await,
                None => self.inner.read(offset, len).await,
            }
        };
        let (mut data, short) = self.ruled(Operation::Read, offset, u64::from(len), request).await?;
        match short {
            Some(bytes) if bytes < data.len() => Ok(data.split_to(bytes)),
            _ => Ok(data),
        }
    }

    async fn write(&self, offset: u64, data: Payload, flags: WriteFlags) -> Result<()> {
        let length = data.len() as u64;
        let request = async {
            match &self.volatile {
                Some(volatile) => {
                    self.check(Operation::Write, offset, length)?;
                    volatile.write(&self.inner, offset, data, flags.fua).await
                }
                None => self.inner.write(offset, data, flags).await,
            }
        };
        self.ruled(Operation::Write, offset, length, request).await.map(drop)
    }

    async fn write_zeroes(&self, offset: u64, len: u64, flags: ZeroFlags) -> Result<()> {
        let request = async {
            match &self.volatile {
                Some(volatile) => {
                    self.check(Operation::WriteZeroes, offset, len)?;
                    volatile.zero(&self.inner, offset, len, flags.fua).await
                }
                None => self.inner.write_zeroes(offset, len, flags).await,
            }
        };
        self.ruled(Operation::WriteZeroes, offset, len, request).await.map(drop)
    }

    async fn discard(&self, offset: u64, len: u64) -> Result<()> {
        let request = async {
            match &self.volatile {
                Some(volatile) => {
                    self.check(Operation::Discard, offset, len)?;
                    volatile.zero(&self.inner, offset, len, false).await
                }
                None => self.inner.discard(offset, len).await,
            }
        };
        self.ruled(Operation::Discard, offset, len, request).await.map(drop)
    }

    async fn flush(&self) -> Result<()> {
        let request = async {
            match &self.volatile {
                Some(volatile) => volatile.flush(&self.inner).await,
                None => self.inner.flush().await,
            }
        };
        self.ruled(Operation::Flush, 0, 0, request).await.map(drop)
    }

    async fn extents(&self, offset: u64, len: u64) -> Result<Vec<Extent>> {
        let request = async {
            match &self.volatile {
                Some(volatile) => volatile.extents(&self.inner, offset, len).await,
                None => self.inner.extents(offset, len).await,
            }
        };
        Ok(self.ruled(Operation::Extents, offset, len, request).await?.0)
    }

    async fn resize(&self, size: u64) -> Result<()> {
        let request = async {
            match &self.volatile {
                Some(volatile) => volatile.resize(&self.inner, size).await,
                None => self.inner.resize(size).await,
            }
        };
        self.ruled(Operation::Resize, 0, 0, request).await.map(drop)
    }

    async fn close(&self) -> Result<()> {
        let request = async {
            if let Some(volatile) = &self.volatile
                && volatile.sectors() > 0
            {
                let flushed = volatile.flush(&self.inner).await;
                return flushed.and(self.inner.close().await);
            }
            self.inner.close().await
        };
        self.ruled(Operation::Flush, 0, 0, request).await.map(drop)
    }
}

#[cfg(test)]
mod tests;
