//! Settings and bookkeeping of the file (reference: repo.md section 2.3).

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension as _, params};

use crate::{RepoError, Snapshot, Tx, UnixTime, known};

/// How artifacts may be named: config `hash-policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashPolicy {
    /// New artifacts get SHA-1 names.
    Sha1 = 0,
    /// SHA-1 until the first SHA3 name arrives.
    Auto = 1,
    /// New artifacts get SHA3-256 names.
    Sha3 = 2,
    /// The same, and content known under a SHA-1 name gets a second one.
    Sha3Only = 3,
    /// The same, and artifacts with SHA-1 names are not taken in.
    ShunSha1 = 4,
}

/// The value of a row as text; none if there is no row or its value is NULL.
pub fn get(snap: &Snapshot<'_>, name: &str) -> Result<Option<String>, RepoError> {
    let mut statement = snap.conn().prepare_cached("SELECT value FROM config WHERE name=?1")?;
    let value = statement.query_row([name], |row| {
        Ok(match row.get_ref(0)? {
            ValueRef::Null => None,
            ValueRef::Integer(number) => Some(number.to_string()),
            ValueRef::Real(number) => Some(number.to_string()),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                Some(String::from_utf8_lossy(bytes).into_owned())
            }
        })
    });
    Ok(value.optional()?.flatten())
}

/// The value of a setting that is on or off, in the words that stock takes; none if there is no such word.
pub fn switch(snap: &Snapshot<'_>, name: &str) -> Result<Option<bool>, RepoError> {
    let value = get(snap, name)?.map(|value| value.to_ascii_lowercase());
    Ok(match value.as_deref() {
        Some("1" | "on" | "yes" | "true") => Some(true),
        Some("0" | "off" | "no" | "false") => Some(false),
        _ => None,
    })
}

/// Sets a row.
pub fn set(tx: &Tx<'_>, name: &str, value: &str, now: UnixTime) -> Result<(), RepoError> {
    let mut statement = tx.prepared("REPLACE INTO config(name, value, mtime) VALUES(?1, ?2, ?3)")?;
    statement.execute(params![name, value, now.seconds()])?;
    known::forget(tx);
    Ok(())
}

/// Removes a row.
pub fn unset(tx: &Tx<'_>, name: &str) -> Result<(), RepoError> {
    tx.prepared("DELETE FROM config WHERE name=?1")?.execute([name])?;
    known::forget(tx);
    Ok(())
}

/// The code that all clones of a project share; none if it is not known yet.
pub fn project_code(snap: &Snapshot<'_>) -> Result<Option<String>, RepoError> {
    get(snap, "project-code")
}

/// The code of this file alone.
pub fn server_code(snap: &Snapshot<'_>) -> Result<Option<String>, RepoError> {
    get(snap, "server-code")
}

/// How artifacts may be named. A file that does not say gets what its artifacts suggest, as in stock.
pub fn hash_policy(snap: &Snapshot<'_>) -> Result<HashPolicy, RepoError> {
    let find = || {
        Ok(get(snap, "hash-policy")?.map(|policy| match policy.as_str() {
            "0" => HashPolicy::Sha1,
            "1" => HashPolicy::Auto,
            "3" => HashPolicy::Sha3Only,
            "4" => HashPolicy::ShunSha1,
            _ => HashPolicy::Sha3,
        }))
    };
    match known::ask(snap, |known| &mut known.hash_policy, find)? {
        Some(policy) => Ok(policy),
        None => suggested_policy(snap),
    }
}

/// Changes [`hash_policy`].
pub fn set_hash_policy(tx: &Tx<'_>, policy: HashPolicy, now: UnixTime) -> Result<(), RepoError> {
    set(tx, "hash-policy", &(policy as u8).to_string(), now)
}

fn suggested_policy(snap: &Snapshot<'_>) -> Result<HashPolicy, RepoError> {
    let exists = |length: i64| -> Result<bool, RepoError> {
        let mut statement = snap.conn().prepare_cached("SELECT 1 FROM blob WHERE length(uuid)=?1 LIMIT 1")?;
        Ok(statement.exists([length])?)
    };
    if let Some(known) = snap.memory().borrow().known.suggested_policy {
        return Ok(known);
    }
    let found = match (exists(64)?, exists(40)?) {
        (true, _) => Some(HashPolicy::Sha3),
        (false, true) => Some(HashPolicy::Auto),
        // The first artifact decides.
        (false, false) => None,
    };
    snap.memory().borrow_mut().known.suggested_policy = found;
    Ok(found.unwrap_or(HashPolicy::Sha3))
}
