//! Artifacts whose chain of delta sources ends in a phantom.

use std::collections::BTreeMap;

use crate::{RepoError, Rid, Snapshot};

/// Leads from each dangling artifact towards the phantom that it waits for.
#[derive(Default)]
pub(crate) struct Dangling {
    /// To the direct source, or to any artifact farther up the chain.
    upwards: BTreeMap<Rid, Rid>,
}

/// All that hang on phantoms of the table, however far down.
const ALL: &str = "WITH RECURSIVE waiting(rid, srcid) AS (
       SELECT delta.rid, delta.srcid FROM phantom CROSS JOIN delta ON delta.srcid = phantom.rid
       UNION
       SELECT delta.rid, delta.srcid FROM waiting CROSS JOIN delta ON delta.srcid = waiting.rid)
     SELECT rid, srcid FROM waiting WHERE rid NOT IN (SELECT rid FROM phantom)";

impl Dangling {
    fn load(snap: &Snapshot<'_>) -> Result<Self, RepoError> {
        // In most repositories nothing is lacking, and the walk need not begin.
        if !snap.conn().prepare_cached("SELECT 1 FROM phantom")?.exists([])? {
            return Ok(Self::default());
        }
        let mut statement = snap.conn().prepare_cached(ALL)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self { upwards: rows.collect::<Result<_, _>>()? })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.upwards.is_empty()
    }

    /// All of them.
    pub(crate) fn rids(&self) -> Vec<Rid> {
        self.upwards.keys().copied().collect()
    }

    pub(crate) fn contains(&self, rid: Rid) -> bool {
        self.upwards.contains_key(&rid)
    }

    pub(crate) fn insert(&mut self, rid: Rid, source: Rid) {
        self.upwards.insert(rid, source);
    }

    pub(crate) fn remove(&mut self, rid: Rid) -> bool {
        self.upwards.remove(&rid).is_some()
    }

    /// The phantom that `rid` waits for; `rid` itself if it does not wait. Shortens the way for the next time.
    pub(crate) fn root(&mut self, rid: Rid) -> Rid {
        let mut root = rid;
        while let Some(&up) = self.upwards.get(&root) {
            root = up;
        }
        let mut at = rid;
        while let Some(up) = self.upwards.get_mut(&at) {
            at = std::mem::replace(up, root);
        }
        root
    }
}

/// Calls `with` on the dangling artifacts of this transaction's view.
pub(crate) fn with<T>(snap: &Snapshot<'_>, with: impl FnOnce(&mut Dangling) -> T) -> Result<T, RepoError> {
    if snap.memory().borrow().dangling.is_none() {
        let loaded = Dangling::load(snap)?;
        snap.memory().borrow_mut().dangling = Some(loaded);
    }
    Ok(with(snap.memory().borrow_mut().dangling.get_or_insert_default()))
}

/// Has the dangling artifacts read anew when they are needed next.
pub(crate) fn forget(snap: &Snapshot<'_>) {
    snap.memory().borrow_mut().dangling = None;
}
