//! Long names in pieces, and the short names before them.

use super::{ENTRY, directory::ATTRIBUTE_LONG_NAME};
use crate::FormatError;

/// UTF-16 units of one piece of a long name, and where they are in its entry (fatgen, "long directory entries").
pub(super) const UNIT_OFFSETS: [usize; 13] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
/// Marks the piece with the end of the name, which comes first.
pub(super) const LAST: u8 = 0x40;
/// Pieces of the longest name: 255 units.
pub(super) const MOST_PIECES: u8 = 20;

/// Whether a file may be called so.
pub(super) fn check(name: &str) -> Result<(), FormatError> {
    let bad = |c: char| c.is_control() || "\"*/:<>?\\|".contains(c);
    if name.is_empty() || name.encode_utf16().count() > 255 || name.trim_end_matches(['.', ' ']) != name {
        return Err(FormatError::file(
            name,
            "has a name that is empty, too long or ends with a dot or space",
        ));
    }
    if name.contains(bad) {
        return Err(FormatError::file(
            name,
            "has a character in its name that FAT cannot have",
        ));
    }
    Ok(())
}

/// Eight characters and three, filled up with spaces.
pub(super) struct ShortName {
    pub(super) bytes: [u8; 11],
    /// It says all that the long name does.
    pub(super) is_exact: bool,
}

/// The short name of a file among others that are `taken` (fatgen, "the basis-name generation algorithm").
pub(super) fn short(name: &str, taken: &[[u8; 11]]) -> ShortName {
    let (base, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let keep = |text: &str| -> Vec<u8> {
        text.chars()
            .filter(|c| !matches!(c, ' ' | '.'))
            .map(|c| match c {
                'a'..='z' | 'A'..='Z' | '0'..='9' => c.to_ascii_uppercase() as u8,
                c if "$%'-_@~`!(){}^#&".contains(c) => c as u8,
                _ => b'_',
            })
            .collect()
    };
    let (kept_base, kept_extension) = (keep(base), keep(extension));
    let join = |base: &[u8]| {
        let mut bytes = [b' '; 11];
        bytes[..base.len()].copy_from_slice(base);
        let extension = &kept_extension[..kept_extension.len().min(3)];
        bytes[8..8 + extension.len()].copy_from_slice(extension);
        bytes
    };
    let is_exact = kept_base == base.as_bytes()
        && kept_extension == extension.as_bytes()
        && (1..=8).contains(&base.len())
        && extension.len() <= 3;
    let plain = join(&kept_base[..kept_base.len().min(8)]);
    if is_exact && !taken.contains(&plain) {
        return ShortName { bytes: plain, is_exact };
    }
    let numbered = (1u32..)
        .map(|number| {
            let tail = format!("~{number}");
            let mut base = kept_base[..kept_base.len().min(8 - tail.len())].to_vec();
            base.extend_from_slice(tail.as_bytes());
            join(&base)
        })
        // As many numbers as names, and one more, leave one that is free.
        .take(taken.len() + 1)
        .find(|candidate| !taken.contains(candidate));
    ShortName {
        bytes: numbered.unwrap_or(plain),
        is_exact: false,
    }
}

/// Ties a long name to its short one, in case somebody who knows only short names renamed the file.
pub(super) fn checksum(short: &[u8; 11]) -> u8 {
    short
        .iter()
        .fold(0u8, |sum, &byte| sum.rotate_right(1).wrapping_add(byte))
}

/// The entries of a long name, last piece first. What is left of the last piece is one 0000h and then FFFFh.
pub(super) fn long_entries(name: &str, checksum: u8) -> impl Iterator<Item = [u8; ENTRY]> {
    let mut units: Vec<u16> = name.encode_utf16().collect();
    if !units.len().is_multiple_of(UNIT_OFFSETS.len()) {
        units.push(0);
        units.resize(units.len().next_multiple_of(UNIT_OFFSETS.len()), 0xffff);
    }
    let count = units.len() / UNIT_OFFSETS.len();
    (1..=count).rev().map(move |number| {
        let mut out = [0; ENTRY];
        out[0] = number as u8 | if number == count { LAST } else { 0 };
        out[11] = ATTRIBUTE_LONG_NAME;
        out[13] = checksum;
        let piece = &units[(number - 1) * UNIT_OFFSETS.len()..];
        for (unit, at) in piece.iter().zip(UNIT_OFFSETS) {
            out[at..at + 2].copy_from_slice(&unit.to_le_bytes());
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_unique_and_say_what_they_can() {
        let mut taken = Vec::new();
        for (name, expected, is_exact) in [
            ("REPORT.TXT", b"REPORT  TXT", true),
            ("report.txt", b"REPORT~1TXT", false),
            ("READ ME.html", b"README~1HTM", false),
            ("READ ME.htm", b"README~2HTM", false),
            ("READ.ME.html", b"README~3HTM", false),
            ("Größe", b"GR__E~1    ", false),
            (".conf", b"~1      CON", false),
        ] {
            let short = short(name, &taken);
            assert_eq!((&short.bytes, short.is_exact), (expected, is_exact), "{name}");
            taken.push(short.bytes);
        }
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        for name in ["", "a/b", "a\\b", "a.", "a ", "a\n", "a:b", &"x".repeat(256)] {
            assert!(check(name).is_err(), "{name:?}");
        }
        assert!(check(&"x".repeat(255)).is_ok());
    }

    #[test]
    fn a_name_that_fills_its_pieces_has_no_end_mark() {
        let entries: Vec<_> = long_entries("thirteen.char", 7).collect();
        assert_eq!((entries.len(), entries[0][0], entries[0][13]), (1, 0x41, 7));
        assert_eq!(entries[0][30..], [b'r', 0]);
        assert_eq!(long_entries("fourteen.chars", 7).count(), 2);
    }
}
