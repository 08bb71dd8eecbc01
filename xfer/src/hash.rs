//! The hashes that name artifacts and sign logins.
//!
//! SHA-1 is the collision-detecting kind: content built to collide gets the safe digest Fossil gives it.

use sha1_checked::Digest as _;
use sha3::Digest as _;

use crate::ArtifactId;

/// SHA-1 with collision detection, as stock names 40-digit artifacts.
pub fn sha1(content: &[u8]) -> ArtifactId {
    let digest = sha1_checked::Sha1::digest(content);
    ArtifactId::sha1(digest.into())
}

/// SHA3-256 (FIPS 202 padding).
pub fn sha3_256(content: &[u8]) -> ArtifactId {
    ArtifactId::sha3(sha3::Sha3_256::digest(content).into())
}

/// Names `content` with the algorithm that `like` uses.
pub fn same_kind(like: &ArtifactId, content: &[u8]) -> ArtifactId {
    if like.is_sha1() { sha1(content) } else { sha3_256(content) }
}

/// Whether `content` is what `id` names.
pub fn names(id: &ArtifactId, content: &[u8]) -> bool {
    same_kind(id, content) == *id
}
