//! What can be wrong with a file.

use std::fmt;

use xfer::ArtifactId;

use crate::{RepoError, Rid};

/// One thing that is wrong.
#[derive(Debug)]
pub enum Finding {
    /// A row of `blob` has no name that an artifact can have.
    BadName {
        /// The row.
        rid: Rid,
    },
    /// The content cannot be expanded.
    Unreadable {
        /// Which.
        id: ArtifactId,
        /// Why.
        reason: RepoError,
    },
    /// The content cannot be expanded, because that of its delta source cannot.
    SourceUnreadable {
        /// Which.
        id: ArtifactId,
    },
    /// It is a delta of a row that does not exist.
    SourceMissing {
        /// Which.
        id: ArtifactId,
        /// The row.
        source: Rid,
    },
    /// It is a delta that waits for an artifact that is not here: it cannot be verified.
    Waiting {
        /// Which.
        id: ArtifactId,
    },
    /// It is a delta of itself, directly or through others, or of such a one.
    DeltaCycle {
        /// Which.
        id: ArtifactId,
    },
    /// The content is not what the name says.
    WrongHash {
        /// Which.
        id: ArtifactId,
        /// What the content hashes to.
        actual: ArtifactId,
    },
    /// The recorded size is not that of the content.
    WrongSize {
        /// Which.
        id: ArtifactId,
        /// What is recorded.
        recorded: i64,
        /// What it is.
        actual: usize,
    },
    /// A public artifact is stored as a delta of a private one, which it may give away.
    PrivateSource {
        /// Which.
        id: ArtifactId,
        /// The private one.
        source: ArtifactId,
    },
    /// A derived row that a rebuild would not make. A rebuild repairs it.
    ExtraRow {
        /// The table.
        table: String,
        /// The row, readable.
        row: String,
    },
    /// A derived row that a rebuild would make. A rebuild repairs it.
    MissingRow {
        /// The table.
        table: String,
        /// The row, readable.
        row: String,
    },
}

impl Finding {
    /// The artifact that it concerns, if it is about one.
    pub fn artifact(&self) -> Option<&ArtifactId> {
        match self {
            Self::Unreadable { id, .. }
            | Self::SourceUnreadable { id }
            | Self::SourceMissing { id, .. }
            | Self::Waiting { id }
            | Self::DeltaCycle { id }
            | Self::WrongHash { id, .. }
            | Self::WrongSize { id, .. }
            | Self::PrivateSource { id, .. } => Some(id),
            Self::BadName { .. } | Self::ExtraRow { .. } | Self::MissingRow { .. } => None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName { rid } => write!(f, "row {} of blob has no name of an artifact", rid.0),
            Self::Unreadable { id, reason } => write!(f, "{id}: unreadable: {reason}"),
            Self::SourceUnreadable { id } => write!(f, "{id}: unreadable, because its delta source is"),
            Self::SourceMissing { id, source } => {
                write!(f, "{id}: a delta of row {}, which does not exist", source.0)
            }
            Self::Waiting { id } => write!(f, "{id}: not verified, waits for its delta source"),
            Self::DeltaCycle { id } => write!(f, "{id}: a delta of itself"),
            Self::WrongHash { id, actual } => write!(f, "{id}: content hashes to {actual}"),
            Self::WrongSize { id, recorded, actual } => {
                write!(f, "{id}: recorded size {recorded}, is {actual}")
            }
            Self::PrivateSource { id, source } => write!(f, "{id}: public, a delta of private {source}"),
            Self::ExtraRow { table, row } => write!(f, "row of {table} that no rebuild makes: {row}"),
            Self::MissingRow { table, row } => write!(f, "missing row of {table}: {row}"),
        }
    }
}
