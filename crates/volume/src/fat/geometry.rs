//! Which FAT, how large its clusters are, and where its parts lie.

use super::{ENTRY, ROOT_ENTRIES, entry_bits};
use crate::{FormatError, Kind, MIB, SECTOR, format::Place};

/// Copies of the table (fatgen, `BPB_NumFATs`: other numbers are not read everywhere).
pub(super) const FATS: u32 = 2;

/// Reserved sectors of FAT32: boot sector, FSInfo, their copies at 6, and room.
const RESERVED_FAT32: u32 = 32;

/// Distance kept from the numbers of clusters at which the kind changes, since some hosts are off by a few there
/// (fatgen, "FAT type determination").
const MARGIN: u32 = 16;

/// The parts of a FAT volume; all numbers in sectors unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) kind: Kind,
    /// First sector of the volume on its disk ("hidden sectors").
    pub(super) start: u32,
    /// Sectors of the volume.
    pub(super) sectors: u32,
    pub(super) sectors_per_cluster: u32,
    pub(super) reserved: u32,
    /// Sectors of one copy of the table.
    pub(super) fat_sectors: u32,
    /// Entries of the root directory of FAT12 and FAT16; 0 for FAT32.
    pub(super) root_entries: u32,
    pub(super) clusters: u32,
}

impl Geometry {
    /// The widest FAT that the size allows: FAT32 wherever it is legal, as that is what hosts expect of a stick.
    pub(super) fn choose(place: Place) -> Result<Self, FormatError> {
        // The last sector of a disk of exactly 2 TiB cannot be counted.
        let sectors = u32::try_from(place.sectors).unwrap_or(u32::MAX);
        let start = place.start as u32;
        candidates(sectors)
            .filter_map(|(kind, size)| Self::compute(kind, size, start, sectors))
            .find(|found| found.is_legal())
            .ok_or(FormatError::TooSmall {
                what: "a FAT file system",
                size: place.sectors * SECTOR,
                least: MIB,
            })
    }

    fn compute(kind: Kind, sectors_per_cluster: u32, start: u32, sectors: u32) -> Option<Self> {
        let (reserved, root_entries) = match kind {
            Kind::Fat32 => (RESERVED_FAT32, 0),
            // "should never be anything other than 1" there (fatgen, `BPB_RsvdSecCnt`).
            _ => (1, ROOT_ENTRIES),
        };
        let mut geometry = Self {
            kind,
            start,
            sectors,
            sectors_per_cluster,
            reserved,
            fat_sectors: 1,
            root_entries,
            clusters: 0,
        };
        // The table's size depends on the number of clusters, which depends on the table's size. It only grows.
        loop {
            geometry.clusters = geometry.clusters_that_fit()?;
            let bits = (u64::from(geometry.clusters) + 2) * entry_bits(kind);
            let need = bits.div_ceil(8 * SECTOR) as u32;
            if need <= geometry.fat_sectors {
                break;
            }
            geometry.fat_sectors = need;
        }
        if kind == Kind::Fat32 {
            // The SD Association's way to align the files: more reserved sectors (SD 3.3).
            let bytes = u64::from(sectors) * SECTOR;
            let unit = crate::format::alignment(bytes, u64::from(geometry.cluster_size())) / SECTOR;
            let heap = u64::from(start) + u64::from(geometry.heap());
            geometry.reserved += (heap.next_multiple_of(unit) - heap) as u32;
            geometry.clusters = geometry.clusters_that_fit()?;
        }
        Some(geometry)
    }

    fn clusters_that_fit(&self) -> Option<u32> {
        Some(self.sectors.checked_sub(self.heap())? / self.sectors_per_cluster)
    }

    /// The kind is not written anywhere: hosts count the clusters (fatgen, "FAT type determination").
    fn is_legal(&self) -> bool {
        match self.kind {
            Kind::Fat12 => (MARGIN..4085 - MARGIN).contains(&self.clusters),
            Kind::Fat16 => (4085 + MARGIN..65525 - MARGIN).contains(&self.clusters),
            _ => (65525 + MARGIN..0x0fff_fff5).contains(&self.clusters),
        }
    }

    fn root_sectors(&self) -> u32 {
        self.root_entries * ENTRY as u32 / SECTOR as u32
    }

    /// First sector of cluster 2, from the start of the volume.
    fn heap(&self) -> u32 {
        self.reserved + FATS * self.fat_sectors + self.root_sectors()
    }

    fn offset(&self, sector: u64) -> u64 {
        (u64::from(self.start) + sector) * SECTOR
    }

