//! The block device: an image or a snapshot, open through librbd.

mod connection;
mod keeper;
mod reconnect;
mod requests;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use block::{
    BlockDevice, BlockError, Extent, Features, Operation, Payload, Properties, Result, Status, WriteFlags, ZeroFlags,
};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::timeout,
};
use tracing::warn;

use super::{
    image::Image,
    ownership::{self, Owned},
    threads::spawn,
};
use crate::{
    config::check_size,
    error::{EBLOCKLISTED, RbdError},
    state::{DiskState, Held, no_whole_sectors},
};

use connection::Connection;
pub(super) use reconnect::Way;

/// How long closing a lost disk waits for the requests that librbd still has.
const LOST_PATIENCE: Duration = Duration::from_secs(5);

/// What the tasks of a disk share.
struct Inner {
    state: DiskState,
    /// Of the owner; a reader has none.
    generation: Option<u64>,
    connection: RwLock<Arc<Connection>>,
    /// How far one question for extents may go, in bytes.
    extents_at_once: u64,
    /// Whether librbd may hold written data that are not in the cluster yet.
    caches: bool,
    /// Told by librbd when the image changed.
    changed: Arc<Notify>,
}

/// An open disk in an RBD image. Without [`close`](BlockDevice::close) the image is closed when the last request under way
/// has ended, which gives up an exclusive lock.
pub(crate) struct RbdDisk {
    inner: Arc<Inner>,
    keeper: Option<JoinHandle<()>>,
}

/// An image as it was opened, to become a disk.
pub(super) enum Opened {
    /// Ours alone, for writing.
    Owned(Owned),
    /// For reading: a snapshot, or an image without a lock.
    Reader(Image),
}

impl Opened {
    fn image(&self) -> &Image {
        match self {
            Self::Owned(owned) => &owned.image,
            Self::Reader(image) => image,
        }
    }

    fn generation(&self) -> Option<u64> {
        match self {
            Self::Owned(owned) => Some(owned.generation),
            Self::Reader(_) => None,
        }
    }

    fn into_connection(self, concurrency: usize) -> Arc<Connection> {
        match self {
            Self::Owned(owned) => Connection::new(owned.image, Some(owned.address), concurrency),
            Self::Reader(image) => Connection::new(image, None, concurrency),
        }
    }
}

impl Inner {
    fn connection(&self) -> Arc<Connection> {
        self.connection.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes on through another connection. Requests under way begin again there: whatever the old one still has was
    /// fenced before, so that it arrives nowhere.
    fn go_on_through(&self, next: Arc<Connection>) {
        let before = {
            let mut connection = self.connection.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *connection, next)
        };
        before.abandon();
    }

    /// Does a request, again if the connection is replaced meanwhile, and not to its end if the disk is lost. (librbd 16
    /// sometimes keeps a request for ever that was made while its client was being blocklisted; it then also keeps what the
    /// request holds.)
    async fn request<T, F>(&self, mut request: impl FnMut(Arc<Connection>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        loop {
            let connection = self.connection();
            self.state.usable()?;
            let result = tokio::select! {
                biased;
                () = connection.ended() => continue,
                result = request(connection.clone()) => result,
            };
            if result.is_err() && connection.is_given_up() {
                connection.ended().await;
                continue;
            }
            return result;
        }
    }

    /// Turns a code of librbd (positive) into an error, and takes notice if it means that the disk is lost.
    fn failed(&self, connection: &Connection, doing: &'static str, errno: i32) -> BlockError {
        let lost = errno == libc::EROFS && self.generation.is_some();
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
        self.lost(connection, error)
    }

    /// The error for this disk; a final one is remembered.
    fn lost(&self, connection: &Connection, error: RbdError) -> BlockError {
        let error = error.into_block(&self.state.name);
        if !connection.is_given_up() && self.state.remember(&error) {
            connection.abandon();
        }
        error
    }

    /// Runs something of librbd that blocks on a thread, while the image stays open.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        doing: &'static str,
        held: Held,
        work: impl FnOnce(&Image) -> crate::error::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (inner, used) = (self.clone(), connection.clone());
        let thread = spawn(move || {
            let result = match used.image.using() {
                Some(_open) => work(&used.image),
                None => Err(RbdError::from_errno(&inner.state.name, doing, EBLOCKLISTED)),
            };
            drop(held);
            result
        });
        thread.await.map_err(|error| self.lost(connection, error))
    }

