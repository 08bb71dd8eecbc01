//! Where a clone is made: a file beside the one it will be, so that no file looks whole and is not.
//!
//! For `FILE` the clone grows in `.FILE.frond-clone`, guarded by a lock on `.FILE.frond-lock`, which ends with
//! the process that holds it. Killed at any moment, the clone leaves a file that SQLite rolls back to the last
//! whole round; the next clone of the same source to the same `FILE` goes on from there. Where the machine failed or was
//! restarted meanwhile it begins anew, as nobody waited for the disk (`Repo::hurry`), unless the system does not name its runs, where
//! everybody did. A disk that loses what it took while the machine goes on, one that is pulled out, say, may leave a file with other
//! contents in sound pages: nobody looks for that but `frond verify`.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The one user of a place at a time.
pub(crate) struct Workplace {
    target: PathBuf,
    work: PathBuf,
    lock_file: PathBuf,
    /// Held until the clone ends. The repository has its own locks: this file is never a database.
    _lock: File,
}

/// Why the file of a clone cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is there already.
    #[error("{}: exists already", .0.display())]
    Exists(PathBuf),
    /// Another process makes it.
    #[error("{}: another clone to this file is under way", .0.display())]
    Busy(PathBuf),
    /// It names no file in a directory.
    #[error("{}: names no file", .0.display())]
    NoName(PathBuf),
    /// An interrupted clone of something else is in its place.
    #[error("{}: holds the interrupted clone of {source_url}, {} private artifacts", file.display(), with(*private))]
    OtherSource {
        /// The unfinished file.
        file: PathBuf,
        /// What it is an unfinished clone of.
        source_url: String,
        /// Whether it has private artifacts too.
        private: bool,
    },
    /// The system refused.
    #[error("{}: {error}", file.display())]
    Io {
        /// Which file.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl FileError {
    fn io(file: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io { file: file.to_owned(), error }
    }
}

fn with(private: bool) -> &'static str {
    if private { "with" } else { "without" }
}

/// The file in which a clone to `target` grows. None if `target` names no file.
pub fn work_file(target: &Path) -> Option<PathBuf> {
    sibling(target, "frond-clone")
}

/// Names this run of the machine: what was written in another one may not be on the disk, or not all of it. None where the
/// system does not tell.
pub(crate) fn boot() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

fn sibling(target: &Path, suffix: &str) -> Option<PathBuf> {
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name()?);
    name.push(".");
    name.push(suffix);
    Some(target.with_file_name(name))
}

impl Workplace {
    /// Takes the place of `target`, which must not exist.
    pub(crate) fn take(target: &Path) -> Result<Self, FileError> {
        let no_name = || FileError::NoName(target.to_owned());
        let work = work_file(target).ok_or_else(no_name)?;
        let lock_file = sibling(target, "frond-lock").ok_or_else(no_name)?;
        refuse_existing(target)?;
        let lock = lock(&lock_file, target)?;
        let place = Self { target: target.to_owned(), work, lock_file, _lock: lock };
        // Whoever held the lock a moment ago may have finished.
        refuse_existing(target)?;
        place.let_go_of_published()?;
        Ok(place)
    }

    /// Killed while it was published, the work has two names; the other one is the user's.
    #[cfg(unix)]
    fn let_go_of_published(&self) -> Result<(), FileError> {
        use std::os::unix::fs::MetadataExt as _;
        match fs::metadata(&self.work) {
            Ok(found) if found.nlink() > 1 => self.clear(),
            _ => Ok(()),
        }
    }

    #[cfg(not(unix))]
    fn let_go_of_published(&self) -> Result<(), FileError> {
        Ok(())
    }

    /// The file to work in.
    pub(crate) fn work(&self) -> &Path {
        &self.work
    }

