//! A directory on disk that is read and written below one root. No symbolic link in it is ever followed, so that
//! nothing outside is reached, whatever it holds and whoever changes it meanwhile.

mod glob;
mod walk;
mod write;

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::rc::Rc;

use repo::manifest::Perm;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::Errno;

pub(crate) use self::glob::Globs;
pub(crate) use self::walk::{Skip, is_foreign, walk};
pub(crate) use self::write::{Existing, Put};

/// The directory. Names are bytes, with slashes between the components; each must be a plain relative path.
pub(crate) struct Root {
    top: Rc<OwnedFd>,
    /// The directory that was entered last.
    last: Option<(Vec<u8>, Rc<OwnedFd>)>,
}

/// What is under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing. Nor is there where a component of the name is no directory.
    Nothing,
    File {
        size: u64,
    },
    Link,
    Directory,
    /// A pipe, a socket, a device.
    Other,
}

/// A file as it was read.
pub(crate) struct Content {
    /// For a symbolic link, its target.
    pub(crate) bytes: Vec<u8>,
    pub(crate) perm: Perm,
}

/// What came of reading a file.
pub(crate) enum Reading {
    Done(Content),
    /// There is nothing, or something that is neither a file nor a link.
    NoFile,
    /// Somebody wrote to it at the same time.
    Changed,
    /// It has more bytes than the limit.
    TooLarge,
}

/// What came of entering a directory.
enum Entered {
    Here(Rc<OwnedFd>),
    Missing,
    /// This is there and no directory.
    Blocked(Vec<u8>),
}

/// How directories are opened.
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Root {
    /// Opens a directory. This name may lead through links: the user gave it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let top = openat(CWD, path, DIRECTORY, Mode::empty())?;
        Ok(Self { top: Rc::new(top), last: None })
    }

    /// What is under a name.
    pub(crate) fn look(&mut self, name: &[u8]) -> io::Result<Found> {
        let (dir, tail) = split(name);
        let Entered::Here(dir) = self.enter(dir)? else { return Ok(Found::Nothing) };
        if tail.is_empty() {
            return Ok(Found::Directory);
        }
        let stat = match statat(&dir, tail, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(Found::Nothing),
            stat => stat?,
        };
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Found::File { size: u64::try_from(stat.st_size).unwrap_or(0) },
            FileType::Symlink => Found::Link,
            FileType::Directory => Found::Directory,
            _ => Found::Other,
        })
    }

    /// Reads a file of at most `limit` bytes, or the target of a symbolic link.
    pub(crate) fn read(&mut self, name: &[u8], limit: usize) -> io::Result<Reading> {
        let (dir, tail) = split(name);
        let Entered::Here(dir) = self.enter(dir)? else { return Ok(Reading::NoFile) };
        // Not blocking: opening a pipe would wait for its writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match openat(&dir, tail, flags, Mode::empty()) {
            // No socket can be opened.
            Err(Errno::NOENT | Errno::NXIO) => Ok(Reading::NoFile),
            Err(Errno::LOOP) => match readlinkat(&dir, tail, Vec::new()) {
                Err(Errno::NOENT | Errno::INVAL) => Ok(Reading::Changed),
                target => {
                    let bytes = target?.into_bytes();
                    Ok(Reading::Done(Content { bytes, perm: Perm::Symlink }))
                }
            },
            file => read_file(&mut File::from(file?), limit),
        }
    }

    /// Enters a directory component by component; the empty name is the root.
    fn enter(&mut self, dir: &[u8]) -> io::Result<Entered> {
        if let Some((last, fd)) = &self.last
            && last == dir
        {
            return Ok(Entered::Here(Rc::clone(fd)));
        }
        let mut at = Rc::clone(&self.top);
        for end in ends(dir) {
            match openat(&at, split(&dir[..end]).1, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()) {
                Err(Errno::NOENT) => return Ok(Entered::Missing),
                Err(Errno::NOTDIR | Errno::LOOP) => return Ok(Entered::Blocked(dir[..end].to_vec())),
                next => at = Rc::new(next?),
            }
        }
        self.last = Some((dir.to_vec(), Rc::clone(&at)));
        Ok(Entered::Here(at))
    }
}

