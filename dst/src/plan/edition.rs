//! Editions: what a seed means. A seed that is kept says of which edition it is.

use crate::dice::Dice;

/// How plans are drawn, and what the simulator may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Edition {
    /// As the older seeds in `seeds.txt` need it: who talks to whom and how much there is to do come from one generator, and
    /// so do the limits, clocks and kinds of all peers. What was invented since then does not happen.
    First,
    /// Each concern has a generator of its own for each peer or edge.
    Second,
    /// Two users write the same at once, some by clocks that are days ahead; two sessions race for the same; backups are as old
    /// as a run; slow are such peers as others ask; a server loses what a cluster lists; sessions of one client are twins; some
    /// repositories keep next to nothing in memory.
    #[default]
    Third,
}

impl Edition {
    /// As it is written.
    pub fn number(self) -> u64 {
        match self {
            Self::First => 1,
            Self::Second => 2,
            Self::Third => 3,
        }
    }

    /// Reads what [`Edition::number`] gives.
    pub fn of(number: u64) -> Option<Self> {
        [Self::First, Self::Second, Self::Third].into_iter().find(|edition| edition.number() == number)
    }
}

/// The generators of a group of things that a plan draws: each concern has its own, for each peer or edge; in the first
/// edition all of a group share one.
pub(crate) struct Draws {
    seed: u64,
    edition: Edition,
    dice: Dice,
}

impl Draws {
    /// Those of a group, which has a name in the first edition.
    pub(crate) fn new(seed: u64, edition: Edition, group: &str) -> Self {
        Self { seed, edition, dice: Dice::of(seed, group, 0) }
    }

    /// The generator of a concern, for a peer or edge.
    pub(crate) fn on(&mut self, concern: &str, number: usize) -> &mut Dice {
        if self.edition != Edition::First {
            self.dice = Dice::of(self.seed, concern, number as u64);
        }
        &mut self.dice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_draw_shifts_others_in_the_first_edition_only() {
        for (edition, shifts) in [(Edition::First, true), (Edition::Second, false), (Edition::Third, false)] {
            let after = |draws_before: u64| {
                let mut draws = Draws::new(7, edition, "group");
                let one = draws.on("one", 0);
                for _ in 0..draws_before {
                    one.bits();
                }
                draws.on("other", 0).bits()
            };
            assert_eq!(after(1) != after(2), shifts, "{edition:?}");
        }
    }
}
