//! A device with a volatile cache and, on demand, one flaw.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use block::{
    BlockDevice, BlockError, Extent, ExtentKind, Features, MemoryDevice, Operation, Payload, Properties, Result,
    Status, WriteFlags, ZeroFlags,
};
use bytes::Bytes;
use tokio::{sync::watch, task::yield_now};

/// Which rule is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    RoundsSize,
    NoName,
    ClampsRange,
    Wraps,
    WrongError,
    WrongDisk,
    RoundsMisaligned,
    RefusesNothing,
    TakesAnyLength,
    ShortRead,
    StaleRead,
    SwallowsSegment,
    NoHoleLeavesData,
    FastOnlyAfterAll,
    RefusesFastZero,
    DiscardGarbage,
    HoleOverData,
    ExtentGap,
    ExtentTooLong,
    KeepsOldBytes,
    SilentResize,
    WritesReadOnly,
    WorksWhenClosed,
    ClosesOnce,
    HangingFlush,
    LazyFlush,
    IgnoresFua,
    CloseLosesWrites,
    UnlockedPage,
    TornSector,
    LostOverlap,
    LateWrite,
    Panics,
}

/// Sectors as they are on stable storage, where that differs from the memory.
type Unflushed = HashMap<u64, Bytes>;

pub(crate) struct Broken {
    inner: Arc<MemoryDevice>,
    flaw: Flaw,
    /// Old content of sectors written since the last flush.
    unflushed: Mutex<Unflushed>,
    requests: AtomicU64,
    writing: AtomicU64,
    silent: watch::Sender<Status>,
}

impl Broken {
    pub(crate) fn new(size: u64, flaw: Flaw) -> Self {
        let size = if flaw == Flaw::RoundsSize {
            size.next_multiple_of(1 << 20)
        } else {
            size
        };
        Self::on(MemoryDevice::new(size).unwrap(), flaw)
    }

    fn on(inner: MemoryDevice, flaw: Flaw) -> Self {
        let size = inner.properties().size;
        Self {
            inner: Arc::new(inner),
            flaw,
            unflushed: Mutex::default(),
            requests: AtomicU64::new(0),
            writing: AtomicU64::new(0),
            silent: watch::Sender::new(Status::online(size)),
        }
    }

