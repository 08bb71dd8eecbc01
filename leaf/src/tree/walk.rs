//! All files below a directory.

use std::collections::BTreeSet;
use std::io;

use repo::manifest;
use rustix::fs::{Dir, FileType};

use super::write::is_temporary;
use super::{Entered, Found, Globs, Root};

/// What a walk leaves out.
#[derive(Debug, Default)]
pub(crate) struct Skip {
    /// The setting `ignore-glob`.
    pub(crate) globs: Globs,
    /// Names, such as that of the repository itself.
    pub(crate) names: BTreeSet<Vec<u8>>,
}

/// What a walk came across.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    /// Files and symbolic links.
    pub(crate) files: Vec<Vec<u8>>,
    /// What is neither of them, nor a directory, and what a killed export left behind.
    pub(crate) others: Vec<Vec<u8>>,
}

/// Names under which other version control systems keep their own.
const FOREIGN: [&[u8]; 5] = [b".git", b".hg", b".svn", b".bzr", b".jj"];

/// Whether another version control system keeps its own under that name.
pub(crate) fn is_foreign(component: &[u8]) -> bool {
    FOREIGN.iter().any(|name| name.eq_ignore_ascii_case(component))
}

impl Skip {
    fn applies(&self, name: &[u8], component: &[u8]) -> bool {
        is_foreign(component)
            || manifest::is_reserved_file(component)
            || self.names.contains(name)
            || self.globs.matches(name)
    }
}

/// Finds everything below `dir`, which must be a directory; the empty name is the root.
pub(crate) fn walk(root: &mut Root, dir: &[u8], skip: &Skip) -> io::Result<Walked> {
    let mut walked = Walked::default();
    let mut pending = vec![dir.to_vec()];
    while let Some(dir) = pending.pop() {
        for (component, found) in list(root, &dir)? {
            let name = if dir.is_empty() { component.clone() } else { [&dir[..], b"/", &component].concat() };
            if skip.applies(&name, &component) {
                continue;
            }
            match found {
                _ if is_temporary(&component) => walked.others.push(name),
                Found::File { .. } | Found::Link => walked.files.push(name),
                Found::Directory => pending.push(name),
                Found::Other | Found::Nothing => walked.others.push(name),
            }
        }
    }
    Ok(walked)
}

/// What is in a directory. The sizes of files are not looked up.
fn list(root: &mut Root, dir: &[u8]) -> io::Result<Vec<(Vec<u8>, Found)>> {
    let Entered::Here(fd) = root.enter(dir)? else { return Err(io::ErrorKind::NotFound.into()) };
    let mut entries = Vec::new();
    for entry in Dir::read_from(&fd)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes().to_vec();
        let found = match entry.file_type() {
            _ if matches!(&name[..], b"." | b"..") => continue,
            FileType::RegularFile => Found::File { size: 0 },
            FileType::Symlink => Found::Link,
            FileType::Directory => Found::Directory,
            FileType::Unknown => root.look(&[dir, b"/", &name].concat()[usize::from(dir.is_empty())..])?,
            _ => Found::Other,
        };
        entries.push((name, found));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_finds_files_and_links_and_leaves_out_what_is_no_part_of_the_tree() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a/b", ".git", "x/.GIT/hooks", "build/deep", "loop"] {
            std::fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        std::fs::write(dir.path().join("x/.frond-12.tmp"), "").unwrap();
        let files = ["a/b/c", "a/.dot", ".git/config", "x/.fslckout", "build/deep/o", "top.o", "r.fossil"];
        for name in files {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        std::os::unix::fs::symlink("..", dir.path().join("loop/up")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("pipe"), rustix::fs::Mode::RUSR).unwrap();
        let skip = Skip { globs: Globs::parse("*.o,build"), names: [b"r.fossil".to_vec()].into() };
        let mut root = Root::open(dir.path()).unwrap();
        let mut walked = walk(&mut root, b"", &skip).unwrap();
        walked.files.sort();
        walked.others.sort();
        assert_eq!(walked.files, [&b"a/.dot"[..], b"a/b/c", b"loop/up"]);
        assert_eq!(walked.others, [&b"pipe"[..], b"x/.frond-12.tmp"]);
        assert_eq!(walk(&mut root, b"a/b", &skip).unwrap().files, [b"a/b/c"]);
        assert!(walk(&mut root, b"loop/up", &skip).is_err(), "a link is no directory");
    }
}
