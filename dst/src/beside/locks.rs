//! Check-in locks, as a repository holds them.

use std::collections::{BTreeMap, BTreeSet};

use repo::{RepoError, Snapshot, UnixTime};

/// Locks, and what ends them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Locks {
    /// By the name of the check-in.
    pub held: BTreeMap<String, Lock>,
    /// Check-ins that have a successor on their branch.
    pub succeeded: BTreeSet<String>,
    /// Seconds that a lock holds.
    pub timeout: i64,
}

/// A lock, ended or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Who logged in; none without a login.
    pub login: Option<String>,
    /// The checkout.
    pub client: String,
    /// Seconds since 1970.
    pub since: i64,
}

const LOCKS: &str =
    "SELECT substr(name, 9), json_extract(value, '$.login'), json_extract(value, '$.clientid'), mtime
  FROM config WHERE name GLOB 'ci-lock-*'";

const SUCCEEDED: &str = "WITH branch(rid, name) AS (SELECT rid, value FROM tagxref WHERE tagid=8)
  SELECT DISTINCT uuid FROM plink JOIN blob ON blob.rid=pid
  LEFT JOIN branch AS ours ON ours.rid=pid LEFT JOIN branch AS theirs ON theirs.rid=cid
  WHERE coalesce(ours.name, 'trunk')=coalesce(theirs.name, 'trunk')";

impl Locks {
    /// The lock on a check-in, if it holds at this time.
    pub fn on(&self, checkin: &str, time: UnixTime) -> Option<&Lock> {
        let lock = self.held.get(checkin)?;
        let age = (time.seconds() - lock.since).abs();
        (age < self.timeout && !self.succeeded.contains(checkin)).then_some(lock)
    }
}

/// Reads all locks.
pub(super) fn read(snap: &Snapshot<'_>) -> Result<Locks, RepoError> {
    let mut locks = Locks { timeout: 60, ..Locks::default() };
    let mut statement = snap.conn().prepare_cached(LOCKS)?;
    let found = statement.query_map([], |row| {
        let lock = Lock { login: row.get(1)?, client: row.get(2)?, since: row.get(3)? };
        Ok((row.get(0)?, lock))
    })?;
    for lock in found {
        let (checkin, lock): (String, Lock) = lock?;
        locks.held.insert(checkin, lock);
    }
    let mut statement = snap.conn().prepare_cached(SUCCEEDED)?;
    for checkin in statement.query_map([], |row| row.get(0))? {
        locks.succeeded.insert(checkin?);
    }
    let mut statement = snap.conn().prepare_cached("SELECT value FROM config WHERE name='lock-timeout'")?;
    for timeout in statement.query_map([], |row| row.get::<_, String>(0))? {
        locks.timeout = timeout?.parse().unwrap_or(60);
    }
    Ok(locks)
}
