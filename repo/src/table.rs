//! Synced tables: rows that Frond peers keep in step beside the artifacts.
//!
//! A table has a [`Definition`] and rows, each under the hash of its key. What a peer holds of a row is a
//! [`Version`]; versions are totally ordered, and the greatest stays, so peers agree in whatever order they
//! meet. Who may write what is the [`Rule`]'s business and the [`Writer`]'s. A deleted row leaves a tombstone
//! for [`HORIZON_MS`].
//!
//! ```
//! use repo::table::{self, Column, Definition, Rule, Type, Value, Values, Writer};
//! use repo::{Genesis, Repo, UnixTime};
//! use xfer::SqlName;
//!
//! let (flags, name, on) = (SqlName::new("flags")?, SqlName::new("name")?, SqlName::new("on")?);
//! let columns = vec![
//!     Column { name: name.clone(), kind: Type::Text },
//!     Column { name: on.clone(), kind: Type::Integer },
//! ];
//! let definition = Definition::new(columns, &[name.clone()], Rule::LastWriter)?;
//! let now = UnixTime::from_seconds(1_700_000_000);
//!
//! let mut repo = Repo::in_memory(&Genesis::default())?;
//! let tx = repo.begin()?;
//! table::define(&tx, &flags, &definition, now.0)?;
//! let mut writer = Writer::open(&tx, &flags, now)?;
//! let key = Values::from([(name, Value::Text("dark-mode".to_owned()))]);
//! let mut row = key.clone();
//! row.insert(on.clone(), Value::Integer(1));
//! writer.put(row, "alice")?;
//! writer.finish()?;
//! tx.commit()?;
//!
//! let snap = repo.snapshot()?;
//! let table = table::find(&snap, &flags)?.ok_or("no such table")?;
//! let row = table::find_live(&snap, &table, &key)?.ok_or("no such row")?;
//! assert_eq!(row.values[&on], Value::Integer(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ```text
//!   definition, value, row   what is kept: columns, values, versions
//!   store, digest            SQL: the rows of `fx_x_NAME`; hashes of parts of it, kept as rows change
//!   writer                   the one way in
//!   verdict                  how often a row gave way to what a server said of its owner
//!   audit                    what somebody changed by other means
//! ```

mod audit;
mod definition;
mod digest;
mod error;
mod row;
mod store;
#[cfg(test)]
mod tests;
mod value;
mod verdict;
mod writer;

pub(crate) use self::audit::{audit, mend};
pub use self::definition::{Column, Definition, DefinitionError, Rule, Type};
pub use self::digest::{BUCKET_ROWS, catalogue, digest};
pub use self::error::TableError;
pub use self::row::{Row, State, Version};
pub use self::store::{count_live, each_live, find_live, get, under, version, versions_under};
pub use self::value::{Part, Value, Values};
pub use self::writer::{Authority, Merged, Writer, are_tombstones_due};

use rusqlite::{OptionalExtension as _, Row as SqlRow, params};
use xfer::SqlName;

use crate::schema::has_table;
use crate::{RepoError, Snapshot, Tx};

/// Tables of one repository.
pub const MAX_TABLES: usize = 64;
/// Rows of one table, tombstones included.
pub const MAX_ROWS: u64 = 1_000_000;
/// Bytes of one row, written as JSON.
pub const MAX_ROW_BYTES: usize = 256 << 10;
/// How long a deletion is remembered: 90 days. A peer that stays away for longer may bring the row back.
pub const HORIZON_MS: i64 = 90 * DAY_MS;
/// How far ahead of our clock a peer's row may be: a day. A clock that runs further ahead would win for ever.
pub const MAX_AHEAD_MS: i64 = DAY_MS;
/// How often a row gives way to an older one of another user because a server says that it is that user's. Where peers
/// ask each other in a circle, or two servers that never meet, it would go round for ever.
pub const MAX_VERDICTS: u32 = 8;

const DAY_MS: i64 = 86_400_000;

