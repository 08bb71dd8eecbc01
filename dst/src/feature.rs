//! Parts of the product that a run has or has not (a swarm): the fewer of them, the more of each, and the faster the
//! run.

use std::collections::BTreeSet;

use crate::dice::{Dice, Ratio};
use crate::plan::Level;

/// A part of the product beside artifacts and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// Synced tables: definitions and rows.
    Tables,
    /// Check-in locks.
    Locks,
    /// Settings, users and the like that travel.
    Configuration,
    /// Users who come, go and change their passwords.
    Users,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tables, Self::Locks, Self::Configuration, Self::Users];
}

/// What a run has.
pub fn draw(seed: u64, level: Level) -> BTreeSet<Feature> {
    let chance = match level {
        Level::Calm => Ratio::new(1, 5),
        Level::Rough | Level::Hostile => Ratio::new(1, 3),
    };
    let drawn = |feature: &Feature| Dice::of(seed, "feature", *feature as u64).hits(chance);
    Feature::ALL.into_iter().filter(drawn).collect()
}
