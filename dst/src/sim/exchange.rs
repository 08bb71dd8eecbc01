//! Rounds: requests and replies, as bytes.

use xfer::body::Body;

use super::halves::cx;
use super::mishap::Way;
use super::within::{Errand, Place};
use super::{Event, Parcel, Sim};
use crate::answer::Answer;
use crate::check::{events, preview};
use crate::dice::{FNV_START, Turn, fnv};
use crate::model::Violation;
use crate::node::Power;
use crate::queue::Moment;
use crate::rare::Rare;
use crate::site::Site;
use crate::talk::{Soundness, Talk};
use sync::Progress;

/// How long a client waits for a reply, in milliseconds.
const TIMEOUT: Moment = 15_000;

/// The peer could not be spoken to.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreachable(pub(super) &'static str);

impl Sim {
    /// Composes the next request of a session, and sends it.
    pub(super) fn send_request(&mut self, id: u64, mut talk: Talk) -> Result<(), Violation> {
        let next = Turn { number: id, part: u64::from(talk.attempt) + 1, copy: 0 };
        self.errand = Errand::new(Place::Request, next);
        let Some(body) = self.compose(&mut talk)? else { return Ok(()) };
        talk.attempt += 1;
        let (attempt, edge) = (talk.attempt, talk.edge);
        self.tell(&format!("#{id} asks, {}", shown(&body)));
        self.queue.plan(self.now + TIMEOUT, Event::Timeout { talk: id, attempt });
        let parcel = Parcel {
            talk: id,
            attempt,
            copy: 0,
            edge,
            sent: self.now,
            held_up: None,
            body: Some(body),
            soundness: Soundness::Sound,
        };
        self.talks.insert(id, talk);
        self.note_race(id);
        self.travel(parcel, Way::Request);
        Ok(())
    }

    pub(super) fn request_arrives(&mut self, parcel: &Parcel) -> Result<(), Violation> {
        let server = self.plan.edges[parcel.edge].server;
        if self.nodes[server].power == Power::Off {
            return Ok(());
        }
        if self.may_crash(Site::CrashBeforeRequest, parcel.turn(), server) {
            return Ok(());
        }
        self.note_request(parcel);
        // Of what does not come as a whole the server says so, if it knows.
        let Some(body) = &parcel.body else {
            let body = self.answer_nothing(parcel.edge)?;
            self.travel(Parcel { body, copy: 2 * parcel.copy, held_up: None, ..parcel.clone() }, Way::Reply);
            return Ok(());
        };
        let dry = self.talks.get(&parcel.talk).is_some_and(|talk| talk.options.dry_run);
        let before = dry.then(|| self.nodes[server].known.clone());
        let commits = self.nodes[server].commits;
        self.errand = Errand::new(Place::Answer, parcel.turn());
        let reply = self.serve(parcel.edge, body, parcel.soundness)?.map(|(reply, answer)| {
            self.keep_answer(parcel, answer);
            reply
        });
        // What a damaged request has the server do, the session did not ask for.
        let talk = self.talks.get_mut(&parcel.talk).filter(|_| parcel.soundness == Soundness::Sound);
        if let Some(talk) = talk {
            let is_alone = talk.server_commits == Some(commits);
            talk.server_commits = is_alone.then(|| self.nodes[server].commits);
        }
        if let Some(before) = before {
            preview::check_server(&before, &self.nodes[server].known, &self.model)?;
        }
        let told =
            reply.as_ref().map_or_else(|| "fails".to_owned(), |body| format!("answers, {}", shown(body)));
        self.tell(&format!("#{} peer {server} {told}", parcel.talk));
        let lives = self.nodes[server].power == Power::On;
        if lives && !self.may_crash(Site::CrashAfterRequest, parcel.turn(), server) {
            self.travel(
                Parcel { body: reply, copy: 2 * parcel.copy, held_up: None, ..parcel.clone() },
                Way::Reply,
            );
        }
        Ok(())
    }

    /// Keeps what a server was like until its reply is there.
    fn keep_answer(&mut self, parcel: &Parcel, answer: Answer) {
        let Some(mut talk) = self.talks.remove(&parcel.talk) else { return };
        let answer = self.held_against(&talk, answer);
        talk.answers.insert((parcel.attempt, 2 * parcel.copy), answer);
        self.talks.insert(parcel.talk, talk);
    }

    /// An answer, with what there was for the client.
    pub(super) fn held_against(&self, talk: &Talk, mut answer: Answer) -> Answer {
        let edge = &self.plan.edges[talk.edge];
        let lacks = self.nodes[edge.client].known.lacks();
        let names = lacks.iter().chain(&talk.chances.asking).chain(&talk.offered);
        answer.hold_against(&self.nodes[edge.server].known, names);
        answer
    }

    pub(super) fn reply_arrives(&mut self, parcel: &Parcel) -> Result<(), Violation> {
        self.note_reply(parcel);
        let Some(mut talk) = self.take(parcel.talk, parcel.attempt) else { return Ok(()) };
        let client = self.plan.edges[talk.edge].client;
        let Some(body) = &parcel.body else {
            return match self.goes_on_whole(&mut talk) {
                true => self.send_request(parcel.talk, talk),
                false => self.abandon(talk, "the server failed"),
            };
        };
        // A reply that arrives twice has an odd number the second time.
        let sent = (parcel.attempt, parcel.copy & !1);
        if let Some(answer) = talk.answers.get(&sent).cloned() {
            talk.chances.hear(answer, parcel.soundness);
        }
        talk.answers.clear();
        self.errand = Errand::new(Place::Reply, parcel.turn());
        let progress = self.absorb(&mut talk, body, parcel.soundness)?;
        self.keepers.note(parcel.talk, talk.end);
        let lives = self.nodes[client].power == Power::On;
        if !lives || self.may_crash(Site::CrashAfterReply, parcel.turn(), client) {
            return Ok(());
        }
        match progress {
            Some(Progress::Continue) => self.send_request(parcel.talk, talk),
            Some(Progress::Done) | None => Ok(()),
        }
    }

    pub(super) fn time_out(&mut self, id: u64, attempt: u32) -> Result<(), Violation> {
        let Some(mut talk) = self.take(id, attempt) else { return Ok(()) };
        if talk.patience == 0 {
            return self.abandon(talk, "no reply came");
        }
        talk.patience -= 1;
        self.tell(&format!("#{id} asks again"));
        self.send_request(id, talk)
    }

    /// The session that an event is for, if it still waits for that.
    fn take(&mut self, id: u64, attempt: u32) -> Option<Talk> {
        let talk = self.talks.get(&id)?;
        let client = &self.nodes[self.plan.edges[talk.edge].client];
        if client.life != talk.life || client.power == Power::Off {
            self.talks.remove(&id);
            return None;
        }
        if talk.attempt != attempt { None } else { self.talks.remove(&id) }
    }

    fn abandon(&mut self, mut talk: Talk, reason: &'static str) -> Result<(), Violation> {
        let node = &self.nodes[self.plan.edges[talk.edge].client];
        let (time, limits) = (node.time(self.now), node.limits.clone());
        if talk.stock.is_none() {
            let rare = Rare::default();
            talk.session.abandon(&Unreachable(reason), &mut cx(time, &limits, &rare, &mut talk.watch));
        }
        self.tell(&format!("{} is given up: {reason}", talk.name()));
        self.tally.failed += 1;
        if talk.stock.is_some() { Ok(()) } else { events::check(&talk.watch) }
    }
}

pub(super) fn shown(body: &Body) -> String {
    format!("{} bytes {:016x}", body.bytes.len(), fnv(FNV_START, &body.bytes))
}
