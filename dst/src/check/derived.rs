//! Derived tables are what a rebuild makes of the artifacts. Where the artifacts are the same, so are they, but for those rows
//! that stock has depend on the order of rids (`ties`): which of several versions of a technote, none of which builds on the
//! other, is shown; leaves where a branch was withdrawn; of two statements about a tag the one that holds, and what
//! of it shows in the timeline.
//!
//! What is shunned is taken off the list before a rebuild, which would drop it. Where a name is shunned that is known and not
//! here, nothing is compared at all: see [`depend_on_shuns`].
//!
//! Both sides are made by the product's own linker, once step by step and once anew: what is compared is the order in
//! which things come. That stock makes the same tables of the same artifacts, tests with real stock show (`tests/`).

use std::collections::BTreeMap;

use repo::{Repo, RepoError, UnixTime, derived, shun, verify};

use xfer::ArtifactId;

use super::ties::Ties;
use crate::known::Known;
use crate::model::Violation;

/// Tables that may differ where the artifacts are the same: what is unsent, and names that no row uses any more.
const MAY_DIFFER: [&str; 3] = ["unsent", "filename", "tag"];

/// Whether the tables depend on more than the artifacts: on whether a name that is lacking was shunned before it came
/// up. Nothing is linked to a shunned name that nobody ever heard of; a delta of it makes a row for it later, and what
/// is linked from then on, as what was linked before it was shunned, has that row. A rebuild drops it.
pub fn depend_on_shuns(known: &Known) -> bool {
    known.shunned.iter().any(|id| known.phantoms.contains(id))
}

/// Why derived tables are not known to be right.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// They are wrong.
    #[error("{0}")]
    Finding(Box<verify::Finding>),
    /// They could not be compared.
    #[error(transparent)]
    Failed(#[from] RepoError),
    /// Nothing is wrong with what could be looked at, and there was no room for a rebuild to compare them with.
    #[error("they were not compared")]
    NotCompared,
}

/// Looks at each content of one repository that shuns nothing anew, and at its derived tables. It changes nothing.
pub fn check_unchanged(repo: &mut Repo, now: UnixTime) -> Result<(), Wrong> {
    let report = verify::all(repo, now)?;
    match report.findings.into_iter().next() {
        Some(finding) => Err(Wrong::Finding(Box::new(finding))),
        None if !report.derived => Err(Wrong::NotCompared),
        None => Ok(()),
    }
}

/// The same of one that may shun something, as [`check_rebuild`] looks at it, and changes nothing either.
pub fn check_apart(repo: &mut Repo, now: UnixTime) -> Result<(), Wrong> {
    if !repo.is_held() {
        let mut copy = repo.copy_in_memory()?;
        shun_nothing(&mut copy)?;
        return check_unchanged(&mut copy, now);
    }
    let execute = |repo: &mut Repo, sql| Ok::<_, RepoError>(repo.snapshot()?.conn().execute_batch(sql)?);
    execute(repo, "SAVEPOINT apart")?;
    let outcome = shun_nothing(repo).map_err(Wrong::from).and_then(|()| check_unchanged(repo, now));
    execute(repo, "ROLLBACK TO apart; RELEASE apart")?;
    repo.forget();
    outcome
}

/// The same of one that may shun something. It shuns nothing afterwards: that would have a rebuild drop what is shunned.
pub fn check_rebuild(repo: &mut Repo, now: UnixTime) -> Result<(), Violation> {
    let outcome = shun_nothing(repo).map_err(Wrong::from).and_then(|()| check_unchanged(repo, now));
    outcome.map_err(|wrong| Violation::new("derived", wrong))
}

fn shun_nothing(repo: &mut Repo) -> Result<(), RepoError> {
    let known = Known::read(repo)?;
    let is_here = |id: &&ArtifactId| {
        [&known.phantoms, &known.waiting].iter().any(|set| set.contains(id)) || known.held.contains_key(id)
    };
    let tx = repo.begin()?;
    known.shunned.iter().filter(is_here).try_for_each(|id| shun::remove(&tx, id))?;
    tx.commit()
}

/// Rows of derived tables, sorted, but for those that may differ: see [`Ties`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows(BTreeMap<&'static str, Vec<String>>);

impl Rows {
    /// Reads a repository, which holds this.
    pub fn read(repo: &mut Repo, known: &Known) -> Result<Self, Violation> {
        let failed = |error: RepoError| Violation::new("derived", error);
        let snap = repo.snapshot().map_err(failed)?;
        let ties = Ties::read(&snap, known).map_err(failed)?;
        let tables = || derived::tables().filter(|table| !MAY_DIFFER.contains(table));
        let mut all: BTreeMap<_, Vec<String>> = tables().map(|table| (table, Vec::new())).collect();
        let mut add = |table: &'static str, row: &str| {
            if !ties.decide(table, row) {
                all.entry(table).or_default().push(row.to_owned());
            }
        };
        derived::each_row_of(snap.conn(), tables(), &mut add).map_err(failed)?;
        all.values_mut().for_each(|rows| rows.sort_unstable());
        Ok(Self(all))
    }

    /// Compares them with those of a repository that holds the same.
    pub fn check_same(&self, other: &Self) -> Result<(), Violation> {
        let alone = |these: &Self, those: &Self| {
            let missing = |(table, row): &(&'static str, &String)| !those.0[table].contains(row);
            these.each().find(missing).map(|(table, row)| format!("{row:?} in {table}"))
        };
        if self == other {
            return Ok(());
        }
        let (ours, theirs) = (alone(self, other), alone(other, self));
        let text = format!("of two peers that hold the same one has {ours:?}, the other {theirs:?}");
        Err(Violation::new("derived", text))
    }

    fn each(&self) -> impl Iterator<Item = (&'static str, &String)> {
        self.0.iter().flat_map(|(&table, rows)| rows.iter().map(move |row| (table, row)))
    }
}
