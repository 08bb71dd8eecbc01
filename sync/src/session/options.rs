//! What a session is asked to do, and what it did.

use std::collections::BTreeMap;

use repo::configuration::Group;
use xfer::{ArtifactId, SqlName};

use super::{CheckinLock, CheckinLockFailure, Preview};
use crate::RoundStats;
use crate::tables::TableStats;

/// What a session is to do.
#[derive(Clone, Default)]
pub struct SyncOptions {
    /// Get what the peer has.
    pub pull: bool,
    /// Give the peer what it lacks.
    pub push: bool,
    /// The project there is to be: a repository of another one is an error. None: whatever the repository holds.
    pub project_code: Option<String>,
    /// What this side calls itself. None: the server code of the repository.
    pub server_code: Option<String>,
    /// What this side is called in the records of observers.
    pub peer_id: Option<String>,
    /// Bytes of artifacts in one request at most; one artifact may exceed it. 0: [`crate::Limits::send_bytes`].
    pub max_send: u64,
    /// Get this group of the peer's configuration, where it is newer. A clone gets all of it in any case.
    pub config_pull: Option<Group>,
    /// Give the peer this group of the configuration. The user needs the capability `a` or `s`.
    pub config_push: Option<Group>,
    /// Login name; none, empty or `anonymous`: no login.
    pub user: Option<String>,
    /// Its password. Without one there is no login.
    pub password: Option<String>,
    /// Exchange unversioned files too: the same way as artifacts; both ways if these go none.
    pub unversioned: bool,
    /// Change nothing on either side: only tell what would move, in [`SyncResult::preview`].
    pub dry_run: bool,
    /// Exchange private artifacts too. The user needs the capability `x`.
    pub private: bool,
    /// Have both sides announce everything, not only what no cluster lists (`--verily`).
    pub verily: bool,
    /// Before a commit: ask the peer for the lock on its parent. The answer is in [`SyncResult::lock_failure`].
    pub ci_lock: Option<CheckinLock>,
    /// After a commit and with its push, or after it was given up: the checkout whose locks the peer is to take
    /// away. Has no effect beside `ci_lock`.
    pub ci_unlock: Option<String>,
    /// Where this repository is served itself, for the peer to tell others. Sent if it is http or https, without
    /// user and password, and does not name this machine as itself.
    pub client_url: Option<String>,
    /// Ask where else the project is to be found, and keep the answer as stock does, in config `link:URL`.
    pub links: bool,
    /// Keep synced tables in step too. A peer that does not know them is asked in vain, and that is all.
    pub tables: bool,
}

impl SyncOptions {
    /// What a session that is no clone is called: `sync`, `pull`, `push`, `uv sync` or `configuration`.
    pub fn operation(&self) -> &'static str {
        match (self.pull, self.push) {
            (false, false) if self.unversioned => "uv sync",
            (false, false) => "configuration",
            (false, true) => "push",
            (true, false) => "pull",
            (true, true) => "sync",
        }
    }

    /// Whether artifacts go either way.
    pub(super) fn has_direction(&self) -> bool {
        self.pull || self.push
    }
}

impl std::fmt::Debug for SyncOptions {
    /// Shows that there is a password, not which.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SyncOptions")
            .field("pull", &self.pull)
            .field("push", &self.push)
            .field("config_pull", &self.config_pull)
            .field("config_push", &self.config_push)
            .field("dry_run", &self.dry_run)
            .field("project_code", &self.project_code)
            .field("server_code", &self.server_code)
            .field("peer_id", &self.peer_id)
            .field("max_send", &self.max_send)
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| ".."))
            .field("unversioned", &self.unversioned)
            .field("private", &self.private)
            .field("verily", &self.verily)
            .field("ci_lock", &self.ci_lock)
            .field("ci_unlock", &self.ci_unlock)
            .field("client_url", &self.client_url)
            .field("links", &self.links)
            .field("tables", &self.tables)
            .finish()
    }
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
    /// What the peer said (`message` cards, and refusals that did not end the session).
    pub messages: Vec<String>,
    /// Whether a clone went on from where an earlier one stopped.
    pub resumed: bool,
    /// Artifacts that this repository knows of and the peer does not send. They stay phantoms.
    pub unavailable: u64,
    /// One of them.
    pub first_unavailable: Option<ArtifactId>,
    /// Who holds the lock that was asked for. None: it is ours, or the peer gives no locks.
    pub lock_failure: Option<CheckinLockFailure>,
    /// Whether the peer wants no delta manifests, said where a lock was asked for.
    pub avoid_delta_manifests: bool,
    /// Rows moved, of each synced table that was compared.
    pub tables: BTreeMap<SqlName, TableStats>,
    /// Records of configuration that the peer sent, new or not. None for what the user may not have.
    pub config_offered: u64,
    /// Settings of the peer that can not be used here, and were not taken.
    pub unusable_settings: Vec<String>,
    /// Rows of synced tables that one side sent and the other refused; `messages` says why.
    pub refused_rows: u64,
    /// What would have moved, if that was all that was asked.
    pub preview: Option<Preview>,
}