    /// The same storage after a power failure, or after a close.
    pub(crate) fn reopen(&self, read_only: bool) -> Self {
        let inner = self.inner.reopen(false);
        for (sector, old) in self.unflushed.lock().unwrap().drain() {
            // The memory itself never waits.
            let write = inner.write(sector * 512, old.into(), WriteFlags::default());
            futures::FutureExt::now_or_never(write).unwrap().unwrap();
        }
        Self::on(inner.reopen(read_only), self.flaw)
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// Whether it is the turn of one request in `n`.
    fn nth(&self, n: u64) -> bool {
        self.requests.fetch_add(1, Ordering::Relaxed) % n == n - 1
    }

    /// Repairs or spoils a range, as the flaw demands.
    fn range(&self, operation: Operation, offset: u64, length: u64) -> Result<(u64, u64)> {
        let size = self.inner.properties().size;
        let result = self
            .inner
            .properties()
            .check(self.inner.name(), operation, offset, length);
        match (self.flaw, result) {
            (Flaw::RefusesNothing, Ok(())) if length == 0 => Err(BlockError::io("memory", "nothing to do")),
            (Flaw::RoundsMisaligned, Err(BlockError::Misaligned { .. })) => {
                Ok((offset & !511, (length & !511).min(size - (offset & !511))))
            }
            (Flaw::ClampsRange, Err(BlockError::OutOfRange { .. })) if offset <= size => {
                Ok((offset, length.min(size - offset)))
            }
            (Flaw::Wraps, Err(BlockError::OutOfRange { .. })) if offset.wrapping_add(length) <= size => Ok((0, 0)),
            (Flaw::WrongError, Err(error @ BlockError::OutOfRange { .. })) => {
                Err(BlockError::io("memory", error.to_string()))
            }
            (Flaw::WrongDisk, Err(_)) => Err(BlockError::out_of_range("another", offset, length, size)),
            _ => Ok((offset, length)),
        }
    }

    /// Remembers what stable storage holds, before a range is changed.
    async fn remember(&self, offset: u64, length: u64) -> Result<()> {
        if self
            .inner
            .properties()
            .check("", Operation::Discard, offset, length)
            .is_err()
        {
            return Ok(());
        }
        for sector in offset / 512..(offset + length) / 512 {
            let old = self.inner.read(sector * 512, 512).await?.into_bytes();
            self.unflushed.lock().unwrap().entry(sector).or_insert(old);
        }
        Ok(())
    }

    /// Makes a range durable.
    fn persist(&self, offset: u64, length: u64) {
        let mut unflushed = self.unflushed.lock().unwrap();
        for sector in offset / 512..(offset + length) / 512 {
            unflushed.remove(&sector);
        }
    }

    async fn write_flawed(&self, offset: u64, data: Payload, flags: WriteFlags) -> Result<()> {
        match self.flaw {
            Flaw::UnlockedPage => {
                // Whole pages are read, changed and written back.
                let page = offset & !4095;
                let end = (offset + data.len() as u64)
                    .next_multiple_of(4096)
                    .min(self.inner.properties().size);
                let mut content = self.inner.read(page, (end - page) as u32).await?.to_vec();
                yield_now().await;
                data.copy_to_slice(&mut content[(offset - page) as usize..]);
                self.inner.write(page, content.into(), flags).await
            }
            Flaw::TornSector if !data.is_empty() => {
                let old = self.inner.read(offset, 512).await?;
                let mut torn = data.slice(0, 100);
                torn.append(old.slice(100, 512));
                torn.append(data.slice(512, data.len()));
                self.inner.write(offset, torn, flags).await?;
                yield_now().await;
                self.inner.write(offset, data, flags).await
            }
            Flaw::LostOverlap => {
                let others = self.writing.fetch_add(1, Ordering::AcqRel);
                yield_now().await;
                let result = match others {
                    0..4 => self.inner.write(offset, data, flags).await,
                    _ => Ok(()),
                };
                self.writing.fetch_sub(1, Ordering::AcqRel);
                result
            }
            Flaw::LateWrite => {
                // Carried out by somebody who does not notice that nobody waits any more.
                let (inner, slow) = (self.inner.clone(), self.nth(3));
                let task = tokio::spawn(async move {
                    if slow {
                        tokio::time::sleep(Duration::from_micros(200)).await;
                    }
                    inner.write(offset, data, flags).await
                });
                task.await.unwrap()
            }
            Flaw::SwallowsSegment if data.segments().len() > 3 => {
                let last = data.segments().last().map_or(0, Bytes::len);
                let mut swallowed = data.slice(0, data.len() - last);
                swallowed.push_zeroes(last);
                self.inner.write(offset, swallowed, flags).await
            }
            _ => self.inner.write(offset, data, flags).await,
        }
    }
}

#[async_trait]
impl BlockDevice for Broken {
    fn properties(&self) -> Properties {
        let properties = self.inner.properties();
        Properties {
            features: Features {
                volatile_cache: true,
                ..properties.features
            },
            ..properties
        }
    }

    fn name(&self) -> &str {
        if self.is(Flaw::NoName) { "" } else { self.inner.name() }
    }

    fn status(&self) -> watch::Receiver<Status> {
        match self.flaw {
            Flaw::SilentResize => self.silent.subscribe(),
            _ => self.inner.status(),
        }
    }

    async fn read(&self, offset: u64, len: u32) -> Result<Payload> {
        let (offset, length) = self.range(Operation::Read, offset, u64::from(len))?;
        if self.is(Flaw::WorksWhenClosed) && self.inner.flush().await.is_err() {
            return Ok(Payload::zeroes(len as usize));
        }
        if self.is(Flaw::TakesAnyLength) && len > block::MAX_REQUEST {
            return Ok(Payload::zeroes(len as usize));
        }
        assert!(!self.is(Flaw::Panics), "oh");
        let mut data = self.inner.read(offset, length as u32).await?;
        if self.is(Flaw::ShortRead) && len > 512 && self.nth(20) {
            data = data.slice(0, 512);
        }
        if self.is(Flaw::StaleRead) && len > 0 && self.nth(20) {
            let old = self.unflushed.lock().unwrap().get(&(offset / 512)).cloned();
            if let Some(old) = old {
                let mut stale = Payload::from(old);
                stale.append(data.slice(512, data.len()));
                data = stale;
            }
        }
        Ok(data)
    }

