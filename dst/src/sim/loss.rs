//! Losses: a server goes back to where the run began, and its client has what a cluster lists, which nobody announces one by
//! one, but for some that it shuns meanwhile.

use xfer::ArtifactId;

use super::{Event, Sim, broken};
use crate::model::Violation;
use crate::node::{Power, Stage};
use crate::plan::Fault;
use crate::script::{Item, STRIKE_ON_PURPOSE};

/// The number of what the user does.
const NUMBER: u64 = 950;
/// The number of the strike.
pub(super) const STRIKE: u64 = STRIKE_ON_PURPOSE;

impl Sim {
    pub(super) fn plan_loss(&mut self) -> Result<(), Violation> {
        let strike = Item::Strike(Fault::Restore, STRIKE);
        let Some(edge) = self.plan.loss.filter(|_| !self.script.lacks(&strike)) else { return Ok(()) };
        self.nodes[self.plan.edges[edge].server].keep_beginning().map_err(broken)?;
        // After all that happens while faults are on, so that the rest has to be found when they end.
        self.queue.plan(2 * self.plan.span, Event::Loss(edge));
        Ok(())
    }

    pub(super) fn lose(&mut self, edge: usize) -> Result<(), Violation> {
        let (client, server) = (self.plan.edges[edge].client, self.plan.edges[edge].server);
        let node = &self.nodes[client];
        let is_there = node.power == Power::On && node.stage == Stage::Whole;
        let Some(id) = self.listed(client).filter(|_| is_there) else { return Ok(()) };
        self.struck_by(Fault::Restore, STRIKE, server);
        if self.nodes[server].begin_anew().map_err(broken)? {
            self.census.note("went back to the beginning");
        }
        self.restored_aside(server)?;
        if self.script.lacks(&Item::Action(NUMBER)) {
            return Ok(());
        }
        self.done.insert(Item::Action(NUMBER));
        self.work(NUMBER, client, |mut worker, repo| worker.shun_name(repo, &id))
    }

    /// What a cluster that a peer gives lists last, and the peer gives too: what is asked for first. No other cluster: what that
    /// lists would be announced by nobody until the next rebuild, in stock too.
    fn listed(&self, at: usize) -> Option<ArtifactId> {
        let known = &self.nodes[at].known;
        let clusters = known.held.keys().filter(|id| known.gives(id)).filter_map(|id| self.model.members(id));
        let is_given = |id: &&ArtifactId| known.gives(id) && self.model.members(id).is_none();
        clusters.filter_map(|members| members.last()).find(is_given).copied()
    }
}