    /// Bytes of a cluster.
    pub(super) fn cluster_size(&self) -> u32 {
        self.sectors_per_cluster * SECTOR as u32
    }

    /// First byte of the volume on its disk.
    pub(super) fn volume_offset(&self) -> u64 {
        self.offset(0)
    }

    /// First byte of a copy of the table on the disk.
    pub(super) fn fat_offset(&self, index: u32) -> u64 {
        self.offset(u64::from(self.reserved) + u64::from(index) * u64::from(self.fat_sectors))
    }

    /// First byte of a cluster on the disk; the first cluster is 2.
    pub(super) fn cluster_offset(&self, cluster: u32) -> u64 {
        let index = u64::from(cluster.saturating_sub(2));
        self.offset(u64::from(self.heap()) + index * u64::from(self.sectors_per_cluster))
    }

    /// First byte of the root directory on the disk. That of FAT32 is cluster 2.
    pub(super) fn root_offset(&self) -> u64 {
        self.offset(u64::from(self.heap() - self.root_sectors()))
    }

    /// Bytes that a new root directory has.
    pub(super) fn root_bytes(&self) -> usize {
        match self.kind {
            Kind::Fat32 => self.cluster_size() as usize,
            _ => self.root_entries as usize * ENTRY,
        }
    }

    /// The byte after the root directory on the disk.
    pub(super) fn metadata_end(&self) -> u64 {
        self.root_offset() + self.root_bytes() as u64
    }
}

/// Kinds and sectors per cluster for a volume of so many sectors, best first: Microsoft's tables (fatgen,
/// `DskTableFAT32` and `DskTableFAT16`; the limits are disk sizes in sectors), and for FAT12 the smallest that do.
fn candidates(sectors: u32) -> impl Iterator<Item = (Kind, u32)> {
    // The last row holds for all that is larger.
    let of = |table: &[(u32, u32)]| {
        let row = table.iter().find(|(limit, _)| sectors <= *limit).or(table.last());
        row.map_or(1, |(_, size)| *size)
    };
    let fat32 = of(&[
        (532_480, 1),
        (16_777_216, 8),
        (33_554_432, 16),
        (67_108_864, 32),
        (u32::MAX, 64),
    ]);
    let fat16 = of(&[(32_680, 2), (u32::MAX, 4)]);
    let fat12 = [1, 2, 4].map(|size| (Kind::Fat12, size));
    [(Kind::Fat32, fat32), (Kind::Fat16, fat16)].into_iter().chain(fat12)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(start: u64, bytes: u64) -> Geometry {
        Geometry::choose(Place {
            start,
            sectors: bytes / SECTOR,
        })
        .unwrap()
    }

    #[test]
    fn every_size_has_a_legal_geometry() {
        let mut bytes = MIB;
        while bytes <= super::super::LARGEST_DISK {
            for start in [0, 2048] {
                let found = of(start, bytes);
                assert!(found.is_legal(), "{bytes}: {found:?}");
                let end = u64::from(found.heap()) + u64::from(found.clusters) * u64::from(found.sectors_per_cluster);
                assert!(end <= bytes / SECTOR && found.reserved <= 0xffff, "{bytes}: {found:?}");
                let table = u64::from(found.fat_sectors) * SECTOR * 8 / entry_bits(found.kind);
                assert!(table >= u64::from(found.clusters) + 2, "{bytes}: {found:?}");
            }
            bytes = (bytes + bytes / 97).next_multiple_of(SECTOR);
        }
    }

    #[test]
    fn clusters_are_those_of_microsofts_table() {
        for (gib, cluster) in [(1, 4), (8, 4), (9, 8), (17, 16), (33, 32), (2048, 32)] {
            let found = of(0, gib << 30);
            assert_eq!(
                (found.kind, found.cluster_size()),
                (Kind::Fat32, cluster << 10),
                "{gib} GiB"
            );
        }
        assert_eq!((of(0, MIB).kind, of(0, MIB).cluster_size()), (Kind::Fat12, 512));
        assert_eq!(
            (of(0, 16 * MIB).kind, of(0, 16 * MIB).cluster_size()),
            (Kind::Fat16, 2048)
        );
        assert_eq!(
            (of(0, 64 * MIB).kind, of(0, 64 * MIB).cluster_size()),
            (Kind::Fat32, 512)
        );
    }

    #[test]
    fn files_of_large_sticks_start_at_4_mib() {
        for start in [0, 2048] {
            assert_eq!(of(start, 64 << 30).cluster_offset(2) % (4 * MIB), 0);
        }
    }
}
