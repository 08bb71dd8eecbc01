//! The mark of an unfinished clone.
//!
//! It is the row of a table of its own whose name `fossil rebuild` leaves alone. While it is there the file is not
//! a whole repository: it is neither served nor pulled into, and the next clone of the same project goes on
//! where this one stopped. The table stays: when one is dropped, SQLite prepares every statement anew.

use crate::{RepoError, Snapshot, Tx, schema};

/// How far a clone came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partial {
    /// Rid of the server that the next batch starts from; 0 if every batch is in.
    pub seqno: u32,
    /// The project code that the server named, if it did.
    pub project: Option<String>,
    /// The server code that the server named: `seqno` means nothing to another file than the one it is from.
    pub server: Option<String>,
}

const CREATE: &str = "CREATE TABLE fx_frond_clone(
  id INTEGER PRIMARY KEY CHECK(id=1),
  seqno INTEGER NOT NULL,
  project TEXT,
  server TEXT
)";

/// The state of an unfinished clone; none in a whole repository.
pub fn load(snap: &Snapshot<'_>) -> Result<Option<Partial>, RepoError> {
    if !schema::has_table(snap, "fx_frond_clone")? {
        return Ok(None);
    }
    let mut state =
        snap.conn().prepare_cached("SELECT seqno, project, server FROM fx_frond_clone WHERE id=1")?;
    let mut rows = state.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Partial { seqno: row.get(0)?, project: row.get(1)?, server: row.get(2)? }))
}

/// Marks the file as unfinished, and how far it came. The first time, indexes are put off until it is whole.
pub fn save(tx: &Tx<'_>, partial: &Partial) -> Result<(), RepoError> {
    if !schema::has_table(tx, "fx_frond_clone")? {
        tx.conn().execute(CREATE, [])?;
        schema::late::put_off(tx)?;
    }
    let sql = "REPLACE INTO fx_frond_clone(id, seqno, project, server) VALUES(1, ?1, ?2, ?3)";
    let mut replace = tx.prepared(sql)?;
    replace.execute((partial.seqno, &partial.project, &partial.server))?;
    Ok(())
}

/// Takes the mark off: the file is whole. Indexes that were put off until then are made.
pub fn clear(tx: &Tx<'_>) -> Result<(), RepoError> {
    if schema::has_table(tx, "fx_frond_clone")? {
        tx.prepared("DELETE FROM fx_frond_clone")?.execute([])?;
        schema::late::make(tx)?;
    }
    Ok(())
}

/// Whether a clone may begin in this file: it holds no artifact and knows of none.
pub fn is_fresh(snap: &Snapshot<'_>) -> Result<bool, RepoError> {
    Ok(!snap.conn().prepare_cached("SELECT 1 FROM blob")?.exists([])?)
}
