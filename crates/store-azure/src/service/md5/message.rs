//! A payload as MD5 sees it: runs of blocks, with the end that RFC 1321 puts behind the data.

use block::Payload;

use super::{compress::INITIAL, lanes::BLOCK};

/// An MD5 sum (RFC 1321, 3.5).
pub type Digest = [u8; 16];

/// A payload that is being summed. Holds the payload itself; nothing but blocks that lie across the border of two segments,
/// and the last one or two, is copied.
#[derive(Debug)]
pub(super) struct Message {
    data: Payload,
    /// Segment to go on in, and how many of its bytes are behind us.
    segment: usize,
    at: usize,
    state: [u32; 4],
    /// Blocks put together here, `edge.0 .. edge.1` of them yet to be summed.
    edges: [[u8; BLOCK]; 2],
    edge: (usize, usize),
    /// The last block is in `edges`, or summed already.
    ended: bool,
}

impl Message {
    pub(super) fn new(data: Payload) -> Self {
        let mut message = Self {
            data,
            segment: 0,
            at: 0,
            state: INITIAL,
            edges: [[0; BLOCK]; 2],
            edge: (0, 0),
            ended: false,
        };
        message.find_run();
        message
    }

    /// Whether all of it is summed.
    pub(super) fn is_done(&self) -> bool {
        self.ended && self.edge.0 == self.edge.1
    }

    /// The sum, once it is done.
    pub(super) fn digest(&self) -> Digest {
        let mut digest = Digest::default();
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(self.state) {
            *bytes = word.to_le_bytes();
        }
        digest
    }

    pub(super) fn state(&self) -> [u32; 4] {
        self.state
    }

    /// The blocks that come next and lie in one piece: at least one, unless it is done.
    pub(super) fn run(&self) -> &[[u8; BLOCK]] {
        if self.edge.0 < self.edge.1 {
            &self.edges[self.edge.0..self.edge.1]
        } else {
            self.rest().as_chunks().0
        }
    }

    /// Takes note that the first `blocks` of the [`run`](Self::run) led to `state`.
    pub(super) fn advance(&mut self, blocks: usize, state: [u32; 4]) {
        self.state = state;
        if self.edge.0 < self.edge.1 {
            self.edge.0 += blocks;
        } else {
            self.at += blocks * BLOCK;
        }
        if self.edge.0 == self.edge.1 && !self.ended {
            self.find_run();
        }
    }

    /// What is left of the segment.
    fn rest(&self) -> &[u8] {
        self.data
            .segments()
            .get(self.segment)
            .map_or(&[], |segment| &segment[self.at..])
    }

    /// Sees to it that there is a run: in a segment, or put together out of several, or the end.
    fn find_run(&mut self) {
        let mut filled = 0;
        while self.segment < self.data.segments().len() {
            if filled == 0 && self.rest().len() >= BLOCK {
                return;
            }
            let rest = &self.data.segments()[self.segment][self.at..];
            let part = rest.len().min(BLOCK - filled);
            self.edges[0][filled..filled + part].copy_from_slice(&rest[..part]);
            filled += part;
            if part == rest.len() {
                self.segment += 1;
                self.at = 0;
            } else {
                self.at += part;
            }
            if filled == BLOCK {
                self.edge = (0, 1);
                return;
            }
        }
        self.end(filled);
    }

    /// Puts the end behind the last `filled` bytes: a bit, zeroes, and the length in bits (RFC 1321, 3.1 and 3.2).
    fn end(&mut self, filled: usize) {
        let bytes = self.edges.as_flattened_mut();
        bytes[filled] = 0x80;
        bytes[filled + 1..].fill(0);
        let blocks = if filled + 1 + 8 <= BLOCK { 1 } else { 2 };
        let bits = (self.data.len() as u64).wrapping_mul(8);
        bytes[blocks * BLOCK - 8..blocks * BLOCK].copy_from_slice(&bits.to_le_bytes());
        self.edge = (0, blocks);
        self.ended = true;
    }
}

impl AsMut<Self> for Message {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}
