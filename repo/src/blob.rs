//! Names and rids of artifacts.

use xfer::ArtifactId;

use crate::{RepoError, Snapshot, Tx};

/// Row id of an artifact in this file. Local: never sent, never kept elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rid(pub i64);

/// What the file knows of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Never heard of.
    Unknown,
    /// Its name is known, its content is not.
    Phantom(Rid),
    /// Stored as a delta whose source chain ends in a phantom: not verified, never offered, never sent.
    Dangling(Rid),
    /// Stored and verified.
    Held(Rid),
}

/// Looks an artifact up by name.
pub fn presence(_snap: &Snapshot<'_>, _id: &ArtifactId) -> Result<Presence, RepoError> {
    unimplemented!()
}

/// The rid of a name, be it a phantom or held.
pub fn rid(_snap: &Snapshot<'_>, _id: &ArtifactId) -> Result<Option<Rid>, RepoError> {
    unimplemented!()
}

/// The name of a rid.
pub fn id(_snap: &Snapshot<'_>, _rid: Rid) -> Result<ArtifactId, RepoError> {
    unimplemented!()
}

/// The rid of a name, which becomes a phantom if it was unknown. None for a shunned name.
pub fn rid_or_phantom(
    _tx: &Tx<'_>,
    _id: &ArtifactId,
    _privacy: xfer::card::Privacy,
) -> Result<Option<Rid>, RepoError> {
    unimplemented!()
}