    /// Throws the work away.
    pub(crate) fn clear(&self) -> Result<(), FileError> {
        for suffix in ["", "-journal", "-wal", "-shm"] {
            let mut name = self.work.as_os_str().to_owned();
            name.push(suffix);
            match fs::remove_file(Path::new(&name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(FileError::io(Path::new(&name))(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Gives the finished work, which is on the disk (`Repo::calm`), its name. Never replaces a file.
    pub(crate) fn publish(self) -> Result<(), FileError> {
        // A link fails where a rename would replace. Some file systems have none.
        match fs::hard_link(&self.work, &self.target) {
            Ok(()) => fs::remove_file(&self.work).map_err(FileError::io(&self.work))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(FileError::Exists(self.target.clone()));
            }
            Err(_) => {
                refuse_existing(&self.target)?;
                fs::rename(&self.work, &self.target).map_err(FileError::io(&self.target))?;
            }
        }
        if let Some(directory) = self.target.parent() {
            let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
            // Not every system can sync a directory; the file itself is safe.
            let _ = File::open(directory).and_then(|directory| directory.sync_all());
        }
        Ok(())
    }
}

/// Leaves the work for the next clone.
impl Drop for Workplace {
    fn drop(&mut self) {
        // The lock ends with its file handle; the file itself is of no use any more.
        let _ = fs::remove_file(&self.lock_file);
    }
}

/// Locks a file, which is made if it is not there. Whoever held it before takes it away: one that has no name any more
/// is no lock, since others make a new one.
fn lock(file: &Path, target: &Path) -> Result<File, FileError> {
    loop {
        let open = OpenOptions::new().create(true).write(true).truncate(false).open(file);
        let lock = open.map_err(FileError::io(target))?;
        match lock.try_lock() {
            Ok(()) if is_called(&lock, file).map_err(FileError::io(file))? => return Ok(lock),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FileError::Busy(target.to_owned())),
            Err(TryLockError::Error(error)) => return Err(FileError::io(file)(error)),
        }
    }
}

/// Whether a name is still that of an open file.
#[cfg(unix)]
fn is_called(open: &File, name: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let open = open.metadata()?;
    match fs::symlink_metadata(name) {
        Ok(named) => Ok((open.dev(), open.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Elsewhere a file that is open keeps its name.
#[cfg(not(unix))]
fn is_called(_open: &File, _name: &Path) -> io::Result<bool> {
    Ok(true)
}

fn refuse_existing(target: &Path) -> Result<(), FileError> {
    match fs::symlink_metadata(target) {
        Ok(_) => Err(FileError::Exists(target.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(FileError::io(target)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("a.fossil");
        (directory, target)
    }

    fn files(directory: &tempfile::TempDir) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        fs::read_dir(directory).unwrap().map(name).collect()
    }

    #[test]
    fn a_published_clone_is_the_only_file() {
        let (directory, target) = target();
        let place = Workplace::take(&target).unwrap();
        fs::write(place.work(), "whole").unwrap();
        place.publish().unwrap();
        assert_eq!(files(&directory), ["a.fossil"]);
        assert_eq!(fs::read(target).unwrap(), b"whole");
    }

    #[test]
    fn two_clones_to_one_file_do_not_meet() {
        let (_directory, target) = target();
        let first = Workplace::take(&target).unwrap();
        assert!(matches!(Workplace::take(&target), Err(FileError::Busy(_))));
        drop(first);
        assert!(Workplace::take(&target).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_that_was_taken_away_is_none() {
        let (directory, _) = target();
        let file = directory.path().join("lock");
        let held = File::create(&file).unwrap();
        assert!(is_called(&held, &file).unwrap());
        fs::remove_file(&file).unwrap();
        assert!(!is_called(&held, &file).unwrap());
        File::create(&file).unwrap();
        assert!(!is_called(&held, &file).unwrap(), "another one of that name");
    }

    #[test]
    fn of_many_who_come_and_go_one_at_most_has_the_place() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let (_directory, target) = target();
        let (inside, taken) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        let Ok(place) = Workplace::take(&target) else { continue };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        taken.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(place);
                    }
                });
            }
        });
        assert!(taken.into_inner() > 0);
    }

    #[test]
    fn a_file_that_is_there_is_never_replaced() {
        let (_directory, target) = target();
        let place = Workplace::take(&target).unwrap();
        fs::write(place.work(), "new").unwrap();
        fs::write(&target, "old").unwrap();
        assert!(matches!(place.publish(), Err(FileError::Exists(_))));
        assert!(matches!(Workplace::take(&target), Err(FileError::Exists(_))));
        assert_eq!(fs::read(target).unwrap(), b"old");
    }

    #[cfg(unix)]
    #[test]
    fn work_that_has_its_name_already_is_not_taken_up() {
        let (directory, target) = target();
        let place = Workplace::take(&target).unwrap();
        let moved = directory.path().join("moved.fossil");
        fs::write(place.work(), "whole").unwrap();
        fs::hard_link(place.work(), &moved).unwrap();
        drop(place);
        assert!(!Workplace::take(&target).unwrap().work().exists());
        assert_eq!(fs::read(moved).unwrap(), b"whole");
    }

    #[test]
    fn a_path_without_a_name_is_refused() {
        assert!(matches!(Workplace::take(Path::new("/")), Err(FileError::NoName(_))));
        assert!(matches!(Workplace::take(Path::new("a/..")), Err(FileError::NoName(_))));
    }
}
