//! Tags: their names, and which one of all that is said about an artifact holds (reference: repo.md 6.9).
//!
//! A [`Statement`] is one `T` card, or what crosslinking says itself (`wiki-NAME` on a page, ...). At most one
//! row for an artifact and a tag is effective: the latest statement, the lower source rid of two with one
//! time; else what the primary parent propagates.

mod batch;
mod nodes;
mod replay;

pub(crate) use self::replay::SHADOWS;
use rusqlite::OptionalExtension;
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::manifest::TagKind;
use crate::{RepoError, Rid, Snapshot, Text, Tx, UnixTime};

pub(crate) use batch::{Batch, Branches};

/// Row id of a tag in this file. Local, as rids are; those below 12 are fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagId(pub i64);

/// Background colour of an event.
pub const BGCOLOR: TagId = TagId(1);
/// Edited comment.
pub const COMMENT: TagId = TagId(2);
/// Edited user.
pub const USER: TagId = TagId(3);
/// Edited time.
pub const DATE: TagId = TagId(4);
/// On every cluster.
pub const CLUSTER: TagId = TagId(7);
/// Branch a check-in is on.
pub const BRANCH: TagId = TagId(8);
/// Edited parents of a check-in.
pub const PARENT: TagId = TagId(10);

/// The tags whose ids are fixed, in the order of their ids from 1.
pub const RESERVED: [&str; 11] = [
    "bgcolor", "comment", "user", "date", "hidden", "private", "cluster", "branch", "closed", "parent",
    "note",
];

impl ToSql for TagId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl FromSql for TagId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(Self)
    }
}

/// What one artifact says about a tag of another, or of itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statement {
    pub(crate) target: Rid,
    pub(crate) tag: TagId,
    pub(crate) kind: TagKind,
    pub(crate) value: Option<Text>,
    pub(crate) source: Rid,
    pub(crate) time: UnixTime,
}

/// An effective tag of an artifact: a row of `tagxref` but for the artifact itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) tag: TagId,
    pub(crate) kind: TagKind,
    /// None: propagated.
    pub(crate) source: Option<Rid>,
    pub(crate) origin: Rid,
    pub(crate) value: Option<Text>,
    pub(crate) time: UnixTime,
}

/// The id of a tag, if the file has one.
pub fn id(snap: &Snapshot<'_>, name: &Text) -> Result<Option<TagId>, RepoError> {
    let mut statement = snap.conn().prepare_cached("SELECT tagid FROM tag WHERE tagname=?1")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}

/// The id of a tag, which is new if it was unknown.
pub(crate) fn id_or_new(tx: &Tx<'_>, name: &Text) -> Result<TagId, RepoError> {
    if let Some(id) = id(tx, name)? {
        return Ok(id);
    }
    tx.prepared("INSERT INTO tag(tagname) VALUES(?1)")?.execute([name])?;
    Ok(TagId(tx.conn().last_insert_rowid()))
}

/// The effective row of one tag of an artifact.
pub(crate) fn effective(tx: &Tx<'_>, rid: Rid, tag: TagId) -> Result<Option<Row>, RepoError> {
    let mut statement = tx.prepared(
        "SELECT tagid, tagtype, srcid, origid, value, mtime FROM tagxref WHERE rid=?1 AND tagid=?2",
    )?;
    Ok(statement.query_row((rid, tag), read_row).optional()?)
}

/// Every effective row of an artifact.
pub(crate) fn effective_all(tx: &Tx<'_>, rid: Rid) -> Result<Vec<Row>, RepoError> {
    let mut statement =
        tx.prepared("SELECT tagid, tagtype, srcid, origid, value, mtime FROM tagxref WHERE rid=?1")?;
    Ok(statement.query_map([rid], read_row)?.collect::<Result<_, _>>()?)
}

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let source = row.get::<_, Option<i64>>(2)?.unwrap_or(0);
    Ok(Row {
        tag: row.get(0)?,
        kind: kind(row.get(1)?),
        source: (source > 0).then_some(Rid(source)),
        origin: Rid(row.get::<_, Option<i64>>(3)?.unwrap_or(0)),
        value: row.get(4)?,
        time: UnixTime::from_julian_day(row.get::<_, Option<f64>>(5)?.unwrap_or(0.0)),
    })
}

/// `tagxref.tagtype`; what no artifact can say counts as cancelled.
fn kind(number: i64) -> TagKind {
    match number {
        2 => TagKind::Propagate,
        1 => TagKind::Add,
        _ => TagKind::Cancel,
    }
}
