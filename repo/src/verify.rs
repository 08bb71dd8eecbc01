//! Says what is wrong with a file. Changes nothing.

mod artifacts;
mod derived_rows;
mod file;
mod finding;

use std::path::Path;

pub use file::{FileReport, damaged_pages, file};
pub use finding::Finding;

use crate::error::Fault;
use crate::{Repo, RepoError, Snapshot, UnixTime, table};

/// Damaged pages that are told: more of them say no more.
const MOST_PAGES: usize = 50;

/// What a verification saw.
#[derive(Debug, Default)]
pub struct Report {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Artifacts that were compared with their names, or should have been.
    pub checked: u64,
    /// Artifacts held that cannot be verified yet: deltas of what has not come. No fault of the file: an
    /// interrupted pull leaves such, and the next one brings the rest.
    pub waiting: u64,
    /// Artifacts that are named and not held, but for shunned ones. No fault of the file either.
    pub phantoms: u64,
    /// Whether the derived tables were compared with a rebuild.
    pub derived: bool,
    /// Whether they were not since the disk is full, which such a comparison takes room of for a while.
    pub lacks_room: bool,
}

/// Everything that can be checked: [`artifacts`] and synced tables, then the derived tables against what a rebuild makes of the
/// artifacts. The rebuild happens in a transaction that is rolled back: other writers wait meanwhile. In a file with
/// damaged pages it does not happen: it would write there.
///
/// Left out is what is unsent, which does not follow from the artifacts.
pub fn all(repo: &mut Repo, now: UnixTime) -> Result<Report, RepoError> {
    let snap = repo.snapshot()?;
    let mut report = artifacts(&snap)?;
    let mut tables = Vec::new();
    let audited = table::audit(&snap, &mut |reason| tables.push(Finding::Table { reason }));
    if report.has_damaged_pages() {
        report.findings.append(&mut tables);
        report.go_on_after(audited)?;
        return Ok(report);
    }
    audited?;
    drop(snap);
    let compared = repo.begin().and_then(|tx| derived_rows::compare(&tx, now));
    let rows = match compared {
        Err(RepoError::DiskFull { .. }) => {
            report.lacks_room = true;
            report.findings.append(&mut tables);
            return Ok(report);
        }
        compared => compared?,
    };
    report.derived = true;
    let is_cause = |finding: &Finding| finding.is_damage() && !matches!(finding, Finding::Unversioned { .. });
    if report.findings.iter().any(is_cause) {
        // Which of the rows are wrong for another reason shows once the artifacts are sound.
        let rows = rows.iter().map(Finding::rows).sum();
        report.findings.extend((rows > 0).then_some(Finding::RowsOfDamaged { rows }));
    } else {
        report.findings.extend(rows);
    }
    report.findings.append(&mut tables);
    Ok(report)
}

/// The pages of the file, each artifact against its name, deltas, and unversioned files; of a file with damaged
/// pages as much as can be read.
pub fn artifacts(snap: &Snapshot<'_>) -> Result<Report, RepoError> {
    let pages = file::pages(snap, MOST_PAGES)?;
    let findings = pages.into_iter().map(|reason| Finding::Page { reason }).collect();
    let mut report = Report { findings, ..Report::default() };
    let checked = artifacts::check(snap, &mut report);
    if report.has_damaged_pages() {
        report.go_on_after(checked)?;
    } else {
        checked?;
    }
    Ok(report)
}

/// The pages of a file that is so damaged that it does not open as a repository.
pub fn unopened(path: &Path, reason: RepoError) -> Result<Report, RepoError> {
    let mut repo = Repo::open_unchecked(path)?;
    let pages = repo.snapshot().and_then(|snap| file::pages(&snap, MOST_PAGES));
    let mut findings: Vec<Finding> = pages?.into_iter().map(|reason| Finding::Page { reason }).collect();
    findings.push(Finding::Unchecked { reason });
    Ok(Report { findings, ..Report::default() })
}

impl Report {
    fn has_damaged_pages(&self) -> bool {
        self.findings.iter().any(|finding| matches!(finding, Finding::Page { .. }))
    }

