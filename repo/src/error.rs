//! What can go wrong with a repository file.

use xfer::ArtifactId;

use crate::Rid;

/// Says what went wrong, with which artifact or file, and whose fault it is.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// SQLite refused.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The bytes that came are not those that the name promises: the sender's fault.
    #[error("artifact {id} came with content that hashes to {actual}")]
    WrongHash {
        /// The name it came under.
        id: ArtifactId,
        /// What the content hashes to.
        actual: ArtifactId,
    },
    /// No artifact with this rid is held.
    #[error("no content for rid {0:?}")]
    NoContent(Rid),
    // The owner of this module adds the rest.
}
