//! Content that tells where it belongs and who wrote it, in odd pieces.

use std::ops::Range;

use bytes::Bytes;
use rand::{Rng, rngs::SmallRng};

use super::{Outcome, ensure};
use crate::{LOGICAL_BLOCK_SIZE, Payload};

/// Bytes per sector.
pub(super) const SECTOR: usize = LOGICAL_BLOCK_SIZE as usize;
/// 64-bit words per sector.
const WORDS: usize = SECTOR / 8;

/// Who wrote a sector. [`ZERO`] is nobody: the sector is all zeroes.
pub(super) type Stamp = u64;

/// The stamp of a sector of zeroes.
pub(super) const ZERO: Stamp = 0;

/// Word `index` of a sector that was stamped: depends on everything, so that no mixture of two sectors looks like one.
fn word(stamp: Stamp, sector: u64, index: usize) -> u64 {
    match index {
        _ if stamp == ZERO => 0,
        0 => stamp,
        1 => sector,
        _ => (stamp ^ sector.rotate_left(32) ^ (index as u64)).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
    }
}

/// The content of `sectors` as written under `stamp`.
pub(super) fn stamped(stamp: Stamp, sectors: Range<u64>) -> Vec<u8> {
    let mut out = Vec::with_capacity((sectors.end - sectors.start) as usize * SECTOR);
    for sector in sectors {
        for index in 0..WORDS {
            out.extend_from_slice(&word(stamp, sector, index).to_le_bytes());
        }
    }
    out
}

/// Who wrote `content`, found at `sector`.
pub(super) fn stamp_of(content: &[u8], sector: u64) -> Outcome<Stamp> {
    let words = content.as_chunks::<8>().0;
    let stamp = u64::from_le_bytes(words[0]);
    for (index, found) in words.iter().enumerate() {
        let found = u64::from_le_bytes(*found);
        let want = word(stamp, sector, index);
        ensure!(
            found == want,
            "sector {sector} starts as written under stamp {stamp:#x} but has {found:#x} instead of {want:#x} at byte \
             {}: torn, or of another sector",
            index * 8
        );
    }
    Ok(stamp)
}

/// `data` cut into segments at random places, now and then with an empty one between.
pub(super) fn segmented(rng: &mut SmallRng, data: Vec<u8>) -> Payload {
    let mut rest = Bytes::from(data);
    let mut payload = Payload::new();
    let longest = match rng.random_range(0..4) {
        0 => rest.len().max(1),
        1 => 4096,
        _ => (rest.len() / 3).max(700),
    };
    while !rest.is_empty() {
        let length = rng.random_range(1..=longest.min(rest.len()));
        payload.push(rest.split_to(length));
        if rng.random_bool(0.1) {
            payload.push(Bytes::new());
        }
    }
    payload
}

/// A random non-empty range within `0..end`, at most `longest` long.
pub(super) fn random_range(rng: &mut SmallRng, end: u64, longest: u64) -> Range<u64> {
    let start = rng.random_range(0..end);
    let length = rng.random_range(1..=longest.min(end - start));
    start..start + length
}

/// Bytes from a number of sectors.
pub(super) fn bytes(sectors: u64) -> u64 {
    sectors * SECTOR as u64
}
