//! The data of a request: reference-counted segments that nobody needs to copy.

use std::{fmt, io::IoSlice};

use bytes::{Buf, Bytes};
use smallvec::SmallVec;

/// One shared run of zeroes, so that a hole costs no memory.
static ZEROES: [u8; 64 << 10] = [0; 64 << 10];

/// The data of one read or write, as a list of reference-counted segments.
///
/// A store hands out what its socket delivered, segment by segment, and a front end writes the segments to its own
/// socket or copies them once into the kernel. Segments may have any length, also odd ones; empty ones are never kept.
/// Cloning copies no data, so that a request can be sent again.
#[derive(Clone, Default)]
pub struct Payload {
    segments: SmallVec<[Bytes; 2]>,
    len: usize,
}

impl Payload {
    /// No data.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `len` zeroes that take no memory of their own.
    #[must_use]
    pub fn zeroes(len: usize) -> Self {
        let mut payload = Self::new();
        payload.push_zeroes(len);
        payload
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no data.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The segments, none of them empty.
    #[must_use]
    pub fn segments(&self) -> &[Bytes] {
        &self.segments
    }

    /// Appends a segment.
    pub fn push(&mut self, segment: Bytes) {
        if !segment.is_empty() {
            self.len += segment.len();
            self.segments.push(segment);
        }
    }

    /// Appends zeroes that take no memory of their own.
    pub fn push_zeroes(&mut self, mut len: usize) {
        while len > 0 {
            let part = len.min(ZEROES.len());
            self.push(Bytes::from_static(&ZEROES[..part]));
            len -= part;
        }
    }

    /// Appends all segments of `other`.
    pub fn append(&mut self, other: Self) {
        self.len += other.len;
        self.segments.extend(other.segments);
    }

    /// Splits off and returns the first `at` bytes; `self` keeps the rest. Copies nothing.
    ///
    /// # Panics
    ///
    /// If `at` is beyond the end.
    #[must_use]
    pub fn split_to(&mut self, at: usize) -> Self {
        assert!(at <= self.len, "split at {at} of {} bytes", self.len);
        let mut head = Self::new();
        let mut whole = 0;
        for segment in &mut self.segments {
            let want = at - head.len;
            if segment.len() <= want {
                whole += 1;
                head.push(std::mem::take(segment));
            } else {
                if want > 0 {
                    head.push(segment.split_to(want));
                }
                break;
            }
        }
        self.segments.drain(..whole);
        self.len -= at;
        head
    }

    /// The bytes from `start` to `end` as a payload of its own. Copies nothing.
    ///
    /// # Panics
    ///
    /// If the range is not within the payload.
    #[must_use]
    pub fn slice(&self, start: usize, end: usize) -> Self {
        assert!(
            start <= end && end <= self.len,
            "slice {start}..{end} of {} bytes",
            self.len
        );
        let mut out = Self::new();
        let mut at = 0;
        for segment in &self.segments {
            let from = start.saturating_sub(at).min(segment.len());
            let to = end.saturating_sub(at).min(segment.len());
            out.push(segment.slice(from..to));
            at += segment.len();
        }
        out
    }

    /// Copies all of it to the start of `target`.
    ///
    /// # Panics
    ///
    /// If `target` is shorter than the payload.
    pub fn copy_to_slice(&self, target: &mut [u8]) {
        let mut at = 0;
        for segment in &self.segments {
            target[at..at + segment.len()].copy_from_slice(segment);
            at += segment.len();
        }
    }

    /// All of it in one piece; copied only if there is more than one segment.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        match self.segments.len() {
            0 => Bytes::new(),
            1 => self.segments.remove(0),
            _ => self.to_vec().into(),
        }
    }

    /// A copy of all of it in one piece.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len);
        for segment in &self.segments {
            out.extend_from_slice(segment);
        }
        out
    }

    /// Whether every byte is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.segments.iter().all(|segment| is_zero(segment))
    }

    /// The segments for a vectored write.
    pub fn io_slices(&self) -> impl Iterator<Item = IoSlice<'_>> {
        self.segments.iter().map(|segment| IoSlice::new(segment))
    }
}

