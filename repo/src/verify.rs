//! Says what is wrong with a file. Changes nothing.

mod artifacts;
mod finding;

pub use artifacts::artifacts;
pub use finding::Finding;

use crate::derived::{self, Side};
use crate::{Repo, RepoError, UnixTime, rebuild};

/// Everything that can be checked: [`artifacts`], then [`derived_rows`].
pub fn all(repo: &mut Repo, now: UnixTime) -> Result<Vec<Finding>, RepoError> {
    let mut findings = artifacts(&repo.snapshot()?)?;
    findings.extend(derived_rows(repo, now)?);
    Ok(findings)
}

/// Compares the derived tables with what a rebuild makes of the artifacts. The rebuild happens in a
/// transaction that is rolled back: other writers wait meanwhile.
///
/// What is unsent is left out: it does not follow from the artifacts.
pub fn derived_rows(repo: &mut Repo, now: UnixTime) -> Result<Vec<Finding>, RepoError> {
    let tx = repo.begin()?;
    let before = derived::dump(tx.conn())?;
    rebuild::run(&tx, now, &mut |_| {})?;
    let after = derived::dump(tx.conn())?;
    drop(tx);
    let differences = derived::compare(&before, &after).into_iter();
    Ok(differences
        .filter(|difference| difference.table != "unsent")
        .map(|difference| match difference.side {
            Side::Left => Finding::ExtraRow { table: difference.table, row: difference.row },
            Side::Right => Finding::MissingRow { table: difference.table, row: difference.row },
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, hold, repo};

    #[test]
    fn derived_rows_are_compared_and_nothing_changes() {
        let cases: [(&str, &[&str]); 4] = [
            ("", &[]),
            ("INSERT INTO unsent VALUES(1)", &[]),
            ("DELETE FROM unclustered", &["missing row of unclustered: rid="]),
            ("INSERT INTO phantom VALUES(1)", &["row of phantom that no rebuild makes: rid="]),
        ];
        for (sql, expected) in cases {
            let mut repo = repo();
            hold(&mut repo, b"an artifact");
            let tx = repo.begin().unwrap();
            tx.conn().execute_batch(sql).unwrap();
            tx.commit().unwrap();
            for _ in 0..2 {
                let found = derived_rows(&mut repo, NOW).unwrap();
                assert_eq!(found.len(), expected.len(), "{sql}: {found:?}");
                for (finding, expected) in found.iter().zip(expected) {
                    assert!(finding.to_string().starts_with(expected), "{finding}");
                }
            }
        }
    }
}
