//! Making artifacts here, as a user does: wiki pages, tickets, technotes, attachments, tags, forum posts.
//! Check-ins are made by [`crate::checkin`].
//!
//! Each function stores the artifact, links it, and enters it in what is unsent. After an error the transaction
//! must be dropped: parts may be stored already.

use rusqlite::OptionalExtension as _;
use xfer::ArtifactId;
use xfer::card::Privacy;

use crate::manifest::{
    self, Artifact, Attachment, Control, ForumPost, NotStructural, Technote, TicketChange, Wiki,
};
use crate::{
    Origin, Presence, RepoError, Rid, Snapshot, Text, Tx, UnixTime, blob, content, deltify, ingest, private,
};

/// Says why an artifact was not made. Nothing of it is stored if the transaction is dropped.
#[derive(Debug, thiserror::Error)]
pub enum AuthorError {
    /// The file failed.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// No artifact can say that: a name that is no path, a title with two blanks, a tag that looks like a hash.
    #[error("cannot be written down: {0}")]
    Malformed(NotStructural),
    /// The artifact would be read as something else: a file name that Fossil keeps for itself, an empty user.
    #[error("cannot be written down so that it reads back the same")]
    Ambiguous,
    /// The name of the new artifact is shunned in this repository.
    #[error("{0} is shunned in this repository")]
    Shunned(ArtifactId),
    /// The check-in to build on is not here, or not all of it is.
    #[error("check-in {0} is not here, or its files are not all known")]
    NoParent(ArtifactId),
    /// A file to delete is not there.
    #[error("no file is called {0:?}")]
    NoFile(Text),
    /// A file that stays as it was is known by name only.
    #[error("the content of {0:?} is not here")]
    NoContent(Text),
    /// A name would be that of a file and that of a directory.
    #[error("{0:?} would be a file and a directory at once")]
    FileIsDirectory(Text),
}

/// Makes a version of a wiki page. Its parent is the version before; what `wiki` says of parents does not count.
pub fn wiki(tx: &Tx<'_>, wiki: Wiki) -> Result<ArtifactId, AuthorError> {
    let before = newest(tx, b"wiki-", wiki.title.as_bytes())?;
    let date = wiki.date;
    let parents = names(tx, before)?;
    let new = publish(tx, &Artifact::Wiki(Wiki { parents, ..wiki }), date)?;
    replaces(tx, before, new)
}

/// Makes a version of a technote. Its parent is the version before; what `technote` says of parents does not
/// count.
pub fn technote(tx: &Tx<'_>, technote: Technote) -> Result<ArtifactId, AuthorError> {
    let before = newest(tx, b"event-", technote.technote.as_bytes())?;
    let date = technote.date;
    let parents = names(tx, before)?;
    let new = publish(tx, &Artifact::Technote(Technote { parents, ..technote }), date)?;
    replaces(tx, before, new)
}

/// Changes a ticket, or makes one: it exists from its first change on. The fields may have any order.
pub fn ticket(tx: &Tx<'_>, mut change: TicketChange) -> Result<ArtifactId, AuthorError> {
    change.fields.sort_by_cached_key(|field| (!field.append, field.name.clone()));
    let date = change.date;
    Ok(publish(tx, &Artifact::Ticket(change), date)?.1)
}

/// Attaches a file, whose content becomes an artifact of its own.
pub fn attach(tx: &Tx<'_>, attachment: Attachment, file: &[u8]) -> Result<ArtifactId, AuthorError> {
    start(tx, attachment.user.as_ref(), attachment.date)?;
    let (_, source) = add(tx, file, Privacy::Public)?;
    let date = attachment.date;
    let attachment = Attachment { source: Some(source), ..attachment };
    Ok(publish(tx, &Artifact::Attachment(attachment), date)?.1)
}

/// Adds and cancels tags. The cards may have any order. Tags on something private are private.
pub fn tags(tx: &Tx<'_>, mut control: Control) -> Result<ArtifactId, AuthorError> {
    control.tags.sort_by_cached_key(|tag| (tag.kind.sign(), tag.name.clone(), tag.target));
    let mut privacy = Privacy::Public;
    for target in control.tags.iter().filter_map(|tag| tag.target) {
        if let Some(rid) = blob::rid(tx, &target)?
            && private::contains(tx, rid)?
        {
            privacy = Privacy::Private;
        }
    }
    start(tx, control.user.as_ref(), control.date)?;
    let date = control.date;
    let (_, id) = add_structural(tx, &Artifact::Control(control), privacy)?;
    ingest::settle(tx, date)?;
    Ok(id)
}

