//! What a check-in changes: the files on the disk against those of the parent.

use std::collections::BTreeMap;

use repo::manifest::{FileEntry, Perm};
use repo::{Snapshot, Text, config};

use super::place::Place;
use super::target::{self, Targets};
use super::{Gone, Work, read};
use crate::cli::ls;
use crate::exit::{Code, Failure, from_reading};
use crate::tree::{Content, Found, Globs, Root, Skip, shown, walk};

/// What is to be done.
pub(super) struct Plan {
    pub(super) place: Place,
    pub(super) user: Text,
    /// By name.
    pub(super) changes: Vec<Change>,
    /// What no check-in can hold.
    pub(super) others: Vec<Vec<u8>>,
}

/// One file of it.
pub(super) struct Change {
    pub(super) name: Text,
    pub(super) what: What,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Added,
    Edited,
    Deleted,
}

impl Change {
    pub(super) fn name(&self) -> Text {
        self.name.clone()
    }
}

impl What {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Edited => "edited",
            Self::Deleted => "deleted",
        }
    }
}

impl Plan {
    /// Looks at the files one after the other. Those that are new are not read yet.
    pub(super) fn make(
        snap: &Snapshot<'_>,
        root: &mut Root,
        targets: &Targets,
        work: &Work,
        place: Place,
        user: Text,
    ) -> Result<Self, Failure> {
        let mut search = Search {
            before: before(snap, &place)?,
            skip: skip(snap, root, targets)?,
            found: BTreeMap::new(),
            others: Vec::new(),
            root,
        };
        for name in &targets.names {
            search.find(name, targets, work.gone)?;
        }
        let links = match config::switch(snap, "allow-symlinks")? {
            Some(true) => Links::OnDisk,
            Some(false) | None => Links::InFiles,
        };
        let Search { before, found, others, root, .. } = search;
        let mut changes = Vec::new();
        for (name, is_there) in found {
            let what = match (is_there, before.get(&name)) {
                (IsThere::No, _) => Some(What::Deleted),
                (IsThere::Yes, None) => {
                    target::check_new(&name, work.windows)?;
                    Some(What::Added)
                }
                (IsThere::Yes, Some(before)) => {
                    let content = read(root, &name)?.ok_or_else(|| vanished(&name))?;
                    differs(before, &content, links).then_some(What::Edited)
                }
            };
            changes.extend(what.map(|what| Change { name: Text(name), what }));
        }
        Ok(Self { place, user, changes, others })
    }
}

/// How the disk has symbolic links.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Links {
    /// As such.
    OnDisk,
    /// As plain files with the target in them, as stock writes them without the setting `allow-symlinks`.
    InFiles,
}

#[derive(Clone, Copy)]
enum IsThere {
    Yes,
    No,
}

/// Looks for files.
struct Search<'r> {
    root: &'r mut Root,
    /// The files of the parent.
    before: BTreeMap<Vec<u8>, FileEntry>,
    skip: Skip,
    found: BTreeMap<Vec<u8>, IsThere>,
    others: Vec<Vec<u8>>,
}

