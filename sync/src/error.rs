//! Why a session fails.

use repo::RepoError;
use xfer::{ArtifactId, DecodeError};

/// Says what failed, whose fault it is, and so whether a retry helps.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// Our repository failed.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// The peer sent something that is no message.
    #[error("the peer sent a malformed message: {0}")]
    Decode(#[from] DecodeError),
    /// The peer refused, in its own words.
    #[error("the peer refused: {0}")]
    Refused(String),
    /// The artifacts that the peer promised and never sent.
    #[error("the peer announced {count} artifacts that it does not send, {first} among them")]
    Missing {
        /// How many.
        count: usize,
        /// One of them.
        first: ArtifactId,
    },
    // The owner of this module adds the rest.
}
