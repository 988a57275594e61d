//! Boot sector with the BIOS parameter block, and FSInfo.

use super::geometry::{FATS, Geometry};
use crate::{Kind, SECTOR, canvas::Canvas, mbr};

/// Sector of FSInfo (fatgen, `BPB_FSInfo`).
const FS_INFO: u64 = 1;
/// First sector of the copies (fatgen, `BPB_BkBootSec`: no other number than 6 is recommended).
const BACKUP: u64 = 6;

type Sector = [u8; SECTOR as usize];

/// What the sectors at the start of a volume say.
pub(super) struct Boot<'a> {
    pub(super) geometry: &'a Geometry,
    pub(super) serial: u32,
    pub(super) label: Option<&'a [u8; 11]>,
}

impl Boot<'_> {
    /// Puts them on the canvas; `used` clusters are taken.
    pub(super) fn put(&self, used: u32, canvas: &mut Canvas) {
        let start = self.geometry.volume_offset();
        let sector = self.sector();
        canvas.put(start, &sector);
        if self.geometry.kind == Kind::Fat32 {
            // Windows has boot code in three sectors, and each carries the mark.
            let mut third = [0; SECTOR as usize];
            mark(&mut third);
            for first in [0, BACKUP] {
                let offset = start + first * SECTOR;
                canvas.put(offset, &sector);
                canvas.put(offset + FS_INFO * SECTOR, &self.fs_info(used));
                canvas.put(offset + 2 * SECTOR, &third);
            }
        }
    }

    /// The boot sector (fatgen, "Boot sector and BPB"; offsets are those of its tables).
    fn sector(&self) -> Sector {
        let geometry = self.geometry;
        let fat32 = geometry.kind == Kind::Fat32;
        let mut out = [0; SECTOR as usize];
        let (extended, code) = if fat32 { (64, 90) } else { (36, 62) };
        out[..3].copy_from_slice(&[0xeb, code as u8 - 2, 0x90]);
        // "the recommended setting": some hosts refuse names they do not know.
        out[3..11].copy_from_slice(b"MSWIN4.1");
        put_u16(&mut out, 11, SECTOR as u16);
        out[13] = geometry.sectors_per_cluster as u8;
        put_u16(&mut out, 14, geometry.reserved as u16);
        out[16] = FATS as u8;
        put_u16(&mut out, 17, geometry.root_entries as u16);
        match u16::try_from(geometry.sectors) {
            Ok(sectors) if !fat32 => put_u16(&mut out, 19, sectors),
            _ => put_u32(&mut out, 32, geometry.sectors),
        }
        out[21] = 0xf8;
        put_u16(&mut out, 24, mbr::SECTORS_PER_TRACK);
        put_u16(&mut out, 26, mbr::HEADS);
        put_u32(&mut out, 28, geometry.start);
        if fat32 {
            put_u32(&mut out, 36, geometry.fat_sectors);
            put_u32(&mut out, 44, 2);
            put_u16(&mut out, 48, FS_INFO as u16);
            put_u16(&mut out, 50, BACKUP as u16);
        } else {
            put_u16(&mut out, 22, geometry.fat_sectors as u16);
        }
        out[extended] = 0x80;
        out[extended + 2] = 0x29;
        put_u32(&mut out, extended + 3, self.serial);
        out[extended + 7..extended + 18].copy_from_slice(self.label.unwrap_or(b"NO NAME    "));
        let name = match geometry.kind {
            Kind::Fat12 => b"FAT12   ",
            Kind::Fat16 => b"FAT16   ",
            _ => b"FAT32   ",
        };
        out[extended + 18..extended + 26].copy_from_slice(name);
        // As in the partition table: back to the BIOS.
        out[code..code + 5].copy_from_slice(&[0xcd, 0x18, 0xf4, 0xeb, 0xfd]);
        mark(&mut out);
        out
    }

    /// FSInfo (fatgen, "FAT32 FSInfo sector"): hosts need not count the free clusters.
    fn fs_info(&self, used: u32) -> Sector {
        let mut out = [0; SECTOR as usize];
        put_u32(&mut out, 0, 0x4161_5252);
        put_u32(&mut out, 484, 0x6141_7272);
        put_u32(&mut out, 488, self.geometry.clusters - used);
        put_u32(&mut out, 492, 2 + used);
        mark(&mut out);
        out
    }
}

fn mark(sector: &mut Sector) {
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
}

fn put_u16(sector: &mut Sector, at: usize, value: u16) {
    sector[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

fn put_u32(sector: &mut Sector, at: usize, value: u32) {
    sector[at..at + 4].copy_from_slice(&value.to_le_bytes());
}
