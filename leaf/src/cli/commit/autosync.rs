//! Checking in together with others: pull, lock, check in where that is no fork, push, unlock.

use clap::Args;
use repo::Repo;
use sync::client::ClientError;
use sync::{CheckinLock, CheckinLockFailure, SyncError, SyncOptions, SyncResult, short};
use xfer::ArtifactId;

use super::ATTEMPTS;
use crate::chance;
use crate::exit::{Code, Failure};
use crate::network::{self, Network};
use crate::output::Output;

/// Whether a check-in is made together with others, and how.
#[derive(Debug, Args)]
pub(crate) struct Together {
    /// Pull first, from the server that the repository remembers, and push afterwards; meanwhile others are told that somebody
    /// is about to check in
    #[arg(long, conflicts_with_all = ["private", "dry_run"])]
    autosync: bool,
    /// Check in although somebody else is about to do so at the same place
    #[arg(long, requires = "autosync")]
    override_lock: bool,
    #[command(flatten)]
    network: Network,
}

/// A check-in that is made together with others.
pub(super) struct Autosync<'a> {
    together: &'a Together,
    output: &'a Output,
    /// Names us in locks: nobody else has it.
    client: String,
}

/// What a session is for.
#[derive(Clone, Copy)]
enum Aim {
    /// Get what there is, and the lock of what is to be built on, if that is known.
    Pull(Option<ArtifactId>),
    Push,
    /// Give up the lock, and nothing else.
    GiveUp,
}

impl Together {
    /// None if nobody else is to hear of it.
    pub(super) fn begin<'a>(&'a self, output: &'a Output) -> Result<Option<Autosync<'a>>, Failure> {
        if !self.autosync {
            return Ok(None);
        }
        Ok(Some(Autosync { together: self, output, client: chance::code()? }))
    }
}

impl Autosync<'_> {
    /// Pulls until what is to be built on is locked for us, as `parent` chooses it of what is here. It may fail while
    /// not everything is here.
    pub(super) fn pull(
        &self,
        repo: &mut Repo,
        parent: impl Fn(&mut Repo) -> Result<Option<ArtifactId>, Failure>,
    ) -> Result<(), Failure> {
        let mut wanted = parent(repo).ok().flatten();
        for _ in 0..ATTEMPTS {
            let result = self.exchange(repo, Aim::Pull(wanted))?;
            let now = parent(repo).inspect_err(|_| self.give_up(repo))?;
            match (now == wanted, result.lock_failure) {
                (true, Some(failure)) if !self.together.override_lock => {
                    return Err(held(wanted.as_ref(), &failure));
                }
                (true, _) => return Ok(()),
                (false, _) => wanted = now,
            }
        }
        self.give_up(repo);
        Err(Failure::new(Code::Locked, "others keep checking in at the same place", "try again"))
    }

    /// Gives the check-in to the server, and the lock up.
    pub(super) fn push(&self, repo: &mut Repo) -> Result<(), Failure> {
        self.exchange(repo, Aim::Push).map(drop).map_err(|failure| {
            let what = format!("the check-in was made, and is not on the server: {}", failure.what);
            Failure::new(Code::Partial, what, format!("{}; then `frond push`", failure.hint))
        })
    }

    /// Gives the lock up. If that fails, it ends by itself.
    pub(super) fn give_up(&self, repo: &mut Repo) {
        if let Err(failure) = self.exchange(repo, Aim::GiveUp) {
            tracing::debug!("a lock was not given up: {}", short(&failure.what));
        }
    }

    fn exchange(&self, repo: &mut Repo, aim: Aim) -> Result<SyncResult, Failure> {
        let client = || self.client.clone();
        let (pull, push, ci_lock, ci_unlock) = match aim {
            Aim::Pull(parent) => {
                (true, false, parent.map(|parent| CheckinLock { parent, client: client() }), None)
            }
            Aim::Push => (false, true, None, Some(client())),
            Aim::GiveUp => (true, false, None, Some(client())),
        };
        let options = SyncOptions { pull, push, ci_lock, ci_unlock, ..SyncOptions::default() };
        let (_, outcome) = network::session(&self.together.network, None, repo, options, self.output)?;
        match outcome {
            // Files that are not pushed are no part of this.
            Err(ClientError::Sync(SyncError::UnversionedRefused { result, .. })) => Ok(*result),
            outcome => Ok(outcome?),
        }
    }
}

/// Somebody else holds the lock.
fn held(parent: Option<&ArtifactId>, failure: &CheckinLockFailure) -> Failure {
    let who = if failure.held_by.is_empty() { "somebody" } else { &failure.held_by };
    let place = parent.map_or_else(String::new, |parent| format!(" onto {}", parent.short()));
    let since = jiff::Timestamp::from_second(failure.since.seconds());
    let since = since.map(|since| format!(", since {since}")).unwrap_or_default();
    let hint = "wait until it is done and try again, or give --override-lock";
    Failure::new(Code::Locked, format!("{who} is about to check in{place}{since}"), hint)
}