    /// Takes an error that the damage explains for a finding.
    fn go_on_after(&mut self, checked: Result<(), RepoError>) -> Result<(), RepoError> {
        match checked {
            Err(reason) if reason.fault() == Fault::Machine => return Err(reason),
            Err(reason) => self.findings.push(Finding::Unchecked { reason }),
            Ok(()) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, genesis, hold, repo};

    #[track_caller]
    fn check(sql: &str, expected: &[&str]) {
        let mut repo = repo();
        hold(&mut repo, b"an artifact");
        let tx = repo.begin().unwrap();
        tx.conn().execute_batch(sql).unwrap();
        tx.commit().unwrap();
        for _ in 0..2 {
            let found = all(&mut repo, NOW).unwrap().findings;
            assert_eq!(found.len(), expected.len(), "{sql}: {found:?}");
            for (finding, expected) in found.iter().zip(expected) {
                assert!(finding.to_string().starts_with(expected), "{finding}");
            }
        }
    }

    #[test]
    fn derived_rows_are_compared_and_nothing_changes() {
        check("", &[]);
        check("DELETE FROM unclustered", &["missing row of unclustered: rid="]);
        check("INSERT INTO phantom VALUES(1)", &["row of phantom that no rebuild makes: rid="]);
        check("DELETE FROM tag WHERE tagname='bgcolor'", &["missing row of tag: name=bgcolor"]);
        check(
            "UPDATE tag SET tagname='colour' WHERE tagname='bgcolor'",
            &["missing row of tag: name=bgcolor"],
        );
    }

    #[test]
    fn what_does_not_follow_from_the_artifacts_is_let_be() {
        check("INSERT INTO unsent VALUES(1)", &[]);
        check("INSERT INTO filename(name) VALUES('of what was purged')", &[]);
        check("INSERT INTO tag(tagname) VALUES('of what was purged')", &[]);
    }

    #[test]
    fn damaged_unversioned_files_are_found() {
        let row = "CREATE TABLE unversioned(name, mtime, hash, sz, encoding, content);
            INSERT INTO unversioned VALUES('a', 1, '86f7e437faa5a7fce15d1ddcb9eaeaea377667b8', 1, 0, 'a'),
                                          ('gone', 1, NULL, 0, 0, NULL)";
        check(row, &[]);
        let damage = |change: &str| {
            format!("{row}; UPDATE unversioned SET {change} WHERE name='a'; DELETE FROM unclustered")
        };
        let row = "missing row of unclustered";
        check(&damage("content=NULL"), &["unversioned file a: its content is missing", row]);
        check(&damage("content=x'00'"), &["unversioned file a: its content is not what its hash says", row]);
        check(&damage("hash='x'"), &["unversioned file a: an artifact name has", row]);
    }

    #[test]
    fn many_wrong_rows_of_a_table_are_counted() {
        let fill = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM n WHERE n<60)
            INSERT INTO event(type, objid) SELECT 'ci', n FROM n";
        let mut expected = vec!["row of event that no rebuild makes: type=ci"; 50];
        expected.push("10 more wrong rows of event");
        check(fill, &expected);
    }

    #[test]
    fn rows_that_differ_because_of_damage_are_counted() {
        check(
            "UPDATE blob SET content=x'00'; INSERT INTO leaf VALUES(1)",
            &[&format!("{}: unreadable", xfer::hash::sha3_256(b"an artifact")), "1 row"],
        );
    }

    /// The root page of a table.
    fn place(repo: &mut Repo, table: &str) -> std::ops::Range<usize> {
        let place = "SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size WHERE name=?1";
        let (root, size) = (repo.snapshot().unwrap().conn())
            .query_row(place, [table], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, u32>(1)?)))
            .unwrap();
        ((root - 1) * size) as usize..(root * size) as usize
    }

    /// What the file holds when a part of it was overwritten.
    fn overwrite(path: &Path, part: &std::ops::Range<usize>) -> Vec<u8> {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[part.clone()].fill(0x99);
        std::fs::write(path, &bytes).unwrap();
        bytes
    }

    /// What is found in a file after the root page of a table was overwritten.
    fn damaged(table: &str) -> Report {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.fossil");
        let mut repo = Repo::create(&path, &genesis()).unwrap();
        hold(&mut repo, b"an artifact");
        assert!(all(&mut repo, NOW).unwrap().findings.is_empty());
        let page = place(&mut repo, table);
        drop(repo);
        let bytes = overwrite(&path, &page);
        let report = all(&mut Repo::open(&path).unwrap(), NOW).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "changed");
        report
    }

    #[test]
    fn of_a_file_that_does_not_open_the_pages_are_checked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.fossil");
        let mut repo = Repo::create(&path, &genesis()).unwrap();
        let page = place(&mut repo, "config");
        drop(repo);
        overwrite(&path, &page);
        let reason = Repo::open(&path).err().unwrap();
        assert!(matches!(reason, RepoError::Corrupt { .. }), "{reason}");
        let report = unopened(&path, reason).unwrap();
        assert!(matches!(report.findings[0], Finding::Page { .. }), "{:?}", report.findings);
        assert!(matches!(report.findings.last(), Some(Finding::Unchecked { .. })), "{:?}", report.findings);
    }

    #[test]
    fn damaged_pages_are_found_whatever_table_they_are_of() {
        for table in ["user", "reportfmt", "event", "unclustered", "delta", "blob"] {
            let report = damaged(table);
            assert!(matches!(report.findings[0], Finding::Page { .. }), "{table}: {:?}", report.findings);
            assert!(report.findings.iter().all(Finding::is_damage) && !report.derived, "{table}");
            assert!(report.findings.len() <= MOST_PAGES + 5, "{table}");
            let unchecked = matches!(report.findings.last(), Some(Finding::Unchecked { .. }));
            assert_eq!(unchecked, ["delta", "blob"].contains(&table), "{table}: {:?}", report.findings);
        }
    }
}
