//! Artifacts made here since the last push. They are pushed without being asked for.

use crate::{RepoError, Rid, Snapshot, Tx};

/// Enters an artifact.
pub fn add(tx: &Tx<'_>, rid: Rid) -> Result<(), RepoError> {
    tx.prepared("INSERT OR IGNORE INTO unsent(rid) VALUES(?1)")?.execute([rid])?;
    Ok(())
}

/// All of them, by rid.
pub fn all(snap: &Snapshot<'_>) -> Result<Vec<Rid>, RepoError> {
    let mut statement = snap.conn().prepare_cached("SELECT rid FROM unsent ORDER BY rid")?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Takes an artifact off: the peer has it.
pub fn remove(tx: &Tx<'_>, rid: Rid) -> Result<(), RepoError> {
    tx.prepared("DELETE FROM unsent WHERE rid=?1")?.execute([rid])?;
    Ok(())
}
