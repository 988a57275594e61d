//! Four lanes in one register of SSE2, which every x86-64 processor has.
//!
//! LLVM does not find these instructions reliably: written on `[u32; 4]`, the same steps cost a third more, or nearly three times
//! as much where it is told to optimise harder.

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_and_si128, _mm_andnot_si128, _mm_cvtsi32_si128, _mm_cvtsi128_si64, _mm_or_si128,
    _mm_set_epi32, _mm_set_epi64x, _mm_sll_epi32, _mm_srl_epi32, _mm_unpackhi_epi32, _mm_unpackhi_epi64,
    _mm_unpacklo_epi32, _mm_unpacklo_epi64, _mm_xor_si128,
};

use super::lanes::{BLOCK, Lanes};

/// Calls instructions of SSE2, which Rust takes for safe only in functions that name it in an attribute; those of a trait cannot.
macro_rules! sse2 {
    ($($code:tt)*) => {
        // SAFETY: SSE2 is part of x86-64, and these instructions touch no memory.
        unsafe { $($code)* }
    };
}

impl Lanes for __m128i {
    const LANES: usize = 4;

    #[inline(always)]
    fn from_lanes(word: impl Fn(usize) -> u32) -> Self {
        let (a, b, c, d) = (word(0) as i32, word(1) as i32, word(2) as i32, word(3) as i32);
        sse2! { _mm_set_epi32(d, c, b, a) }
    }

    #[inline(always)]
    fn lane(self, lane: usize) -> u32 {
        let halves = sse2! { [_mm_cvtsi128_si64(self), _mm_cvtsi128_si64(_mm_unpackhi_epi64(self, self))] };
        (halves[lane / 2] as u64 >> (lane % 2 * 32)) as u32
    }

    #[inline(always)]
    fn load(runs: &[&[[u8; BLOCK]]], at: usize) -> [Self; 16] {
        let mut words = [Self::from_lanes(|_| 0); 16];
        for (quarter, words) in words.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            // Four words of each message become one word of all four messages, four times.
            let row = |lane: usize| {
                let (pairs, _) = runs[lane][at].as_chunks();
                let (low, high) = (pairs[quarter * 2], pairs[quarter * 2 + 1]);
                let (low, high) = (i64::from_le_bytes(low), i64::from_le_bytes(high));
                sse2! { _mm_set_epi64x(high, low) }
            };
            let rows = [row(0), row(1), row(2), row(3)];
            *words = sse2! {
                let low = [_mm_unpacklo_epi32(rows[0], rows[1]), _mm_unpacklo_epi32(rows[2], rows[3])];
                let high = [_mm_unpackhi_epi32(rows[0], rows[1]), _mm_unpackhi_epi32(rows[2], rows[3])];
                [
                    _mm_unpacklo_epi64(low[0], low[1]),
                    _mm_unpackhi_epi64(low[0], low[1]),
                    _mm_unpacklo_epi64(high[0], high[1]),
                    _mm_unpackhi_epi64(high[0], high[1]),
                ]
            };
        }
        words
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        sse2! { _mm_add_epi32(self, other) }
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        sse2! { _mm_and_si128(self, other) }
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        sse2! { _mm_or_si128(self, other) }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        sse2! { _mm_xor_si128(self, other) }
    }

    #[inline(always)]
    fn not_and(self, other: Self) -> Self {
        sse2! { _mm_andnot_si128(self, other) }
    }

    #[inline(always)]
    fn rotate(self, bits: u32) -> Self {
        // The bits are known where this is inlined, and become part of the instruction.
        let (left, right) = (bits as i32, 32 - bits as i32);
        sse2! {
            let left = _mm_sll_epi32(self, _mm_cvtsi32_si128(left));
            let right = _mm_srl_epi32(self, _mm_cvtsi32_si128(right));
            _mm_or_si128(left, right)
        }
    }
}
