//! What a peer like stock holds (reference: wire.md sections 5.5, 8 and 10.3): artifacts, and what is known of them. Cards of
//! them are in `cards`, files without history in `files`.

mod cards;
mod files;

use std::collections::{BTreeMap, BTreeSet};

use repo::manifest::{self, Artifact};
use repo::{UnixTime, delta};
use xfer::{ArtifactId, hash};

pub use self::files::file_hash;
use super::{Trip, Version, trip};
use crate::known::Known;
use crate::rights::Letters;

/// Artifacts that are announced one by one before they go into a cluster.
const CLUSTER_AT: usize = 100;
/// Members of one cluster, unless fewer than [`CLUSTER_AT`] would be left.
const CLUSTER_MEMBERS: usize = 800;
const MOST: usize = 1 << 30;
/// What a [`Trip`] begins with over a delta of what is shunned and not there, not even by name. The request or reply with
/// it is lost as a whole.
pub const BARRED: &str = "a delta of shunned";
/// Comes before what a clone waits for at its end.
pub const WANTING: &str = " for want of ";

/// A repository.
#[derive(Debug, Clone)]
pub struct Store {
    /// Which stock it is like.
    pub version: Version,
    /// The project; empty before a clone.
    pub project: String,
    /// Its server code.
    pub code: String,
    /// Letters and secret by login.
    pub users: BTreeMap<String, (String, String)>,
    /// Bytes of content after which a reply, and a request, take up no more.
    pub budgets: (usize, usize),
    /// Files without history: time, and content or a tombstone.
    pub files: BTreeMap<String, (i64, Option<Vec<u8>>)>,
    /// What is announced.
    pub unclustered: BTreeSet<ArtifactId>,
    /// What is pushed unasked.
    pub unsent: BTreeSet<ArtifactId>,
    /// What is private.
    pub private: BTreeSet<ArtifactId>,
    /// What is never taken.
    pub shunned: BTreeSet<ArtifactId>,
    /// Clusters that are held.
    pub clusters: BTreeSet<ArtifactId>,
    /// Check-ins that are held, in the order in which they came.
    pub checkins: Vec<ArtifactId>,
    names: Vec<ArtifactId>,
    contents: BTreeMap<ArtifactId, Content>,
    /// The version before: of a check-in its parent, of a file that of the earliest check-in that has it.
    before: BTreeMap<ArtifactId, (UnixTime, Option<ArtifactId>)>,
    nonces: BTreeSet<String>,
    /// Whether the table of unversioned files was ever made.
    pub has_files: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Phantom,
    /// A delta of something that is not there yet, unchecked.
    Waiting(ArtifactId, Vec<u8>),
    Whole(Vec<u8>),
}

impl Store {
    /// An empty one.
    pub fn new(version: Version, project: &str, code: &str, budgets: (usize, usize)) -> Self {
        Self {
            version,
            project: project.to_owned(),
            code: code.to_owned(),
            users: BTreeMap::new(),
            budgets,
            files: BTreeMap::new(),
            unclustered: BTreeSet::new(),
            unsent: BTreeSet::new(),
            private: BTreeSet::new(),
            shunned: BTreeSet::new(),
            clusters: BTreeSet::new(),
            checkins: Vec::new(),
            names: Vec::new(),
            contents: BTreeMap::new(),
            before: BTreeMap::new(),
            nonces: BTreeSet::new(),
            has_files: false,
        }
    }

    /// What the simulator compares.
    pub fn known(&self) -> Known {
        let mut known = Known {
            private: self.private.clone(),
            unclustered: self.unclustered.clone(),
            unsent: self.unsent.clone(),
            shunned: self.shunned.clone(),
            is_stock: true,
            ..Known::default()
        };
        for (rid, id) in (1..).zip(&self.names) {
            let Some(content) = self.contents.get(id) else { continue };
            match content {
                Content::Phantom => drop(known.phantoms.insert(*id)),
                Content::Waiting(..) => drop(known.waiting.insert(*id)),
                Content::Whole(_) => drop(known.held.insert(*id, rid)),
            }
        }
        for (name, (mtime, content)) in &self.files {
            known.files.insert(name.clone(), (*mtime, content.as_ref().map(|bytes| file_hash(bytes))));
        }
        known
    }

    /// What is held under a name.
    pub fn content(&self, id: &ArtifactId) -> Option<&[u8]> {
        if let Some(Content::Whole(content)) = self.contents.get(id) { Some(content) } else { None }
    }

    /// Whether a check-in is the parent of another one.
    pub fn is_continued(&self, id: &ArtifactId) -> bool {
        self.checkins
            .iter()
            .any(|child| self.before.get(child).is_some_and(|(_, parent)| *parent == Some(*id)))
    }

