//! Rounds with peers that are like stock.

use std::collections::BTreeSet;

use xfer::body::{Body, ContentType, pack, unpack};
use xfer::{ArtifactId, DecodeLimits, hash};

use super::Sim;
use crate::answer::Answer;
use crate::check::content::Maker;
use crate::check::rights::Came;
use crate::check::wire::Leave;
use crate::check::{clusters, kept, private, shunned};
use crate::dice::{FNV_START, Ratio, Turn, fnv};
use crate::known::Known;
use crate::model::{Model, Violation};
use crate::node::{Stage, name};
use crate::plan::{Edge, Edition, Login};
use crate::rights::Right;
use crate::stock::author::Author;
use crate::stock::store::{BARRED, WANTING};
use crate::stock::{self, Session, Store, Trip, client, server, user};
use crate::talk::{Kind, Soundness, Talk};
use repo::manifest::{self, Artifact};
use sync::Progress;
use xfer::card::Privacy;

/// Pieces of what servers say to who has not the right.
const DENIALS: [&str; 3] = ["not authorized", "login failed", "Write permissions for unversioned files"];

impl Sim {
    pub(super) fn is_stock(&self, at: usize) -> bool {
        self.nodes[at].stock.is_some()
    }

    /// What a session of a client that is like stock is to do; none if the client is not.
    pub(super) fn stock_session(&self, talk: &Talk, turn: Turn) -> Option<Session> {
        let edge = self.plan.edges[talk.edge].clone();
        if !self.is_stock(edge.client) {
            return None;
        }
        let options = &talk.options;
        let login = (edge.login != Login::Nobody)
            .then(|| options.user.clone().zip(options.password.clone()))
            .flatten();
        let letters = self.nodes[edge.server].letters(edge.client, edge.login);
        let task = client::Task {
            clone: talk.kind == Kind::Clone,
            pull: options.pull,
            push: options.push,
            // Who is like stock takes what is private from who may not give it, and makes it public.
            private: options.private
                && (edge.private && letters.allow(Right::Private) || !self.is_stock(edge.server)),
            unversioned: options.unversioned,
            verily: options.verily,
            login,
        };
        let seed = self.dice("talk of stock", turn).bits();
        Some(Session::new(task, seed))
    }

    pub(super) fn act_as_stock(&mut self, number: u64, at: usize) -> Result<(), Violation> {
        if self.disfavours(number, at)? {
            return Ok(());
        }
        let now = self.nodes[at].time(self.now);
        let dice = &mut self.dice("work of stock", number);
        let writes = self.plan.edition >= Edition::Fourth
            && self.dice("is more of stock", number).hits(Ratio::new(1, 2));
        let Some(store) = &mut self.nodes[at].stock else { return Ok(()) };
        let user = name(at);
        let what = if writes {
            let mut author = Author { store, dice, user: &user, count: number, now };
            let written = author.write();
            written.iter().for_each(|(kind, _)| self.census.note(format!("{kind} of stock")));
            let told = written.map(|(kind, id)| format!("writes a {kind} {}", id.short()));
            told.unwrap_or_else(|| "has nothing to go on from".to_owned())
        } else {
            user::act(store, dice, &user, number, now)
        };
        self.tell(&format!("peer {at}, like stock, {what}{}", self.action(number)));
        self.audit(at, Maker::User).map(drop)
    }

    /// The next request of a client that is like stock.
    pub(super) fn compose_as_stock(&mut self, talk: &mut Talk) -> Result<Option<Body>, Violation> {
        let at = self.plan.edges[talk.edge].client;
        let (Some(session), Some(store)) = (&mut talk.stock, &mut self.nodes[at].stock) else {
            unreachable!("it is like stock")
        };
        let request = session.request(store);
        self.note_hollow(talk.edge, &request);
        self.audit(at, Maker::Peer)?;
        Ok(Some(pack(request, ContentType::Compressed)))
    }

