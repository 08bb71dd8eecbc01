//! Where the order of rids decides what derived tables say, in stock too: of which tags two statements stand against each other, which
//! technotes have several versions, whether a branch was withdrawn, and before which of several children that are no later than a
//! check-in the timeline has it. All other rows follow from the artifacts alone.

use std::collections::{BTreeMap, BTreeSet};

use repo::manifest::{self, Artifact, TagCard, TagKind};
use repo::{RepoError, Rid, Snapshot, UnixTime, content};
use xfer::ArtifactId;

use crate::known::Known;

/// Tags that show in the timeline.
const SHOWN: [&str; 5] = ["bgcolor", "branch", "comment", "date", "user"];
/// Tags that leaves depend on.
const OF_LEAVES: [&str; 1] = ["branch"];

/// A check-in that is not as much older than its child is put before it in the timeline (reference: repo.md 6.1.6).
const CLOSE_MS: i64 = 2_000;

/// Is in what the timeline says of an attachment.
const OF_ATTACHMENT: &str = " attachment ";

/// What is not decided by the artifacts alone.
#[derive(Debug, Default)]
pub(super) struct Ties {
    /// Tags of which one statement is about a check-in, and another one, not before it, about that or what that is built on; and
    /// the names of all that both could reach.
    tags: BTreeMap<String, BTreeSet<String>>,
    /// Whether a technote has several versions.
    has_notes: bool,
    /// Whether a branch was withdrawn, by a tag that cancels it or one that holds for a check-in alone: what is built on that
    /// has none then, and is a leaf if it had one when it came.
    is_withdrawn: bool,
    /// Check-ins that could be put before one or another child, and those that are put before these.
    nudged: BTreeSet<String>,
}

/// What is said of tags, and of technotes.
#[derive(Default)]
struct Said {
    tags: BTreeMap<String, Vec<Statement>>,
    parents: BTreeMap<ArtifactId, ArtifactId>,
    times: BTreeMap<ArtifactId, UnixTime>,
    /// What each check-in is compared with: whom it is built on, and from whom it has picked something.
    before: BTreeMap<ArtifactId, BTreeSet<ArtifactId>>,
    notes: BTreeSet<String>,
    has_notes: bool,
}

/// One statement about a tag.
#[derive(Clone, Copy)]
struct Statement {
    target: ArtifactId,
    time: UnixTime,
    kind: TagKind,
}

impl Ties {
    /// Reads the artifacts of a repository.
    pub(super) fn read(snap: &Snapshot<'_>, known: &Known) -> Result<Self, RepoError> {
        let mut said = Said::default();
        for (id, &rid) in &known.held {
            match manifest::parse(&content::get(snap, Rid(rid))?) {
                Ok(Artifact::Checkin(checkin)) => {
                    said.parents.extend(checkin.parents.first().map(|parent| (*id, *parent)));
                    said.times.insert(*id, checkin.date);
                    let picked = checkin.cherrypicks.iter().map(|pick| pick.target);
                    said.before.insert(*id, checkin.parents.iter().copied().chain(picked).collect());
                    said.tags(*id, checkin.date, &checkin.tags);
                }
                Ok(Artifact::Control(control)) => said.tags(*id, control.date, &control.tags),
                Ok(Artifact::Technote(note)) => {
                    said.tags(*id, note.date, &note.tags);
                    said.has_notes |= !said.notes.insert(note.technote);
                }
                _ => {}
            }
        }
        Ok(said.ties())
    }

    /// Whether they decide what a row of a table says.
    pub(super) fn decide(&self, table: &str, row: &str) -> bool {
        let tied = |tags: &[&str]| tags.iter().any(|tag| self.tags.contains_key(*tag));
        match table {
            "tagxref" => self.tags.keys().any(|tag| row.starts_with(&format!("tag=[{tag}] "))),
            // How an attachment to a technote is told depends on which of both came first.
            "event" if row.starts_with("type=e ") => {
                tied(&SHOWN) || self.has_notes || row.contains(OF_ATTACHMENT)
            }
            "event" => self.is_told_otherwise(row),
            "leaf" => tied(&OF_LEAVES) || self.is_withdrawn,
            _ => false,
        }
    }

