//! The block device: a page blob or a snapshot of one, open.

mod epoch;
mod extent_map;
mod io;
mod loader;
mod open;
mod ownership;
mod resize;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use block::{
    BlockDevice, BlockError, Closing, Extent, ExtentKind, Features, Operation, Payload, Properties, RangeLock, Result,
    Status, WriteFlags, ZeroFlags,
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use tracing::info;

pub(crate) use open::{FORMAT, RESIZE, detect};
pub use open::{Format, OpenSettings, open};
pub(crate) use ownership::{GENERATION, describe_owner, generation};

use crate::{client::Monitor, service::Blob, service::MAX_PUT};
use epoch::Epoch;
use extent_map::ExtentMap;
use loader::Loading;
use ownership::Ownership;

/// Most extents in one answer.
const MAX_EXTENTS: usize = 4096;

/// How a device treats its requests.
#[derive(Debug, Clone, Copy)]
pub struct IoSettings {
    /// Longest read or write request to the service, in bytes: a power of two, 64 KiB to 4 MiB.
    pub request_size: u32,
    /// Send `Content-MD5` with every write.
    pub md5_writes: bool,
    /// Ask for the MD5 of reads up to this length in bytes; 0 for none.
    pub md5_reads_up_to: u32,
}

impl Default for IoSettings {
    fn default() -> Self {
        Self {
            request_size: MAX_PUT,
            md5_writes: true,
            md5_reads_up_to: 64 << 10,
        }
    }
}

/// What we may do with the blob.
enum Mode {
    /// We are its one writer.
    Owner { ownership: Arc<Ownership>, epoch: Epoch },
    /// A snapshot: read-only and never changing.
    Snapshot,
    /// The blob itself without a lease: others may change it while we read.
    Reader,
}

/// What the tasks of a device share.
pub(crate) struct Inner {
    name: String,
    blob: Blob,
    mode: Mode,
    format: Format,
    io: IoSettings,
    monitor: Arc<Monitor>,
    /// Length of the blob in bytes, with a footer.
    length: AtomicU64,
    map: Mutex<ExtentMap>,
    loading: watch::Sender<Loading>,
    /// Writes and clears have their range alone.
    ranges: RangeLock,
    closing: Closing,
}

impl Inner {
    fn map(&self) -> MutexGuard<'_, ExtentMap> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn blob_length(&self) -> u64 {
        self.length.load(Ordering::Acquire)
    }

    async fn close(&self) -> Result<()> {
        let Mode::Owner { ownership, .. } = &self.mode else {
            self.monitor.closed();
            return Ok(());
        };
        let deadline = self.blob.client().deadline();
        // Requests under way end first; whatever is lost on the way is refused without our lease.
        let _ = timeout_at(deadline, self.ranges.exclusive(0..u64::MAX)).await;
        let state = ownership.check(Instant::now()).await;
        ownership.release();
        let released = self.blob.release_lease(ownership.lease()).await;
        self.monitor.closed();
        info!(disk = %self.name, "closed");
        match (state, released) {
            (Err(fenced @ BlockError::Fenced { .. }), _) => Err(fenced),
            (_, Err(error)) => Err(error.into_block(&self.name)),
            _ => Ok(()),
        }
    }

    /// Whether nobody but us can change what we read.
    fn exclusive(&self) -> bool {
        !matches!(self.mode, Mode::Reader)
    }
}

/// An open disk in a page blob.
pub struct AzureDisk {
    inner: Arc<Inner>,
    keeper: Option<JoinHandle<()>>,
    loader: Mutex<Option<JoinHandle<()>>>,
}

impl AzureDisk {
    fn start(inner: Inner) -> Self {
        let inner = Arc::new(inner);
        let keeper = match &inner.mode {
            Mode::Owner { ownership, .. } => {
                let keep = ownership.clone().keep(inner.blob.clone(), inner.monitor.clone());
                Some(tokio::spawn(keep))
            }
            Mode::Snapshot | Mode::Reader => None,
        };
        let loader = inner.exclusive().then(|| tokio::spawn(loader::load(inner.clone())));
        Self {
            inner,
            keeper,
            loader: Mutex::new(loader),
        }
    }

    /// What the blob holds around the blocks.
    #[must_use]
    pub fn format(&self) -> Format {
        self.inner.format
    }

    /// The lease id of an owned disk, for tools that must pass it on.
    #[must_use]
    pub fn lease_id(&self) -> Option<&str> {
        match &self.inner.mode {
            Mode::Owner { ownership, .. } => Some(ownership.lease()),
            Mode::Snapshot | Mode::Reader => None,
        }
    }

    fn check(&self, operation: Operation, offset: u64, length: u64) -> Result<()> {
        self.inner.closing.check(&self.inner.name)?;
        self.properties().check(&self.inner.name, operation, offset, length)
    }

