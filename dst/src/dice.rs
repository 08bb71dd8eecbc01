//! Chance, decided by the seed: every site has a generator of its own, so that one more draw in one place shifts
//! no other. No floats: chances are ratios.

use std::collections::BTreeMap;

/// A chance of `part` in `whole`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    /// How often.
    pub part: u64,
    /// Of how many.
    pub whole: u64,
}

impl Ratio {
    /// Never.
    pub const NEVER: Self = Self::new(0, 1);

    /// `part` in `whole`, which is at least 1.
    pub const fn new(part: u64, whole: u64) -> Self {
        Self { part, whole }
    }
}

/// The generator of one site (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The generator of a site under a seed; `index` tells sites of one name apart.
    pub fn of(seed: u64, site: &str, index: u64) -> Self {
        let mut dice = Self(fnv(fnv(FNV_START, site.as_bytes()), &index.to_le_bytes()));
        dice.0 ^= Self(seed).bits();
        dice
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        assert!(end > 0, "nothing to choose from");
        self.bits() % end
    }

    /// A number from `first` to `last`, both included.
    pub fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    /// A place in something of this length, which is at least 1.
    pub fn place(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// Whether what has this chance happens.
    pub fn hits(&mut self, ratio: Ratio) -> bool {
        self.below(ratio.whole) < ratio.part
    }

    /// One of `items`, of which there is at least one.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.place(items.len())]
    }
}

/// The generators of all sites of one run.
#[derive(Debug)]
pub struct Cup {
    seed: u64,
    dice: BTreeMap<(&'static str, usize), Dice>,
}

impl Cup {
    /// All sites under a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, dice: BTreeMap::new() }
    }

    /// The generator of a site.
    pub fn at(&mut self, site: &'static str, index: usize) -> &mut Dice {
        self.dice.entry((site, index)).or_insert_with(|| Dice::of(self.seed, site, index as u64))
    }
}

/// Where a hash begins.
pub(crate) const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// Hashes more bytes (FNV-1a).
pub(crate) fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_at_one_site_shifts_no_other() {
        let (mut one, mut other) = (Cup::new(7), Cup::new(7));
        one.at("net", 1).bits();
        assert_eq!(one.at("work", 1).bits(), other.at("work", 1).bits());
        assert_eq!(one.at("net", 2).bits(), other.at("net", 2).bits());
        assert_ne!(one.at("net", 1).bits(), other.at("net", 1).bits());
    }

    #[test]
    fn seeds_and_sites_differ() {
        let first = |seed, site, index| Dice::of(seed, site, index).bits();
        let all = [first(1, "a", 0), first(2, "a", 0), first(1, "b", 0), first(1, "a", 1)];
        let distinct: std::collections::BTreeSet<u64> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn a_ratio_is_about_as_frequent_as_it_says() {
        let mut dice = Dice::of(3, "ratio", 0);
        let hits = (0..10_000).filter(|_| dice.hits(Ratio::new(1, 4))).count();
        assert!((2_300..2_700).contains(&hits), "{hits}");
        assert!(!(0..100).any(|_| dice.hits(Ratio::NEVER)));
    }
}
