//! Technotes (reference: repo.md 6.6).

use super::event::{self, Event};
use super::{Linker, listing, wiki};
use crate::manifest::{Artifact, Technote};
use crate::tag::{self, TagId};
use crate::{RepoError, Rid, Text, Tx, manifest};

/// Links one version of a note.
pub(super) fn arrived(linker: &mut Linker, tx: &Tx<'_>, rid: Rid, note: &Technote) -> Result<(), RepoError> {
    linker.state(tx, rid, &note.tags, note.date)?;
    let tag = linker.tags.id(tx, &tag_name(note.technote.as_bytes()))?;
    let size = wiki::text_bytes(&note.text);
    linker.label(rid, tag, Some(Text::from(size.to_string().as_str())), note.date);
    linker.version(tx, rid, &note.parents, note.date)?;
    linker.technotes.insert(note.technote.clone());
    linker.attachment_targets.insert(Text::from(note.technote.as_str()));
    Ok(())
}

/// The tag that all versions of a note have.
pub(super) fn tag_name(technote: &[u8]) -> Text {
    event::text(&[b"event-", technote])
}

/// Writes the rows of the notes that have new versions.
pub(super) fn finish(linker: &mut Linker, tx: &Tx<'_>) -> Result<(), RepoError> {
    for technote in std::mem::take(&mut linker.technotes) {
        let Some(tag) = tag::id(tx, &tag_name(technote.as_bytes()))? else { continue };
        let versions = versions(tx, tag)?;
        let shown = shown(&versions);
        for version in &versions {
            let has_row = event::exists(tx, version.rid)?;
            match shown.contains(&version.rid) {
                true if !has_row => {
                    show(tx, version.rid, tag)?;
                    linker.fresh.insert(version.rid);
                }
                false if has_row => hide(tx, version.rid)?,
                true | false => {}
            }
        }
    }
    Ok(())
}

/// A version of a note, as far as it decides which ones are shown.
struct Version {
    rid: Rid,
    time: f64,
    has_parent: bool,
}

fn versions(tx: &Tx<'_>, tag: TagId) -> Result<Vec<Version>, RepoError> {
    let mut statement = tx.prepared(
        "SELECT rid, mtime, EXISTS(SELECT 1 FROM plink WHERE cid=rid) FROM tagxref
         WHERE tagid=?1 AND srcid=rid ORDER BY rid",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Version { rid: row.get(0)?, time: row.get(1)?, has_parent: row.get(2)? })
    };
    Ok(statement.query_map([tag], read)?.collect::<Result<_, _>>()?)
}

/// The versions that have a row, met in the order of rids: a version that is not newer than all before it has
/// none; one that names a parent takes the place of the others, one without stands beside them.
fn shown(versions: &[Version]) -> Vec<Rid> {
    let mut shown = Vec::new();
    let mut newest = f64::NEG_INFINITY;
    for version in versions {
        if version.time <= newest {
            continue;
        }
        newest = version.time;
        if version.has_parent {
            shown.clear();
        }
        shown.push(version.rid);
    }
    shown
}

fn show(tx: &Tx<'_>, rid: Rid, tag: TagId) -> Result<(), RepoError> {
    let Some(content) = listing::held(tx, rid)? else { return Ok(()) };
    let Ok(Artifact::Technote(note)) = manifest::parse(&content) else { return Ok(()) };
    event::write(
        tx,
        &Event {
            kind: "e",
            rid,
            time: note.time,
            tag: Some(tag),
            user: note.user.as_ref(),
            comment: note.comment.as_ref(),
            brief: None,
        },
    )
}

fn hide(tx: &Tx<'_>, rid: Rid) -> Result<(), RepoError> {
    tx.prepared("DELETE FROM event WHERE objid=?1 AND type='e'")?.execute([rid])?;
    Ok(())
}
