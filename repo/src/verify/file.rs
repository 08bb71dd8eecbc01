//! The file as SQLite sees it, without a look at what it holds.

use crate::{RepoError, Snapshot, UnixTime};

/// Findings that are told at most at a glance: more of them say no more.
const MOST_AT_A_GLANCE: usize = 5;

/// Findings among which damaged pages are looked for: the check tells of tables one after the other.
const MOST_VALUES: usize = 1000;

/// How findings begin that are about values.
const OF_VALUES: [&str; 5] =
    ["NULL value in ", "CHECK constraint failed in ", "NUMERIC value in ", "TEXT value in ", "non-"];

/// What is known of a file at a glance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileReport {
    /// What SQLite finds wrong with its pages, in its words.
    pub findings: Vec<String>,
    /// How SQLite keeps changes apart: `delete`, or `wal` while a daemon has the file.
    pub journal_mode: String,
    /// The newest time of an event, if there is one. Not looked for in a damaged file.
    pub newest: Option<UnixTime>,
}

/// Checks the pages of a file, and what its times say; not what its artifacts hold, nor its indexes.
pub fn file(snap: &Snapshot<'_>) -> Result<FileReport, RepoError> {
    let conn = snap.conn();
    let findings = pages(snap, MOST_AT_A_GLANCE)?;
    let newest: Option<f64> = if findings.is_empty() {
        conn.query_row("SELECT max(mtime) FROM event", [], |row| row.get(0))?
    } else {
        None
    };
    Ok(FileReport {
        findings,
        journal_mode: conn.query_row("PRAGMA journal_mode", [], |row| row.get(0))?,
        newest: newest.map(UnixTime::from_julian_day),
    })
}

/// What is wrong with the pages of a file, and not with values in rows, which SQLite tells too.
pub fn damaged_pages(snap: &Snapshot<'_>) -> Result<Vec<String>, RepoError> {
    let mut found = pages(snap, MOST_VALUES)?;
    found.retain(|finding| !OF_VALUES.iter().any(|words| finding.starts_with(words)));
    Ok(found)
}

/// What SQLite finds wrong with the pages of a file, in its words: at most so many findings.
pub(super) fn pages(snap: &Snapshot<'_>, most: usize) -> Result<Vec<String>, RepoError> {
    let mut check = snap.conn().prepare(&format!("PRAGMA quick_check({most})"))?;
    let mut rows = check.query([])?;
    let mut findings = Vec::new();
    loop {
        match rows.next().map_err(RepoError::from) {
            Ok(Some(row)) => findings.extend(lines(&row.get::<_, String>(0)?)),
            Ok(None) => break,
            // The check itself gave up.
            Err(RepoError::Corrupt { reason, .. }) => {
                findings.push(reason);
                break;
            }
            Err(error) => return Err(error),
        }
    }
    findings.truncate(most);
    Ok(findings)
}

/// The findings in a row of the check, which begins some with a title.
fn lines(row: &str) -> impl Iterator<Item = String> {
    row.lines().filter(|line| *line != "ok" && !line.starts_with("***")).map(str::to_owned)
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
