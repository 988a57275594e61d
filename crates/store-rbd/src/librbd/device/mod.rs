//! The block device: an image or a snapshot, open through librbd.

mod keeper;
mod requests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use block::{
    BlockDevice, BlockError, Extent, Features, Operation, Payload, Properties, Result, Status, WriteFlags, ZeroFlags,
};
use tokio::{
    sync::{Notify, Semaphore, watch},
    task::JoinHandle,
    time::timeout,
};
use tracing::warn;

use super::{
    closing,
    image::{Image, Share},
    ownership::{self, Owned},
    threads::spawn,
};
use crate::{
    config::check_size,
    error::{EBLOCKLISTED, RbdError},
    state::{DiskState, Held, no_whole_sectors},
};

/// How long closing a lost disk waits for the requests that librbd still has.
const LOST_PATIENCE: Duration = Duration::from_secs(5);

/// What we may do with the image.
#[derive(Debug, Clone)]
enum Mode {
    /// We are its one writer.
    Owner { generation: u64, address: String },
    /// A snapshot, or the image itself without a lock.
    Reader,
}

/// What the tasks of a disk share.
struct Inner {
    state: DiskState,
    mode: Mode,
    image: Share,
    /// How far one question for extents may go, in bytes.
    extents_at_once: u64,
    /// Told by librbd when the image changed.
    changed: Arc<Notify>,
    /// For the keeper, which must not wait behind requests.
    keeping: Arc<Semaphore>,
    /// Told when the disk is lost.
    fence: Notify,
    /// Held by whoever learns or changes the size.
    sizing: Arc<tokio::sync::Mutex<()>>,
}

/// An open disk in an RBD image. Without [`close`](BlockDevice::close) the image is closed when the last request under way
/// has ended, which gives up an exclusive lock.
pub(crate) struct RbdDisk {
    inner: Arc<Inner>,
    keeper: Option<JoinHandle<()>>,
}

impl Inner {
    /// Turns a code of librbd (positive) into an error, and takes notice if it means that the disk is lost.
    fn failed(&self, doing: &'static str, errno: i32) -> BlockError {
        let lost = errno == libc::EROFS && matches!(self.mode, Mode::Owner { .. });
        let error = match (errno, lost) {
            (_, true) => RbdError::Fenced {
                object: self.state.name.clone(),
                detail: "the lock of the image was taken away from this client; open it again to go on".to_owned(),
            },
            // It was checked against the size: somebody made the image smaller meanwhile.
            (libc::EINVAL, _) => RbdError::invalid(
                self.state.name.clone(),
                "librbd refuses the request; the image may just have been made smaller",
            ),
            _ => RbdError::from_errno(&self.state.name, doing, errno),
        };
        self.lost(error)
    }

    /// The error for this disk; a final one is remembered.
    fn lost(&self, error: RbdError) -> BlockError {
        let error = error.into_block(&self.state.name);
        if self.state.remember(&error) {
            self.fence.notify_waiters();
            // What librbd still has ends by that, and nothing of it lives on when the process ends.
            let image = self.image.clone();
            closing::spawn(move || drop(image.close()));
        }
        error
    }

    /// Waits for a request of librbd, unless the disk is lost meanwhile. librbd 16 sometimes keeps a request for ever that
    /// was made while its client was being blocklisted; it then also keeps what the request holds.
    async fn unless_lost<T>(&self, request: impl Future<Output = Result<T>>) -> Result<T> {
        let lost = self.fence.notified();
        self.state.usable()?;
        tokio::select! {
            biased;
            result = request => result,
            () = lost => {
                let fence = self.state.monitor.fence();
                Err(fence.unwrap_or_else(|| BlockError::closed(&self.state.name)))
            }
        }
    }

    /// Runs something of librbd that blocks on a thread, while the image stays open.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        doing: &'static str,
        held: Held,
        work: impl FnOnce(&Image) -> crate::error::Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = self.clone();
        let thread = spawn(move || {
            let result = match inner.image.using() {
                Some(_open) => work(&inner.image),
                None => Err(RbdError::from_errno(&inner.state.name, doing, EBLOCKLISTED)),
            };
            drop(held);
            result
        });
        thread.await.map_err(|error| self.lost(error))
    }

    async fn close(self: Arc<Self>) -> Result<()> {
        // Requests under way end first, and nothing else uses the image then. This waits as long as the cluster does.
        let all = async {
            let all = self.state.idle().await;
            (all, self.keeping.clone().acquire_owned().await)
        };
        let all = match self.state.monitor.fence() {
            None => all.await,
            // What librbd still has then it keeps (see `unless_lost`), and the image stays open. It is refused everywhere.
            Some(fence) => match timeout(LOST_PATIENCE, all).await {
                Ok(all) => all,
                Err(_) => {
                    warn!(disk = %self.state.name, "librbd did not end all requests of the lost disk; they are abandoned");
                    self.state.monitor.closed();
                    return Err(fence);
                }
            },
        };
        let inner = self.clone();
        let thread = spawn(move || {
            let result = match (&inner.mode, inner.state.monitor.fence()) {
                (Mode::Owner { generation, .. }, None) => ownership::give_up(&inner.image, *generation),
                _ => inner.image.close(),
            };
            drop(all);
            result
        });
        let ended = thread.await.map_err(|error| error.into_block(&self.state.name));
        self.state.closed(ended)
    }
}

