//! The end of a run: no faults any more, and everything has to come together within a bound.

use std::collections::{BTreeMap, BTreeSet};

use repo::unversioned::FUTURE_SECONDS;
use sync::{Limits, Progress, SyncOptions};
use xfer::ArtifactId;

use super::Sim;
use super::exchange::shown;
use crate::beside::records::Record;
use crate::check::budget;
use crate::check::convergence::{self, Flows};
use crate::check::derived::{self, Rows};
use crate::check::tables::{VERDICTS, is_deletion_forgotten};
use crate::check::{completeness, content};
use crate::dice::{Ratio, Turn};
use crate::known::Known;
use crate::model::Violation;
use crate::node::{Node, Power, Stage};
use crate::plan::{self, Edge, Level, Login};
use crate::rights::{Letters, Right};
use crate::talk::{Kind, Soundness, Talk, allowed};

/// Bytes that fit in any message under the limits that are shipped, also unpacked.
const LITTLE: usize = 50_000;

/// Rounds that no session takes here: a client ends by itself after as many as its limits say, which are fewer.
const MOST_ROUNDS: u64 = 10_000;

/// How a session ended in which nothing was to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Done,
    Failed,
    /// It had all its rounds, with a server that has no time for more than an artifact or two in each: the next session goes on.
    Cut,
}

/// Passes in which who lacks much may ask for all of it, at most.
const MOST_TURNS: usize = 40;

impl Sim {
    pub(super) fn settle(&mut self) -> Result<(), Violation> {
        self.tell("faults end");
        self.side.is_settled = true;
        self.talks.clear();
        self.down.clear();
        self.slow.clear();
        for at in 0..self.nodes.len() {
            self.nodes[at].limits = plan::unbounded(&self.nodes[at].limits);
            self.nodes[at].forget_logins();
            let by_the_way = self.dice("last restart", at as u64).hits(Ratio::new(1, 8));
            if self.nodes[at].power == Power::Off || by_the_way {
                self.restart(at)?;
            }
        }
        self.settle_daemons()?;
        self.settle_configuration()?;
        self.converge()?;
        let known: Vec<&Known> = self.nodes.iter().map(|node| &node.known).collect();
        convergence::check(&known, &self.flows())?;
        self.check_aside()?;
        self.check_locks_end()?;
        self.outlive_dates()?;
        self.check_contents()?;
        // What is shunned is let go of here.
        self.check_tables()
    }

    /// Passes over all edges in which everything has to come together. In each everything moves on by one edge at
    /// least, so a wave of news has been everywhere after as many as the longest way has edges; what makes another wave
    /// is counted.
    pub(super) fn bound(&self) -> usize {
        // No way without a loop is longer.
        let longest = self.nodes.len() - 1;
        // Artifacts and files; then deletions, which may wait for the file that they are of.
        let news = 2;
        // A cluster is news too, and takes a hundred artifacts that none lists; the last one may be of fewer, where a
        // peer like stock makes some of what others listed already.
        let clusters = self.model.len() / 100 + 1;
        // Such a peer ends a session with the first round that brings nothing new, and goes on in the next pass: once for
        // what a cluster lists, once for the sources of deltas that it keeps waiting. Where it sends nothing as a delta
        // that waits, the session fails, and another pass follows.
        let stock = self.plan.stock.iter().flatten().count();
        // Where peers ask each other in a circle each time that a row gives way to another user's is another wave.
        let verdicts = if self.has_rivals() { VERDICTS as usize } else { 0 };
        // What is dated too far ahead counts as of another time at each peer, and each of these may take the place of others.
        let ahead = self.files_ahead() * self.nodes.len();
        // In the last pass nothing moves.
        longest * (news + clusters + 2 * stock + verdicts + ahead) + stock + 1
    }

    /// Whether a row is here one user's and there another's.
    fn has_rivals(&self) -> bool {
        let mut owners = BTreeMap::new();
        self.nodes.iter().flat_map(|node| &node.beside.tables).any(|(name, table)| {
            table.rows.iter().any(|(key, row)| *owners.entry((name, key)).or_insert(&row.owner) != &row.owner)
        })
    }

