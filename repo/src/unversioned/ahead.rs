//! What peers said of the times that were too far ahead to be believed.
//!
//! Two versions that are both dated so count as of almost the same time here, whichever came last as of the later one. What
//! their peers said of them decides: else each would take the place of the other again and again. So it would where one of
//! them comes from who was told by others what it counts as, unless what the other counted as stays what it is.

use rusqlite::{OptionalExtension, params};
use xfer::ArtifactId;

use super::{Entry, Version};
use crate::schema::has_table;
use crate::{RepoError, Snapshot, Tx};

const CREATE: &str = "CREATE TABLE IF NOT EXISTS fx_frond_uv_ahead(
  name TEXT PRIMARY KEY,
  mtime INTEGER NOT NULL,
  hash TEXT,
  said INTEGER NOT NULL
) WITHOUT ROWID";

/// What a time that was said counted as when it was first taken; of a deletion the hash is empty.
const CREATE_COUNTED: &str = "CREATE TABLE IF NOT EXISTS fx_frond_uv_counted(
  name TEXT NOT NULL,
  hash TEXT NOT NULL,
  said INTEGER NOT NULL,
  mtime INTEGER NOT NULL,
  PRIMARY KEY(name, hash, said)
) WITHOUT ROWID";

/// The latest time that counts as said, so that changes made here can be later.
const LATEST: i64 = i64::MAX - u32::MAX as i64;

/// What a peer's time counts as.
pub(super) fn claimed(mtime: i64) -> i64 {
    mtime.min(LATEST)
}

/// Notes of a version that it is kept as of an earlier time than its peer said.
pub(super) fn note(tx: &Tx<'_>, name: &str, kept: &Version, said: i64) -> Result<(), RepoError> {
    tx.prepared(CREATE)?.execute([])?;
    tx.prepared("REPLACE INTO fx_frond_uv_ahead(name, mtime, hash, said) VALUES(?1, ?2, ?3, ?4)")?
        .execute(params![name, kept.mtime, hash(kept), said])?;
    Ok(())
}

/// Has a change that is made here count as later than what was said of the version that it replaces, and as of no earlier
/// time than its own: the clock here may be ahead, too.
pub(super) fn go_on(tx: &Tx<'_>, here: Option<&Entry>, version: &Version) -> Result<(), RepoError> {
    let Some(here) = here else { return Ok(()) };
    let name = here.name.to_str_lossy();
    match said(tx, &name, &here.version)? {
        Some(said) => note(tx, &name, version, said.saturating_add(1).max(claimed(version.mtime))),
        None => Ok(()),
    }
}

/// The time that a peer said of the version here; none if it was believed, or that is another version.
pub(super) fn said(snap: &Snapshot<'_>, name: &str, here: &Version) -> Result<Option<i64>, RepoError> {
    if !has_table(snap, "fx_frond_uv_ahead")? {
        return Ok(None);
    }
    let sql = "SELECT said FROM fx_frond_uv_ahead WHERE name=?1 AND mtime=?2 AND hash IS ?3";
    let mut statement = snap.conn().prepare_cached(sql)?;
    Ok(statement.query_row(params![name, here.mtime, hash(here)], |row| row.get(0)).optional()?)
}

/// Notes what a time that a peer said counts as from now on.
pub(super) fn count(tx: &Tx<'_>, name: &str, kept: &Version, said: i64) -> Result<(), RepoError> {
    tx.prepared(CREATE_COUNTED)?.execute([])?;
    tx.prepared("REPLACE INTO fx_frond_uv_counted(name, hash, said, mtime) VALUES(?1, ?2, ?3, ?4)")?
        .execute(params![name, hash(kept).unwrap_or_default(), said, kept.mtime])?;
    Ok(())
}

/// What a time that a peer says counted as before.
pub(super) fn counted(
    snap: &Snapshot<'_>,
    name: &str,
    hash: Option<&ArtifactId>,
    said: i64,
) -> Result<Option<i64>, RepoError> {
    if !has_table(snap, "fx_frond_uv_counted")? {
        return Ok(None);
    }
    let hash = hash.map(ArtifactId::to_string).unwrap_or_default();
    let sql = "SELECT mtime FROM fx_frond_uv_counted WHERE name=?1 AND hash=?2 AND said=?3";
    let mut statement = snap.conn().prepare_cached(sql)?;
    Ok(statement.query_row(params![name, hash, said], |row| row.get(0)).optional()?)
}

/// Forgets what times counted as that can be believed by now.
pub(super) fn forget(tx: &Tx<'_>, latest: i64) -> Result<(), RepoError> {
    if has_table(tx, "fx_frond_uv_counted")? {
        tx.prepared("DELETE FROM fx_frond_uv_counted WHERE said<=?1")?.execute([latest])?;
    }
    Ok(())
}

fn hash(version: &Version) -> Option<String> {
    version.hash.map(|id| id.to_string())
}
