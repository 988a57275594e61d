//! Limits bytes and requests per second, reads and writes apart.

use std::{
    num::NonZeroU64,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde::Serialize;
use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};

use crate::{BlockDevice, Disk, Extent, Operation, Payload, Properties, Result, Status, WriteFlags, ZeroFlags};

/// What one direction may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// Bytes per second; `None` for as many as there are.
    pub bytes: Option<NonZeroU64>,
    /// Requests per second; `None` for as many as there are.
    pub requests: Option<NonZeroU64>,
    /// How much unused allowance is kept: what the rates give in this time can be used at once after a pause. At least
    /// one request is always kept.
    pub burst: Duration,
}

impl Limit {
    /// No limit.
    pub const NONE: Self = Self {
        bytes: None,
        requests: None,
        burst: Duration::from_secs(1),
    };

    fn is_limited(&self) -> bool {
        self.bytes.is_some() || self.requests.is_some()
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self::NONE
    }
}

/// What both directions may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Limits {
    /// Reads.
    pub read: Limit,
    /// Writes; writes of zeroes and discards too, which count as requests without bytes.
    pub write: Limit,
}

/// A token bucket: filled at a rate, up to a capacity, and allowed to go below zero by one request that is larger than
/// the capacity.
#[derive(Debug)]
struct Bucket {
    /// Tokens per second.
    rate: f64,
    capacity: f64,
    level: f64,
}

impl Bucket {
    fn new(rate: Option<NonZeroU64>, burst: Duration) -> Option<Self> {
        let rate = rate?.get() as f64;
        let capacity = (rate * burst.as_secs_f64()).max(1.0);
        Some(Self {
            rate,
            capacity,
            level: capacity,
        })
    }

    fn fill(&mut self, elapsed: Duration) {
        self.level = (self.level + self.rate * elapsed.as_secs_f64()).min(self.capacity);
    }

    /// How long until `cost` may be taken.
    fn wait(&self, cost: f64) -> Duration {
        let missing = cost.min(self.capacity) - self.level;
        if missing <= 0.0 {
            Duration::ZERO
        } else {
            // A timer has milliseconds at best; never less than what is missing, or it would wake in vain.
            Duration::from_secs_f64(missing / self.rate).max(Duration::from_micros(1))
        }
    }
}

#[derive(Debug)]
struct Buckets {
    bytes: Option<Bucket>,
    requests: Option<Bucket>,
    filled: Instant,
}

impl Buckets {
    fn new(limit: &Limit) -> Self {
        Self {
            bytes: Bucket::new(limit.bytes, limit.burst),
            requests: Bucket::new(limit.requests, limit.burst),
            filled: Instant::now(),
        }
    }

    /// Takes what a request of `bytes` costs, or says how long to wait before asking again.
    fn take(&mut self, bytes: u64, now: Instant) -> Result<(), Duration> {
        let elapsed = now.saturating_duration_since(self.filled);
        self.filled = now;
        let mut costs = [(&mut self.bytes, bytes as f64), (&mut self.requests, 1.0)];
        let mut wait = Duration::ZERO;
        for (bucket, cost) in &mut costs {
            if let Some(bucket) = bucket {
                bucket.fill(elapsed);
                wait = wait.max(bucket.wait(*cost));
            }
        }
        if wait > Duration::ZERO {
            return Err(wait);
        }
        for (bucket, cost) in costs {
            if let Some(bucket) = bucket {
                bucket.level -= cost;
            }
        }
        Ok(())
    }
}

/// One direction.
struct Gate {
    limited: AtomicBool,
    buckets: Mutex<Buckets>,
    /// Lets one request wait for tokens, the others behind it, first come, first served.
    turnstile: Semaphore,
    /// Wakes the one that waits for tokens when the limits change.
    limit: watch::Sender<Limit>,
}

impl Gate {
    fn new(limit: Limit) -> Self {
        Self {
            limited: AtomicBool::new(limit.is_limited()),
            buckets: Mutex::new(Buckets::new(&limit)),
            turnstile: Semaphore::new(1),
            limit: watch::Sender::new(limit),
        }
    }

