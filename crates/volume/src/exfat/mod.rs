//! exFAT: laying out a new volume. Sections are those of Microsoft's "exFAT file system specification".

mod boot;
mod geometry;
mod upcase;

use crate::{
    FormatError, FormatOptions, Kind, SECTOR,
    canvas::Canvas,
    format::{Place, Volume},
    label,
};
use geometry::Geometry;

/// The largest disk that is made. exFAT could be larger; nothing here was tried beyond.
pub(crate) const LARGEST_DISK: u64 = 8 << 40;

/// End of a chain (4.1.3).
const END: u32 = 0xffff_ffff;

/// Puts a new file system on the canvas.
pub(crate) fn lay_out(
    place: Place,
    options: &FormatOptions,
    serial: u32,
    canvas: &mut Canvas,
) -> Result<Volume, FormatError> {
    let label = options.label.as_deref().map(label::exfat).transpose()?;
    let upcase = upcase::table();
    let geometry = Geometry::choose(place, upcase.len() as u64)?;

    canvas.put(geometry.volume_offset(), &boot::region(&geometry, serial));
    canvas.put(
        geometry.volume_offset() + boot::REGION,
        &boot::region(&geometry, serial),
    );
    canvas.put(geometry.fat_offset(), &table(&geometry));
    canvas.put(geometry.cluster_offset(geometry.bitmap()), &bitmap(&geometry));
    canvas.put(geometry.cluster_offset(geometry.upcase()), &upcase);
    let root = root(&geometry, label.as_deref(), &upcase);
    canvas.put(geometry.cluster_offset(geometry.root()), &root);

    Ok(Volume {
        kind: Kind::ExFat,
        sectors: u32::try_from(place.sectors).unwrap_or(u32::MAX),
        cluster_size: geometry.cluster_size as u32,
        clusters: geometry.clusters,
        label: options.label.clone(),
        metadata_end: geometry.cluster_offset(geometry.root() + 1),
    })
}

/// The start of the table (4.1): media, a reserved entry, and the chains of bitmap, up-case table and root directory.
fn table(geometry: &Geometry) -> Vec<u8> {
    let mut entries = vec![0xffff_fff8, END];
    for count in [geometry.bitmap_clusters, geometry.upcase_clusters, 1] {
        let first = entries.len() as u32;
        entries.extend(first + 1..first + count);
        entries.push(END);
    }
    entries.iter().flat_map(|entry: &u32| entry.to_le_bytes()).collect()
}

/// The start of the allocation bitmap (7.1.5): the clusters in use.
fn bitmap(geometry: &Geometry) -> Vec<u8> {
    let used = geometry.used() as usize;
    let mut bytes = vec![0xff; used / 8];
    if !used.is_multiple_of(8) {
        bytes.push((1 << (used % 8)) - 1);
    }
    bytes
}

/// The root directory: label (7.3), allocation bitmap (7.1), up-case table (7.2).
fn root(geometry: &Geometry, label: Option<&[u16]>, upcase: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 3 * 32];
    let (entries, _) = out.as_chunks_mut::<32>();
    // Without the highest bit the entry is not in use: room for a label to come.
    entries[0][0] = 0x03;
    if let Some(label) = label {
        entries[0][0] = 0x83;
        entries[0][1] = label.len() as u8;
        for (unit, at) in label.iter().zip(entries[0][2..24].chunks_exact_mut(2)) {
            at.copy_from_slice(&unit.to_le_bytes());
        }
    }
    entries[1][0] = 0x81;
    entries[1][20..24].copy_from_slice(&geometry.bitmap().to_le_bytes());
    entries[1][24..].copy_from_slice(&geometry.bitmap_bytes().to_le_bytes());
    entries[2][0] = 0x82;
    entries[2][4..8].copy_from_slice(&upcase::checksum(upcase).to_le_bytes());
    entries[2][20..24].copy_from_slice(&geometry.upcase().to_le_bytes());
    entries[2][24..].copy_from_slice(&(upcase.len() as u64).to_le_bytes());
    out
}

/// Sectors in so many bytes.
fn sectors(bytes: u64) -> u64 {
    bytes / SECTOR
}
