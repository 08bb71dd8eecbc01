//! How much of what a file holds.

use xfer::ArtifactId;

use crate::{RepoError, Rid, Snapshot};

/// Counts of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    /// Artifacts held.
    pub artifacts: u64,
    /// Names without content.
    pub phantoms: u64,
    /// Artifacts that are not announced to everyone.
    pub private: u64,
    /// Check-ins among the artifacts.
    pub checkins: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
}

/// Counts what the file holds.
pub fn count(snap: &Snapshot<'_>) -> Result<Census, RepoError> {
    let count = |sql| number(snap, sql);
    Ok(Census {
        artifacts: count("SELECT count(*) FROM blob WHERE size>=0")?,
        phantoms: phantoms(snap)?,
        private: count("SELECT count(*) FROM private")?,
        checkins: count("SELECT count(*) FROM event WHERE type='ci'")?,
        file_bytes: file_bytes(snap)?,
    })
}

/// Names without content.
pub fn phantoms(snap: &Snapshot<'_>) -> Result<u64, RepoError> {
    number(snap, "SELECT count(*) FROM phantom")
}

/// Bytes of the file.
pub fn file_bytes(snap: &Snapshot<'_>) -> Result<u64, RepoError> {
    number(snap, "SELECT page_count*page_size FROM pragma_page_count, pragma_page_size")
}

fn number(snap: &Snapshot<'_>, sql: &str) -> Result<u64, RepoError> {
    let number: i64 = snap.conn().prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(number.unsigned_abs())
}

/// The artifacts whose names begin with `prefix`, in the order of their names, `limit` at most. Letters of
/// either case; none for a prefix that is not hex.
pub fn named(snap: &Snapshot<'_>, prefix: &str, limit: usize) -> Result<Vec<(Rid, ArtifactId)>, RepoError> {
    let prefix = prefix.to_ascii_lowercase();
    if prefix.is_empty() || prefix.len() > 64 || !prefix.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(Vec::new());
    }
    // No digit sorts after `g`.
    let sql = "SELECT rid, uuid FROM blob WHERE uuid>=?1 AND uuid<?1||'g' AND size>=0 ORDER BY uuid LIMIT ?2";
    let mut statement = snap.conn().prepare_cached(sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query((prefix, limit))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let name = row.get_ref(1)?.as_bytes().unwrap_or_default();
        if let Ok(id) = ArtifactId::from_hex(name) {
            found.push((Rid(row.get(0)?), id));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use xfer::card::Privacy;

    use super::*;
    use crate::content::{self, Incoming};
    use crate::testing::{NOW, repo};

    #[test]
    fn artifacts_are_counted_and_found_by_the_beginning_of_their_name() {
        let mut repo = repo();
        let id = ArtifactId::from_hex(b"a9993e364706816aba3e25717850c26c9cd0d89d").unwrap();
        let tx = repo.begin().unwrap();
        content::put(&tx, &id, &Incoming::Whole(b"abc"), Privacy::Public).unwrap();
        crate::ingest::settle(&tx, NOW).unwrap();
        assert_eq!(count(&tx).unwrap().artifacts, 1);
        for prefix in ["a", "A999", "a9993e364706816aba3e25717850c26c9cd0d89d"] {
            assert_eq!(named(&tx, prefix, 9).unwrap().len(), 1, "{prefix}");
        }
        for prefix in ["", "b", "a9993f", "%", "a9993e364706816aba3e25717850c26c9cd0d89d0"] {
            assert_eq!(named(&tx, prefix, 9).unwrap().len(), 0, "{prefix}");
        }
        tx.commit().unwrap();
    }
}