    fn set(&self, limit: Limit) {
        *self.buckets.lock().unwrap_or_else(PoisonError::into_inner) = Buckets::new(&limit);
        self.limited.store(limit.is_limited(), Ordering::Release);
        self.limit.send_replace(limit);
    }

    /// Waits for the turn of a request of `bytes`.
    async fn pass(&self, bytes: u64) {
        if !self.limited.load(Ordering::Acquire) {
            return;
        }
        // The semaphore is never closed, so that this is always a permit.
        let _turn = self.turnstile.acquire().await;
        let mut changed = self.limit.subscribe();
        loop {
            let taken = {
                let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
                buckets.take(bytes, Instant::now())
            };
            let Err(wait) = taken else { return };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = changed.changed() => {}
            }
        }
    }
}

/// A device that answers no faster than its [`Limits`] allow.
///
/// Requests wait their turn in the order in which they came, before they go to the device below. Limits can be changed
/// at any time, also under those that wait; a request that is dropped while it waits uses nothing up. Flushes and
/// questions about extents pass at once, and so does everything in a direction without limits, at the cost of one
/// atomic load. A bad range fails at once.
pub struct Throttle {
    inner: Disk,
    read: Gate,
    write: Gate,
}

impl Throttle {
    /// Limits `inner`.
    #[must_use]
    pub fn new(inner: Disk, limits: Limits) -> Self {
        Self {
            inner,
            read: Gate::new(limits.read),
            write: Gate::new(limits.write),
        }
    }

    /// The limits as they are.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            read: *self.read.limit.borrow(),
            write: *self.write.limit.borrow(),
        }
    }

    /// Changes the limits from now on. Both directions start with a full burst.
    pub fn set_limits(&self, limits: Limits) {
        self.read.set(limits.read);
        self.write.set(limits.write);
    }

    async fn pass(&self, operation: Operation, offset: u64, length: u64) -> Result<()> {
        let gate = if operation == Operation::Read {
            &self.read
        } else {
            &self.write
        };
        if gate.limited.load(Ordering::Acquire) {
            self.inner
                .properties()
                .check(self.inner.name(), operation, offset, length)?;
            let bytes = if matches!(operation, Operation::Read | Operation::Write) {
                length
            } else {
                0
            };
            gate.pass(bytes).await;
        }
        Ok(())
    }
}

#[async_trait]
impl BlockDevice for Throttle {
    fn properties(&self) -> Properties {
        self.inner.properties()
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
        self.pass(Operation::Read, offset, u64::from(len)).await?;
        self.inner.read(offset, len).await
    }

    async fn write(&self, offset: u64, data: Payload, flags: WriteFlags) -> Result<()> {
        self.pass(Operation::Write, offset, data.len() as u64).await?;
        self.inner.write(offset, data, flags).await
    }

    async fn write_zeroes(&self, offset: u64, len: u64, flags: ZeroFlags) -> Result<()> {
        self.pass(Operation::WriteZeroes, offset, len).await?;
        self.inner.write_zeroes(offset, len, flags).await
    }

    async fn discard(&self, offset: u64, len: u64) -> Result<()> {
        self.pass(Operation::Discard, offset, len).await?;
        self.inner.discard(offset, len).await
    }

    async fn flush(&self) -> Result<()> {
        self.inner.flush().await
    }

    async fn extents(&self, offset: u64, len: u64) -> Result<Vec<Extent>> {
        self.inner.extents(offset, len).await
    }

