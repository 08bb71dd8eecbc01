//! Clusters: lists of artifacts that need not be announced one by one (reference: repo.md 6.2).

use xfer::ArtifactId;
use xfer::card::Privacy;

use super::Linker;
use crate::{RepoError, Rid, Tx, blob, private};

/// Takes the members, unknown ones included, out of what is announced. The tag follows at the end of the
/// batch, as its time is that of processing.
pub(super) fn arrived(
    linker: &mut Linker,
    tx: &Tx<'_>,
    rid: Rid,
    members: &[ArtifactId],
) -> Result<(), RepoError> {
    linker.clusters.insert(rid);
    let any_private = private::any(tx)?;
    let mut announced = tx.prepared("DELETE FROM unclustered WHERE rid=?1")?;
    for (id, known) in members.iter().zip(blob::rids_of(tx, members)?) {
        let member = match known {
            Some(member) => Some(member),
            None => blob::rid_or_phantom(tx, id, Privacy::Public)?,
        };
        if let Some(member) = member {
            announced.execute([member])?;
            if any_private && private::contains(tx, member)? {
                private::note_listed(tx, member)?;
            }
        }
    }
    Ok(())
}
