//! Expanding many artifacts, each once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use bytes::Bytes;

use super::get;
use crate::ingest::forest::Forest;
use crate::ingest::walk::Walk;
use crate::{RepoError, Rid, Snapshot};

/// Artifacts that are looked at together, with those on the way to them. Whatever lies beyond is expanded on its own.
const MOST_NODES: usize = 100_000;

/// Told of what is expanded: its rid, its content, and the content of what it was wanted with.
pub type Visit<'v> = dyn FnMut(Rid, &Bytes, Option<&Bytes>) -> Result<ControlFlow<()>, RepoError> + 'v;

/// Expands what is `wanted`, and shows each with the content of another one, if it is wanted with one. Chains of deltas that
/// share a part are gone down once, which takes about one step for each artifact on them; so the order is not that of
/// `wanted`. Contents that have to wait take [`crate::Limits::held_bytes`], twice; what finds no room is expanded anew.
pub fn together(
    snap: &Snapshot<'_>,
    wanted: &BTreeMap<Rid, Option<Rid>>,
    visit: &mut Visit<'_>,
) -> Result<(), RepoError> {
    let needed: BTreeSet<Rid> = wanted.iter().flat_map(|(&rid, &with)| [Some(rid), with]).flatten().collect();
    let forest = Forest::above(snap, &needed, MOST_NODES)?;
    let mut walk = Walk::through(snap, &forest);
    let mut meeting = Meeting::of(wanted, snap.memory().borrow().limits.held_bytes);
    while let Some((index, content)) = walk.step(snap)? {
        if meeting.comes(snap, forest.node(index).rid, &content?, visit)?.is_break() {
            return Ok(());
        }
    }
    // What no walk gets to is a delta of itself: an error.
    for &rid in &needed {
        if !meeting.seen.contains(&rid) {
            get(snap, rid)?;
        }
    }
    Ok(())
}

/// Where what is wanted together meets.
struct Meeting<'w> {
    wanted: &'w BTreeMap<Rid, Option<Rid>>,
    /// Who is wanted with an artifact.
    guests: BTreeMap<Rid, Vec<Rid>>,
    seen: BTreeSet<Rid>,
    /// Contents that are still to meet another.
    waiting: BTreeMap<Rid, Bytes>,
    held: usize,
    most: usize,
}

impl<'w> Meeting<'w> {
    fn of(wanted: &'w BTreeMap<Rid, Option<Rid>>, most: usize) -> Self {
        let mut guests: BTreeMap<Rid, Vec<Rid>> = BTreeMap::new();
        for (&rid, &with) in wanted {
            if let Some(with) = with {
                guests.entry(with).or_default().push(rid);
            }
        }
        Self { wanted, guests, seen: BTreeSet::new(), waiting: BTreeMap::new(), held: 0, most }
    }

    /// Takes a content, and shows what it meets.
    fn comes(
        &mut self,
        snap: &Snapshot<'_>,
        rid: Rid,
        content: &Bytes,
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, RepoError> {
        self.seen.insert(rid);
        let with = self.wanted.get(&rid).copied();
        let host = with.flatten();
        if with == Some(None) && visit(rid, content, None)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if let Some(host) = host.filter(|host| self.seen.contains(host)) {
            let other = self.content(snap, host)?;
            if visit(rid, content, Some(&other))?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        for guest in self.guests_of(rid).filter(|guest| *guest != rid && self.seen.contains(guest)) {
            let other = self.content(snap, guest)?;
            if visit(guest, &other, Some(content))?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let met: Vec<Rid> =
            self.guests_of(rid).chain(host).filter(|&other| !self.is_awaited(other)).collect();
        for other in met {
            self.held -= self.waiting.remove(&other).map_or(0, |content| content.len());
        }
        if self.is_awaited(rid) && self.held + content.len() <= self.most {
            self.held += content.len();
            self.waiting.insert(rid, content.clone());
        }
        Ok(ControlFlow::Continue(()))
    }

    fn guests_of(&self, rid: Rid) -> impl Iterator<Item = Rid> + use<'_> {
        self.guests.get(&rid).into_iter().flatten().copied()
    }

    /// Whether an artifact is still to meet another.
    fn is_awaited(&self, rid: Rid) -> bool {
        let host = self.wanted.get(&rid).copied().flatten();
        self.guests_of(rid).chain(host).any(|other| !self.seen.contains(&other))
    }

    fn content(&self, snap: &Snapshot<'_>, rid: Rid) -> Result<Bytes, RepoError> {
        self.waiting.get(&rid).map_or_else(|| get(snap, rid), |content| Ok(content.clone()))
    }
}
