//! The block device: a mapped image or snapshot.

mod keeper;
mod requests;

use std::{
    fs::File,
    io,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use async_trait::async_trait;
use block::{
    BlockDevice, BlockError, Extent, ExtentKind, Features, Operation, Payload, Properties, Result, Status, WriteFlags,
    ZeroFlags,
};
use tokio::{
    sync::watch,
    task::{JoinHandle, spawn_blocking},
};
use tracing::info;

use super::{entry::Entry, line::Purpose, mapping::Mapping};
use crate::{
    error::RbdError,
    state::{DiskState, Held, Turns, no_whole_sectors},
};

/// Most requests of one disk that are with the kernel at a time: each has a thread that waits for it.
const MAX_PARALLEL: usize = 32;

/// What the tasks and threads of a disk share.
struct Inner {
    state: DiskState,
    turns: Turns,
    purpose: Purpose,
    is_snapshot: bool,
    entry: Entry,
    /// Gone when the disk is closed.
    mapping: Mutex<Option<Mapping>>,
    generation: u64,
}

/// An open disk in a mapped image. Without [`close`](BlockDevice::close) the image is unmapped when the last request under way
/// has ended; when the process ends before, the mapping stays and the next process of this installation uses it again.
pub(crate) struct KernelDisk {
    inner: Arc<Inner>,
    keeper: Option<JoinHandle<()>>,
}

impl Inner {
    async fn begin(&self, operation: Operation, offset: u64, length: u64) -> Result<Held> {
        self.state.begin(&self.turns, operation, offset, length).await
    }

    fn file(&self) -> Result<Arc<File>> {
        let mapping = self.mapping.lock().unwrap_or_else(PoisonError::into_inner);
        let file = mapping.as_ref().map(|mapping| mapping.file.clone());
        file.ok_or_else(|| BlockError::closed(&self.state.name))
    }

    /// The error of a request, and what it means for the disk. Blocks: the block layer makes `EIO` of most codes, so the
    /// cluster is asked.
    fn failed(&self, doing: &'static str, error: &io::Error) -> BlockError {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        let told = match errno {
            libc::EIO | libc::ENXIO | libc::ENODEV if !self.is_snapshot => self.entry.refresh(),
            _ => Err(io::Error::from_raw_os_error(errno)),
        };
        // It may have been made smaller.
        self.look_at_size();
        match told {
            Ok(()) => {
                let detail = format!("{doing} failed: {error}; the kernel's log says more (dmesg)");
                BlockError::Io {
                    disk: self.state.name.as_str().into(),
                    detail: detail.into(),
                    errno: Some(errno),
                }
            }
            Err(told) => self.told(doing, &told),
        }
    }

    /// The error that the cluster's code stands for; a final one is remembered.
    fn told(&self, doing: &'static str, error: &io::Error) -> BlockError {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        let error = match errno {
            libc::ENXIO | libc::ENODEV | libc::ENOENT => RbdError::Fenced {
                object: self.state.name.clone(),
                detail: "the image was unmapped or deleted by somebody else; open it again to go on".to_owned(),
            },
            errno => RbdError::from_errno(&self.state.name, doing, errno),
        };
        let error = error.into_block(&self.state.name);
        self.state.remember(&error);
        error
    }

    /// Takes notice of the size that the kernel knows.
    fn look_at_size(&self) {
        if let Some(size) = self.entry.size() {
            self.state.notice_size(size);
        }
    }

    /// Runs a request on a thread. Whatever it holds, it holds to its end, also when this future is dropped.
    async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        doing: &'static str,
        held: impl Send + 'static,
        request: impl FnOnce(&Self, &File) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let file = self.file()?;
        let inner = self.clone();
        let thread = spawn_blocking(move || {
            let result = request(&inner, &file).map_err(|error| inner.failed(doing, &error));
            drop((file, held));
            result
        });
        match thread.await {
            Ok(result) => result,
            Err(error) => Err(BlockError::io(&self.state.name, format!("{doing} failed: {error}"))),
        }
    }

    async fn close(self: Arc<Self>) -> Result<()> {
        // Requests under way end first: the kernel gives them up in time by itself.
        let all = self.turns.idle().await;
        let mapping = self.mapping.lock().unwrap_or_else(PoisonError::into_inner).take();
        let flushes = self.purpose.writes();
        let thread = spawn_blocking(move || {
            let flushed = match &mapping {
                Some(mapping) if flushes => mapping.file.sync_data(),
                _ => Ok(()),
            };
            if let Some(mapping) = mapping {
                mapping.unmap();
            }
            drop(all);
            flushed
        });
        let ended = match thread.await {
            Ok(flushed) => flushed.map_err(|error| BlockError::from_io(&self.state.name, "flushing", &error)),
            Err(error) => Err(BlockError::io(&self.state.name, format!("closing failed: {error}"))),
        };
        self.state.closed(ended)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mapping = self.mapping.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mapping) = mapping {
            // It blocks, and nobody may be there to wait for it.
            thread::spawn(move || mapping.unmap());
        }
    }
}

