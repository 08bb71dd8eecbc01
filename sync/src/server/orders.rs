//! What a request asks for, and what of that it may (reference: wire.md sections 3.1 to 3.3): one pass over its
//! cards. A card sees the rights and modes that the cards before it set.

use std::collections::{BTreeMap, BTreeSet};

use repo::table::Authority;
use repo::{Origin, Snapshot, UnixTime, config};
use xfer::card::{CloneRequest, Codes, FileCard, Igot, Privacy};
use xfer::table::TableCard;
use xfer::{ArtifactId, Card, Login, Message, Pragma, SqlName, UvName};

use super::configuration::Configuration;
use super::links::Links;
use super::locks::Locks;
use super::rights::{self, Right, Rights};
use super::unversioned::Unversioned;
use crate::guard::{Admission, Attempt, Freshness};
use crate::session::{inbox, quote};
use crate::tables::{self, Flow, Heard};
use crate::version::ADVERTISED;
use crate::{Cx, RoundStats, SyncError};

const CANNOT_READ: &str = "not authorized to read";
pub(super) const CANNOT_WRITE: &str = "not authorized to write";
/// As stock has it since 2.29. Older stock drops such a file in silence, and the client believes that it is there.
const CANNOT_WRITE_UNVERSIONED: &str = "Write permissions for unversioned files missing";
const CANNOT_CLONE: &str = "not authorized to clone";
const CANNOT_SYNC_PRIVATE: &str = "not authorized to sync private content";
pub(super) const CANNOT_CONFIGURE: &str = "not authorized to push configuration";
/// Stock clients stop pushing, and go on, at a message that begins so.
const PULL_ONLY: &str = "pull only - not authorized to push";

/// A request, read.
pub(super) struct Orders<'m> {
    /// The codes of our repository.
    pub(super) ours: Codes,
    /// Where what it brings comes from.
    pub(super) origin: Origin,
    /// Cards of the reply that need no content: versions, messages, errors.
    pub(super) notes: Vec<Card>,
    /// Errors that the client is to count.
    pub(super) errors: u32,
    /// Whether the rest of the request was not looked at.
    pub(super) outcome: Outcome,
    /// Client program: version, and the day it was built.
    pub(super) client: (u32, u32),
    pub(super) pull: Mode,
    pub(super) push: Mode,
    pub(super) clone: Option<CloneRequest>,
    pub(super) catalog: Mode,
    pub(super) clusters: Mode,
    /// What may be seen by who asks.
    pub(super) deepest: Privacy,
    /// What the client wants.
    pub(super) gimmes: Vec<ArtifactId>,
    /// What it lacks, whether it may have it or not.
    pub(super) lacks: Vec<ArtifactId>,
    /// What it was asked for and sent as an empty file: it has not got the content either.
    pub(super) hollow: BTreeSet<ArtifactId>,
    /// What it pushes.
    pub(super) files: Vec<&'m FileCard>,
    /// What of that was not kept, since it is a delta of something that waits here for it: by that delta source.
    pub(super) late: BTreeMap<ArtifactId, ArtifactId>,
    /// What it says it has.
    pub(super) igots: Vec<&'m Igot>,
    pub(super) unversioned: Unversioned<'m>,
    /// Check-in locks that it takes and gives up.
    pub(super) locks: Locks<'m>,
    /// Places that it names and asks for.
    pub(super) links: Links,
    /// Who logged in.
    pub(super) user: Option<&'m str>,
    /// What it says of synced tables, and what became of the rows in it.
    pub(super) tables: Heard<'m>,
    pub(super) rows: tables::Intake,
    /// The tables that it is about.
    pub(super) compared: BTreeMap<SqlName, tables::Compared>,
    pub(super) configuration: Configuration<'m>,
    pub(super) stats: RoundStats,
    pub(super) rights: Rights,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Off,
    On,
}

