//! Tickets (reference: repo.md 6.5). A ticket is made anew from all its changes, in the order of their times.

mod fields;
mod tell;

use std::collections::BTreeSet;

use rusqlite::OptionalExtension;
use rusqlite::types::Value;

use self::fields::{Columns, State};
use super::backlink::{self, Source};
use super::event::{self, Event};
use super::{Linker, listing};
use crate::manifest::{Artifact, TicketChange};
use crate::tag::{self, TagId};
use crate::{RepoError, Rid, Text, Tx, UnixTime, manifest};

/// Notes one change; the ticket follows at the end of the batch.
pub(super) fn arrived(
    linker: &mut Linker,
    tx: &Tx<'_>,
    rid: Rid,
    change: &TicketChange,
) -> Result<(), RepoError> {
    let tag = linker.tags.id(tx, &tag_name(change.ticket.as_bytes()))?;
    linker.label(rid, tag, None, change.date);
    linker.attachment_targets.insert(Text::from(change.ticket.as_str()));
    linker.tickets.insert(change.ticket.clone());
    Ok(())
}

/// The tag that all changes of a ticket have.
pub(super) fn tag_name(ticket: &[u8]) -> Text {
    event::text(&[b"tkt-", ticket])
}

/// The names of all tickets.
pub(super) fn all(tx: &Tx<'_>) -> Result<BTreeSet<String>, RepoError> {
    let mut statement = tx.prepared("SELECT substr(tagname, 5) FROM tag WHERE tagname GLOB 'tkt-*'")?;
    let names = statement.query_map([], |row| row.get::<_, Text>(0))?;
    names.map(|name| Ok(name?.to_str_lossy().into_owned())).collect()
}

/// Makes the tickets that have new changes.
pub(super) fn finish(linker: &mut Linker, tx: &Tx<'_>) -> Result<(), RepoError> {
    if linker.tickets.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(tx)?;
    let wording = tell::Wording::of(tx)?;
    for ticket in &linker.tickets {
        if let Some(tag) = tag::id(tx, &tag_name(ticket.as_bytes()))? {
            make(tx, ticket, tag, &columns, &wording)?;
        }
    }
    Ok(())
}

fn make(
    tx: &Tx<'_>,
    ticket: &str,
    tag: TagId,
    columns: &Columns,
    wording: &tell::Wording,
) -> Result<(), RepoError> {
    let id = clear(tx, ticket, columns)?;
    let mut state = State::new(columns);
    let mut times: Option<(UnixTime, UnixTime)> = None;
    for rid in changes(tx, tag)? {
        let Some(content) = listing::held(tx, rid)? else { continue };
        let Ok(Artifact::Ticket(change)) = manifest::parse(&content) else { continue };
        if change.ticket != ticket {
            continue;
        }
        let order = if times.is_none() { tell::Order::First } else { tell::Order::Later };
        times = Some((times.map_or(change.date, |(created, _)| created), change.date));
        state.apply(rid, &change);
        let (comment, brief) = wording.tell(&change, &state, order);
        let (user, comment, brief) = (change.user.as_ref(), Some(&comment), Some(&brief));
        event::write(tx, &Event { kind: "t", rid, time: change.date, tag: Some(tag), user, comment, brief })?;
        backlink::clear(tx, Source::Ticket(rid))?;
        state.write_change(tx, id, rid, &change)?;
    }
    let Some((created, changed)) = times else {
        return Ok(());
    };
    for (rid, time, text, mimetype) in state.mentions() {
        backlink::add(tx, Source::Ticket(rid), time, text, mimetype)?;
    }
    let mut names = vec!["tkt_id", "tkt_uuid", "tkt_mtime"];
    let mut values: Vec<Value> = vec![id.into(), ticket.to_owned().into(), changed.julian_day().into()];
    if columns.has_creation() {
        names.push("tkt_ctime");
        values.push(created.julian_day().into());
    }
    for (name, value) in state.values() {
        names.push(name);
        values.push(value);
    }
    fields::insert(tx, "ticket", &names, values)
}

/// Takes a ticket out, and says which id it has or gets.
fn clear(tx: &Tx<'_>, ticket: &str, columns: &Columns) -> Result<i64, RepoError> {
    let known = tx
        .prepared("SELECT tkt_id FROM ticket WHERE tkt_uuid=?1")?
        .query_row([ticket], |row| row.get(0))
        .optional()?;
    let Some(id) = known else {
        return Ok(tx
            .prepared("SELECT coalesce(max(tkt_id), 0)+1 FROM ticket")?
            .query_row([], |row| row.get(0))?);
    };
    tx.prepared("DELETE FROM ticket WHERE tkt_id=?1")?.execute([id])?;
    if columns.has_changes() {
        tx.prepared("DELETE FROM ticketchng WHERE tkt_id=?1")?.execute([id])?;
    }
    Ok(id)
}

/// The changes of a ticket in order.
fn changes(tx: &Tx<'_>, tag: TagId) -> Result<Vec<Rid>, RepoError> {
    let mut statement =
        tx.prepared("SELECT rid FROM tagxref WHERE tagid=?1 AND tagtype=1 ORDER BY mtime, rid")?;
    Ok(statement.query_map([tag], |row| row.get(0))?.collect::<Result<_, _>>()?)
}
