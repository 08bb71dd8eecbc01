//! The rows of the table (reference: repo.md section 2.1, wire.md section 10.4).

use rusqlite::types::ValueRef;
use xfer::density::is_dense;

use super::*;
use crate::{Snapshot, schema};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS unversioned(
  uvid INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT UNIQUE,
  rcvid INTEGER,
  mtime DATETIME,
  hash TEXT,
  sz INTEGER,
  encoding INT,
  content BLOB
)";

/// `encoding` of content as it is.
const PLAIN: i64 = 0;
/// `encoding` of content in a container, as in `blob`.
const CONTAINER: i64 = 1;

/// Whether any file was ever here.
pub(super) fn has_table(snap: &Snapshot<'_>) -> Result<bool, RepoError> {
    schema::has_table(snap, "unversioned")
}

/// Columns of an [`Entry`]; the casts because a column of another's table may hold anything.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT CAST(name AS TEXT), CAST(mtime AS INTEGER), hash, CAST(sz AS INTEGER) FROM unversioned ",
            $rest
        )
    };
}

/// Every file and tombstone, by name.
pub fn list(snap: &Snapshot<'_>) -> Result<Vec<Entry>, RepoError> {
    if !has_table(snap)? {
        return Ok(Vec::new());
    }
    let mut statement = snap.conn().prepare_cached(select!("WHERE name NOT NULL ORDER BY name"))?;
    let mut rows = statement.query([])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(entry(row)?);
    }
    Ok(entries)
}

/// The names of the files, without tombstones.
pub(crate) fn names(snap: &Snapshot<'_>) -> Result<Vec<Text>, RepoError> {
    if !has_table(snap)? {
        return Ok(Vec::new());
    }
    let sql =
        "SELECT CAST(name AS TEXT) FROM unversioned WHERE name NOT NULL AND hash NOT NULL ORDER BY name";
    let mut statement = snap.conn().prepare_cached(sql)?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// A file, or its tombstone.
pub fn find(snap: &Snapshot<'_>, name: &str) -> Result<Option<Entry>, RepoError> {
    if !has_table(snap)? {
        return Ok(None);
    }
    let mut statement = snap.conn().prepare_cached(select!("WHERE name=?1"))?;
    let mut rows = statement.query([name])?;
    rows.next()?.map(entry).transpose()
}

fn entry(row: &rusqlite::Row<'_>) -> Result<Entry, RepoError> {
    let name: Text = row.get(0)?;
    let hash = match row.get_ref(2)? {
        ValueRef::Null => None,
        ValueRef::Text(text) | ValueRef::Blob(text) => match ArtifactId::from_hex(text) {
            Ok(id) => Some(id),
            Err(error) => return Err(damaged(&name, &error.to_string())),
        },
        _ => return Err(damaged(&name, "its hash is a number")),
    };
    let mtime = row.get::<_, Option<i64>>(1)?.unwrap_or(0);
    let size = u64::try_from(row.get::<_, Option<i64>>(3)?.unwrap_or(0)).unwrap_or(0);
    Ok(Entry { name, version: Version { mtime, hash }, size })
}

fn damaged(name: &Text, reason: &str) -> RepoError {
    RepoError::corrupt(format!("unversioned file {name}: {reason}"))
}

/// The content of a file, compared with its hash; none if there is no such file, or it was deleted.
pub fn content(snap: &Snapshot<'_>, name: &str) -> Result<Option<Bytes>, RepoError> {
    Ok(contents(snap, &[name])?.pop().flatten())
}

/// The contents of files, as [`content`] gives them: together, they are hashed faster.
pub fn contents(snap: &Snapshot<'_>, names: &[&str]) -> Result<Vec<Option<Bytes>>, RepoError> {
    let found = names.iter().map(|name| load(snap, name)).collect::<Result<Vec<_>, _>>()?;
    let claims: Vec<(&ArtifactId, &[u8])> =
        found.iter().flatten().map(|loaded| (&loaded.id, &loaded.content[..])).collect();
    for (loaded, actual) in found.iter().flatten().zip(hash::same_kinds(&claims)) {
        if actual != loaded.id {
            return Err(damaged(&loaded.name, "its content is not what its hash says"));
        }
    }
    Ok(found.into_iter().map(|found| found.map(|loaded| loaded.content)).collect())
}

/// What the row of a file has.
struct Loaded {
    name: Text,
    id: ArtifactId,
    /// Not compared with the hash.
    content: Bytes,
}

fn load(snap: &Snapshot<'_>, name: &str) -> Result<Option<Loaded>, RepoError> {
    let Some(Entry { name, version: Version { hash: Some(id), .. }, .. }) = find(snap, name)? else {
        return Ok(None);
    };
    let sql = "SELECT encoding, content FROM unversioned WHERE name=?1";
    let mut statement = snap.conn().prepare_cached(sql)?;
    let mut rows = statement.query([&name])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let stored = match row.get_ref(1)? {
        // Stock keeps an empty file that it received so.
        ValueRef::Null if hash::names(&id, b"") => {
            return Ok(Some(Loaded { name, id, content: Bytes::new() }));
        }
        ValueRef::Null => return Err(damaged(&name, "its content is missing")),
        value => value.as_bytes().map_err(|_| damaged(&name, "its content is a number"))?,
    };
    let content = match row.get::<_, Option<i64>>(0)? {
        Some(CONTAINER) => {
            let mut memory = snap.memory().borrow_mut();
            let limit = memory.limits.artifact_bytes;
            memory.codec.unpack(stored, limit).map_err(|error| damaged(&name, &error.to_string()))?
        }
        _ => stored.to_vec(),
    };
    Ok(Some(Loaded { name, id, content: content.into() }))
}

/// Puts a row in the place of any other of that name. The content is what the hash says.
pub(super) fn write(tx: &Tx<'_>, name: &UvName, version: &Version, content: &[u8]) -> Result<(), RepoError> {
    tx.prepared(TABLE)?.execute([])?;
    let rcvid = crate::content::rcvid(tx)?;
    let frame = (!is_dense(content)).then(|| tx.memory().borrow_mut().codec.pack(content));
    let (encoding, stored) = match &frame {
        // A container is worth it below 80 % of the size.
        Some(frame) if frame.len() * 5 < content.len() * 4 => (CONTAINER, &frame[..]),
        _ => (PLAIN, content),
    };
    let hash = version.hash.map(|id| id.to_string());
    tx.prepared(
        "REPLACE INTO unversioned(name, rcvid, mtime, hash, sz, encoding, content)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        name.as_str(),
        rcvid,
        version.mtime,
        hash,
        content.len() as i64,
        encoding,
        stored
    ])?;
    catalog::forget_hash(tx)
}

/// Makes a row a tombstone.
pub(super) fn bury(tx: &Tx<'_>, name: &str, mtime: i64) -> Result<(), RepoError> {
    tx.prepared("UPDATE unversioned SET hash=NULL, content=NULL, encoding=0, sz=0, mtime=?2 WHERE name=?1")?
        .execute(params![name, mtime])?;
    catalog::forget_hash(tx)
}

/// Changes the time of a row.
pub(super) fn date(tx: &Tx<'_>, name: &str, mtime: i64) -> Result<(), RepoError> {
    tx.prepared("UPDATE unversioned SET mtime=?2 WHERE name=?1")?.execute(params![name, mtime])?;
    catalog::forget_hash(tx)
}
