//! One disk in a file or block device.

mod requests;
mod sync;
mod writer;

use std::{
    fs::File,
    io,
    path::Path,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use block::{
    BlockDevice, BlockError, Extent, Health, LOGICAL_BLOCK_SIZE, Operation, Payload, Properties, RangeGuard, RangeLock,
    Result, Status, WriteFlags, ZeroFlags,
    store::{self, CreateOptions, OpenOptions},
};
use bytes::BytesMut;
use tokio::{
    sync::{Semaphore, watch},
    task::spawn_blocking,
};

use crate::{
    image::{self, Image, Kind},
    sys,
};

use sync::Sync;
use writer::{Write, Writer};

/// Requests of one disk that are with the kernel at the same time; more wait.
pub const MAX_PARALLEL: usize = 16;

/// Reads up to this many bytes are tried from the page cache on the spot; longer ones go to a thread, where their
/// copying delays nobody else.
const INLINE_READ: usize = 1 << 20;

/// A disk in a raw image file, or a whole block device.
///
/// Requests run on tokio's threads for blocking work, at most [`MAX_PARALLEL`] at a time, through the page cache.
/// A range that is being changed is locked until the kernel is done with it, also when the future was dropped.
///
/// Reads that the page cache can answer skip the hop to a thread (`RWF_NOWAIT`), which is most of their cost: 1.4
/// instead of 18.6 µs of CPU time for 4 KiB, 6 instead of 39 for 64 KiB, 51 instead of 213 for 1 MiB (`benches/requests.rs`
/// on ext4, 2 cores of an AMD EPYC under other load, hence CPU time and not throughput).
pub struct FileDevice {
    shared: Arc<Shared>,
    locks: RangeLock,
    parallel: Arc<Semaphore>,
    writer: Writer,
}

/// What the threads need.
struct Shared {
    name: String,
    kind: Kind,
    /// All but the size.
    properties: Properties,
    size: AtomicU64,
    status: watch::Sender<Status>,
    /// Gone when the disk is closed: the file is closed as well then, and with it all locks end.
    file: RwLock<Option<Arc<File>>>,
    /// Whether the kernel and the file system know these; unlearned at the first refusal.
    can: Abilities,
    sync: Sync,
}

struct Abilities {
    /// Reads from the page cache only.
    nowait: AtomicBool,
    /// Writes that are durable when complete.
    dsync: AtomicBool,
    /// Zeroing that keeps the space.
    zero_range: AtomicBool,
}

impl Shared {
    fn properties(&self) -> Properties {
        Properties {
            size: self.size.load(Ordering::Acquire),
            ..self.properties
        }
    }

    fn check(&self, operation: Operation, offset: u64, length: u64) -> Result<()> {
        self.properties().check(&self.name, operation, offset, length)
    }

    fn closed(&self) -> BlockError {
        BlockError::closed(&self.name)
    }

    fn file(&self) -> Result<Arc<File>> {
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        file.clone().ok_or_else(|| self.closed())
    }

    fn error(&self, what: &str, error: &io::Error) -> BlockError {
        match BlockError::from_io(&self.name, what, error) {
            BlockError::NoSpace { disk, detail } => BlockError::NoSpace {
                disk,
                detail: format!("{detail}; the file is sparse: make room in the file system that holds it").into(),
            },
            other => other,
        }
    }

    /// Takes notice of a size, and tells those that watch.
    fn set_size(&self, size: u64) {
        self.size.store(size, Ordering::Release);
        self.status
            .send_if_modified(|status| std::mem::replace(&mut status.size, size) != size);
    }
}

impl FileDevice {
    /// Opens an image file or block device: for writing with an exclusive lock, or read-only with a shared one.
    ///
    /// Read-only media are opened read-only, also when asked for more. There is nothing to take over: a lock ends with
    /// the process that holds it.
    ///
    /// # Errors
    ///
    /// [`NotFound`](store::StoreError::NotFound), [`InUse`](store::StoreError::InUse) naming who uses it,
    /// [`Invalid`](store::StoreError::Invalid) for folders, pipes and the like and for a size that is no multiple of
    /// 512, and those of the system.
    pub async fn open(path: impl AsRef<Path>, options: &OpenOptions) -> store::Result<Self> {
        let (path, options) = (path.as_ref().to_owned(), options.clone());
        let name = path.display().to_string();
        let image = spawn_blocking(move || image::open(&path, &options)).await;
        image
            .map_err(|error| BlockError::io(&name, error.to_string()))?
            .map(|image| Self::new(name, image))
    }

    /// Makes a sparse image file of `size` bytes and opens it.
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](store::StoreError::AlreadyExists) leaves alone what exists; else as [`open`](Self::open).
    pub async fn create(path: impl AsRef<Path>, size: u64) -> store::Result<Self> {
        let path = path.as_ref().to_owned();
        let name = path.display().to_string();
        let options = CreateOptions { size, format: None };
        let created = {
            let path = path.clone();
            spawn_blocking(move || image::create(&path, &options)).await
        };
        created.map_err(|error| BlockError::io(&name, error.to_string()))??;
        Self::open(path, &OpenOptions::default()).await
    }

    fn new(name: String, image: Image) -> Self {
        let properties = Properties {
            physical_block_size: image.physical_block_size,
            preferred_request: 1 << 20,
            discard_granularity: 4096,
            read_only: image.read_only,
            features: image.features,
            ..Properties::new(image.size)
        };
        let writers = match image.kind {
            Kind::File => 1,
            // Their pages are locked one by one.
            Kind::BlockDevice(_) => 4,
        };
        Self {
            shared: Arc::new(Shared {
                name,
                kind: image.kind,
                properties,
                size: AtomicU64::new(image.size),
                status: watch::Sender::new(Status::online(image.size)),
                file: RwLock::new(Some(Arc::new(image.file))),
                can: Abilities {
                    nowait: AtomicBool::new(true),
                    dsync: AtomicBool::new(true),
                    zero_range: AtomicBool::new(true),
                },
                sync: Sync::default(),
            }),
            locks: RangeLock::new(),
            parallel: Arc::new(Semaphore::new(MAX_PARALLEL)),
            writer: Writer::new(writers),
        }
    }

    /// Checks a request and waits until nobody else is at its range.
    async fn begin(&self, operation: Operation, offset: u64, length: u64) -> Result<RangeGuard> {
        self.shared.check(operation, offset, length)?;
        let guard = self.locks.for_request(operation, offset, length).await;
        // It may have been cut off meanwhile.
        self.shared.check(operation, offset, length)?;
        Ok(guard)
    }

    /// Runs `request` on a thread. Whatever it holds, it holds to its end, also when this future is dropped.
    async fn run<T: Send + 'static>(
        &self,
        what: &'static str,
        guard: Option<RangeGuard>,
        request: impl FnOnce(&Shared, &File) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let Ok(permit) = self.parallel.clone().acquire_owned().await else {
            return Err(self.shared.closed());
        };
        let file = self.shared.file()?;
        let shared = self.shared.clone();
        let thread = spawn_blocking(move || {
            let result = request(&shared, &file);
            drop((file, guard, permit));
            result
        });
        match thread.await {
            Ok(result) => result,
            Err(error) => Err(BlockError::io(&self.shared.name, format!("{what} failed: {error}"))),
        }
    }

    /// Reads into `buffer` what the page cache has, if that may do; whether that was all.
    fn read_cached(&self, buffer: &mut BytesMut, len: usize, offset: u64) -> Result<bool> {
        let can = &self.shared.can.nowait;
        if len > INLINE_READ || !can.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let file = self.shared.file.read().unwrap_or_else(PoisonError::into_inner);
        let file = file.as_ref().ok_or_else(|| self.shared.closed())?;
        match sys::read_at(file, buffer, len, offset, true) {
            Ok(count) => Ok(count == len),
            Err(error) => {
                if sys::is_unsupported(&error) {
                    can.store(false, Ordering::Relaxed);
                }
                Ok(false)
            }
        }
    }
}

