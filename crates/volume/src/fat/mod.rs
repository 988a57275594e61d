//! FAT12, FAT16 and FAT32: laying out a new one, reading a foreign one.

mod boot;
mod directory;
mod geometry;
mod names;
mod reader;
mod table;

pub use directory::NewFile;
pub use reader::{FatVolume, FileEntry};

use crate::{
    FormatError, FormatOptions, GIB, Kind,
    canvas::Canvas,
    format::{Place, Volume},
    label,
};
use boot::Boot;
use directory::Timestamp;
use geometry::Geometry;
use table::Entries;

/// FAT32 counts sectors with 32 bits.
pub(crate) const LARGEST_DISK: u64 = 2048 * GIB;

/// Entries of the root directory of FAT12 and FAT16 (fatgen, `BPB_RootEntCnt`).
const ROOT_ENTRIES: u32 = 512;
/// Bytes of a directory entry.
const ENTRY: usize = 32;

/// Puts a new file system on the canvas, with `files` in its root directory.
pub(crate) fn lay_out(
    place: Place,
    options: &FormatOptions,
    serial: u32,
    files: &[NewFile],
    canvas: &mut Canvas,
) -> Result<Volume, FormatError> {
    let geometry = Geometry::choose(place)?;
    let label = options.label.as_deref().map(label::fat).transpose()?;
    let time = Timestamp::from(options.created());

    let mut entries = Entries::new(geometry.kind);
    let mut root = Vec::new();
    if let Some(label) = &label {
        directory::push_label(&mut root, label, time);
    }
    let mut taken = Vec::new();
    for file in files {
        let count = file.content.len().div_ceil(geometry.cluster_size() as usize) as u32;
        let first = entries
            .allocate(count, geometry.clusters)
            .ok_or_else(|| FormatError::file(&file.name, "does not fit on the volume"))?;
        directory::push_file(&mut root, file, first, time, &mut taken)?;
        canvas.put(geometry.cluster_offset(first.max(2)), &file.content);
    }
    if root.len() > geometry.root_bytes() {
        return Err(FormatError::file("", "is one too many for the root directory"));
    }
    canvas.put(geometry.root_offset(), &root);

    let table = entries.encode();
    for index in 0..geometry::FATS {
        canvas.put(geometry.fat_offset(index), &table);
    }
    let boot = Boot {
        geometry: &geometry,
        serial,
        label: label.as_ref(),
    };
    boot.put(entries.used(), canvas);
    Ok(Volume {
        kind: geometry.kind,
        sectors: geometry.sectors,
        cluster_size: geometry.cluster_size(),
        clusters: geometry.clusters,
        label: label.map(|label| String::from_utf8_lossy(&label).trim_end().to_owned()),
        metadata_end: geometry.metadata_end(),
    })
}

/// Bits of an entry of the table.
fn entry_bits(kind: Kind) -> u64 {
    match kind {
        Kind::Fat12 => 12,
        Kind::Fat16 => 16,
        Kind::Fat32 | Kind::ExFat => 32,
    }
}