    async fn close(self: Arc<Self>) -> Result<()> {
        let connection = self.connection();
        if connection.is_given_up() && self.state.monitor.fence().is_none() {
            // There was to be another one. Nothing that this one has was acknowledged.
            connection.abandon();
            let error = BlockError::unreachable(&self.state.name, "closed while it was being connected anew");
            return self.state.closed(Err(error));
        }
        // Requests under way end first, and nothing else uses the image then. This waits as long as the cluster does.
        let all = async {
            let all = connection.turns.idle().await;
            (all, connection.keeping.clone().acquire_owned().await)
        };
        let all = match self.state.monitor.fence() {
            None => all.await,
            // What librbd still has then it keeps (see `request`), and the image stays open. It is refused everywhere.
            Some(fence) => match timeout(LOST_PATIENCE, all).await {
                Ok(all) => all,
                Err(_) => {
                    warn!(disk = %self.state.name, "librbd did not end all requests of the lost disk; they are abandoned");
                    self.state.monitor.closed();
                    return Err(fence);
                }
            },
        };
        let (inner, used) = (self.clone(), connection.clone());
        let thread = spawn(move || {
            let result = match (inner.generation, inner.state.monitor.fence()) {
                (Some(generation), None) => ownership::give_up(&used.image, generation),
                _ => used.image.close(),
            };
            drop(all);
            result
        });
        let ended = thread.await.map_err(|error| error.into_block(&self.state.name));
        // Whoever still waits for another connection waits no longer.
        connection.end();
        self.state.closed(ended)
    }
}

impl RbdDisk {
    /// Blocks: asks the image what it is.
    pub(super) fn new(name: &str, opened: Opened, concurrency: usize) -> crate::error::Result<Self> {
        let image = opened.image();
        let size = image.size()?;
        if !size.is_multiple_of(512) {
            return Err(no_whole_sectors(image.name(), size));
        }
        let object_size = image.object_size()?;
        let generation = opened.generation();
        let writable = generation.is_some();
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
        let state = DiskState::new(name, properties);
        let extents_at_once = match image.has_fast_diff()? {
            true => 1 << 40,
            // Each object is asked for by itself.
            false => object_size * 256,
        };
        let caches = writable && image.has_cache()?;
        let changed = Arc::new(Notify::new());
        if writable {
            image.watch(changed.clone())?;
        }
        let inner = Arc::new(Inner {
            state,
            generation,
            connection: RwLock::new(opened.into_connection(concurrency)),
            extents_at_once,
            caches,
            changed,
        });
        Ok(Self { inner, keeper: None })
    }

    /// Begins to look after it: to be called in a runtime. `way` leads to the image if the connection is lost for good.
    pub(super) fn keep(mut self, way: Way) -> Self {
        self.keeper = Some(tokio::spawn(keeper::keep(Arc::downgrade(&self.inner), way)));
        self
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
        self.inner.generation
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.inner.state.monitor.subscribe()
    }

    async fn read(&self, offset: u64, len: u32) -> Result<Payload> {
        let inner = &self.inner;
        inner.request(|connection| inner.read(connection, offset, len)).await
    }

    async fn write(&self, offset: u64, data: Payload, flags: WriteFlags) -> Result<()> {
        let inner = &self.inner;
        inner
            .request(|connection| inner.write(connection, offset, data.clone()))
            .await?;
        if flags.fua { self.flush().await } else { Ok(()) }
    }

    async fn write_zeroes(&self, offset: u64, len: u64, flags: ZeroFlags) -> Result<()> {
        let inner = &self.inner;
        if flags.no_hole && flags.fast_only {
            inner.state.check(Operation::WriteZeroes, offset, len)?;
            return Err(BlockError::unsupported(
                &inner.state.name,
                "fast write of zeroes that keep their space",
            ));
        }
        let zero = |connection| inner.write_zeroes(connection, Operation::WriteZeroes, offset, len, flags.no_hole);
        inner.request(zero).await?;
        if flags.fua { self.flush().await } else { Ok(()) }
    }

    async fn discard(&self, offset: u64, len: u64) -> Result<()> {
        let inner = &self.inner;
        let zero = |connection| inner.write_zeroes(connection, Operation::Discard, offset, len, false);
        inner.request(zero).await
    }

    async fn flush(&self) -> Result<()> {
        self.inner.request(|connection| self.inner.flush(connection)).await
    }

    async fn extents(&self, offset: u64, len: u64) -> Result<Vec<Extent>> {
        let inner = &self.inner;
        inner.request(|connection| inner.extents(connection, offset, len)).await
    }

    async fn resize(&self, size: u64) -> Result<()> {
        let inner = &self.inner;
        if !size.is_multiple_of(512) {
            return Err(BlockError::misaligned(&inner.state.name, 0, size, 512));
        }
        inner.state.check(Operation::Resize, 0, 0)?;
        check_size(&inner.state.name, size).map_err(|error| error.into_block(&inner.state.name))?;
        inner.request(|connection| inner.resize(connection, size)).await
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
