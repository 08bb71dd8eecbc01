//! Which hashes a text mentions: `backlink` (reference: repo.md 6.13).

use crate::tag::TagId;
use crate::{RepoError, Rid, Text, Tx, UnixTime, markup};

/// Whose text mentions something. Stock has a number for technotes and never uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Comment of a check-in.
    Comment(Rid),
    /// Change of a ticket.
    Ticket(Rid),
    /// Latest version of a wiki page, named by its tag.
    Wiki(TagId),
    /// Forum post.
    Forum(Rid),
}

impl Source {
    /// `srctype` and `srcid`.
    fn key(self) -> (i64, i64) {
        match self {
            Self::Comment(rid) => (0, rid.0),
            Self::Ticket(rid) => (1, rid.0),
            Self::Wiki(tag) => (2, tag.0),
            Self::Forum(rid) => (4, rid.0),
        }
    }
}

/// Forgets what a text mentioned.
pub(super) fn clear(tx: &Tx<'_>, source: Source) -> Result<(), RepoError> {
    let (kind, id) = source.key();
    tx.prepared("DELETE FROM backlink WHERE srcid=?2 AND srctype=?1")?.execute((kind, id))?;
    Ok(())
}

/// Notes what a text mentions.
pub(super) fn add(
    tx: &Tx<'_>,
    source: Source,
    time: UnixTime,
    text: &Text,
    mimetype: Option<&Text>,
) -> Result<(), RepoError> {
    let (kind, id) = source.key();
    for target in markup::backlinks(text.as_bytes(), mimetype) {
        tx.prepared("INSERT OR IGNORE INTO backlink(target, srctype, srcid, mtime) VALUES(?1, ?2, ?3, ?4)")?
            .execute((target, kind, id, time.julian_day()))?;
    }
    Ok(())
}
