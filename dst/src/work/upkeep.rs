//! What the owner of a repository does to it now and then, after which it holds what it held: looking whether all is
//! sound, a rebuild, packing.

use repo::author::AuthorError;
use repo::derived::{self, Difference, Side};
use repo::{Presence, Repo, RepoError, blob, census, deltify, rebuild, verify};

use super::{ARTIFACTS, Worker};

/// What an owner did, and what was wrong.
pub struct Kept {
    /// What was done.
    pub what: &'static str,
    /// Whether it was: nothing is packed where nothing gets smaller, and nothing compared without room for a rebuild.
    pub is_done: bool,
    /// What was found.
    pub wrong: Option<String>,
}

impl Worker<'_> {
    /// Does one of these. `sound` says whether derived tables follow from the artifacts alone.
    pub fn keep_up(&mut self, repo: &mut Repo, sound: Sound) -> Result<Kept, AuthorError> {
        let kept = match (self.dice.below(4), sound) {
            (0, Sound::All) => self.verify(repo)?,
            (1, Sound::All) => self.rebuild(repo)?,
            (2, _) => examine(repo)?,
            _ => self.pack_all(repo)?,
        };
        if kept.is_done {
            self.census.note(kept.what);
        }
        Ok(kept)
    }

    fn verify(&self, repo: &mut Repo) -> Result<Kept, RepoError> {
        let report = verify::all(repo, self.now)?;
        let is_done = report.derived;
        Ok(Kept { what: "verify", is_done, wrong: report.findings.first().map(ToString::to_string) })
    }

    fn rebuild(&self, repo: &mut Repo) -> Result<Kept, RepoError> {
        let before = derived::dump(repo.snapshot()?.conn())?;
        let tx = repo.begin()?;
        let rebuilt = rebuild::run(&tx, self.now, &mut |_| {})?;
        tx.commit()?;
        let now = derived::dump(repo.snapshot()?.conn())?;
        let damaged = rebuilt.damaged.first().map(|id| format!("{} is damaged", id.short()));
        let difference =
            derived::compare(&before, &now).into_iter().find(|difference| !may_change(difference));
        let wrong = damaged.or_else(|| difference.map(|difference| difference.to_string()));
        Ok(Kept { what: "rebuild", is_done: true, wrong })
    }

    /// Keeps each of the newest artifacts as a delta of another one, where that saves something.
    fn pack_all(&mut self, repo: &mut Repo) -> Result<Kept, AuthorError> {
        let (tx, mut is_done) = (repo.begin()?, false);
        for _ in 0..6 {
            let (Some(one), Some(other)) = (self.one_of(&tx, ARTIFACTS)?, self.one_of(&tx, ARTIFACTS)?)
            else {
                break;
            };
            if let (Presence::Held(rid), Presence::Held(source)) =
                (blob::presence(&tx, &one)?, blob::presence(&tx, &other)?)
            {
                is_done |= deltify::deltify(&tx, rid, source)?;
            }
        }
        tx.commit()?;
        Ok(Kept { what: "deltify", is_done, wrong: None })
    }
}

/// Names that no row uses any more go; what is unsent follows from no artifact.
fn may_change(difference: &Difference) -> bool {
    match difference.table.as_str() {
        "filename" | "tag" => difference.side == Side::Left,
        table => table == "unsent",
    }
}

/// Whether a rebuild makes the derived tables as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sound {
    /// It does.
    All,
    /// Something is shunned: a rebuild would drop it.
    Artifacts,
}

/// Compares artifacts with their names alone.
fn examine(repo: &mut Repo) -> Result<Kept, RepoError> {
    let snap = repo.snapshot()?;
    let report = verify::artifacts(&snap)?;
    let counted = census::count(&snap)?;
    let finding = report.findings.first().map(ToString::to_string);
    let missed = (report.checked + report.waiting < counted.artifacts)
        .then(|| format!("looked at {} of {} artifacts", report.checked, counted.artifacts));
    Ok(Kept { what: "examine", is_done: true, wrong: finding.or(missed) })
}
