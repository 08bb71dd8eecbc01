//! Hashes of parts of a table, by which two peers find where they differ.
//!
//! The rows whose key hash begins alike are a part. A part of few rows is hashed as a list; a larger one as the
//! hashes of its sixteen parts, so the digest depends on nothing but the rows, and each change touches one path.
//! Digests of short prefixes are kept in the file: a change drops those on its path, and the transaction that
//! made it fills the gap. A gap that is met all the same is computed.

use rusqlite::{OptionalExtension as _, params};
use xfer::{ArtifactId, KeyPrefix, SqlName, hash};

use super::{SyncedTable, Version, versions_under};
use crate::{RepoError, Snapshot, Tx};

/// Rows of the largest part that is hashed, and listed, as a list. Peers must agree on it.
pub const BUCKET_ROWS: usize = 32;

/// Digits of the longest prefix whose digest is kept: 65,536 parts, each of a bucket in the largest table.
const KEPT_DIGITS: usize = 4;

/// The digest of the rows and tombstones whose key hash begins with `prefix`; none if there are none.
pub fn digest(
    snap: &Snapshot<'_>,
    name: &SqlName,
    prefix: &KeyPrefix,
) -> Result<Option<ArtifactId>, RepoError> {
    compute(snap, name, prefix, kept, &mut Vec::new())
}

/// The same, from the rows alone.
pub(super) fn anew(
    snap: &Snapshot<'_>,
    name: &SqlName,
    prefix: &KeyPrefix,
) -> Result<Option<ArtifactId>, RepoError> {
    compute(snap, name, prefix, |_, _, _| Ok(None), &mut Vec::new())
}

/// The digest of definition and rows.
pub fn catalogue(snap: &Snapshot<'_>, table: &SyncedTable) -> Result<ArtifactId, RepoError> {
    let rows = digest(snap, &table.name, &KeyPrefix::default())?;
    let text = format!("{} {}", table.definition.hash(), rows.map_or("-".to_owned(), |id| id.to_string()));
    Ok(hash::sha1(text.as_bytes()))
}

/// Drops the digests that a change of the row under `key` makes wrong.
pub(super) fn drop_path(tx: &Tx<'_>, name: &SqlName, key: &ArtifactId) -> Result<(), RepoError> {
    let digits = key.to_string();
    let mut statement =
        tx.prepared("DELETE FROM fx_frond_table_node WHERE name=?1 AND prefix IN ('', ?2, ?3, ?4, ?5)")?;
    let [one, two, three, four] = [1, 2, 3, KEPT_DIGITS].map(|length| &digits[..length]);
    statement.execute([name.as_str(), one, two, three, four])?;
    Ok(())
}

/// Computes what [`drop_path`] dropped, and keeps it.
pub(super) fn refresh(tx: &Tx<'_>, name: &SqlName) -> Result<(), RepoError> {
    let mut made = Vec::new();
    compute(tx, name, &KeyPrefix::default(), kept, &mut made)?;
    let mut statement =
        tx.prepared("REPLACE INTO fx_frond_table_node(name, prefix, digest) VALUES(?1, ?2, ?3)")?;
    for (prefix, digest) in made {
        statement.execute(params![name.as_str(), prefix.as_str(), digest.as_bytes()])?;
    }
    Ok(())
}

/// Looks a digest up.
type Lookup = fn(&Snapshot<'_>, &SqlName, &KeyPrefix) -> Result<Option<ArtifactId>, RepoError>;

fn compute(
    snap: &Snapshot<'_>,
    name: &SqlName,
    prefix: &KeyPrefix,
    lookup: Lookup,
    made: &mut Vec<(KeyPrefix, ArtifactId)>,
) -> Result<Option<ArtifactId>, RepoError> {
    if let Some(kept) = lookup(snap, name, prefix)? {
        return Ok(Some(kept));
    }
    let rows = versions_under(snap, name, prefix, BUCKET_ROWS + 1)?;
    if rows.is_empty() {
        return Ok(None);
    }
    let digest = if rows.len() <= BUCKET_ROWS {
        of_list(&rows)
    } else {
        let mut bytes = vec![b'n'];
        for child in prefix.children() {
            let digest = compute(snap, name, &child, lookup, made)?;
            bytes.extend(digest.as_ref().map_or(&[0; 20][..], ArtifactId::as_bytes));
        }
        hash::sha1(&bytes)
    };
    if prefix.digits() <= KEPT_DIGITS {
        made.push((prefix.clone(), digest));
    }
    Ok(Some(digest))
}

fn of_list(rows: &[(ArtifactId, Version)]) -> ArtifactId {
    let mut bytes = vec![b'l'];
    for (key, version) in rows {
        bytes.extend(key.as_bytes());
        bytes.extend(version.mtime.to_be_bytes());
        bytes.extend(version.hash.as_bytes());
    }
    hash::sha1(&bytes)
}

fn kept(snap: &Snapshot<'_>, name: &SqlName, prefix: &KeyPrefix) -> Result<Option<ArtifactId>, RepoError> {
    if prefix.digits() > KEPT_DIGITS {
        return Ok(None);
    }
    let mut statement =
        snap.conn().prepare_cached("SELECT digest FROM fx_frond_table_node WHERE name=?1 AND prefix=?2")?;
    let kept = statement.query_row([name.as_str(), prefix.as_str()], |row| row.get(0)).optional()?;
    Ok(kept.map(ArtifactId::sha1))
}
