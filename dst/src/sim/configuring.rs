//! Configuration and users: who changes them, which sessions carry them, and their end.

use repo::configuration::Group;
use sync::SyncOptions;

use super::Sim;
use super::settle::End;
use super::within::{Errand, Place};
use crate::check::configuration::Pair;
use crate::check::content::Maker;
use crate::check::meant::records;
use crate::check::tables::Cause;
use crate::dice::{Dice, Ratio, Turn};
use crate::feature::Feature;
use crate::meant::RecordMeant;
use crate::model::Violation;
use crate::node::{self, Stage, name};
use crate::plan::{Edge, Login};
use crate::rights::{Letters, Right};
use crate::site::Site;
use crate::talk::Kind;
use crate::work::settings::Keeper;

/// Numbers of sessions from here on are those of daemons.
const OF_DAEMONS: u64 = 1_000_000;

impl Sim {
    pub(super) fn has_records(&self) -> bool {
        [Feature::Configuration, Feature::Users].iter().any(|feature| self.plan.features.contains(feature))
    }

    /// What comes of the login of the client of an edge.
    pub(super) fn login(&self, edge: &Edge) -> Login {
        self.nodes[edge.server].login(edge.client, edge.login)
    }

    /// Some sessions ask for a group of the configuration, whether they may have it or not, or give one: mostly if they
    /// may. Some of them do nothing else.
    pub(super) fn add_configuration(&mut self, turn: Turn, edge: usize, options: &mut SyncOptions) {
        if !self.plan.features.contains(&Feature::Configuration) {
            return;
        }
        let Edge { client, server, login, .. } = self.plan.edges[edge];
        // Of settings the model of stock knows nothing.
        if self.is_stock(client) || self.is_stock(server) {
            return;
        }
        let may_give = self.nodes[server].letters(client, login).allow(Right::Admin);
        let mut dice = self.dice("configuration", turn);
        let is_of_daemon = turn.number >= OF_DAEMONS;
        let gives = may_give || (dice.hits(Ratio::new(1, 8)) && !is_of_daemon);
        let mut group = || {
            let groups: Vec<Group> = Group::every().chain([Group::All, Group::All, Group::User]).collect();
            Some(*dice.pick(&groups))
        };
        let (pull, push) = (group(), group());
        match dice.below(6) {
            0 => options.config_pull = pull,
            1 if gives => options.config_push = push,
            2 if gives => (options.config_pull, options.config_push) = (pull, push),
            _ => return,
        }
        if !is_of_daemon && dice.below(2) == 0 {
            (options.pull, options.push, options.unversioned) = (false, false, false);
            (options.private, options.verily) = (false, false);
        }
    }

    /// A user changes settings or other users.
    pub(super) fn keep(
        &mut self,
        feature: Feature,
        number: u64,
        at: usize,
        dice: &mut Dice,
    ) -> Result<(), Violation> {
        let clients = self.plan.edges.iter().filter(|edge| edge.server == at);
        let logins: Vec<String> = clients.map(|edge| name(edge.client)).collect();
        self.errand = Errand::new(Place::Work, number);
        let armed = self.arm(at)?;
        let node = &mut self.nodes[at];
        let now = node.time(self.now);
        let mut keeper = Keeper { dice, now, logins: &logins, count: number, meant: Vec::new() };
        let done = match feature {
            Feature::Users => keeper.change_user(&mut node.repo),
            _ => keeper.set(&mut node.repo),
        };
        let meant = keeper.meant;
        self.disarm(at, armed)?;
        let before = self.nodes[at].beside.records.clone();
        let what = match done {
            Ok(what) => what,
            // Who died after a commit committed what was meant.
            Err(error) if self.dies_of(at, &error, Maker::User)?.is_some() => {
                let now = &self.nodes[at].beside.records;
                let checked = if before == *now { Ok(()) } else { records::check(&before, now, &meant) };
                return checked.map_err(|violation| violation.at(at));
            }
            Err(error) if self.is_excused(at, &error) => {
                self.tell(&format!("peer {at} fails: {error}{}", self.action(number)));
                return self.unchanged_aside(at);
            }
            Err(error) => return Err(Violation::new("work", format!("peer {at}: {error}"))),
        };
        self.tell(&format!("peer {at} {what}{}", self.action(number)));
        if !what.starts_with("has no") {
            self.census.note(if feature == Feature::Users { "user changed" } else { "setting changed" });
        }
        self.audit(at, Maker::User)?;
        self.audit_meant(at, &meant)?;
        self.may_crash(Site::CrashAfterWork, number.into(), at);
        Ok(())
    }

