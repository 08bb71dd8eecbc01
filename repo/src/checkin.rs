//! Making check-ins.

use std::collections::BTreeMap;

use md5::Digest as _;
use xfer::ArtifactId;
use xfer::card::Privacy;

use crate::author::{self, AuthorError};
use crate::manifest::{Artifact, Checkin, FileEntry, Perm, TagCard, TagKind};
use crate::{
    Presence, RepoError, Rid, Snapshot, Text, Tx, UnixTime, blob, branch, config, content, deltify, history,
    ingest, private,
};

/// A check-in to be made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewCheckin {
    /// The check-in whose files are changed; none for the first.
    pub parent: Option<ArtifactId>,
    /// Check-ins that are merged with the parent.
    pub merged: Vec<ArtifactId>,
    /// Files that are new or changed.
    pub files: Vec<NewFile>,
    /// Names of files that go. The old names of renamed files need not be named.
    pub deleted: Vec<Text>,
    /// What was done.
    pub comment: Text,
    /// Who did it.
    pub user: Text,
    /// The branch that begins here, if it is another than the parent's. The first check-in begins the main branch
    /// where this is none.
    pub branch: Option<Text>,
    /// Tags of this check-in alone.
    pub tags: Vec<Text>,
    /// When.
    pub date: UnixTime,
    /// Whether everyone gets to see it. What is built on a private check-in is private, whatever this says.
    pub privacy: Privacy,
}

/// A file of a check-in to be made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewFile {
    /// Path from the root of the tree.
    pub name: Text,
    /// Its content; for a symbolic link, its target.
    pub content: Vec<u8>,
    /// Executable, symbolic link or neither.
    pub perm: Perm,
    /// Its name in the parent, if it was renamed.
    pub old_name: Option<Text>,
}

/// Makes a check-in: stores the files and a full manifest, links them, and keeps the versions before as deltas of
/// the new ones. After an error the transaction must be dropped: files may be stored already.
pub fn commit(tx: &Tx<'_>, new: &NewCheckin) -> Result<ArtifactId, AuthorError> {
    commit_with(tx, new, std::iter::empty())
}

/// [`commit`] with further files, which are taken one after the other: only one of them is in memory at a time.
/// The error of a file that cannot be had ends it.
pub fn commit_with<E: From<AuthorError>>(
    tx: &Tx<'_>,
    new: &NewCheckin,
    more: impl IntoIterator<Item = Result<NewFile, E>>,
) -> Result<ArtifactId, E> {
    author::start(tx, Some(&new.user), new.date).map_err(AuthorError::from)?;
    let parent = new.parent.map(|parent| Parent::find(tx, parent)).transpose()?;
    let privacy = match &parent {
        Some(parent) if private::contains(tx, parent.rid).map_err(AuthorError::from)? => Privacy::Private,
        _ => new.privacy,
    };
    let mut tree = Tree::of(parent.as_ref());
    tree.delete(new)?;
    let mut files: Vec<&NewFile> = new.files.iter().collect();
    files.sort_by_key(|file| &file.name);
    for file in files {
        tree.add(tx, file, privacy)?;
    }
    for file in more {
        tree.add(tx, &file?, privacy)?;
    }
    Ok(finish(tx, new, privacy, parent.as_ref(), tree)?)
}

/// Makes the manifest of a tree whose files are stored.
fn finish(
    tx: &Tx<'_>,
    new: &NewCheckin,
    privacy: Privacy,
    parent: Option<&Parent>,
    tree: Tree<'_>,
) -> Result<ArtifactId, AuthorError> {
    tree.check()?;
    let checkin = Checkin {
        comment: Some(new.comment.clone()),
        date: new.date,
        checksum: checksum(tx, tree.files.values())?,
        files: tree.files.into_values().collect(),
        parents: new.parent.into_iter().chain(new.merged.iter().copied()).collect(),
        tags: tags(tx, new, parent)?,
        user: Some(new.user.clone()),
        ..Checkin::default()
    };
    let (rid, id) = author::add_structural(tx, &Artifact::Checkin(checkin), privacy)?;
    ingest::settle(tx, new.date)?;
    for (before, after) in tree.replaced {
        if let Presence::Held(before) = blob::presence(tx, &before)? {
            deltify::deltify(tx, before, after)?;
        }
    }
    if let Some(parent) = parent {
        deltify::deltify(tx, parent.rid, rid)?;
    }
    Ok(id)
}

/// The check-in that is built on.
struct Parent {
    rid: Rid,
    files: Vec<FileEntry>,
}

impl Parent {
    fn find(snap: &Snapshot<'_>, id: ArtifactId) -> Result<Self, AuthorError> {
        let Presence::Held(rid) = blob::presence(snap, &id)? else { return Err(AuthorError::NoParent(id)) };
        let files = history::files(snap, rid)?.ok_or(AuthorError::NoParent(id))?;
        Ok(Self { rid, files })
    }
}

/// The files of the new check-in.
struct Tree<'p> {
    files: BTreeMap<Text, FileEntry>,
    /// Those of the parent.
    before: BTreeMap<&'p Text, &'p FileEntry>,
    /// Contents of the parent, and what takes their place.
    replaced: Vec<(ArtifactId, Rid)>,
}

