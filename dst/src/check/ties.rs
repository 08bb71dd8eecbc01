//! Where the order of rids decides what derived tables say, in stock too: of which tags two statements are of one time, which
//! technotes have several versions, and whether a branch was withdrawn. All other rows follow from the artifacts alone.

use std::collections::{BTreeMap, BTreeSet};

use repo::manifest::{self, Artifact, TagCard, TagKind};
use repo::{RepoError, Rid, Snapshot, UnixTime, content};

use crate::known::Known;

/// Tags that show in the timeline.
const SHOWN: [&str; 5] = ["bgcolor", "branch", "comment", "date", "user"];
/// Tags that leaves depend on.
const OF_LEAVES: [&str; 1] = ["branch"];

/// What is not decided by the artifacts alone.
#[derive(Debug, Default)]
pub(super) struct Ties {
    /// Tags of which two statements are of one time.
    tags: BTreeSet<String>,
    /// Whether a technote has several versions.
    has_notes: bool,
    /// Whether a branch was withdrawn, by a tag that cancels it or one that holds for a check-in alone: what is built on that
    /// has none then, and is a leaf if it had one when it came.
    is_withdrawn: bool,
}

/// What is said of tags, and of technotes.
#[derive(Default)]
struct Said {
    times: BTreeMap<String, BTreeSet<UnixTime>>,
    notes: BTreeSet<String>,
    ties: Ties,
}

impl Ties {
    /// Reads the artifacts of a repository.
    pub(super) fn read(snap: &Snapshot<'_>, known: &Known) -> Result<Self, RepoError> {
        let mut said = Said::default();
        for &rid in known.held.values() {
            match manifest::parse(&content::get(snap, Rid(rid))?) {
                Ok(Artifact::Checkin(checkin)) => said.tags(checkin.date, &checkin.tags),
                Ok(Artifact::Control(control)) => said.tags(control.date, &control.tags),
                Ok(Artifact::Technote(note)) => {
                    said.tags(note.date, &note.tags);
                    said.ties.has_notes |= !said.notes.insert(note.technote);
                }
                _ => {}
            }
        }
        Ok(said.ties)
    }

    /// Whether they decide what a row of a table says.
    pub(super) fn decide(&self, table: &str, row: &str) -> bool {
        let tied = |tags: &[&str]| tags.iter().any(|tag| self.tags.contains(*tag));
        match table {
            "tagxref" => self.tags.iter().any(|tag| row.starts_with(&format!("tag={tag} "))),
            "event" => tied(&SHOWN) || self.has_notes && row.starts_with("type=e "),
            "leaf" => tied(&OF_LEAVES) || self.is_withdrawn,
            _ => false,
        }
    }
}

impl Said {
    fn tags(&mut self, time: UnixTime, tags: &[TagCard]) {
        for tag in tags {
            let name = tag.name.to_str_lossy().into_owned();
            self.ties.is_withdrawn |= name == "branch" && tag.kind != TagKind::Propagate;
            if !self.times.entry(name.clone()).or_default().insert(time) {
                self.ties.tags.insert(name);
            }
        }
    }
}
