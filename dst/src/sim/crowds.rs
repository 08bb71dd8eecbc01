//! Crowds: tens of rows that are written at once, many of them by a clock that is days ahead, where little fits into a message.
//! So a session has to say many things before one of them moves a row, and hears of many rows that it does not keep.

use std::ops::Range;

use super::event::TWINS;
use super::quarrels::AHEAD_MS;
use super::within::{Errand, Place};
use super::{Event, Sim};
use crate::model::Violation;
use crate::node::Power;
use crate::plan::{Crowd, Crowding};
use crate::queue::Moment;
use crate::script::Item;
use crate::work::rows::Scribe;

/// Numbers of what users write, up to ten for each part.
pub(super) const ACTIONS: Range<u64> = 960..980;
/// The number of the session that meets it.
const SESSION: u64 = TWINS + 20_000;
/// Tables that most peers have, of which everybody writes rows of their own.
const TABLES: [&str; 2] = ["notes", "profile"];
/// Rows that both ends have: more than a part of a table may have that is listed as a whole.
const SHARED: i64 = 36;

/// What is written of a crowd when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What both ends are to have.
    Shared,
    /// What they are to differ in.
    Differing,
}

/// Rows that one end writes.
struct Batch {
    at: usize,
    table: &'static str,
    slots: Range<i64>,
    /// By how much the clock is wrong.
    ahead: i64,
}

impl Sim {
    pub(super) fn plan_crowd(&mut self) {
        let Some(crowd) = self.plan.crowd.filter(|crowd| !self.plan.unused.contains(&crowd.edge)) else {
            return;
        };
        if crowd.kind == Crowding::Beside {
            self.queue.plan(0, Event::Crowd(crowd, Part::Shared));
        }
        let span = self.plan.span as u64;
        let when = self.dice("crowd", 1).between(span / 4, span) as Moment;
        self.queue.plan(when, Event::Crowd(crowd, Part::Differing));
    }

    /// Users write, and a session begins soon after.
    pub(super) fn crowd(&mut self, crowd: Crowd, part: Part) -> Result<(), Violation> {
        let (client, server) = (self.plan.edges[crowd.edge].client, self.plan.edges[crowd.edge].server);
        if ![client, server].into_iter().all(|at| self.nodes[at].is_at_work()) {
            self.put_off(Event::Crowd(crowd, part));
            return Ok(());
        }
        let batches = match part {
            Part::Shared => {
                TABLES.map(|table| Batch { at: server, table, slots: 0..SHARED, ahead: 0 }).into()
            }
            Part::Differing => self.batches(crowd.kind, client, server),
        };
        let (first, mut wrote) = (ACTIONS.start + 10 * u64::from(part == Part::Differing), 0);
        let count = batches.len();
        for (number, batch) in (first..).zip(batches) {
            if self.script.lacks(&Item::Action(number)) || self.nodes[batch.at].power == Power::Off {
                continue;
            }
            self.done.insert(Item::Action(number));
            let before = self.nodes[batch.at].commits;
            self.write_batch(number, &batch)?;
            wrote += usize::from(self.nodes[batch.at].commits > before);
        }
        if part == Part::Differing {
            if wrote == count {
                self.census.note(format!("crowd of rows {:?}", crowd.kind).to_lowercase());
            }
            let later = self.dice("crowd", 2).below(1_000) as Moment;
            self.plan_session(SESSION, crowd.edge, self.now + later);
        }
        Ok(())
    }

    fn batches(&self, kind: Crowding, client: usize, server: usize) -> Vec<Batch> {
        let mut dice = self.dice("rows of a crowd", 0);
        let mut batch = |at, table, first, (least, most), ahead| {
            let count = dice.between(least, most) as i64;
            Batch { at, table, slots: first..first + count, ahead }
        };
        let [one, other] = TABLES;
        match kind {
            Crowding::Apart => vec![
                batch(server, one, 100, (20, 40), 0),
                batch(server, other, 100, (20, 40), 0),
                batch(client, one, 100, (20, 40), 0),
                batch(client, other, 100, (20, 40), 0),
            ],
            Crowding::Ahead => {
                vec![batch(server, one, 200, (20, 60), AHEAD_MS), batch(server, one, 100, (10, 20), 0)]
            }
            Crowding::Beside => vec![
                batch(server, one, 200, (20, 40), AHEAD_MS),
                batch(server, other, 200, (20, 40), AHEAD_MS),
                batch(server, other, 100, (1, 2), 0),
            ],
        }
    }

    fn write_batch(&mut self, number: u64, batch: &Batch) -> Result<(), Violation> {
        let at = batch.at;
        self.errand = Errand::new(Place::Work, number).ahead(batch.ahead);
        let armed = self.arm(at)?;
        let dice = &mut self.dice("work of a crowd", number);
        let (peers, node) = (self.nodes.len(), &mut self.nodes[at]);
        let mut now = node.time(self.now);
        now.0 += self.errand.ahead;
        let tables = &node.beside.tables;
        let mut scribe = Scribe { dice, peer: at, peers, now, large: 100, tables, meant: Vec::new() };
        let done = scribe.crowd(&mut node.repo, batch.table, batch.slots.clone());
        let meant = scribe.meant;
        self.disarm(at, armed)?;
        self.wrote(number, at, done, &meant)
    }
}
