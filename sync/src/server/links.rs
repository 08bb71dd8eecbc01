//! Where else the project is to be found: what clients say of themselves, and what they are told
//! (reference: wire.md section 5.2). Only who may push is written down, only who may read is told.

use repo::{RepoError, Snapshot, Tx, UnixTime, link};
use xfer::{Card, Pragma};

/// What a request says and asks of places.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Where the client is served itself, in the form that is kept.
    client: Option<String>,
    wanted: bool,
}

impl Links {
    /// The client says where it is served itself. What others could not use is passed over.
    pub(super) fn introduce(&mut self, url: &str) {
        self.client = link::normal_url(url).or(self.client.take());
    }

    /// The client wants to know.
    pub(super) fn ask(&mut self) {
        self.wanted = true;
    }

    /// Whether [`Links::settle`] would change anything.
    pub(super) fn brings_news(&self, snap: &Snapshot<'_>, now: UnixTime) -> Result<bool, RepoError> {
        self.client.as_deref().map_or(Ok(false), |url| link::is_news(snap, url, now))
    }

    /// Writes down where the client is served.
    pub(super) fn settle(&self, tx: &Tx<'_>, now: UnixTime) -> Result<(), RepoError> {
        match self.client.as_deref() {
            Some(url) if link::is_news(tx, url, now)? => link::heard_from(tx, url, now),
            _ => Ok(()),
        }
    }

    /// Tells what is known.
    pub(super) fn answer(&self, snap: &Snapshot<'_>, now: UnixTime) -> Result<Vec<Card>, RepoError> {
        if !self.wanted {
            return Ok(Vec::new());
        }
        let links = link::recent(snap, now)?.into_iter();
        let card =
            |link: link::Link| Pragma::Link { url: link.url, json: link.json, mtime: link.seen.seconds() };
        Ok(links.map(card).map(Card::Pragma).collect())
    }
}
