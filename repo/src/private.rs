//! Artifacts that are announced and sent only where private content was asked for and allowed.

use crate::{RepoError, Rid, Snapshot, Tx, content};

/// Whether an artifact is private.
pub fn contains(snap: &Snapshot<'_>, rid: Rid) -> Result<bool, RepoError> {
    Ok(snap.conn().prepare_cached("SELECT 1 FROM private WHERE rid=?1")?.exists([rid])?)
}

/// Whether there is any private artifact.
pub fn any(snap: &Snapshot<'_>) -> Result<bool, RepoError> {
    Ok(snap.conn().prepare_cached("SELECT 1 FROM private")?.exists([])?)
}

/// Makes an artifact private. Public artifacts that are stored as deltas of it are stored whole from now on.
pub fn add(tx: &Tx<'_>, rid: Rid) -> Result<(), RepoError> {
    tx.conn().prepare_cached("INSERT OR IGNORE INTO private(rid) VALUES(?1)")?.execute([rid])?;
    tx.conn().prepare_cached("DELETE FROM unclustered WHERE rid=?1")?.execute([rid])?;
    for child in content::public_children(tx, rid)? {
        content::store_whole(tx, child)?;
    }
    Ok(())
}

/// Makes an artifact public, and announces it from now on. Says whether it was private.
pub fn remove(tx: &Tx<'_>, rid: Rid) -> Result<bool, RepoError> {
    if tx.conn().prepare_cached("DELETE FROM private WHERE rid=?1")?.execute([rid])? == 0 {
        return Ok(false);
    }
    tx.conn().prepare_cached("INSERT OR IGNORE INTO unclustered(rid) VALUES(?1)")?.execute([rid])?;
    if let Some(source) = content::delta_source(tx, rid)?
        && contains(tx, source)?
    {
        content::store_whole(tx, rid)?;
    }
    Ok(true)
}
