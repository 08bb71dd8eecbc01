//! Every artifact and file that a repository begins to hold expands to its hash, as does in the end all that it holds, and
//! somebody made it; only what is held is offered, and what is held is not asked for.

use std::collections::BTreeSet;

use bytes::Bytes;
use repo::content;
use repo::manifest::{self, Artifact};
use repo::{Repo, Rid, Snapshot};
use xfer::card::Privacy;
use xfer::{ArtifactId, Card, Message, hash};

use super::meant;
use super::wire::Sending;
use crate::known::{self, Known, Version};
use crate::meant::Meant;
use crate::model::{Model, Violation};

/// Who made what is new in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// The user of this repository.
    User,
    /// A peer; only clusters are made here.
    Peer,
}

/// Names of the empty content.
const EVERYBODYS: [fn(&[u8]) -> ArtifactId; 2] = [hash::sha1, hash::sha3_256];

/// Looks at what is new in a repository. Gives what of it came from elsewhere.
pub fn check(
    repo: &mut Repo,
    before: &Known,
    now: &Known,
    maker: Maker,
    meant: &Meant,
    model: &mut Model,
) -> Result<Vec<ArtifactId>, Violation> {
    let failed = |error: repo::RepoError| Violation::new("content", error);
    if maker == Maker::User {
        // The empty content is the only one that two users make alike, and one user twice: once privately, then for all.
        let published = |id: &&ArtifactId| now.is_public(id) && before.private.contains(id);
        EVERYBODYS
            .iter()
            .map(|name| name(b""))
            .filter(|id| published(&id))
            .for_each(|id| model.made(id, Privacy::Public));
    }
    let snap = repo.snapshot().map_err(failed)?;
    let mut came = Vec::new();
    for (id, &rid) in now.held.iter().filter(|(id, _)| !before.held.contains_key(id)) {
        let content = content::get(&snap, Rid(rid)).map_err(failed)?;
        check_name(id, &content, model)?;
        if maker == Maker::User {
            let Some(privacy) = meant::privacy(meant, before, id) else {
                return Err(Violation::new("meant", format!("nobody asked for {id}")));
            };
            model.made(*id, privacy);
        } else if model.privacy(id).is_some() {
            came.push(*id);
        } else {
            let Ok(Artifact::Cluster(members)) = manifest::parse(&content) else {
                return Err(Violation::new("content", format!("nobody made {id}")));
            };
            model.made_cluster(*id, members);
        }
    }
    let is_new = |file: &(&String, &Version)| before.files.get(file.0) != Some(file.1);
    check_files(&snap, now.files.iter().filter(is_new), model)?;
    Ok(came)
}

/// Expands all that a repository holds: what came long ago is stored anew when other things come, or are let go of.
pub fn check_all(repo: &mut Repo, known: &Known, model: &mut Model) -> Result<(), Violation> {
    let failed = |error: repo::RepoError| Violation::new("content", error);
    // What was expanded before would hide what is stored.
    repo.forget();
    let snap = repo.snapshot().map_err(failed)?;
    known.held.iter().try_for_each(|(id, &rid)| {
        let content = content::get(&snap, Rid(rid)).map_err(failed)?;
        check_name(id, &content, model)
    })?;
    check_files(&snap, known.files.iter(), model)
}

/// Files without history are what their hashes say, and deleted ones are nothing.
fn check_files<'k>(
    snap: &Snapshot<'_>,
    files: impl Iterator<Item = (&'k String, &'k Version)>,
    model: &mut Model,
) -> Result<(), Violation> {
    let failed = |error: repo::RepoError| Violation::new("content", error);
    for (name, (_, hash)) in files {
        let fail = |what: &str| Err(Violation::new("content", format!("the file {name} {what}")));
        match (hash, known::file(snap, name).map_err(failed)?) {
            (None, None) => {}
            (None, Some(_)) => return fail("is deleted, and has content"),
            (Some(_), None) => return fail("has no content, or says that it is of another size"),
            (Some(id), Some(content)) => check_name(id, &content, model)?,
        }
    }
    Ok(())
}

fn check_name(id: &ArtifactId, content: &Bytes, model: &mut Model) -> Result<(), Violation> {
    if model.names(id, content) {
        return Ok(());
    }
    Err(Violation::new("content", format!("{id} holds {} other bytes", content.len())))
}

/// Nothing is asked for that is held or shunned. That is so if nothing else happened to the sender meanwhile. What is held
/// as private is asked for all the same where the other side, or a cluster, announced it: only its content shows that it
/// is public. Who does not send what the other side asked for names it in the same way: those are `wishes`.
pub fn check_gimmes(
    known: &Known,
    message: &Message,
    is_announced: impl Fn(&ArtifactId) -> bool,
    wishes: &BTreeSet<ArtifactId>,
) -> Result<(), Violation> {
    for card in &message.cards {
        if let Card::Gimme(id) = card
            && !wishes.contains(id)
            && (known.is_public(id)
                || known.held.contains_key(id) && !is_announced(id)
                || known.shunned.contains(id))
        {
            let text = format!("{id} is asked for though it is held or shunned");
            return Err(Violation::new("content", text));
        }
    }
    Ok(())
}

/// An artifact that is sent or announced.
pub(super) fn check_offered(sending: &Sending<'_>, id: &ArtifactId) -> Result<(), Violation> {
    if sending.known.held.contains_key(id) {
        return Ok(());
    }
    Err(Violation::new("content", format!("{id} is offered and not held")))
}
