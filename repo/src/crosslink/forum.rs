//! Forum posts (reference: repo.md 6.8).

use rusqlite::OptionalExtension;
use xfer::ArtifactId;

use super::backlink::{self, Source};
use super::event::{self, Event};
use super::{Linker, mlink};
use crate::manifest::ForumPost;
use crate::{RepoError, Rid, Text, Tx, blob, schema};

/// Stock makes the table when it meets the first post.
pub(crate) const TABLE: &str = "CREATE TABLE IF NOT EXISTS forumpost(
  fpid INTEGER PRIMARY KEY,
  froot INT,
  fprev INT,
  firt INT,
  fmtime REAL
);
CREATE INDEX IF NOT EXISTS forumthread ON forumpost(froot,fmtime);";

/// Title of replies whose thread has no first post.
const UNKNOWN: &[u8] = b"<i>Unknown</i>";

/// Links one version of a post.
pub(super) fn arrived(linker: &mut Linker, tx: &Tx<'_>, rid: Rid, post: &ForumPost) -> Result<(), RepoError> {
    if !has_table(tx)? {
        tx.conn().execute_batch(TABLE)?;
    }
    let known = |id: &Option<ArtifactId>| match id {
        Some(id) => blob::rid_or_phantom(tx, id, mlink::privacy(tx, rid)?),
        None => Ok(None),
    };
    let root = known(&post.root)?.unwrap_or(rid);
    let (previous, replied) = (known(&post.parent)?, known(&post.in_reply_to)?);
    tx.prepared("REPLACE INTO forumpost(fpid, froot, fprev, firt, fmtime) VALUES(?1, ?2, ?3, ?4, ?5)")?
        .execute((rid, root, previous, replied, post.date.julian_day()))?;
    linker.version(tx, rid, post.parent.as_slice(), post.date)?;
    event::write(
        tx,
        &Event {
            kind: "f",
            rid,
            time: post.date,
            tag: None,
            user: post.user.as_ref(),
            comment: Some(&told(post)),
            brief: None,
        },
    )?;
    if !post.text.as_bytes().is_empty() {
        backlink::add(tx, Source::Forum(rid), post.date, &post.text, post.mimetype.as_ref())?;
    }
    linker.fresh.insert(rid);
    linker.threads.insert(root);
    Ok(())
}

/// Kind and title. The title of a reply follows from its thread.
fn told(post: &ForumPost) -> Text {
    let kind: &[u8] = match (&post.in_reply_to, &post.parent) {
        (None, None) => b"Post",
        (None, Some(_)) => b"Edit",
        (Some(_), _) if post.text.as_bytes().is_empty() => b"Delete reply",
        (Some(_), Some(_)) => b"Edit reply",
        (Some(_), None) => b"Reply",
    };
    let title = match (&post.in_reply_to, &post.title) {
        (Some(_), _) => UNKNOWN,
        (None, Some(title)) if !title.as_bytes().is_empty() => title.as_bytes(),
        (None, _) => b"(Deleted)",
    };
    event::text(&[kind, b": ", title])
}

/// Gives every post of the threads that the batch touches the title of its thread: that of the first post or
/// of its edit, whichever has the highest rid.
pub(super) fn finish(linker: &Linker, tx: &Tx<'_>) -> Result<(), RepoError> {
    for &root in &linker.threads {
        let titled = titled_by(tx, root)?;
        let title = titled.as_ref().map_or(UNKNOWN, |(_, title)| title.as_bytes());
        let has_root = event::exists(tx, root)?;
        for (rid, is_reply, told) in posts(tx, root)? {
            // A reply takes its title from the first post, or is corrected by a later edit of it.
            let corrected = has_root || titled.as_ref().is_some_and(|(by, _)| rid < *by);
            let title = if is_reply && !corrected { UNKNOWN } else { title };
            let kind = told.as_bytes().split(|&byte| byte == b':').next().unwrap_or_default();
            let retold = event::text(&[kind, b": ", title]);
            if retold != told {
                tx.prepared("UPDATE event SET comment=?2 WHERE objid=?1")?.execute((rid, retold))?;
            }
        }
    }
    Ok(())
}

fn has_table(tx: &Tx<'_>) -> Result<bool, RepoError> {
    schema::has_table(tx, "forumpost")
}

/// The post that names a thread, and the name.
fn titled_by(tx: &Tx<'_>, root: Rid) -> Result<Option<(Rid, Text)>, RepoError> {
    let mut statement = tx.prepared(
        "SELECT fpid, comment FROM forumpost JOIN event ON objid=fpid
         WHERE froot=?1 AND firt IS NULL ORDER BY fpid DESC LIMIT 1",
    )?;
    let found: Option<(Rid, Text)> =
        statement.query_row([root], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.map(|(rid, told)| {
        let start = memchr::memmem::find(told.as_bytes(), b": ").map_or(0, |at| at + 2);
        (rid, Text::from(&told.as_bytes()[start..]))
    }))
}

/// The posts of a thread: rid, whether it is a reply, kind and title.
fn posts(tx: &Tx<'_>, root: Rid) -> Result<Vec<(Rid, bool, Text)>, RepoError> {
    let mut statement = tx.prepared(
        "SELECT fpid, firt NOT NULL, comment FROM forumpost JOIN event ON objid=fpid WHERE froot=?1",
    )?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    Ok(statement.query_map([root], read)?.collect::<Result<_, _>>()?)
}
