//! Parts of the product that a run has or has not (a swarm): the fewer of them, the more of each, and the faster the
//! run.

use std::collections::BTreeSet;

use crate::dice::{Dice, Ratio};
use crate::plan::{Level, dashed};

/// A part of the product beside artifacts and files. New ones come last: generators go by the place of each.
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

    /// As it is written.
    pub fn name(self) -> String {
        dashed(&format!("{self:?}"))
    }
}

/// What a run has.
pub fn draw(seed: u64, level: Level) -> BTreeSet<Feature> {
    let chance = |feature: Feature| match (level, feature) {
        // To read all records after each commit takes its time, and calm runs are to be many.
        (Level::Calm, Feature::Configuration | Feature::Users) => Ratio::new(1, 10),
        (Level::Calm, _) => Ratio::new(1, 5),
        (Level::Rough | Level::Hostile, _) => Ratio::new(1, 3),
    };
    let drawn = |feature: &Feature| Dice::of(seed, "feature", *feature as u64).hits(chance(*feature));
    let mut features: BTreeSet<Feature> = Feature::ALL.into_iter().filter(drawn).collect();
    // Mostly users come and go where they also travel.
    let alone = Dice::of(seed, "users alone", 0).hits(Ratio::new(1, 3));
    if !features.contains(&Feature::Configuration) && !alone {
        features.remove(&Feature::Users);
    }
    features
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_keep_their_places_which_their_generators_go_by() {
        assert_eq!(Feature::ALL.map(Feature::name), ["tables", "locks", "configuration", "users"]);
        assert!(Feature::ALL.into_iter().enumerate().all(|(place, feature)| feature as usize == place));
    }
}