impl RbdDisk {
    /// A disk for writing.
    pub(super) fn owner(name: &str, owned: Owned, concurrency: usize) -> crate::error::Result<Self> {
        let mode = Mode::Owner {
            generation: owned.generation,
            address: owned.address,
        };
        Self::new(name, owned.image, mode, concurrency)
    }

    /// A disk for reading.
    pub(super) fn reader(name: &str, image: Image, concurrency: usize) -> crate::error::Result<Self> {
        Self::new(name, image, Mode::Reader, concurrency)
    }

    /// Blocks: asks the image what it is.
    fn new(name: &str, image: Image, mode: Mode, concurrency: usize) -> crate::error::Result<Self> {
        let size = image.size()?;
        if !size.is_multiple_of(512) {
            return Err(no_whole_sectors(image.name(), size));
        }
        let object_size = image.object_size()?;
        let writable = matches!(mode, Mode::Owner { .. });
        let properties = Properties {
            physical_block_size: 4096,
            preferred_request: object_size.clamp(4096, 4 << 20) as u32,
            discard_granularity: 4096,
            read_only: !writable,
            features: Features {
                discard: writable,
                discard_zeroes: writable,
                fast_zero: writable,
                extents: true,
                resize: writable,
                // Without librbd's cache a completed write is on all replicas; but an image may be set to use it.
                volatile_cache: writable,
            },
            ..Properties::new(size)
        };
        let state = DiskState::new(name, properties, concurrency);
        let extents_at_once = match image.has_fast_diff()? {
            true => 1 << 40,
            // Each object is asked for by itself.
            false => object_size * 256,
        };
        let changed = Arc::new(Notify::new());
        if writable {
            image.watch(changed.clone())?;
        }
        let inner = Arc::new(Inner {
            state,
            mode,
            image: Share::new(image),
            extents_at_once,
            changed,
            keeping: Arc::new(Semaphore::new(1)),
            fence: Notify::new(),
            sizing: Arc::default(),
        });
        Ok(Self { inner, keeper: None })
    }

    /// Begins to look after it: to be called in a runtime.
    pub(super) fn keep(mut self) -> Self {
        if matches!(self.inner.mode, Mode::Owner { .. }) {
            self.keeper = Some(tokio::spawn(keeper::keep(Arc::downgrade(&self.inner))));
        }
        self
    }

    async fn begin(&self, operation: Operation, offset: u64, length: u64) -> Result<Held> {
        let waiting = self.inner.state.begin(operation, offset, length);
        self.inner.unless_lost(waiting).await
    }
}

#[async_trait]
impl BlockDevice for RbdDisk {
    fn properties(&self) -> Properties {
        self.inner.state.properties()
    }

    fn name(&self) -> &str {
        &self.inner.state.name
    }

    fn generation(&self) -> Option<u64> {
        match self.inner.mode {
            Mode::Owner { generation, .. } => Some(generation),
            Mode::Reader => None,
        }
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.inner.state.monitor.subscribe()
    }

    async fn read(&self, offset: u64, len: u32) -> Result<Payload> {
        let held = self.begin(Operation::Read, offset, u64::from(len)).await?;
        self.inner.read(offset, len, held).await
    }

    async fn write(&self, offset: u64, data: Payload, flags: WriteFlags) -> Result<()> {
        let held = self.begin(Operation::Write, offset, data.len() as u64).await?;
        self.inner.write(offset, data, held).await?;
        if flags.fua { self.flush().await } else { Ok(()) }
    }

    async fn write_zeroes(&self, offset: u64, len: u64, flags: ZeroFlags) -> Result<()> {
        if flags.no_hole && flags.fast_only {
            self.inner.state.check(Operation::WriteZeroes, offset, len)?;
            return Err(BlockError::unsupported(
                &self.inner.state.name,
                "fast write of zeroes that keep their space",
            ));
        }
        let held = self.begin(Operation::WriteZeroes, offset, len).await?;
        self.inner.write_zeroes(offset, len, flags.no_hole, held).await?;
        if flags.fua { self.flush().await } else { Ok(()) }
    }

    async fn discard(&self, offset: u64, len: u64) -> Result<()> {
        let held = self.begin(Operation::Discard, offset, len).await?;
        self.inner.write_zeroes(offset, len, false, held).await
    }

    async fn flush(&self) -> Result<()> {
        let held = self.inner.unless_lost(self.inner.state.begin_flush()).await?;
        self.inner.flush(held).await
    }

    async fn extents(&self, offset: u64, len: u64) -> Result<Vec<Extent>> {
        let held = self.begin(Operation::Extents, offset, len).await?;
        self.inner.extents(offset, len, held).await
    }

    async fn resize(&self, size: u64) -> Result<()> {
        if !size.is_multiple_of(512) {
            return Err(BlockError::misaligned(&self.inner.state.name, 0, size, 512));
        }
        self.inner.state.check(Operation::Resize, 0, 0)?;
        check_size(&self.inner.state.name, size).map_err(|error| error.into_block(&self.inner.state.name))?;
        let held = self.inner.state.begin_resize().await?;
        self.inner.resize(size, held).await
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

impl Drop for RbdDisk {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.abort();
        }
    }
}
