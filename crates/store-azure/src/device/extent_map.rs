//! Which parts of a blob may hold data, in bounded memory.

use std::collections::BTreeMap;

/// Most ranges that are kept; some 40 bytes each.
const MAX_RANGES: usize = 16 << 10;

/// The parts of a blob that may hold data. What is not among them, below [`known_to`](Self::known_to), reads as
/// zeroes for certain.
///
/// Kept by the one writer of a blob: it marks data *before* it sends a write and holes *after* a clear completed, so
/// that the map always covers at least what holds data. When there are too many ranges it gets coarser: small holes
/// are forgotten, never data.
#[derive(Debug)]
pub(crate) struct ExtentMap {
    /// Start to end; disjoint, not touching, aligned to `granularity`.
    data: BTreeMap<u64, u64>,
    granularity: u64,
    known_to: u64,
    max_ranges: usize,
}

/// A run of one kind: start, end, may hold data.
pub(crate) type Run = (u64, u64, bool);

impl ExtentMap {
    pub(crate) fn new() -> Self {
        Self {
            data: BTreeMap::new(),
            granularity: 512,
            known_to: 0,
            max_ranges: MAX_RANGES,
        }
    }

    /// Everything below is known.
    pub(crate) fn known_to(&self) -> u64 {
        self.known_to
    }

    pub(crate) fn set_known_to(&mut self, to: u64) {
        self.known_to = to;
    }

    /// From here on data may be in the range.
    pub(crate) fn mark_data(&mut self, start: u64, end: u64) {
        let mut start = start / self.granularity * self.granularity;
        let mut end = end.div_ceil(self.granularity) * self.granularity;
        if let Some((&before, &to)) = self.data.range(..=start).next_back() {
            if to >= end {
                return;
            }
            if to >= start {
                start = before;
            }
        }
        while let Some((&from, &to)) = self.data.range(start..=end).next() {
            end = end.max(to);
            self.data.remove(&from);
        }
        self.data.insert(start, end);
        while self.data.len() > self.max_ranges {
            self.coarsen();
        }
    }

    /// The range is zeroes now.
    pub(crate) fn mark_hole(&mut self, start: u64, end: u64) {
        let start = start.div_ceil(self.granularity) * self.granularity;
        let end = end / self.granularity * self.granularity;
        if start >= end {
            return;
        }
        if let Some((&from, &to)) = self.data.range(..start).next_back()
            && to > start
        {
            self.data.insert(from, start);
            if to > end {
                self.data.insert(end, to);
            }
        }
        while let Some((&from, &to)) = self.data.range(start..end).next() {
            self.data.remove(&from);
            if to > end {
                self.data.insert(end, to);
            }
        }
        while self.data.len() > self.max_ranges {
            self.coarsen();
        }
    }

    /// The blob has another length: what was cut off is gone, new space is zeroes.
    pub(crate) fn resize(&mut self, old: u64, new: u64) {
        if new < old {
            // Cut exactly, whatever the granularity: nothing beyond the end is ever asked for again as data.
            let _beyond = self.data.split_off(&new);
            if let Some(mut last) = self.data.last_entry()
                && *last.get() > new
            {
                last.insert(new.div_ceil(self.granularity) * self.granularity);
            }
            self.known_to = self.known_to.min(new);
        } else if self.known_to >= old {
            self.known_to = new;
        }
    }

    fn coarsen(&mut self) {
        self.granularity *= 2;
        let old = std::mem::take(&mut self.data);
        let mut last: Option<(u64, u64)> = None;
        for (start, end) in old {
            let start = start / self.granularity * self.granularity;
            let end = end.div_ceil(self.granularity) * self.granularity;
            match &mut last {
                Some((_, last_end)) if start <= *last_end => *last_end = end.max(*last_end),
                _ => {
                    self.data.extend(last.replace((start, end)));
                }
            }
        }
        self.data.extend(last);
    }

    /// Whether the whole range reads as zeroes for certain.
    pub(crate) fn is_hole(&self, start: u64, end: u64) -> bool {
        end <= self.known_to && self.data.range(..end).next_back().is_none_or(|(_, &to)| to <= start)
    }

