//! The halves of a round: a client composes a request, a server answers, the client takes in the reply.

use std::collections::BTreeSet;

use repo::unversioned::FUTURE_SECONDS;
use repo::{RepoError, config, partial};
use sync::schedule::Outcome;
use sync::{Cx, Guard, Limits, NoGuard, Progress, SyncError, handle_sync, reply_content_type};
use xfer::body::{Body, pack, unpack};
use xfer::card::{Igot, Privacy};
use xfer::{ArtifactId, Card, DecodeLimits, Message, Pragma, decode, encode};

use super::Sim;
use super::exchange::Unreachable;
use crate::answer::{Answer, gimmes};
use crate::check::content::{self, Maker};
use crate::check::deadline::Allowance;
use crate::check::rights::Came;
use crate::check::tables::{self, Cause};
use crate::check::wire::{Leave, Sending};
use crate::check::{budget, clusters, configuration, events, preview, rights};
use crate::known;
use crate::model::Violation;
use crate::node::Stage;
use crate::rare::Rare;
use crate::rights::{Letters, Right};
use crate::talk::{Kind, Soundness, Talk};
use crate::watch::Watch;

impl Sim {
    /// The next request of a session as bytes; none if it failed.
    pub(super) fn compose(&mut self, talk: &mut Talk) -> Result<Option<Body>, Violation> {
        if talk.stock.is_some() {
            return self.compose_as_stock(talk);
        }
        let edge = self.plan.edges[talk.edge].clone();
        let rare = self.rare(edge.client);
        let node = &mut self.nodes[edge.client];
        let (time, limits) = (node.time(self.now), node.limits.clone());
        let mut cx = cx(time, &limits, &rare, &mut talk.watch);
        let (request, before) = match talk.ahead.take().filter(|_| talk.session.go_ahead(&mut cx)) {
            Some((request, before)) => (Ok(request), Some(before)),
            None => (talk.session.next_request(&mut node.repo, &mut cx), None),
        };
        if talk.looks_ahead {
            talk.session.read_ahead(&mut node.repo, &cx);
        }
        self.note_choices(&rare);
        talk.is_rare |= !rare.fired().is_empty();
        let request = match request {
            Ok(request) => request,
            Err(error) => return self.failed(talk, &error).map(|()| None),
        };
        // A server said that they may, at some moment of this session.
        let private = talk.chances.was_denied(|answer| answer.letters.allow(Right::Private));
        let budget = self.request_bytes(edge.client, talk.session.result().rounds);
        let sending = Sending {
            known: &self.nodes[edge.client].known,
            model: &self.model,
            read: Leave::Granted,
            private: (talk.options.private && private).into(),
            asked: talk.wishes.clone(),
            budget,
            gimmes: most_gimmes(&limits, talk.came.len()),
        };
        talk.chances.ask(&request, &self.nodes[edge.client].known, &talk.wishes);
        talk.traffic.add(&request);
        talk.given = tables::given(&request);
        talk.asks.0 = request.cards.iter().any(|card| matches!(card, Card::ReqConfig(_)));
        if self.has_records() {
            let given = talk.options.config_push.filter(|_| !talk.options.dry_run);
            configuration::check_request(&request, given, &self.nodes[edge.client].beside.records)?;
        }
        sending.check(&request)?;
        let allowance = Allowance { span: limits.reply_ms, step: self.plan.step };
        if talk.commits == Some(self.nodes[edge.client].commits) {
            let announces = |id: &ArtifactId| {
                talk.offered.contains(id) || clusters::lists(sending.known, &self.model, id)
            };
            // What was sent ahead was composed before the last reply was taken in.
            let known = before.as_ref().unwrap_or(sending.known);
            content::check_gimmes(known, &request, announces, &talk.wishes)?;
        }
        self.check_size(&request, budget, allowance)?;
        self.tempt(edge.client, edge.server, &talk.given);
        Ok(Some(pack(encode(&request), self.plan.framing)))
    }

