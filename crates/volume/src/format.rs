//! Formatting: from options to requests.

use std::ops::Range;

use block::{BlockDevice, BlockError, Properties, WriteFlags, ZeroFlags, store::Progress};
use bytes::Bytes;
use serde::Serialize;

use crate::{
    FileSystem, FormatError, FormatOptions, GIB, Kind, MIB, NewFile, SECTOR, Table, canvas::Canvas, exfat, fat, mbr,
};

/// Bytes zeroed with one request: short enough for the deadline of any stack, and for a progress that moves.
const ZERO_STEP: u64 = 256 * MIB;

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Formatted {
    /// The file system.
    pub kind: Kind,
    /// What is around it.
    pub table: Table,
    /// First byte of the file system on the disk.
    pub start: u64,
    /// Bytes of a cluster, the unit in which files take space.
    pub cluster_size: u32,
    /// How many clusters there are.
    pub clusters: u32,
    /// Serial number of the volume.
    pub serial: u32,
    /// The label as it was written.
    pub label: Option<String>,
}

/// What has to be done to a disk.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) formatted: Formatted,
    /// What must read as zeroes but for the writes, ascending, not overlapping.
    zero: Vec<Range<u64>>,
    /// What is not zero, ascending.
    writes: Vec<(u64, Bytes)>,
}

/// Where a file system lies on its disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// First sector.
    pub(crate) start: u64,
    /// Sectors from there to the end of the disk.
    pub(crate) sectors: u64,
}

/// Says what [`format()`] would make of a disk of `size` bytes, touching nothing.
///
/// # Errors
///
/// Those of [`format()`] that depend on size and options only.
pub fn check(size: u64, options: &FormatOptions) -> Result<Formatted, FormatError> {
    Ok(plan(size, options, &[])?.formatted)
}

/// Formats `disk`: all that it holds is lost.
///
/// Works on a disk with old content too; space that holds nothing but old files is left as it is. `progress` is told
/// bytes. When this fails or is dropped in the middle, the disk has no usable file system, and formatting may be tried
/// again.
///
/// # Errors
///
/// [`FormatError::TooSmall`], [`FormatError::TooLarge`] and [`FormatError::Label`] before anything is changed, and
/// [`FormatError::Block`].
pub async fn format(
    disk: &dyn BlockDevice,
    options: &FormatOptions,
    progress: Progress<'_>,
) -> Result<Formatted, FormatError> {
    let properties = disk.properties();
    check_device(disk.name(), &properties)?;
    let plan = plan(properties.size, options, &[])?;
    plan.apply(disk, progress).await?;
    Ok(plan.formatted)
}

fn check_device(name: &str, properties: &Properties) -> Result<(), BlockError> {
    if properties.read_only {
        return Err(BlockError::read_only(name));
    }
    if u64::from(properties.logical_block_size) != SECTOR {
        return Err(BlockError::unsupported(
            name,
            "formatting sectors of another size than 512 bytes",
        ));
    }
    Ok(())
}

/// Computes a disk with `files` in its root directory (FAT only).
pub(crate) fn plan(size: u64, options: &FormatOptions, files: &[NewFile]) -> Result<Plan, FormatError> {
    let start = match options.table {
        Table::Mbr => mbr::START,
        Table::None => 0,
    };
    check_size(size, start, options)?;
    let place = Place {
        start: start / SECTOR,
        sectors: (size - start) / SECTOR,
    };
    let serial = options.serial();
    let mut canvas = Canvas::default();
    let volume = match options.file_system {
        FileSystem::Fat => fat::lay_out(place, options, serial, files, &mut canvas)?,
        FileSystem::ExFat => exfat::lay_out(place, options, serial, &mut canvas)?,
    };
    if options.table == Table::Mbr {
        canvas.put(0, &mbr::sector(volume.kind, volume.sectors, serial));
    }
    Ok(Plan {
        zero: zeroes(size, volume.metadata_end),
        writes: canvas.into_writes(size),
        formatted: Formatted {
            kind: volume.kind,
            table: options.table,
            start,
            cluster_size: volume.cluster_size,
            clusters: volume.clusters,
            serial,
            label: volume.label,
        },
    })
}