    /// Passes that may go by in which nothing moves: who lacks more than one request asks for asks for some that others
    /// did not have, each time for those whose turn it is. None where nobody that gives to a peer has any of what it lacks.
    fn turns(&self) -> usize {
        let given = self.flows().artifacts;
        let turns = |(at, node): (usize, &Node)| {
            let lacks = node.known.lacks();
            let gives = |&(from, to): &(usize, usize)| {
                to == at && lacks.iter().any(|id| self.nodes[from].known.gives(id))
            };
            let may_come = node.stock.is_none() && given.iter().any(gives);
            if may_come { lacks.len() / node.limits.gimmes } else { 0 }
        };
        self.nodes.iter().enumerate().map(turns).max().unwrap_or(0)
    }

    /// Has who lacks very much ask for more at a time: else its turns take minutes, each of them a pass of as many rounds.
    fn limit_turns(&mut self) {
        for node in &mut self.nodes {
            let least = node.known.lacks().len().div_ceil(MOST_TURNS);
            node.limits.gimmes = node.limits.gimmes.max(least);
        }
    }

    pub(super) fn converge(&mut self) -> Result<(), Violation> {
        self.limit_turns();
        let (bound, mut pass, mut still, mut moved) = (self.bound(), 0, 0, 0);
        // Each time that artifacts come because their turn was there, as much may follow as at first. Each comes to a peer once.
        let (mut most, mut missing) = (bound, self.missing());
        while moved < most {
            pass += 1;
            self.tell(&format!("pass {pass} of {most}"));
            self.passed = self.now;
            let before: Vec<u64> = self.nodes.iter().map(|node| node.commits).collect();
            for edge in self.in_order() {
                self.now += 1_000;
                if !self.plan.unused.contains(&edge) {
                    self.exchange(edge, pass)?;
                }
            }
            if self.nodes.iter().map(|node| node.commits).eq(before) {
                still += 1;
                if still > self.turns() {
                    return Ok(());
                }
                continue;
            }
            if still > 0 {
                let now = self.missing();
                most += if now < missing { bound } else { 0 };
                missing = missing.min(now);
            }
            if still == 0 && self.keepers.are_alone() {
                let text = "the schedules of daemons left something to exchange".to_owned();
                return Err(Violation::new("liveness", text));
            }
            (moved, still) = (moved + 1, 0);
        }
        let peers = self.nodes.iter().filter(|node| node.stock.is_none());
        let peers: Vec<_> = peers.map(|node| (&node.beside.tables, node.time(self.now))).collect();
        if is_deletion_forgotten(&peers) {
            return Ok(());
        }
        Err(Violation::new("liveness", format!("there is still something to exchange after {pass} passes")))
    }

    /// How often a peer holds nothing of what some peer holds.
    fn missing(&self) -> usize {
        let all: BTreeSet<&ArtifactId> = self.nodes.iter().flat_map(|node| node.known.held.keys()).collect();
        self.nodes.iter().map(|node| all.len() - node.known.held.len()).sum()
    }

    /// All edges. In half of the runs news go against their order, so that a pass brings them on by one edge only.
    fn in_order(&self) -> Vec<usize> {
        let edges = 0..self.plan.edges.len();
        if self.dice("order of edges", 0).below(2) == 0 { edges.collect() } else { edges.rev().collect() }
    }

    /// One whole session, in which nothing fails.
    pub(super) fn exchange(&mut self, at: usize, pass: usize) -> Result<(), Violation> {
        let edge = self.plan.edges[at].clone();
        let letters = self.nodes[edge.server].letters(edge.client, edge.login);
        let mut options = allowed(&edge, &letters);
        let kind = match (self.nodes[edge.client].stage, self.nodes[edge.server].stage) {
            (_, Stage::Unborn) => return Ok(()),
            (Stage::Unborn, _) => Kind::Clone,
            (Stage::Whole, _) => Kind::Sync,
        };
        if self.login(&edge) == Login::Wrong || !(options.pull || options.push) {
            return Ok(());
        }
        if kind == Kind::Clone {
            if !letters.allow(Right::Clone) || !options.pull {
                return Ok(());
            }
            (options.push, options.private) = (false, false);
        }
        let turn = Turn { number: at as u64, part: pass as u64, copy: self.gatherings };
        self.add_aside(turn, at, &mut options)?;
        self.tripping.remove(&at);
        self.barred.remove(&at);
        let end = self.converse(at, kind, options, turn)?;
        // Between two like stock each session fails in which one sends nothing as an artifact, until the delta source
        // comes there on another way; and of who is like stock each one that has a delta of something shunned for either.
        let from_stock = self.is_stock(edge.client);
        let is_hollow = from_stock && self.is_stock(edge.server) && self.hollow.contains_key(&at);
        // A clone of one that keeps a delta whose source is nowhere any more ends with that, whoever clones.
        let is_stuck = kind == Kind::Clone && self.keeps_deltas(edge.server);
        if end == End::Failed && (is_hollow || is_stuck || from_stock && self.barred.contains(&at)) {
            self.tripping.insert(at);
            return Ok(());
        }
        match end {
            End::Done | End::Cut => Ok(()),
            End::Failed => Err(Violation::new("liveness", format!("{kind:?} of {} failed", edge.client))),
        }
    }

