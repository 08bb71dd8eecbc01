//! No right is exceeded: who may not read is sent nothing, and nothing is taken from who may not write it.

use std::collections::BTreeSet;

use repo::UnixTime;
use xfer::card::Privacy;
use xfer::{ArtifactId, Card, Message};

use super::wire::{Leave, Sending};
use crate::known::Known;
use crate::model::Violation;
use crate::node::Door;
use crate::rights::{Letters, Right};

/// What one request brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Came {
    /// Artifacts that others made.
    pub artifacts: Vec<ArtifactId>,
    /// What is stored since, as it is or to wait for its delta source.
    pub stored: BTreeSet<ArtifactId>,
    /// Names that are private since.
    pub private: Vec<ArtifactId>,
    /// Whether unversioned files changed.
    pub files: bool,
}

impl Came {
    /// What is new in a repository, where others made these artifacts.
    pub fn between(before: &Known, now: &Known, artifacts: Vec<ArtifactId>) -> Self {
        let was_stored = |id: &ArtifactId| before.held.contains_key(id) || before.waiting.contains(id);
        let stored = now.held.keys().chain(&now.waiting).filter(|id| !was_stored(id));
        Self {
            artifacts,
            stored: stored.copied().collect(),
            private: now.private.difference(&before.private).copied().collect(),
            files: before.files != now.files,
        }
    }
}

/// Looks at what a server took from a client with this request.
pub fn check_taken(came: &Came, letters: &Letters, request: &Message) -> Result<(), Violation> {
    if !letters.allow(Right::Private) {
        check_private(came, request)?;
    }
    if !came.artifacts.is_empty() && !letters.allow(Right::Write) {
        return fail("artifacts were taken from who may not write".to_owned());
    }
    if came.files && !letters.allow(Right::WriteFiles) {
        return fail("unversioned files were taken from who may not write them".to_owned());
    }
    Ok(())
}

/// Nothing that is private came from who may not give it, for whomever to see.
fn check_private(came: &Came, request: &Message) -> Result<(), Violation> {
    if let Some(id) = came.private.first() {
        return fail(format!("{id} is private since a request of who may not give what is private"));
    }
    let brings = |id: &ArtifactId, wanted: Privacy| {
        let is_it =
            |card: &Card| matches!(card, Card::File(file) if file.id == *id && file.privacy == wanted);
        request.cards.iter().any(is_it)
    };
    let hidden = |id: &&ArtifactId| brings(id, Privacy::Private) && !brings(id, Privacy::Public);
    match came.stored.iter().find(hidden) {
        Some(id) => fail(format!("private {id} was taken from who may not give it")),
        None => Ok(()),
    }
}

/// How long a server looks after that at least, by its own clock.
const GOOD_ONCE_MS: i64 = 24 * 3_600_000;

/// A request that is signed is good for once, wherever a server looks after that.
pub fn check_once(
    door: Option<&mut Door>,
    request: &Message,
    reply: &Message,
    now: UnixTime,
) -> Result<(), Violation> {
    let (Some(door), Some(login)) = (door, &request.login) else { return Ok(()) };
    match reply.first_error() {
        Some(error) => door.has_refused |= error.contains("login failed"),
        None => {
            let before = door.taken.insert(login.nonce, now);
            if before.is_some_and(|before| now.0.saturating_sub(before.0) < GOOD_ONCE_MS) {
                return fail(format!("the login with nonce {} was taken twice", login.nonce));
            }
        }
    }
    Ok(())
}

/// Something that is sent.
pub(super) fn check_readable(sending: &Sending<'_>, what: &str) -> Result<(), Violation> {
    match sending.read {
        Leave::Granted => Ok(()),
        Leave::Denied => fail(format!("{what} are sent to who may not read")),
    }
}

fn fail(text: String) -> Result<(), Violation> {
    Err(Violation::new("rights", text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use xfer::card::{FileCard, Payload};

    #[test]
    fn what_is_private_is_not_taken_from_who_may_not_give_it() {
        let id = xfer::hash::sha1(b"x");
        let file = |privacy| {
            let payload = Payload::Plain(Bytes::from_static(b"x"));
            Card::File(FileCard { id, delta_source: None, payload, privacy })
        };
        let before = Known::default();
        let public = Known { held: [(id, 1)].into(), ..Known::default() };
        let private = Known { private: [id].into(), ..public.clone() };
        let named = Known { private: [id].into(), phantoms: [id].into(), ..Known::default() };
        for (now, privacy, letters, sound) in [
            (&public, Privacy::Public, "io", true),
            (&private, Privacy::Private, "iox", true),
            (&private, Privacy::Private, "io", false),
            (&public, Privacy::Private, "io", false),
            (&named, Privacy::Private, "io", false),
            (&before, Privacy::Private, "io", true),
        ] {
            let request = Message { cards: vec![file(privacy)], ..Message::default() };
            let came = Came::between(&before, now, Vec::new());
            assert_eq!(
                check_taken(&came, &Letters::of([letters]), &request).is_ok(),
                sound,
                "{letters} {now:?}"
            );
        }
    }
}