impl Drop for FileDevice {
    fn drop(&mut self) {
        // A thread that is just done with the queue may keep the rest alive for a moment, but not the lock.
        self.shared.file.write().unwrap_or_else(PoisonError::into_inner).take();
    }
}

#[async_trait]
impl BlockDevice for FileDevice {
    fn properties(&self) -> Properties {
        self.shared.properties()
    }

    fn name(&self) -> &str {
        &self.shared.name
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.shared.status.subscribe()
    }

    async fn read(&self, offset: u64, len: u32) -> Result<Payload> {
        let guard = self.begin(Operation::Read, offset, u64::from(len)).await?;
        let len = len as usize;
        if len == 0 {
            return self.shared.file().map(|_| Payload::new());
        }
        let mut buffer = BytesMut::with_capacity(len);
        if self.read_cached(&mut buffer, len, offset)? {
            return Ok(buffer.freeze().into());
        }
        let request = move |shared: &Shared, file: &File| requests::read(shared, file, buffer, len, offset);
        self.run("read", Some(guard), request).await
    }

    async fn write(&self, offset: u64, data: Payload, flags: WriteFlags) -> Result<()> {
        let guard = self.begin(Operation::Write, offset, data.len() as u64).await?;
        if flags.fua {
            // These wait for the medium most of the time, together.
            let request = move |shared: &Shared, file: &File| requests::write(shared, file, offset, &data, true);
            return self.run("write", Some(guard), request).await;
        }
        let Ok(permit) = self.parallel.clone().acquire_owned().await else {
            return Err(self.shared.closed());
        };
        let write = Write {
            offset,
            data,
            file: self.shared.file()?,
            held: (guard, permit),
        };
        let answer = self.writer.submit(&self.shared, write).await;
        answer.unwrap_or_else(|_| Err(BlockError::io(&self.shared.name, "write failed: its thread is gone")))
    }

