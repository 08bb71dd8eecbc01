//! Which files of a directory are repositories: looked at once, and again when they change.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use repo::{Repo, RepoError};

/// Files whose verdict is kept. Beyond it all are looked at again.
const KEPT: usize = 10_000;

/// What was found out.
#[derive(Default)]
pub(crate) struct Verdicts(Mutex<BTreeMap<PathBuf, Verdict>>);

struct Verdict {
    of: Looks,
    is_repository: bool,
}

/// What changes when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Looks {
    size: u64,
    modified: Option<SystemTime>,
}

impl Verdicts {
    /// Whether `file` has the tables of a repository. A file that cannot be looked at now, for a lock or for
    /// want of rights, may be one.
    pub(crate) fn is_repository(&self, file: &Path) -> bool {
        let Ok(of) = fs::metadata(file).map(|metadata| Looks::of(&metadata)) else { return false };
        if let Some(verdict) = self.kept().get(file).filter(|verdict| verdict.of == of) {
            return verdict.is_repository;
        }
        // Through SQLite alone: to open and close the file past it would drop the locks this process holds.
        let is_repository = match Repo::open_read_only(file) {
            Ok(_) => true,
            Err(RepoError::NotARepository { .. }) => false,
            Err(RepoError::NotFound { .. }) => return false,
            Err(_) => return true,
        };
        let mut kept = self.kept();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(file.to_owned(), Verdict { of, is_repository });
        is_repository
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, BTreeMap<PathBuf, Verdict>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Looks {
    fn of(metadata: &Metadata) -> Self {
        Self { size: metadata.len(), modified: metadata.modified().ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_it_holds_and_is_looked_at_again_when_it_changes() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.fossil");
        let verdicts = Verdicts::default();
        assert!(!verdicts.is_repository(&file), "there is none");
        fs::write(&file, "a letter to my aunt\n".repeat(2000)).unwrap();
        assert!(!verdicts.is_repository(&file), "a letter");
        fs::remove_file(&file).unwrap();
        drop(Repo::create(&file, &repo::Genesis::default()).unwrap());
        assert!(verdicts.is_repository(&file), "a repository under the same name");
        assert_eq!(verdicts.kept().len(), 1);
    }

    #[test]
    fn a_verdict_is_kept_while_the_file_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.fossil");
        fs::write(&file, "a letter to my aunt\n").unwrap();
        let verdicts = Verdicts::default();
        let of = Looks::of(&fs::metadata(&file).unwrap());
        verdicts.kept().insert(file.clone(), Verdict { of, is_repository: true });
        assert!(verdicts.is_repository(&file), "nobody looked");
        fs::write(&file, "another letter to my aunt\n").unwrap();
        assert!(!verdicts.is_repository(&file), "it changed");
    }
}
