//! Editions: what a seed means. A seed that is kept says of which edition it is.

use std::fmt;

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
    Third,
    /// Peers die at commits, too; files that are dated far ahead are written at once among any number of peers, and some runs
    /// have up to ten; tables and locks stay where a peer is like stock, among the others.
    /// A false delta may come without its source, and its sender be gone; users of peers like stock write all that stock knows;
    /// cards between peers that are not like stock are altered though others are. Peers like stock shun what is about to come, replies leave
    /// out which project they are of, and the empty content is private, too. Rare choices, deaths within a half-round and
    /// rivals depend on the half-round alone, and not on the time.
    Fourth,
    /// A fork between two peers is tried over one edge after the other until they have a check-in in common, and all edges
    /// between two sides are cut for it. Some contents exceed a budget however small they get, the ends of some
    /// chains write the same file by clocks that are days ahead, peers die at a third commit, sessions of a life before stand in no
    /// session's way, and settings and users change where a peer is like stock, among the others.
    Fifth,
    /// A user who merges takes another check-in than the one that is gone on from, if there is any, and what a fork left is merged
    /// by somebody who got both.
    Sixth,
    /// Users write tens of rows at once, many of them by a clock that is days ahead, where little fits into a message; a disk
    /// fills up just where a new table and its rows come; one client gives a server, an artifact at a time, what another one asks it
    /// for in the same way; more clones go by names where nobody may clone, and a reply to one may leave out the project.
    Seventh,
    /// A request of which nothing comes to a server like stock is answered as an empty one is, and such requests are more.
    #[default]
    Eighth,
}

impl Edition {
    /// All of them, the oldest first.
    pub const ALL: [Self; 8] = [
        Self::First,
        Self::Second,
        Self::Third,
        Self::Fourth,
        Self::Fifth,
        Self::Sixth,
        Self::Seventh,
        Self::Eighth,
    ];

    /// As it is written.
    pub fn number(self) -> u64 {
        match self {
            Self::First => 1,
            Self::Second => 2,
            Self::Third => 3,
            Self::Fourth => 4,
            Self::Fifth => 5,
            Self::Sixth => 6,
            Self::Seventh => 7,
            Self::Eighth => 8,
        }
    }

    /// Reads what [`Edition::number`] gives.
    pub fn of(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|edition| edition.number() == number)
    }
}

impl fmt::Display for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
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
        for edition in Edition::ALL {
            let shifts = edition == Edition::First;
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
