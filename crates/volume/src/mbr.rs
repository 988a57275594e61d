//! The master boot record with one partition.

use crate::{GIB, Kind, MIB, SECTOR};

/// Where the partition starts, in bytes: a multiple of every block and object size below.
pub(crate) const START: u64 = MIB;

/// The most that the table can describe from [`START`] on with the whole disk inside 2^32 sectors.
pub(crate) const LARGEST_DISK: u64 = 2048 * GIB;

/// Geometry that every host assumes for disks of any size.
pub(crate) const HEADS: u16 = 255;
/// Sectors of a track; counted from 1.
pub(crate) const SECTORS_PER_TRACK: u16 = 63;

/// Makes the sector for a partition from [`START`] on of `sectors` sectors.
pub(crate) fn sector(kind: Kind, sectors: u32, signature: u32) -> [u8; SECTOR as usize] {
    let start = (START / SECTOR) as u32;
    let mut out = [0; SECTOR as usize];
    // INT 18h hands a PC that tries to boot from here back to its BIOS; then halt.
    out[..5].copy_from_slice(&[0xcd, 0x18, 0xf4, 0xeb, 0xfd]);
    out[440..444].copy_from_slice(&signature.to_le_bytes());
    let last = u64::from(start) + u64::from(sectors) - 1;
    let entry = &mut out[446..462];
    entry[1..4].copy_from_slice(&chs(u64::from(start)));
    entry[4] = partition_type(kind, sectors, last);
    entry[5..8].copy_from_slice(&chs(last));
    entry[8..12].copy_from_slice(&start.to_le_bytes());
    entry[12..16].copy_from_slice(&sectors.to_le_bytes());
    out[510..].copy_from_slice(&[0x55, 0xaa]);
    out
}

/// The type byte (SD 2.1.3 "System ID"): which of the FAT types depends on whether the old addresses reach its end.
fn partition_type(kind: Kind, sectors: u32, last: u64) -> u8 {
    let within_chs = last < cylinders_end();
    match kind {
        Kind::Fat12 => 0x01,
        Kind::Fat16 if sectors < 65536 => 0x04,
        Kind::Fat16 if within_chs => 0x06,
        Kind::Fat16 => 0x0e,
        Kind::Fat32 if within_chs => 0x0b,
        Kind::Fat32 => 0x0c,
        Kind::ExFat => 0x07,
    }
}

/// The first sector that cylinder, head and sector cannot reach (about 8.4 GB).
const fn cylinders_end() -> u64 {
    1024 * HEADS as u64 * SECTORS_PER_TRACK as u64
}

/// Head, sector with the high bits of the cylinder, cylinder; the largest address for what is out of reach.
fn chs(lba: u64) -> [u8; 3] {
    if lba >= cylinders_end() {
        return [254, 0xff, 0xff];
    }
    let (heads, track) = (u64::from(HEADS), u64::from(SECTORS_PER_TRACK));
    let (cylinder, head, sector) = (lba / (heads * track), lba / track % heads, lba % track + 1);
    [head as u8, (sector | (cylinder >> 2) & 0xc0) as u8, cylinder as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_the_common_geometry() {
        // The first two are known from every partitioned stick.
        assert_eq!(chs(2048), [32, 33, 0]);
        assert_eq!(chs(63), [1, 1, 0]);
        assert_eq!(chs(1023 * 255 * 63), [0, 0xc1, 0xff]);
        assert_eq!(chs(cylinders_end() - 1), [254, 0xff, 0xff]);
        assert_eq!(chs(cylinders_end()), [254, 0xff, 0xff]);
    }

    #[test]
    fn types_follow_the_size() {
        let of = |kind, sectors| sector(kind, sectors, 0)[450];
        assert_eq!(of(Kind::Fat12, 4096), 0x01);
        assert_eq!(of(Kind::Fat16, 65535), 0x04);
        assert_eq!(of(Kind::Fat16, 65536), 0x06);
        assert_eq!(of(Kind::Fat32, 1 << 20), 0x0b);
        assert_eq!(of(Kind::Fat32, 1 << 26), 0x0c);
        assert_eq!(of(Kind::ExFat, 1 << 26), 0x07);
    }
}