/// How the reading of a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Read,
    /// At a card that is refused. What came before it stands.
    Refused,
}

/// Why the rest of a request is not looked at.
enum Stop {
    /// The text of the error card.
    Refusal(String),
    Failure(SyncError),
}

impl<E: Into<SyncError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failure(error.into())
    }
}

fn refusal(text: &str) -> Stop {
    Stop::Refusal(text.to_owned())
}

impl<'m> Orders<'m> {
    /// Reads a request.
    pub(super) fn read(snap: &Snapshot<'_>, request: &'m Message, cx: &Cx<'_>) -> Result<Self, SyncError> {
        let mut orders = Self {
            ours: Codes {
                server: config::server_code(snap)?.unwrap_or_else(|| "x".to_owned()),
                project: config::project_code(snap)?.unwrap_or_default(),
            },
            origin: origin(cx.now, cx.peer),
            notes: Vec::new(),
            errors: 0,
            outcome: Outcome::Read,
            client: (0, 0),
            pull: Mode::Off,
            push: Mode::Off,
            clone: None,
            catalog: Mode::Off,
            clusters: Mode::Off,
            deepest: Privacy::Public,
            gimmes: Vec::new(),
            lacks: Vec::new(),
            hollow: BTreeSet::new(),
            files: Vec::new(),
            late: BTreeMap::new(),
            igots: Vec::new(),
            unversioned: Unversioned::default(),
            locks: Locks::default(),
            links: Links::default(),
            user: None,
            tables: Heard::default(),
            rows: tables::Intake::default(),
            compared: BTreeMap::new(),
            configuration: Configuration::default(),
            stats: RoundStats::default(),
            rights: Rights::of_nobody(snap)?,
        };
        match orders.pass(snap, request, cx) {
            Ok(()) => {}
            Err(Stop::Refusal(text)) => orders.refuse(text),
            Err(Stop::Failure(error)) => return Err(error),
        }
        Ok(orders)
    }

    /// Ends the request with an error card.
    pub(super) fn refuse(&mut self, text: String) {
        self.outcome = Outcome::Refused;
        self.errors += 1;
        self.notes.clear();
        if text == CANNOT_CLONE {
            // Without it a client could never learn the project code that its login is made with.
            self.notes.push(Card::Push(self.ours.clone()));
        }
        self.notes.push(Card::Error(text));
    }

    fn pass(&mut self, snap: &Snapshot<'_>, request: &'m Message, cx: &Cx<'_>) -> Result<(), Stop> {
        if let Some(login) = &request.login {
            self.log_in(snap, login, cx)?;
        }
        request.cards.iter().try_for_each(|card| self.take(card))
    }

    fn log_in(&mut self, snap: &Snapshot<'_>, login: &'m Login, cx: &Cx<'_>) -> Result<(), Stop> {
        let project = self.ours.project.clone();
        let attempt =
            Attempt { project: &project, user: &login.user, nonce: &login.nonce, peer: cx.peer, now: cx.now };
        let is_guarded = login.covers_message() && rights::needs_secret(login);
        if is_guarded && let Admission::Wait { seconds } = cx.guard.admit(&attempt) {
            return Err(Stop::Refusal(format!("too many failed logins, try again in {seconds} seconds")));
        }
        let Some(user) = self.rights.log_in(snap, login)? else {
            if is_guarded {
                cx.guard.failed(&attempt);
            }
            return Err(refusal("login failed"));
        };
        if is_guarded && cx.guard.proved(&attempt) == Freshness::Again {
            return Err(refusal("this login was used before, and is good for one request"));
        }
        self.origin.uid = user.uid;
        self.user = user.is_known().then_some(login.user.as_str());
        self.origin.nonce = user.is_known().then(|| login.nonce.to_string());
        Ok(())
    }

