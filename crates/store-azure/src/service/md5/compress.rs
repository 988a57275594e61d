//! The steps of MD5 (RFC 1321, 3.4), on as many messages as a word has lanes.

use super::lanes::{BLOCK, Lanes};

/// The state before the first block (RFC 1321, 3.3).
pub(super) const INITIAL: [u32; 4] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476];

/// `floor(2^32 * abs(sin(i + 1)))`, the table T of RFC 1321.
#[rustfmt::skip]
const TABLE: [u32; 64] = [
    0xD76A_A478, 0xE8C7_B756, 0x2420_70DB, 0xC1BD_CEEE, 0xF57C_0FAF, 0x4787_C62A, 0xA830_4613, 0xFD46_9501,
    0x6980_98D8, 0x8B44_F7AF, 0xFFFF_5BB1, 0x895C_D7BE, 0x6B90_1122, 0xFD98_7193, 0xA679_438E, 0x49B4_0821,
    0xF61E_2562, 0xC040_B340, 0x265E_5A51, 0xE9B6_C7AA, 0xD62F_105D, 0x0244_1453, 0xD8A1_E681, 0xE7D3_FBC8,
    0x21E1_CDE6, 0xC337_07D6, 0xF4D5_0D87, 0x455A_14ED, 0xA9E3_E905, 0xFCEF_A3F8, 0x676F_02D9, 0x8D2A_4C8A,
    0xFFFA_3942, 0x8771_F681, 0x6D9D_6122, 0xFDE5_380C, 0xA4BE_EA44, 0x4BDE_CFA9, 0xF6BB_4B60, 0xBEBF_BC70,
    0x289B_7EC6, 0xEAA1_27FA, 0xD4EF_3085, 0x0488_1D05, 0xD9D4_D039, 0xE6DB_99E5, 0x1FA2_7CF8, 0xC4AC_5665,
    0xF429_2244, 0x432A_FF97, 0xAB94_23A7, 0xFC93_A039, 0x655B_59C3, 0x8F0C_CC92, 0xFFEF_F47D, 0x8584_5DD1,
    0x6FA8_7E4F, 0xFE2C_E6E0, 0xA301_4314, 0x4E08_11A1, 0xF753_7E82, 0xBD3A_F235, 0x2AD7_D2BB, 0xEB86_D391,
];

/// What tells the four rounds apart, apart from their functions.
struct Round {
    number: usize,
    /// Step `i` takes word `factor * i + start`, modulo 16.
    factor: usize,
    start: usize,
    /// Bits to rotate by, over and over.
    rotate: [u32; 4],
}

#[rustfmt::skip]
const ROUNDS: [Round; 4] = [
    Round { number: 0, factor: 1, start: 0, rotate: [7, 12, 17, 22] },
    Round { number: 1, factor: 5, start: 1, rotate: [5, 9, 14, 20] },
    Round { number: 2, factor: 3, start: 5, rotate: [4, 11, 16, 23] },
    Round { number: 3, factor: 7, start: 0, rotate: [6, 10, 15, 21] },
];

/// The first `blocks` blocks of each lane's run; there are as many runs as lanes.
pub(super) fn compress<W: Lanes>(state: &mut [W; 4], runs: &[&[[u8; BLOCK]]], blocks: usize) {
    let [f, g, h, i] = ROUNDS;
    for at in 0..blocks {
        let words = W::load(runs, at);
        let mut now = *state;
        now = f.steps(now, &words, add_f);
        now = g.steps(now, &words, add_g);
        now = h.steps(now, &words, add_h);
        now = i.steps(now, &words, add_i);
        for (sum, now) in state.iter_mut().zip(now) {
            *sum = sum.add(now);
        }
    }
}

// The functions F, G, H and I of b, c and d, added to a sum. Not closures: those are too long to be inlined everywhere.

#[inline(always)]
fn add_f<W: Lanes>(sum: W, b: W, c: W, d: W) -> W {
    sum.add(d.xor(b.and(c.xor(d))))
}

/// Added in this order, and not with an "or", only the last addition has to wait for `b`.
#[inline(always)]
fn add_g<W: Lanes>(sum: W, b: W, c: W, d: W) -> W {
    sum.add(d.not_and(c)).add(d.and(b))
}

#[inline(always)]
fn add_h<W: Lanes>(sum: W, b: W, c: W, d: W) -> W {
    sum.add(b.xor(c.xor(d)))
}

#[inline(always)]
fn add_i<W: Lanes>(sum: W, b: W, c: W, d: W) -> W {
    let ones = W::from_lanes(|_| !0);
    sum.add(c.xor(b.or(d.xor(ones))))
}

impl Round {
    /// The sixteen steps of a round; `add` adds its function of b, c and d to a sum.
    ///
    /// Written out, so that every index and every shift is a constant in the code that comes out.
    #[inline(always)]
    fn steps<W: Lanes>(&self, mut s: [W; 4], words: &[W; 16], add: impl Fn(W, W, W, W) -> W + Copy) -> [W; 4] {
        s = self.step(s, words, 0, add);
        s = self.step(s, words, 1, add);
        s = self.step(s, words, 2, add);
        s = self.step(s, words, 3, add);
        s = self.step(s, words, 4, add);
        s = self.step(s, words, 5, add);
        s = self.step(s, words, 6, add);
        s = self.step(s, words, 7, add);
        s = self.step(s, words, 8, add);
        s = self.step(s, words, 9, add);
        s = self.step(s, words, 10, add);
        s = self.step(s, words, 11, add);
        s = self.step(s, words, 12, add);
        s = self.step(s, words, 13, add);
        s = self.step(s, words, 14, add);
        self.step(s, words, 15, add)
    }

    #[inline(always)]
    fn step<W: Lanes>(&self, [a, b, c, d]: [W; 4], words: &[W; 16], i: usize, add: impl Fn(W, W, W, W) -> W) -> [W; 4] {
        let word = words[(self.factor * i + self.start) % 16];
        let constant = W::from_lanes(|_| TABLE[self.number * 16 + i]);
        let sum = add(a.add(word.add(constant)), b, c, d);
        [d, b.add(sum.rotate(self.rotate[i % 4])), b, c]
    }
}
