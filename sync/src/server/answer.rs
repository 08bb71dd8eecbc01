//! One pass over a request (reference: wire.md sections 3.1 to 3.3). A card sees the rights and modes that the
//! cards before it set.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use repo::outgoing::{List, Outgoing};
use repo::{Presence, RepoError, Rid, Snapshot, blob, config};
use xfer::card::{CloneRequest, Codes, Igot, Privacy};
use xfer::{ArtifactId, Card, Login, Message, Pragma};

use super::outbox::Outbox;
use super::rights::{Right, Rights};
use crate::session::quote;
use crate::version::{ADVERTISED, PRIVATE_IGOT_SINCE, SHA3_SINCE};
use crate::{Cx, RoundStats, SyncError};

const CANNOT_READ: &str = "not authorized to read";
const CANNOT_WRITE: &str = "not authorized to write";
const CANNOT_CLONE: &str = "not authorized to clone";
const CANNOT_SEE_PRIVATE: &str = "not authorized to sync private content";
const CANNOT_CONFIGURE: &str = "not authorized to push configuration";
/// Stock clients stop pushing, and go on, at a message that begins so.
const PULL_ONLY: &str = "pull only - not authorized to push";
const TAKES_NO_PUSH: &str = "this server does not take pushes yet: nothing was stored here";

/// A request under way.
pub(super) struct Answer<'a> {
    snap: &'a Snapshot<'a>,
    outbox: Outbox<'a>,
    rights: Rights,
    ours: Codes,
    cards: Vec<Card>,
    stats: RoundStats,
    errors: u32,
    /// Client program: version, and the day it was built.
    client: (u32, u32),
    pull: Mode,
    push: Push,
    announces_all: Mode,
    catalog: Mode,
    clusters: Mode,
    has_gimmes: bool,
    asked: BTreeMap<Rid, Outgoing>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Off,
    On,
}

/// What became of a `push` card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Push {
    /// There was none, or it had no right to be there.
    None,
    /// Whoever pushes may, but this server takes none: what they send is passed over.
    PassedOver,
}

/// Why the rest of a request is not looked at: the text of the error card.
pub(super) enum Stop {
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

impl<'a> Answer<'a> {
    pub(super) fn new(snap: &'a Snapshot<'a>, cx: &'a Cx<'_>) -> Result<Self, RepoError> {
        let ours = Codes {
            server: config::server_code(snap)?.unwrap_or_else(|| "x".to_owned()),
            project: config::project_code(snap)?.unwrap_or_default(),
        };
        Ok(Self {
            snap,
            outbox: Outbox::new(snap, cx)?,
            rights: Rights::of_nobody(snap)?,
            ours,
            cards: Vec::new(),
            stats: RoundStats::default(),
            errors: 0,
            client: (0, 0),
            pull: Mode::Off,
            push: Push::None,
            announces_all: Mode::Off,
            catalog: Mode::Off,
            clusters: Mode::Off,
            has_gimmes: false,
            asked: BTreeMap::new(),
        })
    }

    /// Answers a whole request. The timestamp is left to the caller.
    pub(super) fn run(mut self, request: &Message) -> Result<(Vec<Card>, RoundStats, u32), SyncError> {
        match self.pass(request) {
            Ok(()) => {}
            Err(Stop::Refusal(text)) => self.refuse(text),
            Err(Stop::Failure(error)) => return Err(error),
        }
        self.announce()?;
        self.stats.files_sent = self.outbox.files();
        Ok((self.cards, self.stats, self.errors))
    }

    /// Whether a `pull` of this request is allowed: all that matters for making clusters.
    pub(super) fn may_pull(mut self, request: &Message) -> Result<bool, SyncError> {
        if let Some(login) = &request.login
            && let Err(stop) = self.log_in(login)
        {
            return if let Stop::Failure(error) = stop { Err(error) } else { Ok(false) };
        }
        let named = |card: &Card| matches!(card, Card::Pull(codes) if codes.project == self.ours.project);
        Ok(self.rights.allow(Right::Read) && request.cards.iter().any(named))
    }

    fn pass(&mut self, request: &Message) -> Result<(), Stop> {
        if let Some(login) = &request.login {
            self.log_in(login)?;
        }
        self.has_gimmes = request.cards.iter().any(|card| matches!(card, Card::Gimme(_)));
        for card in &request.cards {
            self.take(card)?;
        }
        self.send_asked()
    }

