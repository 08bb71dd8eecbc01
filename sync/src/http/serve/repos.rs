//! Which repository a path means, and connections to it that are ready for use.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
#[cfg(feature = "nats")]
use repo::config;
use repo::{Limits, Repo, RepoError};

use super::verdicts::Verdicts;

/// Longest name of a repository in a directory, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// What is escaped in the part of a path that picks a repository.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'+');

/// What is served: one repository file, every `*.fossil` of a directory that is a repository, or a list of files.
pub struct Repos {
    root: Root,
    verdicts: Verdicts,
    idle: Mutex<BTreeMap<PathBuf, Vec<Open>>>,
    /// Files that are shared for as long as they are served ([`Repo::share`]).
    shared: Mutex<BTreeSet<PathBuf>>,
}

/// Where repositories are.
enum Root {
    File(PathBuf),
    Directory(PathBuf),
    /// Files by the name that picks them.
    Named(BTreeMap<String, PathBuf>),
}

/// A repository that a path means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file.
    pub(crate) file: PathBuf,
    /// Its name for people: the file's without `.fossil`.
    pub(crate) name: String,
    /// The part of the path that picks it, escaped: empty, or `/name`.
    pub(crate) path: String,
}

/// A repository, and what it calls itself.
#[cfg(feature = "nats")]
pub(crate) struct Project {
    pub(crate) place: Place,
    /// Its project code; empty if it has none.
    pub(crate) project: String,
    /// Its server code; empty if it has none.
    pub(crate) server: String,
}

/// An open repository, and the file it was opened from: another file under the same name is another one.
pub(crate) struct Open {
    pub(crate) repo: Repo,
    identity: Identity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64);

impl Repos {
    /// Serves the repository file or the directory at `path`. A file is opened once, to fail now rather
    /// than at the first request.
    pub fn new(path: &Path) -> Result<Self, RepoError> {
        if path.is_dir() {
            return Ok(Self::at(Root::Directory(path.to_owned())));
        }
        readable(path, Repo::open(path))?;
        Ok(Self::at(Root::File(path.to_owned())))
    }

    /// Serves files under names, with `/` before them in paths; a single one on every path. They need not be there
    /// yet.
    pub fn named(files: impl IntoIterator<Item = (String, PathBuf)>) -> Self {
        let mut files: BTreeMap<String, PathBuf> = files.into_iter().collect();
        match files.pop_first() {
            Some((_, file)) if files.is_empty() => Self::at(Root::File(file)),
            Some((name, file)) => {
                files.insert(name, file);
                Self::at(Root::Named(files))
            }
            None => Self::at(Root::Named(files)),
        }
    }

    fn at(root: Root) -> Self {
        Self { root, verdicts: Verdicts::default(), idle: Mutex::default(), shared: Mutex::default() }
    }

    /// Whether the first segment of a path picks the repository.
    pub fn is_directory(&self) -> bool {
        !matches!(self.root, Root::File(_))
    }

    /// The file that `path` (without the base path) means. No other part of a path ever names a file. Whether
    /// it is a repository shows when it is opened.
    pub(crate) fn locate(&self, path: &str) -> Option<Place> {
        if let Root::File(file) = &self.root {
            return Some(Place { file: file.clone(), name: stem(file), path: String::new() });
        }
        let segment = path.trim_start_matches('/').split('/').next()?;
        self.picked(&percent_decode_str(segment).decode_utf8().ok()?)
    }

    /// The file that has this name.
    fn picked(&self, name: &str) -> Option<Place> {
        if !is_name(name) {
            return None;
        }
        let file = match &self.root {
            Root::File(_) => return None,
            Root::Directory(directory) => directory.join(format!("{name}.fossil")),
            Root::Named(files) => files.get(name)?.clone(),
        };
        let path = format!("/{}", utf8_percent_encode(name, ESCAPED));
        file.is_file().then(|| Place { file, name: name.to_owned(), path })
    }

    /// Whether the file at a place is a repository.
    pub(crate) fn holds_repository(&self, place: &Place) -> bool {
        !self.is_directory() || self.verdicts.is_repository(&place.file)
    }

