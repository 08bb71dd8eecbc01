//! Deltas that run in a circle.

use xfer::ArtifactId;

use super::{Incoming, delta_source};
use crate::{RepoError, Tx, blob, dangling};

/// Steps along circles that the artifacts of one transaction may take. The circles of honest peers have few.
const MOST_STEPS: usize = 100_000;

/// Whether a phantom comes as a delta of what waits for it: then what of that circle was here before this transaction. One
/// that came as a whole in this transaction is an error of its sender.
pub(super) fn closed_by(
    tx: &Tx<'_>,
    id: &ArtifactId,
    incoming: &Incoming<'_>,
) -> Result<Option<Vec<ArtifactId>>, RepoError> {
    let Some(source) = incoming.source().filter(|&source| source != id) else { return Ok(None) };
    let (Some(rid), Some(mut at)) = (blob::rid(tx, id)?, blob::rid(tx, source)?) else { return Ok(None) };
    if dangling::with(tx, |dangling| dangling.root(at))? != rid {
        return Ok(None);
    }
    let mut earlier = Vec::new();
    while at != rid && tx.memory().borrow_mut().unsettled.may_step(MOST_STEPS) {
        if !tx.memory().borrow().unsettled.waiting().contains(&at) {
            earlier.push(blob::id(tx, at)?);
        }
        let Some(up) = delta_source(tx, at)? else { break };
        at = up;
    }
    if earlier.is_empty() { Err(RepoError::DeltaCycle { id: *id }) } else { Ok(Some(earlier)) }
}