    fn take(&mut self, card: &Card) -> Result<(), Stop> {
        match card {
            Card::Pull(codes) => self.take_pull(codes)?,
            Card::Push(codes) => self.take_push(codes)?,
            Card::Clone(request) => self.take_clone(*request)?,
            Card::Gimme(id) => self.take_gimme(id)?,
            Card::Igot(igot) => self.take_igot(igot)?,
            Card::Pragma(pragma) => self.take_pragma(pragma),
            Card::File(_) if self.push == Push::None => return Err(refusal(CANNOT_WRITE)),
            Card::File(_) => {}
            Card::Config(_) if !self.rights.allow(Right::Admin) => return Err(refusal(CANNOT_CONFIGURE)),
            Card::Config(_) => return Err(refusal("this server does not take configuration yet")),
            // Unversioned files and configuration are not served yet. Silence is what a stock server without
            // any gives, and clients go on.
            Card::UvFile(_) | Card::UvGimme(_) | Card::ReqConfig(_) | Card::Cookie(_) | Card::Comment(_) => {}
            Card::CloneSeqno(_) => self.bad_command(b"clone_seqno"),
            Card::UvIgot(_) => self.bad_command(b"uvigot"),
            Card::Error(_) => self.bad_command(b"error"),
            Card::Message(_) => self.bad_command(b"message"),
            Card::Unknown(line) => self.bad_command(line),
        }
        Ok(())
    }

    fn log_in(&mut self, login: &Login) -> Result<(), Stop> {
        self.rights.log_in(self.snap, login)?.ok_or_else(|| refusal("login failed"))
    }

    fn take_pull(&mut self, codes: &Codes) -> Result<(), Stop> {
        if codes.project != self.ours.project {
            return Err(refusal("wrong project"));
        }
        if !self.rights.allow(Right::Read) {
            return Err(refusal(CANNOT_READ));
        }
        self.pull = Mode::On;
        Ok(())
    }

    fn take_push(&mut self, codes: &Codes) -> Result<(), Stop> {
        if codes.project != self.ours.project {
            return Err(refusal("wrong project"));
        }
        let may = self.rights.allow(Right::Write);
        if self.pull == Mode::Off {
            let reason =
                if may { format!("{CANNOT_WRITE}: {TAKES_NO_PUSH}") } else { CANNOT_WRITE.to_owned() };
            return Err(Stop::Refusal(reason));
        }
        self.cards.push(Card::Message(PULL_ONLY.to_owned()));
        if may {
            self.cards.push(Card::Message(TAKES_NO_PUSH.to_owned()));
            self.push = Push::PassedOver;
        }
        Ok(())
    }

    fn take_clone(&mut self, request: CloneRequest) -> Result<(), Stop> {
        if !self.rights.allow(Right::Clone) {
            return Err(refusal(CANNOT_CLONE));
        }
        match request {
            CloneRequest::Batch { seqno: 0, .. } => Err(refusal("invalid clone sequence number")),
            CloneRequest::Batch { version, seqno } => {
                let next = self.batch(version, seqno)?;
                self.cards.push(Card::CloneSeqno(next));
                self.cards.push(Card::Push(self.ours.clone()));
                Ok(())
            }
            CloneRequest::Announce => {
                self.cards.push(Card::Push(self.ours.clone()));
                self.announces_all = Mode::On;
                Ok(())
            }
        }
    }

    fn take_gimme(&mut self, id: &ArtifactId) -> Result<(), Stop> {
        self.stats.gimmes_received += 1;
        if self.pull == Mode::Off && self.announces_all == Mode::Off {
            return Ok(());
        }
        let Some(outgoing) = self.outbox.outlet().find(id)? else { return Ok(()) };
        if self.outbox.is_settled(outgoing.rid) {
            return Ok(());
        }
        if outgoing.privacy > self.outbox.deepest {
            self.outbox.settle(outgoing.rid);
            if self.client.1 >= PRIVATE_IGOT_SINCE {
                self.igot(*id, Privacy::Private);
            }
            return Ok(());
        }
        self.check_client(&outgoing)?;
        self.asked.insert(outgoing.rid, outgoing);
        Ok(())
    }

    /// Answers the `gimme` cards, newest first: neighbours in time share most of their content, so they are
    /// expanded together. What finds no room is announced, so that the client asks again.
    fn send_asked(&mut self) -> Result<(), Stop> {
        for outgoing in std::mem::take(&mut self.asked).into_values().rev() {
            let card = match self.pull {
                Mode::On => self.outbox.towards_older(&outgoing)?,
                Mode::Off => self.outbox.native(&outgoing)?,
            };
            if let Some(card) = card {
                self.cards.push(card);
                continue;
            }
            // Once is enough: the list at the end leaves it out.
            self.outbox.settle(outgoing.rid);
            self.igot(outgoing.id, outgoing.privacy);
        }
        Ok(())
    }

    /// What a client says it has need not be announced to it.
    fn take_igot(&mut self, igot: &Igot) -> Result<(), Stop> {
        self.stats.igots_received += 1;
        if self.push == Push::PassedOver
            && let Presence::Held(rid) = blob::presence(self.snap, &igot.id)?
        {
            self.outbox.settle(rid);
        }
        Ok(())
    }

