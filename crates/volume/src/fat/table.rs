//! The file allocation table of a new volume.

use crate::Kind;

/// End of a chain; cut to the width of an entry.
const END: u32 = 0x0fff_ffff;
/// The first entry: the media byte of the boot sector with all other bits set (fatgen, "FAT entry 0 and 1").
const MEDIA: u32 = 0x0fff_fff8;

/// Entries of the table up to the last one in use.
#[derive(Debug)]
pub(super) struct Entries {
    kind: Kind,
    entries: Vec<u32>,
}

impl Entries {
    /// The table of an empty volume. Entry 1 says "cleanly unmounted"; the root directory of FAT32 is cluster 2.
    pub(super) fn new(kind: Kind) -> Self {
        let mut entries = vec![MEDIA, END];
        if kind == Kind::Fat32 {
            entries.push(END);
        }
        Self { kind, entries }
    }

    /// Takes the next `count` clusters as a chain and returns the first: 0, as in the directory, for none at all;
    /// `None` if there are not so many.
    pub(super) fn allocate(&mut self, count: u32, clusters: u32) -> Option<u32> {
        if count == 0 {
            return Some(0);
        }
        if count > clusters - self.used() {
            return None;
        }
        let first = self.entries.len() as u32;
        self.entries.extend(first + 1..first + count);
        self.entries.push(END);
        Some(first)
    }

    /// Clusters in use.
    pub(super) fn used(&self) -> u32 {
        self.entries.len() as u32 - 2
    }

    /// The bytes of it.
    pub(super) fn encode(&self) -> Vec<u8> {
        let entries = self.entries.iter();
        match self.kind {
            // Two entries in three bytes.
            Kind::Fat12 => self
                .entries
                .chunks(2)
                .flat_map(|pair| {
                    let (low, high) = (pair[0] & 0xfff, pair.get(1).copied().unwrap_or(0) & 0xfff);
                    let [a, b, c, _] = (low | high << 12).to_le_bytes();
                    [a, b, c]
                })
                .collect(),
            Kind::Fat16 => entries.flat_map(|&entry| (entry as u16).to_le_bytes()).collect(),
            Kind::Fat32 | Kind::ExFat => entries.flat_map(|entry| entry.to_le_bytes()).collect(),
        }
    }
}