const CREATE: &str = "
CREATE TABLE IF NOT EXISTS fx_frond_table(
  name TEXT PRIMARY KEY,
  definition TEXT NOT NULL,   -- JSON
  mtime INTEGER NOT NULL,     -- milliseconds since 1970
  rows INTEGER NOT NULL       -- tombstones included
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fx_frond_table_node(
  name TEXT,
  prefix TEXT,                -- hex digits that key hashes begin with
  digest BLOB NOT NULL,
  PRIMARY KEY(name, prefix)
) WITHOUT ROWID;";

/// A synced table of this repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncedTable {
    /// Its name; the rows are in the SQL table `fx_x_NAME`.
    pub name: SqlName,
    /// Columns and conflict rule.
    pub definition: Definition,
    /// When the definition was last changed anywhere, in milliseconds since 1970.
    pub mtime: i64,
    /// Rows, tombstones included.
    pub rows: u64,
}

/// What [`define`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defined {
    /// There is a new table.
    Created,
    /// The table has more columns now.
    Extended,
    /// It had them all.
    Unchanged,
}

/// Every synced table, by name.
pub fn all(snap: &Snapshot<'_>) -> Result<Vec<SyncedTable>, RepoError> {
    if !has_table(snap, "fx_frond_table")? {
        return Ok(Vec::new());
    }
    let mut statement = snap
        .conn()
        .prepare_cached("SELECT name, definition, mtime, rows FROM fx_frond_table ORDER BY name")?;
    let tables = statement.query_and_then([], read)?;
    tables.collect()
}

/// One synced table.
pub fn find(snap: &Snapshot<'_>, name: &SqlName) -> Result<Option<SyncedTable>, RepoError> {
    if !has_table(snap, "fx_frond_table")? {
        return Ok(None);
    }
    let mut statement = snap
        .conn()
        .prepare_cached("SELECT name, definition, mtime, rows FROM fx_frond_table WHERE name=?1")?;
    statement.query_row([name.as_str()], |row| Ok(read(row))).optional()?.transpose()
}

/// Makes a table, or gives one the columns that it lacks. A definition that differs in any other way is refused,
/// so that peers that define the same table come to the same columns in whatever order they meet.
pub fn define(
    tx: &Tx<'_>,
    name: &SqlName,
    definition: &Definition,
    mtime: i64,
) -> Result<Defined, TableError> {
    tx.conn().execute_batch(CREATE)?;
    let Some(held) = find(tx, name)? else {
        if all(tx)?.len() >= MAX_TABLES {
            return Err(TableError::TooManyTables);
        }
        store::create(tx, name, definition)?;
        keep(tx, name, definition, mtime, 0)?;
        return Ok(Defined::Created);
    };
    let joined = held
        .definition
        .join(definition)
        .map_err(|reason| TableError::Definition { table: name.clone(), reason })?;
    if joined == held.definition && mtime <= held.mtime {
        return Ok(Defined::Unchanged);
    }
    store::add_columns(tx, name, &held.definition, &joined)?;
    keep(tx, name, &joined, mtime.max(held.mtime), held.rows)?;
    Ok(if joined == held.definition { Defined::Unchanged } else { Defined::Extended })
}

fn keep(
    tx: &Tx<'_>,
    name: &SqlName,
    definition: &Definition,
    mtime: i64,
    rows: u64,
) -> Result<(), RepoError> {
    tx.prepared("REPLACE INTO fx_frond_table(name, definition, mtime, rows) VALUES(?1, ?2, ?3, ?4)")?
        .execute(params![name.as_str(), definition.to_json(), mtime, rows as i64])?;
    Ok(())
}

fn read(row: &SqlRow<'_>) -> Result<SyncedTable, RepoError> {
    let name: String = row.get(0)?;
    let damaged = |what: String| RepoError::corrupt(format!("synced table {name:?}: {what}"));
    let definition =
        Definition::parse(row.get::<_, String>(1)?.as_bytes()).map_err(|error| damaged(error.to_string()))?;
    Ok(SyncedTable {
        definition,
        mtime: row.get(2)?,
        rows: row.get::<_, i64>(3)?.max(0).unsigned_abs(),
        name: SqlName::new(name.as_str()).map_err(|error| damaged(error.to_string()))?,
    })
}
