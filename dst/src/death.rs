//! How a peer dies in the midst of what it does: at a write to a table, or just before or after a commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// What a failure at a [`Mine`] says.
pub const TRIPPED: &str = "the peer died";

/// Where in a transaction a peer dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mine {
    /// The table.
    pub table: &'static str,
    /// What is done to a row of it.
    pub change: &'static str,
}

/// One place in every transaction that a half-round or a user has: what is stored, how, what is linked, what counts as
/// sent, what is settled about clusters, what was asked for in vain, who may do what, rows of tables.
pub const MINES: [Mine; 16] = [
    Mine { table: "blob", change: "INSERT" },
    Mine { table: "blob", change: "UPDATE" },
    Mine { table: "delta", change: "INSERT" },
    Mine { table: "private", change: "INSERT" },
    Mine { table: "shun", change: "INSERT" },
    Mine { table: "mlink", change: "INSERT" },
    Mine { table: "user", change: "UPDATE" },
    Mine { table: "fx_x_notes", change: "INSERT" },
    Mine { table: "fx_x_claims", change: "INSERT" },
    Mine { table: "event", change: "INSERT" },
    Mine { table: "unsent", change: "DELETE" },
    Mine { table: "unclustered", change: "DELETE" },
    Mine { table: "unversioned", change: "INSERT" },
    Mine { table: "config", change: "INSERT" },
    Mine { table: "tagxref", change: "INSERT" },
    Mine { table: "fx_frond_missed", change: "INSERT" },
];

/// Further places, of which two more are drawn each time: one alone is seldom come by.
pub const MORE_MINES: [Mine; 14] = [
    Mine { table: "blob", change: "INSERT" },
    Mine { table: "delta", change: "DELETE" },
    Mine { table: "phantom", change: "INSERT" },
    Mine { table: "phantom", change: "DELETE" },
    Mine { table: "plink", change: "INSERT" },
    Mine { table: "leaf", change: "INSERT" },
    Mine { table: "unsent", change: "INSERT" },
    Mine { table: "unclustered", change: "INSERT" },
    Mine { table: "unversioned", change: "UPDATE" },
    Mine { table: "private", change: "DELETE" },
    Mine { table: "config", change: "UPDATE" },
    Mine { table: "config", change: "DELETE" },
    Mine { table: "fx_x_notes", change: "UPDATE" },
    Mine { table: "fx_x_claims", change: "UPDATE" },
];

/// How many are laid at a time.
pub const MOST_MINES: usize = 3;

/// Which side of a commit a peer dies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// All of the transaction is lost.
    Before,
    /// Nothing that follows from it is done or said.
    After,
}

/// A commit at which a peer dies.
#[derive(Debug, Clone)]
pub struct Trap {
    /// Which one, from 1 on.
    commit: u32,
    side: Side,
    state: Arc<State>,
}

/// What the database and the simulator both know of it.
#[derive(Debug, Default)]
struct State {
    commits: AtomicU32,
    is_sprung: AtomicBool,
}

impl Trap {
    /// One at this commit, from 1 on.
    pub fn new(commit: u32, side: Side) -> Self {
        Self { commit, side, state: Arc::default() }
    }

    /// None at all: commits are counted, and nothing more.
    pub fn nowhere() -> Self {
        Self::new(u32::MAX, Side::After)
    }

    /// Whether the next commit may be. None is after the peer died.
    pub fn may_commit(&self) -> bool {
        let commit = self.commits() + 1;
        let may = commit < self.commit || (commit == self.commit && self.side == Side::After);
        if may {
            self.state.commits.store(commit, Ordering::Relaxed);
        }
        if commit >= self.commit {
            self.state.is_sprung.store(true, Ordering::Relaxed);
        }
        may
    }

    /// How many commits there were.
    pub fn commits(&self) -> u32 {
        self.state.commits.load(Ordering::Relaxed)
    }

    /// What it is called where deaths are counted.
    pub fn name(&self) -> &'static str {
        match self.side {
            Side::Before => "died before a commit",
            Side::After => "died after a commit",
        }
    }

    /// Whether the peer died.
    pub fn is_sprung(&self) -> bool {
        self.state.is_sprung.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_committed_from_the_death_of_a_peer_on() {
        for (commit, side, expected) in [
            (1, Side::Before, [false, false, false]),
            (1, Side::After, [true, false, false]),
            (2, Side::Before, [true, false, false]),
            (2, Side::After, [true, true, false]),
            (9, Side::Before, [true, true, true]),
        ] {
            let trap = Trap::new(commit, side);
            assert_eq!([(); 3].map(|()| trap.may_commit()), expected, "{commit} {side:?}");
            assert_eq!(trap.is_sprung(), commit < 9, "{commit} {side:?}");
        }
    }
}