/// What laying out a file system says of it.
#[derive(Debug)]
pub(crate) struct Volume {
    pub(crate) kind: Kind,
    /// Sectors of the partition around it; the largest number where there is none and they are more.
    pub(crate) sectors: u32,
    pub(crate) cluster_size: u32,
    pub(crate) clusters: u32,
    pub(crate) label: Option<String>,
    /// The byte after the last of its tables and directories, from the start of the disk.
    pub(crate) metadata_end: u64,
}

fn check_size(size: u64, start: u64, options: &FormatOptions) -> Result<(), FormatError> {
    let least = MIB + start;
    if !size.is_multiple_of(SECTOR) {
        return Err(BlockError::misaligned("new disk", 0, size, SECTOR as u32).into());
    }
    if size < least {
        let what = match options.table {
            Table::Mbr => "a file system in a partition",
            Table::None => "a file system",
        };
        return Err(FormatError::TooSmall { what, size, least });
    }
    let too_large = |what, most, remedy| FormatError::TooLarge {
        what,
        size,
        most,
        remedy,
    };
    if options.table == Table::Mbr && size > mbr::LARGEST_DISK {
        let remedy = "take exFAT without a partition table";
        return Err(too_large("a partition table (MBR)", mbr::LARGEST_DISK, remedy));
    }
    if options.file_system == FileSystem::Fat && size > fat::LARGEST_DISK {
        return Err(too_large("FAT32", fat::LARGEST_DISK, "take exFAT"));
    }
    if size > exfat::LARGEST_DISK {
        return Err(too_large("exFAT as made here", exfat::LARGEST_DISK, "make it smaller"));
    }
    Ok(())
}

/// What is cleared on a disk with old content: all that is before the first file; at least 1 MiB after the start of the
/// partition, where superblocks of other file systems are (ISO 9660 at 32 KiB, Btrfs at 64 KiB, UDF at 512 KiB); and the
/// last MiB with the second GPT, the boot sector's copy of NTFS, and the marks of RAID and ZFS.
fn zeroes(size: u64, metadata_end: u64) -> Vec<Range<u64>> {
    let head = metadata_end.max(2 * MIB).min(size);
    let tail = size.saturating_sub(MIB).max(head);
    [0..head, tail..size]
        .into_iter()
        .filter(|range| !range.is_empty())
        .collect()
}

impl Plan {
    /// Carries it out; durable when it returns.
    pub(crate) async fn apply(&self, disk: &dyn BlockDevice, progress: Progress<'_>) -> Result<(), BlockError> {
        let to_zero: u64 = self.zero.iter().map(|range| range.end - range.start).sum();
        let to_write: u64 = self.writes.iter().map(|(_, data)| data.len() as u64).sum();
        let all = to_zero + to_write;
        let mut done = 0;
        progress(done, all);
        for range in &self.zero {
            let mut at = range.start;
            while at < range.end {
                let end = range.end.min(at + ZERO_STEP);
                clear(disk, at, end).await?;
                done += end - at;
                at = end;
                progress(done, all);
            }
        }
        // Backwards: until the very last write there is no table or boot sector that leads to half a file system.
        for (index, (offset, data)) in self.writes.iter().enumerate().rev() {
            if index == 0 {
                // A disk may reorder what is not flushed.
                disk.flush().await?;
            }
            disk.write(*offset, data.clone().into(), WriteFlags::default()).await?;
            done += data.len() as u64;
            progress(done, all);
        }
        disk.flush().await
    }
}

/// Makes a range read as zeroes without touching what already does.
async fn clear(disk: &dyn BlockDevice, start: u64, end: u64) -> Result<(), BlockError> {
    if !disk.properties().features.extents {
        return disk.write_zeroes(start, end - start, ZeroFlags::default()).await;
    }
    let mut at = start;
    while at < end {
        let extents = disk.extents(at, end - at).await?;
        for extent in &extents {
            if !extent.kind.is_zero() {
                disk.write_zeroes(extent.offset, extent.length, ZeroFlags::default())
                    .await?;
            }
        }
        match extents.last() {
            Some(last) if last.end() > at => at = last.end(),
            _ => return Err(BlockError::io(disk.name(), "the device answered no extents")),
        }
    }
    Ok(())
}

/// Where the files of a volume of so many bytes start to be aligned: to the objects of 4 MiB in which stores keep large
/// disks, where that costs next to nothing.
pub(crate) fn alignment(bytes: u64, cluster_size: u64) -> u64 {
    match bytes {
        GIB.. => 4 * MIB,
        67_108_864.. => MIB,
        _ => cluster_size.max(4096),
    }
}