    /// The reply of a server that is like stock; none if it answers with a page that says that it failed.
    pub(super) fn serve_as_stock(
        &mut self,
        edge: usize,
        body: &Body,
        soundness: Soundness,
    ) -> Result<Option<(Body, Answer)>, Violation> {
        if soundness == Soundness::Damaged {
            return Ok(None);
        }
        let at = self.plan.edges[edge].server;
        let answer = self.answer_of_stock(edge);
        let now = self.nodes[at].time(self.now);
        self.tally.requests += 1;
        let Some(store) = &mut self.nodes[at].stock else { unreachable!("it is like stock") };
        if store.project.is_empty() {
            return Ok(None);
        }
        let text = unpack(body, &DecodeLimits::default()).map_err(|error| Violation::new("stock", error))?;
        let reply = match server::answer(store, &text, body.content_type, now) {
            Ok(reply) => reply,
            Err(trip) if self.is_no_fault(edge, at, &trip) || self.is_again(at, body, &trip) => {
                self.note_barred(edge, &trip);
                self.tell(&format!("peer {at}, like stock, fails: {}", trip.0));
                return Ok(None);
            }
            Err(Trip(text)) => return Err(Violation::new("stock", format!("server {at}: {text}"))),
        };
        // Stock does that to stock, with what it knows only as the source of a private delta.
        if let Some(id) = reply.hidden.first().filter(|_| !self.is_stock(self.plan.edges[edge].client)) {
            return Err(Violation::new(
                "stock",
                format!("server {at}: igot {id} 1 hides what is public here"),
            ));
        }
        self.answered.entry(at).or_default().insert(fnv(FNV_START, &body.bytes));
        self.note_hollow(edge, &reply.text);
        self.note_stock(at);
        self.audit(at, Maker::Peer)?;
        Ok(Some((pack(reply.text, reply.framing), answer)))
    }

    /// Whether the server of an edge takes a request of which nothing came for an empty one, as one that is like stock does with
    /// a head that is cut before the length. Clients that are like stock would believe the answer.
    pub(super) fn answers_nothing(&self, edge: usize) -> bool {
        let Edge { client, server, .. } = self.plan.edges[edge];
        let is_there = self.nodes[server].stock.as_ref().is_some_and(|store| !store.project.is_empty());
        self.plan.edition >= Edition::Eighth && is_there && !self.is_stock(client)
    }

    /// What it says to that.
    pub(super) fn answer_nothing(&mut self, edge: usize) -> Result<Option<Body>, Violation> {
        let server = self.plan.edges[edge].server;
        let now = self.nodes[server].time(self.now);
        let answers = self.answers_nothing(edge);
        let Some(store) = self.nodes[server].stock.as_mut().filter(|_| answers) else { return Ok(None) };
        let reply = server::answer(store, b"", ContentType::Compressed, now);
        let reply =
            reply.map_err(|Trip(text)| Violation::new("stock", format!("server {server}: {text}")))?;
        self.census.note("reply to nothing");
        Ok(Some(pack(reply.text, reply.framing)))
    }

    /// What a server that is like stock is at this moment: it is asked for nothing that it keeps private.
    fn answer_of_stock(&self, edge: usize) -> Answer {
        let edge = &self.plan.edges[edge];
        let node = &self.nodes[edge.server];
        let letters = node.letters(edge.client, edge.login);
        Answer {
            bars: false,
            login: self.login(edge),
            stage: node.stage,
            reads: letters.allow(Right::Read).into(),
            private: Leave::Denied,
            letters,
            evaded: BTreeSet::new(),
            is_rare: false,
            is_out_of_time: false,
            open: BTreeSet::new(),
        }
    }

