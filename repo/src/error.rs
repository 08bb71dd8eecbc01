//! What can go wrong with a repository file.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::{ErrorCode, ffi};
use xfer::ArtifactId;

use crate::Rid;
use crate::delta::DeltaError;
use crate::zlib::FrameError;

/// Says what went wrong, with which artifact or file. [`RepoError::fault`] says whose fault it is,
/// [`RepoError::may_retry`] whether the same may work later.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// SQLite refused for a reason that has no variant of its own.
    #[error("{path}: {reason}")]
    Sqlite {
        /// Which file.
        path: Place,
        /// What SQLite said.
        reason: rusqlite::Error,
    },
    /// No such file.
    #[error("{path}: no such file")]
    NotFound {
        /// Which.
        path: Place,
    },
    /// A new file would replace one that is there.
    #[error("{path}: exists already")]
    AlreadyExists {
        /// Which.
        path: Place,
    },
    /// The file is something else.
    #[error("{path}: not a Fossil repository ({reason})")]
    NotARepository {
        /// Which.
        path: Place,
        /// What gave it away.
        reason: &'static str,
    },
    /// The file is of an older or newer kind than this program can handle.
    #[error("{path}: made for another version of Fossil (schema {schema})")]
    OtherSchema {
        /// Which.
        path: Place,
        /// `aux-schema` of the file.
        schema: String,
    },
    /// Another process held the file for too long.
    #[error("{path}: locked by another process; try again")]
    Locked {
        /// Which.
        path: Place,
    },
    /// The file, or its directory, may not be written.
    #[error("{path}: read-only")]
    ReadOnly {
        /// Which.
        path: Place,
    },
    /// The file may not be opened, or the system failed to read or write it.
    #[error("{path}: {reason}")]
    Inaccessible {
        /// Which.
        path: Place,
        /// What the system said.
        reason: String,
    },
    /// No room left.
    #[error("{path}: the disk is full")]
    DiskFull {
        /// Which file could not grow.
        path: Place,
    },
    /// The file is damaged.
    #[error("{path}: damaged ({reason})")]
    Corrupt {
        /// Which.
        path: Place,
        /// What is wrong.
        reason: String,
    },
    /// The bytes that came are not those that the name promises: the sender's fault.
    #[error("artifact {id} came with content that hashes to {actual}")]
    WrongHash {
        /// The name it came under.
        id: ArtifactId,
        /// What the content hashes to.
        actual: ArtifactId,
    },
    /// The delta of an artifact does not apply.
    #[error("artifact {id}: {reason}")]
    BadDelta {
        /// Which.
        id: ArtifactId,
        /// Why.
        reason: DeltaError,
    },
    /// The compressed form of an artifact does not inflate.
    #[error("artifact {id}: its compressed form {reason}")]
    BadFrame {
        /// Which.
        id: ArtifactId,
        /// Why.
        reason: FrameError,
    },
    /// An artifact is a delta of itself, directly or through others.
    #[error("artifact {id} is a delta of itself")]
    DeltaCycle {
        /// Which.
        id: ArtifactId,
    },
    /// An artifact is larger than the limit.
    #[error("artifact {id} has {size} bytes, the limit is {limit}")]
    TooLarge {
        /// Which.
        id: ArtifactId,
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// A login nonce was used before with new content: a replay.
    #[error("the login nonce {nonce} was used before")]
    NonceReused {
        /// Which.
        nonce: String,
    },
    /// No artifact with this rid is held.
    #[error("row {} of blob has no content", .0.0)]
    NoContent(Rid),
}

/// The file an error is about. Errors from the midst of a transaction do not know it; [`RepoError::at`]
/// tells them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place(pub Option<PathBuf>);

/// Who has to do something about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Who sent the artifact.
    Sender,
    /// Who named or keeps the file.
    File,
    /// The machine, or others who use the file at the same time.
    Machine,
}

impl RepoError {
    /// Who has to do something about it.
    pub fn fault(&self) -> Fault {
        match self {
            Self::WrongHash { .. }
            | Self::BadDelta { .. }
            | Self::BadFrame { .. }
            | Self::DeltaCycle { .. }
            | Self::TooLarge { .. }
            | Self::NonceReused { .. } => Fault::Sender,
            Self::Locked { .. } | Self::DiskFull { .. } | Self::Inaccessible { .. } => Fault::Machine,
            Self::Sqlite { .. }
            | Self::NotFound { .. }
            | Self::AlreadyExists { .. }
            | Self::NotARepository { .. }
            | Self::OtherSchema { .. }
            | Self::ReadOnly { .. }
            | Self::Corrupt { .. }
            | Self::NoContent(_) => Fault::File,
        }
    }

    /// Whether the same call may work later, with nothing repaired.
    pub fn may_retry(&self) -> bool {
        matches!(self, Self::Locked { .. })
    }

    /// Whether the file can only be read, at least now. What need not be written can do without.
    pub fn is_read_only(&self) -> bool {
        matches!(self, Self::ReadOnly { .. } | Self::Locked { .. } | Self::DiskFull { .. })
    }

    /// Names the file, if the error does not know it yet.
    #[must_use]
    pub fn at(mut self, file: &Path) -> Self {
        let place = match &mut self {
            Self::Sqlite { path, .. }
            | Self::NotFound { path }
            | Self::AlreadyExists { path }
            | Self::NotARepository { path, .. }
            | Self::OtherSchema { path, .. }
            | Self::Locked { path }
            | Self::ReadOnly { path }
            | Self::Inaccessible { path, .. }
            | Self::DiskFull { path }
            | Self::Corrupt { path, .. } => path,
            Self::WrongHash { .. }
            | Self::BadDelta { .. }
            | Self::BadFrame { .. }
            | Self::DeltaCycle { .. }
            | Self::TooLarge { .. }
            | Self::NonceReused { .. }
            | Self::NoContent(_) => return self,
        };
        place.0.get_or_insert_with(|| file.to_owned());
        self
    }

    /// The file says something that cannot be.
    pub(crate) fn corrupt(reason: impl Into<String>) -> Self {
        Self::Corrupt { path: Place::default(), reason: reason.into() }
    }

    /// What the system said about a file.
    pub fn io(error: &std::io::Error) -> Self {
        let path = Place::default();
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::NotFound { path },
            std::io::ErrorKind::AlreadyExists => Self::AlreadyExists { path },
            std::io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Inaccessible { path, reason: error.to_string() },
        }
    }
}

impl From<rusqlite::Error> for RepoError {
    fn from(error: rusqlite::Error) -> Self {
        let path = Place::default();
        let reason = error.to_string();
        if error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_SHMSIZE) {
            // The index of a write-ahead log finds no room.
            return Self::DiskFull { path };
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked { path },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path },
            Some(ErrorCode::DiskFull) => Self::DiskFull { path },
            Some(ErrorCode::NotADatabase) => {
                Self::NotARepository { path, reason: "it is no SQLite database" }
            }
            Some(ErrorCode::DatabaseCorrupt) => Self::Corrupt { path, reason },
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::Inaccessible { path, reason }
            }
            _ => Self::Sqlite { path, reason: error },
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(path) => write!(f, "{}", path.display()),
            None => f.write_str("the repository"),
        }
    }
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Self {
        Self(Some(path.to_owned()))
    }
}
