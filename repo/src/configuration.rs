//! Settings, users and the like on their way from file to file (reference: wire.md section 11).
//!
//! What travels is a list: project code, server code, passwords of other servers and whatever else is of one
//! machine stays where it is. A record says when its row changed last; the later one of two stays.

mod authority;
mod export;
mod group;
mod merge;
mod record;

use xfer::card::Config;

use self::record::{Kind, Record};
use crate::{RepoError, Snapshot, Tx, crosslink};

pub use self::authority::Authority;
pub use self::export::export;
pub use self::group::{Group, Groups};

/// What may be taken in.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Of which groups.
    pub groups: Groups,
    /// On whose behalf.
    pub authority: Authority,
    /// Over what is here.
    pub precedence: Precedence,
}

/// Which of two rows stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precedence {
    /// The one that changed later. A row of ours that does not say when it changed stays, as in stock.
    Later,
    /// The one that is brought.
    Theirs,
}

/// What came of records that were brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Taken {
    /// How many are new here or changed something.
    pub changed: u64,
    /// Users that the bringer has no right to make so.
    pub denied: Vec<String>,
    /// Settings that can not be used.
    pub unusable: Vec<String>,
}

/// Whether [`take`] would change anything.
pub fn brings_news(snap: &Snapshot<'_>, configs: &[&Config], policy: &Policy) -> Result<bool, RepoError> {
    for record in records(configs, policy.groups) {
        if merge::is_news(snap, &record, policy.precedence)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes records in. What is no record, of another group, or not to travel is passed over without a word, as in
/// stock. A change of what tickets look like makes them anew.
pub fn take(tx: &Tx<'_>, configs: &[&Config], policy: &Policy) -> Result<Taken, RepoError> {
    let mut taken = Taken::default();
    let mut tickets = Tickets::Stay;
    for record in records(configs, policy.groups) {
        if !merge::is_news(tx, &record, policy.precedence)? {
            continue;
        }
        let name = || String::from_utf8_lossy(&record.key).into_owned();
        if !policy.authority.covers(tx, &record)? {
            taken.denied.push(name());
            continue;
        }
        if !merge::is_usable(&record)? {
            taken.unusable.push(name());
            continue;
        }
        merge::store(tx, &record)?;
        taken.changed += 1;
        if merge::changes_tickets(&record) {
            tickets = Tickets::Change;
        }
    }
    if tickets == Tickets::Change {
        crosslink::remake_tickets(tx)?;
    }
    Ok(taken)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tickets {
    Stay,
    Change,
}

fn records<'a>(configs: &'a [&Config], groups: Groups) -> impl Iterator<Item = Record> + 'a {
    let read = |config: &&Config| Record::parse(&config.name, &config.record);
    configs.iter().filter_map(read).filter(move |record| record.groups().meets(groups))
}

#[cfg(test)]
mod tests;
