//! Expanding a forest of deltas, each artifact once.

use std::ops::Range;

use bytes::Bytes;

use super::crew::Crew;
use super::forest::{Forest, Node};
use super::inflate::Ahead;
use crate::error::Fault;
use crate::{RepoError, Rid, Snapshot, content};

/// Goes through a forest from sources to deltas.
pub(crate) struct Walk<'f> {
    forest: &'f Forest,
    branches: Vec<Branch>,
    /// Place of the order behind the last top branch.
    tops_done: usize,
    /// Bytes of contents in `branches`.
    held: usize,
    seen: usize,
    abandoned: Vec<bool>,
    ahead: Option<Ahead<'f>>,
}

/// Deltas of one source still to be expanded.
struct Branch {
    /// None: whole artifacts.
    source: Option<Rid>,
    /// The source's content; none if it has to be fetched again.
    content: Option<Bytes>,
    places: Range<usize>,
}

impl<'f> Walk<'f> {
    pub(crate) fn through(forest: &'f Forest) -> Self {
        let abandoned = vec![false; forest.len()];
        Self { forest, branches: Vec::new(), tops_done: 0, held: 0, seen: 0, abandoned, ahead: None }
    }

    /// A walk for which others inflate what it gets to next.
    pub(crate) fn helped(forest: &'f Forest, crew: &'f Crew) -> Self {
        let ahead = (!crew.is_alone()).then(|| Ahead::of(forest, crew));
        Self { ahead, ..Self::through(forest) }
    }

    /// Expands the next node. The inner error is about that node; an outer one ends the walk.
    #[expect(clippy::type_complexity, reason = "two kinds of failure, and an end")]
    pub(crate) fn step(
        &mut self,
        snap: &Snapshot<'_>,
    ) -> Result<Option<(usize, Result<Bytes, RepoError>)>, RepoError> {
        loop {
            let Some((place, source)) = self.next_place(snap)? else { return Ok(None) };
            let passed = self.seen;
            self.seen += 1;
            let index = self.forest.at(place);
            let rid = self.forest.node(index).rid;
            if self.abandoned[index] {
                self.go_down(rid, &Bytes::new(), usize::MAX);
                continue;
            }
            return match self.expand(snap, passed, index, source.as_ref()) {
                Ok(content) => {
                    drop(source);
                    self.go_down(rid, &content, snap.memory().borrow().limits.held_bytes);
                    Ok(Some((index, Ok(content))))
                }
                Err(error) if error.fault() == Fault::Sender || matches!(error, RepoError::NoContent(_)) => {
                    self.go_down(rid, &Bytes::new(), usize::MAX);
                    Ok(Some((index, Err(error))))
                }
                Err(error) => Err(error),
            };
        }
    }

    /// How many nodes were passed. At the end it is all of them, unless there are cycles.
    pub(crate) fn seen(&self) -> usize {
        self.seen
    }

    /// Gives up a node and everything that hangs on it.
    pub(crate) fn abandon(&mut self, index: usize) {
        self.abandoned[index] = true;
        self.abandon_below(index);
    }

    /// Gives up everything that hangs on a node, and lists it.
    pub(crate) fn abandon_below(&mut self, index: usize) -> Vec<usize> {
        let mut below = Vec::new();
        let mut open = vec![index];
        while let Some(index) = open.pop() {
            for place in self.forest.deltas_of(Some(self.forest.node(index).rid)) {
                let child = self.forest.at(place);
                self.abandoned[child] = true;
                below.push(child);
                open.push(child);
            }
        }
        below
    }

    pub(crate) fn is_abandoned(&self, index: usize) -> bool {
        self.abandoned[index]
    }

    fn expand(
        &mut self,
        snap: &Snapshot<'_>,
        passed: usize,
        index: usize,
        source: Option<&Bytes>,
    ) -> Result<Bytes, RepoError> {
        let Node { rid, id, frame, .. } = self.forest.node(index);
        let inflated = match &mut self.ahead {
            Some(ahead) => ahead.take(snap, self.forest, passed)?,
            None => frame.as_ref().map(|frame| snap.memory().borrow_mut().unpack(frame)),
        };
        match inflated {
            Some(inflated) => content::expand_inflated(snap, id, inflated, source),
            // Meanwhile it was stored whole.
            None if snap.memory().borrow().unsettled.was_rewritten(*rid) => content::expand(snap, *rid, None),
            None => content::expand(snap, *rid, source),
        }
    }

    /// The next place of the order, with the content of the source.
    fn next_place(&mut self, snap: &Snapshot<'_>) -> Result<Option<(usize, Option<Bytes>)>, RepoError> {
        if self.branches.is_empty() {
            let Some((source, places)) = self.forest.next_top(self.tops_done) else { return Ok(None) };
            self.tops_done = places.end;
            self.branches.push(Branch { source, content: None, places });
        }
        let branch = self.branches.last_mut().expect("one was pushed if there was none");
        let place = branch.places.next().expect("a branch leaves when it is empty");
        let index = self.forest.at(place);
        let content = match (branch.source, &branch.content) {
            (None, _) => None,
            (Some(_), Some(content)) => Some(content.clone()),
            (Some(_), None) if self.abandoned[index] => None,
            (Some(source), None) => {
                let content = content::get(snap, source)?;
                branch.content = Some(content.clone());
                self.held += content.len();
                Some(content)
            }
        };
        if branch.places.is_empty() {
            self.held -= branch.content.as_ref().map_or(0, Bytes::len);
            self.branches.pop();
        }
        Ok(Some((place, content)))
    }

    /// Goes on with the deltas of `rid`. Contents farther up are let go if there are too many bytes of them.
    fn go_down(&mut self, rid: Rid, content: &Bytes, held_bytes: usize) {
        let places = self.forest.deltas_of(Some(rid));
        if places.is_empty() {
            return;
        }
        for branch in &mut self.branches {
            if self.held + content.len() <= held_bytes {
                break;
            }
            self.held -= branch.content.take().map_or(0, |content| content.len());
        }
        self.held += content.len();
        self.branches.push(Branch { source: Some(rid), content: Some(content.clone()), places });
    }
}
