//! Relays: a client gives a server what a cluster lists, one artifact after the other, and another client asks the server for
//! that meanwhile, in one session after the other: it knows all the names, and most are asked for before they are there.

use super::event::TWINS;
use super::{Event, Sim};
use crate::model::Violation;
use crate::queue::Moment;
use crate::script::Item;

/// The number of what the user makes.
pub(super) const NUMBER: u64 = 990;
/// Numbers of the files that it makes, such as nobody else does: more than a cluster takes.
const FILES: std::ops::Range<u64> = 80_000..80_102;
/// Numbers of the sessions of the client that gives, and of the one that asks.
const GIVING: std::ops::Range<u64> = TWINS + 21_000..TWINS + 21_003;
const ASKING: std::ops::Range<u64> = TWINS + 22_000..TWINS + 22_060;

impl Sim {
    pub(super) fn plan_relay(&mut self) {
        let Some(edges) = self.plan.relay else { return };
        let mut dice = self.dice("relay", 1);
        let when = self.moment(&mut dice);
        self.queue.plan(when, Event::Relay(edges));
    }

    pub(super) fn relay(&mut self, edges: [usize; 2]) -> Result<(), Violation> {
        let [from, to] = edges;
        let giver = self.plan.edges[from].client;
        let ends = [giver, self.plan.edges[from].server, self.plan.edges[to].client];
        if !ends.into_iter().all(|at| self.nodes[at].is_at_work()) || self.script.lacks(&Item::Action(NUMBER))
        {
            return Ok(());
        }
        self.done.insert(Item::Action(NUMBER));
        self.work(NUMBER, giver, |mut worker, repo| worker.bulk(repo, FILES))?;
        self.census.note("relay");
        for (number, when) in GIVING.zip((0..).step_by(8_000)) {
            self.plan_session(number, from, self.now + when);
        }
        for (number, when) in ASKING.zip((500..).step_by(500)) {
            let later = self.dice("start of a relay", number).below(500) as Moment;
            self.plan_session(number, to, self.now + when + later);
        }
        Ok(())
    }
}
