//! Effective tags of the artifacts that a batch touches: read when first asked for, written once at the end.

use std::collections::{BTreeMap, BTreeSet};

use super::{Row, TagId, effective_all};
use crate::{RepoError, Rid, Text, Tx};

/// The rows of some artifacts, changed in memory.
#[derive(Default)]
pub(super) struct Nodes {
    rows: BTreeMap<Rid, Vec<Row>>,
    dirty: BTreeSet<(Rid, TagId)>,
}

impl Nodes {
    /// The effective rows of an artifact.
    pub(super) fn of(&mut self, tx: &Tx<'_>, rid: Rid) -> Result<&mut Vec<Row>, RepoError> {
        Ok(match self.rows.entry(rid) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(unknown) => unknown.insert(effective_all(tx, rid)?),
        })
    }

    pub(super) fn find(&mut self, tx: &Tx<'_>, rid: Rid, tag: TagId) -> Result<Option<&Row>, RepoError> {
        Ok(self.of(tx, rid)?.iter().find(|row| row.tag == tag))
    }

    pub(super) fn set(&mut self, tx: &Tx<'_>, rid: Rid, row: Row) -> Result<(), RepoError> {
        self.dirty.insert((rid, row.tag));
        let rows = self.of(tx, rid)?;
        match rows.iter_mut().find(|known| known.tag == row.tag) {
            Some(known) => *known = row,
            None => rows.push(row),
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, tx: &Tx<'_>, rid: Rid, tag: TagId) -> Result<(), RepoError> {
        self.dirty.insert((rid, tag));
        self.of(tx, rid)?.retain(|row| row.tag != tag);
        Ok(())
    }

    /// Writes what changed, and says what that was.
    pub(super) fn write(mut self, tx: &Tx<'_>) -> Result<BTreeSet<(Rid, TagId)>, RepoError> {
        let mut replace = tx.prepared(
            "REPLACE INTO tagxref(tagid, tagtype, srcid, origid, value, mtime, rid)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let mut delete = tx.prepared("DELETE FROM tagxref WHERE rid=?1 AND tagid=?2")?;
        for &(rid, tag) in &self.dirty {
            let rows = self.rows.entry(rid).or_default();
            let Some(row) = rows.iter().find(|row| row.tag == tag) else {
                delete.execute((rid, tag))?;
                continue;
            };
            let source = row.source.map_or(0, |source| source.0);
            let value: Option<&Text> = row.value.as_ref();
            replace.execute((tag, row.kind as i64, source, row.origin, value, row.time.julian_day(), rid))?;
        }
        Ok(self.dirty)
    }
}
