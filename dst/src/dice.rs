//! Chance, decided by the seed: every site has a generator of its own for each turn (an action, a session, a message),
//! so that one more draw in one place, or a turn that is left out, shifts no other. No floats: chances are ratios.

use std::fmt;
use std::str::FromStr;

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

/// Which of those that a site decides about: an action, a session, a message of a session. It is written `3`, `3.2`
/// or `3.2.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Turn {
    /// Which action, session, peer.
    pub number: u64,
    /// Which request of the session, or the reply to which; else 0.
    pub part: u64,
    /// Which copy of that message; else 0.
    pub copy: u64,
}

impl From<u64> for Turn {
    fn from(number: u64) -> Self {
        Self { number, ..Self::default() }
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { number, part: 0, copy: 0 } => write!(f, "{number}"),
            Self { number, part, copy: 0 } => write!(f, "{number}.{part}"),
            Self { number, part, copy } => write!(f, "{number}.{part}.{copy}"),
        }
    }
}

impl FromStr for Turn {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, '.');
        let mut next = || parts.next().map_or(Ok(0), str::parse);
        Ok(Self { number: next()?, part: next()?, copy: next()? })
    }
}

/// The generator of one turn at one site (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The generator of a site under a seed, for one turn.
    pub fn of(seed: u64, site: &str, turn: impl Into<Turn>) -> Self {
        let Turn { number, part, copy } = turn.into();
        let mut dice = Self(fnv(FNV_START, site.as_bytes()));
        for number in [number, part, copy] {
            dice.0 = fnv(dice.0, &number.to_le_bytes());
        }
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
    fn a_turn_is_read_as_it_is_written() {
        for (number, part, copy, text) in
            [(3, 0, 0, "3"), (3, 2, 0, "3.2"), (3, 2, 1, "3.2.1"), (3, 0, 1, "3.0.1")]
        {
            let turn = Turn { number, part, copy };
            assert_eq!(turn.to_string(), text);
            assert_eq!(text.parse(), Ok(turn));
        }
        for text in ["", "x", "1.", "1.2.3.4", "-1", "1..2"] {
            assert!(text.parse::<Turn>().is_err(), "{text}");
        }
    }

    #[test]
    fn seeds_and_sites_differ() {
        let first = |seed, site, index: u64| Dice::of(seed, site, index).bits();
        let copy = Dice::of(1, "a", Turn { copy: 1, ..Turn::default() }).bits();
        let all = [first(1, "a", 0), first(2, "a", 0), first(1, "b", 0), first(1, "a", 1), copy];
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
