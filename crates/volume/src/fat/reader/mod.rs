//! Reading a FAT volume whose every byte may be a lie.
//!
//! All of it is in memory, every access is a checked slice, and every loop is bounded by the size of the image: a chain
//! that bites its tail, a boot sector out of this world or a directory without end become errors.

mod names;

use super::{
    ENTRY,
    directory::{ATTRIBUTE_FOLDER, ATTRIBUTE_LABEL, ATTRIBUTE_LONG_NAME},
    entry_bits,
};
use crate::{Kind, ReadError, SECTOR};
use names::{LongName, is_name, short_name};

/// Entries of the largest directory (fatgen: 65,536 of 32 bytes).
const MOST_ENTRIES: usize = 65_536;

type Result<T, E = ReadError> = std::result::Result<T, E>;

/// A FAT volume in memory, with or without a partition table before it. Only its root directory is read.
pub struct FatVolume<'a> {
    kind: Kind,
    /// The first copy of the table.
    table: &'a [u8],
    root: Root<'a>,
    /// The clusters, from number 2 on.
    heap: &'a [u8],
    cluster_size: usize,
    clusters: u32,
}

enum Root<'a> {
    /// FAT12 and FAT16.
    Fixed(&'a [u8]),
    /// FAT32: its first cluster.
    Chain(u32),
}

/// A file in the root directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    name: String,
    size: u32,
    first_cluster: u32,
}

impl FileEntry {
    /// Its long name, or its short one where there is no (intact) long one. Neither empty nor with control characters
    /// or `/ \ :`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes that its entry claims.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.size
    }
}

/// Numbers in little-endian order out of a slice that may be too short.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N]> {
        let bytes = self.0.get(at..).and_then(|rest| rest.first_chunk::<N>());
        bytes.copied().ok_or(ReadError::Damaged("it ends too early"))
    }

    fn u8(&self, at: usize) -> Result<u8> {
        Ok(self.array::<1>(at)?[0])
    }

    fn u16(&self, at: usize) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array(at)?))
    }

    fn u32(&self, at: usize) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(at)?))
    }
}

/// The bytes of some sectors.
fn sectors(volume: &[u8], first: u64, count: u64) -> Result<&[u8]> {
    let range = first
        .checked_mul(SECTOR)
        .zip(first.checked_add(count).and_then(|end| end.checked_mul(SECTOR)))
        .and_then(|(start, end)| volume.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?));
    range.ok_or(ReadError::Damaged("it says it is larger than its disk"))
}

impl<'a> FatVolume<'a> {
    /// Finds the volume in a whole disk.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotFat`] and [`ReadError::Damaged`].
    pub fn open(disk: &'a [u8]) -> Result<Self> {
        let volume = find(disk)?;
        let boot = Fields(volume);
        let sectors_per_cluster = boot.u8(13)?;
        let reserved = u64::from(boot.u16(14)?);
        let fats = boot.u8(16)?;
        let root_entries = usize::from(boot.u16(17)?);
        let total = match boot.u16(19)? {
            0 => u64::from(boot.u32(32)?),
            count => u64::from(count),
        };
        let fat_sectors = match boot.u16(22)? {
            0 => u64::from(boot.u32(36)?),
            count => u64::from(count),
        };
        let whole_sectors = (root_entries * ENTRY).is_multiple_of(SECTOR as usize);
        if !whole_sectors
            || !sectors_per_cluster.is_power_of_two()
            || reserved == 0
            || !matches!(fats, 1 | 2)
            || fat_sectors == 0
        {
            return Err(ReadError::Damaged("its boot sector has numbers that cannot be"));
        }
        // No sum here overflows: all terms are below 2^41.
        let root_start = reserved + u64::from(fats) * fat_sectors;
        let root_sectors = (root_entries * ENTRY) as u64 / SECTOR;
        let heap_start = root_start + root_sectors;
        let heap_sectors = total
            .checked_sub(heap_start)
            .ok_or(ReadError::Damaged("its tables are larger than itself"))?;
        let clusters = (heap_sectors / u64::from(sectors_per_cluster)) as u32;
        let kind = match clusters {
            0..4085 => Kind::Fat12,
            4085..65525 => Kind::Fat16,
            _ => Kind::Fat32,
        };
        let table = sectors(volume, reserved, fat_sectors)?;
        if (table.len() as u64) * 8 < (u64::from(clusters) + 2) * entry_bits(kind) {
            return Err(ReadError::Damaged(
                "its table has fewer entries than there are clusters",
            ));
        }
        let root = match kind {
            Kind::Fat32 => Root::Chain(boot.u32(44)?),
            _ => Root::Fixed(sectors(volume, root_start, root_sectors)?),
        };
        Ok(Self {
            kind,
            table,
            root,
            heap: sectors(volume, heap_start, heap_sectors)?,
            cluster_size: usize::from(sectors_per_cluster) * SECTOR as usize,
            clusters,
        })
    }