    /// Takes in a reply. None if the session failed.
    pub(super) fn absorb_as_stock(
        &mut self,
        talk: &mut Talk,
        body: &Body,
        soundness: Soundness,
    ) -> Result<Option<Progress>, Violation> {
        let edge = self.plan.edges[talk.edge].clone();
        let at = edge.client;
        if soundness == Soundness::Damaged {
            self.tell(&format!("{} of {at}, like stock, ends: the reply is cut short", talk.name()));
            self.tally.failed += 1;
            return Ok(None);
        }
        let Some(store) = &mut self.nodes[at].stock else { unreachable!("it is like stock") };
        let text = unpack(body, &DecodeLimits::default()).map_err(|error| Violation::new("stock", error))?;
        let Some(session) = &mut talk.stock else { unreachable!("it is like stock") };
        let next = match session.hear(store, &text) {
            Ok(next) => next,
            Err(trip) if self.is_no_fault(talk.edge, at, &trip) || self.is_unresolved(talk, &trip) => {
                self.note_barred(talk.edge, &trip);
                client::Next::Failed(trip.0)
            }
            Err(Trip(text)) => return Err(Violation::new("stock", format!("client {at}: {text}"))),
        };
        let is_done = next == client::Next::Done;
        self.note_stock(at);
        if is_done && talk.kind == Kind::Clone {
            self.nodes[at].stage = Stage::Whole;
            // A clone of nothing changes something too: files without history are still to come.
            self.nodes[at].commits += 1;
            let plan = self.plan.clone();
            self.nodes[at].found(&plan, at).map_err(super::broken)?;
        }
        self.audit(at, Maker::Peer)?;
        match next {
            client::Next::Go => Ok(Some(Progress::Continue)),
            client::Next::Done => {
                self.tally.succeeded += 1;
                self.tell(&format!("{} of {at}, like stock, is done", talk.name()));
                Ok(Some(Progress::Done))
            }
            client::Next::Failed(text) => {
                self.tally.failed += 1;
                self.tell(&format!("{} of {at}, like stock, failed: {text}", talk.name()));
                self.expect_failure(talk, &text).map(|()| None)
            }
        }
    }

    /// Counts a message that a peer like stock took in.
    fn note_stock(&mut self, at: usize) {
        self.tally.stock += 1;
        let version = self.nodes[at].stock.as_ref().map(|store| store.version);
        version.into_iter().for_each(|version| self.census.note(format!("like stock {version:?}")));
    }

    /// Keeps the names under which a peer like stock sent nothing over an edge.
    fn note_hollow(&mut self, edge: usize, message: &[u8]) {
        for id in stock::hollow(message) {
            self.tell(&format!("nothing is sent as {} over edge {edge}", id.short()));
            self.hollow.entry(edge).or_default().insert(id);
        }
    }

    /// Keeps that a delta of something shunned came over an edge.
    fn note_barred(&mut self, edge: usize, trip: &Trip) {
        if trip.0.starts_with(BARRED) {
            self.census.note("delta of something shunned");
            self.barred.insert(edge);
        }
    }

    /// A session with a peer like stock that failed on a delta of something shunned: whether it goes on without deltas.
    pub(super) fn goes_on_whole(&mut self, talk: &mut Talk) -> bool {
        let goes_on = self.barred.contains(&talk.edge) && talk.stock.is_none() && talk.session.send_whole();
        if goes_on {
            self.tell(&format!("{} goes on without deltas", talk.name()));
            self.census.note("went on without deltas");
        }
        goes_on
    }

    /// What stock trips over and no peer of it can help: deltas of what it shuns, files that it had none of when it went back,
    /// and what other stock sends as an empty file for want of a delta source. Frond passes over that: no session that it
    /// has part in fails of it.
    fn is_no_fault(&self, edge: usize, at: usize, trip: &Trip) -> bool {
        let mut hollow = self.hollow.get(&edge).into_iter().flatten();
        trip.0.starts_with(BARRED)
            // It went back to when it had none.
            || trip.0.contains("no such table: unversioned") && self.nodes[at].returns > 0
            || hollow.any(|id| trip.0 == format!("wrong hash on received artifact {id}"))
    }

    /// Whether a server trips over a request since it answered the very same before.
    fn is_again(&self, at: usize, body: &Body, trip: &Trip) -> bool {
        let answered = self.answered.get(&at);
        trip.0.contains("UNIQUE") && answered.is_some_and(|all| all.contains(&fnv(FNV_START, &body.bytes)))
    }

