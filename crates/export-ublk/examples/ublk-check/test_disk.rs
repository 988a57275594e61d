//! A disk in memory that counts what reaches it and misbehaves on request.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use block::{
    BlockDevice, BlockError, Extent, Features, MemoryDevice, Payload, Properties, Result, Status, WriteFlags, ZeroFlags,
};
use tokio::sync::{Notify, watch};

/// What to do with the requests that come.
#[derive(Clone, Default)]
pub(crate) enum Mood {
    /// What they ask for.
    #[default]
    Normal,
    /// Fail all.
    Fail(BlockError),
    /// Never answer.
    Hang,
    /// Panic.
    Panic,
    /// Answer when told so.
    Wait(Arc<Notify>),
    /// Answer reads with one sector too few.
    Short,
}

/// How many of each came.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) reads: AtomicUsize,
    pub(crate) writes: AtomicUsize,
    pub(crate) fua: AtomicUsize,
    pub(crate) flushes: AtomicUsize,
    pub(crate) zeroes: AtomicUsize,
    pub(crate) kept: AtomicUsize,
    pub(crate) discards: AtomicUsize,
    /// Operations begun and neither answered nor dropped.
    pub(crate) under_way: AtomicUsize,
    /// The most of them at one time.
    pub(crate) most: AtomicUsize,
}

/// The disk.
pub(crate) struct TestDisk {
    memory: MemoryDevice,
    properties: Properties,
    pub(crate) count: Counters,
    mood: Mutex<Mood>,
}

struct UnderWay<'a>(&'a Counters);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, SeqCst);
    }
}

impl TestDisk {
    /// With the abilities of memory, and a volatile cache or not.
    pub(crate) fn new(size: u64, volatile_cache: bool) -> Arc<Self> {
        Self::with(Properties::new(size), volatile_cache)
    }

    pub(crate) fn with(properties: Properties, volatile_cache: bool) -> Arc<Self> {
        let memory = MemoryDevice::with_properties("test", properties).expect("a whole number of sectors");
        let features = Features {
            volatile_cache,
            ..memory.properties().features
        };
        Arc::new(Self {
            properties: Properties {
                features,
                ..memory.properties()
            },
            memory,
            count: Counters::default(),
            mood: Mutex::default(),
        })
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().expect("no panic while held") = mood;
    }

    pub(crate) fn memory(&self) -> &MemoryDevice {
        &self.memory
    }

    async fn come(&self, counter: &AtomicUsize) -> Result<UnderWay<'_>> {
        counter.fetch_add(1, SeqCst);
        let now = self.count.under_way.fetch_add(1, SeqCst) + 1;
        self.count.most.fetch_max(now, SeqCst);
        let guard = UnderWay(&self.count);
        let mood = self.mood.lock().expect("no panic while held").clone();
        match mood {
            Mood::Normal | Mood::Short => {}
            Mood::Fail(error) => return Err(error),
            Mood::Hang => std::future::pending().await,
            Mood::Panic => panic!("the disk was told to panic"),
            Mood::Wait(notify) => notify.notified().await,
        }
        Ok(guard)
    }
}

#[async_trait::async_trait]
impl BlockDevice for TestDisk {
    fn properties(&self) -> Properties {
        self.properties
    }

    fn name(&self) -> &str {
        "test"
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.memory.status()
    }

    async fn read(&self, offset: u64, len: u32) -> Result<Payload> {
        let _guard = self.come(&self.count.reads).await?;
        let short = matches!(*self.mood.lock().expect("no panic while held"), Mood::Short);
        self.memory.read(offset, if short { len - 512 } else { len }).await
    }

    async fn write(&self, offset: u64, data: Payload, flags: WriteFlags) -> Result<()> {
        let _guard = self.come(&self.count.writes).await?;
        self.count.fua.fetch_add(usize::from(flags.fua), SeqCst);
        self.memory.write(offset, data, flags).await
    }

    async fn write_zeroes(&self, offset: u64, len: u64, flags: ZeroFlags) -> Result<()> {
        let _guard = self.come(&self.count.zeroes).await?;
        self.count.kept.fetch_add(usize::from(flags.no_hole), SeqCst);
        self.memory.write_zeroes(offset, len, flags).await
    }

    async fn discard(&self, offset: u64, len: u64) -> Result<()> {
        let _guard = self.come(&self.count.discards).await?;
        self.memory.discard(offset, len).await
    }

    async fn flush(&self) -> Result<()> {
        let _guard = self.come(&self.count.flushes).await?;
        self.memory.flush().await
    }

    async fn extents(&self, offset: u64, len: u64) -> Result<Vec<Extent>> {
        self.memory.extents(offset, len).await
    }

    async fn resize(&self, size: u64) -> Result<()> {
        self.memory.resize(size).await
    }

    async fn close(&self) -> Result<()> {
        self.memory.close().await
    }
}
