//! Which of some artifacts are deltas of which.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use xfer::ArtifactId;

use super::Arrival;
use super::unsettled::{Unsettled, Written};
use crate::blob::Name;
use crate::{RepoError, Rid, Snapshot, Tx, content};

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
    /// Of each node, the index of what it is a delta of, if that is in the forest.
    sources: Vec<Option<usize>>,
    /// Indexes of all deltas, those of one source together, by rid.
    deltas: Vec<usize>,
    /// Where in `deltas` those of each node start, and where the last ones end.
    starts: Vec<usize>,
}

impl Forest {
    /// The forest of what can be expanded now.
    pub(crate) fn of_unsettled(tx: &Tx<'_>, unsettled: &Unsettled) -> Result<Self, RepoError> {
        Self::load(tx, unsettled.queue(), |rid| unsettled.written(rid))
    }

    /// The forest of artifacts that are stored. Of those that were just `written`, nothing is read.
    pub(crate) fn load<'w>(
        snap: &Snapshot<'_>,
        queue: &BTreeMap<Rid, Arrival>,
        written: impl Fn(Rid) -> Option<&'w Written>,
    ) -> Result<Self, RepoError> {
        let mut statement = snap.conn().prepare_cached(
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
                snap.memory().borrow_mut().names.note(id, rid);
                Ok(Node { rid, id, size: row.get(1)?, source: row.get(2)?, arrival, frame: None })
            })?);
        }
        Ok(Self::of(nodes))
    }

    /// The forest of some artifacts and of what they are, in the end, deltas of: up to about `most` artifacts.
    pub(crate) fn above(snap: &Snapshot<'_>, rids: &BTreeSet<Rid>, most: usize) -> Result<Self, RepoError> {
        let mut nodes = BTreeMap::new();
        for &rid in rids {
            let mut at = Some(rid);
            while let Some(rid) = at.filter(|rid| !nodes.contains_key(rid)) {
                nodes.insert(rid, Arrival::Earlier);
                at = if nodes.len() < most { content::delta_source(snap, rid)? } else { None };
            }
        }
        Self::load(snap, &nodes, |_| None)
    }

    /// A forest of nodes that are in the order of their rids.
    pub(crate) fn of(nodes: Vec<Node>) -> Self {
        let index = |rid| nodes.binary_search_by_key(&rid, |node: &Node| node.rid).ok();
        let sources: Vec<Option<usize>> = nodes.iter().map(|node| node.source.and_then(index)).collect();
        let mut starts = vec![0; nodes.len() + 1];
        for &source in sources.iter().flatten() {
            starts[source + 1] += 1;
        }
        for index in 0..nodes.len() {
            starts[index + 1] += starts[index];
        }
        let mut deltas: Vec<usize> = (0..nodes.len()).filter(|&index| sources[index].is_some()).collect();
        deltas.sort_by_key(|&index| sources[index]);
        Self { nodes, sources, deltas, starts }
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
        (0..self.nodes.len()).filter(|&index| self.is_top(index) && self.nodes[index].source.is_some())
    }

    /// Whether a node is whole, or a delta of something outside of the forest.
    pub(crate) fn is_top(&self, index: usize) -> bool {
        self.sources[index].is_none()
    }

    /// The node that a node is a delta of.
    pub(crate) fn source(&self, index: usize) -> Option<usize> {
        self.sources[index]
    }

    /// The nodes that are deltas of a node, by rid.
    pub(crate) fn deltas_of(&self, index: usize) -> &[usize] {
        &self.deltas[self.starts[index]..self.starts[index + 1]]
    }

    /// Everything that hangs on a node.
    pub(crate) fn below(&self, index: usize) -> Vec<usize> {
        let mut below = self.deltas_of(index).to_vec();
        let mut done = 0;
        while let Some(&index) = below.get(done) {
            below.extend_from_slice(self.deltas_of(index));
            done += 1;
        }
        below
    }
}