    fn take_pragma(&mut self, pragma: &Pragma) {
        match pragma {
            Pragma::ClientVersion(version) => {
                self.client = (version.number, version.build.map_or(0, |(day, _)| day));
                if version.build.is_some() {
                    self.cards.push(Card::Pragma(Pragma::ServerVersion(ADVERTISED)));
                }
            }
            Pragma::SendPrivate if self.rights.allow(Right::Private) => {
                self.outbox.deepest = Privacy::Private;
            }
            Pragma::SendPrivate => self.cards.push(Card::Error(CANNOT_SEE_PRIVATE.to_owned())),
            Pragma::SendCatalog => self.catalog = Mode::On,
            Pragma::ReqClusters if self.rights.allow(Right::Read) => self.clusters = Mode::On,
            Pragma::ReqClusters => {}
            // Unversioned files, locks and links are not served yet; the rest is for clients.
            Pragma::UvHash(_)
            | Pragma::CiLock { .. }
            | Pragma::CiUnlock { .. }
            | Pragma::ClientUrl(_)
            | Pragma::ReqLinks
            | Pragma::ServerVersion(_)
            | Pragma::UvPushOk
            | Pragma::UvPullOnly
            | Pragma::CiLockFail { .. }
            | Pragma::AvoidDeltaManifests
            | Pragma::Link { .. }
            | Pragma::Other(_) => {}
        }
    }

    /// Sends artifacts from rid `seqno` on, and says where the next batch starts; 0 if there is none.
    ///
    /// Nothing is remembered: artifacts that come meanwhile have higher rids, so a clone of a busy server ends.
    fn batch(&mut self, version: u32, seqno: u32) -> Result<u32, Stop> {
        let mut from = Rid(i64::from(seqno));
        loop {
            let piece = self.outbox.outlet().piece(from, PIECE)?;
            for outgoing in &piece.artifacts {
                if !self.send_in_batch(version, outgoing)? {
                    // Rids beyond what the card can hold are out of reach for every client of this protocol.
                    return Ok(u32::try_from(outgoing.rid.0).unwrap_or(0));
                }
            }
            let Some(next) = piece.next else { return Ok(0) };
            from = next;
        }
    }

    /// Says whether there was room.
    fn send_in_batch(&mut self, version: u32, outgoing: &Outgoing) -> Result<bool, Stop> {
        if outgoing.privacy > self.outbox.deepest {
            return Ok(true);
        }
        self.check_client(outgoing)?;
        let card = if version >= 3 { self.outbox.stored(outgoing)? } else { self.outbox.native(outgoing)? };
        let sent = card.is_some();
        self.cards.extend(card);
        Ok(sent)
    }

    fn check_client(&self, outgoing: &Outgoing) -> Result<(), Stop> {
        if self.client.0 >= SHA3_SINCE || outgoing.id.is_sha1() {
            return Ok(());
        }
        Err(refusal("Fossil version 2.0 or later required."))
    }

    /// The lists at the end of a reply.
    fn announce(&mut self) -> Result<(), RepoError> {
        if self.clusters == Mode::On {
            self.announce_clusters()?;
        }
        if self.announces_all == Mode::On && !self.has_gimmes {
            self.announce_list(List::Catalog)?;
        }
        if self.pull == Mode::On {
            self.announce_list(if self.catalog == Mode::On { List::Catalog } else { List::Unclustered })?;
            if self.outbox.deepest == Privacy::Private {
                self.announce_list(List::Private)?;
            }
        }
        Ok(())
    }

    fn announce_clusters(&mut self) -> Result<(), RepoError> {
        let before = self.cards.len();
        self.cards.push(Card::Comment(" sending-clusters".into()));
        self.announce_list(List::Clusters)?;
        if self.cards.len() == before + 1 {
            self.cards.pop();
        } else {
            self.cards.push(Card::Comment(" end-of-clusters".into()));
        }
        Ok(())
    }

    fn announce_list(&mut self, list: List) -> Result<(), RepoError> {
        let Self { outbox, cards, stats, .. } = self;
        let privacy = if list == List::Private { Privacy::Private } else { Privacy::Public };
        outbox.outlet().list(list, |rid, id| {
            if !outbox.is_settled(rid) {
                cards.push(Card::Igot(Igot { id, privacy }));
                stats.igots_sent += 1;
            }
            ControlFlow::Continue(())
        })
    }

    fn igot(&mut self, id: ArtifactId, privacy: Privacy) {
        self.stats.igots_sent += 1;
        self.cards.push(Card::Igot(Igot { id, privacy }));
    }

    /// Gives up what was answered so far, but goes on, as stock does.
    fn bad_command(&mut self, line: &[u8]) {
        self.cards.clear();
        self.cards.push(Card::Error(format!("bad command: {}", quote(line))));
    }

    fn refuse(&mut self, text: String) {
        self.errors += 1;
        self.cards.clear();
        if text == CANNOT_CLONE {
            // Without it a client could never learn the project code that its login is made with.
            self.cards.push(Card::Push(self.ours.clone()));
        }
        self.cards.push(Card::Error(text));
    }
}

/// Artifacts that are looked up at once.
const PIECE: u32 = 500;
