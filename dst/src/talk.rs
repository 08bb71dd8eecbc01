//! One session, and what has to be true of it when it ends.

use std::collections::{BTreeMap, BTreeSet};

use repo::configuration::Group;
use sync::schedule::Outcome;
use sync::{CloneVersion, Session, SyncOptions};
use xfer::{ArtifactId, Card, Message, Pragma};

use crate::answer::{Answer, Chances};
use crate::check::budget::Gap;
use crate::check::tables::Rows;
use crate::dice::Dice;
use crate::known::Known;
use crate::node;
use crate::plan::Edge;
use crate::queue::Moment;
use crate::rights::{Letters, Right};
use crate::stock;
use crate::watch::Watch;

/// A session under way.
pub struct Talk {
    /// The edge that it goes over.
    pub edge: usize,
    /// The life of the client in which it began.
    pub life: u32,
    /// How often the server had gone back to an earlier state when it began.
    pub server_returns: u32,
    /// The session.
    pub session: Session,
    /// Whether it composes the next request before it takes in a reply.
    pub looks_ahead: bool,
    /// That request, and what was known here then.
    pub ahead: Option<(Message, Known)>,
    /// Replies with nothing in them.
    pub blanks: u32,
    /// What drives it instead, if the client is like stock.
    pub stock: Option<stock::Session>,
    /// What it is to do.
    pub options: SyncOptions,
    /// Whether it is a clone.
    pub kind: Kind,
    /// When it began.
    pub begun: Moment,
    /// Which request is under way, counting those that were composed again.
    pub attempt: u32,
    /// How often a request may be composed again.
    pub patience: u32,
    /// Looks at the events.
    pub watch: Watch,
    /// What the peer offered in replies that were taken in.
    pub offered: BTreeSet<ArtifactId>,
    /// What came in such replies, be it false.
    pub came: BTreeSet<ArtifactId>,
    /// What the peer asked for in such replies.
    pub wishes: BTreeSet<ArtifactId>,
    /// Versions of files without history that it named: a later one in place of an earlier one.
    pub files: BTreeMap<String, (i64, Option<ArtifactId>)>,
    /// What came of it as an empty file, as stock sends what it has not got the content of.
    pub hollow: BTreeSet<ArtifactId>,
    /// Answers on their way, by attempt and copy of the request.
    pub answers: BTreeMap<(u32, u64), Answer>,
    /// What the answers could have brought.
    pub chances: Chances,
    /// What the replies took off the list of unsent artifacts.
    pub released: BTreeSet<ArtifactId>,
    /// Rows of tables that the last request gave.
    pub given: Rows,
    /// Whether the last request asked for configuration, and whether one did whose reply was taken in.
    pub asks: (bool, bool),
    /// Whether it was told of a lock in the way.
    pub is_barred: bool,
    /// Whether the reply that was taken in last, or its request, was damaged on the way.
    pub soundness: Soundness,
    /// Requests of it that were doubled on their way.
    pub doubled: BTreeSet<u32>,
    /// How it ended, as the schedule of a daemon is told.
    pub end: Outcome,
    /// What it sent and took, for which it may have rounds.
    pub traffic: Traffic,
    /// What there was before it.
    pub before: Before,
    /// Whether a peer took a rare choice in it.
    pub is_rare: bool,
    /// Commits of the client when this session last did something; none if another came between.
    pub commits: Option<u64>,
    /// Commits of the server when it last answered this session; none if another came between.
    pub server_commits: Option<u64>,
}

/// What a session moved either way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traffic {
    /// Artifacts, files without history and rows.
    pub things: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Traffic {
    /// Adds a message.
    pub fn add(&mut self, message: &Message) {
        for card in &message.cards {
            let bytes = card.payload_bytes() as u64;
            self.things += u64::from(bytes > 0 || matches!(card, Card::File(_) | Card::UvFile(_)));
            self.bytes += bytes;
        }
    }
}

/// What there was before a session, by which its rounds are judged.
#[derive(Debug, Clone, Default)]
pub struct Before {
    /// In what the tables of both sides differ.
    pub gap: Gap,
    /// What the client kept private.
    pub private: BTreeSet<ArtifactId>,
}

/// Clone, or anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A clone.
    Clone,
    /// Pull, push or both.
    Sync,
}

/// Whether what travelled arrived as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Soundness {
    /// As it was sent.
    Sound,
    /// Some byte is wrong or missing.
    Damaged,
}

