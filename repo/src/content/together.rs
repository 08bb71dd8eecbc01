//! Expanding many artifacts, each once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use bytes::Bytes;

use super::deltas::Deltas;
use super::get;
use crate::ingest::crew::Crew;
use crate::ingest::forest::Forest;
use crate::ingest::walk::Walk;
use crate::{RepoError, Rid, Snapshot};

/// Artifacts that are looked at together, with those on the way to them. Whatever lies beyond is expanded on its own.
const MOST_NODES: usize = 100_000;

/// An artifact that was wanted.
#[derive(Debug, Clone)]
pub struct Shown<'c> {
    /// Where it is.
    pub rid: Rid,
    /// Its bytes.
    pub content: &'c Bytes,
    /// The delta that makes it of what it was wanted with.
    pub delta: Option<Vec<u8>>,
}

/// What happens on the way.
#[derive(Debug, Clone)]
pub enum Event<'c> {
    /// Another artifact is about to be expanded, or another delta to be made. Whoever breaks here is shown what is ready, and no
    /// other.
    Step {
        /// How many that were wanted are ready and not shown yet.
        ready: usize,
    },
    /// This one was wanted. Whoever breaks here is shown no other.
    Shown(Shown<'c>),
}

/// Hears of what happens. It may break.
pub type Visit<'v> = dyn FnMut(Event<'_>) -> Result<ControlFlow<()>, RepoError> + 'v;

/// Expands what is `wanted`, and shows each with its delta from another one, if it is wanted with one. Chains of deltas that
/// share a part are gone down once, which takes about one step for each artifact on them; so the order is that of
/// `wanted` only among chains that share nothing. What was expanded before plays no part in it, unless all of it is at hand:
/// then the order is that of `wanted`. Contents that have to wait take [`crate::Limits::held_bytes`] in the walk, and as much
/// until they meet; what finds no room is expanded anew. Some deltas are made before anybody is shown those that precede them.
pub fn together(
    snap: &Snapshot<'_>,
    wanted: &[(Rid, Option<Rid>)],
    visit: &mut Visit<'_>,
) -> Result<(), RepoError> {
    let mut needed = BTreeMap::new();
    for (place, &(rid, with)) in wanted.iter().enumerate() {
        for rid in [Some(rid), with].into_iter().flatten() {
            needed.entry(rid).or_insert(place);
        }
    }
    let most = snap.memory().borrow().limits.held_bytes;
    if let Some(contents) = at_hand(snap, &needed) {
        let bytes = contents.iter().map(|(_, content)| content.len()).sum();
        return snap.with_crew(bytes, |crew| show(snap, &contents, Meeting::of(wanted, most, crew), visit));
    }
    let rids: BTreeSet<Rid> = needed.keys().copied().collect();
    let forest = Forest::above(snap, &rids, MOST_NODES)?;
    snap.with_crew(forest.bytes(), |crew| {
        walk(snap, &forest, crew, &needed, Meeting::of(wanted, most, crew), visit)
    })
}

/// All that is `needed`, the first first, if it was expanded before: many peers ask for what one of them brought.
fn at_hand(snap: &Snapshot<'_>, needed: &BTreeMap<Rid, usize>) -> Option<Vec<(Rid, Bytes)>> {
    let mut rids: Vec<Rid> = needed.keys().copied().collect();
    rids.sort_by_key(|rid| needed[rid]);
    let mut memory = snap.memory().borrow_mut();
    rids.into_iter().map(|rid| Some((rid, memory.cache.get(rid)?))).collect()
}

fn show(
    snap: &Snapshot<'_>,
    contents: &[(Rid, Bytes)],
    mut meeting: Meeting<'_>,
    visit: &mut Visit<'_>,
) -> Result<(), RepoError> {
    for (rid, content) in contents {
        if meeting.deltas.goes_on(visit)?.is_break() || meeting.comes(snap, *rid, content, visit)?.is_break()
        {
            return Ok(());
        }
    }
    meeting.deltas.finish(visit).map(drop)
}

