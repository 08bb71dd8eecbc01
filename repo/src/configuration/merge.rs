//! Records into rows.

use rusqlite::{OptionalExtension as _, ToSql, params_from_iter};

use super::Precedence;
use super::record::{Kind, Record};
use crate::schema::{self, has_table};
use crate::{RepoError, Snapshot, Text, Tx};

/// Settings that change how tickets are kept and told of.
const OF_TICKETS: [&[u8]; 2] = [schema::ticket::SETTING.as_bytes(), b"ticket-title-expr"];

/// Whether a record would change its row.
pub(super) fn is_news(
    snap: &Snapshot<'_>,
    record: &Record,
    precedence: Precedence,
) -> Result<bool, RepoError> {
    let shape = record.kind.shape();
    if !has_table(snap, shape.table)? {
        return Ok(record.kind == Kind::Subscriber);
    }
    let sql = format!("SELECT coalesce(mtime<?2, 0) FROM {} WHERE {}=?1", shape.table, shape.key);
    let mut statement = snap.conn().prepare_cached(&sql)?;
    let older = statement.query_row((key(record), record.mtime), |row| row.get(0)).optional()?;
    Ok(match precedence {
        Precedence::Later => older.unwrap_or(true),
        Precedence::Theirs => true,
    })
}

/// Whether its value can be worked with.
pub(super) fn is_usable(record: &Record) -> Result<bool, RepoError> {
    if record.kind != Kind::Setting || record.key != schema::ticket::SETTING.as_bytes() {
        return Ok(true);
    }
    match record.text("value") {
        Some(sql) if !sql.trim().is_empty() => schema::ticket::is_usable(&sql),
        _ => Ok(true),
    }
}

/// Whether tickets have to be made anew.
pub(super) fn changes_tickets(record: &Record) -> bool {
    record.kind == Kind::Setting && OF_TICKETS.contains(&record.key.as_slice())
}

/// Writes the row. Columns that the file does not have are passed over.
pub(super) fn store(tx: &Tx<'_>, record: &Record) -> Result<(), RepoError> {
    if record.kind == Kind::Subscriber && !has_table(tx, "subscriber")? {
        tx.conn().execute_batch(SUBSCRIBERS)?;
    }
    crate::known::forget(tx);
    let shape = record.kind.shape();
    let known = columns(tx, record.kind)?;
    let values: Vec<_> = record.values.iter().filter(|(column, _)| known.contains(column)).collect();
    let key = key(record);
    let mut bound: Vec<&dyn ToSql> = vec![&key, &record.mtime];
    bound.extend(values.iter().map(|(_, value)| value as &dyn ToSql));
    let names: Vec<&str> = ["mtime"].into_iter().chain(values.iter().map(|(column, _)| *column)).collect();
    let assignments: Vec<String> =
        names.iter().enumerate().map(|(at, name)| format!("{name}=?{}", at + 2)).collect();
    let sql = format!("UPDATE {} SET {} WHERE {}=?1", shape.table, assignments.join(", "), shape.key);
    if tx.conn().prepare_cached(&sql)?.execute(params_from_iter(&bound))? > 0 {
        return Ok(());
    }
    let places: Vec<String> = (1..=bound.len()).map(|place| format!("?{place}")).collect();
    let (names, places) = (names.join(", "), places.join(", "));
    let sql = format!("INSERT INTO {}({}, {names}) VALUES({places})", shape.table, shape.key);
    tx.conn().prepare_cached(&sql)?.execute(params_from_iter(&bound))?;
    Ok(())
}

/// The columns of a kind that the file has: those made by old versions lack some.
pub(super) fn columns(snap: &Snapshot<'_>, kind: Kind) -> Result<Vec<&'static str>, RepoError> {
    let shape = kind.shape();
    let mut known = snap.conn().prepare_cached("SELECT 1 FROM pragma_table_info(?1) WHERE name=?2")?;
    let mut columns = Vec::new();
    for &column in shape.columns {
        if known.exists([shape.table, column])? {
            columns.push(column);
        }
    }
    Ok(columns)
}

fn key(record: &Record) -> Text {
    Text(record.key.clone())
}

/// The tables of notifications, as stock makes them when they are first needed.
const SUBSCRIBERS: &str = include_str!("../schema/subscriber.sql");
