//! The rows of a table, in SQL. Names are checked when they are made ([`SqlName`]) and still quoted, since some
//! are words of SQL; values are bound.

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension as _, Row as SqlRow, params_from_iter};
use xfer::{ArtifactId, KeyPrefix, SqlName};

use super::row::key_hash;
use super::value::check;
use super::{Definition, Part, Row, State, SyncedTable, TableError, Type, Value, Values, Version};
use crate::{RepoError, Snapshot, Tx};

/// Makes the SQL table. A deleted row keeps its key; its other columns are NULL.
pub(super) fn create(tx: &Tx<'_>, name: &SqlName, definition: &Definition) -> Result<(), RepoError> {
    let columns: String = definition.columns().map(|column| format!(",\n  {}", declared(column))).collect();
    let keys: Vec<_> = definition.keys().iter().map(|key| format!("\"{}\"", key.name)).collect();
    tx.conn().execute_batch(&format!(
        "CREATE TABLE \"fx_x_{name}\"(
  fx_key BLOB PRIMARY KEY,     -- hash of the key columns
  fx_mtime INTEGER NOT NULL,   -- milliseconds since 1970
  fx_hash BLOB NOT NULL,       -- of everything but the time
  fx_owner TEXT NOT NULL,
  fx_deleted INTEGER NOT NULL{columns}
) WITHOUT ROWID;
CREATE INDEX \"fx_x_{name}_key\" ON \"fx_x_{name}\"({});
CREATE INDEX \"fx_x_{name}_deleted\" ON \"fx_x_{name}\"(fx_mtime) WHERE fx_deleted=1;",
        keys.join(", ")
    ))?;
    Ok(())
}

/// Adds the columns that `new` has and `held` has not.
pub(super) fn add_columns(
    tx: &Tx<'_>,
    name: &SqlName,
    held: &Definition,
    new: &Definition,
) -> Result<(), RepoError> {
    for column in new.columns().filter(|column| !held.columns().any(|known| known == *column)) {
        tx.conn().execute_batch(&format!("ALTER TABLE \"fx_x_{name}\" ADD COLUMN {}", declared(column)))?;
    }
    Ok(())
}

fn declared(column: &super::Column) -> String {
    let kind = match column.kind {
        Type::Text => "TEXT",
        Type::Integer => "INTEGER",
        Type::Real => "REAL",
        Type::Blob => "BLOB",
    };
    format!("\"{}\" {kind}", column.name)
}

/// The row, or the tombstone, under a key.
pub fn get(snap: &Snapshot<'_>, table: &SyncedTable, key: &ArtifactId) -> Result<Option<Row>, RepoError> {
    let mut statement = snap.conn().prepare_cached(&select(table, "fx_key=?1"))?;
    statement.query_row([key.as_bytes()], |row| Ok(read(table, row))).optional()?.transpose()
}

/// The row whose key columns are `key`, unless it is deleted.
pub fn find_live(snap: &Snapshot<'_>, table: &SyncedTable, key: &Values) -> Result<Option<Row>, TableError> {
    check(key, &table.definition, Part::Key)?;
    let row = get(snap, table, &key_hash(&table.definition, key))?;
    Ok(row.filter(|row| row.state == State::Live))
}

/// Which version is held of the row under a key.
pub fn version(snap: &Snapshot<'_>, name: &SqlName, key: &ArtifactId) -> Result<Option<Version>, RepoError> {
    let sql = format!("SELECT fx_key, fx_mtime, fx_hash FROM \"fx_x_{name}\" WHERE fx_key=?1");
    let mut statement = snap.conn().prepare_cached(&sql)?;
    let found = statement.query_row([key.as_bytes()], |row| Ok(read_version(row))).optional()?.transpose()?;
    Ok(found.map(|(_, version)| version))
}