    /// Whether a name is known and its content is not.
    pub fn is_phantom(&self, id: &ArtifactId) -> bool {
        self.contents.get(id) == Some(&Content::Phantom)
    }

    /// Whether a name is known.
    pub fn is_known(&self, id: &ArtifactId) -> bool {
        self.contents.contains_key(id)
    }

    /// Names without content that may be asked for.
    pub fn phantoms(&self, private: bool) -> Vec<ArtifactId> {
        let open = |id: &&ArtifactId| {
            self.is_phantom(id) && !self.shunned.contains(*id) && (private || !self.private.contains(*id))
        };
        self.names.iter().filter(open).copied().collect()
    }

    /// What may be announced and sent of all that is known: no phantom. A delta that waits is announced too.
    pub fn may_leave(&self, id: &ArtifactId) -> bool {
        self.is_known(id) && !self.is_phantom(id) && !self.shunned.contains(id)
    }

    /// All names from a row on.
    pub fn rows_from(&self, rid: usize) -> impl Iterator<Item = (usize, ArtifactId)> + '_ {
        self.names.iter().enumerate().map(|(place, id)| (place + 1, *id)).skip(rid.max(1) - 1)
    }

    /// Notes a name without content.
    pub fn announce(&mut self, id: ArtifactId, private: bool) {
        if self.is_known(&id) || self.shunned.contains(&id) {
            return;
        }
        self.names.push(id);
        self.contents.insert(id, Content::Phantom);
        if private {
            self.private.insert(id);
        } else {
            self.unclustered.insert(id);
        }
    }

    /// Makes public what was private. Stock announces that only after its next rebuild; here it does so at once, so that
    /// it can be expected elsewhere.
    pub fn publish(&mut self, id: &ArtifactId) {
        if self.private.remove(id) {
            self.unclustered.insert(*id);
        }
    }

    /// Takes what a user made here.
    pub fn add(&mut self, content: Vec<u8>, private: bool) -> ArtifactId {
        let id = hash::sha3_256(&content);
        if self.content(&id).is_none() && !self.shunned.contains(&id) {
            self.unsent.insert(id);
            self.put(id, None, content, private).expect("it is named by its hash");
        }
        id
    }

    /// Takes a `file` card. Says whether anything came.
    pub fn put(
        &mut self,
        id: ArtifactId,
        source: Option<ArtifactId>,
        bytes: Vec<u8>,
        private: bool,
    ) -> Result<bool, Trip> {
        if self.shunned.contains(&id) {
            return Ok(false);
        }
        if !private {
            self.publish(&id);
        }
        if let Some(source) = source {
            self.announce(source, private);
        }
        let content = match source.map(|source| self.content(&source)) {
            None => Some(bytes.clone()),
            Some(Some(base)) => Some(apply(&id, base, &bytes)?),
            Some(None) => None,
        };
        if let Some(content) = &content {
            check(&id, content)?;
        }
        if matches!(self.contents.get(&id), Some(Content::Whole(_) | Content::Waiting(..))) {
            return Ok(false);
        }
        // Its row of the source is none, so that it takes the delta for the content (seen with 2.21, server and client).
        if let Some(source) = source.filter(|source| !self.is_known(source)) {
            return trip(format!("{BARRED} {source}: hash of rid does not match its uuid"));
        }
        self.announce(id, private);
        if private {
            self.private.insert(id);
        }
        match (content, source) {
            (None, Some(source)) => {
                self.contents.insert(id, Content::Waiting(source, bytes));
                self.check_loop(id)?;
            }
            (content, _) => self.keep(id, content.expect("it is whole or a delta"))?,
        }
        Ok(true)
    }

    /// Whether a `file` card of this delta source can be read at once. If not, stock forgets that the peer has what the
    /// card names.
    pub fn reads(&self, source: Option<ArtifactId>) -> bool {
        source.is_none_or(|source| self.content(&source).is_some())
    }

    fn check_loop(&self, id: ArtifactId) -> Result<(), Trip> {
        let mut at = id;
        while let Some(Content::Waiting(source, _)) = self.contents.get(&at) {
            if *source == id {
                return trip(format!("infinite loop in DELTA table: {id}"));
            }
            at = *source;
        }
        Ok(())
    }

    /// Keeps a content, and what waited for it.
    fn keep(&mut self, id: ArtifactId, content: Vec<u8>) -> Result<(), Trip> {
        self.contents.insert(id, Content::Whole(content));
        self.link(id);
        let waiters: Vec<(ArtifactId, Vec<u8>)> = self
            .contents
            .iter()
            .filter_map(|(waiter, content)| match content {
                Content::Waiting(source, delta) if *source == id => Some((*waiter, delta.clone())),
                _ => None,
            })
            .collect();
        for (waiter, delta) in waiters {
            let full = apply(&waiter, self.content(&id).expect("it was just kept"), &delta)?;
            check(&waiter, &full)?;
            self.keep(waiter, full)?;
        }
        Ok(())
    }

    /// Reads a structural artifact: a cluster takes its members off the list, a check-in names its parents.
    fn link(&mut self, id: ArtifactId) {
        let private = self.private.contains(&id);
        match self.content(&id).map(manifest::parse) {
            Some(Ok(Artifact::Cluster(members))) => {
                self.clusters.insert(id);
                for member in members {
                    self.announce(member, false);
                    self.unclustered.remove(&member);
                }
            }
            Some(Ok(Artifact::Checkin(checkin))) => {
                self.checkins.push(id);
                checkin.parents.iter().for_each(|parent| self.announce(*parent, private));
                let parent = checkin.parents.first().copied();
                self.before.insert(id, (checkin.date, parent));
                let files =
                    |id: Option<ArtifactId>| match id.and_then(|id| self.content(&id).map(manifest::parse)) {
                        Some(Ok(Artifact::Checkin(checkin))) => checkin.files,
                        _ => Vec::new(),
                    };
                let olds = files(parent);
                for file in &checkin.files {
                    let Some(name) = file.id else { continue };
                    if !private {
                        self.publish(&name);
                    }
                    let old = olds.iter().find(|old| old.name == file.name).and_then(|old| old.id);
                    let (date, old) = (checkin.date, old.filter(|old| *old != name));
                    let first = self.before.entry(name).or_insert((date, old));
                    if date < first.0 {
                        *first = (date, old);
                    }
                }
            }
            _ => {}
        }
    }

    /// Makes clusters if enough is announced one by one. What it made.
    pub fn make_clusters(&mut self) -> Vec<ArtifactId> {
        let open = |id: &&ArtifactId| !self.is_phantom(id);
        let mut members: Vec<ArtifactId> = self.unclustered.iter().filter(open).copied().collect();
        if members.len() < CLUSTER_AT {
            return Vec::new();
        }
        let mut made = Vec::new();
        while !members.is_empty() {
            let whole = members.len() <= CLUSTER_MEMBERS + CLUSTER_AT;
            let rest = members.split_off(if whole { members.len() } else { CLUSTER_MEMBERS });
            let cluster = manifest::write(&Artifact::Cluster(members));
            let id = hash::sha3_256(&cluster);
            self.put(id, None, cluster, false).expect("it is named by its hash");
            self.unclustered.insert(id);
            made.push(id);
            members = rest;
        }
        made
    }

    /// Ends a clone: everything is linked anew. Fails if a delta still waits.
    pub fn rebuild(&mut self) -> Result<(), Trip> {
        let is_waiting = |(_, content): &(&ArtifactId, &Content)| matches!(content, Content::Waiting(..));
        if let Some((id, _)) = self.contents.iter().find(is_waiting) {
            return trip(format!("unresolved deltas: {id}{WANTING}{}", self.root(*id)));
        }
        let public = |id: &&ArtifactId| self.is_known(id) && !self.private.contains(*id);
        self.unclustered = self.names.iter().filter(public).copied().collect();
        self.checkins.clear();
        for id in self.names.clone() {
            self.link(id);
        }
        Ok(())
    }

    /// What has to come so that a delta can be expanded.
    fn root(&self, mut id: ArtifactId) -> ArtifactId {
        for _ in 0..self.contents.len() {
            match self.contents.get(&id) {
                Some(Content::Waiting(source, ..)) => id = *source,
                _ => break,
            }
        }
        id
    }

    /// Drops what is shunned, as a rebuild does: its row stays free.
    pub fn drop_shunned(&mut self) {
        for id in &self.shunned {
            self.contents.remove(id);
            for set in [&mut self.unclustered, &mut self.unsent, &mut self.private] {
                set.remove(id);
            }
        }
        self.checkins.retain(|id| !self.shunned.contains(id));
    }

    /// Notes the nonce of a login that brought something. False if that was so before: the table takes none twice.
    pub fn note_nonce(&mut self, nonce: &str) -> bool {
        self.nonces.insert(nonce.to_owned())
    }

    /// Letters of user `nobody` and of another one.
    pub fn letters(&self, login: Option<&str>) -> Letters {
        let of = |login: &str| self.users.get(login).map(|(letters, _)| letters.as_str());
        Letters::of(of("nobody").into_iter().chain(login.and_then(of)))
    }
}

fn check(id: &ArtifactId, content: &[u8]) -> Result<(), Trip> {
    if hash::names(id, content) { Ok(()) } else { trip(format!("wrong hash on received artifact {id}")) }
}

fn apply(id: &ArtifactId, base: &[u8], bytes: &[u8]) -> Result<Vec<u8>, Trip> {
    delta::apply(base, bytes, MOST).map_err(|error| Trip(format!("the delta of {id}: {error}")))
}
