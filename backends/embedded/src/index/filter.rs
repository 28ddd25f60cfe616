//! A set of hashes that may say yes wrongly, and never no: a Bloom filter in blocks of one cache line
//! (Putze, Sanders, Singler 2007). Unlike filters built of fingerprints it is filled while a run is
//! merged, without holding the run's hashes in memory. At 12 bits a hash about 1 of 200 foreign hashes
//! passes. Each filter has a salt: runs of the same ids would otherwise let the same foreign hashes pass,
//! and one look-up would read a block of each.

use super::bytes::{Input, to_u64, to_usize};
use super::hash::mix;

const BITS_PER_HASH: u64 = 12;
const PROBES: u32 = 7;
const LINE_WORDS: usize = 8;
const LINE_BITS: u64 = 512;

#[derive(Debug)]
pub(super) struct Filter {
    words: Box<[u64]>,
    salt: u64,
}

impl Filter {
    /// An empty filter for `hashes` hashes.
    pub(super) fn for_hashes(hashes: u64, salt: u64) -> Self {
        let words = to_usize(Self::bytes_for(hashes)) / size_of::<u64>();
        Self { words: vec![0; words].into(), salt }
    }

    /// How many bytes a filter for `hashes` hashes has.
    pub(super) fn bytes_for(hashes: u64) -> u64 {
        let lines = hashes.saturating_mul(BITS_PER_HASH).div_ceil(LINE_BITS).max(1);
        lines.saturating_mul(LINE_BITS / 8)
    }

    /// The filter of this salt that [`Filter::to_bytes`] made `bytes` of.
    pub(super) fn from_bytes(bytes: &[u8], salt: u64) -> Option<Self> {
        let mut input = Input::new(bytes);
        let words: Vec<u64> = std::iter::from_fn(|| input.u64()).collect();
        let whole = input.len() == 0 && !words.is_empty() && words.len().is_multiple_of(LINE_WORDS);
        whole.then(|| Self { words: words.into(), salt })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub(super) fn insert(&mut self, hash: u64) {
        let hash = mix(hash ^ self.salt);
        let line = self.line_of(hash);
        for probe in probes(hash) {
            if let Some(word) = self.words.get_mut(line + probe.word) {
                *word |= probe.bit;
            }
        }
    }

    /// Whether `hash` may be in the set.
    pub(super) fn contains(&self, hash: u64) -> bool {
        let hash = mix(hash ^ self.salt);
        let line = self.line_of(hash);
        probes(hash).all(|probe| {
            self.words.get(line + probe.word).is_some_and(|word| word & probe.bit != 0)
        })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.words)
    }

    /// The first word of the line of a salted `hash`: its upper half, scaled to the lines.
    fn line_of(&self, hash: u64) -> usize {
        let lines = to_u64(self.words.len() / LINE_WORDS);
        to_usize((hash >> 32).wrapping_mul(lines) >> 32) * LINE_WORDS
    }
}

struct Probe {
    word: usize,
    bit: u64,
}

/// The bits of a salted `hash` in its line: nine bits of a second hash each.
fn probes(hash: u64) -> impl Iterator<Item = Probe> {
    let bits = mix(hash.rotate_left(32));
    (0..PROBES).map(move |probe| {
        let place = (bits >> (9 * probe)) & (LINE_BITS - 1);
        Probe { word: to_usize(place >> 6), bit: 1 << (place & 63) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_and_little_else() {
        let mut filter = Filter::for_hashes(20_000, 1);
        (0..20_000).for_each(|number| filter.insert(mix(number)));
        assert!((0..20_000).all(|number| filter.contains(mix(number))));
        let wrong = (20_000..120_000).filter(|number| filter.contains(mix(*number))).count();
        assert!(wrong < 1_000, "{wrong} of 100,000 foreign hashes pass");
    }

    #[test]
    fn filters_of_the_same_hashes_let_different_ones_pass() {
        let filters: Vec<Filter> = (0..6)
            .map(|salt| {
                let mut filter = Filter::for_hashes(20_000, salt);
                (0..20_000).for_each(|number| filter.insert(mix(number)));
                filter
            })
            .collect();
        let passed = |number: &u64| filters.iter().filter(|f| f.contains(mix(*number))).count();
        let most = (20_000..120_000).map(|number| passed(&number)).max().unwrap();
        assert!(most <= 3, "a foreign hash passes {most} of 6 filters");
    }

    #[test]
    fn bytes_come_back_and_others_are_refused() {
        let mut filter = Filter::for_hashes(100, 1);
        filter.insert(mix(1));
        let bytes = filter.to_bytes();
        assert!(Filter::from_bytes(&bytes, 1).unwrap().contains(mix(1)));
        assert!(Filter::from_bytes(&bytes[1..], 1).is_none());
        assert!(Filter::from_bytes(&[], 1).is_none());
    }
}