    async fn write(&self, offset: u64, data: Payload, flags: WriteFlags) -> Result<()> {
        let (offset, length) = self.range(Operation::Write, offset, data.len() as u64)?;
        if self.is(Flaw::WritesReadOnly) && self.inner.properties().read_only {
            return Ok(());
        }
        self.remember(offset, length).await?;
        self.write_flawed(offset, data.slice(0, length as usize), flags).await?;
        if flags.fua && !self.is(Flaw::IgnoresFua) {
            self.persist(offset, length);
        }
        Ok(())
    }

    async fn write_zeroes(&self, offset: u64, len: u64, flags: ZeroFlags) -> Result<()> {
        let (offset, len) = self.range(Operation::WriteZeroes, offset, len)?;
        self.remember(offset, len).await?;
        if self.is(Flaw::RefusesFastZero) && flags.fast_only && len > 0 {
            return Err(BlockError::unsupported(self.name(), "fast zeroes"));
        }
        if self.is(Flaw::NoHoleLeavesData) && flags.no_hole && len > 512 {
            return self.inner.write_zeroes(offset + 512, len - 512, flags).await;
        }
        self.inner.write_zeroes(offset, len, flags).await?;
        if self.is(Flaw::FastOnlyAfterAll) && flags.fast_only && flags.no_hole {
            return Err(BlockError::unsupported(self.name(), "fast zeroes"));
        }
        if flags.fua && !self.is(Flaw::IgnoresFua) {
            self.persist(offset, len);
        }
        Ok(())
    }

    async fn discard(&self, offset: u64, len: u64) -> Result<()> {
        let (offset, len) = self.range(Operation::Discard, offset, len)?;
        self.remember(offset, len).await?;
        self.inner.discard(offset, len).await?;
        if self.is(Flaw::DiscardGarbage) && len > 0 {
            let garbage = Payload::from(vec![0xAA; 512]);
            return self.inner.write(offset, garbage, WriteFlags::default()).await;
        }
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        self.inner.flush().await?;
        match self.flaw {
            Flaw::HangingFlush => std::future::pending().await,
            Flaw::LazyFlush => {}
            _ => self.unflushed.lock().unwrap().clear(),
        }
        Ok(())
    }

    async fn extents(&self, offset: u64, len: u64) -> Result<Vec<Extent>> {
        let (offset, len) = self.range(Operation::Extents, offset, len)?;
        let mut extents = self.inner.extents(offset, len).await?;
        match (self.flaw, extents.as_mut_slice()) {
            (Flaw::HoleOverData, [.., last]) if self.nth(5) => last.kind = ExtentKind::Hole,
            (Flaw::ExtentGap, [_, second, ..]) => second.offset += 512,
            (Flaw::ExtentTooLong, [.., last]) => last.length += 512,
            _ => {}
        }
        Ok(extents)
    }

    async fn resize(&self, size: u64) -> Result<()> {
        let old = self.inner.properties().size;
        if self.is(Flaw::KeepsOldBytes) && size > old && old > 0 && size.is_multiple_of(512) && size < 1 << 30 {
            self.inner.resize(size).await?;
            let last = self.inner.read(old - 512, 512).await?;
            return self.inner.write(old, last, WriteFlags::default()).await;
        }
        self.inner.resize(size).await
    }

    async fn close(&self) -> Result<()> {
        if self.is(Flaw::ClosesOnce) {
            self.inner.flush().await?;
        }
        if !self.is(Flaw::CloseLosesWrites) {
            self.unflushed.lock().unwrap().clear();
        }
        self.inner.close().await
    }
}