    async fn resize(&self, size: u64) -> Result<()> {
        self.inner.resize(size).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::{FutureExt, future::join_all, poll};

    use super::*;
    use crate::MemoryDevice;

    fn throttle(read: Limit, write: Limit) -> Arc<Throttle> {
        let memory = Arc::new(MemoryDevice::new(64 << 20).unwrap());
        Arc::new(Throttle::new(memory, Limits { read, write }))
    }

    fn bytes(rate: u64, burst: Duration) -> Limit {
        Limit {
            bytes: NonZeroU64::new(rate),
            requests: None,
            burst,
        }
    }

    fn requests(rate: u64, burst: Duration) -> Limit {
        Limit {
            bytes: None,
            requests: NonZeroU64::new(rate),
            burst,
        }
    }

    fn about(found: Duration, expected: Duration) {
        // Timers of tokio have a granularity of one millisecond.
        let difference = found.abs_diff(expected);
        assert!(
            difference <= expected / 100 + Duration::from_millis(5),
            "{found:?} instead of {expected:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_flow_at_their_rate_after_the_burst() {
        let disk = throttle(bytes(1 << 20, Duration::from_secs(1)), Limit::NONE);
        let start = Instant::now();
        disk.read(0, 1 << 20).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO, "the burst");
        for _ in 0..10 {
            disk.read(0, 1 << 20).await.unwrap();
        }
        about(start.elapsed(), Duration::from_secs(10));
        // Unused allowance is kept up to the burst, not longer.
        tokio::time::sleep(Duration::from_secs(100)).await;
        let start = Instant::now();
        for _ in 0..3 {
            disk.read(0, 1 << 20).await.unwrap();
        }
        about(start.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_larger_than_the_burst_pays_afterwards() {
        let disk = throttle(bytes(1 << 20, Duration::from_millis(100)), Limit::NONE);
        let start = Instant::now();
        disk.read(0, 8 << 20).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        disk.read(0, 512).await.unwrap();
        about(start.elapsed(), Duration::from_millis(7900));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_of_all_writing_kinds_count_and_bytes_of_writes_only() {
        let disk = throttle(Limit::NONE, requests(10, Duration::from_millis(100)));
        let start = Instant::now();
        for _ in 0..10 {
            disk.write(0, Payload::zeroes(512), WriteFlags::default())
                .await
                .unwrap();
            disk.write_zeroes(0, 32 << 20, ZeroFlags::default()).await.unwrap();
            disk.discard(0, 32 << 20).await.unwrap();
            disk.read(0, 1 << 20).await.unwrap();
            disk.flush().await.unwrap();
            disk.extents(0, 1 << 20).await.unwrap();
        }
        about(start.elapsed(), Duration::from_millis(2900));
        disk.set_limits(Limits {
            read: Limit::NONE,
            write: bytes(1 << 20, Duration::from_secs(1)),
        });
        let start = Instant::now();
        for _ in 0..10 {
            disk.write_zeroes(0, 32 << 20, ZeroFlags::default()).await.unwrap();
            disk.discard(0, 32 << 20).await.unwrap();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_to_come_is_the_first_to_go() {
        let disk = throttle(requests(100, Duration::ZERO), Limit::NONE);
        let order = Arc::new(Mutex::new(Vec::new()));
        let start = Instant::now();
        join_all((0..50).map(|index| {
            let (disk, order) = (disk.clone(), order.clone());
            async move {
                disk.read(0, if index % 2 == 0 { 512 } else { 1 << 20 }).await.unwrap();
                order.lock().unwrap().push(index);
            }
        }))
        .await;
        assert_eq!(*order.lock().unwrap(), (0..50).collect::<Vec<_>>());
        about(start.elapsed(), Duration::from_millis(490));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_of_limits_reaches_those_that_wait() {
        let disk = throttle(bytes(512, Duration::from_secs(1)), Limit::NONE);
        disk.read(0, 1 << 20).await.unwrap();
        let mut waiting = disk.read(0, 512);
        assert!(poll!(&mut waiting).is_pending(), "2048 seconds to go");
        let start = Instant::now();
        disk.set_limits(Limits::default());
        waiting.await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(disk.limits(), Limits::default());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_gave_up_uses_nothing() {
        let disk = throttle(requests(1, Duration::from_secs(1)), Limit::NONE);
        disk.read(0, 512).await.unwrap();
        let start = Instant::now();
        for _ in 0..5 {
            let mut gone = disk.read(0, 512);
            assert!(poll!(&mut gone).is_pending());
        }
        disk.read(0, 512).await.unwrap();
        about(start.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_bad_range_fails_at_once_and_costs_nothing() {
        let disk = throttle(requests(1, Duration::from_secs(1)), Limit::NONE);
        disk.read(0, 512).await.unwrap();
        let result = disk.read(1, 512).now_or_never();
        assert!(matches!(result, Some(Err(crate::BlockError::Misaligned { .. }))));
    }
}
