//! What can be wrong with a file.

use std::fmt;

use xfer::ArtifactId;

use crate::{RepoError, Rid};

/// One thing that is wrong.
#[derive(Debug)]
pub enum Finding {
    /// A page of the file is damaged, or a row does not fit its table. No rebuild cures it.
    Page {
        /// What SQLite says.
        reason: String,
    },
    /// What is left of a file with damaged pages cannot be checked.
    Unchecked {
        /// Why.
        reason: RepoError,
    },
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
        /// How many are deltas of it, directly or through others, and cannot be expanded for that.
        below: usize,
    },
    /// It is a delta of a row that holds no artifact.
    SourceMissing {
        /// Which.
        id: ArtifactId,
        /// The row.
        source: Rid,
        /// How many are deltas of it, directly or through others.
        below: usize,
    },
    /// It is a delta of itself, directly or through others.
    DeltaCycle {
        /// One of the cycle.
        id: ArtifactId,
        /// How many others are in the cycle, or deltas of such.
        below: usize,
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
    /// The content of an unversioned file is missing or damaged.
    Unversioned {
        /// Which, and what is wrong with it.
        reason: String,
    },
    /// A synced table was changed by other means. A rebuild takes that for written at its time.
    Table {
        /// Which, and what is wrong with it.
        reason: String,
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
    /// More derived rows of which each is one that a rebuild would not make, or would make.
    MoreRows {
        /// The table.
        table: String,
        /// How many.
        rows: usize,
    },
    /// Derived rows that differ from what a rebuild makes without the damaged artifacts.
    RowsOfDamaged {
        /// How many.
        rows: usize,
    },
}

impl Finding {
    /// The artifact that it concerns, if it is about one.
    pub fn artifact(&self) -> Option<&ArtifactId> {
        match self {
            Self::Unreadable { id, .. }
            | Self::SourceMissing { id, .. }
            | Self::DeltaCycle { id, .. }
            | Self::WrongHash { id, .. }
            | Self::WrongSize { id, .. }
            | Self::PrivateSource { id, .. } => Some(id),
            Self::Page { .. }
            | Self::Unchecked { .. }
            | Self::BadName { .. }
            | Self::Unversioned { .. }
            | Self::Table { .. }
            | Self::ExtraRow { .. }
            | Self::MissingRow { .. }
            | Self::MoreRows { .. }
            | Self::RowsOfDamaged { .. } => None,
        }
    }

    /// Whether content is lost in this file: no rebuild brings it back.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Page { .. }
            | Self::Unchecked { .. }
            | Self::BadName { .. }
            | Self::Unreadable { .. }
            | Self::SourceMissing { .. }
            | Self::DeltaCycle { .. }
            | Self::WrongHash { .. }
            | Self::Unversioned { .. } => true,
            Self::WrongSize { .. }
            | Self::PrivateSource { .. }
            | Self::Table { .. }
            | Self::ExtraRow { .. }
            | Self::MissingRow { .. }
            | Self::MoreRows { .. }
            | Self::RowsOfDamaged { .. } => false,
        }
    }

    /// How many derived rows it is about.
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::ExtraRow { .. } | Self::MissingRow { .. } => 1,
            Self::MoreRows { rows, .. } | Self::RowsOfDamaged { rows } => *rows,
            _ => 0,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page { reason } => write!(f, "the file is damaged: {reason}"),
            Self::Unchecked { reason } => write!(f, "not everything can be checked: {reason}"),
            Self::BadName { rid } => write!(f, "row {} of blob has no name of an artifact", rid.0),
            Self::Unreadable { id, reason, below } => {
                write!(f, "{id}: unreadable: {reason}{}", Below(*below))
            }
            Self::SourceMissing { id, source, below } => {
                write!(f, "{id}: a delta of row {}, which holds no artifact{}", source.0, Below(*below))
            }
            Self::DeltaCycle { id, below } => write!(f, "{id}: a delta of itself{}", Below(*below)),
            Self::WrongHash { id, actual } => write!(f, "{id}: content hashes to {actual}"),
            Self::WrongSize { id, recorded, actual } => {
                write!(f, "{id}: recorded size {recorded}, is {actual}")
            }
            Self::PrivateSource { id, source } => write!(f, "{id}: public, a delta of private {source}"),
            Self::Unversioned { reason } | Self::Table { reason } => f.write_str(reason),
            Self::ExtraRow { table, row } => write!(f, "row of {table} that no rebuild makes: {row}"),
            Self::MissingRow { table, row } => write!(f, "missing row of {table}: {row}"),
            Self::MoreRows { table, rows } => write!(f, "{rows} more wrong rows of {table}"),
            Self::RowsOfDamaged { rows } => {
                let rows = Count(*rows, "row of derived tables differs", "rows of derived tables differ");
                write!(f, "{rows} from what the sound artifacts say")
            }
        }
    }
}

/// How many deltas share the fate of an artifact.
struct Below(usize);

impl fmt::Display for Below {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            below => write!(f, "; with it {} on it", Count(below, "delta", "deltas")),
        }
    }
}

/// A number with what is right for one and for more.
struct Count(usize, &'static str, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self(count, one, more) = self;
        write!(f, "{count} {}", if count == 1 { one } else { more })
    }
}
