//! Public artifacts that no known cluster lists. [`crate::outgoing`] reads what of them is announced.

use xfer::ArtifactId;

use crate::blob::Name;
use crate::{RepoError, Rid, Snapshot, Tx, dangling};

/// What may go into a cluster: neither phantoms, private or shunned artifacts, nor deltas that wait.
const MEMBERS: &str = "SELECT rid, uuid FROM unclustered CROSS JOIN blob USING(rid)
 WHERE size>=0
   AND NOT EXISTS(SELECT 1 FROM private WHERE private.rid=blob.rid)
   AND NOT EXISTS(SELECT 1 FROM shun WHERE shun.uuid=blob.uuid)
 ORDER BY uuid";

/// Whether the list has so many rows, of whatever kind.
pub fn are_at_least(snap: &Snapshot<'_>, least: usize) -> Result<bool, RepoError> {
    let mut statement =
        snap.conn().prepare_cached("SELECT count(*) FROM (SELECT 1 FROM unclustered LIMIT ?1)")?;
    let rows: i64 = statement.query_row([least as i64], |row| row.get(0))?;
    Ok(rows >= least as i64)
}

/// What may go into a cluster, by name.
pub fn members(snap: &Snapshot<'_>) -> Result<Vec<(Rid, ArtifactId)>, RepoError> {
    let mut statement = snap.conn().prepare_cached(MEMBERS)?;
    let rows = statement.query_map([], |row| {
        let Name(id) = row.get(1)?;
        Ok((row.get(0)?, id))
    })?;
    let mut members = rows.collect::<Result<Vec<(Rid, ArtifactId)>, _>>()?;
    dangling::with(snap, |dangling| members.retain(|&(rid, _)| !dangling.contains(rid)))?;
    Ok(members)
}

/// Takes an artifact off: a cluster lists it.
pub fn remove(tx: &Tx<'_>, rid: Rid) -> Result<(), RepoError> {
    tx.prepared("DELETE FROM unclustered WHERE rid=?1")?.execute([rid])?;
    Ok(())
}
