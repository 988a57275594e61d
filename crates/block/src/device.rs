//! The one trait.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{Extent, Payload, Properties, Result, Status};

/// A block device that is shared between tasks: what a stack is made of.
pub type Disk = Arc<dyn BlockDevice>;

/// How a write is to be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriteFlags {
    /// Force unit access: this write is durable when it completes, without a flush. Writes that completed before it
    /// become no more durable by it.
    pub fua: bool,
}

impl WriteFlags {
    /// A write that is durable when it completes.
    pub const FUA: Self = Self { fua: true };
}

/// How zeroes are to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ZeroFlags {
    /// Durable when complete, as [`WriteFlags::fua`].
    pub fua: bool,
    /// The range must stay allocated (NBD `NBD_CMD_FLAG_NO_HOLE`). Without it the device may punch a hole. A device
    /// without allocation of its own may ignore it.
    pub no_hole: bool,
    /// Fail with [`Unsupported`](crate::BlockError::Unsupported), having changed nothing, unless this is
    /// substantially faster than writing a buffer of zeroes (NBD `NBD_CMD_FLAG_FAST_ZERO`).
    pub fast_only: bool,
}

/// A disk: the whole contract between front ends, layers and stores.
///
/// # Addressing
///
/// Offsets and lengths are bytes and multiples of [`Properties::logical_block_size`]. A misaligned request fails with
/// [`Misaligned`](crate::BlockError::Misaligned), one that leaves the disk (or overflows) with
/// [`OutOfRange`](crate::BlockError::OutOfRange); both before anything is changed, and nothing is ever rounded. A
/// length of zero inside the disk succeeds and does nothing. Use [`Properties::check`] first thing in every operation.
///
/// Reads and writes are at most [`MAX_REQUEST`](crate::MAX_REQUEST) bytes; within that a device takes any length and
/// splits by itself. The other operations take any length.
///
/// # Order and durability
///
/// Those of a disk with a volatile write cache. A completed write is seen by every read that starts later. It is
/// durable only when a later [`flush`](Self::flush), or the write itself with FUA, has completed. Between two flushes
/// writes may reach stable storage in any order; none that was completed before a flush started reaches it after that
/// flush completed. Overlapping requests under way at once take effect in any order, sector by sector.
///
/// # Errors
///
/// After a failed write, zeroing or discard the range holds, sector by sector, either the old or the new content.
/// A failed flush means that any write since the last successful one may be lost: its caller must report it, and every
/// flush that was under way at the same time fails too.
/// [`BlockError::is_retryable`](crate::BlockError::is_retryable) tells whether the same request may succeed later.
///
/// # Cancellation
///
/// Dropping the future of any operation is allowed at any time and counts as a failure. What was begun may still take
/// effect, but **never after a later request on the same range has completed**, be it a write or a read: a device whose requests outlive their
/// futures (a thread, a server that still works on a request whose connection was cut) must see to that, for instance
/// with a [`RangeLock`](crate::RangeLock).
#[async_trait]
pub trait BlockDevice: Send + Sync + 'static {
    /// Size, limits and abilities as they are now. Cheap: called for every request. Only the size changes during a
    /// device's life.
    fn properties(&self) -> Properties;

    /// A name for messages: what the owner of the disk would call it, without secrets.
    fn name(&self) -> &str;

    /// Counts the owners that the image had, this one included; `None` where the store does not know owners.
    ///
    /// Whoever kept something of this disk (kernel pages, a journal) over a restart may go on with it only if nobody
    /// else had the image meanwhile: if this is one more than it was then.
    fn generation(&self) -> Option<u64> {
        None
    }

    /// Whether the device is in working order, and its size, as a value to watch.
    fn status(&self) -> watch::Receiver<Status>;

    /// Reads `len` bytes at `offset`.
    ///
    /// The answer has exactly `len` bytes, in as many segments as suit the device. Sectors that were never written, or
    /// were zeroed, read as zeroes.
    async fn read(&self, offset: u64, len: u32) -> Result<Payload>;

    /// Writes `data` at `offset`.
    ///
    /// The device may keep the segments (they are reference counted) until long after completion.
    async fn write(&self, offset: u64, data: Payload, flags: WriteFlags) -> Result<()>;

    /// Makes `len` bytes at `offset` read as zeroes.
    async fn write_zeroes(&self, offset: u64, len: u64, flags: ZeroFlags) -> Result<()>;

    /// Tells the device that `len` bytes at `offset` are no longer needed.
    ///
    /// Where [`Features::discard_zeroes`](crate::Features::discard_zeroes) is set the whole range reads as zeroes
    /// afterwards; else each sector reads as zeroes or as before.
    async fn discard(&self, offset: u64, len: u64) -> Result<()>;

    /// Makes every write, zeroing and discard that completed before this call durable.
    async fn flush(&self) -> Result<()>;

    /// Which parts of `len` bytes at `offset` hold data.
    ///
    /// The answer starts at `offset`, has no gaps, and covers at least one logical block and at most `len` bytes: it
    /// may end early, then the caller asks again from there. [`Hole`](crate::ExtentKind::Hole) and [`Zero`](crate::ExtentKind::Zero) promise that the
    /// extent reads as zeroes; [`Data`](crate::ExtentKind::Data) promises nothing. Neighbours may be of one kind. A
    /// `len` of zero gets an empty answer.
    async fn extents(&self, offset: u64, len: u64) -> Result<Vec<Extent>>;

    /// Changes the size of the disk. New space reads as zeroes; space cut off is gone, also when the disk grows again.
    ///
    /// Fails with [`Unsupported`](crate::BlockError::Unsupported) without [`Features::resize`](crate::Features::resize)
    /// and with [`Misaligned`](crate::BlockError::Misaligned) for a size that is no multiple of the logical block size.
    /// [`properties`](Self::properties) and [`status`](Self::status) tell the new size before this completes. A request
    /// under way on space that is being cut off either completes before, or fails with
    /// [`OutOfRange`](crate::BlockError::OutOfRange).
    async fn resize(&self, size: u64) -> Result<()>;

    /// Flushes, gives up ownership (leases, locks) and makes every later operation fail, of any kind. Idempotent: a
    /// second close succeeds. The ownership is given up also when the flush fails, and the flush's error returned.
    ///
    /// Requests under way complete or fail; either way none takes effect after this has completed. The status says
    /// [`Closed`](crate::Health::Closed) from then on; name and properties stay.
    async fn close(&self) -> Result<()>;
}