    /// The reply of a server as bytes; none if it failed.
    pub(super) fn serve(
        &mut self,
        at: usize,
        body: &Body,
        soundness: Soundness,
    ) -> Result<Option<(Body, Answer)>, Violation> {
        let edge = self.plan.edges[at].clone();
        if self.is_stock(edge.server) {
            return self.serve_as_stock(at, body, soundness);
        }
        let request = match read(body) {
            Ok(request) => request,
            Err(_) if soundness == Soundness::Damaged => return Ok(None),
            Err(text) => return Err(Violation::new("codec", format!("a request: {text}"))),
        };
        self.tally.requests += 1;
        let letters = self.nodes[edge.server].letters(edge.client, edge.login);
        let (login, stage) = (self.login(&edge), self.nodes[edge.server].stage);
        let (armed, rare) = (self.arm(edge.server)?, self.rare(edge.server));
        let node = &mut self.nodes[edge.server];
        let (time, limits) = (node.time(self.now), node.limits.clone());
        let (mut watch, address) = (Watch::default(), format!("10.0.0.{}", edge.client));
        let guard = node.door.as_ref().map_or(&NoGuard as &dyn Guard, |door| &door.keeper);
        let mut cx = Cx { peer: Some(&address), guard, ..cx(time, &limits, &rare, &mut watch) };
        let reply = handle_sync(&mut node.repo, &request, &mut cx);
        self.note_choices(&rare);
        self.disarm(edge.server, armed)?;
        self.check_undone(edge.server)?;
        events::check(&watch)?;
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => return self.fails_to_serve(at, &letters, &request, error).map(|()| None),
        };
        rights::check_once(self.nodes[edge.server].door.as_mut(), &request, &reply, time)?;
        let came = self.audit(edge.server, Maker::Peer)?;
        if soundness == Soundness::Sound || reply.first_error().is_none() {
            self.served_aside(at, &letters, &request, Some(&reply))?;
        } else {
            // Who does not understand a card says nothing else.
            self.served_aside(at, &letters, &request, None)?;
        }
        self.check_taken(came, &letters, &request)?;
        let has = |wanted: fn(&Card) -> bool| request.cards.iter().any(wanted);
        let clones = has(|card| matches!(card, Card::Clone(_)));
        let asks_private = has(|card| matches!(card, Card::Pragma(Pragma::SendPrivate)));
        let reads: Leave = letters.allow(if clones { Right::Clone } else { Right::Read }).into();
        let private: Leave = (asks_private && letters.allow(Right::Private)).into();
        let asked: BTreeSet<ArtifactId> = gimmes(&request).collect();
        let evaded = match rare.fired().contains(&sync::Site::Unanswered) {
            true => asked.iter().filter(|id| !brings(&reply, id)).copied().collect(),
            false => BTreeSet::new(),
        };
        let budget = self.reply_bytes(edge.server);
        let sending = Sending {
            known: &self.nodes[edge.server].known,
            model: &self.model,
            read: reads,
            private,
            asked,
            budget,
            gimmes: limits.reply_gimmes,
        };
        sending.check(&reply)?;
        let asked = sending.asked.clone();
        // A slow server, or one that chooses so, stops before its budget does; who refuses something sends nothing.
        let refuses = reply.first_error().is_some();
        let stops = refuses || !rare.fired().is_empty();
        // Each artifact is held against the clock up to four times.
        let looks = 4 * (asked.len() + reply.cards.len()) as u64;
        let in_time = |step: u64| self.reply_ms(edge.server) / step.max(1) > looks;
        let is_out_of_time = !self.plan.step.is_none_or(in_time);
        if !stops && !is_out_of_time {
            let repo = &mut self.nodes[edge.server].repo;
            let sizes = known::put_off(repo, &reply, &asked, private).map_err(super::broken)?;
            budget::check_full(&reply, budget, sizes)?;
        }
        let sending_known = &self.nodes[edge.server].known;
        let allowance = Allowance { span: self.reply_ms(edge.server), step: self.plan.step };
        let announces = |id: &ArtifactId| {
            let public = |card: &Card| matches!(card, Card::Igot(igot) if *igot == Igot::public(*id));
            request.cards.iter().any(public) || clusters::lists(sending_known, &self.model, id)
        };
        content::check_gimmes(sending_known, &reply, announces, &BTreeSet::new())?;
        self.check_size(&reply, budget, allowance)?;
        let framing = reply_content_type(&request, body.content_type);
        let reads = if refuses { Leave::Denied } else { reads };
        let bars = self.nodes[edge.server].door.as_ref().is_some_and(|door| door.has_refused);
        let is_rare = !rare.fired().is_empty();
        let answer = Answer {
            letters,
            login,
            bars,
            stage,
            reads,
            private,
            evaded,
            is_rare,
            is_out_of_time,
            open: BTreeSet::new(),
        };
        Ok(Some((pack(encode(&reply), framing), answer)))
    }

    /// A half-round without a commit changed nothing, where commits were counted.
    fn check_undone(&mut self, at: usize) -> Result<(), Violation> {
        if self.nodes[at].is_undone() {
            self.unchanged(at)?;
            self.unchanged_aside(at)?;
        }
        Ok(())
    }

    /// A server that failed, or died, took nothing until then that it may not.
    fn fails_to_serve(
        &mut self,
        edge: usize,
        letters: &Letters,
        request: &Message,
        error: SyncError,
    ) -> Result<(), Violation> {
        let server = self.plan.edges[edge].server;
        let SyncError::Repo(error) = error else { return Err(Violation::new("server", error)) };
        let came = match self.dies_of(server, &error, Maker::Peer)? {
            Some(came) => came,
            // A pull makes clusters in a transaction of its own, after what it brings is kept.
            None if self.is_excused(server, &error) => self.audit(server, Maker::Peer)?,
            None => return Err(Violation::new("server", error)),
        };
        self.check_taken(came, letters, request)?;
        self.served_aside(edge, letters, request, None)
    }

    fn check_taken(&self, mut came: Came, letters: &Letters, request: &Message) -> Result<(), Violation> {
        // A pull makes clusters, perhaps such as others made before.
        came.artifacts.retain(|id| self.model.members(id).is_none() || brings(request, id));
        rights::check_taken(&came, letters, request)
    }

    /// Takes in a reply. None if the session failed.
    pub(super) fn absorb(
        &mut self,
        talk: &mut Talk,
        body: &Body,
        soundness: Soundness,
    ) -> Result<Option<Progress>, Violation> {
        if talk.stock.is_some() {
            return self.absorb_as_stock(talk, body, soundness);
        }
        let client = self.plan.edges[talk.edge].client;
        let node = &mut self.nodes[client];
        let (time, limits) = (node.time(self.now), node.limits.clone());
        talk.soundness = soundness;
        if soundness == Soundness::Damaged {
            // It may have said that there are none, or that they are given to nobody.
            talk.files.clear();
        }
        let reply = match read(body) {
            Ok(reply) => reply,
            Err(_) if soundness == Soundness::Damaged => {
                talk.session.abandon(
                    &Unreachable("the reply is no message"),
                    &mut cx(time, &limits, &Rare::default(), &mut talk.watch),
                );
                self.tell(&format!("{} cannot read the reply", talk.name()));
                self.tally.failed += 1;
                return events::check(&talk.watch).map(|()| None);
            }
            Err(text) => return Err(Violation::new("codec", format!("a reply: {text}"))),
        };
        let (unsent, commits) = (node.known.unsent.clone(), node.commits);
        let stored = node.known.held.len() + node.known.waiting.len();
        let (armed, rare) = (self.arm(client)?, self.rare(client));
        let node = &mut self.nodes[client];
        talk.traffic.add(&reply);
        talk.session.travelled(0, body.bytes.len() as u64);
        let mut cx = cx(time, &limits, &rare, &mut talk.watch);
        let ahead = talk.looks_ahead.then(|| talk.session.look_ahead(&mut node.repo, &reply, &cx)).flatten();
        talk.ahead = ahead.map(|request| (request, node.known.clone()));
        let progress = talk.session.handle_reply(&mut node.repo, &reply, &mut cx);
        self.note_choices(&rare);
        talk.is_rare |= !rare.fired().is_empty();
        self.disarm(client, armed)?;
        self.check_undone(client)?;
        // All servers here name their version wherever they are told ours. Of one that says nothing twice at first that is not known.
        let is_blank = reply.cards.iter().all(|card| matches!(card, Card::Comment(_)));
        talk.blanks += u32::from(is_blank);
        let is_taken = is_blank && matches!(progress, Ok(Progress::Done)) && talk.blanks < 2;
        if is_taken && !talk.chances.damaged {
            let text = format!("{} takes a reply to nothing for one to it", talk.name());
            return Err(Violation::new("answered", text));
        }
        budget::check_earned(talk, &limits)?;
        self.audit(client, Maker::Peer)?;
        let group = talk.asked_group();
        self.audit_aside(client, Cause::Reply { message: &reply, given: &talk.given, group })?;
        let node = &self.nodes[client];
        if talk.options.dry_run {
            let result = talk.session.result();
            preview::check_client((commits, node.commits), result.preview.as_ref(), &node.known)?;
        }
        talk.commits = talk.commits.filter(|&last| last == commits).map(|_| node.commits);
        if soundness == Soundness::Sound {
            talk.released.extend(unsent.difference(&node.known.unsent));
        }
        let stored_now = node.known.held.len() + node.known.waiting.len();
        let came = files(&reply).filter(|id| node.known.held.contains_key(id));
        talk.chances.brought(stored_now.saturating_sub(stored), came);
        match progress {
            Ok(progress) => {
                let announced = announced(&reply, talk.deepest()).collect();
                talk.chances.compare(&files(&reply).collect(), &announced);
                talk.hear(&reply);
                if progress == Progress::Done {
                    self.pass_over_files_ahead(talk);
                    talk.end = talk.well();
                    self.succeeded(talk)?;
                }
                Ok(Some(progress))
            }
            // Everything but the files was done.
            Err(error @ SyncError::UnversionedRefused { .. }) => {
                talk.hear(&reply);
                if !self.has_reason(talk, &error)? {
                    return Err(unreasonable(talk, &error));
                }
                talk.files.clear();
                talk.end = talk.well();
                self.succeeded(talk)?;
                Ok(Some(Progress::Done))
            }
            Err(SyncError::Repo(error)) if self.dies_of(client, &error, Maker::Peer)?.is_some() => {
                if talk.kind == Kind::Clone {
                    self.keep_whole_clone(client).map_err(super::broken)?;
                }
                Ok(None)
            }
            Err(error) => {
                talk.end = match error {
                    SyncError::Refused(_) | SyncError::PasswordNeeded(_) => Outcome::Refused,
                    SyncError::PushRefused { .. } => talk.well(),
                    _ => Outcome::Failed,
                };
                self.failed(talk, &error).map(|()| None)
            }
        }
    }

    /// A clone that was whole when its peer died is taken for what it is when somebody clones there again.
    fn keep_whole_clone(&mut self, at: usize) -> Result<(), RepoError> {
        let node = &mut self.nodes[at];
        let snap = node.repo.snapshot()?;
        let knows_project = config::project_code(&snap)?.is_some_and(|code| !code.is_empty());
        if node.stage == Stage::Whole || !knows_project || partial::load(&snap)?.is_some() {
            return Ok(());
        }
        drop(snap);
        node.stage = Stage::Whole;
        node.commits += 1;
        node.found(&self.plan, at)?;
        self.look_aside(at).map(drop)
    }

    /// What the server dates as of a time that is too far ahead counts as of an earlier one, unless what is here is of one
    /// that is further ahead.
    fn pass_over_files_ahead(&self, talk: &mut Talk) {
        let node = &self.nodes[self.plan.edges[talk.edge].client];
        let latest = node.time(talk.begun).seconds() + FUTURE_SECONDS;
        let is_enough = |name: &String, version: &(i64, Option<ArtifactId>)| {
            let here = node.known.files.get(name);
            let is_later = node.known.ahead.get(name).is_some_and(|&said| said >= version.0);
            is_later
                || node.known.gave_way(name, *version)
                || here.is_some_and(|here| here.1 == version.1 || here.0 >= latest)
        };
        talk.files.retain(|name, version| version.0 <= latest || !is_enough(name, version));
    }
}

