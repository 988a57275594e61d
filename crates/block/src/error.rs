//! The errors of block requests.

use std::{io, sync::Arc, time::Duration};

/// The result of a block request.
pub type Result<T, E = BlockError> = std::result::Result<T, E>;

/// Why a block request failed.
///
/// Each front end maps this in one function (errno, NBD error, SCSI sense), and its text is shown to people: it names
/// the disk, says what happened and, where there is one, the remedy. It never holds a secret. Cheap to clone, since a
/// failure may be told to many.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The request leaves the disk or is longer than a request may be.
    #[error(
        "{disk}: {length} bytes at {offset} are outside the disk of {size} bytes, or more than one request may have"
    )]
    OutOfRange {
        /// Name of the disk.
        disk: Arc<str>,
        /// First byte asked for.
        offset: u64,
        /// Bytes asked for.
        length: u64,
        /// Size of the disk in bytes.
        size: u64,
    },
    /// Offset or length is no multiple of the logical block size.
    #[error("{disk}: offset {offset} and length {length} must be multiples of {block_size} bytes")]
    Misaligned {
        /// Name of the disk.
        disk: Arc<str>,
        /// First byte asked for.
        offset: u64,
        /// Bytes asked for.
        length: u64,
        /// Logical block size in bytes.
        block_size: u32,
    },
    /// A write to something that cannot or must not be written.
    #[error("{disk} is read-only")]
    ReadOnly {
        /// Name of the disk.
        disk: Arc<str>,
    },
    /// The store has no room left.
    #[error("{disk}: no space left: {detail}")]
    NoSpace {
        /// Name of the disk.
        disk: Arc<str>,
        /// What is full, and what to do.
        detail: Arc<str>,
    },
    /// The store knows us and says no: wrong key, missing right, expired token.
    #[error("{disk}: access denied: {detail}")]
    Denied {
        /// Name of the disk.
        disk: Arc<str>,
        /// What is missing, and what to do.
        detail: Arc<str>,
    },
    /// The store did not answer in time. The same request may succeed later.
    #[error("{disk}: store unreachable: {detail}")]
    Unreachable {
        /// Name of the disk.
        disk: Arc<str>,
        /// What the last attempt met.
        detail: Arc<str>,
        /// When the store asked to be tried again.
        retry_after: Option<Duration>,
    },
    /// Somebody else owns the disk now; this owner will never write again.
    #[error("{disk}: another owner has taken over: {detail}")]
    Fenced {
        /// Name of the disk.
        disk: Arc<str>,
        /// What was learned of the new owner, and what to do.
        detail: Arc<str>,
    },
    /// Data did not match their checksum and were not delivered.
    #[error("{disk}: corrupt data: {detail}")]
    Corrupt {
        /// Name of the disk.
        disk: Arc<str>,
        /// Where, and which checksum.
        detail: Arc<str>,
    },
    /// The device cannot do this.
    #[error("{disk}: {operation} is not supported")]
    Unsupported {
        /// Name of the disk.
        disk: Arc<str>,
        /// The operation in words.
        operation: Arc<str>,
    },
    /// Anything else, with the system's own code where there is one.
    #[error("{disk}: {detail}")]
    Io {
        /// Name of the disk.
        disk: Arc<str>,
        /// What happened.
        detail: Arc<str>,
        /// The `errno` of the system call that failed.
        errno: Option<i32>,
    },
}

impl BlockError {
    /// An [`OutOfRange`](Self::OutOfRange).
    #[must_use]
    pub fn out_of_range(disk: &str, offset: u64, length: u64, size: u64) -> Self {
        Self::OutOfRange {
            disk: disk.into(),
            offset,
            length,
            size,
        }
    }

    /// A [`Misaligned`](Self::Misaligned).
    #[must_use]
    pub fn misaligned(disk: &str, offset: u64, length: u64, block_size: u32) -> Self {
        Self::Misaligned {
            disk: disk.into(),
            offset,
            length,
            block_size,
        }
    }

    /// A [`ReadOnly`](Self::ReadOnly).
    #[must_use]
    pub fn read_only(disk: &str) -> Self {
        Self::ReadOnly { disk: disk.into() }
    }

    /// A [`NoSpace`](Self::NoSpace).
    #[must_use]
    pub fn no_space(disk: &str, detail: impl Into<Arc<str>>) -> Self {
        Self::NoSpace {
            disk: disk.into(),
            detail: detail.into(),
        }
    }

    /// A [`Denied`](Self::Denied).
    #[must_use]
    pub fn denied(disk: &str, detail: impl Into<Arc<str>>) -> Self {
        Self::Denied {
            disk: disk.into(),
            detail: detail.into(),
        }
    }

    /// An [`Unreachable`](Self::Unreachable) without a time to try again.
    #[must_use]
    pub fn unreachable(disk: &str, detail: impl Into<Arc<str>>) -> Self {
        Self::Unreachable {
            disk: disk.into(),
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// A [`Fenced`](Self::Fenced).
    #[must_use]
    pub fn fenced(disk: &str, detail: impl Into<Arc<str>>) -> Self {
        Self::Fenced {
            disk: disk.into(),
            detail: detail.into(),
        }
    }

    /// A [`Corrupt`](Self::Corrupt).
    #[must_use]
    pub fn corrupt(disk: &str, detail: impl Into<Arc<str>>) -> Self {
        Self::Corrupt {
            disk: disk.into(),
            detail: detail.into(),
        }
    }

    /// An [`Unsupported`](Self::Unsupported); `operation` in words.
    #[must_use]
    pub fn unsupported(disk: &str, operation: impl Into<Arc<str>>) -> Self {
        Self::Unsupported {
            disk: disk.into(),
            operation: operation.into(),
        }
    }

    /// An [`Io`](Self::Io) without a code of the system.
    #[must_use]
    pub fn io(disk: &str, detail: impl Into<Arc<str>>) -> Self {
        Self::Io {
            disk: disk.into(),
            detail: detail.into(),
            errno: None,
        }
    }

    /// What every request of a closed device gets.
    #[must_use]
    pub fn closed(disk: &str) -> Self {
        Self::io(disk, "the disk is closed")
    }

    /// The error for a failed system call of the local system on behalf of `disk`.
    ///
    /// `what` says what was tried ("cannot punch a hole").
    #[must_use]
    pub fn from_io(disk: &str, what: &str, error: &io::Error) -> Self {
        let detail: Arc<str> = format!("{what}: {error}").into();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace {
                disk: disk.into(),
                detail,
            },
            io::ErrorKind::PermissionDenied => Self::Denied {
                disk: disk.into(),
                detail,
            },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { disk: disk.into() },
            _ => Self::Io {
                disk: disk.into(),
                detail,
                errno: error.raw_os_error(),
            },
        }
    }

    /// Whether the same request may succeed later without anybody doing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// The disk it happened to.
    #[must_use]
    pub fn disk(&self) -> &str {
        match self {
            Self::OutOfRange { disk, .. }
            | Self::Misaligned { disk, .. }
            | Self::ReadOnly { disk }
            | Self::NoSpace { disk, .. }
            | Self::Denied { disk, .. }
            | Self::Unreachable { disk, .. }
            | Self::Fenced { disk, .. }
            | Self::Corrupt { disk, .. }
            | Self::Unsupported { disk, .. }
            | Self::Io { disk, .. } => disk,
        }
    }
}