    fn take(&mut self, card: &'m Card) -> Result<(), Stop> {
        match card {
            Card::Pull(codes) => self.take_pull(codes)?,
            Card::Push(codes) => self.take_push(codes)?,
            Card::Clone(request) => self.take_clone(*request)?,
            Card::Gimme(id) => self.take_gimme(id),
            Card::Igot(igot) => self.take_igot(igot),
            Card::File(file) => self.take_file(file)?,
            Card::Pragma(pragma) => self.take_pragma(pragma),
            Card::Config(_) if !self.rights.allow(Right::Admin) => return Err(refusal(CANNOT_CONFIGURE)),
            Card::Config(config) => self.configuration.bring(config),
            Card::ReqConfig(name) => self.configuration.ask(name, &self.rights),
            Card::UvFile(_) if !self.rights.allow(Right::WriteUnversioned) => {
                return Err(refusal(CANNOT_WRITE_UNVERSIONED));
            }
            Card::UvFile(file) => self.unversioned.files.push(file),
            Card::UvGimme(name) => self.take_uvgimme(name),
            Card::Cookie(_) | Card::Comment(_) => {}
            Card::CloneSeqno(_) => self.bad_command(b"clone_seqno"),
            Card::UvIgot(_) => self.bad_command(b"uvigot"),
            Card::Error(_) => self.bad_command(b"error"),
            Card::Message(_) => self.bad_command(b"message"),
            Card::Table(card) => self.take_table(card)?,
            Card::Unknown(line) => self.bad_command(line),
        }
        Ok(())
    }

    fn take_pull(&mut self, codes: &Codes) -> Result<(), Stop> {
        self.check_project(codes)?;
        if !self.rights.allow(Right::Read) {
            return Err(refusal(CANNOT_READ));
        }
        self.pull = Mode::On;
        Ok(())
    }

    fn take_push(&mut self, codes: &Codes) -> Result<(), Stop> {
        self.check_project(codes)?;
        match (self.rights.allow(Right::Write), self.pull) {
            (true, _) => self.push = Mode::On,
            (false, Mode::On) => self.notes.push(Card::Message(PULL_ONLY.to_owned())),
            (false, Mode::Off) => return Err(refusal(CANNOT_WRITE)),
        }
        Ok(())
    }

    fn check_project(&self, codes: &Codes) -> Result<(), Stop> {
        if codes.project == self.ours.project { Ok(()) } else { Err(refusal("wrong project")) }
    }

    fn take_clone(&mut self, request: CloneRequest) -> Result<(), Stop> {
        if !self.rights.allow(Right::Clone) {
            return Err(refusal(CANNOT_CLONE));
        }
        if matches!(request, CloneRequest::Batch { seqno: 0, .. }) {
            return Err(refusal("invalid clone sequence number"));
        }
        self.clone = Some(request);
        Ok(())
    }

    fn take_gimme(&mut self, id: &ArtifactId) {
        self.stats.gimmes_received += 1;
        self.lacks.push(*id);
        if self.pull == Mode::On || self.clone == Some(CloneRequest::Announce) {
            self.gimmes.push(*id);
        }
    }

    fn take_igot(&mut self, igot: &'m Igot) {
        self.stats.igots_received += 1;
        if self.push == Mode::On {
            self.igots.push(igot);
        }
    }

    /// A private artifact of who may not push any is dropped. Stock would store it, for all to see.
    fn take_file(&mut self, file: &'m FileCard) -> Result<(), Stop> {
        if self.push == Mode::Off {
            return Err(refusal(CANNOT_WRITE));
        }
        if file.privacy == Privacy::Private && !self.rights.allow(Right::Private) {
            self.refuse_private();
            return Ok(());
        }
        if inbox::is_hollow(file) {
            self.hollow.insert(file.id);
        } else {
            self.files.push(file);
        }
        Ok(())
    }

    fn take_uvgimme(&mut self, name: &'m UvName) {
        self.stats.uv_gimmes_received += 1;
        if self.rights.allow(Right::Read) {
            self.unversioned.gimmes.push(name);
        }
    }