    /// Whether order decides what the timeline says of this check-in, or of what it is built on.
    fn is_told_otherwise(&self, row: &str) -> bool {
        let named = row.strip_prefix("type=ci objid=").and_then(|rest| rest.split(' ').next());
        let Some(name) = named else { return SHOWN.iter().any(|tag| self.tags.contains_key(*tag)) };
        let is_tied = |tag: &&str| self.tags.get(*tag).is_some_and(|reached| reached.contains(name));
        SHOWN.iter().any(is_tied) || self.nudged.contains(name)
    }
}

impl Said {
    fn tags(&mut self, id: ArtifactId, time: UnixTime, tags: &[TagCard]) {
        for tag in tags {
            let statement = Statement { target: tag.target.unwrap_or(id), time, kind: tag.kind };
            self.tags.entry(tag.name.to_str_lossy().into_owned()).or_default().push(statement);
        }
    }

    fn ties(self) -> Ties {
        let is_withdrawn = self
            .tags
            .get("branch")
            .is_some_and(|all| all.iter().any(|statement| statement.kind != TagKind::Propagate));
        let tags = self.tags.iter().map(|(name, all)| (name.clone(), self.reached_by_tied(all)));
        let tags = tags.filter(|(_, reached)| !reached.is_empty()).collect();
        let nudged = self.nudged().iter().map(ToString::to_string).collect();
        Ties { tags, has_notes: self.has_notes, is_withdrawn, nudged }
    }

    /// What statements that are tied with others are about, and all that is built on that.
    fn reached_by_tied(&self, all: &[Statement]) -> BTreeSet<String> {
        let is_tied = |(at, one): &(usize, &Statement)| {
            all.iter().enumerate().any(|(place, other)| {
                place != *at && (self.are_tied(one, other) || self.are_tied(other, one))
            })
        };
        let tied: BTreeSet<ArtifactId> =
            all.iter().enumerate().filter(is_tied).map(|(_, one)| one.target).collect();
        let is_reached = |id: &&ArtifactId| tied.iter().any(|target| self.is_built_on(id, target));
        self.parents.keys().filter(is_reached).chain(&tied).map(ToString::to_string).collect()
    }

    /// Check-ins with several children that are too close, and all that come too close to these in turn.
    fn nudged(&self) -> BTreeSet<ArtifactId> {
        let mut close: BTreeMap<ArtifactId, Vec<ArtifactId>> = BTreeMap::new();
        for (child, before) in &self.before {
            let is_close = |parent: &&ArtifactId| {
                self.times.get(*parent).is_some_and(|time| self.times[child].0 < time.0 + CLOSE_MS)
            };
            before.iter().filter(is_close).for_each(|parent| close.entry(*parent).or_default().push(*child));
        }
        let mut nudged = BTreeSet::new();
        loop {
            let moves = |children: &[ArtifactId]| {
                children.len() > 1 || children.iter().any(|child| nudged.contains(child))
            };
            let more: Vec<ArtifactId> = close
                .iter()
                .filter(|(parent, children)| !nudged.contains(*parent) && moves(children))
                .map(|(parent, _)| *parent)
                .collect();
            if more.is_empty() {
                return nudged;
            }
            nudged.extend(more);
        }
    }

    /// Whether the order decides which of two statements holds: both are of one time, or one goes on to what another one is
    /// about and is not older than that.
    fn are_tied(&self, one: &Statement, other: &Statement) -> bool {
        let goes_on = one.kind != TagKind::Add && one.time >= other.time;
        one.target == other.target && one.time == other.time
            || goes_on && self.is_built_on(&other.target, &one.target)
    }

    fn is_built_on(&self, checkin: &ArtifactId, other: &ArtifactId) -> bool {
        let mut at = checkin;
        for _ in 0..self.parents.len() {
            match self.parents.get(at) {
                Some(parent) if parent == other => return true,
                Some(parent) => at = parent,
                None => return false,
            }
        }
        false
    }
}
