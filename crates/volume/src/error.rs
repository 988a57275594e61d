//! Why a volume could not be made or read.

use block::BlockError;

/// Why a disk cannot be formatted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The file system needs more room.
    #[error("{size} bytes are too few for {what}: at least {least} are needed")]
    TooSmall {
        /// File system and table.
        what: &'static str,
        /// The disk's size in bytes.
        size: u64,
        /// The smallest size in bytes.
        least: u64,
    },
    /// The file system or the partition table cannot describe so large a disk.
    #[error("{size} bytes are too many for {what}, which ends at {most}: {remedy}")]
    TooLarge {
        /// File system or table.
        what: &'static str,
        /// The disk's size in bytes.
        size: u64,
        /// The largest size in bytes.
        most: u64,
        /// What would do.
        remedy: &'static str,
    },
    /// The label cannot be written on such a file system.
    #[error("the label \"{label}\" {problem}")]
    Label {
        /// The label, made printable.
        label: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file cannot be put on the volume.
    #[error("the file \"{name}\" {problem}")]
    File {
        /// Its name, made printable.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A request failed. The disk holds no usable file system now.
    #[error(transparent)]
    Block(#[from] BlockError),
}

impl FormatError {
    pub(crate) fn label(label: &str, problem: impl Into<String>) -> Self {
        Self::Label {
            label: label.escape_debug().to_string(),
            problem: problem.into(),
        }
    }

    pub(crate) fn file(name: &str, problem: &'static str) -> Self {
        Self::File {
            name: name.escape_debug().to_string(),
            problem,
        }
    }
}

/// Why a volume, or a file on it, cannot be read. The bytes are a stranger's: each of these is an expected answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No FAT file system is found.
    #[error("there is no FAT file system: {0}")]
    NotFat(&'static str),
    /// The file system contradicts itself.
    #[error("the file system is damaged: {0}")]
    Damaged(&'static str),
    /// More than was asked for.
    #[error("{what} is larger than the {limit} that are allowed")]
    TooLarge {
        /// A file, or all of them.
        what: &'static str,
        /// The limit, in bytes or files.
        limit: u64,
    },
    /// The device failed.
    #[error(transparent)]
    Block(#[from] BlockError),
}