    fn take_table(&mut self, card: &'m TableCard) -> Result<(), Stop> {
        if self.push == Mode::Off && !matches!(card, TableCard::Igot(_) | TableCard::Gimme(_)) {
            return Err(refusal(CANNOT_WRITE));
        }
        self.tables.card(card);
        Ok(())
    }

    /// Which way rows of tables may go.
    pub(super) fn table_flow(&self) -> Flow {
        Flow { gives: self.pull == Mode::On, takes: self.push == Mode::On }
    }

    /// Whether a clone asks if there are tables that a pull could bring.
    pub(super) fn asks_for_tables(&self) -> bool {
        self.clone.is_some() && self.tables.begins() && self.rights.allow(Right::Read)
    }

    /// On whose word rows are taken in.
    pub(super) fn authority(&self) -> Authority<'m> {
        match self.user {
            Some(_) if self.rights.allow(Right::Admin) => Authority::Administrator,
            Some(user) => Authority::User(user),
            None => Authority::Nobody,
        }
    }

    fn take_pragma(&mut self, pragma: &'m Pragma) {
        let (may_read, may_write) = (self.rights.allow(Right::Read), self.rights.allow(Right::Write));
        match pragma {
            Pragma::ClientVersion(version) => {
                self.client = (version.number, version.build.map_or(0, |(day, _)| day));
                if version.build.is_some() {
                    self.notes.push(Card::Pragma(Pragma::ServerVersion(ADVERTISED)));
                }
            }
            Pragma::SendPrivate if self.rights.allow(Right::Private) => self.deepest = Privacy::Private,
            Pragma::SendPrivate => self.refuse_private(),
            Pragma::SendCatalog => self.catalog = Mode::On,
            Pragma::ReqClusters if may_read => self.clusters = Mode::On,
            Pragma::UvHash(hash) if may_read => {
                self.unversioned.hash = Some(*hash);
                self.unversioned.may_write = self.rights.allow(Right::WriteUnversioned);
            }
            Pragma::CiLock { checkin, client } if may_write => self.locks.acquire(*checkin, client),
            Pragma::CiUnlock { client } if may_write => self.locks.release(client),
            Pragma::ClientUrl(url) if may_write => self.links.introduce(url),
            Pragma::ReqLinks if may_read => self.links.ask(),
            Pragma::Table(pragma) => self.tables.pragma(pragma),
            // What this client may not ask; it is passed over, as by a server that does not know it.
            Pragma::ReqClusters
            | Pragma::UvHash(_)
            | Pragma::CiLock { .. }
            | Pragma::CiUnlock { .. }
            | Pragma::ClientUrl(_)
            | Pragma::ReqLinks => {}
            // For clients, or unknown.
            Pragma::ServerVersion(_)
            | Pragma::UvPushOk
            | Pragma::UvPullOnly
            | Pragma::CiLockFail { .. }
            | Pragma::AvoidDeltaManifests
            | Pragma::MoreGimmes
            | Pragma::Link { .. }
            | Pragma::Other(_) => {}
        }
    }

    /// Says once that private content is out of reach, and goes on: a clone begins so.
    fn refuse_private(&mut self) {
        let refused = |card: &Card| matches!(card, Card::Error(text) if text == CANNOT_SYNC_PRIVATE);
        if !self.notes.iter().any(refused) {
            self.notes.push(Card::Error(CANNOT_SYNC_PRIVATE.to_owned()));
        }
    }

    /// Gives up what was answered so far, but goes on, as stock does.
    fn bad_command(&mut self, line: &[u8]) {
        self.clone = None;
        self.notes.clear();
        self.notes.push(Card::Error(format!("bad command: {}", quote(line))));
    }
}

fn origin(time: UnixTime, peer: Option<&str>) -> Origin {
    Origin { ip: peer.map(str::to_owned), time, ..Origin::default() }
}
