//! The file as SQLite sees it, without a look at what it holds.

use crate::{RepoError, Snapshot, UnixTime};

/// Findings that are told at most: more of them say no more.
const MOST_FINDINGS: u32 = 5;

/// What is known of a file at a glance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileReport {
    /// What SQLite finds wrong with its pages, in its words.
    pub findings: Vec<String>,
    /// How SQLite keeps changes apart: `delete`, or `wal` while a daemon has the file.
    pub journal_mode: String,
    /// The newest time of an event, if there is one.
    pub newest: Option<UnixTime>,
}

/// Checks the pages of a file, and what its times say; not what its artifacts hold, nor its indexes.
pub fn file(snap: &Snapshot<'_>) -> Result<FileReport, RepoError> {
    let conn = snap.conn();
    let mut check = conn.prepare(&format!("PRAGMA quick_check({MOST_FINDINGS})"))?;
    let findings = check.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let newest: Option<f64> = conn.query_row("SELECT max(mtime) FROM event", [], |row| row.get(0))?;
    Ok(FileReport {
        findings: findings.into_iter().filter(|finding| finding != "ok").collect(),
        journal_mode: conn.query_row("PRAGMA journal_mode", [], |row| row.get(0))?,
        newest: newest.map(UnixTime::from_julian_day),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::repo;

    #[test]
    fn the_newest_time_of_a_file_is_seen_at_a_glance() {
        let mut repo = repo();
        let report = file(&repo.snapshot().unwrap()).unwrap();
        assert_eq!((report.findings, report.newest), (Vec::new(), None));
        let tx = repo.begin().unwrap();
        let sql = "INSERT INTO event(type, mtime, objid) VALUES('w', 2440588.5, 1), ('w', 2440587.5, 2)";
        tx.conn().execute_batch(sql).unwrap();
        tx.commit().unwrap();
        let report = file(&repo.snapshot().unwrap()).unwrap();
        assert_eq!(report.newest, Some(UnixTime(86_400_000)));
    }
}
