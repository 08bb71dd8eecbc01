//! A peer that is not Frond's code: what the reference says that stock Fossil does, with its quirks, in its own words
//! and out of plain maps. Sessions with it show that Frond gets on with stock in every order of events.
//!
//! It is strict: what stock would refuse, trip over or take the wrong way is a [`Trip`], and a violation, where
//! stock itself may go on in silence.
//!
//! ```text
//!   lines     cards as stock reads them: tokens of a line, at most six, and payloads
//!   store     a repository: contents, phantoms, deltas that wait, clusters, files without history
//!   server    one request answered, in one pass over its cards
//!   client    one session: pull, push, sync or clone, and when it stops
//!   user      what its users do
//!   author    what else they write, in newer editions
//! ```

pub mod author;
pub mod client;
pub mod lines;
pub mod server;
pub mod store;
pub mod user;

pub use client::Session;
pub use store::Store;

use std::collections::BTreeSet;

use xfer::card::{FileCard, Payload};
use xfer::{ArtifactId, Card, Message, hash};

use crate::dice::Ratio;
use crate::plan::{Draws, Edition};

/// Which stock it is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 2.21.
    V221,
    /// 2.29: asks for clusters, refuses unversioned files and second logins.
    V229,
}

impl Version {
    /// What its `client-version` and `server-version` say.
    pub(crate) fn pragma(self) -> &'static str {
        match self {
            Self::V221 => "22100 20230226 192424",
            // Without the login in a cookie: the reference says what a peer that announces it has to bear.
            Self::V229 => "22600 20250101 120000",
        }
    }
}

/// Which peers are like stock: in a third of the runs, some.
pub fn draw(seed: u64, nodes: usize, edition: Edition) -> Vec<Option<Version>> {
    let mut draws = Draws::new(seed, edition, "stock");
    let some = draws.on("stock", 0).hits(Ratio::new(1, 3));
    let mut draw = |node| match draws.on("stock peer", node).below(4) {
        0 if some => Some(Version::V221),
        1 if some => Some(Version::V229),
        _ => None,
    };
    (0..nodes).map(&mut draw).collect()
}

/// Names under which a message brings an empty file though they name something. Stock sends that, 2.21 as a server and
/// as a client, in place of a delta that waits for its source; other stock takes it for a wrong hash, and keeps nothing
/// of what came with it.
pub fn hollow(message: &[u8]) -> BTreeSet<ArtifactId> {
    let lines = lines::read_from(message, lines::Blank::Skipped).unwrap_or_default();
    let empty = |line: &lines::Line| match line.words.as_slice() {
        [card, name, size] if card == "file" && size == "0" => lines::id(name).ok(),
        _ => None,
    };
    lines.iter().filter_map(empty).filter(|id| !hash::names(id, b"")).collect()
}

/// The same of a message that was read.
pub fn hollow_files(message: &Message) -> impl Iterator<Item = ArtifactId> + '_ {
    let is_empty = |file: &&FileCard| {
        matches!(&file.payload, Payload::Plain(bytes) if bytes.is_empty()) && file.delta_source.is_none()
    };
    let files =
        message.cards.iter().filter_map(|card| if let Card::File(file) = card { Some(file) } else { None });
    files.filter(is_empty).map(|file| file.id).filter(|id| !hash::names(id, b""))
}

/// What stock would trip over, in what a sound peer sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trip(pub String);

pub(crate) fn trip<T>(text: impl Into<String>) -> Result<T, Trip> {
    Err(Trip(text.into()))
}
