//! How large clusters are, and where the parts of the volume lie.

use super::{boot, sectors};
use crate::{FormatError, GIB, MIB, SECTOR, format::Place};

/// The parts of an exFAT volume; all numbers in bytes unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    /// First byte of the volume on its disk (3.1.3, `PartitionOffset`).
    pub(super) start: u64,
    /// Size of the volume (3.1.4).
    pub(super) size: u64,
    /// First byte of the table, from the start of the volume (3.1.5).
    pub(super) fat: u64,
    /// Length of the table (3.1.6).
    pub(super) fat_length: u64,
    /// First byte of the cluster heap, from the start of the volume (3.1.7).
    pub(super) heap: u64,
    pub(super) cluster_size: u64,
    /// Number of clusters (3.1.8).
    pub(super) clusters: u32,
    /// Clusters of the allocation bitmap.
    pub(super) bitmap_clusters: u32,
    /// Clusters of the up-case table.
    pub(super) upcase_clusters: u32,
}

impl Geometry {
    pub(super) fn choose(place: Place, upcase_length: u64) -> Result<Self, FormatError> {
        let (start, size) = (place.start * SECTOR, place.sectors * SECTOR);
        let cluster_size = cluster_size(size);
        let align = crate::format::alignment(size, cluster_size);
        let aligned = |offset: u64, unit: u64| (start + offset).next_multiple_of(unit) - start;

        let fat = aligned(2 * boot::REGION, align.min(MIB));
        // For at least as many clusters as there will be (3.1.6 allows more).
        let at_most = size.saturating_sub(fat) / cluster_size;
        let fat_length = ((at_most + 2) * 4).next_multiple_of(SECTOR);
        let heap = aligned(fat + fat_length, align);
        let clusters = size.saturating_sub(heap) / cluster_size;
        let geometry = Self {
            start,
            size,
            fat,
            fat_length,
            heap,
            cluster_size,
            // 8 TiB of clusters of 128 KiB are 2^26.
            clusters: clusters as u32,
            bitmap_clusters: clusters.div_ceil(8).div_ceil(cluster_size) as u32,
            upcase_clusters: upcase_length.div_ceil(cluster_size) as u32,
        };
        // Room for a file at the least.
        if geometry.used() >= geometry.clusters {
            return Err(FormatError::TooSmall {
                what: "exFAT",
                size,
                least: MIB,
            });
        }
        Ok(geometry)
    }

    /// First cluster of the bitmap: the first of all.
    pub(super) fn bitmap(&self) -> u32 {
        2
    }

    /// First cluster of the up-case table.
    pub(super) fn upcase(&self) -> u32 {
        self.bitmap() + self.bitmap_clusters
    }

    /// Cluster of the root directory.
    pub(super) fn root(&self) -> u32 {
        self.upcase() + self.upcase_clusters
    }

    /// Clusters in use: all up to the root directory.
    pub(super) fn used(&self) -> u32 {
        self.root() - 1
    }

    /// Length of the bitmap (7.1.4: a bit for each cluster, in whole bytes).
    pub(super) fn bitmap_bytes(&self) -> u64 {
        u64::from(self.clusters).div_ceil(8)
    }

    /// First byte of the volume on the disk.
    pub(super) fn volume_offset(&self) -> u64 {
        self.start
    }

    /// First byte of the table on the disk.
    pub(super) fn fat_offset(&self) -> u64 {
        self.start + self.fat
    }

    /// First byte of a cluster on the disk.
    pub(super) fn cluster_offset(&self, cluster: u32) -> u64 {
        self.start + self.heap + u64::from(cluster - 2) * self.cluster_size
    }

    /// Sectors of a cluster as a power of two (3.1.15).
    pub(super) fn cluster_shift(&self) -> u8 {
        sectors(self.cluster_size).trailing_zeros() as u8
    }
}

/// Microsoft's default cluster sizes ("Default cluster size for NTFS, FAT, and exFAT", KB140365).
fn cluster_size(volume: u64) -> u64 {
    if volume <= 256 * MIB {
        4 << 10
    } else if volume <= 32 * GIB {
        32 << 10
    } else {
        128 << 10
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_parts_in_order_and_inside() {
        let mut bytes = MIB;
        while bytes <= super::super::LARGEST_DISK {
            for start in [0, 2048] {
                let place = Place {
                    start,
                    sectors: bytes / SECTOR,
                };
                let found = Geometry::choose(place, 5836).unwrap();
                assert!(found.fat >= 2 * boot::REGION, "{bytes}: {found:?}");
                assert!(found.fat + found.fat_length <= found.heap, "{bytes}: {found:?}");
                let end = found.heap + u64::from(found.clusters) * found.cluster_size;
                assert!(end <= bytes && bytes < end + found.cluster_size, "{bytes}: {found:?}");
                assert!(
                    found.fat_length >= (u64::from(found.clusters) + 2) * 4,
                    "{bytes}: {found:?}"
                );
                assert_eq!(found.cluster_offset(2) % found.cluster_size.min(4 * MIB), 0);
            }
            bytes = (bytes + bytes / 97).next_multiple_of(SECTOR);
        }
    }
}