    /// All rounds of a session, one after the other.
    pub(super) fn converse(
        &mut self,
        at: usize,
        kind: Kind,
        options: SyncOptions,
        turn: Turn,
    ) -> Result<End, Violation> {
        let edge = self.plan.edges[at].clone();
        let mut talk = Talk::new(at, kind, options, &mut self.dice("last talk", turn));
        (talk.life, talk.server_returns) = (self.nodes[edge.client].life, self.nodes[edge.server].returns);
        talk.begun = self.now;
        talk.commits = Some(self.nodes[edge.client].commits);
        talk.stock = self.stock_session(&talk, turn);
        self.tell(&format!("{} of {} with {}", talk.name(), edge.client, edge.server));
        talk.before = self.before(&edge);
        let (mut bytes, mut rounds) = (0, 0);
        loop {
            rounds += 1;
            if rounds > MOST_ROUNDS {
                return Err(Violation::new("liveness", format!("{} has no end", talk.name())));
            }
            self.hollow.remove(&at);
            let Some(request) = self.compose(&mut talk)? else { return Ok(End::Failed) };
            self.tell(&format!("peer {} asks, {}", edge.client, shown(&request)));
            bytes += request.bytes.len();
            let Some((reply, answer)) = self.serve(at, &request, Soundness::Sound)? else {
                self.tell(&format!("peer {} fails", edge.server));
                match self.goes_on_whole(&mut talk) {
                    true => continue,
                    false => return Ok(End::Failed),
                }
            };
            self.tell(&format!("peer {} answers, {}", edge.server, shown(&reply)));
            bytes += reply.bytes.len();
            let answer = self.held_against(&talk, answer);
            talk.chances.hear(answer, Soundness::Sound);
            match self.absorb(&mut talk, &reply, Soundness::Sound)? {
                Some(Progress::Continue) => {}
                Some(Progress::Done) => break,
                None if self.is_cut(&talk) => return Ok(End::Cut),
                None => return Ok(End::Failed),
            }
        }
        if talk.stock.is_none() {
            let known = &self.nodes[edge.client].known;
            let withheld = budget::check_rounds(&talk, known)?;
            if bytes <= LITTLE && self.is_as_shipped(edge.client) && self.is_as_shipped(edge.server) {
                budget::check_few_rounds(&talk, withheld)?;
            }
            if !self.is_stock(edge.server) {
                completeness::check_whole(&talk, known, &self.nodes[edge.server].known)?;
                completeness::check_given(&talk, known, &self.nodes[edge.server].known)?;
                self.check_both(&talk)?;
            }
        }
        Ok(End::Done)
    }

    /// Whether a peer has the limits that are shipped, and no settings that bound messages.
    fn is_as_shipped(&self, at: usize) -> bool {
        self.nodes[at].limits == Limits::default() && self.plan.budgets[at].named().next().is_none()
    }

    /// A session that is done, while nothing else happened to either side, left no file without history behind, and no row.
    fn check_both(&mut self, talk: &Talk) -> Result<(), Violation> {
        let moves = talk.options.pull || talk.options.push;
        if talk.kind == Kind::Clone || !moves {
            return Ok(());
        }
        let edge = self.plan.edges[talk.edge].clone();
        self.check_pair(talk.edge, talk.begun)?;
        let letters = self.nodes[edge.server].letters(edge.client, edge.login);
        let ends = [&self.nodes[edge.client], &self.nodes[edge.server]];
        let latest = ends.map(|node| node.time(talk.begun).seconds() + FUTURE_SECONDS);
        let mut flows = Flows { latest: latest.into(), ..Flows::default() };
        flows.files.extend(files(&edge, &letters).into_iter().map(|(from, to)| {
            let end = |peer: usize| usize::from(peer == edge.server);
            (end(from), end(to))
        }));
        convergence::check_files(&ends.map(|node| &node.known), &flows).map_err(|violation| Violation {
            text: format!("{} is done: {}", talk.name(), violation.text),
            ..violation
        })
    }

