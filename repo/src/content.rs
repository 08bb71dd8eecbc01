//! The bytes of artifacts.

use bytes::Bytes;
use xfer::ArtifactId;
use xfer::card::Privacy;

use crate::{RepoError, Rid, Snapshot, Tx};

/// An artifact on its way in.
#[derive(Debug, Clone)]
pub enum Incoming<'a> {
    /// The artifact itself.
    Whole(&'a [u8]),
    /// A delta against another artifact.
    Delta {
        /// What it is a delta against.
        source: &'a ArtifactId,
        /// The delta.
        delta: &'a [u8],
    },
    /// The artifact or its delta in the form of `blob.content`, to be stored as it is.
    Frame {
        /// What it is a delta against, if it is one.
        source: Option<&'a ArtifactId>,
        /// Size prefix and zlib stream.
        frame: &'a Bytes,
        /// Size of the artifact after delta expansion, as the sender says.
        size: u32,
    },
}

/// What became of an incoming artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// New, or it filled a phantom; [`crate::ingest::settle`] verifies and links it.
    Accepted(Rid),
    /// New, but its delta source is not here yet: it will be verified and linked when that arrives.
    Dangling(Rid),
    /// It was here already; the new bytes were not looked at.
    AlreadyHeld(Rid),
    /// Its name is shunned, or its kind of name is refused by the hash policy.
    Refused,
}

/// The whole artifact, expanded. Chains of any depth; every step bounded by the size limit of the file.
pub fn get(_snap: &Snapshot<'_>, _rid: Rid) -> Result<Bytes, RepoError> {
    unimplemented!()
}

/// Stores an incoming artifact and queues it for [`crate::ingest::settle`].
pub fn put(
    _tx: &Tx<'_>,
    _id: &ArtifactId,
    _incoming: &Incoming<'_>,
    _privacy: Privacy,
) -> Result<Stored, RepoError> {
    unimplemented!()
}
