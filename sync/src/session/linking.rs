//! Where else the project is to be found: what we say of ourselves and learn from the peer
//! (reference: wire.md section 5.2).

use repo::link::{self, Link};
use repo::{RepoError, Snapshot, UnixTime};
use xfer::{Card, Pragma};

use super::reply::Reply;

/// The part of a session that is about places.
#[derive(Debug, Default)]
pub(super) struct Linking {
    /// Where we are served ourselves, in the form others can use.
    own: Option<String>,
    wanted: bool,
}

impl Linking {
    pub(super) fn new(own: Option<&str>, wanted: bool) -> Self {
        Self { own: own.and_then(link::normal_url), wanted }
    }

    /// What the first request says and asks.
    pub(super) fn compose(&self, round: u32) -> Vec<Card> {
        if round != 1 {
            return Vec::new();
        }
        let own = self.own.clone().map(|url| Card::Pragma(Pragma::ClientUrl(url)));
        own.into_iter().chain(self.wanted.then_some(Card::Pragma(Pragma::ReqLinks))).collect()
    }

    /// What of a reply is to be written down: nothing that was not asked for.
    pub(super) fn hear(
        &self,
        snap: &Snapshot<'_>,
        reply: &Reply<'_>,
        now: UnixTime,
    ) -> Result<Vec<Link>, RepoError> {
        if !self.wanted {
            return Ok(Vec::new());
        }
        let told = reply.links.iter().map(|&(url, json, mtime)| Link {
            url: url.to_owned(),
            json: json.to_owned(),
            seen: UnixTime::from_seconds(mtime),
        });
        link::news(snap, told.collect(), now)
    }
}
