//! Synced tables: two peers find the rows in which they differ, and exchange those.
//!
//! ```text
//!  client                                        server
//!  x-tables 1, a hash for each table ---------->
//!                <---------- x-tables 1; for each table that differs: schema, digests of its sixteen parts
//!  of each part that differs: the digests of its parts ---->
//!                <---------- the same; of a part of few rows: the list of them (xtable-list, xigot)
//!  ...
//!  the list of a part ------------------------->
//!                <---------- rows that are newer here (xrow, xdelete), xgimme for those that are older
//!  those rows --------------------------------->
//! ```
//!
//! Each step down divides a part by sixteen, two of them are a round, so 100,000 rows take four rounds. A peer that
//! has nothing of a part is sent all of it at once. The server remembers nothing: what finds no room in its reply it
//! names again by its digest, and the client comes back for it.
//!
//! Only `x-tables` and the hashes go to a peer that has not said `x-tables` itself: pragmas, which stock ignores.

mod client;
mod exchange;
mod heard;
mod intake;
mod server;
#[cfg(test)]
mod tests;

use repo::{Repo, RepoError, UnixTime, table};

pub use self::client::TableStats;
pub(crate) use self::client::{Brought, TableSync};
pub(crate) use self::heard::Heard;
pub(crate) use self::intake::{Intake, take_in};
pub(crate) use self::server::{Compared, offer, reply};

/// Version of the cards, as `x-tables` says it.
const VERSION: u32 = 1;

/// Which way rows may go, seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flow {
    /// To the peer.
    pub(crate) gives: bool,
    /// From the peer.
    pub(crate) takes: bool,
}

/// Forgets tombstones past the horizon, so that two peers do not differ in them for ever. A file that can not be
/// written now does without.
pub(crate) fn expire(repo: &mut Repo, now: UnixTime) -> Result<(), RepoError> {
    let snap = repo.snapshot()?;
    let mut due = Vec::new();
    for table in table::all(&snap)? {
        if table::are_tombstones_due(&snap, &table, now)? {
            due.push(table);
        }
    }
    drop(snap);
    if due.is_empty() {
        return Ok(());
    }
    match forget(repo, &due, now) {
        Err(error) if !error.is_read_only() => Err(error),
        _ => Ok(()),
    }
}

fn forget(repo: &mut Repo, due: &[table::SyncedTable], now: UnixTime) -> Result<(), RepoError> {
    let tx = repo.begin()?;
    for table in due {
        // A table that is gone meanwhile has no tombstones.
        if let Ok(writer) = table::Writer::open(&tx, &table.name, now) {
            writer.finish()?;
        }
    }
    tx.commit()
}
