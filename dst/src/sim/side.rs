//! What happens beside artifacts and files: synced tables.

use repo::RepoError;
use repo::table::TableError;
use xfer::Message;

use super::{Event, Sim, broken};
use crate::beside::Beside;
use crate::check::tables::{self, Cause, Pair, Written};
use crate::dice::Dice;
use crate::feature::Feature;
use crate::model::Violation;
use crate::node::{Power, Stage, name};
use crate::plan::Login;
use crate::queue::Moment;
use crate::rights::Letters;
use crate::script::Item;
use crate::site::Site;
use crate::work::rows::{Done, Scribe};

/// What the simulator knows of all that happens here.
#[derive(Debug, Default)]
pub(super) struct Side {
    written: Written,
}

impl Sim {
    /// Plans what users do here.
    pub(super) fn plan_side(&mut self) {
        for feature in self.plan.features.clone() {
            let count = self.dice("aside", feature as u64).between(4, 4 + 2 * self.plan.actions);
            for number in (0..count).map(|number| 1_000 * (feature as u64 + 1) + number) {
                let mut dice = self.dice("aside", number);
                // Some are early: then there is something to differ in.
                let when =
                    if dice.below(3) == 0 { dice.below(1_000) as Moment } else { self.moment(&mut dice) };
                let at = dice.place(self.nodes.len());
                if !self.script.lacks(&Item::Action(number)) && !self.script.lacks(&Item::Peer(at as u64)) {
                    self.queue.plan(when, Event::Side { feature, at, number });
                }
            }
        }
    }

    /// A user does something.
    pub(super) fn act_aside(&mut self, feature: Feature, at: usize, number: u64) -> Result<(), Violation> {
        if self.nodes[at].power == Power::Off || self.nodes[at].stage == Stage::Unborn {
            return Ok(());
        }
        self.done.insert(Item::Action(number));
        let dice = &mut self.dice("work aside", number);
        match feature {
            Feature::Tables => self.write_rows(number, at, dice),
            Feature::Locks | Feature::Configuration | Feature::Users => Ok(()),
        }
    }

    fn write_rows(&mut self, number: u64, at: usize, dice: &mut Dice) -> Result<(), Violation> {
        let (peers, node) = (self.nodes.len(), &mut self.nodes[at]);
        let mut scribe = Scribe {
            dice,
            peer: at,
            peers,
            now: node.time(self.now),
            large: node.limits.reply_bytes.min(20_000) + 500,
            tables: &node.beside.tables,
        };
        let done = match scribe.act(&mut node.repo) {
            Ok(done) => done,
            Err(TableError::Repo(error)) if self.is_excused(&error) => {
                self.tell(&format!("peer {at} fails: {error}"));
                return self.unchanged_aside(at);
            }
            Err(error) => return Err(Violation::new("work", format!("peer {at}: {error}"))),
        };
        self.tell(&format!("peer {at} {}: {:?}", done.what.replace('\n', " "), done.kind));
        let Done { user, wrong, .. } = done;
        if let Some(wrong) = wrong {
            return Err(Violation::new("tables", format!("peer {at}: {wrong}")));
        }
        self.audit_aside(at, Cause::User(&user))?;
        self.may_crash(Site::CrashAfterWork, number.into(), at);
        Ok(())
    }

    /// Looks at a repository after a commit.
    pub(super) fn audit_aside(&mut self, at: usize, cause: Cause<'_>) -> Result<(), Violation> {
        let Some(before) = self.look_aside(at).map_err(broken)? else { return Ok(()) };
        let (node, side) = (&self.nodes[at], &mut self.side);
        let time = node.time(self.now);
        tables::check(&before.tables, &node.beside.tables, cause, time, &mut side.written)
            .map_err(|violation| Violation { text: format!("peer {at}: {}", violation.text), ..violation })
    }

    /// Whether something changed since it was looked at last; then it is looked at again.
    fn look_aside(&mut self, at: usize) -> Result<Option<Beside>, RepoError> {
        if self.plan.features.is_empty() {
            return Ok(None);
        }
        let node = &mut self.nodes[at];
        let written = Some(node.repo.rows_written());
        if written == node.written_aside {
            return Ok(None);
        }
        node.written_aside = written;
        let now = Beside::read(&mut node.repo, &self.plan.features)?;
        if now == node.beside {
            return Ok(None);
        }
        node.commits += 1;
        Ok(Some(std::mem::replace(&mut node.beside, now)))
    }

    /// A half-round that failed, or a restart, changed nothing.
    pub(super) fn unchanged_aside(&mut self, at: usize) -> Result<(), Violation> {
        match self.look_aside(at).map_err(broken)? {
            None => Ok(()),
            Some(_) => Err(Violation::new("atomic", format!("peer {at}: tables changed without a commit"))),
        }
    }

    /// A peer went back to an earlier state, which is right.
    pub(super) fn restored_aside(&mut self, at: usize) -> Result<(), Violation> {
        self.look_aside(at).map(|_| ()).map_err(broken)
    }

    /// What a server took and answered.
    pub(super) fn served_aside(
        &mut self,
        edge: usize,
        letters: &Letters,
        request: &Message,
        reply: Option<&Message>,
    ) -> Result<(), Violation> {
        let edge = &self.plan.edges[edge];
        let user = (edge.login == Login::Password).then(|| name(edge.client));
        let cause = Cause::Request { letters, user: user.as_deref(), message: request };
        self.audit_aside(edge.server, cause)?;
        reply.map_or(Ok(()), |reply| tables::check_reply(reply, letters))
    }

    /// All is the same wherever it may be.
    pub(super) fn check_aside(&mut self) -> Result<(), Violation> {
        if !self.plan.features.contains(&Feature::Tables) {
            return Ok(());
        }
        for (at, edge) in self.plan.edges.iter().enumerate() {
            let (client, server) = (&self.nodes[edge.client], &self.nodes[edge.server]);
            let letters = &server.letters(edge.client, edge.login);
            if self.plan.unused.contains(&at)
                || edge.login == Login::Wrong
                || client.stage == Stage::Unborn
                || server.stage == Stage::Unborn
            {
                continue;
            }
            let user = (edge.login == Login::Password).then(|| name(edge.client));
            let pair = Pair {
                client: &client.beside.tables,
                server: &server.beside.tables,
                letters,
                user: user.as_deref(),
                clocks: (client.time(self.passed), server.time(self.passed)),
            };
            pair.check().map_err(|violation| Violation {
                text: format!("{} and {}: {}", edge.client, edge.server, violation.text),
                ..violation
            })?;
        }
        let mut peers: Vec<_> =
            self.nodes.iter_mut().map(|node| (&mut node.repo, &node.beside.tables)).collect();
        tables::check_digests(&mut peers)
    }
}