    /// Every repository that a name picks, by name.
    pub(crate) fn list(&self) -> io::Result<Vec<Place>> {
        let mut names = Vec::new();
        match &self.root {
            Root::File(_) => {}
            Root::Named(files) => names.extend(files.keys().cloned()),
            Root::Directory(directory) => {
                for entry in fs::read_dir(directory)? {
                    let name = entry?.file_name();
                    names.extend(
                        name.to_str().and_then(|name| name.strip_suffix(".fossil")).map(str::to_owned),
                    );
                }
            }
        }
        names.sort();
        let places = names.iter().filter_map(|name| self.picked(name));
        let places = places.filter(|place| self.holds_repository(place)).collect();
        Ok(places)
    }

    /// Every repository with its project code and server code.
    #[cfg(feature = "nats")]
    pub(crate) fn projects(&self) -> Result<Vec<Project>, RepoError> {
        let places = if self.is_directory() {
            self.list().map_err(|error| RepoError::io(&error))?
        } else {
            self.locate("/").into_iter().collect()
        };
        let read = |place: Place| {
            let mut repo = Repo::open_read_only(&place.file)?;
            let snap = repo.snapshot()?;
            let code = |code: Option<String>| code.unwrap_or_default();
            let (project, server) = (code(config::project_code(&snap)?), code(config::server_code(&snap)?));
            Ok(Project { place, project, server })
        };
        places.into_iter().map(read).collect()
    }

    /// Takes a kept connection, or opens one under `limits`, which are the same in every call.
    pub(crate) fn open(&self, file: &Path, limits: &Limits) -> Result<Open, RepoError> {
        let metadata = fs::metadata(file).map_err(|error| RepoError::io(&error).at(file))?;
        let identity = identity(&metadata);
        while let Some(open) = self.idle().get_mut(file).and_then(Vec::pop) {
            if open.identity == identity {
                return Ok(open);
            }
        }
        let mut repo = readable(file, Repo::open(file))?;
        repo.set_limits(limits.clone())?;
        repo.put_off_write_back();
        if repo.share() {
            lock(&self.shared).insert(file.to_owned());
        }
        Ok(Open { repo, identity })
    }

    /// Keeps a connection for the next request, unless there are `most` already.
    pub(crate) fn keep(&self, file: PathBuf, open: Open, most: usize) {
        let mut idle = self.idle();
        let kept = idle.entry(file).or_default();
        if kept.len() < most {
            kept.push(open);
        }
    }

