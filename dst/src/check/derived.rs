//! Derived tables are what a rebuild makes of the artifacts. Where the artifacts are the same, so are they, but for
//! what stock has depend on the order of rids: which of several versions of a technote, none of which builds on the
//! other, is shown; leaves where a branch was withdrawn; of two statements about a tag the one that holds, and what
//! of it shows in the timeline.

use std::collections::BTreeMap;

use repo::{Repo, RepoError, UnixTime, derived, shun, verify};
use xfer::ArtifactId;

use crate::known::Known;
use crate::model::Violation;

/// Tables that may differ where the artifacts are the same: what is unsent, names that no row uses any more, and
/// those where the order of rids decides.
const MAY_DIFFER: [&str; 6] = ["unsent", "filename", "tag", "leaf", "tagxref", "event"];

/// Looks at each content of one repository anew, and at its derived tables.
pub fn check_rebuild(repo: &Repo, now: UnixTime) -> Result<(), Violation> {
    let report = rebuilt(repo, now).map_err(|error| Violation::new("derived", error))?;
    match report.findings.first() {
        None => Ok(()),
        Some(finding) => Err(Violation::new("derived", finding)),
    }
}

/// On a copy that shuns nothing of what it has: a rebuild drops that. To names that it never knew nothing is linked.
fn rebuilt(repo: &Repo, now: UnixTime) -> Result<verify::Report, RepoError> {
    let mut copy = repo.copy_in_memory()?;
    let known = Known::read(&mut copy)?;
    let is_here = |id: &&ArtifactId| {
        [&known.phantoms, &known.waiting].iter().any(|set| set.contains(id)) || known.held.contains_key(id)
    };
    let tx = copy.begin()?;
    known.shunned.iter().filter(is_here).try_for_each(|id| shun::remove(&tx, id))?;
    tx.commit()?;
    verify::all(&mut copy, now)
}

/// Compares the derived tables of two repositories that hold the same.
pub fn check_same(one: &mut Repo, other: &mut Repo) -> Result<(), Violation> {
    let failed = |error: RepoError| Violation::new("derived", error);
    let (one, other) = (rows(one).map_err(failed)?, rows(other).map_err(failed)?);
    if let Some((row, _)) = one.iter().find(|(row, count)| other.get(*row) != Some(*count)) {
        return Err(Violation::new("derived", format!("of two peers that hold the same one has {row:?}")));
    }
    match other.iter().find(|(row, count)| one.get(*row) != Some(*count)) {
        None => Ok(()),
        Some((row, _)) => {
            Err(Violation::new("derived", format!("of two peers that hold the same one lacks {row:?}")))
        }
    }
}

fn rows(repo: &mut Repo) -> Result<BTreeMap<(String, String), usize>, RepoError> {
    let mut rows = BTreeMap::new();
    for (table, row) in derived::dump(repo.snapshot()?.conn())?.rows() {
        if !MAY_DIFFER.contains(&table) {
            *rows.entry((table.to_owned(), row.to_owned())).or_default() += 1;
        }
    }
    Ok(rows)
}
