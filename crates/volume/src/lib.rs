//! FAT and exFAT volumes on block devices.
//!
//! Three things, none of which knows a store, a front end or the configuration:
//!
//! - [`format()`] makes a new disk a stick: partition table, file system, label. [`check`] says beforehand whether it can.
//! - [`MemoryVolume`] is a small stick in memory that is made from files, and from which the files that its host dropped
//!   are read back by [`FatVolume`], which trusts no byte of it.
//! - [`setup`] makes the pages of the stick that an unclaimed device shows.
//!
//! ```
//! use block::{BlockDevice, MemoryDevice};
//! use volume::{FileSystem, FormatOptions, Kind, Table};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let disk = MemoryDevice::new(64 << 30)?;
//! let options = FormatOptions {
//!     table: Table::Mbr,
//!     label: Some("Films".to_owned()),
//!     ..FormatOptions::new(FileSystem::Fat)
//! };
//! let made = volume::format(&disk, &options, &|done, all| println!("{done} of {all} bytes")).await?;
//! assert_eq!((made.kind, made.label.as_deref()), (Kind::Fat32, Some("FILMS")));
//! # Ok(()) }
//! ```
//!
//! # What is written
//!
//! A fresh image reads as zeroes and most of an empty file system is zeroes. So the content of all sectors that are not
//! zero is computed first ([`check`] does only that) and written in a handful of requests of whole 4 KiB blocks;
//! before, what old content there is under the new metadata, and where other tools would find older file systems, is
//! zeroed. Sectors with the table and the boot sector come last.
//!
//! Where the layouts come from: Microsoft, "FAT: General Overview of On-Disk Format" 1.03 (called *fatgen* here) and
//! "exFAT file system specification" (*exFAT*, by section); for partition types the SD Association's "File System
//! Specification" (*SD*). Why this is not a crate from elsewhere: `docs/decisions/0010-volumes.md`.

mod canvas;
mod error;
mod exfat;
mod fat;
mod format;
mod label;
mod mbr;
mod memory;
mod options;
pub mod setup;

pub use error::{FormatError, ReadError};
pub use fat::{FatVolume, FileEntry, NewFile};
pub use format::{Formatted, check, format};
pub use memory::{FoundFile, Limits, MemoryVolume};
pub use options::{FileSystem, FormatOptions, Kind, Table};

/// Bytes of a sector: the logical block size of every device of this project.
const SECTOR: u64 = block::LOGICAL_BLOCK_SIZE as u64;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
