//! What happens beside artifacts and files: synced tables, locks, configuration.

use repo::table::TableError;
use repo::{Repo, RepoError, UnixTime, config};
use sync::{CheckinLock, SyncOptions};
use xfer::{ArtifactId, Card, Message, Pragma, hash};

use super::within::{Errand, Place};
use super::{Event, Sim, broken};
use crate::beside::Beside;
use crate::beside::tables::contested;
use crate::check::content::Maker;
use crate::check::meant::rows;
use crate::check::tables::{self, Cause, Pair, VERDICTS, Written};
use crate::check::{configuration, locks};
use crate::dice::{Dice, Turn};
use crate::feature::Feature;
use crate::meant::RowMeant;
use crate::model::Violation;
use crate::node::{Power, Stage, name};
use crate::plan::{Edge, Login};
use crate::queue::Moment;
use crate::rights::{Letters, Right};
use crate::script::Item;
use crate::site::Site;
use crate::work::rows::{Done, Scribe};
use crate::work::settings::Keeper;

/// What the simulator knows of all that happens here.
#[derive(Debug, Default)]
pub(super) struct Side {
    written: Written,
    /// The lock that the next session asks for.
    claim: Option<CheckinLock>,
    /// Whether the end has come, in which users do nothing.
    pub(super) is_settled: bool,
}