impl KernelDisk {
    pub(super) fn new(
        mapping: Mapping,
        is_snapshot: bool,
        purpose: Purpose,
        concurrency: usize,
    ) -> crate::error::Result<Self> {
        let (entry, name) = (mapping.entry.clone(), mapping.target().to_owned());
        let size = entry.size().unwrap_or_default();
        let concurrency = concurrency.min(MAX_PARALLEL);
        let writable = purpose.writes();
        let zeroes = writable && entry.queue_limit("write_zeroes_max_bytes").is_some_and(|most| most > 0);
        let object_size = entry.queue_limit("max_hw_sectors_kb").map_or(4 << 20, |kib| kib << 10);
        let properties = Properties {
            physical_block_size: 4096,
            preferred_request: object_size.clamp(4096, 4 << 20) as u32,
            discard_granularity: 4096,
            read_only: !writable,
            features: Features {
                discard: zeroes,
                discard_zeroes: zeroes,
                fast_zero: zeroes,
                extents: false,
                resize: false,
                volatile_cache: writable && entry.has_volatile_cache(),
            },
            ..Properties::new(size)
        };
        info!(disk = name, device = %entry.node().display(), address = entry.address(), "mapped");
        let inner = Inner {
            purpose,
            is_snapshot,
            state: DiskState::new(&name, properties),
            turns: Turns::new(concurrency),
            generation: mapping.generation(),
            mapping: Mutex::new(Some(mapping)),
            entry,
        };
        if !size.is_multiple_of(512) || size == 0 {
            return Err(no_whole_sectors(&name, size));
        }
        Ok(Self {
            inner: Arc::new(inner),
            keeper: None,
        })
    }

    /// Begins to look after it: to be called in a runtime. A snapshot needs nobody who does.
    pub(super) fn keep(mut self) -> Self {
        if !self.inner.is_snapshot {
            self.keeper = Some(tokio::spawn(keeper::keep(Arc::downgrade(&self.inner))));
        }
        self
    }
}

#[async_trait]
impl BlockDevice for KernelDisk {
    fn properties(&self) -> Properties {
        self.inner.state.properties()
    }

    fn name(&self) -> &str {
        &self.inner.state.name
    }

    fn generation(&self) -> Option<u64> {
        self.inner.purpose.writes().then_some(self.inner.generation)
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.inner.state.monitor.subscribe()
    }

    async fn read(&self, offset: u64, len: u32) -> Result<Payload> {
        let held = self.inner.begin(Operation::Read, offset, u64::from(len)).await?;
        if len == 0 {
            return Ok(Payload::new());
        }
        let read = move |_: &Inner, file: &File| requests::read(file, offset, len as usize);
        self.inner.run("reading", held, read).await
    }

    async fn write(&self, offset: u64, data: Payload, flags: WriteFlags) -> Result<()> {
        let held = self.inner.begin(Operation::Write, offset, data.len() as u64).await?;
        if data.is_empty() {
            return Ok(());
        }
        let write = move |_: &Inner, file: &File| requests::write(file, offset, &data, flags.fua);
        self.inner.run("writing", held, write).await
    }

    async fn write_zeroes(&self, offset: u64, len: u64, flags: ZeroFlags) -> Result<()> {
        let held = self.inner.begin(Operation::WriteZeroes, offset, len).await?;
        let fast = self.inner.state.properties().features.fast_zero && !flags.no_hole;
        if flags.fast_only && !fast {
            return Err(BlockError::unsupported(
                &self.inner.state.name,
                "fast write of such zeroes",
            ));
        }
        self.zero(offset, len, fast, flags.fua, held).await
    }

    async fn discard(&self, offset: u64, len: u64) -> Result<()> {
        let held = self.inner.begin(Operation::Discard, offset, len).await?;
        match self.inner.state.properties().features.discard {
            true => self.zero(offset, len, true, false, held).await,
            false => Ok(()),
        }
    }

    async fn flush(&self) -> Result<()> {
        let inner = &self.inner;
        if inner.state.properties().read_only {
            return inner.state.check(Operation::Flush, 0, 0);
        }
        let held = inner.state.begin_flush(&inner.turns).await?;
        let flush = |_: &Inner, file: &File| file.sync_data();
        inner.run("flushing", held, flush).await
    }

    async fn extents(&self, offset: u64, len: u64) -> Result<Vec<Extent>> {
        self.inner.state.check(Operation::Extents, offset, len)?;
        // The kernel's client cannot be asked.
        let all = (len > 0).then_some(Extent {
            offset,
            length: len,
            kind: ExtentKind::Data,
        });
        Ok(all.into_iter().collect())
    }

    async fn resize(&self, _size: u64) -> Result<()> {
        self.inner.state.check(Operation::Resize, 0, 0)?;
        Err(BlockError::unsupported(
            &self.inner.state.name,
            "resizing by the kernel's client (`rbd resize` elsewhere does it, and is noticed here)",
        ))
    }

    async fn close(&self) -> Result<()> {
        let close = || {
            if let Some(keeper) = &self.keeper {
                keeper.abort();
            }
            self.inner.clone().close()
        };
        self.inner.state.close(close).await
    }
}

impl Drop for KernelDisk {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.abort();
        }
    }
}
