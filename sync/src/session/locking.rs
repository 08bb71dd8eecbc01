//! Check-in locks, from the side that commits (reference: wire.md section 5.6).
//!
//! The session before a commit asks for the lock, in its first round; the one after it, or after it was given
//! up, lets go. Stock lets go in the second round of the first session, before the commit is made.

use repo::UnixTime;
use xfer::{ArtifactId, Card, Pragma};

use super::reply::Reply;

/// What a session that comes before a commit asks for: the peer is to warn others who would commit there too.
///
/// How long the lock lives is up to the repository that gives it: its setting `lock-timeout`, in seconds, and 60
/// where that says nothing ([`repo::lock`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckinLock {
    /// The check-in that is about to get a child.
    pub parent: ArtifactId,
    /// The checkout that commits: 40 hex digits, made once and at random.
    pub client: String,
}

/// Somebody else is about to commit onto the same check-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckinLockFailure {
    /// User who holds the lock; empty if the peer does not say.
    pub held_by: String,
    /// Since when.
    pub since: UnixTime,
}

/// The locking half of a session.
#[derive(Debug, Default)]
pub(super) struct Locking {
    acquire: Option<CheckinLock>,
    /// The checkout whose locks are to be given up, until the peer was told.
    release: Option<String>,
    /// Whether the last request tells it.
    releasing: bool,
}

impl Locking {
    pub(super) fn new(acquire: Option<CheckinLock>, release: Option<String>) -> Self {
        // A lock that is asked for is given up by a later session.
        let release = release.filter(|_| acquire.is_none());
        Self { acquire, release, releasing: false }
    }

    /// Whether the peer is to hear more.
    pub(super) fn has_more(&self) -> bool {
        self.release.is_some()
    }

    /// What the next request says of locks. `rest` tells whether artifacts stay behind for a later one: the new
    /// check-in may be among them, so its lock holds until then.
    pub(super) fn compose(&mut self, round: u32, rest: Rest) -> Option<Card> {
        self.releasing = self.release.is_some() && rest == Rest::None;
        let pragma = match (&self.acquire, &self.release) {
            (Some(lock), _) if round == 1 => {
                Pragma::CiLock { checkin: lock.parent, client: lock.client.clone() }
            }
            (_, Some(client)) if self.releasing => Pragma::CiUnlock { client: client.clone() },
            _ => return None,
        };
        Some(Card::Pragma(pragma))
    }

    /// Reads a reply without errors. Says who stands in the way.
    pub(super) fn hear(&mut self, reply: &Reply<'_>) -> Option<CheckinLockFailure> {
        if self.releasing {
            self.release = None;
        }
        let (user, since) = reply.lock_failure.filter(|_| self.acquire.is_some())?;
        Some(CheckinLockFailure { held_by: user.to_owned(), since: UnixTime::from_seconds(since) })
    }
}

/// What of the artifacts to send does not fit into a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// Nothing: all of them are in it.
    None,
    /// Some wait for a later one.
    Some,
}
