//! What a transaction found out about small tables, so that it asks them once and not for every artifact.

use crate::config::HashPolicy;
use crate::{RepoError, Snapshot};

/// None: not asked yet.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) any_private: Option<bool>,
    pub(crate) any_shunned: Option<bool>,
    /// None within: the file does not say.
    pub(crate) hash_policy: Option<Option<HashPolicy>>,
    /// What the artifacts suggest then. None: there are none, or it was not asked.
    pub(crate) suggested_policy: Option<HashPolicy>,
}

/// A fact, found out when it is first asked for.
pub(crate) fn ask<T: Copy>(
    snap: &Snapshot<'_>,
    fact: impl Fn(&mut Known) -> &mut Option<T>,
    find: impl FnOnce() -> Result<T, RepoError>,
) -> Result<T, RepoError> {
    if let Some(known) = *fact(&mut snap.memory().borrow_mut().known) {
        return Ok(known);
    }
    let found = find()?;
    *fact(&mut snap.memory().borrow_mut().known) = Some(found);
    Ok(found)
}

/// Has everything asked anew. For who changes one of the tables.
pub(crate) fn forget(snap: &Snapshot<'_>) {
    snap.memory().borrow_mut().known = Known::default();
}