    /// The map as extents, once the loader is far enough or has had its time.
    async fn known_extents(&self, offset: u64, len: u64, deadline: Instant) -> Vec<Extent> {
        let mut loading = self.inner.loading.subscribe();
        let far_enough = loading.wait_for(|loading| match loading {
            Loading::To(to) => *to > offset,
            Loading::Failed => true,
        });
        // Too slow or gone: what is not known counts as data.
        let _ = timeout_at(deadline, far_enough).await;
        extents_of(self.inner.map().runs(offset, offset + len, 0, MAX_EXTENTS))
    }

    /// What the service says now, for a blob that others may change.
    async fn listed_extents(&self, offset: u64, len: u64) -> Result<Vec<Extent>> {
        let list = self.inner.blob.page_ranges(offset, len, None).await;
        let list = list.map_err(|error| error.into_block(&self.inner.name))?;
        let mut map = ExtentMap::new();
        let last = list.ranges.last().map_or(offset, |&(_, end)| end);
        map.set_known_to(if list.next.is_some() { last } else { offset + len });
        for (start, end) in list.ranges {
            map.mark_data(start, end);
        }
        Ok(extents_of(map.runs(offset, offset + len, 0, MAX_EXTENTS)))
    }
}

fn extents_of(runs: Vec<extent_map::Run>) -> Vec<Extent> {
    let extents = runs.into_iter().map(|(start, end, data)| Extent {
        offset: start,
        length: end - start,
        kind: if data { ExtentKind::Data } else { ExtentKind::Hole },
    });
    extents.collect()
}

#[async_trait]
impl BlockDevice for AzureDisk {
    fn properties(&self) -> Properties {
        let writable = matches!(self.inner.mode, Mode::Owner { .. });
        Properties {
            size: self.inner.monitor.size(),
            physical_block_size: 4096,
            preferred_request: self.inner.io.request_size.min(1 << 20),
            discard_granularity: 512,
            read_only: !writable,
            features: Features {
                discard: writable,
                discard_zeroes: writable,
                fast_zero: writable,
                extents: true,
                resize: writable,
                // The service stores what it acknowledges.
                volatile_cache: false,
            },
            ..Properties::new(0)
        }
    }

    fn generation(&self) -> Option<u64> {
        match &self.inner.mode {
            Mode::Owner { ownership, .. } => Some(ownership.generation()),
            Mode::Reader | Mode::Snapshot => None,
        }
    }

    fn name(&self) -> &str {
        &self.inner.name
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.inner.monitor.subscribe()
    }

    async fn read(&self, offset: u64, len: u32) -> Result<Payload> {
        self.check(Operation::Read, offset, u64::from(len))?;
        self.inner.read(offset, len).await
    }

    async fn write(&self, offset: u64, data: Payload, _flags: WriteFlags) -> Result<()> {
        self.check(Operation::Write, offset, data.len() as u64)?;
        self.inner.write(offset, data).await
    }

    async fn write_zeroes(&self, offset: u64, len: u64, _flags: ZeroFlags) -> Result<()> {
        self.check(Operation::WriteZeroes, offset, len)?;
        self.inner.clear(offset, len).await
    }

    async fn discard(&self, offset: u64, len: u64) -> Result<()> {
        self.check(Operation::Discard, offset, len)?;
        self.inner.clear(offset, len).await
    }

    async fn flush(&self) -> Result<()> {
        self.check(Operation::Flush, 0, 0)?;
        match &self.inner.mode {
            Mode::Owner { ownership, .. } => ownership.check(self.inner.blob.client().deadline()).await,
            Mode::Snapshot | Mode::Reader => Ok(()),
        }
    }

    async fn extents(&self, offset: u64, len: u64) -> Result<Vec<Extent>> {
        self.check(Operation::Extents, offset, len)?;
        if len == 0 {
            return Ok(Vec::new());
        }
        let deadline = self.inner.blob.client().deadline();
        if let Mode::Owner { ownership, .. } = &self.inner.mode {
            ownership.check(deadline).await?;
        }
        if self.inner.exclusive() {
            Ok(self.known_extents(offset, len, deadline).await)
        } else {
            self.listed_extents(offset, len).await
        }
    }

    async fn resize(&self, size: u64) -> Result<()> {
        if !size.is_multiple_of(512) {
            return Err(BlockError::misaligned(&self.inner.name, 0, size, 512));
        }
        self.check(Operation::Resize, 0, 0)?;
        self.inner.resize(size).await?;
        let mut loader = self.loader.lock().unwrap_or_else(PoisonError::into_inner);
        if loader.as_ref().is_none_or(JoinHandle::is_finished) {
            *loader = Some(tokio::spawn(loader::load(self.inner.clone())));
        }
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        let inner = self.inner.clone();
        let ended = self.inner.closing.run(|| async move { inner.close().await }).await;
        ended.unwrap_or_else(|| {
            Err(BlockError::io(
                &self.inner.name,
                "closing was cut short; the lease runs out by itself",
            ))
        })
    }
}

impl Drop for AzureDisk {
    /// Without [`close`](BlockDevice::close) the lease runs out by itself.
    fn drop(&mut self) {
        let loader = self.loader.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        for task in [self.keeper.take(), loader].into_iter().flatten() {
            task.abort();
        }
    }
}
