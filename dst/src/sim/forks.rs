//! Forks on both sides of a partition: two peers that have one check-in go on from it at once, each in its own way. Where there
//! are faults, nothing goes from one side to the other for a while. Later somebody who got both merges them.

use std::cell::RefCell;

use xfer::ArtifactId;

use super::{Event, Sim, broken, side};
use crate::dice::Turn;
use crate::model::Violation;
use crate::node::{Power, Stage};
use crate::plan::{Edge, Edition, Fault, Level};
use crate::queue::Moment;
use crate::script::{DERIVED, Item};

/// The number of the check-in before all of them.
const BASE: u64 = DERIVED;

/// Numbers of such actions are from here on, two for each.
const FIRST: u64 = BASE + 1;

/// Numbers of merges are from here on.
const MERGES: u64 = 600;

/// Times that one is tried again, over any edge: it takes two peers that are there and have a check-in in common.
const TRIES: u64 = 24;

/// Check-ins that are looked at for one that is known to both.
const MOST_CHECKINS: u32 = 1_000;

impl Sim {
    pub(super) fn plan_forks(&mut self) -> Result<(), Violation> {
        for number in (0..self.plan.forks).map(|number| FIRST + 2 * number) {
            let mut dice = self.dice("fork", number);
            let (when, edge) = (self.moment(&mut dice), dice.place(self.plan.edges.len()));
            self.queue.plan(when, Event::Fork { number, edge, tries: 0 });
        }
        if self.plan.forks > 0 && self.plan.edition >= Edition::Fifth {
            self.check_in_first()
        } else {
            Ok(())
        }
    }

    /// Has somebody check in what all forks may go on from: many runs have no check-in for long.
    fn check_in_first(&mut self) -> Result<(), Violation> {
        let can = |at: &usize| self.nodes[*at].stock.is_none() && self.nodes[*at].stage == Stage::Whole;
        let Some(at) = (0..self.nodes.len()).find(can).filter(|_| !self.script.lacks(&Item::Action(BASE)))
        else {
            return Ok(());
        };
        self.done.insert(Item::Action(BASE));
        self.work(BASE, at, |mut worker, repo| worker.rewrite(repo, &mut None, b"to go on from\n".to_vec()))
    }

    /// Both go on from the newest check-in that they have in common. Where there are faults, they do not reach each other for
    /// a while.
    pub(super) fn fork(&mut self, number: u64, edge: usize, tries: u64) -> Result<(), Violation> {
        let ends = [self.plan.edges[edge].client, self.plan.edges[edge].server];
        let can_both =
            !self.plan.unused.contains(&edge) && ends.into_iter().all(|at| self.nodes[at].is_at_work());
        let parent = if can_both { self.common_checkin(ends)? } else { None };
        let Some(parent) = parent else {
            self.fork_later(number, tries + 1);
            return Ok(());
        };
        let are_parted = self.plan.level != Level::Calm && self.parts(number);
        if are_parted {
            let until = self.now + self.dice("partition", number).between(1_000, 15_000) as Moment;
            self.part(number, edge, ends, until);
        }
        let made = RefCell::new(Vec::new());
        for (number, at) in (number..).zip(ends) {
            if self.script.lacks(&Item::Action(number)) || self.nodes[at].power == Power::Off {
                continue;
            }
            self.done.insert(Item::Action(number));
            self.work(number, at, |mut worker, repo| {
                let (id, done) = worker.go_on_from(repo, &parent)?;
                made.borrow_mut().push(id);
                Ok(done)
            })?;
        }
        if let [one, other] = made.into_inner()[..] {
            self.census.note(if are_parted { "fork across a partition" } else { "fork across peers" });
            if self.plan.edition >= Edition::Sixth {
                self.merge_later(MERGES + (number - FIRST) / 2, [one, other], 0);
            }
        }
        Ok(())
    }

    /// Somebody who has both heads of a fork merges them.
    pub(super) fn merge(&mut self, number: u64, heads: [ArtifactId; 2], tries: u64) -> Result<(), Violation> {
        let has_both = |at: &usize| {
            let node = &self.nodes[*at];
            node.is_at_work() && heads.iter().all(|id| node.known.gives(id))
        };
        let who: Vec<usize> = (0..self.nodes.len()).filter(has_both).collect();
        if who.is_empty() {
            self.merge_later(number, heads, tries + 1);
            return Ok(());
        }
        if self.script.lacks(&Item::Action(number)) {
            return Ok(());
        }
        self.done.insert(Item::Action(number));
        let at = *self.dice("who merges", number).pick(&who);
        self.work(number, at, |mut worker, repo| worker.join(repo, heads))
    }

    fn merge_later(&mut self, number: u64, heads: [ArtifactId; 2], tries: u64) {
        if tries <= TRIES {
            let mut dice = self.dice("a merge", Turn { number, part: tries, copy: 0 });
            let when = self.now + dice.between(500, 5_000) as Moment;
            self.queue.plan(when, Event::Merge { number, heads, tries });
        }
    }

    fn fork_later(&mut self, number: u64, tries: u64) {
        if tries > TRIES || self.plan.edition < Edition::Fifth {
            return;
        }
        let mut dice = self.dice("a fork again", Turn { number, part: tries, copy: 0 });
        let when = self.now + dice.between(500, 5_000) as Moment;
        let edge = dice.place(self.plan.edges.len());
        self.queue.plan(when, Event::Fork { number, edge, tries });
    }

    /// Has nothing go between the sides of two peers until then: the others are on either.
    pub(super) fn part(&mut self, number: u64, edge: usize, ends: [usize; 2], until: Moment) {
        let parting = Item::Parting(number);
        self.tell(&format!("peers {} and {} are parted ({parting})", ends[0], ends[1]));
        let is_beside_first = |at: usize| {
            let turn = Turn { number, part: at as u64, copy: 0 };
            at == ends[0] || at != ends[1] && self.dice("side of a partition", turn).below(2) == 0
        };
        let crosses =
            |(_, edge): &(usize, &Edge)| is_beside_first(edge.client) != is_beside_first(edge.server);
        let crossing = self.plan.edges.iter().enumerate().filter(crosses).map(|(at, _)| at);
        let cut = if self.plan.edition < Edition::Fifth { vec![edge] } else { crossing.collect() };
        for edge in cut {
            self.switch(Fault::LinkDown, edge, |down| down + 1);
            self.queue.plan(until, Event::Heal(Fault::LinkDown, edge));
        }
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
        let most = if self.plan.edition < Edition::Fifth { side::NEWEST } else { MOST_CHECKINS };
        let newest = side::newest(&mut self.nodes[ends[0]].repo, most).map_err(broken)?;
        Ok(newest.into_iter().find(|id| theirs.gives(id) && self.nodes[ends[0]].known.gives(id)))
    }
}