    /// FAT12, FAT16 or FAT32.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The files in the root directory, in its order, at most `most` of them. Folders, the label, deleted files and
    /// files with names that no host would make are left out.
    ///
    /// # Errors
    ///
    /// [`ReadError::Damaged`], and [`ReadError::TooLarge`] for more files.
    pub fn files(&self, most: usize) -> Result<Vec<FileEntry>> {
        let mut files = Vec::new();
        let mut long = LongName::default();
        let pieces: Vec<&[u8]> = match self.root {
            Root::Fixed(bytes) => vec![bytes],
            Root::Chain(first) => {
                let most = (MOST_ENTRIES * ENTRY).div_ceil(self.cluster_size);
                let chain = self.chain(first, most, Length::AtMost)?;
                chain
                    .into_iter()
                    .map(|cluster| self.cluster(cluster))
                    .collect::<Result<_>>()?
            }
        };
        let entries = pieces.into_iter().flat_map(|piece| piece.as_chunks::<ENTRY>().0);
        for entry in entries {
            match (entry[0], entry[11]) {
                (0, _) => break,
                (0xe5, _) => long = LongName::default(),
                (_, attributes) if attributes & 0x3f == ATTRIBUTE_LONG_NAME => long.add(entry),
                (_, attributes) if attributes & (ATTRIBUTE_LABEL | ATTRIBUTE_FOLDER) != 0 => long = LongName::default(),
                _ => {
                    let name = std::mem::take(&mut long).finish(entry);
                    let name = name.unwrap_or_else(|| short_name(entry));
                    if !is_name(&name) {
                        continue;
                    }
                    if files.len() == most {
                        let (what, limit) = ("the number of files", most as u64);
                        return Err(ReadError::TooLarge { what, limit });
                    }
                    files.push(self.entry(name, entry)?);
                }
            }
        }
        Ok(files)
    }

    fn entry(&self, name: String, entry: &[u8; ENTRY]) -> Result<FileEntry> {
        let fields = Fields(entry);
        let high = match self.kind {
            Kind::Fat32 => u32::from(fields.u16(20)?),
            _ => 0,
        };
        Ok(FileEntry {
            name,
            size: fields.u32(28)?,
            first_cluster: high << 16 | u32::from(fields.u16(26)?),
        })
    }

    /// The content of a file, if it has at most `most` bytes.
    ///
    /// # Errors
    ///
    /// [`ReadError::TooLarge`] and, if its chain of clusters is broken or too short, [`ReadError::Damaged`].
    pub fn read(&self, file: &FileEntry, most: u32) -> Result<Vec<u8>> {
        if file.size > most {
            let limit = u64::from(most);
            return Err(ReadError::TooLarge {
                what: "the file",
                limit,
            });
        }
        let size = file.size as usize;
        let count = size.div_ceil(self.cluster_size);
        if count > self.clusters as usize {
            return Err(ReadError::Damaged("a file says it is larger than the volume"));
        }
        let mut content = Vec::with_capacity(size);
        for cluster in self.chain(file.first_cluster, count, Length::Exactly)? {
            let rest = size - content.len();
            let bytes = self.cluster(cluster)?;
            content.extend_from_slice(&bytes[..rest.min(bytes.len())]);
        }
        Ok(content)
    }

