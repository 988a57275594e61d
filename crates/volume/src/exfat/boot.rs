//! The boot region: twelve sectors with a checksum, and a copy of them (3).

use super::{geometry::Geometry, sectors};
use crate::SECTOR;

/// Bytes of one region.
pub(super) const REGION: u64 = 12 * SECTOR;

/// Bytes that change while the volume is in use (`VolumeFlags`, `PercentInUse`) and are not in the checksum (3.4).
const NOT_IN_CHECKSUM: [usize; 3] = [106, 107, 112];

/// Makes one region: boot sector (3.1), eight extended boot sectors (3.2), OEM parameters without any (3.3), a reserved
/// sector, checksum (3.4).
pub(super) fn region(geometry: &Geometry, serial: u32) -> Vec<u8> {
    let mut out = vec![0; REGION as usize];
    let (sectors, _) = out.as_chunks_mut::<{ SECTOR as usize }>();
    sectors[0] = boot_sector(geometry, serial);
    for extended in &mut sectors[1..9] {
        extended[508..].copy_from_slice(&0xaa55_0000_u32.to_le_bytes());
    }
    let sum = checksum(sectors[..11].as_flattened());
    for repeated in sectors[11].as_chunks_mut::<4>().0 {
        *repeated = sum.to_le_bytes();
    }
    out
}

fn boot_sector(geometry: &Geometry, serial: u32) -> [u8; SECTOR as usize] {
    let mut out = [0; SECTOR as usize];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &[0xeb, 0x76, 0x90]);
    put(3, b"EXFAT   ");
    put(64, &sectors(geometry.start).to_le_bytes());
    put(72, &sectors(geometry.size).to_le_bytes());
    put(80, &(sectors(geometry.fat) as u32).to_le_bytes());
    put(84, &(sectors(geometry.fat_length) as u32).to_le_bytes());
    put(88, &(sectors(geometry.heap) as u32).to_le_bytes());
    put(92, &geometry.clusters.to_le_bytes());
    put(96, &geometry.root().to_le_bytes());
    put(100, &serial.to_le_bytes());
    // Revision 1.00.
    put(104, &[0, 1]);
    put(108, &[SECTOR.trailing_zeros() as u8, geometry.cluster_shift()]);
    // One table; the drive number of the BIOS.
    put(110, &[1, 0x80]);
    let percent = u64::from(geometry.used()) * 100 / u64::from(geometry.clusters);
    put(112, &[percent as u8]);
    // Without boot code: halts (3.1.20).
    put(120, &[0xf4; 390]);
    put(510, &[0x55, 0xaa]);
    out
}

/// The checksum of the first eleven sectors (3.4, figure 1).
fn checksum(bytes: &[u8]) -> u32 {
    let counted = bytes.iter().enumerate().filter(|(at, _)| !NOT_IN_CHECKSUM.contains(at));
    counted.fold(0u32, |sum, (_, &byte)| {
        sum.rotate_right(1).wrapping_add(u32::from(byte))
    })
}
