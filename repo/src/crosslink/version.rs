//! Links from a version to the ones before: `plink`.

use xfer::ArtifactId;

use super::mlink;
use crate::{RepoError, Rid, Tx, UnixTime, blob};

/// Links an artifact to its parents, unknown ones included, and says which rid the first has.
pub(super) fn link(
    tx: &Tx<'_>,
    rid: Rid,
    parents: &[ArtifactId],
    time: UnixTime,
    baseline: Option<Rid>,
) -> Result<Option<Rid>, RepoError> {
    let mut primary = None;
    for (place, parent) in parents.iter().enumerate() {
        let Some(parent) = blob::rid_or_phantom(tx, parent, mlink::privacy(tx, rid)?)? else {
            continue;
        };
        tx.prepared(
            "INSERT OR IGNORE INTO plink(pid, cid, isprim, mtime, baseid) VALUES(?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((parent, rid, place == 0, time.julian_day(), baseline))?;
        if place == 0 {
            primary = Some(parent);
        }
    }
    Ok(primary)
}
