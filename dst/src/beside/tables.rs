//! Synced tables, as a repository holds them.

use std::collections::{BTreeMap, BTreeSet};

use repo::table::{Definition, Rule};
use repo::{Repo, RepoError, Snapshot};
use rusqlite::Error::FromSqlConversionFailure;
use rusqlite::Row as SqlRow;
use rusqlite::types::{Type, ValueRef};

use super::{show, shown};
use crate::known::has_table;

/// Tables by name.
pub type Tables = BTreeMap<String, Table>;

/// Names a row: the hash of its key.
pub type Key = [u8; 20];

/// Tells two contents of a row apart, the greater stays: its time, and the hash of all else.
pub type Version = (i64, [u8; 20]);

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Columns and rule.
    pub definition: Definition,
    /// Rows and tombstones that it is said to have.
    pub count: i64,
    /// Rows and tombstones.
    pub rows: BTreeMap<Key, Row>,
}

/// A row, or the tombstone of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which version.
    pub version: Version,
    /// Whose it is, in a table whose rows have owners; else empty.
    pub owner: String,
    /// Whether it is a tombstone.
    pub deleted: bool,
    /// The first column of the key.
    pub first: String,
    /// All columns that are not NULL.
    pub content: String,
}

impl Table {
    /// Columns with their types.
    pub fn columns(&self) -> BTreeSet<String> {
        self.definition.columns().map(|column| format!("{} {}", column.name, column.kind)).collect()
    }

    /// Whether rows of the other table can be taken in here, once it has the columns: one key, one rule, and no
    /// column of two types.
    pub fn agrees(&self, other: &Self) -> bool {
        let differs = |column: &repo::table::Column| {
            other.definition.columns().any(|theirs| theirs.name == column.name && theirs.kind != column.kind)
        };
        self.definition.keys() == other.definition.keys()
            && self.definition.rule() == other.definition.rule()
            && !self.definition.columns().any(differs)
    }

    /// Whether this user may write this row here, of which `held` is held.
    pub fn may_write(&self, row: &Row, held: Option<&Row>, user: &str) -> bool {
        match self.definition.rule() {
            Rule::LastWriter => true,
            Rule::Own => row.first == format!("t{user}"),
            Rule::Owner => row.owner == user && held.is_none_or(|held| held.owner == user),
        }
    }
}

/// Rows that gave way this often to what a server said of their owner.
pub fn contested(repo: &mut Repo, times: u32) -> Result<BTreeSet<(String, Key)>, RepoError> {
    let snap = repo.snapshot()?;
    if !has_table(&snap, c"fx_frond_table_verdict")? {
        return Ok(BTreeSet::new());
    }
    let sql = "SELECT name, key FROM fx_frond_table_verdict WHERE count>=?1";
    let mut statement = snap.conn().prepare_cached(sql)?;
    let rows = statement.query_map([times], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Reads all tables.
pub(super) fn read(snap: &Snapshot<'_>) -> Result<Tables, RepoError> {
    let mut tables = Tables::new();
    if !has_table(snap, c"fx_frond_table")? {
        return Ok(tables);
    }
    let mut statement = snap.conn().prepare_cached("SELECT name, definition, rows FROM fx_frond_table")?;
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    for table in found {
        let (name, definition, count): (String, String, i64) = table?;
        let definition = Definition::parse(definition.as_bytes())
            .map_err(|error| FromSqlConversionFailure(1, Type::Text, Box::new(error)))?;
        let rows = rows(snap, &name, &definition)?;
        tables.insert(name, Table { definition, count, rows });
    }
    Ok(tables)
}

fn rows(snap: &Snapshot<'_>, name: &str, definition: &Definition) -> Result<BTreeMap<Key, Row>, RepoError> {
    let columns: Vec<String> = definition.columns().map(|column| format!("\"{}\"", column.name)).collect();
    let sql = format!(
        "SELECT fx_key, fx_mtime, fx_hash, fx_owner, fx_deleted, {} FROM \"fx_x_{name}\"",
        columns.join(", ")
    );
    let mut statement = snap.conn().prepare_cached(&sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row_of(row, &columns)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn row_of(row: &SqlRow<'_>, columns: &[String]) -> rusqlite::Result<Row> {
    let mut content = String::new();
    for (at, column) in columns.iter().enumerate() {
        let value = row.get_ref(5 + at)?;
        if value != ValueRef::Null {
            content.push_str(column);
            content.push('=');
            show(value, &mut content);
            content.push('\n');
        }
    }
    Ok(Row {
        version: (row.get(1)?, row.get(2)?),
        owner: row.get(3)?,
        deleted: row.get(4)?,
        first: shown(row.get_ref(5)?),
        content,
    })
}
