//! The client's side of a session, without I/O.

use repo::Repo;
use xfer::Message;

use crate::{Cx, RoundStats, SyncError};

/// What a session is to do.
#[derive(Debug, Clone, Default)]
pub struct SyncOptions {
    /// Get what the peer has.
    pub pull: bool,
    /// Login name; none or empty: no login.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<String>,
    /// Ask for private artifacts too.
    pub private: bool,
    /// Announce everything, not only what no cluster lists (`--verily`).
    pub verily: bool,
}

/// What a finished session did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncResult {
    /// Rounds it took.
    pub rounds: u32,
    /// What they moved.
    pub stats: RoundStats,
    /// Structural artifacts linked.
    pub linked: u64,
    /// The project both sides hold.
    pub project: String,
    /// What the peer said (`message` cards).
    pub messages: Vec<String>,
}

/// Where a session stands after a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Another round is needed.
    Continue,
    /// Both sides hold the same.
    Done,
}

/// The client's side of one session. Two calls a round, each one transaction; the caller moves the bytes.
pub struct Session {
    // to be written
}

impl Session {
    /// A pull (or, later, push or sync) between repositories of one project.
    pub fn sync(_options: SyncOptions, _nonce_seed: [u8; 20]) -> Self { unimplemented!() }

    /// A clone into a fresh repository; resumes one that was interrupted.
    pub fn clone_into(_options: SyncOptions, _nonce_seed: [u8; 20]) -> Self { unimplemented!() }

    /// Composes the next request.
    pub fn next_request(&mut self, _repo: &mut Repo, _cx: &mut Cx<'_>) -> Result<Message, SyncError> { unimplemented!() }

    /// Takes in the reply to the last request.
    pub fn handle_reply(&mut self, _repo: &mut Repo, _reply: &Message, _cx: &mut Cx<'_>) -> Result<Progress, SyncError> { unimplemented!() }

    /// Says how many bytes the last exchange moved, before its reply is handled.
    pub fn travelled(&mut self, _sent: u64, _received: u64) { unimplemented!() }

    /// Ends a session whose transport failed: tells the observer, once.
    pub fn abandon(&mut self, _error: &dyn std::error::Error, _cx: &mut Cx<'_>) { unimplemented!() }

    /// What the session did so far.
    pub fn result(&self) -> SyncResult { unimplemented!() }
}
