//! Races: two sessions of one client pull the same at once, an artifact a round, and either is behind the other one now and
//! then.

use super::event::TWINS;
use super::{Event, Sim};
use crate::model::Violation;
use crate::node::{Power, Stage};
use crate::queue::Moment;
use crate::script::Item;

/// The number of what the user makes.
pub(super) const NUMBER: u64 = 900;
/// Numbers of the files that it makes, such as nobody else does.
const FILES: std::ops::Range<u64> = 90_000..90_012;
/// Numbers of the sessions.
const SESSIONS: std::ops::Range<u64> = TWINS + 10_000..TWINS + 10_002;

impl Sim {
    pub(super) fn plan_race(&mut self) {
        let Some(edge) = self.plan.race else { return };
        let mut dice = self.dice("race", 1);
        let when = self.moment(&mut dice);
        self.queue.plan(when, Event::Race(edge));
    }

    pub(super) fn race(&mut self, edge: usize) -> Result<(), Violation> {
        let server = self.plan.edges[edge].server;
        let is_there = self.nodes[server].power == Power::On && self.nodes[server].stage == Stage::Whole;
        if !is_there || self.script.lacks(&Item::Action(NUMBER)) {
            return Ok(());
        }
        self.done.insert(Item::Action(NUMBER));
        self.work(NUMBER, server, |mut worker, repo| worker.bulk(repo, FILES))?;
        for number in SESSIONS {
            let later = self.dice("start of a race", number).below(100) as Moment;
            self.plan_session(number, edge, self.now + later);
        }
        Ok(())
    }

    /// Counts a race as soon as both sessions ask for the same.
    pub(super) fn note_race(&mut self, id: u64) {
        let Some(other) = SESSIONS.contains(&id).then(|| SESSIONS.start + SESSIONS.end - 1 - id) else {
            return;
        };
        let asking = |id: u64| self.talks.get(&id).map(|talk| &talk.chances.asking);
        let (Some(one), Some(other)) = (asking(id), asking(other)) else { return };
        if !one.is_disjoint(other) {
            self.census.note("race");
        }
    }
}
