//! Rows of the timeline: `event`, and what tags change in them (reference: repo.md 6.1.5 and 6.9).

use rusqlite::OptionalExtension;

use super::backlink::{self, Source};
use crate::manifest::{TagKind, date};
use crate::tag::{self, Row, TagId};
use crate::{RepoError, Rid, Text, Tx, UnixTime};

/// A row as its artifact alone makes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event<'a> {
    /// One or two letters.
    pub(super) kind: &'static str,
    pub(super) rid: Rid,
    pub(super) time: UnixTime,
    pub(super) tag: Option<TagId>,
    pub(super) user: Option<&'a Text>,
    pub(super) comment: Option<&'a Text>,
    pub(super) brief: Option<&'a Text>,
}

/// Writes a row, in place of the one that was there.
pub(super) fn write(tx: &Tx<'_>, event: &Event<'_>) -> Result<(), RepoError> {
    let Event { kind, rid, time, tag, user, comment, brief } = event;
    let time = time.julian_day();
    let original = (*kind == "ci").then_some(time);
    tx.prepared(
        "REPLACE INTO event(type, mtime, objid, tagid, user, comment, brief, omtime)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute((kind, time, rid, tag, user, comment, brief, original))?;
    Ok(())
}

/// Whether an artifact has a row.
pub(super) fn exists(tx: &Tx<'_>, rid: Rid) -> Result<bool, RepoError> {
    Ok(tx.prepared("SELECT 1 FROM event WHERE objid=?1")?.exists([rid])?)
}

/// Whether an artifact has tags that show in its row.
pub(super) fn has_tags(tx: &Tx<'_>, rid: Rid) -> Result<bool, RepoError> {
    Ok(tx.prepared("SELECT 1 FROM tagxref WHERE rid=?1 AND tagid<=4")?.exists([rid])?)
}

/// What tags make of a row.
#[derive(Default)]
struct Decoration {
    time: Option<Option<UnixTime>>,
    colour: Option<Text>,
    user: Option<Text>,
    comment: Option<Text>,
}

/// Brings colour, comment, user and time of a row to what the tags of its artifact say.
///
/// Stock changes a row when it processes the tag; a tag that it processed before the artifact counts only
/// where the artifact's own processing looks for it. Both are told apart by rid, as in a rebuild.
pub(super) fn decorate(tx: &Tx<'_>, rid: Rid) -> Result<(), RepoError> {
    let Some((kind, original)) = kind_and_time(tx, rid)? else {
        return Ok(());
    };
    if kind == TICKET_CHANGE {
        // Made anew at the end of every rebuild, after all tags.
        return Ok(());
    }
    let rows = tag::effective_all(tx, rid)?;
    let mut decoration = Decoration::default();
    for row in &rows {
        let said = match row.source {
            Some(source) => Some(source),
            None => tag::effective(tx, row.origin, row.tag)?.and_then(|origin| origin.source),
        };
        // A tag that the artifact itself carries is processed after its row was made.
        let order = if said.is_some_and(|said| said >= rid) { Order::After } else { Order::Before };
        decoration.apply(row, order, &kind, original);
    }
    let Decoration { time, colour, user, comment } = decoration;
    let moved = time.is_some();
    let time = time.unwrap_or(original).map(UnixTime::julian_day);
    let keeps_original = moved || kind == "ci";
    tx.prepared("UPDATE event SET mtime=?2, omtime=?3, bgcolor=?4, euser=?5, ecomment=?6 WHERE objid=?1")?
        .execute((
            rid,
            time,
            keeps_original.then(|| original.map(UnixTime::julian_day)).flatten(),
            colour,
            user,
            comment,
        ))?;
    if kind == "ci" {
        let edited = rows.iter().find(|row| row.tag == tag::COMMENT && row.source.is_some());
        link_comment(tx, rid, original.unwrap_or_default(), edited)?;
    }
    Ok(())
}

impl Decoration {
    fn apply(&mut self, row: &Row, order: Order, kind: &str, original: Option<UnixTime>) {
        let live = row.kind != TagKind::Cancel;
        if row.tag == tag::BGCOLOR {
            let shown = order == Order::After || kind == "ci" || kind == "e";
            self.colour = row.value.clone().filter(|_| live && shown);
            return;
        }
        if row.source.is_none() || order == Order::Before && kind != "ci" {
            return;
        }
        let value = row.value.clone().filter(|_| live || order == Order::Before);
        match row.tag {
            tag::COMMENT => self.comment = value,
            tag::USER => self.user = value,
            tag::DATE => {
                let said = value.and_then(|value| date::parse(value.as_bytes()));
                self.time = Some(if order == Order::After { said } else { said.or(original) });
            }
            _ => {}
        }
    }
}

/// Whether a rebuild meets a tag before or after the artifact that it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Before,
    After,
}

/// What [`kind_and_time`] says of the row of a ticket change, to tell it from that of an attachment.
const TICKET_CHANGE: &str = "ticket change";

/// Type and original time of a row.
fn kind_and_time(tx: &Tx<'_>, rid: Rid) -> Result<Option<(String, Option<UnixTime>)>, RepoError> {
    let mut statement = tx.prepared(
        "SELECT CASE WHEN type='t' AND tagid NOT NULL THEN 'ticket change' ELSE type END,
             coalesce(omtime, mtime) FROM event WHERE objid=?1",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok((row.get(0)?, row.get::<_, Option<f64>>(1)?.map(UnixTime::from_julian_day)))
    };
    Ok(statement.query_row([rid], read).optional()?)
}

/// Links what the comment of a check-in mentions. An edited comment takes the place of the original one; a
/// cancelled edit leaves nothing, unless the cancellation came first.
fn link_comment(tx: &Tx<'_>, rid: Rid, time: UnixTime, edited: Option<&Row>) -> Result<(), RepoError> {
    let source = Source::Comment(rid);
    backlink::clear(tx, source)?;
    let later = edited.filter(|row| row.source.is_some_and(|source| source >= rid));
    if let Some(row) = later {
        return match &row.value {
            Some(text) if row.kind != TagKind::Cancel => backlink::add(tx, source, row.time, text, None),
            _ => Ok(()),
        };
    }
    let text = match edited.and_then(|row| row.value.clone()) {
        Some(text) => Some(text),
        None => {
            tx.prepared("SELECT comment FROM event WHERE objid=?1")?.query_row([rid], |row| row.get(0))?
        }
    };
    match text {
        Some(text) => backlink::add(tx, source, time, &text, None),
        None => Ok(()),
    }
}

/// Text as it stands in HTML.
pub(super) fn html(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            _ => out.push(byte),
        }
    }
    out
}

/// Joins pieces of text.
pub(super) fn text(pieces: &[&[u8]]) -> Text {
    Text(pieces.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_escapes_five_characters() {
        assert_eq!(html(b"a&b<c>d\"e'f|g"), b"a&amp;b&lt;c&gt;d&quot;e&#39;f|g");
    }
}
