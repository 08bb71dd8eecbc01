//! Names and rids of artifacts.

mod find;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension as _, ToSql};
use xfer::ArtifactId;
use xfer::card::Privacy;

pub use self::find::rids_of;
use crate::{RepoError, Snapshot, Tx, dangling, known, shun};

/// Row id of an artifact in this file. Local: never sent, never kept elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rid(pub i64);

/// What the file knows of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Never heard of.
    Unknown,
    /// Its name is known, its content is not.
    Phantom(Rid),
    /// Stored as a delta whose source chain ends in a phantom: not verified, never offered, never sent.
    Dangling(Rid),
    /// Stored and verified.
    Held(Rid),
}

/// `blob.size` of a phantom.
pub(crate) const PHANTOM_SIZE: i64 = -1;

/// Looks an artifact up by name.
pub fn presence(snap: &Snapshot<'_>, id: &ArtifactId) -> Result<Presence, RepoError> {
    if let Some(rid) = snap.memory().borrow().unsettled.awaited(id) {
        return Ok(Presence::Phantom(rid));
    }
    let mut statement = snap.conn().prepare_cached("SELECT rid, size FROM blob WHERE uuid=?1")?;
    let row =
        statement.query_row([Hex::of(id)], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?))).optional()?;
    let Some((rid, size)) = row else {
        return Ok(Presence::Unknown);
    };
    if size < 0 {
        return Ok(Presence::Phantom(rid));
    }
    let waits = dangling::with(snap, |dangling| dangling.contains(rid))?;
    Ok(if waits { Presence::Dangling(rid) } else { Presence::Held(rid) })
}

/// The rid of a name, be it a phantom or held.
pub fn rid(snap: &Snapshot<'_>, id: &ArtifactId) -> Result<Option<Rid>, RepoError> {
    {
        let memory = snap.memory().borrow();
        if let Some(rid) = memory.names.get(id).or_else(|| memory.unsettled.awaited(id)) {
            return Ok(Some(rid));
        }
    }
    let mut statement = snap.conn().prepare_cached("SELECT rid FROM blob WHERE uuid=?1")?;
    let found: Option<Rid> = statement.query_row([Hex::of(id)], |row| row.get(0)).optional()?;
    if let Some(rid) = found {
        snap.memory().borrow_mut().names.note(*id, rid);
    }
    Ok(found)
}

/// Names whose rids one transaction remembers, in each of two halves.
const KEPT_NAMES: usize = 25_000;

#[expect(clippy::disallowed_types, reason = "asked for a name at a time, never gone through in order")]
type Rids = std::collections::HashMap<ArtifactId, Rid>;

/// Rids of the names that one transaction noted last. A name keeps its rid for as long.
#[derive(Default)]
pub(crate) struct Names {
    newer: Rids,
    older: Rids,
}

impl Names {
    fn get(&self, id: &ArtifactId) -> Option<Rid> {
        self.newer.get(id).or_else(|| self.older.get(id)).copied()
    }

