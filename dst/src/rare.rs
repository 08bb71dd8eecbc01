//! The rare choices that peers make: which of them a seed turns on, how often, and the dice of each; and how time passes
//! while they make them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use repo::UnixTime;
use sync::{Buggify, Site};

use crate::dice::{Dice, Ratio, Turn};
use crate::plan::{Level, dashed};

/// The sites that a seed turns on, each at a ratio of its own.
pub fn choices(seed: u64, level: Level) -> BTreeMap<Site, Ratio> {
    let (chance, least) = match level {
        Level::Calm => (Ratio::new(1, 8), 4),
        Level::Rough => (Ratio::new(1, 4), 3),
        Level::Hostile => (Ratio::new(1, 2), 2),
    };
    let mut sites = BTreeMap::new();
    for (index, site) in Site::ALL.into_iter().enumerate() {
        let dice = &mut Dice::of(seed, "choices", index as u64);
        if dice.hits(chance) {
            sites.insert(site, Ratio::new(1, dice.between(least, 5 * least)));
        }
    }
    // Clusters are due in few runs, and seldom there.
    if let Some(ratio) = sites.get_mut(&Site::ClustersLater) {
        *ratio = Ratio::new(2, 3);
    }
    sites
}

/// As a site is written: in small letters, with dashes.
pub fn name(site: Site) -> String {
    dashed(&format!("{site:?}"))
}

/// The choices of one peer in one half-round.
#[derive(Default)]
pub struct Rare {
    clock: Option<Box<dyn Fn() -> UnixTime>>,
    sites: RefCell<BTreeMap<Site, (Ratio, Dice)>>,
    fired: RefCell<Vec<Site>>,
}

impl Rare {
    /// In one half-round.
    pub fn new(seed: u64, sites: &BTreeMap<Site, Ratio>, turn: Turn) -> Self {
        let dice = |site: Site| Dice::of(seed, &format!("{site:?}"), turn);
        let sites = sites.iter().map(|(&site, &ratio)| (site, (ratio, dice(site)))).collect();
        Self { clock: None, sites: RefCell::new(sites), fired: RefCell::default() }
    }

    /// Begun at this time, which goes on by so many milliseconds each time that somebody looks.
    pub fn begun(mut self, now: UnixTime, step: u64) -> Self {
        let passed = Cell::new(0);
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        self.clock = Some(Box::new(move || {
            passed.set(passed.get() + step);
            UnixTime(now.0 + passed.get())
        }));
        self
    }

    /// Tells the time, if it goes on.
    pub fn clock(&self) -> Option<&dyn Fn() -> UnixTime> {
        self.clock.as_deref()
    }

    /// The rare choices that were taken, in order.
    pub fn fired(&self) -> Vec<Site> {
        self.fired.borrow().clone()
    }
}

impl Buggify for Rare {
    fn fires(&self, site: Site) -> bool {
        let mut sites = self.sites.borrow_mut();
        let fires = sites.get_mut(&site).is_some_and(|(ratio, dice)| dice.hits(*ratio));
        self.fired.borrow_mut().extend(fires.then_some(site));
        fires
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_keep_their_places_which_their_generators_go_by() {
        let names = [
            "full",
            "whole",
            "unasked",
            "announced-again",
            "list-left-out",
            "asked-twice",
            "unanswered",
            "catalog-anyway",
            "clusters-later",
            "clusters-unknown",
            "names-only",
        ];
        assert_eq!(Site::ALL.map(name), names, "new ones come last");
    }

    #[test]
    fn each_site_has_dice_of_its_own_and_every_site_is_turned_on_by_some_seed() {
        let all: BTreeMap<Site, Ratio> = Site::ALL.map(|site| (site, Ratio::new(1, 2))).into();
        let (one, other) = (Rare::new(1, &all, Turn::default()), Rare::new(1, &all, Turn::default()));
        let draws = |rare: &Rare, site| (0..64).map(|_| rare.fires(site)).collect::<Vec<_>>();
        draws(&one, Site::Full);
        assert_eq!(draws(&one, Site::Whole), draws(&other, Site::Whole));
        assert_ne!(draws(&one, Site::Full), draws(&one, Site::Whole));
        for site in Site::ALL {
            assert!((0..100).any(|seed| choices(seed, Level::Calm).contains_key(&site)), "{site:?}");
        }
        assert!(!Rare::default().fires(Site::Full));
    }
}
