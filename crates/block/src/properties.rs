//! What a device is: size, limits, abilities; and the terms its answers use.

use serde::Serialize;

use crate::{BlockError, Result};

/// The logical block (sector) size of every device, in bytes. Page blobs, SCSI disks and NBD all share it.
pub const LOGICAL_BLOCK_SIZE: u32 = 512;

/// The longest single read or write, in bytes: 32 MiB, the payload every NBD server is expected to take (NBD protocol,
/// "Block size constraints").
pub const MAX_REQUEST: u32 = 32 << 20;

/// The operations of a [`BlockDevice`](crate::BlockDevice).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// [`read`](crate::BlockDevice::read)
    Read,
    /// [`write`](crate::BlockDevice::write)
    Write,
    /// [`write_zeroes`](crate::BlockDevice::write_zeroes)
    WriteZeroes,
    /// [`discard`](crate::BlockDevice::discard)
    Discard,
    /// [`flush`](crate::BlockDevice::flush)
    Flush,
    /// [`extents`](crate::BlockDevice::extents)
    Extents,
    /// [`resize`](crate::BlockDevice::resize)
    Resize,
}

impl Operation {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 7] = [
        Self::Read,
        Self::Write,
        Self::WriteZeroes,
        Self::Discard,
        Self::Flush,
        Self::Extents,
        Self::Resize,
    ];

    /// Whether the operation changes the disk.
    #[must_use]
    pub fn modifies(self) -> bool {
        matches!(self, Self::Write | Self::WriteZeroes | Self::Discard | Self::Resize)
    }

    /// The operation in words, for messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::WriteZeroes => "write of zeroes",
            Self::Discard => "discard",
            Self::Flush => "flush",
            Self::Extents => "extents",
            Self::Resize => "resize",
        }
    }
}

/// What a device can do beyond reading, writing and flushing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Features {
    /// Discard frees space. Without it a discard succeeds and does nothing.
    pub discard: bool,
    /// Discarded ranges read as zeroes.
    pub discard_zeroes: bool,
    /// Zeroes are written faster than a buffer of zeroes: with
    /// [`fast_only`](crate::ZeroFlags::fast_only) they are refused at most where they must stay allocated.
    pub fast_zero: bool,
    /// Extents tell holes from data. Without it everything is data.
    pub extents: bool,
    /// The size can be changed.
    pub resize: bool,
    /// Completed writes may still be volatile: front ends must pass flushes on. Without it every completed write is
    /// durable and a flush has nothing to do.
    pub volatile_cache: bool,
}

/// What a device is, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Properties {
    /// Size in bytes, a multiple of the logical block size.
    pub size: u64,
    /// Unit of offsets and lengths, in bytes; [`LOGICAL_BLOCK_SIZE`].
    pub logical_block_size: u32,
    /// Smallest write that costs no read-modify-write further down, in bytes; a power of two, at least the logical
    /// block size.
    pub physical_block_size: u32,
    /// Request size the device works best with, in bytes; a power of two.
    pub preferred_request: u32,
    /// Granularity of discard, in bytes; a power of two. Smaller pieces may be kept.
    pub discard_granularity: u32,
    /// Every modifying operation fails with [`ReadOnly`](BlockError::ReadOnly).
    pub read_only: bool,
    /// What else it can do.
    pub features: Features,
}

impl Properties {
    /// A writable device of `size` bytes with 512-byte sectors and no special abilities.
    #[must_use]
    pub fn new(size: u64) -> Self {
        Self {
            size,
            logical_block_size: LOGICAL_BLOCK_SIZE,
            physical_block_size: LOGICAL_BLOCK_SIZE,
            preferred_request: 4096,
            discard_granularity: LOGICAL_BLOCK_SIZE,
            read_only: false,
            features: Features::default(),
        }
    }

    /// Whether `operation` on `length` bytes at `offset` may be tried at all.
    ///
    /// # Errors
    ///
    /// [`Misaligned`](BlockError::Misaligned), [`OutOfRange`](BlockError::OutOfRange) (also where `offset + length`
    /// overflows) and [`ReadOnly`](BlockError::ReadOnly). A read or write over [`MAX_REQUEST`] is
    /// [`OutOfRange`](BlockError::OutOfRange) too.
    pub fn check(&self, disk: &str, operation: Operation, offset: u64, length: u64) -> Result<()> {
        let block = u64::from(self.logical_block_size);
        if !offset.is_multiple_of(block) || !length.is_multiple_of(block) {
            return Err(BlockError::misaligned(disk, offset, length, self.logical_block_size));
        }
        let too_long = matches!(operation, Operation::Read | Operation::Write) && length > u64::from(MAX_REQUEST);
        match offset.checked_add(length) {
            Some(end) if end <= self.size && !too_long => {}
            _ => return Err(BlockError::out_of_range(disk, offset, length, self.size)),
        }
        if self.read_only && operation.modifies() {
            return Err(BlockError::read_only(disk));
        }
        Ok(())
    }
}

/// Whether an extent has content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExtentKind {
    /// May hold anything.
    Data,
    /// Reads as zeroes and takes no space.
    Hole,
    /// Reads as zeroes; space may be allocated for it.
    Zero,
}

impl ExtentKind {
    /// Whether the extent is known to read as zeroes.
    #[must_use]
    pub fn is_zero(self) -> bool {
        !matches!(self, Self::Data)
    }
}

/// A run of bytes of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Extent {
    /// First byte.
    pub offset: u64,
    /// Length in bytes, never zero.
    pub length: u64,
    /// What is in it.
    pub kind: ExtentKind,
}

impl Extent {
    /// The byte after the last.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset + self.length
    }
}
