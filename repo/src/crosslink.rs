//! Structural artifacts into derived tables (reference: repo.md section 6).

use bytes::Bytes;

use crate::{RepoError, Rid, Tx, UnixTime};

/// Links the artifacts of one batch.
#[derive(Default)]
pub struct Linker {}

impl Linker {
    /// Takes in one artifact whose content has just become available and is verified. Any order.
    /// Says whether it is structural.
    pub fn arrived(&mut self, _tx: &Tx<'_>, _rid: Rid, _content: &Bytes) -> Result<bool, RepoError> {
        Ok(false)
    }

    /// Brings every derived row that the batch touches to what a rebuild of the file would make it.
    pub fn finish(self, _tx: &Tx<'_>, _now: UnixTime) -> Result<(), RepoError> {
        Ok(())
    }
}