/// Posts to the forum, replies, or edits a post.
pub fn post(tx: &Tx<'_>, post: ForumPost) -> Result<ArtifactId, AuthorError> {
    let date = post.date;
    let before = match post.parent.map(|parent| blob::presence(tx, &parent)).transpose()? {
        Some(Presence::Held(rid)) => Some(rid),
        Some(Presence::Unknown | Presence::Phantom(_) | Presence::Dangling(_)) | None => None,
    };
    let new = publish(tx, &Artifact::Forum(post), date)?;
    replaces(tx, before, new)
}

/// Begins a reception of its own, as every artifact that is made here has.
pub(crate) fn start(tx: &Tx<'_>, user: Option<&Text>, time: UnixTime) -> Result<(), RepoError> {
    let mut statement = tx.prepared("SELECT uid FROM user WHERE login=?1")?;
    let uid = statement.query_row([user], |row| row.get(0)).optional()?.unwrap_or(0);
    tx.set_origin(Origin { uid, nonce: None, ip: Some("127.0.0.1".to_owned()), time });
    Ok(())
}

/// Stores content that was made here.
pub(crate) fn add(tx: &Tx<'_>, bytes: &[u8], privacy: Privacy) -> Result<(Rid, ArtifactId), AuthorError> {
    match content::add(tx, bytes, privacy)? {
        Some(added) => Ok(added),
        None => Err(AuthorError::Shunned(content::name(tx, bytes)?)),
    }
}

/// Writes an artifact down, if what is written reads back the same.
pub(crate) fn add_structural(
    tx: &Tx<'_>,
    artifact: &Artifact,
    privacy: Privacy,
) -> Result<(Rid, ArtifactId), AuthorError> {
    let bytes = manifest::write(artifact);
    if manifest::parse(&bytes).map_err(AuthorError::Malformed)? != *artifact {
        return Err(AuthorError::Ambiguous);
    }
    add(tx, &bytes, privacy)
}

fn publish(tx: &Tx<'_>, artifact: &Artifact, date: UnixTime) -> Result<(Rid, ArtifactId), AuthorError> {
    let user = match artifact {
        Artifact::Wiki(wiki) => &wiki.user,
        Artifact::Ticket(change) => &change.user,
        Artifact::Technote(technote) => &technote.user,
        Artifact::Forum(post) => &post.user,
        Artifact::Attachment(attachment) => &attachment.user,
        Artifact::Control(control) => &control.user,
        Artifact::Checkin(checkin) => &checkin.user,
        Artifact::Cluster(_) => &None,
    };
    start(tx, user.as_ref(), date)?;
    let added = add_structural(tx, artifact, Privacy::Public)?;
    ingest::settle(tx, date)?;
    Ok(added)
}

/// Keeps the version before as a delta of the new one.
fn replaces(tx: &Tx<'_>, before: Option<Rid>, new: (Rid, ArtifactId)) -> Result<ArtifactId, AuthorError> {
    if let Some(before) = before
        && content::size(tx, before)?.is_some()
    {
        deltify::deltify(tx, before, new.0)?;
    }
    Ok(new.1)
}

/// The newest artifact that carries a tag.
fn newest(snap: &Snapshot<'_>, prefix: &[u8], name: &[u8]) -> Result<Option<Rid>, RepoError> {
    let sql = "SELECT x.rid FROM tag t JOIN tagxref x ON x.tagid=t.tagid
                WHERE t.tagname=?1 ORDER BY x.mtime DESC, x.rid DESC LIMIT 1";
    let tag = Text([prefix, name].concat());
    Ok(snap.conn().prepare_cached(sql)?.query_row([tag], |row| row.get(0)).optional()?)
}

fn names(snap: &Snapshot<'_>, rid: Option<Rid>) -> Result<Vec<ArtifactId>, RepoError> {
    rid.into_iter().map(|rid| blob::id(snap, rid)).collect()
}