/// Expands a forest, and shows what of it is `needed`, the first first, to those who meet.
fn walk(
    snap: &Snapshot<'_>,
    forest: &Forest,
    crew: &Crew,
    needed: &BTreeMap<Rid, usize>,
    mut meeting: Meeting<'_>,
    visit: &mut Visit<'_>,
) -> Result<(), RepoError> {
    let mut walk = Walk::towards(snap, forest, crew, |rid| needed.get(&rid).copied());
    loop {
        if meeting.deltas.goes_on(visit)?.is_break() {
            return Ok(());
        }
        let Some((index, content)) = walk.step(snap)? else { break };
        let (rid, content) = (forest.node(index).rid, content?);
        if !needed.contains_key(&rid) {
            continue;
        }
        snap.memory().borrow_mut().cache.put(rid, &content);
        if meeting.comes(snap, rid, &content, visit)?.is_break() {
            return Ok(());
        }
    }
    if meeting.deltas.finish(visit)?.is_break() {
        return Ok(());
    }
    // What no walk gets to is a delta of itself: an error.
    for &rid in needed.keys().filter(|rid| !meeting.seen.contains(rid)) {
        get(snap, rid)?;
    }
    Ok(())
}

/// Where what is wanted together meets.
struct Meeting<'c> {
    deltas: Deltas<'c>,
    wanted: BTreeMap<Rid, Option<Rid>>,
    /// Who is wanted with an artifact.
    guests: BTreeMap<Rid, Vec<Rid>>,
    /// How many others each is still to meet.
    unmet: BTreeMap<Rid, usize>,
    seen: BTreeSet<Rid>,
    /// Contents that are still to meet another.
    waiting: BTreeMap<Rid, Bytes>,
    held: usize,
    most: usize,
}

impl<'c> Meeting<'c> {
    fn of(wanted: &[(Rid, Option<Rid>)], most: usize, crew: &'c Crew) -> Self {
        let (mut guests, mut unmet) = (BTreeMap::<Rid, Vec<Rid>>::new(), BTreeMap::new());
        let wanted: BTreeMap<Rid, Option<Rid>> = wanted.iter().copied().collect();
        for (&rid, &with) in &wanted {
            if let Some(with) = with {
                guests.entry(with).or_default().push(rid);
                *unmet.entry(with).or_default() += 1;
                *unmet.entry(rid).or_default() += 1;
            }
        }
        let (seen, waiting) = (BTreeSet::new(), BTreeMap::new());
        Self { deltas: Deltas::by(crew), wanted, guests, unmet, seen, waiting, held: 0, most }
    }

    /// Takes a content, for which there was a step, and shows what it meets.
    fn comes(
        &mut self,
        snap: &Snapshot<'_>,
        rid: Rid,
        content: &Bytes,
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, RepoError> {
        self.seen.insert(rid);
        let with = self.wanted.get(&rid).copied();
        if with == Some(None) && self.deltas.take(rid, content, None, visit)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if let Some(host) = with.flatten().filter(|host| self.seen.contains(host)) {
            let other = if host == rid { content.clone() } else { self.content(snap, host)? };
            if self.deltas.take(rid, content, Some(&other), visit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            self.met(rid, host);
        }
        for guest in self.guests.remove(&rid).unwrap_or_default() {
            if guest == rid || !self.seen.contains(&guest) {
                continue;
            }
            let other = self.content(snap, guest)?;
            if self.deltas.goes_on(visit)?.is_break()
                || self.deltas.take(guest, &other, Some(content), visit)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
            self.met(guest, rid);
        }
        if self.unmet.contains_key(&rid) && self.held + content.len() <= self.most {
            self.held += content.len();
            self.waiting.insert(rid, content.clone());
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Notes that two have met. Who is to meet no other waits no more.
    fn met(&mut self, guest: Rid, host: Rid) {
        for rid in [guest, host] {
            let Some(unmet) = self.unmet.get_mut(&rid) else { continue };
            *unmet -= 1;
            if *unmet == 0 {
                self.unmet.remove(&rid);
                self.held -= self.waiting.remove(&rid).map_or(0, |content| content.len());
            }
        }
    }

    fn content(&self, snap: &Snapshot<'_>, rid: Rid) -> Result<Bytes, RepoError> {
        self.waiting.get(&rid).map_or_else(|| get(snap, rid), |content| Ok(content.clone()))
    }
}
