//! The repository file.

use std::path::Path;

use crate::{RepoError, Snapshot, Tx, UnixTime};

/// An open repository file.
pub struct Repo {
    _conn: rusqlite::Connection,
}

/// What a new repository starts from.
#[derive(Debug, Clone)]
pub struct Genesis {
    /// Project code: 40 hex digits.
    pub project: String,
    /// Server code: 40 hex digits.
    pub server: String,
    /// First user, who gets capability `s` (set-up).
    pub user: String,
    /// That user's password in clear; the file keeps its secret only. None: no login.
    pub password: Option<String>,
    /// Now.
    pub now: UnixTime,
}

impl Repo {
    /// Makes a new file. It must not exist.
    pub fn create(_path: &Path, _genesis: &Genesis) -> Result<Self, RepoError> {
        unimplemented!()
    }
    /// Makes a repository in memory.
    pub fn in_memory(_genesis: &Genesis) -> Result<Self, RepoError> {
        unimplemented!()
    }
    /// Opens a file for reading and writing.
    pub fn open(_path: &Path) -> Result<Self, RepoError> {
        unimplemented!()
    }
    /// Opens a file for reading.
    pub fn open_read_only(_path: &Path) -> Result<Self, RepoError> {
        unimplemented!()
    }
    /// Starts a transaction that may write; waits a bounded time for other writers.
    pub fn begin(&mut self) -> Result<Tx<'_>, RepoError> {
        unimplemented!()
    }
    /// Takes a consistent view.
    pub fn snapshot(&mut self) -> Result<Snapshot<'_>, RepoError> {
        unimplemented!()
    }
}
