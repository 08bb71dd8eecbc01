//! Attachments (reference: repo.md 6.7).
//!
//! What an attachment is attached to is decided as in 2.21: a ticket or a technote if there is one of that
//! name, else a wiki page, forum posts and unknown hashes included. 2.29 knows forum posts and unknown
//! targets, and does not correct what came before its target; the place to follow it is [`Kind::of`].

use super::event::{self, Event, html};
use super::short::Digits;
use super::{Linker, technote, ticket};
use crate::manifest::Attachment;
use crate::{RepoError, Rid, Text, Tx, UnixTime, tag};

/// Links one version of an attachment.
pub(super) fn arrived(
    linker: &mut Linker,
    tx: &Tx<'_>,
    rid: Rid,
    attachment: &Attachment,
) -> Result<(), RepoError> {
    let Attachment { filename, target, source, comment, date, user, .. } = attachment;
    let comment = comment.clone().unwrap_or_default();
    tx.prepared(
        "REPLACE INTO attachment(attachid, mtime, src, target, filename, comment, user)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((
        rid,
        date.julian_day(),
        source.map(|id| id.to_string()),
        target,
        filename,
        comment,
        user,
    ))?;
    // All rows of the latest time are the latest.
    tx
        .prepared(
            "UPDATE attachment SET isLatest=(mtime=(SELECT max(mtime) FROM attachment WHERE target=?1 AND filename=?2))
             WHERE target=?1 AND filename=?2",
        )?
        .execute((target, filename))?;
    linker.attachment_targets.insert(target.clone());
    linker.fresh.insert(rid);
    Ok(())
}

/// What an attachment is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ticket,
    /// A note of which a rebuild has met a version before the attachment, and none after it.
    EarlierTechnote,
    /// Any other note.
    Technote,
    Wiki,
}

impl Kind {
    fn of(tx: &Tx<'_>, target: &Text, attachment: Rid) -> Result<Self, RepoError> {
        let hex = target.as_bytes().iter().all(u8::is_ascii_hexdigit);
        if !hex || !matches!(target.as_bytes().len(), 40 | 64) {
            return Ok(Self::Wiki);
        }
        if tag::id(tx, &ticket::tag_name(target.as_bytes()))?.is_some() {
            return Ok(Self::Ticket);
        }
        let Some(technote) = tag::id(tx, &technote::tag_name(target.as_bytes()))? else {
            return Ok(Self::Wiki);
        };
        let later =
            tx.prepared("SELECT 1 FROM tagxref WHERE tagid=?1 AND rid>?2")?.exists((technote, attachment))?;
        Ok(if later { Self::Technote } else { Self::EarlierTechnote })
    }
}

/// An attachment as its row has it.
struct Attached {
    rid: Rid,
    time: UnixTime,
    source: Option<Text>,
    filename: Text,
    user: Option<Text>,
}

/// Writes the rows of the timeline for all attachments of the targets that the batch touches.
pub(super) fn finish(linker: &Linker, tx: &Tx<'_>) -> Result<(), RepoError> {
    if linker.attachment_targets.is_empty() {
        return Ok(());
    }
    let digits = Digits::of(tx)?;
    for target in &linker.attachment_targets {
        for attached in attached_to(tx, target)? {
            let kind = Kind::of(tx, target, attached.rid)?;
            let comment = tell(kind, target.as_bytes(), &attached, digits);
            let kind = match kind {
                Kind::Ticket => "t",
                Kind::EarlierTechnote | Kind::Technote => "e",
                Kind::Wiki => "w",
            };
            let renamed = tx.prepared("UPDATE event SET type=?2, comment=?3 WHERE objid=?1")?.execute((
                attached.rid,
                kind,
                &comment,
            ))?;
            if renamed == 0 {
                let Attached { rid, time, user, .. } = &attached;
                let (user, comment) = (user.as_ref(), Some(&comment));
                event::write(
                    tx,
                    &Event { kind, rid: *rid, time: *time, tag: None, user, comment, brief: None },
                )?;
            }
        }
    }
    Ok(())
}

fn attached_to(tx: &Tx<'_>, target: &Text) -> Result<Vec<Attached>, RepoError> {
    let mut statement =
        tx.prepared("SELECT attachid, mtime, src, filename, user FROM attachment WHERE target=?1")?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Attached {
            rid: row.get(0)?,
            time: UnixTime::from_julian_day(row.get(1)?),
            source: row.get(2)?,
            filename: row.get(3)?,
            user: row.get(4)?,
        })
    };
    Ok(statement.query_map([target], read)?.collect::<Result<_, _>>()?)
}

fn tell(kind: Kind, target: &[u8], attached: &Attached, digits: Digits) -> Text {
    let filename = html(attached.filename.as_bytes());
    let (long, short) = (digits.long(target), digits.short(target));
    let place: Vec<u8> = match kind {
        Kind::Ticket => [b"ticket [", long, b"|", short, b"]"].concat(),
        Kind::EarlierTechnote | Kind::Technote => {
            [b"tech note [/technote/", long, b"|", short, b"]"].concat()
        }
        Kind::Wiki => [b"wiki page [", &html(target)[..], b"]"].concat(),
    };
    if let Some(source) = &attached.source {
        let source = digits.long(source.as_bytes());
        return event::text(&[b"Add attachment [/artifact/", source, b"|", &filename, b"] to ", &place]);
    }
    let file = match kind {
        // Stock links the deletion to the name of the file, cut like a hash.
        Kind::EarlierTechnote => {
            [b"/artifact/", digits.long(attached.filename.as_bytes()), b"|", &filename].concat()
        }
        Kind::Ticket | Kind::Technote | Kind::Wiki => filename,
    };
    event::text(&[b"Delete attachment \"", &file, b"\" from ", &place])
}
