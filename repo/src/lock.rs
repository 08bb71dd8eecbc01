//! Check-in locks: who is about to commit onto a check-in (reference: wire.md section 5.6).
//!
//! A lock is a row of `config` in stock's form, so that stock and Frond see each other's. It warns, it does not
//! prevent: it ends by itself after a while, and as soon as its check-in has a successor on its branch.
//! How long that is, in seconds, the setting `lock-timeout` (a row of `config`) says; 60 without it.

use rusqlite::params;
use xfer::ArtifactId;

use crate::crosslink::leaf;
use crate::{Presence, RepoError, Snapshot, Tx, UnixTime, blob, config};

/// How long a lock holds where the setting `lock-timeout` says nothing, in seconds.
const DEFAULT_TIMEOUT: i64 = 60;

/// A claim on a check-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The check-in that is about to get a child.
    pub checkin: ArtifactId,
    /// User who asked; none without a login.
    pub login: Option<String>,
    /// The checkout that asked.
    pub client: String,
    /// When.
    pub since: UnixTime,
}

/// The lock on `checkin`, if one holds now.
pub fn on(snap: &Snapshot<'_>, checkin: &ArtifactId, now: UnixTime) -> Result<Option<Lock>, RepoError> {
    let timeout = timeout(snap)?;
    for lock in all(snap)? {
        if lock.checkin == *checkin && holds(snap, &lock, timeout, now)? {
            return Ok(Some(lock));
        }
    }
    Ok(None)
}

/// Whether a checkout holds any lock.
pub fn is_held_by(snap: &Snapshot<'_>, client: &str) -> Result<bool, RepoError> {
    Ok(all(snap)?.iter().any(|lock| lock.client == client))
}

/// Whether [`acquire`] would make the lock: none holds on its check-in, and this one would not end at once,
/// as it does where a successor is there already.
pub fn is_free(snap: &Snapshot<'_>, lock: &Lock) -> Result<bool, RepoError> {
    Ok(on(snap, &lock.checkin, lock.since)?.is_none() && holds(snap, lock, timeout(snap)?, lock.since)?)
}

/// Locks a check-in if it [`is_free`]. Locks that ended are taken away.
pub fn acquire(tx: &Tx<'_>, lock: &Lock) -> Result<(), RepoError> {
    let timeout = timeout(tx)?;
    for other in all(tx)? {
        if !holds(tx, &other, timeout, lock.since)? {
            config::unset(tx, &key(&other.checkin))?;
        }
    }
    if !is_free(tx, lock)? {
        return Ok(());
    }
    tx.prepared(
        "REPLACE INTO config(name, value, mtime)
             VALUES(?1, json_object('login', ?2, 'clientid', ?3), ?4)",
    )?
    .execute(params![key(&lock.checkin), lock.login, lock.client, lock.since.seconds()])?;
    Ok(())
}

/// Gives up every lock of a checkout.
pub fn release(tx: &Tx<'_>, client: &str) -> Result<(), RepoError> {
    for lock in all(tx)? {
        if lock.client == client {
            config::unset(tx, &key(&lock.checkin))?;
        }
    }
    Ok(())
}

/// Every lock, ended ones too. Rows that are no locks are passed over.
fn all(snap: &Snapshot<'_>) -> Result<Vec<Lock>, RepoError> {
    let mut statement = snap.conn().prepare_cached(
        "SELECT substr(name, 9), CAST(json_extract(value, '$.login') AS TEXT),
                CAST(json_extract(value, '$.clientid') AS TEXT), CAST(mtime AS INTEGER)
         FROM config WHERE name>='ci-lock-' AND name<'ci-lock.'
         AND typeof(value)='text' AND json_valid(value) ORDER BY name",
    )?;
    let mut rows = statement.query([])?;
    let mut locks = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, client): (String, Option<String>) = (row.get(0)?, row.get(2)?);
        let (Ok(checkin), Some(client)) = (ArtifactId::from_hex(name.as_bytes()), client) else { continue };
        let since = UnixTime::from_seconds(row.get::<_, Option<i64>>(3)?.unwrap_or(0));
        locks.push(Lock { checkin, login: row.get(1)?, client, since });
    }
    Ok(locks)
}

/// A lock from the future is as old as it is ahead: no clock can make one that never ends.
fn holds(snap: &Snapshot<'_>, lock: &Lock, timeout: i64, now: UnixTime) -> Result<bool, RepoError> {
    let age = now.seconds().saturating_sub(lock.since.seconds()).saturating_abs();
    if age >= timeout {
        return Ok(false);
    }
    match blob::presence(snap, &lock.checkin)? {
        Presence::Unknown => Ok(true),
        Presence::Phantom(rid) | Presence::Dangling(rid) | Presence::Held(rid) => {
            Ok(!leaf::has_successor(snap, rid)?)
        }
    }
}

fn timeout(snap: &Snapshot<'_>) -> Result<i64, RepoError> {
    let value = config::get(snap, "lock-timeout")?;
    Ok(value.and_then(|value| value.trim().parse().ok()).unwrap_or(DEFAULT_TIMEOUT))
}

fn key(checkin: &ArtifactId) -> String {
    format!("ci-lock-{checkin}")
}

#[cfg(test)]
mod tests {
    use xfer::hash::sha3_256;

    use super::*;
    use crate::Repo;
    use crate::testing::{NOW, hold, repo};

    fn lock(name: &str, client: &str, seconds: i64) -> Lock {
        Lock {
            checkin: sha3_256(name.as_bytes()),
            login: Some("bob".to_owned()),
            client: client.repeat(40),
            since: later(seconds),
        }
    }

    fn later(seconds: i64) -> UnixTime {
        UnixTime::from_seconds(NOW.seconds() + seconds)
    }