    /// Which way things go while nothing fails.
    pub(super) fn flows(&self) -> Flows {
        let latest = self.nodes.iter().map(|node| node.time(self.passed).seconds() + FUTURE_SECONDS);
        let mut flows = Flows { latest: latest.collect(), ..Flows::default() };
        let is_used = |at: &usize| !self.plan.unused.contains(at) && !self.tripping.contains(at);
        for (_, edge) in self.plan.edges.iter().enumerate().filter(|(at, _)| is_used(at)) {
            let whole = |node: usize| self.nodes[node].stage == Stage::Whole;
            if self.login(edge) == Login::Wrong || !whole(edge.client) || !whole(edge.server) {
                continue;
            }
            let letters = self.nodes[edge.server].letters(edge.client, edge.login);
            let private = edge.private && letters.allow(Right::Private);
            let (down, up) = ((edge.server, edge.client), (edge.client, edge.server));
            for (flow, right) in [(down, Right::Read), (up, Right::Write)] {
                flows.artifacts.extend(letters.allow(right).then_some(flow));
                flows.private.extend((private && letters.allow(right)).then_some(flow));
            }
            flows.files.extend(files(edge, &letters));
        }
        flows
    }

    fn check_contents(&mut self) -> Result<(), Violation> {
        let peers = self.nodes.iter_mut().enumerate().filter(|(_, node)| node.stock.is_none());
        for (at, node) in peers {
            content::check_all(&mut node.repo, &node.known, &mut self.model)
                .map_err(|violation| violation.at(at))?;
        }
        Ok(())
    }

    /// Peers that hold the same have the same derived tables. In a fourth of the runs those of all are compared with a rebuild,
    /// and those of one in the others; in calm ones, which are to be many, those of one, or of all, in a ninth.
    fn check_tables(&mut self) -> Result<(), Violation> {
        let mut alike: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
        let comparable =
            |(_, node): &(usize, &Node)| node.stock.is_none() && !derived::depend_on_shuns(&node.known);
        for (at, node) in self.nodes.iter().enumerate().filter(comparable) {
            alike.entry(print(node)).or_default().push(at);
        }
        for peers in alike.values().filter(|peers| peers.len() > 1) {
            let rows = |node: &mut Node| Rows::read(&mut node.repo, &node.known);
            let first = rows(&mut self.nodes[peers[0]])?;
            for &other in &peers[1..] {
                first.check_same(&rows(&mut self.nodes[other])?)?;
            }
        }
        let (mut dice, nodes) = (self.dice("rebuild", 0), self.nodes.len());
        let chances = if self.plan.level == Level::Calm { 36 } else { 4 };
        let some = match dice.below(chances) {
            0 => 0..nodes,
            1..=3 => {
                let one = dice.place(nodes);
                one..one + 1
            }
            _ => 0..0,
        };
        for at in some {
            if self.is_stock(at) || derived::depend_on_shuns(&self.nodes[at].known) {
                continue;
            }
            let time = self.nodes[at].time(self.now);
            derived::check_rebuild(&mut self.nodes[at].repo, time).map_err(|violation| violation.at(at))?;
        }
        Ok(())
    }
}

/// Which way files without history go over an edge.
fn files(edge: &Edge, letters: &Letters) -> Vec<(usize, usize)> {
    if !edge.unversioned || !letters.allow(Right::Read) {
        return Vec::new();
    }
    let gives = letters.allow(Right::WriteFiles) && letters.allow(Right::Write);
    let up = gives.then_some((edge.client, edge.server));
    [(edge.server, edge.client)].into_iter().chain(up).collect()
}

/// What two peers have to have in common for their derived tables to be the same.
fn print(node: &Node) -> Vec<u8> {
    let (known, mut print) = (&node.known, Vec::new());
    for name in ["ticket-table", "ticket-title-expr"] {
        let said = node.beside.records.get("/config", name).map(Record::content);
        print.extend_from_slice(said.unwrap_or_default().as_bytes());
        print.push(0);
    }
    known.held.keys().for_each(|id| print.extend_from_slice(id.as_bytes()));
    for set in [&known.phantoms, &known.waiting, &known.private, &known.shunned] {
        print.push(0);
        set.iter().for_each(|id| print.extend_from_slice(id.as_bytes()));
    }
    print
}
