//! Forks on both sides of a partition: two peers that have one check-in go on from it at once, each in its own way.

use std::cell::Cell;

use xfer::ArtifactId;

use super::{Event, Sim, broken};
use crate::model::Violation;
use crate::node::{Power, Stage};
use crate::plan::{Fault, Level};
use crate::queue::Moment;
use crate::script::Item;

/// Numbers of such actions are from here on, two for each.
const FIRST: u64 = 500;

impl Sim {
    pub(super) fn plan_forks(&mut self) {
        for number in (0..self.plan.forks).map(|number| FIRST + 2 * number) {
            let mut dice = self.dice("fork", number);
            let (when, edge) = (self.moment(&mut dice), dice.place(self.plan.edges.len()));
            if !self.plan.unused.contains(&edge) {
                self.queue.plan(when, Event::Fork { number, edge });
            }
        }
    }

    /// Both go on from the newest check-in that they have in common. Where there are faults, they do not reach each other for
    /// a while.
    pub(super) fn fork(&mut self, number: u64, edge: usize) -> Result<(), Violation> {
        let ends = [self.plan.edges[edge].client, self.plan.edges[edge].server];
        let can = |at: usize| {
            let node = &self.nodes[at];
            node.power == Power::On && node.stage == Stage::Whole && node.stock.is_none()
        };
        if !ends.into_iter().all(can) {
            return Ok(());
        }
        let Some(parent) = self.common_checkin(ends)? else { return Ok(()) };
        if self.plan.level != Level::Calm && self.parts(number) {
            self.tell(&format!("peers {} and {} are parted", ends[0], ends[1]));
            self.switch(Fault::LinkDown, edge, |down| down + 1);
            let until = self.now + self.dice("partition", number).between(1_000, 15_000) as Moment;
            self.queue.plan(until, Event::Heal(Fault::LinkDown, edge));
        }
        let made = Cell::new(0);
        for (number, at) in (number..).zip(ends) {
            if self.script.lacks(&Item::Action(number)) || self.nodes[at].power == Power::Off {
                continue;
            }
            self.done.insert(Item::Action(number));
            self.work(number, at, |mut worker, repo| {
                let done = worker.go_on_from(repo, &parent)?;
                made.set(made.get() + 1);
                Ok(done)
            })?;
        }
        if made.get() == ends.len() {
            self.census.note("fork across peers");
        }
        Ok(())
    }

    /// Whether a fork or a quarrel parts those who take part in it.
    pub(super) fn parts(&mut self, number: u64) -> bool {
        let parting = Item::Parting(number);
        let parts = !self.script.lacks(&parting);
        if parts {
            self.done.insert(parting);
        }
        parts
    }

    fn common_checkin(&mut self, ends: [usize; 2]) -> Result<Option<ArtifactId>, Violation> {
        let theirs = self.nodes[ends[1]].known.clone();
        let newest = super::side::newest(&mut self.nodes[ends[0]].repo).map_err(broken)?;
        Ok(newest.into_iter().find(|id| theirs.gives(id) && self.nodes[ends[0]].known.gives(id)))
    }
}
