//! Fixed VHD images: a raw disk with a footer of 512 bytes at its end.
//!
//! Source: "Virtual Hard Disk Image Format Specification" 1.0 (Microsoft). All numbers are big-endian.

use time::{OffsetDateTime, macros::datetime};
use uuid::Uuid;

/// Length of the footer in bytes.
pub const FOOTER: u64 = 512;
/// Azure boots only disks of whole MiB.
pub const AZURE_UNIT: u64 = 1 << 20;

const COOKIE: &[u8; 8] = b"conectix";
const CHECKSUM: std::ops::Range<usize> = 64..68;
const FIXED: u32 = 2;
/// Seconds of a VHD count from here.
const EPOCH: OffsetDateTime = datetime!(2000-01-01 0:00 UTC);

/// What the last sector of a blob is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recognition {
    /// No footer: a raw disk.
    Raw,
    /// The footer of a fixed disk of so many bytes.
    Fixed(u64),
    /// A footer that cannot be used, and why.
    Refused(&'static str),
}

/// Looks at the last 512 bytes of a blob of `blob_length` bytes.
///
/// A sector that starts with the cookie is a footer; if anything else in it is wrong the blob is refused and not
/// opened as raw, since a raw disk would be one sector too long and its guest would overwrite the footer.
#[must_use]
pub fn recognise(sector: &[u8], blob_length: u64) -> Recognition {
    let Some(sector) = sector.first_chunk::<512>() else {
        return Recognition::Raw;
    };
    if sector[..8] != *COOKIE {
        return Recognition::Raw;
    }
    let u32_at = |at: usize| u32::from_be_bytes([sector[at], sector[at + 1], sector[at + 2], sector[at + 3]]);
    let size = (u64::from(u32_at(48)) << 32) | u64::from(u32_at(52));
    match u32_at(60) {
        _ if u32_at(CHECKSUM.start) != checksum(sector) => {
            Recognition::Refused("its VHD footer has a wrong checksum; repair it, or set format = \"raw\"")
        }
        3 => Recognition::Refused(
            "is a dynamic VHD; convert it to a fixed one (qemu-img convert -O vpc -o subformat=fixed,force_size)",
        ),
        4 => Recognition::Refused("is a differencing VHD; merge it into a fixed one first"),
        FIXED if size.checked_add(FOOTER) == Some(blob_length) => Recognition::Fixed(size),
        FIXED => Recognition::Refused(
            "its VHD footer tells another size than the blob has; it was cut or extended by other means",
        ),
        _ => Recognition::Refused("its VHD footer is of an unknown type"),
    }
}

/// The footer of a fixed disk of `size` bytes.
///
/// The creator says "win ": readers (QEMU among them) take the size from the footer only for that family of creators
/// and from the rounded geometry for others.
#[must_use]
pub fn footer(size: u64, id: Uuid, now: OffsetDateTime) -> [u8; 512] {
    let mut out = [0; 512];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    let seconds = u32::try_from((now - EPOCH).whole_seconds()).unwrap_or(0);
    let (cylinders, heads, sectors) = geometry(size);
    put(0, COOKIE);
    put(8, &2u32.to_be_bytes()); // features: reserved, always set
    put(12, &0x0001_0000u32.to_be_bytes()); // format version
    put(16, &u64::MAX.to_be_bytes()); // data offset: none
    put(24, &seconds.to_be_bytes());
    put(28, b"win ");
    put(32, &0x000A_0000u32.to_be_bytes()); // creator version
    put(36, b"Wi2k");
    put(40, &size.to_be_bytes());
    put(48, &size.to_be_bytes());
    put(56, &cylinders.to_be_bytes());
    put(58, &[heads, sectors]);
    put(60, &FIXED.to_be_bytes());
    put(68, id.as_bytes());
    let sum = checksum(&out);
    out[CHECKSUM].copy_from_slice(&sum.to_be_bytes());
    out
}

/// The one's complement of the sum of all bytes without the checksum's own.
fn checksum(sector: &[u8; 512]) -> u32 {
    let sum: u32 = sector
        .iter()
        .enumerate()
        .filter(|(at, _)| !CHECKSUM.contains(at))
        .map(|(_, byte)| u32::from(*byte))
        .sum();
    !sum
}

/// Cylinders, heads and sectors per track by the appendix "CHS Calculation".
fn geometry(size: u64) -> (u16, u8, u8) {
    let total = (size / 512).min(65_535 * 16 * 255);
    if total >= 65_535 * 16 * 63 {
        return ((total / 255 / 16) as u16, 16, 255);
    }
    let mut sectors = 17;
    let mut tracks = total / sectors;
    let mut heads = tracks.div_ceil(1024).max(4);
    if tracks >= heads * 1024 || heads > 16 {
        (sectors, heads) = (31, 16);
        tracks = total / sectors;
    }
    if tracks >= heads * 1024 {
        (sectors, heads) = (63, 16);
        tracks = total / sectors;
    }
    ((tracks / heads) as u16, heads as u8, sectors as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 64 << 20;

    fn sample() -> [u8; 512] {
        footer(SIZE, Uuid::nil(), datetime!(2026-01-01 0:00 UTC))
    }

    #[test]
    fn what_is_written_is_recognised() {
        assert_eq!(recognise(&sample(), SIZE + FOOTER), Recognition::Fixed(SIZE));
        assert_eq!(recognise(&[0; 512], SIZE), Recognition::Raw);
        assert_eq!(recognise(b"conectix", SIZE), Recognition::Raw, "shorter than a sector");
    }

    #[test]
    fn every_flipped_byte_is_refused() {
        for at in 8..512 {
            let mut bad = sample();
            bad[at] ^= 1;
            assert!(
                matches!(recognise(&bad, SIZE + FOOTER), Recognition::Refused(_)),
                "byte {at}"
            );
        }
        assert!(matches!(recognise(&sample(), SIZE), Recognition::Refused(why) if why.contains("another size")));
    }

    #[test]
    fn dynamic_and_differencing_disks_are_refused_by_name() {
        for (kind, name) in [(3u32, "dynamic"), (4, "differencing")] {
            let mut sector = sample();
            sector[60..64].copy_from_slice(&kind.to_be_bytes());
            let sum = checksum(&sector);
            sector[CHECKSUM].copy_from_slice(&sum.to_be_bytes());
            assert!(matches!(recognise(&sector, SIZE + FOOTER), Recognition::Refused(why) if why.contains(name)));
        }
    }

    #[test]
    fn geometry_of_the_appendix() {
        assert_eq!(geometry(64 << 20), (963, 8, 17));
        assert_eq!(geometry(8 << 40), (65_535, 16, 255));
        let (c, h, s) = geometry(30 << 30);
        assert_eq!((h, s), (16, 63));
        assert!(u64::from(c) * 16 * 63 * 512 <= 30 << 30);
    }
}
