//! Making check-ins.

use std::collections::BTreeMap;

use md5::Digest as _;
use rusqlite::OptionalExtension as _;
use xfer::ArtifactId;
use xfer::card::Privacy;

use crate::author::{self, AuthorError};
use crate::manifest::{Artifact, Checkin, FileEntry, Perm, TagCard, TagKind};
use crate::{
    Presence, RepoError, Rid, Snapshot, Text, Tx, UnixTime, blob, config, content, deltify, history, ingest,
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
    /// Whether everyone gets to see it.
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

/// `tagxref.tagid` of branches.
const BRANCH_TAG: i64 = 8;

/// Makes a check-in: stores the files and a full manifest, links them, and keeps the versions before as deltas of
/// the new ones. After an error the transaction must be dropped: files may be stored already.
pub fn commit(tx: &Tx<'_>, new: &NewCheckin) -> Result<ArtifactId, AuthorError> {
    author::start(tx, Some(&new.user), new.date)?;
    let parent = new.parent.map(|parent| Parent::find(tx, parent)).transpose()?;
    let mut tree = Tree::of(parent.as_ref());
    tree.delete(new)?;
    let mut files: Vec<&NewFile> = new.files.iter().collect();
    files.sort_by_key(|file| &file.name);
    for file in files {
        let (rid, id) = author::add(tx, &file.content, new.privacy)?;
        tree.put(file, rid, id);
    }
    let checkin = Checkin {
        comment: Some(new.comment.clone()),
        date: new.date,
        checksum: checksum(tx, tree.files.values())?,
        files: tree.files.values().cloned().collect(),
        parents: new.parent.into_iter().chain(new.merged.iter().copied()).collect(),
        tags: tags(tx, new, parent.as_ref())?,
        user: Some(new.user.clone()),
        ..Checkin::default()
    };
    let (rid, id) = author::add_structural(tx, &Artifact::Checkin(checkin), new.privacy)?;
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
) -> Result<Option<String>, RepoError> {
    if matches!(config::get(snap, "repo-cksum")?.as_deref(), Some("0" | "off" | "no" | "false")) {
        return Ok(None);
    }
    let mut digest = md5::Md5::new();
    for file in files {
        let Some(id) = &file.id else { continue };
        let rid = blob::rid(snap, id)?.ok_or_else(|| RepoError::corrupt(format!("{id} was not stored")))?;
        let content = content::get(snap, rid)?;
        digest.update(file.name.as_bytes());
        digest.update(format!(" {}\n", content.len()));
        digest.update(&content);
    }
    Ok(Some(faster_hex::hex_string(&digest.finalize())))
}

/// The `T` cards, in order: the branch that begins here, and the check-in's own tags.
fn tags(snap: &Snapshot<'_>, new: &NewCheckin, parent: Option<&Parent>) -> Result<Vec<TagCard>, RepoError> {
    let main_branch = || -> Result<Text, RepoError> {
        Ok(config::get(snap, "main-branch")?.as_deref().unwrap_or("trunk").into())
    };
    let mut cards = Vec::new();
    match (parent, &new.branch) {
        (None, branch) => {
            let branch = branch.clone().map_or_else(main_branch, Ok)?;
            begin_branch(&mut cards, &branch);
        }
        (Some(parent), Some(branch)) => {
            let old = branch_of(snap, parent.rid)?.map_or_else(main_branch, Ok)?;
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

fn branch_of(snap: &Snapshot<'_>, checkin: Rid) -> Result<Option<Text>, RepoError> {
    let sql = "SELECT value FROM tagxref WHERE tagid=?1 AND rid=?2 AND tagtype>0";
    let mut statement = snap.conn().prepare_cached(sql)?;
    Ok(statement.query_row((BRANCH_TAG, checkin), |row| row.get(0)).optional()?.flatten())
}

#[cfg(test)]
mod tests;