    /// Follows a chain: each cluster is checked to exist, and none comes twice.
    fn chain(&self, first: u32, count: usize, length: Length) -> Result<Vec<u32>> {
        let mut chain = Vec::new();
        let mut seen = vec![false; if count == 0 { 0 } else { self.clusters as usize }];
        let mut next = first;
        while chain.len() < count {
            if next >= self.end_mark() {
                return match length {
                    Length::AtMost => Ok(chain),
                    Length::Exactly => Err(ReadError::Damaged("a file ends before its size")),
                };
            }
            let slot = next.checked_sub(2).and_then(|index| seen.get_mut(index as usize));
            match slot {
                None => return Err(ReadError::Damaged("a chain leads to a cluster that is not there")),
                Some(true) => return Err(ReadError::Damaged("a chain of clusters goes in circles")),
                Some(new) => *new = true,
            }
            chain.push(next);
            next = self.next(next)?;
        }
        Ok(chain)
    }

    /// From this number on an entry is the end of a chain.
    fn end_mark(&self) -> u32 {
        match self.kind {
            Kind::Fat12 => 0xff8,
            Kind::Fat16 => 0xfff8,
            _ => 0x0fff_fff8,
        }
    }

    /// The entry of the table for a cluster.
    fn next(&self, cluster: u32) -> Result<u32> {
        let (table, cluster) = (Fields(self.table), cluster as usize);
        match self.kind {
            Kind::Fat12 => {
                let pair = u32::from(table.u16(cluster + cluster / 2)?);
                Ok(if cluster % 2 == 0 { pair & 0xfff } else { pair >> 4 })
            }
            Kind::Fat16 => Ok(u32::from(table.u16(cluster * 2)?)),
            // The upper four bits are not part of it.
            _ => Ok(table.u32(cluster * 4)? & 0x0fff_ffff),
        }
    }

    fn cluster(&self, cluster: u32) -> Result<&'a [u8]> {
        let missing = ReadError::Damaged("a cluster is outside the volume");
        let Some(index) = cluster.checked_sub(2) else {
            return Err(missing);
        };
        let start = index as usize * self.cluster_size;
        self.heap.get(start..start + self.cluster_size).ok_or(missing)
    }
}

/// Whether a chain may end early.
#[derive(Clone, Copy)]
enum Length {
    AtMost,
    Exactly,
}

/// The part of a disk from the boot sector of its file system on.
fn find(disk: &[u8]) -> Result<&[u8]> {
    if is_boot_sector(disk) {
        return Ok(disk);
    }
    let table = Fields(disk);
    if table.u16(510).ok() != Some(0xaa55) {
        return Err(ReadError::NotFat(
            "the disk has neither a boot sector nor a partition table",
        ));
    }
    for entry in [446, 462, 478, 494] {
        let (kind, start) = (table.u8(entry + 4)?, u64::from(table.u32(entry + 8)?));
        // FAT12, FAT16 and FAT32 in their five types.
        if matches!(kind, 0x01 | 0x04 | 0x06 | 0x0b | 0x0c | 0x0e) && start > 0 {
            let volume = usize::try_from(start * SECTOR).ok().and_then(|start| disk.get(start..));
            return volume
                .filter(|volume| is_boot_sector(volume))
                .ok_or(ReadError::NotFat("its partition has no boot sector"));
        }
    }
    Err(ReadError::NotFat("the disk has no FAT partition"))
}

/// A jump, the mark, and sectors of 512 bytes; exFAT has zeroes there, and a partition table code.
fn is_boot_sector(bytes: &[u8]) -> bool {
    let fields = Fields(bytes);
    matches!(fields.u8(0), Ok(0xeb | 0xe9)) && fields.u16(510).ok() == Some(0xaa55) && fields.u16(11).ok() == Some(512)
}

#[cfg(test)]
mod tests;
