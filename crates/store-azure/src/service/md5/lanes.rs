//! A word that holds one 32-bit word of each of several messages.

/// Bytes of a block (RFC 1321, 3.4).
pub(super) const BLOCK: usize = 64;

/// One 32-bit word of each of [`LANES`](Self::LANES) messages. Every operation acts on all of them alike.
///
/// MD5 is a chain in which each step waits for the one before. A processor that works on several chains at once is idle less
/// often, and one with vector instructions takes all of them on with one instruction.
pub(super) trait Lanes: Copy {
    /// How many messages.
    const LANES: usize;

    /// The word of each lane.
    fn from_lanes(word: impl Fn(usize) -> u32) -> Self;

    /// The word of one lane.
    fn lane(self, lane: usize) -> u32;

    /// The sixteen words of block `at` of each lane's run of blocks; there are [`LANES`](Self::LANES) runs.
    fn load(runs: &[&[[u8; BLOCK]]], at: usize) -> [Self; 16];

    fn add(self, other: Self) -> Self;

    fn and(self, other: Self) -> Self;

    fn or(self, other: Self) -> Self;

    fn xor(self, other: Self) -> Self;

    /// `!self & other`, which most processors have as one instruction.
    fn not_and(self, other: Self) -> Self;

    /// Rotates to the left by 1 to 31 bits.
    fn rotate(self, bits: u32) -> Self;
}

impl Lanes for u32 {
    const LANES: usize = 1;

    #[inline(always)]
    fn from_lanes(word: impl Fn(usize) -> u32) -> Self {
        word(0)
    }

    #[inline(always)]
    fn lane(self, _: usize) -> u32 {
        self
    }

    #[inline(always)]
    fn load(runs: &[&[[u8; BLOCK]]], at: usize) -> [Self; 16] {
        let (words, _) = runs[0][at].as_chunks();
        std::array::from_fn(|word| Self::from_le_bytes(words[word]))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        self & other
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        self | other
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        self ^ other
    }

    #[inline(always)]
    fn not_and(self, other: Self) -> Self {
        !self & other
    }

    #[inline(always)]
    fn rotate(self, bits: u32) -> Self {
        self.rotate_left(bits)
    }
}

/// Two words side by side: their chains are independent, so that a processor works on one while the other waits.
///
/// Fields and not an array: the compiler keeps them in registers at every level of optimisation.
#[derive(Clone, Copy)]
pub(super) struct Pair<W>(W, W);

impl<W: Lanes> Lanes for Pair<W> {
    const LANES: usize = W::LANES * 2;

    #[inline(always)]
    fn from_lanes(word: impl Fn(usize) -> u32) -> Self {
        Self(W::from_lanes(&word), W::from_lanes(|lane| word(W::LANES + lane)))
    }

    #[inline(always)]
    fn lane(self, lane: usize) -> u32 {
        if lane < W::LANES {
            self.0.lane(lane)
        } else {
            self.1.lane(lane - W::LANES)
        }
    }

    #[inline(always)]
    fn load(runs: &[&[[u8; BLOCK]]], at: usize) -> [Self; 16] {
        let (first, second) = (W::load(runs, at), W::load(&runs[W::LANES..], at));
        let mut words = [Self(first[0], second[0]); 16];
        for (word, pair) in words.iter_mut().enumerate() {
            *pair = Self(first[word], second[word]);
        }
        words
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(self.0.add(other.0), self.1.add(other.1))
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(self.0.and(other.0), self.1.and(other.1))
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(self.0.or(other.0), self.1.or(other.1))
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(self.0.xor(other.0), self.1.xor(other.1))
    }

    #[inline(always)]
    fn not_and(self, other: Self) -> Self {
        Self(self.0.not_and(other.0), self.1.not_and(other.1))
    }

    #[inline(always)]
    fn rotate(self, bits: u32) -> Self {
        Self(self.0.rotate(bits), self.1.rotate(bits))
    }
}
