//! Names of files: from paths of the command line to names in the tree.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use repo::manifest;

use super::Windows;
use crate::exit::{Code, Failure, from_reading};
use crate::tree::shown;

/// What is to be looked at.
pub(super) struct Targets {
    /// Files and directories; the empty name is the root.
    pub(super) names: Vec<Vec<u8>>,
    /// Names of the repository itself, if it lies in the tree.
    pub(super) own: BTreeSet<Vec<u8>>,
}

impl Targets {
    /// Turns paths, which are relative to `base` or absolute, into names.
    pub(super) fn new(base: &Path, paths: &[PathBuf], repository: &Path) -> Result<Self, Failure> {
        let real = base.canonicalize().map_err(|error| from_reading(base, &error))?;
        let absolute = std::path::absolute(base).unwrap_or_else(|_| real.clone());
        let names = paths.iter().map(|path| {
            let inside = path.strip_prefix(&real).or_else(|_| path.strip_prefix(&absolute)).unwrap_or(path);
            name(inside).ok_or_else(|| {
                let what = format!("{}: outside of the base directory {}", path.display(), base.display());
                Failure::new(Code::Failed, what, "name files in it, or another one with --base")
            })
        });
        let names = names.collect::<Result<_, _>>()?;
        let repository = repository.canonicalize().unwrap_or_else(|_| repository.to_owned());
        let own = repository.strip_prefix(&real).ok().and_then(name);
        let suffixes = ["", "-journal", "-wal", "-shm"];
        let own = own.map(|own| suffixes.map(|suffix| [&own[..], suffix.as_bytes()].concat()));
        Ok(Self { names, own: own.into_iter().flatten().collect() })
    }
}

/// The name in the tree of a relative path; none if it leads out of it.
fn name(path: &Path) -> Option<Vec<u8>> {
    let mut components = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(component) => components.push(component.as_bytes()),
            Component::CurDir => {}
            Component::ParentDir => drop(components.pop()?),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(components.join(&b'/'))
}

/// The base directory. Somewhere in a checkout, its root may well be meant: then it has to be named.
pub(super) fn base(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(base) = given {
        return Ok(base);
    }
    let here = std::env::current_dir().map_err(|error| from_reading(Path::new("."), &error))?;
    let is_checkout = |dir: &&Path| [".fslckout", "_FOSSIL_"].iter().any(|name| dir.join(name).is_file());
    match here.ancestors().find(is_checkout) {
        Some(root) if root != here => {
            let what = format!("the current directory is inside of a checkout, {}", root.display());
            let hint = format!("say what names are relative to: --base {}, or --base .", root.display());
            Err(Failure::new(Code::Usage, what, hint))
        }
        _ => Ok(PathBuf::from(".")),
    }
}

/// Refuses names that stock does not take.
pub(super) fn check_new(name: &[u8], windows: Windows) -> Result<(), Failure> {
    let refuse = |why: &str, hint: &str| {
        let what = format!("{}: {why}", shown(name));
        Err(Failure::new(Code::Failed, what, hint))
    };
    const IGNORE: &str = "rename it, or name it in the setting ignore-glob";
    if std::str::from_utf8(name).is_err() {
        return refuse("a name must be UTF-8", IGNORE);
    }
    if name.contains(&b'\\') {
        return refuse("a name must hold no backslash", IGNORE);
    }
    if manifest::is_reserved_file(name) {
        return refuse("Fossil keeps a file of its own under that name", "leave it out");
    }
    if windows == Windows::Refused && name.split(|byte| *byte == b'/').any(is_windows) {
        return refuse(
            "Windows takes no such name",
            "rename it, name it in the setting ignore-glob, or give --allow-reserved",
        );
    }
    Ok(())
}

/// Whether Windows keeps that name for itself, whatever follows its first dot.
fn is_windows(component: &[u8]) -> bool {
    let stem = component.split(|byte| *byte == b'.').next().unwrap_or_default().to_ascii_lowercase();
    match &stem[..] {
        b"con" | b"prn" | b"aux" | b"nul" => true,
        [b'c', b'o', b'm', digit] | [b'l', b'p', b't', digit] => digit.is_ascii_digit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_name_in_the_tree_or_leads_out_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        let (inside, outside) = (base.join("x/y"), base.parent().unwrap().join("z"));
        let cases = [
            ("a", Some("a")),
            ("./a//b/", Some("a/b")),
            ("a/../b", Some("b")),
            (".", Some("")),
            ("..", None),
            ("a/../../b", None),
            (inside.to_str().unwrap(), Some("x/y")),
            (outside.to_str().unwrap(), None),
            ("/", None),
        ];
        for (path, expected) in cases {
            let targets = Targets::new(&base, &[path.into()], &base.join("r.fossil"));
            let names = targets.ok().map(|targets| String::from_utf8(targets.names[0].clone()).unwrap());
            assert_eq!(names.as_deref(), expected, "{path}");
        }
    }

    /// What stock 2.21 refuses to add.
    #[test]
    fn names_are_refused_as_in_stock() {
        let bad: [&[u8]; 12] = [
            b"a\\b",
            b"\xff",
            b"_FOSSIL_",
            b"x/.fslckout-wal",
            b"sub/aux.c",
            b"com1",
            b"com1.txt",
            b"lpt9.a.b",
            b"com0",
            b"nul.d/x",
            b"CON",
            b"prn.x",
        ];
        for name in bad {
            assert!(check_new(name, Windows::Refused).is_err(), "{}", String::from_utf8_lossy(name));
        }
        let good = [
            "auxx",
            "clock$",
            ".git/config",
            "a b",
            "n\nl",
            "t\tb",
            "*x",
            "[b]",
            "x:y",
            "trail ",
            "é",
            "com",
        ];
        for name in good {
            assert!(check_new(name.as_bytes(), Windows::Refused).is_ok(), "{name}");
        }
        assert!(check_new(b"aux.c", Windows::Taken).is_ok());
    }
}
