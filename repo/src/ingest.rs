//! Expand, verify, link: what happens to artifacts after [`crate::content::put`].

use crate::{RepoError, Tx, UnixTime};

/// What [`settle`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settled {
    /// Artifacts whose content was verified.
    pub verified: u64,
    /// Structural artifacts linked into the derived tables.
    pub linked: u64,
}

/// Verifies everything that was put since the last call, and what it makes expandable, and links it.
pub fn settle(_tx: &Tx<'_>, _now: UnixTime) -> Result<Settled, RepoError> {
    unimplemented!()
}