impl<'p> Tree<'p> {
    fn of(parent: Option<&'p Parent>) -> Self {
        let before = parent.map(|parent| &parent.files[..]).unwrap_or_default();
        // Renames were told where they happened.
        let unchanged = |file: &FileEntry| (file.name.clone(), FileEntry { old_name: None, ..file.clone() });
        Self {
            files: before.iter().map(unchanged).collect(),
            before: before.iter().map(|file| (&file.name, file)).collect(),
            replaced: Vec::new(),
        }
    }

    /// Removes what is deleted, and what is renamed from its old place.
    fn delete(&mut self, new: &NewCheckin) -> Result<(), AuthorError> {
        let renamed = new.files.iter().filter_map(|file| file.old_name.as_ref());
        for name in new.deleted.iter().chain(renamed) {
            if !self.before.contains_key(name) {
                return Err(AuthorError::NoFile(name.clone()));
            }
            self.files.remove(name);
        }
        Ok(())
    }

    /// Stores a file and gives it its place.
    fn add(&mut self, tx: &Tx<'_>, file: &NewFile, privacy: Privacy) -> Result<(), AuthorError> {
        let (rid, id) = author::add(tx, &file.content, privacy)?;
        self.put(file, rid, id);
        Ok(())
    }

    /// What is new must not be a file and a directory at once: no disk can hold that.
    fn check(&self) -> Result<(), AuthorError> {
        for name in self.files.keys().filter(|name| !self.before.contains_key(name)) {
            let bytes = name.as_bytes();
            let above = memchr::memchr_iter(b'/', bytes).map(|slash| Text::from(&bytes[..slash]));
            if let Some(file) = above.into_iter().find(|above| self.files.contains_key(above)) {
                return Err(AuthorError::FileIsDirectory(file));
            }
            let inside = Text([bytes, b"/"].concat());
            let next = self.files.range(&inside..).next();
            if next.is_some_and(|(next, _)| next.as_bytes().starts_with(inside.as_bytes())) {
                return Err(AuthorError::FileIsDirectory(name.clone()));
            }
        }
        Ok(())
    }

    fn put(&mut self, file: &NewFile, rid: Rid, id: ArtifactId) {
        let before = self.before.get(file.old_name.as_ref().unwrap_or(&file.name));
        if let Some(before) = before.and_then(|before| before.id)
            && before != id
        {
            self.replaced.push((before, rid));
        }
        let entry = FileEntry {
            name: file.name.clone(),
            id: Some(id),
            perm: file.perm,
            old_name: file.old_name.clone(),
        };
        self.files.insert(file.name.clone(), entry);
    }
}

/// The `R` card: a digest of all files. None where the file's settings do without.
fn checksum<'a>(
    snap: &Snapshot<'_>,
    files: impl Iterator<Item = &'a FileEntry>,
) -> Result<Option<String>, AuthorError> {
    if config::switch(snap, "repo-cksum")? == Some(false) {
        return Ok(None);
    }
    let mut digest = md5::Md5::new();
    for file in files {
        let Some(id) = &file.id else { continue };
        // What was stored a moment ago waits for nothing.
        let Presence::Held(rid) = blob::presence(snap, id)? else {
            return Err(AuthorError::NoContent(file.name.clone()));
        };
        let content = content::get(snap, rid)?;
        digest.update(file.name.as_bytes());
        digest.update(format!(" {}\n", content.len()));
        digest.update(&content);
    }
    Ok(Some(faster_hex::hex_string(&digest.finalize())))
}

/// The `T` cards, in order: the branch that begins here, and the check-in's own tags.
fn tags(snap: &Snapshot<'_>, new: &NewCheckin, parent: Option<&Parent>) -> Result<Vec<TagCard>, RepoError> {
    let main_branch = || branch::main(snap);
    let mut cards = Vec::new();
    match (parent, &new.branch) {
        (None, branch) => {
            let branch = branch.clone().map_or_else(main_branch, Ok)?;
            begin_branch(&mut cards, &branch);
        }
        (Some(parent), Some(branch)) => {
            let old = branch::of(snap, parent.rid)?.map_or_else(main_branch, Ok)?;
            if old != *branch {
                begin_branch(&mut cards, branch);
                cards.push(card(TagKind::Cancel, symbolic(&old), None));
            }
        }
        (Some(_), None) => {}
    }
    cards.extend(new.tags.iter().map(|tag| card(TagKind::Add, symbolic(tag), None)));
    cards.sort_by(|one, other| (one.kind.sign(), &one.name).cmp(&(other.kind.sign(), &other.name)));
    Ok(cards)
}

fn begin_branch(cards: &mut Vec<TagCard>, branch: &Text) {
    cards.push(card(TagKind::Propagate, "branch".into(), Some(branch.clone())));
    cards.push(card(TagKind::Propagate, symbolic(branch), None));
}

fn card(kind: TagKind, name: Text, value: Option<Text>) -> TagCard {
    TagCard { kind, name, target: None, value }
}

fn symbolic(name: &Text) -> Text {
    Text([b"sym-", name.as_bytes()].concat())
}

#[cfg(test)]
mod tests;
