//! Notices that a repository changed, whoever changed it.
//!
//! The file system says that something was written; SQLite says whether it was a commit. As not every file system
//! says so, and a commit counts a moment after it was written, it is looked again a little later, and every few seconds.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::ModifyKind;
use notify::{EventKind, RecursiveMode, Watcher as _};
use repo::{Repo, RepoError};
use tokio::sync::Notify;
use xfer::ArtifactId;

/// Looks come so long after the file system said something: at once, as it were, and when a slow disk is done.
const LOOKS: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(150), Duration::from_millis(1000)];

/// Time between looks when nobody says anything.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long a look waits for whoever is writing: the next look sees it.
const PATIENCE_MS: u64 = 100;

/// Hears of the file system, for all repositories of the leaf.
pub(crate) struct Watcher {
    inner: Option<Mutex<notify::RecommendedWatcher>>,
    bells: Arc<Mutex<BTreeMap<PathBuf, Arc<Notify>>>>,
}

impl Watcher {
    /// Begins. A system that gives no notice is no reason to fail.
    pub(crate) fn start() -> Self {
        let bells: Arc<Mutex<BTreeMap<PathBuf, Arc<Notify>>>> = Arc::default();
        let heard = Arc::clone(&bells);
        let inner = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // After an error, as when the queue overflowed, anything may have changed.
            let is_error = event.is_err();
            let paths =
                event.ok().filter(|event| is_write(event.kind)).map(|event| event.paths).unwrap_or_default();
            let bells = heard.lock().unwrap_or_else(PoisonError::into_inner);
            for (file, bell) in &*bells {
                if is_error || paths.iter().any(|path| is_of(path, file)) {
                    bell.notify_one();
                }
            }
        });
        let inner = inner.map_err(|error| {
            tracing::warn!(%error, "the file system gives no notice: changes are looked for every few seconds");
        });
        Self { inner: inner.ok().map(Mutex::new), bells }
    }

    /// A bell that rings when something is written to a file, or to what SQLite has beside it.
    pub(crate) fn bell(&self, file: &Path) -> Arc<Notify> {
        // Events come with the path of the directory as it was asked for.
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let bell = Arc::new(Notify::new());
        self.bells.lock().unwrap_or_else(PoisonError::into_inner).insert(file.clone(), Arc::clone(&bell));
        if let (Some(inner), Some(directory)) = (&self.inner, file.parent()) {
            let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = inner.watch(directory, RecursiveMode::NonRecursive) {
                tracing::warn!(%error, file = %file.display(), "changes are looked for every few seconds");
            }
        }
        bell
    }
}