/// Whether every byte of `data` is zero; stops at the first block with a bit set, so that data cost next to nothing.
fn is_zero(data: &[u8]) -> bool {
    if data.as_ptr() == ZEROES.as_ptr() && data.len() <= ZEROES.len() {
        return true;
    }
    // Blocks of 64 bytes without a branch inside: the compiler makes vector instructions of them (SSE2, NEON).
    let (blocks, rest) = data.as_chunks::<64>();
    blocks
        .iter()
        .all(|block| block.iter().fold(0, |acc, byte| acc | byte) == 0)
        && rest.iter().all(|&byte| byte == 0)
}

impl From<Bytes> for Payload {
    fn from(segment: Bytes) -> Self {
        let mut payload = Self::new();
        payload.push(segment);
        payload
    }
}

impl From<Vec<u8>> for Payload {
    fn from(data: Vec<u8>) -> Self {
        Bytes::from(data).into()
    }
}

impl FromIterator<Bytes> for Payload {
    fn from_iter<I: IntoIterator<Item = Bytes>>(segments: I) -> Self {
        let mut payload = Self::new();
        for segment in segments {
            payload.push(segment);
        }
        payload
    }
}

impl IntoIterator for Payload {
    type Item = Bytes;
    type IntoIter = smallvec::IntoIter<[Bytes; 2]>;

    fn into_iter(self) -> Self::IntoIter {
        self.segments.into_iter()
    }
}

/// Compares content, however it is segmented.
impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        if self.len != other.len {
            return false;
        }
        let (mut left, mut right) = (self.segments.iter().cloned(), other.segments.iter().cloned());
        let (mut a, mut b) = (Bytes::new(), Bytes::new());
        loop {
            if a.is_empty() {
                match left.next() {
                    Some(segment) => a = segment,
                    None => return true,
                }
            }
            if b.is_empty() {
                match right.next() {
                    Some(segment) => b = segment,
                    None => return true,
                }
            }
            let common = a.len().min(b.len());
            if a[..common] != b[..common] {
                return false;
            }
            a.advance(common);
            b.advance(common);
        }
    }
}

impl Eq for Payload {}

/// The shape only: content does not belong in logs.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes in {} segments)", self.len, self.segments.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Payload {
        [&b"abc"[..], b"", b"defgh", b"i"]
            .into_iter()
            .map(Bytes::from_static)
            .collect()
    }

    #[test]
    fn empty_segments_are_dropped() {
        assert_eq!(sample().segments().len(), 3);
        assert_eq!(sample().len(), 9);
    }

    #[test]
    fn splitting_anywhere_keeps_all_bytes_in_order() {
        for at in 0..=9 {
            let mut tail = sample();
            let head = tail.split_to(at);
            assert_eq!((head.len(), tail.len()), (at, 9 - at));
            let mut whole = head.to_vec();
            whole.extend(tail.to_vec());
            assert_eq!(whole, b"abcdefghi");
            assert!(
                head.segments()
                    .iter()
                    .chain(tail.segments())
                    .all(|segment| !segment.is_empty())
            );
        }
    }

    #[test]
    fn slicing_anywhere_equals_slicing_the_bytes() {
        for start in 0..=9 {
            for end in start..=9 {
                assert_eq!(sample().slice(start, end).to_vec(), &b"abcdefghi"[start..end]);
            }
        }
    }

    #[test]
    fn equality_ignores_segments() {
        assert_eq!(sample(), Payload::from(b"abcdefghi".to_vec()));
        assert_ne!(sample(), Payload::from(b"abcdefghj".to_vec()));
        assert_ne!(sample(), Payload::from(b"abcdefgh".to_vec()));
        assert_eq!(Payload::new(), Payload::zeroes(0));
    }

    #[test]
    fn zeroes_are_zero_and_share_memory() {
        let zeroes = Payload::zeroes(200_000);
        assert_eq!(zeroes.len(), 200_000);
        assert!(zeroes.is_zero());
        assert_eq!(zeroes.to_vec(), vec![0; 200_000]);
    }

    #[test]
    fn one_set_bit_anywhere_is_not_zero() {
        for at in [0, 1, 63, 64, 65, 127, 128, 199] {
            let mut data = vec![0; 200];
            data[at] = 0x80;
            assert!(!Payload::from(data).is_zero(), "bit at {at}");
        }
        assert!(Payload::from(vec![0; 200]).is_zero());
    }
}