    async fn write_zeroes(&self, offset: u64, len: u64, flags: ZeroFlags) -> Result<()> {
        let guard = self.begin(Operation::WriteZeroes, offset, len).await?;
        let request = move |shared: &Shared, file: &File| requests::write_zeroes(shared, file, offset, len, flags);
        self.run("write of zeroes", Some(guard), request).await
    }

    async fn discard(&self, offset: u64, len: u64) -> Result<()> {
        let guard = self.begin(Operation::Discard, offset, len).await?;
        let request = move |shared: &Shared, file: &File| requests::discard(shared, file, offset, len);
        self.run("discard", Some(guard), request).await
    }

    async fn flush(&self) -> Result<()> {
        let before = self.shared.sync.begin();
        let request = move |shared: &Shared, file: &File| requests::flush(shared, file, before);
        self.run("flush", None, request).await
    }

    async fn extents(&self, offset: u64, len: u64) -> Result<Vec<Extent>> {
        let guard = self.begin(Operation::Extents, offset, len).await?;
        let request = move |shared: &Shared, file: &File| requests::extents(shared, file, offset, len);
        self.run("extents", Some(guard), request).await
    }

    async fn resize(&self, size: u64) -> Result<()> {
        self.shared.check(Operation::Resize, 0, 0)?;
        if self.shared.kind != Kind::File {
            return Err(BlockError::unsupported(
                &self.shared.name,
                "resize of a block device from here",
            ));
        }
        if !size.is_multiple_of(u64::from(LOGICAL_BLOCK_SIZE)) {
            return Err(BlockError::misaligned(&self.shared.name, 0, size, LOGICAL_BLOCK_SIZE));
        }
        // Nobody reads or writes what is being cut off.
        let guard = self.locks.exclusive(0..u64::MAX).await;
        let request = move |shared: &Shared, file: &File| {
            file.set_len(size)
                .map_err(|error| shared.error(&format!("cannot resize to {size} bytes"), &error))?;
            shared.set_size(size);
            Ok(())
        };
        self.run("resize", Some(guard), request).await
    }

    async fn close(&self) -> Result<()> {
        let file = self.shared.file.write().unwrap_or_else(PoisonError::into_inner).take();
        let Some(file) = file else { return Ok(()) };
        self.shared.status.send_modify(|status| status.health = Health::Closed);
        let before = self.shared.sync.begin();
        // Those under way still have the file; it is closed, and its lock given up, when the last one is done.
        let all = self.parallel.clone().acquire_many_owned(MAX_PARALLEL as u32).await;
        let shared = self.shared.clone();
        let thread = spawn_blocking(move || {
            let result = match shared.properties.read_only {
                true => Ok(()),
                false => shared
                    .sync
                    .flush(before, || file.sync_data())
                    .map_err(|error| shared.error("cannot flush", &error)),
            };
            drop((file, all));
            result
        });
        match thread.await {
            Ok(result) => result,
            Err(error) => Err(BlockError::io(&self.shared.name, format!("close failed: {error}"))),
        }
    }
}
