//! What runs come to.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{albums, crowds, loss, race, relays};
use crate::census::Census;
use crate::model::Violation;
use crate::plan::{Fault, Level, Plan};
use crate::script::{Item, Scrutiny};
use crate::trace::Trace;

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The level.
    pub level: Level,
    /// How closely repositories were looked at.
    pub scrutiny: Scrutiny,
    /// The first rule that was broken.
    pub violation: Option<Violation>,
    /// What happened.
    pub trace: Trace,
    /// What there was.
    pub tally: Tally,
    /// What work there was.
    pub census: Census,
    /// What was decided beforehand.
    pub plan: Plan,
    /// What happened that can be left out, beside what is in the plan.
    pub done: BTreeSet<Item>,
}

impl Outcome {
    /// What of the plan took place: nothing that a script left out, or that did not come about.
    pub fn left(&self) -> Plan {
        let count = |is: fn(&Item) -> bool| self.done.iter().filter(|&item| is(item)).count() as u64;
        let mut plan = self.plan.clone();
        plan.sessions = count(|item| matches!(item, Item::Session(_)));
        plan.actions = count(|item| matches!(item, Item::Action(_)));
        let did = |mut actions: Range<u64>| actions.any(|number| self.done.contains(&Item::Action(number)));
        let did_one = |action| did(action..action + 1);
        plan.race = plan.race.filter(|_| did_one(race::NUMBER));
        plan.crowd = plan.crowd.filter(|_| did(crowds::ACTIONS));
        plan.relay = plan.relay.filter(|_| did_one(relays::NUMBER));
        plan.album = plan.album.filter(|_| did_one(albums::NUMBER));
        plan.loss = plan.loss.filter(|_| self.done.contains(&Item::Strike(Fault::Restore, loss::STRIKE)));
        plan
    }
}

/// How much happened in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Sessions that ended well.
    pub succeeded: u64,
    /// Sessions that ended otherwise.
    pub failed: u64,
    /// Requests that were answered.
    pub requests: u64,
    /// Artifacts that were made.
    pub artifacts: u64,
    /// Clusters among them.
    pub clusters: u64,
    /// Faults that struck.
    pub faults: u64,
    /// Rare choices that peers took.
    pub choices: u64,
    /// Messages that peers like stock took in.
    pub stock: u64,
}

impl Tally {
    /// Adds what another run had.
    pub fn add(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.requests += other.requests;
        self.artifacts += other.artifacts;
        self.clusters += other.clusters;
        self.faults += other.faults;
        self.choices += other.choices;
        self.stock += other.stock;
    }
}