    fn acquired(repo: &mut Repo, lock: &Lock) {
        let tx = repo.begin().unwrap();
        acquire(&tx, lock).unwrap();
        tx.commit().unwrap();
    }

    /// Who holds the lock on `name`, so many seconds later.
    fn holder(repo: &mut Repo, name: &str, seconds: i64) -> Option<String> {
        let held = on(&repo.snapshot().unwrap(), &sha3_256(name.as_bytes()), later(seconds)).unwrap();
        held.map(|lock| lock.client[..1].to_owned())
    }

    fn rows(repo: &mut Repo) -> i64 {
        crate::testing::number(
            &repo.begin().unwrap(),
            "SELECT count(*) FROM config WHERE name GLOB 'ci-lock-*'",
        )
    }

    #[test]
    fn the_first_to_ask_holds_the_lock_for_a_minute() {
        let mut repo = repo();
        acquired(&mut repo, &lock("A", "1", 0));
        acquired(&mut repo, &lock("A", "2", 30));
        assert_eq!(holder(&mut repo, "A", 59).as_deref(), Some("1"));
        assert_eq!(holder(&mut repo, "A", 60), None);
        assert_eq!(holder(&mut repo, "B", 0), None);
        acquired(&mut repo, &lock("A", "2", 60));
        assert_eq!(holder(&mut repo, "A", 60).as_deref(), Some("2"));
    }

    #[test]
    fn to_ask_again_does_not_renew() {
        let mut repo = repo();
        acquired(&mut repo, &lock("A", "1", 0));
        acquired(&mut repo, &lock("A", "1", 59));
        assert_eq!(holder(&mut repo, "A", 60), None);
    }

    #[test]
    fn the_setting_says_how_long_a_lock_holds() {
        for (setting, at, held) in
            [("10", 9, true), ("10", 10, false), ("0", 0, false), ("-5", 0, false), ("soon", 59, true)]
        {
            let mut repo = repo();
            acquired(&mut repo, &lock("A", "1", 0));
            let tx = repo.begin().unwrap();
            config::set(&tx, "lock-timeout", setting, NOW).unwrap();
            tx.commit().unwrap();
            assert_eq!(holder(&mut repo, "A", at).is_some(), held, "{setting} after {at}");
        }
    }

    #[test]
    fn a_lock_from_the_future_ends_too() {
        let mut repo = repo();
        acquired(&mut repo, &lock("A", "1", 3600));
        assert_eq!(holder(&mut repo, "A", 0), None);
    }

    #[test]
    fn a_lock_ends_when_the_check_in_has_a_successor_on_its_branch() {
        let mut repo = repo();
        let (parent, child) = (hold(&mut repo, b"A"), hold(&mut repo, b"B"));
        let grow = |repo: &mut Repo| {
            let tx = repo.begin().unwrap();
            let sql = "INSERT INTO plink(pid, cid, isprim, mtime) VALUES(?1, ?2, 1, 0)";
            tx.conn().execute(sql, [parent, child]).unwrap();
            tx.commit().unwrap();
        };
        acquired(&mut repo, &lock("A", "1", 0));
        assert_eq!(holder(&mut repo, "A", 0).as_deref(), Some("1"));
        grow(&mut repo);
        assert_eq!(holder(&mut repo, "A", 0), None);
        acquired(&mut repo, &lock("A", "2", 0));
        assert_eq!(rows(&mut repo), 0, "the ended one is gone, and no other was made");
    }

    #[test]
    fn a_checkout_gives_up_all_its_locks_and_no_other() {
        let mut repo = repo();
        for (name, client) in [("A", "1"), ("B", "1"), ("C", "2")] {
            acquired(&mut repo, &lock(name, client, 0));
        }
        let tx = repo.begin().unwrap();
        assert!(is_held_by(&tx, &"1".repeat(40)).unwrap());
        release(&tx, &"1".repeat(40)).unwrap();
        assert!(!is_held_by(&tx, &"1".repeat(40)).unwrap());
        tx.commit().unwrap();
        assert_eq!(holder(&mut repo, "C", 0).as_deref(), Some("2"));
        assert_eq!(rows(&mut repo), 1);
    }

    #[test]
    fn the_row_is_stocks() {
        let mut repo = repo();
        acquired(&mut repo, &lock("A", "1", 0));
        acquired(&mut repo, &Lock { login: None, ..lock("B", "2", 0) });
        let snap = repo.snapshot().unwrap();
        let row = |name: &str| {
            let name = format!("ci-lock-{}", sha3_256(name.as_bytes()));
            config::get(&snap, &name).unwrap().unwrap()
        };
        let client = |digit: &str| digit.repeat(40);
        assert_eq!(row("A"), format!(r#"{{"login":"bob","clientid":"{}"}}"#, client("1")));
        assert_eq!(row("B"), format!(r#"{{"login":null,"clientid":"{}"}}"#, client("2")));
    }

    #[test]
    fn rows_that_are_no_locks_are_passed_over() {
        let mut repo = repo();
        let tx = repo.begin().unwrap();
        let name = sha3_256(b"A").to_string();
        for (name, value) in [
            (format!("ci-lock-{name}"), "no json"),
            ("ci-lock-short".to_owned(), r#"{"login":"bob","clientid":"x"}"#),
            (format!("ci-lock-{}", "0".repeat(40)), r#"{"login":"bob"}"#),
        ] {
            config::set(&tx, &name, value, NOW).unwrap();
        }
        tx.conn()
            .execute("INSERT INTO config VALUES('ci-lock-' || lower(hex(x'ab')), x'7b7d', NULL)", [])
            .unwrap();
        assert_eq!(all(&tx).unwrap(), []);
    }
}
