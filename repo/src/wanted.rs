//! What this file knows of and lacks.

use xfer::ArtifactId;
use xfer::card::Privacy;

use crate::{Presence, RepoError, Snapshot, blob, shun};

/// Phantoms, the youngest first: whoever may push can make names that nobody has the content of, and these
/// must not stand before what is new. Shunned ones are left out: they would be thrown away.
const PHANTOMS: &str = "SELECT b.uuid, EXISTS(SELECT 1 FROM private p WHERE p.rid=b.rid)
  FROM phantom x CROSS JOIN blob b ON b.rid=x.rid
 WHERE b.size<0 AND NOT EXISTS(SELECT 1 FROM shun s WHERE s.uuid=b.uuid)
 ORDER BY x.rid DESC";

/// Deltas whose chain of sources ends in a phantom.
const DANGLING: &str = "WITH RECURSIVE dangling(rid) AS (
    SELECT d.rid FROM phantom p CROSS JOIN delta d ON d.srcid=p.rid
    UNION
    SELECT d.rid FROM dangling x CROSS JOIN delta d ON d.srcid=x.rid
  )
  SELECT count(*), min(b.uuid) FROM dangling x CROSS JOIN blob b ON b.rid=x.rid";

/// Whether `id` is known here, lacks its content, and would be kept if it came.
pub fn lacks(snap: &Snapshot<'_>, id: &ArtifactId) -> Result<bool, RepoError> {
    Ok(matches!(blob::presence(snap, id)?, Presence::Phantom(_)) && !shun::contains(snap, id)?)
}

/// Names up to `limit` phantoms that `asks_for` accepts, the youngest first. Private ones only if `deepest` is private.
pub fn phantoms(
    snap: &Snapshot<'_>,
    deepest: Privacy,
    limit: usize,
    mut asks_for: impl FnMut(&ArtifactId) -> bool,
) -> Result<Vec<ArtifactId>, RepoError> {
    let mut statement = snap.conn().prepare_cached(PHANTOMS)?;
    let mut rows = statement.query([])?;
    let mut wanted = Vec::new();
    while wanted.len() < limit {
        let Some(row) = rows.next()? else { break };
        if row.get(1)? && deepest == Privacy::Public {
            continue;
        }
        // A name that is no name cannot be asked for; `verify` reports it.
        let Ok(id) = ArtifactId::from_hex(row.get_ref(0)?.as_bytes().unwrap_or_default()) else { continue };
        if asks_for(&id) {
            wanted.push(id);
        }
    }
    Ok(wanted)
}

/// How many deltas wait for a source that is not here, and the first of them by name.
pub fn dangling(snap: &Snapshot<'_>) -> Result<Option<(u64, ArtifactId)>, RepoError> {
    let mut statement = snap.conn().prepare_cached(DANGLING)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let count: i64 = row.get(0)?;
    let first = ArtifactId::from_hex(row.get_ref(1)?.as_bytes().unwrap_or_default()).ok();
    Ok(first.map(|id| (count.unsigned_abs(), id)))
}