    /// Looks at what a user did beside artifacts, who meant these records and no others.
    pub(super) fn audit_meant(&mut self, at: usize, meant: &[RecordMeant]) -> Result<(), Violation> {
        let before = self.nodes[at].beside.records.clone();
        self.audit_aside(at, Cause::User(&name(at)))?;
        records::check(&before, &self.nodes[at].beside.records, meant).map_err(|violation| violation.at(at))
    }

    /// Nothing fails any more: sessions carry all configuration that they may, until there is nothing more to carry. In
    /// each pass over all edges everything moves on by one edge at least, as long as nobody's rights change.
    pub(super) fn settle_configuration(&mut self) -> Result<(), Violation> {
        if !self.plan.features.contains(&Feature::Configuration) {
            return Ok(());
        }
        let longest = self.nodes.len() + 1;
        let (mut left, mut most) = (longest, longest * (1 + self.users()));
        for pass in 0.. {
            let before: Vec<u64> = self.nodes.iter().map(|node| node.commits).collect();
            let rights = self.all_rights();
            for edge in 0..self.plan.edges.len() {
                self.now += 1_000;
                if !self.plan.unused.contains(&edge) {
                    self.exchange_configuration(edge, pass)?;
                }
            }
            if self.nodes.iter().map(|node| node.commits).eq(before) {
                break;
            }
            left = if self.all_rights() == rights { left - 1 } else { longest };
            most -= 1;
            if left == 0 || most == 0 {
                let text = format!("there is still configuration to exchange after {pass} passes");
                return Err(Violation::new("liveness", text));
            }
        }
        self.check_configuration()
    }

    /// Users of all peers: rights change when one of them comes to a peer that has another version.
    fn users(&self) -> usize {
        let records = self.nodes.iter().flat_map(|node| node.beside.records.iter());
        records.filter(|(kind, ..)| *kind == "/user").count() * self.nodes.len()
    }

    fn all_rights(&self) -> Vec<(Login, Letters)> {
        let rights =
            |edge: &Edge| (self.login(edge), self.nodes[edge.server].letters(edge.client, edge.login));
        self.plan.edges.iter().map(rights).collect()
    }

    fn exchange_configuration(&mut self, at: usize, pass: usize) -> Result<(), Violation> {
        let edge = self.plan.edges[at].clone();
        let turn = Turn { number: at as u64, part: 10_000 + pass as u64, copy: self.gatherings };
        match (self.nodes[edge.client].stage, self.nodes[edge.server].stage) {
            (Stage::Unborn, Stage::Whole) => return self.exchange(at, turn.part as usize),
            (Stage::Whole, Stage::Whole) => {}
            (_, Stage::Unborn) => return Ok(()),
        }
        if self.login(&edge) == Login::Wrong || self.is_stock(edge.client) || self.is_stock(edge.server) {
            return Ok(());
        }
        let letters = self.nodes[edge.server].letters(edge.client, edge.login);
        let (user, password) = node::credentials(&edge);
        let options = SyncOptions {
            config_pull: Some(Group::All),
            config_push: letters.allow(Right::Admin).then_some(Group::All),
            user,
            password,
            ..SyncOptions::default()
        };
        match self.converse(at, Kind::Sync, options, turn)? {
            End::Done | End::Cut => Ok(()),
            End::Failed => {
                let text =
                    format!("a session for configuration of {} with {} failed", edge.client, edge.server);
                Err(Violation::new("liveness", text))
            }
        }
    }

    fn check_configuration(&self) -> Result<(), Violation> {
        for (at, edge) in self.plan.edges.iter().enumerate() {
            let (client, server) = (&self.nodes[edge.client], &self.nodes[edge.server]);
            if self.plan.unused.contains(&at)
                || self.login(edge) == Login::Wrong
                || client.stock.is_some()
                || server.stock.is_some()
                || client.stage == Stage::Unborn
                || server.stage == Stage::Unborn
            {
                continue;
            }
            let pair = Pair {
                client: &client.beside.records,
                server: &server.beside.records,
                letters: &server.letters(edge.client, edge.login),
            };
            pair.check().map_err(|violation| Violation {
                text: format!("{} and {}: {}", edge.client, edge.server, violation.text),
                ..violation
            })?;
        }
        Ok(())
    }
}