/// How many names a request may ask for, where replies of the session had so many artifacts. Some of them another session
/// may have brought first: a request that is made before a reply is stored does not know of that.
fn most_gimmes(limits: &Limits, came: usize) -> usize {
    limits.gimmes.max(limits.idle_gimmes).max(2 * came)
}

pub(super) fn cx<'a>(
    now: repo::UnixTime,
    limits: &'a Limits,
    rare: &'a Rare,
    watch: &'a mut Watch,
) -> Cx<'a> {
    Cx { now, clock: rare.clock(), limits, peer: None, guard: &NoGuard, buggify: rare, observer: watch }
}

pub(super) fn unreasonable(talk: &Talk, error: &SyncError) -> Violation {
    Violation::new("failure", format!("{} failed without a reason: {error}", talk.name()))
}

fn brings(message: &Message, id: &ArtifactId) -> bool {
    files(message).any(|file| file == *id)
}

/// What a message announces to who wants nothing that is more private.
fn announced(message: &Message, deepest: Privacy) -> impl Iterator<Item = ArtifactId> + '_ {
    message.cards.iter().filter_map(move |card| match card {
        Card::Igot(igot) if igot.privacy <= deepest => Some(igot.id),
        _ => None,
    })
}

/// What a message brings.
fn files(message: &Message) -> impl Iterator<Item = ArtifactId> + '_ {
    message.cards.iter().filter_map(|card| if let Card::File(file) = card { Some(file.id) } else { None })
}

fn read(body: &Body) -> Result<Message, String> {
    let limits = DecodeLimits::default();
    let text = unpack(body, &limits).map_err(|error| error.to_string())?;
    decode(&text, &limits).map_err(|error| error.to_string())
}
