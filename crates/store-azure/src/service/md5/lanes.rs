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

/// Several words side by side: their chains are independent, so that a processor works on them in turns.
impl<W: Lanes, const N: usize> Lanes for [W; N] {
    const LANES: usize = W::LANES * N;

    #[inline(always)]
    fn from_lanes(word: impl Fn(usize) -> u32) -> Self {
        std::array::from_fn(|part| W::from_lanes(|lane| word(part * W::LANES + lane)))
    }

    #[inline(always)]
    fn lane(self, lane: usize) -> u32 {
        self[lane / W::LANES].lane(lane % W::LANES)
    }

    #[inline(always)]
    fn load(runs: &[&[[u8; BLOCK]]], at: usize) -> [Self; 16] {
        let parts: [[W; 16]; N] = std::array::from_fn(|part| W::load(&runs[part * W::LANES..], at));
        std::array::from_fn(|word| std::array::from_fn(|part| parts[part][word]))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        std::array::from_fn(|part| self[part].add(other[part]))
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        std::array::from_fn(|part| self[part].and(other[part]))
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        std::array::from_fn(|part| self[part].or(other[part]))
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        std::array::from_fn(|part| self[part].xor(other[part]))
    }

    #[inline(always)]
    fn not_and(self, other: Self) -> Self {
        std::array::from_fn(|part| self[part].not_and(other[part]))
    }

    #[inline(always)]
    fn rotate(self, bits: u32) -> Self {
        std::array::from_fn(|part| self[part].rotate(bits))
    }
}
