//! Deltas that run in a circle with what waits here since before the session.
//!
//! A file keeps older versions as deltas of newer ones, and what is sent goes the other way. So where a file lost a
//! version, others wait for it, and it comes as a delta of one of them. It counts as not come then. Each thing that waits
//! for it may come by itself, or as a delta of the next: they are asked for, that first which is farthest from what was
//! lost. Where one is here, what came as a delta of it is asked for again.

use std::collections::{BTreeMap, BTreeSet};

use repo::{Presence, RepoError, Snapshot, blob, wanted};
use xfer::ArtifactId;
use xfer::card::Privacy;

use super::inbox::Intake;

/// What a session knows of circles.
#[derive(Debug)]
pub(super) struct Circles {
    /// What came and was not kept, by what it was a delta of.
    late: BTreeMap<ArtifactId, ArtifactId>,
    /// How much to ask for at a time, so that it comes in one reply: nothing is kept of a part that hangs on the rest.
    most: usize,
}

impl Circles {
    pub(super) fn new() -> Self {
        Self { late: BTreeMap::new(), most: usize::MAX }
    }

    /// Notes what of a reply was not kept. `was_cut` says whether the reply had no room for all that was asked for.
    pub(super) fn hear(&mut self, intake: &Intake, was_cut: bool) {
        if intake.new == 0 && was_cut && !intake.late.is_empty() {
            self.most = (intake.late.len() / 2).max(1);
        } else if !was_cut {
            self.most = self.most.saturating_mul(2);
        }
        self.late.extend(intake.late.iter().map(|(&id, &source)| (id, source)));
    }

    /// Takes out what can be kept now, if it comes as before: what it is a delta of is here, or can be kept itself.
    pub(super) fn reopened(&mut self, snap: &Snapshot<'_>) -> Result<Vec<ArtifactId>, RepoError> {
        let mut deltas = BTreeMap::<ArtifactId, Vec<ArtifactId>>::new();
        for (&id, &source) in &self.late {
            deltas.entry(source).or_default().push(id);
        }
        let (mut here, mut reopened) = (Vec::new(), Vec::new());
        for &source in deltas.keys() {
            if let Presence::Held(_) = blob::presence(snap, &source)? {
                here.push(source);
            }
        }
        while let Some(source) = here.pop() {
            for id in deltas.remove(&source).unwrap_or_default() {
                self.late.remove(&id);
                here.push(id);
                reopened.push(id);
            }
        }
        Ok(reopened)
    }

    /// Names up to `limit` artifacts that are to come in another form.
    pub(super) fn choose(
        &self,
        snap: &Snapshot<'_>,
        deepest: Privacy,
        limit: usize,
        is_wanted: impl Fn(&ArtifactId) -> bool,
    ) -> Result<Vec<ArtifactId>, RepoError> {
        choose(snap, self.late.keys(), deepest, limit.min(self.most), is_wanted)
    }
}

/// Names up to `limit` artifacts that are wanted and wait for what these are or wait for.
pub(crate) fn choose<'i>(
    snap: &Snapshot<'_>,
    late: impl Iterator<Item = &'i ArtifactId>,
    deepest: Privacy,
    limit: usize,
    is_wanted: impl Fn(&ArtifactId) -> bool,
) -> Result<Vec<ArtifactId>, RepoError> {
    let mut roots = BTreeSet::new();
    for id in late {
        roots.extend(wanted::awaited(snap, id)?.or(Some(*id)));
    }
    let mut chosen = Vec::new();
    for root in &roots {
        let room = limit - chosen.len();
        chosen.append(&mut wanted::waiting_for(snap, root, deepest, room, &is_wanted)?);
    }
    Ok(chosen)
}
