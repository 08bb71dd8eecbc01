//! Daemons at the end, when nothing fails any more.

use sync::schedule::{Pace, Wake};

use super::Partner;
use crate::feature::Feature;
use crate::model::Violation;
use crate::node::Stage;
use crate::plan::{Edge, Login};
use crate::sim::Sim;
use crate::talk::{Kind, allowed, is_refused};

/// Sessions over an edge that may fail before one goes well, when nothing fails any more.
const TRIES: u32 = 3;

impl Sim {
    /// Nothing fails any more: what each schedule owes has to come within its bound, and to go well. The network is
    /// still one that takes time.
    pub(in crate::sim) fn settle_daemons(&mut self) -> Result<(), Violation> {
        if self.plan.daemons.is_empty() {
            return Ok(());
        }
        self.keepers.are_asleep = false;
        for (at, daemon) in &mut self.keepers.daemons {
            daemon.seen = daemon.seen.min(self.nodes[*at].commits);
            (daemon.is_to_look, daemon.planned) = (false, None);
            for peer in &mut daemon.peers {
                peer.owed.wakes(self.now);
                (peer.failed, peer.has_ended, peer.well) = (Some(0), false, 0);
            }
        }
        let running: Vec<usize> = self.keepers.daemons.keys().copied().collect();
        for at in running {
            if self.keepers.daemons[&at].life == self.nodes[at].life {
                self.wake(at, Wake::Tick)?;
            }
        }
        self.attend_daemons()?;
        self.keepers.are_alone = self.are_all_kept();
        if self.keepers.are_alone {
            self.census.note("daemons alone");
        }
        while self.is_anything_owed()? || self.is_any_behind() {
            let Some((now, event)) = self.queue.pop() else {
                return Err(Violation::new("schedule", "a daemon owes a session that nothing begins"));
            };
            self.now = self.now.max(now);
            self.happen(event)?;
        }
        self.keepers.are_asleep = true;
        while let Some((now, event)) = self.queue.pop() {
            self.now = self.now.max(now);
            self.happen(event)?;
        }
        Ok(())
    }

    /// Whether all who ask anybody are daemons that do so again and again, both ways, and no edge needs anything that the
    /// sessions of daemons do not bring.
    fn are_all_kept(&self) -> bool {
        let is_kept = |(at, edge): (usize, &Edge)| {
            let daemon = self.keepers.daemons.get(&edge.client);
            let daemon = daemon.filter(|daemon| daemon.life == self.nodes[edge.client].life);
            let partner = daemon.and_then(|daemon| daemon.peers.iter().find(|peer| peer.edge == at));
            let does_all = |pace: &Pace| pace.interval.is_some() && pace.gives && pace.takes;
            self.plan.unused.contains(&at)
                || partner.is_some_and(|peer| does_all(&peer.pace) && !self.is_denied(peer))
        };
        self.plan.edges.iter().enumerate().all(is_kept)
            && self.nodes.iter().all(|node| node.stage == Stage::Whole && node.stock.is_none())
            && !self.plan.features.contains(&Feature::Configuration)
    }

    /// Whether a daemon is still to have sessions. Of two that go well over an edge one at least began after all that was
    /// before them; so when each edge has had two, everything has moved on by an edge.
    fn is_any_behind(&self) -> bool {
        let enough = 2 * self.bound();
        let partners = || self.keepers.daemons.values().flat_map(|daemon| &daemon.peers);
        self.keepers.are_alone && partners().any(|peer| peer.well < enough && !self.is_denied(peer))
    }

    fn is_anything_owed(&self) -> Result<bool, Violation> {
        let mut owes = false;
        for (at, daemon) in &self.keepers.daemons {
            for peer in &daemon.peers {
                if peer.failed.is_some_and(|failed| failed >= TRIES) && !self.is_denied(peer) {
                    let text = format!("daemon {at}: {TRIES} sessions over edge {} failed", peer.edge);
                    return Err(Violation::new("liveness", text));
                }
                let is_even = peer.failed.is_none() || (peer.has_ended && self.is_denied(peer));
                owes |= !is_even && peer.owed.is_owed();
            }
        }
        Ok(owes)
    }

    /// Whether a session may fail though no fault is on.
    fn is_denied(&self, peer: &Partner) -> bool {
        let edge = &self.plan.edges[peer.edge];
        let letters = self.nodes[edge.server].letters(edge.client, edge.login);
        let mut options = allowed(edge, &letters);
        (options.pull, options.push) = (peer.pace.takes, peer.pace.gives);
        self.login(edge) == Login::Wrong
            || self.nodes[edge.server].stage == Stage::Unborn
            || is_refused(&options, Kind::Sync, &letters)
    }
}