    /// Remembers one. If there is no room, those that came first give way.
    pub(crate) fn note(&mut self, id: ArtifactId, rid: Rid) {
        if self.newer.len() >= KEPT_NAMES && !self.newer.contains_key(&id) {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(id, rid);
    }

    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// The rids that a query gives.
pub(crate) fn rids(
    tx: &Tx<'_>,
    sql: &'static str,
    params: impl rusqlite::Params,
) -> Result<Vec<Rid>, RepoError> {
    let mut statement = tx.prepared(sql)?;
    let rows = statement.query_map(params, |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The name of a rid.
pub fn id(snap: &Snapshot<'_>, rid: Rid) -> Result<ArtifactId, RepoError> {
    let mut statement = snap.conn().prepare_cached("SELECT uuid FROM blob WHERE rid=?1")?;
    let name: Option<Name> = statement.query_row([rid], |row| row.get(0)).optional()?;
    Ok(name.ok_or(RepoError::NoContent(rid))?.0)
}

/// The rid of a name, which becomes a phantom if it was unknown. None for a shunned name.
pub fn rid_or_phantom(tx: &Tx<'_>, id: &ArtifactId, privacy: Privacy) -> Result<Option<Rid>, RepoError> {
    match rid(tx, id)? {
        Some(rid) => Ok(Some(rid)),
        None if shun::contains(tx, id)? => Ok(None),
        None => insert_phantom(tx, id, privacy).map(Some),
    }
}

/// Makes a phantom of a name that the file does not know, shunned or not.
pub(crate) fn insert_phantom(tx: &Tx<'_>, id: &ArtifactId, privacy: Privacy) -> Result<Rid, RepoError> {
    let rid = tx.memory().borrow_mut().unsettled.new_rid();
    write_phantom(tx, id, rid, privacy)
}

/// Writes the rows of a phantom. Without a rid it gets the next one.
pub(crate) fn write_phantom(
    tx: &Tx<'_>,
    id: &ArtifactId,
    rid: Option<Rid>,
    privacy: Privacy,
) -> Result<Rid, RepoError> {
    tx.prepared("INSERT INTO blob(rid, rcvid, size, uuid, content) VALUES(?1, 0, ?2, ?3, NULL)")?
        .execute((rid, PHANTOM_SIZE, Hex::of(id)))?;
    let rid = Rid(tx.conn().last_insert_rowid());
    tx.prepared("INSERT OR IGNORE INTO phantom(rid) VALUES(?1)")?.execute([rid])?;
    list(tx, rid, privacy)?;
    Ok(rid)
}

/// Enters a new rid in the table for what is announced, or for what is kept private.
pub(crate) fn list(tx: &Tx<'_>, rid: Rid, privacy: Privacy) -> Result<(), RepoError> {
    let sql = match privacy {
        Privacy::Public => "INSERT OR IGNORE INTO unclustered(rid) VALUES(?1)",
        Privacy::Private => "INSERT OR IGNORE INTO private(rid) VALUES(?1)",
    };
    tx.prepared(sql)?.execute([rid])?;
    if privacy == Privacy::Private {
        known::forget(tx);
    }
    Ok(())
}

/// A name as the database has it: hex digits, without an allocation.
pub(crate) struct Hex {
    digits: [u8; 64],
    length: usize,
}

impl Hex {
    pub(crate) fn of(id: &ArtifactId) -> Self {
        let mut digits = [0; 64];
        let length = 2 * id.as_bytes().len();
        faster_hex::hex_encode(id.as_bytes(), &mut digits[..length]).expect("two digits for every byte");
        Self { digits, length }
    }

    fn digits(&self) -> &[u8] {
        &self.digits[..self.length]
    }
}

impl ToSql for Hex {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.digits())))
    }
}

/// A name read from the database.
pub(crate) struct Name(pub(crate) ArtifactId);

impl FromSql for Name {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let digits = value.as_bytes()?;
        ArtifactId::from_hex(digits).map(Self).map_err(FromSqlError::other)
    }
}

impl ToSql for Rid {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl FromSql for Rid {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use xfer::hash::sha1;

    use super::*;

    #[test]
    fn the_names_noted_last_are_remembered() {
        let id = |number: usize| sha1(&number.to_be_bytes());
        let mut names = Names::default();
        for number in 0..=2 * KEPT_NAMES {
            names.note(id(number), Rid(number as i64));
        }
        assert_eq!(names.get(&id(0)), None);
        for number in [KEPT_NAMES, 2 * KEPT_NAMES] {
            assert_eq!(names.get(&id(number)), Some(Rid(number as i64)));
            names.note(id(number), Rid(number as i64));
        }
        assert_eq!(
            names.newer.len() + names.older.len(),
            KEPT_NAMES + 2,
            "a name noted again pushes nothing out"
        );
        names.forget();
        assert_eq!(names.get(&id(2 * KEPT_NAMES)), None);
    }
}