    /// Whether a clone lacks the source of a delta that its server does not give, or that came there only while it went on.
    fn is_unresolved(&self, talk: &Talk, trip: &Trip) -> bool {
        let server = &self.nodes[self.plan.edges[talk.edge].server];
        let root =
            trip.0.rsplit_once(WANTING).and_then(|(_, name)| ArtifactId::from_hex(name.as_bytes()).ok());
        let gives =
            |id: &ArtifactId| server.known.held.contains_key(id) && !server.known.shunned.contains(id);
        let was_alone = self.side.is_settled || talk.server_commits == Some(server.commits);
        root.is_some_and(|root| !gives(&root) || !was_alone)
    }

    /// Whether a peer is like stock and keeps deltas whose source it lacks: it gives them to who clones, as they are.
    pub(super) fn keeps_deltas(&self, at: usize) -> bool {
        self.is_stock(at) && !self.nodes[at].known.waiting.is_empty()
    }

    /// An error that makes stock give up has a reason.
    fn expect_failure(&self, talk: &Talk, text: &str) -> Result<(), Violation> {
        let Some(task) = talk.stock.as_ref().map(Session::task) else { return Ok(()) };
        let is_denied = |answer: &Answer| {
            let lacks = |asked: bool, right: Right| asked && !answer.letters.allow(right);
            answer.login == Login::Wrong
                || lacks(task.clone, Right::Clone)
                || lacks(task.pull, Right::Read)
                || lacks(task.push, Right::Write)
                || lacks(task.private, Right::Private)
                || lacks(task.unversioned, Right::WriteFiles)
        };
        let last = talk.chances.answers.last();
        let says = |piece: &str| text.contains(piece);
        let denied = last.is_some_and(is_denied) && DENIALS.into_iter().any(says);
        // Who was not told of which project it is signs its logins for none.
        let unborn = talk.chances.answers.iter().any(|answer| answer.stage == Stage::Unborn);
        let waits = says("too many failed logins") && last.is_some_and(|answer| answer.bars);
        let is_copy = says("this login was used before") && talk.is_doubled();
        let trip = Trip(text.to_owned());
        let no_fault = self.is_no_fault(talk.edge, self.plan.edges[talk.edge].client, &trip);
        let is_unresolved = self.is_unresolved(talk, &trip);
        if denied || unborn || is_copy || no_fault || waits || is_unresolved {
            return Ok(());
        }
        Err(Violation::new("stock", format!("{} gives up without a reason: {text}", talk.name())))
    }

    /// Looks at a store after a commit, as [`Sim::audit`] does at a repository.
    pub(super) fn audit_stock(&mut self, at: usize, before: &Known, maker: Maker) -> Result<Came, Violation> {
        let Self { nodes, model, .. } = self;
        let node = &nodes[at];
        let Some(store) = &node.stock else { unreachable!("it is like stock") };
        let place = |violation: Violation| Violation {
            text: format!("peer {at}, like stock: {}", violation.text),
            ..violation
        };
        let mut artifacts = Vec::new();
        for id in node.known.held.keys().filter(|id| !before.held.contains_key(id)) {
            learn(store, id, maker, model).map_err(place)?;
            artifacts.push(*id);
        }
        kept::check(before, &node.known).map_err(place)?;
        shunned::check(before, &node.known).map_err(place)?;
        private::check(&node.known, model).map_err(place)?;
        clusters::check(&node.known, model).map_err(place)?;
        Ok(Came::between(before, &node.known, artifacts))
    }
}

/// What is new at a peer expands to its hash, and somebody made it.
fn learn(store: &Store, id: &ArtifactId, maker: Maker, model: &mut Model) -> Result<(), Violation> {
    let content = store.content(id).unwrap_or_default();
    if !hash::names(id, content) {
        return Err(Violation::new("content", format!("{id} holds {} other bytes", content.len())));
    }
    if maker == Maker::User {
        let private = store.private.contains(id);
        model.made(*id, if private { Privacy::Private } else { Privacy::Public });
    } else if model.privacy(id).is_none() {
        let Ok(Artifact::Cluster(members)) = manifest::parse(content) else {
            return Err(Violation::new("content", format!("nobody made {id}")));
        };
        model.made_cluster(*id, members);
    }
    Ok(())
}
