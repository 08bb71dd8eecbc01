//! Which of some artifacts are deltas of which.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use bytes::Bytes;
use xfer::ArtifactId;

use super::Arrival;
use super::unsettled::{Unsettled, Written};
use crate::blob::Name;
use crate::{RepoError, Rid, Tx, content};

/// An artifact to verify.
pub(crate) struct Node {
    pub(crate) rid: Rid,
    pub(crate) id: ArtifactId,
    /// `blob.size`, which may be wrong.
    pub(crate) size: i64,
    /// What it is stored as a delta of, be that in the forest or not.
    pub(crate) source: Option<Rid>,
    pub(crate) arrival: Arrival,
    /// Its stored form, if that is at hand.
    pub(crate) frame: Option<Bytes>,
}

/// Artifacts as trees of deltas.
pub(crate) struct Forest {
    /// By rid.
    nodes: Vec<Node>,
    /// Indexes of nodes: those of one source together, and among them those with few descendants first. So a
    /// walk that goes down holds the contents of few ancestors: each of them has a sibling below that is
    /// at least as heavy as the part still to be walked.
    order: Vec<usize>,
}

impl Forest {
    /// The forest of what can be expanded now.
    pub(crate) fn of_unsettled(tx: &Tx<'_>, unsettled: &Unsettled) -> Result<Self, RepoError> {
        Self::load(tx, unsettled.queue(), |rid| unsettled.written(rid))
    }

    /// The forest of artifacts that are stored. Of those that were just `written`, nothing is read.
    pub(crate) fn load<'w>(
        tx: &Tx<'_>,
        queue: &BTreeMap<Rid, Arrival>,
        written: impl Fn(Rid) -> Option<&'w Written>,
    ) -> Result<Self, RepoError> {
        let mut statement = tx.conn().prepare_cached(
            "SELECT uuid, size, (SELECT srcid FROM delta WHERE delta.rid=blob.rid) FROM blob WHERE rid=?1",
        )?;
        let mut nodes = Vec::with_capacity(queue.len());
        for (&rid, &arrival) in queue {
            if let Some(&Written { id, size, source, ref frame }) = written(rid) {
                nodes.push(Node { rid, id, size, source, arrival, frame: frame.clone() });
                continue;
            }
            nodes.push(statement.query_row([rid], |row| {
                let Name(id) = row.get(0)?;
                tx.memory().borrow_mut().names.note(id, rid);
                Ok(Node { rid, id, size: row.get(1)?, source: row.get(2)?, arrival, frame: None })
            })?);
        }
        Ok(Self::of(nodes))
    }

    /// The forest of some artifacts and of all that they are, in the end, deltas of.
    pub(crate) fn above(tx: &Tx<'_>, rids: &BTreeSet<Rid>) -> Result<Self, RepoError> {
        let mut nodes = BTreeMap::new();
        for &rid in rids {
            let mut at = Some(rid);
            while let Some(rid) = at.filter(|rid| !nodes.contains_key(rid)) {
                nodes.insert(rid, Arrival::Earlier);
                at = content::delta_source(tx, rid)?;
            }
        }
        Self::load(tx, &nodes, |_| None)
    }

    /// A forest of nodes that are in the order of their rids.
    pub(crate) fn of(nodes: Vec<Node>) -> Self {
        let weights = weights(&nodes);
        let mut order: Vec<usize> = (0..nodes.len()).collect();
        order.sort_by_key(|&index| (nodes[index].source, weights[index], index));
        Self { nodes, order }
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Bytes of all nodes, as far as the file knows.
    pub(crate) fn bytes(&self) -> usize {
        self.nodes.iter().map(|node| usize::try_from(node.size).unwrap_or(0)).fold(0, usize::saturating_add)
    }

    pub(crate) fn node(&self, index: usize) -> &Node {
        &self.nodes[index]
    }

    /// Nodes that are deltas of something outside of the forest.
    pub(crate) fn without_source(&self) -> impl Iterator<Item = usize> {
        let is_outside = |source| find(&self.nodes, source).is_none();
        (0..self.nodes.len()).filter(move |&index| self.nodes[index].source.is_some_and(is_outside))
    }

    /// The node at a place of the walking order.
    pub(crate) fn at(&self, place: usize) -> usize {
        self.order[place]
    }

    /// Places of the nodes that are deltas of `source`; of those that are whole for none.
    pub(crate) fn deltas_of(&self, source: Option<Rid>) -> Range<usize> {
        let key = |&index: &usize| self.nodes[index].source;
        let start = self.order.partition_point(|index| key(index) < source);
        let end = self.order.partition_point(|index| key(index) <= source);
        start..end
    }

    /// Indexes of nodes in the order in which a walk gets to them.
    pub(crate) fn walking_order(&self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.nodes.len());
        let (mut branches, mut tops_done) = (Vec::<Range<usize>>::new(), 0);
        loop {
            let Some(branch) = branches.last_mut() else {
                let Some((_, places)) = self.next_top(tops_done) else { return order };
                tops_done = places.end;
                branches.push(places);
                continue;
            };
            let Some(place) = branch.next() else {
                branches.pop();
                continue;
            };
            order.push(self.order[place]);
            branches.push(self.deltas_of(Some(self.nodes[self.order[place]].rid)));
        }
    }

    /// The first source at or after `place` of the order that is not in the forest itself, if any.
    pub(crate) fn next_top(&self, mut place: usize) -> Option<(Option<Rid>, Range<usize>)> {
        while place < self.order.len() {
            let source = self.nodes[self.order[place]].source;
            let range = self.deltas_of(source);
            if source.is_none_or(|source| find(&self.nodes, source).is_none()) {
                return Some((source, range));
            }
            place = range.end;
        }
        None
    }
}

fn find(nodes: &[Node], rid: Rid) -> Option<usize> {
    nodes.binary_search_by_key(&rid, |node| node.rid).ok()
}

/// How many nodes hang on each, itself included.
fn weights(nodes: &[Node]) -> Vec<usize> {
    let parents: Vec<Option<usize>> =
        nodes.iter().map(|node| node.source.and_then(|source| find(nodes, source))).collect();
    let mut open_children = vec![0_usize; nodes.len()];
    for &parent in parents.iter().flatten() {
        open_children[parent] += 1;
    }
    let mut weights = vec![1; nodes.len()];
    let mut ready: Vec<usize> = (0..nodes.len()).filter(|&index| open_children[index] == 0).collect();
    while let Some(index) = ready.pop() {
        let Some(parent) = parents[index] else { continue };
        weights[parent] += weights[index];
        open_children[parent] -= 1;
        if open_children[parent] == 0 {
            ready.push(parent);
        }
    }
    weights
}