impl Sim {
    /// Plans what users do here.
    pub(super) fn plan_side(&mut self) -> Result<(), Violation> {
        for at in 0..self.nodes.len() {
            self.found_aside(at).map_err(broken)?;
        }
        for feature in self.plan.features.clone() {
            if feature == Feature::Locks {
                continue;
            }
            let (least, more) = if feature == Feature::Tables { (4, 2) } else { (2, 1) };
            let count = self.dice("aside", feature as u64).between(least, least + more * self.plan.actions);
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
        Ok(())
    }

    /// How long a lock holds is up to each peer, and what a guest may do.
    fn found_aside(&mut self, at: usize) -> Result<(), RepoError> {
        if self.plan.features.contains(&Feature::Configuration) && self.nodes[at].stage == Stage::Whole {
            let mut dice = self.dice("guest", at as u64);
            let node = &mut self.nodes[at];
            let now = UnixTime(node.time(0).0 + 1_000 * dice.below(4) as i64);
            Keeper { dice: &mut dice, now, logins: &[], count: 0, meant: Vec::new() }
                .invite(&mut node.repo)?;
        }
        if self.plan.features.contains(&Feature::Locks) && self.nodes[at].stage == Stage::Whole {
            let seconds = *self.dice("lock timeout", at as u64).pick(&["60", "5", "20", "x", "0"]);
            let node = &mut self.nodes[at];
            let now = node.time(0);
            let tx = node.repo.begin()?;
            config::set(&tx, "lock-timeout", seconds, now)?;
            tx.commit()?;
        }
        self.look_aside(at).map(|_| ())
    }

    /// What a session does here.
    pub(super) fn add_aside(
        &mut self,
        turn: Turn,
        edge: usize,
        options: &mut SyncOptions,
    ) -> Result<(), Violation> {
        options.tables = self.plan.features.contains(&Feature::Tables);
        if !self.side.is_settled {
            self.add_configuration(turn, edge, options);
        }
        // A server like stock is asked for tables, and knows none; of locks its model knows nothing.
        let Edge { client, server, .. } = self.plan.edges[edge];
        if !self.plan.features.contains(&Feature::Locks) || self.is_stock(client) || self.is_stock(server) {
            return Ok(());
        }
        options.ci_lock = self.side.claim.take();
        if options.ci_lock.is_some() || self.side.is_settled {
            return Ok(());
        }
        let mut dice = self.dice("lock", turn);
        let checkout = checkout(client, dice.below(2));
        match dice.below(4) {
            0 | 1 => {
                let parents = newest(&mut self.nodes[client].repo, NEWEST).map_err(broken)?;
                let known = parents.get(dice.place(parents.len().max(1))).copied();
                let parent = known.unwrap_or_else(|| hash::sha1(b"a check-in that nobody has"));
                options.ci_lock = Some(CheckinLock { parent, client: checkout });
            }
            2 => options.ci_unlock = Some(checkout),
            _ => {}
        }
        Ok(())
    }

    /// After its time, or a minute, a lock stands in nobody's way.
    pub(super) fn check_locks_end(&mut self) -> Result<(), Violation> {
        if !self.plan.features.contains(&Feature::Locks) {
            return Ok(());
        }
        for at in 0..self.plan.edges.len() {
            let (client, server) = (self.plan.edges[at].client, self.plan.edges[at].server);
            let letters = self.nodes[server].letters(client, self.plan.edges[at].login);
            let time = self.nodes[server].time(self.now).seconds();
            let locks = &self.nodes[server].beside.locks;
            // One from the future is as old as it is ahead.
            let is_ahead = locks.held.values().any(|lock| lock.since > time);
            let unfit = self.is_stock(client)
                || self.is_stock(server)
                || self.plan.unused.contains(&at)
                || self.login(&self.plan.edges[at]) == Login::Wrong;
            if unfit || is_ahead || !letters.allow(Right::Write) || self.nodes[client].stage == Stage::Unborn
            {
                continue;
            }
            let Some(&parent) = newest(&mut self.nodes[client].repo, NEWEST).map_err(broken)?.first() else {
                continue;
            };
            self.now += 61_000;
            let own = checkout(client, 2);
            self.side.claim = Some(CheckinLock { parent, client: own.clone() });
            self.exchange(at, 1_000)?;
            let server = &self.nodes[server];
            let holder = server.beside.locks.on(&parent.to_string(), server.time(self.now));
            return match holder {
                Some(lock) if lock.client != own => {
                    Err(Violation::new("locks", format!("{lock:?} on {parent} did not end")))
                }
                _ => Ok(()),
            };
        }
        Ok(())
    }

    /// A user does something.
    pub(super) fn act_aside(&mut self, feature: Feature, at: usize, number: u64) -> Result<(), Violation> {
        let is_away = self.nodes[at].power == Power::Off || self.nodes[at].stage == Stage::Unborn;
        if is_away || self.is_stock(at) {
            return Ok(());
        }
        self.done.insert(Item::Action(number));
        let dice = &mut self.dice("work aside", number);
        match feature {
            Feature::Tables => self.write_rows(number, at, dice),
            Feature::Configuration | Feature::Users => self.keep(feature, number, at, dice),
            Feature::Locks => Ok(()),
        }
    }

    fn write_rows(&mut self, number: u64, at: usize, dice: &mut Dice) -> Result<(), Violation> {
        self.errand = Errand::new(Place::Work, number);
        let (armed, large) = (self.arm(at)?, self.large(at));
        let (peers, node) = (self.nodes.len(), &mut self.nodes[at]);
        let mut scribe = Scribe {
            dice,
            peer: at,
            peers,
            now: node.time(self.now),
            large,
            tables: &node.beside.tables,
            meant: Vec::new(),
        };
        let (done, meant) = (scribe.act(&mut node.repo), scribe.meant);
        self.disarm(at, armed)?;
        self.wrote(number, at, done, &meant)
    }

    /// Looks at what a user did to tables.
    pub(super) fn wrote(
        &mut self,
        number: u64,
        at: usize,
        done: Result<Done, TableError>,
        meant: &[RowMeant],
    ) -> Result<(), Violation> {
        let before = self.nodes[at].beside.tables.clone();
        let done = match done {
            Ok(done) => done,
            // Who died after a commit committed what was meant.
            Err(TableError::Repo(error)) if self.dies_of(at, &error, Maker::User)?.is_some() => {
                let now = &self.nodes[at].beside.tables;
                let checked = if before == *now { Ok(()) } else { rows::check(&before, now, meant) };
                return checked.map_err(|violation| violation.at(at));
            }
            Err(TableError::Repo(error)) if self.is_excused(at, &error) => {
                self.tell(&format!("peer {at} fails: {error}{}", self.action(number)));
                return self.unchanged_aside(at);
            }
            Err(error) => return Err(Violation::new("work", format!("peer {at}: {error}"))),
        };
        self.census.note(format!("row {:?}", done.kind).to_lowercase());
        let what = done.what.replace('\n', " ");
        self.tell(&format!("peer {at} {what}: {:?}{}", done.kind, self.action(number)));
        let Done { user, wrong, .. } = done;
        if let Some(wrong) = wrong {
            return Err(Violation::new("tables", format!("peer {at}: {wrong}")));
        }
        self.audit_aside(at, Cause::User(&user))?;
        rows::check(&before, &self.nodes[at].beside.tables, meant).map_err(|violation| violation.at(at))?;
        self.may_crash(Site::CrashAfterWork, number.into(), at);
        Ok(())
    }

    /// Looks at a repository after a commit.
    pub(super) fn audit_aside(&mut self, at: usize, cause: Cause<'_>) -> Result<(), Violation> {
        let ahead = std::mem::take(&mut self.errand.ahead);
        let Some(before) = self.look_aside(at).map_err(broken)? else { return Ok(()) };
        let (node, side) = (&self.nodes[at], &mut self.side);
        let mut time = node.time(self.now);
        time.0 += ahead;
        // With no faults around all of it comes to happen some day.
        if !side.is_settled {
            let came = configuration::came(&before.records, &node.beside.records, &cause);
            came.into_iter().for_each(|kind| self.census.note(kind));
        }
        if !matches!(cause, Cause::Request { .. }) {
            locks::check_still(&before.locks, &node.beside.locks)?;
        }
        configuration::check(&before.records, &node.beside.records, &cause)
            .and_then(|()| tables::check(&before.tables, &node.beside.tables, cause, time, &mut side.written))
            .map_err(|violation| violation.at(at))
    }

    /// Whether something changed since it was looked at last; then it is looked at again.
    pub(super) fn look_aside(&mut self, at: usize) -> Result<Option<Beside>, RepoError> {
        if self.plan.features.is_empty() || self.is_stock(at) {
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
        let edge = self.plan.edges[edge].clone();
        let user = (self.login(&edge) == Login::Password).then(|| name(edge.client));
        let cause = Cause::Request { letters, user: user.as_deref(), message: request };
        let server = edge.server;
        let before = self.nodes[server].beside.locks.clone();
        self.audit_aside(server, cause)?;
        let Some(reply) = reply else { return Ok(()) };
        tables::check_reply(reply, letters)?;
        let (client, rows) = (edge.client, tables::given(reply));
        self.tempt(server, client, &rows);
        if self.has_records() {
            configuration::check_reply(request, reply, letters, &self.nodes[server].beside.records)
                .map_err(|violation| violation.at(server))?;
        }
        if !self.plan.features.contains(&Feature::Locks) {
            return Ok(());
        }
        let node = &self.nodes[server];
        let (now, time, user) = (&node.beside.locks, node.time(self.now), user.as_deref());
        if reply.cards.iter().any(|card| matches!(card, Card::Pragma(Pragma::CiLockFail { .. }))) {
            self.census.note("lock in the way");
        }
        let handled = locks::Handled { before: &before, now, request, reply, letters, user, time };
        if !self.side.is_settled {
            handled.kinds().for_each(|kind| self.census.note(kind));
        }
        handled.check().map_err(|violation| violation.at(server))
    }

    /// All is the same wherever it may be.
    pub(super) fn check_aside(&mut self) -> Result<(), Violation> {
        if !self.plan.features.contains(&Feature::Tables) {
            return Ok(());
        }
        for at in 0..self.plan.edges.len() {
            if !self.plan.unused.contains(&at) {
                self.check_pair(at, self.passed)?;
            }
        }
        let peers = self.nodes.iter_mut().filter(|node| node.stock.is_none());
        let mut peers: Vec<_> = peers.map(|node| (&mut node.repo, &node.beside.tables)).collect();
        tables::check_digests(&mut peers)
    }

    /// Both ends of an edge have the rows that they may have of each other, if they began to talk at that time.
    pub(super) fn check_pair(&mut self, at: usize, begun: Moment) -> Result<(), Violation> {
        if !self.plan.features.contains(&Feature::Tables) {
            return Ok(());
        }
        let edge = self.plan.edges[at].clone();
        if self.is_stock(edge.client) || self.is_stock(edge.server) {
            return Ok(());
        }
        let contested = contested(&mut self.nodes[edge.client].repo, VERDICTS).map_err(broken)?;
        let (client, server) = (&self.nodes[edge.client], &self.nodes[edge.server]);
        let is_unborn = client.stage == Stage::Unborn || server.stage == Stage::Unborn;
        let login = self.login(&edge);
        if is_unborn || login == Login::Wrong {
            return Ok(());
        }
        let user = (login == Login::Password).then(|| name(edge.client));
        let pair = Pair {
            client: &client.beside.tables,
            server: &server.beside.tables,
            letters: &server.letters(edge.client, edge.login),
            user: user.as_deref(),
            contested: &contested,
            clocks: (client.time(begun), server.time(begun)),
        };
        pair.check().map_err(|violation| Violation {
            text: format!("{} and {}: {}", edge.client, edge.server, violation.text),
            ..violation
        })
    }
}

/// A checkout of a peer, as it calls itself.
fn checkout(client: usize, number: u64) -> String {
    hash::sha1(format!("checkout {number} of {client}").as_bytes()).to_string()
}

/// Check-ins that a lock may be asked for.
pub(super) const NEWEST: u32 = 3;

/// The newest check-ins that others may know, so many at most.
pub(super) fn newest(repo: &mut Repo, most: u32) -> Result<Vec<ArtifactId>, RepoError> {
    let snap = repo.snapshot()?;
    let sql =
        "SELECT uuid FROM event JOIN blob ON rid=objid WHERE type='ci' AND size>=0 AND rid NOT IN private
       ORDER BY event.mtime DESC, uuid LIMIT ?1";
    let mut statement = snap.conn().prepare_cached(sql)?;
    let mut newest = Vec::new();
    for name in statement.query_map([most], |row| row.get::<_, String>(0))? {
        newest.extend(ArtifactId::from_hex(name?.as_bytes()));
    }
    Ok(newest)
}