impl Search<'_> {
    /// Finds the files that `name` means: itself, or everything below it; the empty name is the root.
    fn find(&mut self, name: &[u8], targets: &Targets, gone: Gone) -> Result<(), Failure> {
        match self.look(name)? {
            Found::File { .. } | Found::Link => {
                if targets.own.contains(name) {
                    let what = format!("{}: belongs to the repository itself", shown(name));
                    return Err(Failure::new(Code::Failed, what, "leave it out"));
                }
                self.found.insert(name.to_vec(), IsThere::Yes);
            }
            Found::Directory => {
                let walked = walk(self.root, name, &self.skip);
                let walked = walked.map_err(|error| from_reading(shown(name).as_ref(), &error))?;
                self.found.extend(walked.files.into_iter().map(|file| (file, IsThere::Yes)));
                self.others.extend(walked.others);
            }
            Found::Other => {
                let what = format!("{}: neither a file nor a directory", shown(name));
                return Err(Failure::new(Code::Failed, what, "leave it out"));
            }
            Found::Nothing if gone == Gone::Kept || !self.before.keys().any(|file| is_in(file, name)) => {
                return Err(missing(name, self.before.contains_key(name)));
            }
            Found::Nothing => {}
        }
        self.find_known(name, gone)
    }

    /// Looks for the files of the parent that no walk came across: what is ignored counts if it was checked in
    /// before.
    fn find_known(&mut self, dir: &[u8], gone: Gone) -> Result<(), Failure> {
        let known: Vec<Vec<u8>> = self.before.keys().filter(|file| is_in(file, dir)).cloned().collect();
        for name in known {
            if self.found.contains_key(&name) {
                continue;
            }
            match self.look(&name)? {
                Found::File { .. } | Found::Link => drop(self.found.insert(name, IsThere::Yes)),
                _ if gone == Gone::Deleted => drop(self.found.insert(name, IsThere::No)),
                _ => {}
            }
        }
        Ok(())
    }

    fn look(&mut self, name: &[u8]) -> Result<Found, Failure> {
        self.root.look(name).map_err(|error| from_reading(shown(name).as_ref(), &error))
    }
}

/// Whether a file is `dir`, or below it.
fn is_in(file: &[u8], dir: &[u8]) -> bool {
    dir.is_empty() || file.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// The files of the parent by name.
fn before(snap: &Snapshot<'_>, place: &Place) -> Result<BTreeMap<Vec<u8>, FileEntry>, Failure> {
    let Some(parent) = &place.parent else { return Ok(BTreeMap::new()) };
    let files = ls::files_of(snap, parent.rid, &parent.id.short())?;
    Ok(files.into_iter().map(|file| (file.name.0.clone(), file)).collect())
}

/// What the setting `ignore-glob` names, what stock writes into checkouts by itself, and the repository's own files.
fn skip(snap: &Snapshot<'_>, root: &mut Root, targets: &Targets) -> Result<Skip, Failure> {
    let globs = setting(snap, root, "ignore-glob")?.unwrap_or_default();
    let mut names = targets.own.clone();
    let manifest = setting(snap, root, "manifest")?.unwrap_or_default();
    let manifest = manifest.trim().to_ascii_lowercase();
    let is_on = ["1", "on", "yes", "true"].contains(&&manifest[..]);
    let is_list = !is_on && manifest.bytes().all(|byte| b"rut".contains(&byte));
    for (letter, name) in [('r', "manifest"), ('u', "manifest.uuid"), ('t', "manifest.tags")] {
        if (is_on && letter != 't') || (is_list && manifest.contains(letter)) {
            names.insert(name.into());
        }
    }
    Ok(Skip { globs: Globs::parse(&globs), names })
}

/// A setting that the tree may have in place of the repository.
fn setting(snap: &Snapshot<'_>, root: &mut Root, name: &str) -> Result<Option<String>, Failure> {
    match read(root, format!(".fossil-settings/{name}").as_bytes())? {
        Some(content) if content.perm != Perm::Symlink => {
            Ok(Some(String::from_utf8_lossy(&content.bytes).into_owned()))
        }
        _ => Ok(config::get(snap, name)?),
    }
}

/// Whether a file is not as it was.
fn differs(before: &FileEntry, content: &Content, links: Links) -> bool {
    let is_same = before.id.is_some_and(|id| xfer::hash::names(&id, &content.bytes));
    let is_link_in_file =
        links == Links::InFiles && before.perm == Perm::Symlink && content.perm == Perm::Regular;
    !is_same || (content.perm != before.perm && !is_link_in_file)
}

fn missing(name: &[u8], is_known: bool) -> Failure {
    if is_known {
        return vanished(name);
    }
    let what = format!("{}: no such file", shown(name));
    Failure::new(Code::Failed, what, "names are relative to the base directory (--base)")
}

pub(super) fn vanished(name: &[u8]) -> Failure {
    let what = format!("{}: is not there any more", shown(name));
    Failure::new(Code::Failed, what, "nothing was checked in; give --all to delete files that are gone")
}