/// Keys and versions of up to `limit` rows and tombstones whose key hash begins with `prefix`, in its order.
pub fn versions_under(
    snap: &Snapshot<'_>,
    name: &SqlName,
    prefix: &KeyPrefix,
    limit: usize,
) -> Result<Vec<(ArtifactId, Version)>, RepoError> {
    let (first, last) = prefix.range();
    let mut statement = snap.conn().prepare_cached(&format!(
        "SELECT fx_key, fx_mtime, fx_hash FROM \"fx_x_{name}\"
         WHERE fx_key BETWEEN ?1 AND ?2 ORDER BY fx_key LIMIT ?3"
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = statement.query_and_then((&first[..], &last[..], limit), read_version)?;
    found.collect()
}

/// Keys, rows and tombstones whose key hash begins with `prefix` and comes after `after`, in its order, until
/// `each` says no.
pub fn under(
    snap: &Snapshot<'_>,
    table: &SyncedTable,
    prefix: &KeyPrefix,
    after: Option<&ArtifactId>,
    each: &mut dyn FnMut(ArtifactId, Row) -> bool,
) -> Result<(), RepoError> {
    let (first, last) = prefix.range();
    let after = after.map_or(&[][..], ArtifactId::as_bytes);
    let sql = select(table, "fx_key BETWEEN ?1 AND ?2 AND fx_key>?3 ORDER BY fx_key");
    let mut statement = snap.conn().prepare_cached(&sql)?;
    let mut rows = statement.query((&first[..], &last[..], after))?;
    while let Some(row) = rows.next()? {
        let row = read(table, row)?;
        if !each(row.key(&table.definition), row) {
            break;
        }
    }
    Ok(())
}

/// Every row that is not deleted, in the order of the key columns.
pub fn each_live(
    snap: &Snapshot<'_>,
    table: &SyncedTable,
    each: &mut dyn FnMut(Row),
) -> Result<(), RepoError> {
    let keys: Vec<_> = table.definition.keys().iter().map(|key| format!("\"{}\"", key.name)).collect();
    let sql = select(table, &format!("fx_deleted=0 ORDER BY {}", keys.join(", ")));
    let mut statement = snap.conn().prepare_cached(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(read(table, row)?);
    }
    Ok(())
}

/// How many rows and tombstones there are.
pub(super) fn count(snap: &Snapshot<'_>, name: &SqlName) -> Result<u64, RepoError> {
    let rows: i64 =
        snap.conn().query_row(&format!("SELECT count(*) FROM \"fx_x_{name}\""), [], |row| row.get(0))?;
    Ok(rows.unsigned_abs())
}

/// How many rows are not deleted.
pub fn count_live(snap: &Snapshot<'_>, table: &SyncedTable) -> Result<u64, RepoError> {
    let sql = format!("SELECT count(*) FROM \"fx_x_{}\" WHERE fx_deleted=1", table.name);
    let deleted: i64 = snap.conn().query_row(&sql, [], |row| row.get(0))?;
    Ok(table.rows.saturating_sub(deleted.unsigned_abs()))
}

/// Writes a row in the place of whatever is there.
pub(super) fn put(tx: &Tx<'_>, table: &SyncedTable, key: &ArtifactId, row: &Row) -> Result<(), RepoError> {
    let columns: String = table.definition.columns().map(|column| format!(", \"{}\"", column.name)).collect();
    let places: String = (6..).take(table.definition.columns().count()).map(|n| format!(", ?{n}")).collect();
    let mut statement = tx.conn().prepare_cached(&format!(
        "REPLACE INTO \"fx_x_{}\"(fx_key, fx_mtime, fx_hash, fx_owner, fx_deleted{columns})
         VALUES(?1, ?2, ?3, ?4, ?5{places})",
        table.name
    ))?;
    let (version, owner) = (row.version(), row.owner.as_deref().unwrap_or_default());
    let (key, hash) = (key.as_bytes(), version.hash);
    let deleted = i64::from(row.state == State::Deleted);
    let head: [&dyn rusqlite::ToSql; 5] = [&key, &row.mtime, &hash.as_bytes(), &owner, &deleted];
    let values: Vec<Option<&Value>> =
        table.definition.columns().map(|column| row.values.get(&column.name)).collect();
    let values = values.iter().map(|value| value as &dyn rusqlite::ToSql);
    statement.execute(params_from_iter(head.into_iter().chain(values)))?;
    Ok(())
}

/// Keys of up to `limit` tombstones from before `time`.
pub(super) fn tombstones_before(
    snap: &Snapshot<'_>,
    name: &SqlName,
    time: i64,
    limit: u64,
) -> Result<Vec<ArtifactId>, RepoError> {
    let sql = format!("SELECT fx_key FROM \"fx_x_{name}\" WHERE fx_deleted=1 AND fx_mtime<?1 LIMIT ?2");
    let mut statement = snap.conn().prepare_cached(&sql)?;
    let keys = statement.query_map([time, limit as i64], |row| row.get(0))?;
    Ok(keys.collect::<Result<Vec<[u8; 20]>, _>>()?.into_iter().map(ArtifactId::sha1).collect())
}

/// Takes a row or tombstone out, as if it had never been.
pub(super) fn forget(tx: &Tx<'_>, name: &SqlName, key: &ArtifactId) -> Result<(), RepoError> {
    let sql = format!("DELETE FROM \"fx_x_{name}\" WHERE fx_key=?1");
    tx.conn().prepare_cached(&sql)?.execute([key.as_bytes()])?;
    Ok(())
}

fn select(table: &SyncedTable, condition: &str) -> String {
    let columns: String = table.definition.columns().map(|column| format!(", \"{}\"", column.name)).collect();
    format!("SELECT fx_mtime, fx_owner, fx_deleted{columns} FROM \"fx_x_{}\" WHERE {condition}", table.name)
}

fn read(table: &SyncedTable, row: &SqlRow<'_>) -> Result<Row, RepoError> {
    let mut values = Values::new();
    for (at, column) in table.definition.columns().enumerate() {
        let value = row.get_ref(3 + at)?;
        if value == ValueRef::Null {
            continue;
        }
        let damaged = || {
            let (table, name, kind) = (&table.name, &column.name, column.kind);
            RepoError::corrupt(format!(
                "synced table {table}: column {name} holds something else than {kind}"
            ))
        };
        values.insert(column.name.clone(), Value::from_sql(value, column.kind).ok_or_else(damaged)?);
    }
    let owner: String = row.get(1)?;
    let state = if row.get(2)? { State::Deleted } else { State::Live };
    Ok(Row { values, state, mtime: row.get(0)?, owner: Some(owner).filter(|owner| !owner.is_empty()) })
}

fn read_version(row: &SqlRow<'_>) -> Result<(ArtifactId, Version), RepoError> {
    let hash = ArtifactId::sha1(row.get(2)?);
    Ok((ArtifactId::sha1(row.get(0)?), Version { mtime: row.get(1)?, hash }))
}
