//! Artifacts that are neither taken in, announced, asked for nor sent.

use rusqlite::params;
use xfer::ArtifactId;

use crate::blob::Hex;
use crate::{RepoError, Snapshot, Tx, UnixTime, known};

/// Whether a name is shunned.
pub fn contains(snap: &Snapshot<'_>, id: &ArtifactId) -> Result<bool, RepoError> {
    Ok(any(snap)? && snap.conn().prepare_cached("SELECT 1 FROM shun WHERE uuid=?1")?.exists([Hex::of(id)])?)
}

fn any(snap: &Snapshot<'_>) -> Result<bool, RepoError> {
    let find = || Ok(snap.conn().prepare_cached("SELECT 1 FROM shun")?.exists([])?);
    known::ask(snap, |known| &mut known.any_shunned, find)
}

/// Shuns a name. What is held under it stays until the next rebuild, but is kept to ourselves.
pub fn add(tx: &Tx<'_>, id: &ArtifactId, reason: &str, now: UnixTime) -> Result<(), RepoError> {
    tx.prepared("REPLACE INTO shun(uuid, mtime, scom) VALUES(?1, ?2, ?3)")?.execute(params![
        Hex::of(id),
        now.seconds(),
        reason
    ])?;
    known::forget(tx);
    Ok(())
}

/// Takes a name off the list.
pub fn remove(tx: &Tx<'_>, id: &ArtifactId) -> Result<(), RepoError> {
    tx.prepared("DELETE FROM shun WHERE uuid=?1")?.execute([Hex::of(id)])?;
    Ok(())
}