impl Talk {
    /// Begins a session.
    pub fn new(edge: usize, kind: Kind, options: SyncOptions, dice: &mut Dice) -> Self {
        let mut seed = [0; 20];
        for part in seed.chunks_mut(8) {
            part.copy_from_slice(&dice.bits().to_le_bytes()[..part.len()]);
        }
        let session = match kind {
            Kind::Clone => Session::clone_into(options.clone(), seed),
            Kind::Sync => Session::sync(options.clone(), seed),
        };
        Self {
            edge,
            life: 0,
            server_returns: 0,
            session,
            looks_ahead: seed[0].is_multiple_of(2),
            ahead: None,
            blanks: 0,
            stock: None,
            options,
            kind,
            begun: 0,
            attempt: 0,
            patience: dice.below(4) as u32,
            watch: Watch::default(),
            offered: BTreeSet::new(),
            came: BTreeSet::new(),
            wishes: BTreeSet::new(),
            files: BTreeMap::new(),
            hollow: BTreeSet::new(),
            answers: BTreeMap::new(),
            chances: Chances::default(),
            released: BTreeSet::new(),
            given: Rows::new(),
            asks: (false, false),
            is_barred: false,
            soundness: Soundness::Sound,
            doubled: BTreeSet::new(),
            end: Outcome::Failed,
            traffic: Traffic::default(),
            before: Before::default(),
            is_rare: false,
            commits: None,
            server_commits: None,
        }
    }

    /// Has a clone begin with another kind of clone.
    pub fn ask_for(mut self, version: CloneVersion) -> Self {
        self.session = self.session.asking_for(version);
        self
    }

    /// Notes what a reply offers.
    pub fn hear(&mut self, reply: &Message) {
        self.asks.1 |= self.asks.0;
        self.hollow.extend(stock::hollow_files(reply));
        for card in &reply.cards {
            match card {
                Card::File(file) if file.privacy <= self.deepest() => {
                    self.offered.insert(file.id);
                    self.came.insert(file.id);
                }
                Card::Gimme(id) => drop(self.wishes.insert(*id)),
                Card::Pragma(Pragma::CiLockFail { .. }) => self.is_barred = true,
                Card::Igot(igot) if igot.privacy <= self.deepest() => drop(self.offered.insert(igot.id)),
                Card::UvIgot(igot) if self.soundness == Soundness::Sound => {
                    self.files.insert(igot.name.as_str().to_owned(), (igot.mtime, igot.hash));
                }
                _ => {}
            }
        }
    }

    /// The least private artifacts that it does not want.
    pub fn deepest(&self) -> xfer::card::Privacy {
        if self.options.private { xfer::card::Privacy::Private } else { xfer::card::Privacy::Public }
    }

    /// The group of configuration that it asks for.
    pub fn asked_group(&self) -> Option<Group> {
        match self.kind {
            Kind::Clone => Some(Group::All),
            Kind::Sync => self.options.config_pull.filter(|_| !self.options.dry_run),
        }
    }

    /// What the schedule is told of a session that did all that it may.
    pub fn well(&self) -> Outcome {
        let stats = self.session.result().stats;
        Outcome::Done { received: stats.files_received + stats.uv_files_received > 0 }
    }

    /// Whether the request under way was doubled: one of both may be refused, as its login was used before.
    pub fn is_doubled(&self) -> bool {
        self.doubled.contains(&self.attempt)
    }

    /// As it is told in the trace.
    pub fn name(&self) -> &'static str {
        match (self.kind, self.options.pull, self.options.push) {
            _ if self.options.dry_run => "dry run",
            (Kind::Clone, ..) => "clone",
            (_, true, true) => "sync",
            (_, true, false) => "pull",
            (_, false, true) => "push",
            (_, false, false) if self.options.unversioned => "uv sync",
            (_, false, false) => "configuration",
        }
    }
}

/// All that a client may do over an edge.
pub fn allowed(edge: &Edge, letters: &Letters) -> SyncOptions {
    let (user, password) = node::credentials(edge);
    SyncOptions {
        pull: letters.allow(Right::Read),
        push: letters.allow(Right::Write),
        private: edge.private && letters.allow(Right::Private),
        unversioned: edge.unversioned,
        user,
        password,
        ..SyncOptions::default()
    }
}

/// Whether the letters do not allow what is asked: then a refusal is right.
pub fn is_refused(options: &SyncOptions, kind: Kind, letters: &Letters) -> bool {
    let lacks = |asked: bool, right: Right| asked && !letters.allow(right);
    match kind {
        // What a clone may not read after its batches it does without.
        Kind::Clone => lacks(true, Right::Clone) || lacks(options.private, Right::Private),
        Kind::Sync => {
            lacks(options.pull, Right::Read)
                || lacks(options.push, Right::Write)
                || lacks(options.private, Right::Private)
                || lacks(options.unversioned, Right::Read)
                || lacks(options.config_push.is_some(), Right::Admin)
        }
    }
}
