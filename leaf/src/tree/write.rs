//! Files that appear whole or not at all.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use repo::manifest::Perm;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, mkdirat, openat, renameat, symlinkat, unlinkat};
use rustix::io::Errno;

use super::{Entered, Root, ends, split};

/// What becomes of a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    Kept,
    Replaced,
}

/// What came of writing a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Put {
    Done,
    /// There is one already.
    Exists,
    /// This is in the way: no directory where the name needs one.
    Blocked(Vec<u8>),
}

impl Root {
    /// Writes a file, and the directories it is in. What the name leads to is replaced as a whole or not at all;
    /// a link in its place is replaced, never followed.
    pub(crate) fn put(
        &mut self,
        name: &[u8],
        bytes: &[u8],
        perm: Perm,
        existing: Existing,
    ) -> io::Result<Put> {
        let (dir, tail) = split(name);
        let dir = match self.make(dir)? {
            Entered::Here(dir) => dir,
            Entered::Blocked(what) => return Ok(Put::Blocked(what)),
            Entered::Missing => return Err(io::ErrorKind::NotFound.into()),
        };
        let put = match perm {
            Perm::Symlink => link(&dir, tail, bytes, existing),
            Perm::Regular => file(&dir, tail, bytes, 0o666, existing),
            Perm::Executable => file(&dir, tail, bytes, 0o777, existing),
        };
        match put {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Put::Exists),
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(Put::Blocked(name.to_vec())),
            put => put.map(|()| Put::Done),
        }
    }

    /// Enters a directory, which is made if it is not there.
    fn make(&mut self, dir: &[u8]) -> io::Result<Entered> {
        let entered = self.enter(dir)?;
        if !matches!(entered, Entered::Missing) {
            return Ok(entered);
        }
        let mut above = Rc::clone(&self.top);
        for end in ends(dir) {
            let made = mkdirat(&above, split(&dir[..end]).1, Mode::from_raw_mode(0o777));
            if let Err(error) = made
                && error != Errno::EXIST
            {
                return Err(error.into());
            }
            match self.enter(&dir[..end])? {
                Entered::Here(next) => above = next,
                blocked => return Ok(blocked),
            }
        }
        Ok(Entered::Here(above))
    }
}

fn link(dir: &OwnedFd, name: &[u8], target: &[u8], existing: Existing) -> io::Result<()> {
    match existing {
        Existing::Kept => Ok(symlinkat(target, dir, name)?),
        Existing::Replaced => replace(dir, name, |temporary| symlinkat(target, dir, temporary)),
    }
}

fn file(dir: &OwnedFd, name: &[u8], bytes: &[u8], mode: u32, existing: Existing) -> io::Result<()> {
    let mode = Mode::from_raw_mode(mode as _);
    if let Some(file) = nameless(dir, mode)? {
        File::from(file.try_clone()?).write_all(bytes)?;
        let named = match existing {
            Existing::Kept => give_name(&file, dir, name).map_err(io::Error::from),
            Existing::Replaced => replace(dir, name, |temporary| give_name(&file, dir, temporary)),
        };
        match named {
            // Without /proc the file cannot get its name.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            named => return named,
        }
    }
    named(dir, name, bytes, mode, existing)
}

/// A file without a name, of which nothing stays if this program is killed; none where there is no such thing.
#[cfg(target_os = "linux")]
fn nameless(dir: &OwnedFd, mode: Mode) -> io::Result<Option<OwnedFd>> {
    match openat(dir, ".", OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, mode) {
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => Ok(None),
        file => Ok(Some(file?)),
    }
}

#[cfg(not(target_os = "linux"))]
fn nameless(_dir: &OwnedFd, _mode: Mode) -> io::Result<Option<OwnedFd>> {
    Ok(None)
}

fn give_name(file: &OwnedFd, dir: &OwnedFd, name: &[u8]) -> rustix::io::Result<()> {
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file));
    linkat(CWD, path, dir, name, AtFlags::SYMLINK_FOLLOW)
}

/// The same by way of a file with a name of its own, which stays behind if this program is killed.
fn named(dir: &OwnedFd, name: &[u8], bytes: &[u8], mode: Mode, existing: Existing) -> io::Result<()> {
    let temporary = temporary();
    remove(dir, &temporary)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(dir, &temporary[..], flags, mode)?;
    let written = File::from(file).write_all(bytes).and_then(|()| match existing {
        Existing::Kept => Ok(linkat(dir, &temporary[..], dir, name, AtFlags::empty())?),
        Existing::Replaced => Ok(renameat(dir, &temporary[..], dir, name)?),
    });
    remove(dir, &temporary)?;
    written
}

