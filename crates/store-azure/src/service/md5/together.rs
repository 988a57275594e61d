//! Several messages in step.

use super::{
    compress::compress,
    lanes::{BLOCK, Lanes, Pair},
    message::Message,
};

#[cfg(target_arch = "x86_64")]
type Four = std::arch::x86_64::__m128i;
#[cfg(not(target_arch = "x86_64"))]
type Four = Pair<Pair<u32>>;

/// So many messages are worth summing together on this kind of processor; measured, see `docs/decisions/0007`.
pub(super) const LANES: usize = if cfg!(target_arch = "x86_64") { 8 } else { 1 };

/// Most blocks of each message in one step: 16 KiB. Between steps others may join, and leave.
const STEP: usize = 256;

/// How many messages are summed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// One: no more than what every processor can do.
    One,
    /// Two.
    Two,
    /// Four.
    Four,
    /// Eight.
    Eight,
}

impl Width {
    /// What suits so many messages best, on this kind of processor.
    pub(super) fn of(messages: usize) -> Self {
        match messages {
            0 | 1 => Self::One,
            2 => Self::Two,
            3 | 4 => Self::Four,
            _ => Self::Eight,
        }
    }

    /// How many that is.
    #[must_use]
    pub fn lanes(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
            Self::Eight => 8,
        }
    }
}

/// Takes messages on by some blocks, the same number each. None of them may be done; there are one to `width`.
pub(super) fn advance(messages: &mut [impl AsMut<Message>], width: Width) {
    match width {
        Width::One => advance_as::<u32, 1>(messages),
        Width::Two => advance_as::<Pair<u32>, 2>(messages),
        Width::Four => advance_as::<Four, 4>(messages),
        Width::Eight => advance_as::<Pair<Four>, 8>(messages),
    }
}

/// `N` is `W::LANES`, which cannot be the length of an array yet.
fn advance_as<W: Lanes, const N: usize>(messages: &mut [impl AsMut<Message>]) {
    const { assert!(N == W::LANES) };
    let count = messages.len();
    let mut states = [[0; 4]; N];
    let mut blocks = STEP;
    {
        // An empty lane sums what the first one sums, for nothing.
        let mut runs: [&[[u8; BLOCK]]; N] = [&[]; N];
        for (lane, message) in messages.iter_mut().enumerate() {
            let message: &Message = message.as_mut();
            runs[lane] = message.run();
            states[lane] = message.state();
            blocks = blocks.min(runs[lane].len());
        }
        let first = runs[0];
        runs[count..].fill(first);
        let mut words: [W; 4] = std::array::from_fn(|word| W::from_lanes(|lane| states[lane][word]));
        compress(&mut words, &runs, blocks);
        states = std::array::from_fn(|lane| words.map(|word| word.lane(lane)));
    }
    for (message, state) in messages.iter_mut().zip(states) {
        message.as_mut().advance(blocks, state);
    }
}

#[cfg(test)]
mod tests {
    use ::md5::{Digest, Md5};
    use block::Payload;
    use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};

    use super::{super::digests, *};

    const WIDTHS: [Width; 4] = [Width::One, Width::Two, Width::Four, Width::Eight];

    fn check(payloads: &[Payload]) {
        let expected: Vec<[u8; 16]> = payloads.iter().map(|data| Md5::digest(data.to_vec()).into()).collect();
        for width in WIDTHS {
            assert_eq!(digests(payloads, width), expected, "{width:?}: {payloads:?}");
        }
    }

    #[test]
    fn every_short_length_in_every_lane() {
        let mut numbers = StdRng::seed_from_u64(1);
        let payloads: Vec<Payload> = (0..300)
            .map(|len| {
                let mut data = vec![0; len];
                numbers.fill_bytes(&mut data);
                data.into()
            })
            .collect();
        // Neighbours are summed together: once each with the next longer ones, once with shorter ones before them.
        check(&payloads);
        check(&payloads.iter().rev().cloned().collect::<Vec<_>>());
        check(&payloads[3..]);
    }

    #[test]
    fn any_length_in_any_segments() {
        let mut numbers = StdRng::seed_from_u64(2);
        for _ in 0..20 {
            let payloads: Vec<Payload> = (0..numbers.random_range(1..=9))
                .map(|_| {
                    let mut data = vec![0; numbers.random_range(0..30_000)];
                    numbers.fill_bytes(&mut data);
                    let mut data = Payload::from(data);
                    let mut payload = Payload::new();
                    let longest = [3, 70, 1500, 20_000][numbers.random_range(0..4)];
                    while !data.is_empty() {
                        payload.append(data.split_to(numbers.random_range(1..=longest).min(data.len())));
                    }
                    payload
                })
                .collect();
            check(&payloads);
        }
    }
}