/// A name as people read it, on one line; the empty name is the root.
pub(crate) fn shown(name: &[u8]) -> String {
    let mut text = String::new();
    for c in String::from_utf8_lossy(if name.is_empty() { b"." } else { name }).chars() {
        if c.is_control() { text.extend(c.escape_default()) } else { text.push(c) }
    }
    text
}

/// Where the components of a path end.
fn ends(path: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    slashes.chain((!path.is_empty()).then_some(path.len()))
}

/// The directory part of a name, and its last component.
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&name[..slash], &name[slash + 1..]),
        None => (b"", name),
    }
}

fn read_file(file: &mut File, limit: usize) -> io::Result<Reading> {
    let before = file.metadata()?;
    if !before.is_file() {
        return Ok(Reading::NoFile);
    }
    if before.len() > limit as u64 {
        return Ok(Reading::TooLarge);
    }
    let mut bytes = Vec::with_capacity(before.len() as usize);
    file.take(before.len() + 1).read_to_end(&mut bytes)?;
    let after = file.metadata()?;
    let state =
        |of: &std::fs::Metadata| (of.size(), of.mtime(), of.mtime_nsec(), of.ctime(), of.ctime_nsec());
    if state(&before) != state(&after) || bytes.len() as u64 != before.len() {
        return Ok(Reading::Changed);
    }
    // Fossil looks at what the owner may do.
    let perm = if before.mode() & 0o100 != 0 { Perm::Executable } else { Perm::Regular };
    Ok(Reading::Done(Content { bytes, perm }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn read(root: &mut Root, name: &str) -> Option<(String, Perm)> {
        match root.read(name.as_bytes(), 10).unwrap() {
            Reading::Done(content) => Some((String::from_utf8(content.bytes).unwrap(), content.perm)),
            Reading::NoFile | Reading::Changed | Reading::TooLarge => None,
        }
    }

    #[test]
    fn no_link_is_followed() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "secret").unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("real")).unwrap();
        std::fs::write(dir.path().join("real/file"), "text").unwrap();
        symlink(outside.path(), dir.path().join("real/out")).unwrap();
        symlink("real", dir.path().join("in")).unwrap();
        symlink("file", dir.path().join("real/link")).unwrap();
        let mut root = Root::open(dir.path()).unwrap();
        assert_eq!(read(&mut root, "real/file"), Some(("text".into(), Perm::Regular)));
        assert_eq!(read(&mut root, "real/link"), Some(("file".into(), Perm::Symlink)));
        for name in ["in/file", "real/out/secret", "real", "none/x", "real/file/x"] {
            assert_eq!(read(&mut root, name), None, "{name}");
        }
        assert_eq!(root.look(b"in").unwrap(), Found::Link);
        assert_eq!(root.look(b"in/file").unwrap(), Found::Nothing);
        assert_eq!(root.look(b"real/file").unwrap(), Found::File { size: 4 });
        assert_eq!(root.look(b"").unwrap(), Found::Directory);
    }

    /// Files of /proc say that they are empty, and are not.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_is_longer_than_it_said_has_changed() {
        let mut root = Root::open("/proc/self".as_ref()).unwrap();
        assert!(matches!(root.read(b"status", 1000), Ok(Reading::Changed)));
    }

    #[test]
    fn a_name_is_shown_on_one_line() {
        for (name, expected) in
            [("a b/é", "a b/é"), ("", "."), ("a\nb\x1b[1m", "a\\nb\\u{1b}[1m"), ("'\"", "'\"")]
        {
            assert_eq!(shown(name.as_bytes()), expected);
        }
    }

    #[test]
    fn a_file_has_a_limit_and_a_pipe_does_not_block() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("large"), "eleven byte").unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mkfifoat(CWD, &pipe, Mode::RUSR).unwrap();
        let mut root = Root::open(dir.path()).unwrap();
        assert!(matches!(root.read(b"large", 10), Ok(Reading::TooLarge)));
        assert!(matches!(root.read(b"large", 11), Ok(Reading::Done(_))));
        assert!(matches!(root.read(b"pipe", 10), Ok(Reading::NoFile)));
        assert_eq!(root.look(b"pipe").unwrap(), Found::Other);
    }
}