/// Makes something under its name; if that is taken, under another one first, which stays behind if this program
/// is killed just then.
fn replace(dir: &OwnedFd, name: &[u8], make: impl Fn(&[u8]) -> rustix::io::Result<()>) -> io::Result<()> {
    match make(name) {
        Err(Errno::EXIST) => {}
        made => return Ok(made?),
    }
    let temporary = temporary();
    remove(dir, &temporary)?;
    make(&temporary)?;
    let moved = renameat(dir, &temporary[..], dir, name);
    if moved.is_err() {
        remove(dir, &temporary)?;
    }
    Ok(moved?)
}

fn remove(dir: &OwnedFd, name: &[u8]) -> io::Result<()> {
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// No other process uses this name.
fn temporary() -> Vec<u8> {
    format!(".frond-{}.tmp", std::process::id()).into_bytes()
}

/// Whether this program uses such a name for a moment.
pub(super) fn is_temporary(component: &[u8]) -> bool {
    let id = component.strip_prefix(b".frond-").and_then(|rest| rest.strip_suffix(b".tmp"));
    id.is_some_and(|id| !id.is_empty() && id.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn files_and_links_are_made_with_their_directories() {
        let dir = tempfile::tempdir().unwrap();
        let mut root = Root::open(dir.path()).unwrap();
        let cases = [("a/b/file", Perm::Regular), ("a/run", Perm::Executable), ("a/b/link", Perm::Symlink)];
        for (existing, text) in [(Existing::Kept, "one"), (Existing::Replaced, "two")] {
            for (name, perm) in cases {
                assert_eq!(root.put(name.as_bytes(), text.as_bytes(), perm, existing).unwrap(), Put::Done);
            }
            let at = |name: &str| dir.path().join(name);
            assert_eq!(std::fs::read_to_string(at("a/b/file")).unwrap(), text);
            assert_eq!(std::fs::read_link(at("a/b/link")).unwrap().to_str(), Some(text));
            assert_eq!(std::fs::metadata(at("a/run")).unwrap().permissions().mode() & 0o100, 0o100);
            assert_eq!(std::fs::metadata(at("a/b/file")).unwrap().permissions().mode() & 0o111, 0);
            assert_eq!(std::fs::read_dir(at("a/b")).unwrap().count(), 2, "nothing stays beside them");
        }
        for (name, perm) in cases {
            let put = root.put(name.as_bytes(), b"three", perm, Existing::Kept).unwrap();
            assert_eq!(put, Put::Exists, "{name}");
        }
    }

    #[test]
    fn what_is_in_the_way_stays() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |name: &str| dir.path().join(name);
        std::fs::write(outside.path().join("victim"), "whole").unwrap();
        std::fs::create_dir(at("dir")).unwrap();
        std::fs::write(at("file"), "").unwrap();
        symlink(outside.path(), at("link")).unwrap();
        symlink(outside.path().join("victim"), at("to-file")).unwrap();
        let mut root = Root::open(dir.path()).unwrap();
        for (name, blocked) in
            [("link/x", "link"), ("file/x/y", "file"), ("dir", "dir"), ("link/x/y", "link")]
        {
            for perm in [Perm::Regular, Perm::Symlink] {
                let put = root.put(name.as_bytes(), b"x", perm, Existing::Replaced).unwrap();
                assert_eq!(put, Put::Blocked(blocked.into()), "{name}");
            }
        }
        let put = root.put(b"to-file", b"new", Perm::Regular, Existing::Replaced).unwrap();
        assert_eq!(put, Put::Done);
        assert_eq!(std::fs::read_to_string(outside.path().join("victim")).unwrap(), "whole");
        assert!(std::fs::symlink_metadata(at("to-file")).unwrap().is_file());
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn without_nameless_files_it_works_too() {
        let dir = tempfile::tempdir().unwrap();
        let fd = openat(CWD, dir.path(), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        let mode = Mode::from_raw_mode(0o666);
        named(&fd, b"x", b"one", mode, Existing::Kept).unwrap();
        let error = named(&fd, b"x", b"two", mode, Existing::Kept).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        named(&fd, b"x", b"three", mode, Existing::Replaced).unwrap();
        assert_eq!(std::fs::read(dir.path().join("x")).unwrap(), b"three");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(is_temporary(&temporary()));
    }
}