/// Reading is no change, nor is to close what was only read, or to give it an owner.
fn is_write(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

fn is_of(path: &Path, file: &Path) -> bool {
    let (Some(name), Some(of)) = (path.file_name(), file.file_name()) else { return false };
    let rest = name.as_encoded_bytes().strip_prefix(of.as_encoded_bytes());
    path.parent() == file.parent() && matches!(rest, Some(b"" | b"-wal" | b"-journal"))
}

/// When to look next.
#[derive(Debug)]
pub(crate) struct Looks {
    planned: Vec<Duration>,
    regular: Duration,
}

impl Looks {
    pub(crate) fn new(now: Duration) -> Self {
        Self { planned: Vec::new(), regular: now + LOOK_EVERY }
    }

    /// The bell rang.
    pub(crate) fn rang(&mut self, now: Duration) {
        // Whoever writes on and on does not put off the first look, only the later ones.
        self.planned.truncate(1);
        let first = self.planned.first().copied().unwrap_or(now + LOOKS[0]);
        self.planned = vec![first];
        self.planned.extend(LOOKS[1..].iter().map(|after| now + *after));
    }

    pub(crate) fn next(&self) -> Duration {
        self.planned.first().copied().unwrap_or(self.regular).min(self.regular)
    }

    pub(crate) fn looked(&mut self, now: Duration) {
        self.planned.retain(|at| *at > now);
        self.regular = now + LOOK_EVERY;
    }
}

/// A repository that is kept open to see who changes it.
pub(crate) struct Watched {
    repo: Repo,
    version: i64,
    identity: (u64, u64),
    /// Whether it is this leaf that has the file in write-ahead mode.
    shared: bool,
}

impl Watched {
    /// Opens the file, and lets others read while one writes.
    pub(crate) fn open(file: &Path) -> Result<Self, RepoError> {
        let mut repo = Repo::open(file)?;
        let shared = repo.share();
        repo.set_limits(repo::Limits {
            cache_bytes: 0,
            page_bytes: 256 << 10,
            busy_timeout_ms: PATIENCE_MS,
            ..repo::Limits::default()
        })?;
        Ok(Self { version: repo.version()?, identity: identity(file), repo, shared })
    }

    /// Whether it changed since the last look. A file that is locked now is looked at next time.
    pub(crate) fn has_changed(&mut self, file: &Path) -> Result<bool, RepoError> {
        if identity(file) != self.identity {
            *self = Self::open(file)?;
            return Ok(true);
        }
        match self.repo.version() {
            Ok(version) => Ok(std::mem::replace(&mut self.version, version) != version),
            Err(error) if error.may_retry() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The project it is of.
    pub(crate) fn project(&mut self) -> Result<Option<String>, RepoError> {
        repo::config::project_code(&self.repo.snapshot()?)
    }

    /// What is newest of what everybody may know of. None too if it cannot be read now.
    pub(crate) fn newest(&mut self) -> Option<ArtifactId> {
        let newest = self.repo.snapshot().and_then(|snap| repo::outgoing::newest(&snap));
        newest.ok().flatten()
    }

    /// The repository, to look into it.
    pub(crate) fn repo(&mut self) -> &mut Repo {
        &mut self.repo
    }

    /// Leaves the file as it was found, all of it in one.
    pub(crate) fn close(mut self) {
        if self.shared {
            self.repo.unshare();
        }
    }
}

fn identity(file: &Path) -> (u64, u64) {
    fs::metadata(file).map_or((0, 0), |metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use repo::{Genesis, UnixTime};

    use super::*;

    #[test]
    fn what_sqlite_has_beside_the_file_is_of_it_and_nothing_else() {
        let file = Path::new("/a/x.fossil");
        for (path, is) in [
            ("/a/x.fossil", true),
            ("/a/x.fossil-wal", true),
            ("/a/x.fossil-journal", true),
            ("/a/x.fossil-shm", false),
            ("/a/x.fossil2", false),
            ("/b/x.fossil", false),
            ("/a/.x.fossil.frond-clone", false),
        ] {
            assert_eq!(is_of(Path::new(path), file), is, "{path}");
        }
    }

    #[test]
    fn looks_come_soon_after_the_bell_and_are_not_put_off_by_further_ones() {
        let ms = Duration::from_millis;
        let mut looks = Looks::new(ms(0));
        assert_eq!(looks.next(), LOOK_EVERY);
        looks.rang(ms(100));
        looks.rang(ms(110));
        assert_eq!(looks.next(), ms(120));
        looks.looked(ms(120));
        assert_eq!(looks.next(), ms(260));
        looks.looked(ms(1200));
        assert_eq!(looks.next(), ms(1200) + LOOK_EVERY);
    }

    #[test]
    fn a_change_by_another_is_seen_once_and_reading_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.fossil");
        let mut other = Repo::create(&file, &Genesis::default()).unwrap();
        let mut watched = Watched::open(&file).unwrap();
        assert!(!watched.has_changed(&file).unwrap());
        repo::config::project_code(&other.snapshot().unwrap()).unwrap();
        assert!(!watched.has_changed(&file).unwrap(), "reading is no change");
        let tx = other.begin().unwrap();
        repo::config::set(&tx, "a", "b", UnixTime(0)).unwrap();
        assert!(!watched.has_changed(&file).unwrap(), "not before it is committed");
        tx.commit().unwrap();
        assert!(watched.has_changed(&file).unwrap());
        assert!(!watched.has_changed(&file).unwrap());
    }

    #[test]
    fn another_file_in_the_place_of_the_first_is_a_change() {
        let directory = tempfile::tempdir().unwrap();
        let (file, new) = (directory.path().join("a.fossil"), directory.path().join("b.fossil"));
        drop(Repo::create(&file, &Genesis::default()).unwrap());
        let mut watched = Watched::open(&file).unwrap();
        drop(Repo::create(&new, &Genesis::default()).unwrap());
        fs::rename(&new, &file).unwrap();
        assert!(watched.has_changed(&file).unwrap());
        assert!(!watched.has_changed(&file).unwrap());
    }
}
