//! Names in a foreign directory.

use crate::fat::{
    ENTRY,
    names::{LAST, MOST_PIECES, UNIT_OFFSETS, checksum},
};

/// A long name while its pieces come, the last one first.
#[derive(Default)]
pub(super) struct LongName {
    /// Number of the piece that came last; 0 for none.
    number: u8,
    checksum: u8,
    /// All pieces so far, each in order, the pieces backwards.
    pieces: Vec<[u16; UNIT_OFFSETS.len()]>,
}

impl LongName {
    pub(super) fn add(&mut self, entry: &[u8; ENTRY]) {
        let number = entry[0] & 0x1f;
        if entry[0] & LAST != 0 {
            *self = Self {
                number: number + 1,
                checksum: entry[13],
                pieces: Vec::new(),
            };
        }
        if number == 0 || number > MOST_PIECES || number + 1 != self.number || entry[13] != self.checksum {
            *self = Self::default();
            return;
        }
        self.number = number;
        self.pieces
            .push(UNIT_OFFSETS.map(|at| u16::from_le_bytes([entry[at], entry[at + 1]])));
    }

    /// The name, if all pieces came and belong to this short entry.
    pub(super) fn finish(self, short: &[u8; ENTRY]) -> Option<String> {
        let name: &[u8; 11] = short.first_chunk()?;
        if self.number != 1 || self.checksum != checksum(name) {
            return None;
        }
        let units = self
            .pieces
            .iter()
            .rev()
            .flatten()
            .copied()
            .take_while(|&unit| unit != 0);
        char::decode_utf16(units).collect::<Result<String, _>>().ok()
    }
}

/// The short name with its dot; letters beyond ASCII, whose code page is unknown, become `_`.
pub(super) fn short_name(entry: &[u8; ENTRY]) -> String {
    // Windows NT and Linux keep names in small letters short with these two bits.
    let part = |bytes: &[u8], small: bool| -> String {
        let text = bytes.iter().map(|&byte| match byte {
            byte if !byte.is_ascii() => '_',
            byte if small => byte.to_ascii_lowercase() as char,
            byte => byte as char,
        });
        text.collect::<String>().trim_end_matches(' ').to_owned()
    };
    let base = part(&entry[..8], entry[12] & 0x08 != 0);
    let extension = part(&entry[8..11], entry[12] & 0x10 != 0);
    if extension.is_empty() {
        base
    } else {
        format!("{base}.{extension}")
    }
}

/// Whether a host would make such a name.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 1024 && !name.contains(|c: char| c.is_control() || matches!(c, '/' | '\\' | ':'))
}