    /// The range as runs; holes shorter than `least` count as data, and so does what is not known.
    pub(crate) fn runs(&self, start: u64, end: u64, least: u64, max: usize) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let mut at = start;
        while at < end && runs.len() < max {
            let run = self.run_at(at, end);
            at = run.1;
            match runs.last_mut() {
                Some(last) if last.2 == run.2 => last.1 = run.1,
                _ => runs.push(run),
            }
        }
        let mut merged: Vec<Run> = Vec::with_capacity(runs.len());
        for mut run in runs {
            run.2 = run.2 || run.1 - run.0 < least;
            match merged.last_mut() {
                Some(last) if last.2 == run.2 => last.1 = run.1,
                _ => merged.push(run),
            }
        }
        merged
    }

    fn run_at(&self, at: u64, end: u64) -> Run {
        if let Some((_, &to)) = self.data.range(..=at).next_back()
            && to > at
        {
            return (at, to.min(end), true);
        }
        if at >= self.known_to {
            return (at, end, true);
        }
        let next = self.data.range(at..end).next().map_or(end, |(&from, _)| from);
        (at, next.min(end).min(self.known_to), false)
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    const SIZE: u64 = 512 * 256;

    fn known() -> ExtentMap {
        let mut map = ExtentMap::new();
        map.set_known_to(SIZE);
        map
    }

    #[test]
    fn what_is_unknown_is_data() {
        let mut map = ExtentMap::new();
        assert_eq!(map.runs(0, 1024, 0, 9), [(0, 1024, true)]);
        map.set_known_to(512);
        assert_eq!(map.runs(0, 1024, 0, 9), [(0, 512, false), (512, 1024, true)]);
        assert!(map.is_hole(0, 512) && !map.is_hole(0, 1024));
    }

    #[test]
    fn small_holes_are_not_worth_a_request() {
        let mut map = known();
        map.mark_data(0, 512);
        map.mark_data(1024, 1536);
        assert_eq!(map.runs(0, 8192, 1024, 9), [(0, 1536, true), (1536, 8192, false)]);
        assert_eq!(map.runs(0, 8192, 0, 9).len(), 4);
    }

    /// Thousands of marks against an array: never a hole where the model has data; exact while nothing was coarsened.
    #[test]
    fn the_map_agrees_with_a_model() {
        for (seed, max_ranges) in [(1, MAX_RANGES), (2, MAX_RANGES), (3, 8), (4, 3)] {
            let mut random = StdRng::seed_from_u64(seed);
            let mut map = known();
            map.max_ranges = max_ranges;
            let mut model = [false; 256];
            for _ in 0..5000 {
                let from = random.random_range(0..256usize);
                let to = random.random_range(from..=256usize.min(from + 20));
                let data = random.random_bool(0.5);
                if from < to {
                    model[from..to].fill(data);
                    let (start, end) = (from as u64 * 512, to as u64 * 512);
                    if data {
                        map.mark_data(start, end)
                    } else {
                        map.mark_hole(start, end)
                    }
                }
                assert!(map.data.len() <= max_ranges);
                let mut at = 0;
                for (start, end, may_be_data) in map.runs(0, SIZE, 0, usize::MAX) {
                    assert_eq!(start, at);
                    at = end;
                    let sectors = &model[(start / 512) as usize..(end / 512) as usize];
                    assert!(may_be_data || sectors.iter().all(|set| !set), "seed {seed}");
                    if map.granularity == 512 {
                        assert!(sectors.iter().all(|set| *set == may_be_data), "seed {seed}");
                    }
                    assert_eq!(map.is_hole(start, end), !may_be_data);
                }
                assert_eq!(at, SIZE);
            }
        }
    }

    #[test]
    fn resizing_cuts_and_adds_holes() {
        let mut map = known();
        map.mark_data(0, SIZE);
        map.resize(SIZE, 1024);
        map.resize(1024, 4096);
        assert_eq!(map.runs(0, 4096, 0, 9), [(0, 1024, true), (1024, 4096, false)]);
    }
}