    fn idle(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Vec<Open>>> {
        lock(&self.idle)
    }
}

impl Drop for Repos {
    /// Leaves files as they were found: whole by themselves.
    fn drop(&mut self) {
        self.idle().clear();
        for file in &*lock(&self.shared) {
            // Whoever has it open still reads and writes it well as it is.
            let _ = Repo::open(file).map(|mut repo| repo.unshare());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was opened for writing; for reading where the file may only be read: to serve it that is enough.
fn readable(file: &Path, opened: Result<Repo, RepoError>) -> Result<Repo, RepoError> {
    match opened {
        Err(RepoError::ReadOnly { .. }) => Repo::open_read_only(file),
        opened => opened,
    }
}

/// Whether a segment may name a repository: no separators, no dot files, nothing that looks like an option.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && !name.starts_with(['.', '-'])
        && !name.contains(['/', '\\'])
        && !name.contains(char::is_control)
}

fn stem(file: &Path) -> String {
    file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    Identity(metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(metadata: &Metadata) -> Identity {
    let created = metadata.created().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    Identity(0, created.map_or(0, |since| since.as_nanos() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_may_only_be_read_is_served_and_other_failures_stay() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.fossil");
        drop(Repo::create(&file, &repo::Genesis::default()).unwrap());
        let refused = || Err(RepoError::ReadOnly { path: file.as_path().into() });
        let mut repo = readable(&file, refused()).unwrap();
        assert!(repo.snapshot().is_ok());
        assert!(matches!(repo.begin().map(drop), Err(RepoError::ReadOnly { .. })));
        let none = directory.path().join("none.fossil");
        assert!(matches!(readable(&none, Repo::open(&none)), Err(RepoError::NotFound { .. })));
    }

    #[test]
    fn a_repository_is_opened_under_the_limits_of_the_server() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.fossil");
        drop(Repo::create(&file, &repo::Genesis::default()).unwrap());
        for (artifact_bytes, fits) in [(99, false), (100, true)] {
            let repos = Repos::new(&file).unwrap();
            let limits = Limits { artifact_bytes, ..Limits::default() };
            let mut open = repos.open(&file, &limits).unwrap();
            let tx = open.repo.begin().unwrap();
            let added = repo::content::add(&tx, &[b'a'; 100], xfer::card::Privacy::Public);
            let settled = added.and_then(|_| repo::ingest::settle(&tx, repo::UnixTime(0)));
            assert_eq!(settled.is_ok(), fits, "{artifact_bytes}");
        }
    }

    #[test]
    fn only_the_first_segment_picks_a_repository_and_never_another_file() {
        let directory = tempfile::tempdir().unwrap();
        for file in ["a.fossil", ".hidden.fossil", "b c.fossil", "note.txt"] {
            fs::write(directory.path().join(file), "").unwrap();
        }
        fs::create_dir(directory.path().join("d.fossil")).unwrap();
        let repos = Repos::new(directory.path()).unwrap();
        let found = |path: &str| repos.locate(path).map(|place| place.name);
        for path in ["/a", "/a/", "/a/xfer", "/a/../b", "a", "//a", "/%61"] {
            assert_eq!(found(path).as_deref(), Some("a"), "{path}");
        }
        assert_eq!(found("/b%20c/xfer").as_deref(), Some("b c"));
        for path in [
            "/",
            "",
            "/b",
            "/d",
            "/.hidden",
            "/..%2fa",
            "/%2fetc%2fpasswd",
            "/b%5cc",
            "/b%0ac",
            "/note.txt",
            "/..",
            "/../a",
            "/%2e%2e%2fa",
            "/a%00",
            "/A%ff",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
    }

    #[test]
    fn files_under_names_are_picked_by_them_and_by_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        for name in ["a.fossil", "other"] {
            drop(Repo::create(&file(name), &repo::Genesis::default()).unwrap());
        }
        let named = |name: &str, path: &str| (name.to_owned(), file(path));
        let files = [named("a", "a.fossil"), named("b", "other"), named("gone", "gone.fossil")];
        let repos = Repos::named(files);
        let found = |path: &str| repos.locate(path).map(|place| place.file);
        assert_eq!(found("/a/xfer"), Some(file("a.fossil")));
        assert_eq!(found("/b"), Some(file("other")));
        for path in ["/other", "/gone", "/", "/a.fossil", "/.."] {
            assert_eq!(found(path), None, "{path}");
        }
        let listed: Vec<String> = repos.list().unwrap().into_iter().map(|place| place.path).collect();
        assert_eq!(listed, ["/a", "/b"]);
        let single = Repos::named([named("b", "other")]);
        assert_eq!(single.locate("/any/path").map(|place| place.file), Some(file("other")));
    }

    #[test]
    fn a_directory_lists_what_is_a_repository() {
        let directory = tempfile::tempdir().unwrap();
        for file in ["b c.fossil", "a.fossil", ".hidden.fossil", "note.txt"] {
            drop(Repo::create(&directory.path().join(file), &repo::Genesis::default()).unwrap());
        }
        fs::write(directory.path().join("empty.fossil"), "").unwrap();
        fs::write(directory.path().join("letter.fossil"), "a letter to my aunt\n".repeat(2000)).unwrap();
        rusqlite::Connection::open(directory.path().join("other.fossil"))
            .unwrap()
            .execute_batch("CREATE TABLE blob(x); INSERT INTO blob VALUES(zeroblob(50000))")
            .unwrap();
        let listed = Repos::new(directory.path()).unwrap().list().unwrap();
        let listed: Vec<&str> = listed.iter().map(|place| place.path.as_str()).collect();
        assert_eq!(listed, ["/a", "/b%20c"]);
    }
}
