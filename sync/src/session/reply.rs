//! The cards of one reply, sorted by what they are for.

use xfer::card::{Codes, Config, FileCard, Igot, UvFile, UvIgot};
use xfer::{ArtifactId, Card, Message, Pragma};

use crate::SyncError;
use crate::tables::Heard;

/// How much of a foreign card is repeated in our errors.
const QUOTED_BYTES: usize = 120;

/// A reply, read once.
#[derive(Debug, Default)]
pub(crate) struct Reply<'a> {
    pub(crate) files: Vec<&'a FileCard>,
    pub(crate) igots: Vec<&'a Igot>,
    pub(crate) configs: Vec<&'a Config>,
    pub(crate) errors: Vec<&'a str>,
    pub(crate) messages: Vec<&'a str>,
    pub(crate) clone_seqno: Option<u32>,
    pub(crate) push: Option<&'a Codes>,
    /// Who holds a lock that was asked for, and since when.
    pub(crate) lock_failure: Option<(&'a str, i64)>,
    /// Whether a commit should be no delta manifest.
    pub(crate) avoids_deltas: bool,
    /// Other places of the project: address, description, when they were heard of.
    pub(crate) links: Vec<(&'a str, &'a str, i64)>,
    /// What the peer wants.
    pub(crate) gimmes: Vec<ArtifactId>,
    /// Whether it wants more, and did not come to ask for it.
    pub(crate) wants_more: bool,
    /// Unversioned files.
    pub(crate) uv_files: Vec<&'a UvFile>,
    /// Lines of the catalog of unversioned files.
    pub(crate) uv_igots: Vec<&'a UvIgot>,
    /// What may be done about the catalog, if there is one.
    pub(crate) uv_mode: Option<UvMode>,
    /// What it says of synced tables.
    pub(crate) tables: Heard<'a>,
    /// Whether it names the peer's version, as the answer to a request that names ours.
    pub(crate) names_version: bool,
    /// Whether it says nothing at all.
    pub(crate) is_blank: bool,
    stamped: bool,
    unexpected: Option<String>,
}

/// Whether a peer takes unversioned files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UvMode {
    PushOk,
    PullOnly,
}

impl<'a> Reply<'a> {
    pub(crate) fn read(message: &'a Message) -> Self {
        let mut reply = Self { is_blank: is_blank(message), ..Self::default() };
        if message.login.is_some() {
            reply.unexpected = Some("login".to_owned());
        }
        for card in &message.cards {
            reply.take(card);
        }
        reply
    }

    /// Whether the peer finished a reply of this protocol. Its error cards are another matter: after one,
    /// stock writes what it likes.
    pub(crate) fn check(&self) -> Result<(), SyncError> {
        if let Some(card) = &self.unexpected {
            let page = card.trim_start().starts_with('<');
            let text = card.clone();
            return Err(if page { SyncError::WebPage(text) } else { SyncError::UnexpectedCard(text) });
        }
        if self.stamped { Ok(()) } else { Err(SyncError::Unfinished) }
    }

    fn take(&mut self, card: &'a Card) {
        match card {
            Card::File(file) => self.files.push(file),
            Card::Igot(igot) => self.igots.push(igot),
            Card::Error(text) => self.errors.push(text),
            Card::Message(text) => self.messages.push(text),
            Card::CloneSeqno(seqno) => self.clone_seqno = Some(*seqno),
            Card::Push(codes) => self.push = Some(codes),
            Card::Gimme(id) => self.gimmes.push(*id),
            Card::Comment(text) => self.stamped |= text.starts_with(b" timestamp "),
            Card::Config(config) => self.configs.push(config),
            Card::UvFile(file) => self.uv_files.push(file),
            Card::UvIgot(igot) => self.uv_igots.push(igot),
            Card::Pragma(pragma) => self.take_pragma(pragma),
            // What a cookie is for no server ever said: none is kept, so none comes to another server than the one
            // it is from.
            Card::Cookie(_) => {}
            Card::Pull(_) => self.refuse(b"pull"),
            Card::Clone(_) => self.refuse(b"clone"),
            Card::UvGimme(_) => self.refuse(b"uvgimme"),
            Card::ReqConfig(_) => self.refuse(b"reqconfig"),
            Card::Table(card) => self.tables.card(card),
            Card::Unknown(line) => self.refuse(line),
        }
    }

    fn take_pragma(&mut self, pragma: &'a Pragma) {
        match pragma {
            Pragma::CiLockFail { user, since } => self.lock_failure = Some((user, *since)),
            Pragma::MoreGimmes => self.wants_more = true,
            Pragma::ServerVersion(_) => self.names_version = true,
            Pragma::AvoidDeltaManifests => self.avoids_deltas = true,
            Pragma::UvPushOk => self.uv_mode = Some(UvMode::PushOk),
            Pragma::UvPullOnly => self.uv_mode = Some(UvMode::PullOnly),
            Pragma::Table(pragma) => self.tables.pragma(pragma),
            Pragma::Link { url, json, mtime } => self.links.push((url, json, *mtime)),
            _ => {}
        }
    }

    fn refuse(&mut self, line: &[u8]) {
        self.unexpected.get_or_insert_with(|| quote(line));
    }
}

/// Whether a message says nothing at all.
pub(super) fn is_blank(message: &Message) -> bool {
    message.cards.iter().all(|card| matches!(card, Card::Comment(_)))
}

/// A piece of a foreign line that can be shown.
pub(crate) fn quote(line: &[u8]) -> String {
    let piece = &line[..line.len().min(QUOTED_BYTES)];
    let text = String::from_utf8_lossy(piece).replace(char::is_control, " ");
    if piece.len() < line.len() { format!("{text}...") } else { text }
}
