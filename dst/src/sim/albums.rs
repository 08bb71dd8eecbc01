//! Albums: a table that one end of an edge makes, with rows that are long, and the disk at the other end is nearly full as it
//! comes: it has room for nothing, or for the definition, or for some of the rows.

use super::event::TWINS;
use super::within::{Errand, Place};
use super::{Event, Sim, broken};
use crate::model::Violation;
use crate::plan::Fault;
use crate::queue::Moment;
use crate::script::{Item, STRIKE_ON_PURPOSE};
use crate::work::rows::Scribe;

/// The number of what the user writes.
pub(super) const NUMBER: u64 = 980;
/// The number of the strike.
const STRIKE: u64 = STRIKE_ON_PURPOSE;
/// The number of the session in which the table comes.
const SESSION: u64 = TWINS + 20_001;
/// Pages that the disk has room for, at most: more than definition and rows take.
const PAGES: u64 = 32;

impl Sim {
    pub(super) fn plan_album(&mut self) {
        let Some(edge) = self.plan.album.filter(|edge| !self.plan.unused.contains(edge)) else { return };
        let mut dice = self.dice("album", 1);
        let when = self.moment(&mut dice);
        self.queue.plan(when, Event::Album(edge));
    }

    pub(super) fn album(&mut self, edge: usize) -> Result<(), Violation> {
        let mut dice = self.dice("album", 2);
        let ends = [self.plan.edges[edge].client, self.plan.edges[edge].server];
        let [from, to] = if dice.below(2) == 0 { ends } else { [ends[1], ends[0]] };
        if !ends.into_iter().all(|at| self.nodes[at].is_at_work()) {
            self.put_off(Event::Album(edge));
            return Ok(());
        }
        if self.script.lacks(&Item::Action(NUMBER)) {
            return Ok(());
        }
        self.done.insert(Item::Action(NUMBER));
        self.errand = Errand::new(Place::Work, NUMBER);
        let (armed, work) = (self.arm(from)?, &mut self.dice("work of an album", NUMBER));
        let (peers, node) = (self.nodes.len(), &mut self.nodes[from]);
        let now = node.time(self.now);
        let tables = &node.beside.tables;
        let mut scribe = Scribe { dice: work, peer: from, peers, now, large: 100, tables, meant: Vec::new() };
        let (done, meant) = (scribe.album(&mut node.repo), scribe.meant);
        self.disarm(from, armed)?;
        self.wrote(NUMBER, from, done, &meant)?;
        let later = dice.below(1_000) as Moment;
        self.plan_session(SESSION, edge, self.now + later);
        if !self.script.lacks(&Item::Strike(Fault::DiskFull, STRIKE)) {
            self.struck_by(Fault::DiskFull, STRIKE, to);
            self.nodes[to].limit_pages(Some(dice.below(PAGES))).map_err(broken)?;
            let until = self.now + dice.between(3_000, 10_000) as Moment;
            self.queue.plan(until, Event::Heal(Fault::DiskFull, to));
        }
        Ok(())
    }
}
