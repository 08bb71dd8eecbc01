//! Deltas that came before their source: what can be checked of them without it.

use std::ops::Range;

use bytes::Bytes;
use xfer::ArtifactId;

use super::crew::{self, Crew, Tools, Work};
use super::set_size;
use super::unsettled::Unsettled;
use crate::zlib::declared_size;
use crate::{RepoError, Rid, Tx, blob, content, delta};

/// Bytes of deltas that one thread checks at a time.
const PIECE_BYTES: usize = 64 << 10;

/// What the shortest delta counts as.
const LEAST_BYTES: usize = 64;

/// A longer delta is read by itself, so that one of them is in memory at a time.
const LARGE_BYTES: usize = 1 << 20;

/// Deltas that were put since the last call of [`super::settle`].
#[derive(Default)]
pub(super) struct Waiting {
    /// Whose stored form is in memory.
    at_hand: Vec<Delta>,
    /// Those that are read from the file, one at a time.
    in_file: Vec<Rid>,
}

struct Delta {
    rid: Rid,
    id: ArtifactId,
    /// `blob.size`.
    size: i64,
    frame: Bytes,
}

impl Waiting {
    pub(super) fn of(unsettled: &Unsettled) -> Self {
        let mut waiting = Self::default();
        for &rid in unsettled.waiting() {
            let delta = unsettled.written(rid).and_then(|written| {
                let frame = written.frame.clone()?;
                Some(Delta { rid, id: written.id, size: written.size, frame })
            });
            match delta.filter(|delta| delta.bytes() <= LARGE_BYTES) {
                Some(delta) => waiting.at_hand.push(delta),
                None => waiting.in_file.push(rid),
            }
        }
        waiting
    }

    /// Bytes of those in memory, inflated.
    pub(super) fn bytes(&self) -> usize {
        self.at_hand.iter().map(Delta::bytes).fold(0, usize::saturating_add)
    }

    /// Checks each, and notes the size of its target.
    pub(super) fn note_sizes(self, tx: &Tx<'_>, crew: &Crew) -> Result<(), RepoError> {
        let limit = tx.memory().borrow().limits.artifact_bytes;
        let pieces = crew::pieces(self.at_hand.iter().map(Delta::bytes), PIECE_BYTES);
        let checking = crew.begin(Checking { deltas: self.at_hand, pieces, limit });
        for rid in self.in_file {
            note_size(tx, rid)?;
        }
        let sizes: Vec<Vec<usize>> = crew.finish(&checking).into_iter().collect::<Result<_, _>>()?;
        for (delta, size) in checking.work().deltas.iter().zip(sizes.into_iter().flatten()) {
            if delta.size != size as i64 {
                set_size(tx, delta.rid, size)?;
            }
        }
        Ok(())
    }
}

impl Delta {
    fn bytes(&self) -> usize {
        declared_size(&self.frame).unwrap_or(0).max(self.frame.len()).max(LEAST_BYTES)
    }
}

/// Checks a delta of the file, and notes the size of its target.
pub(super) fn note_size(tx: &Tx<'_>, rid: Rid) -> Result<(), RepoError> {
    let limit = tx.memory().borrow().limits.artifact_bytes;
    let stored = content::expand(tx, rid, None)?;
    set_size(tx, rid, target_size(&blob::id(tx, rid)?, &stored, limit)?)
}

/// The size of the target of a delta that came under a name, if all of it is sound that can be told without the source.
fn target_size(id: &ArtifactId, delta: &[u8], limit: usize) -> Result<usize, RepoError> {
    let bad = |reason| RepoError::BadDelta { id: *id, reason };
    delta::check(delta, limit).map_err(bad)?;
    delta::target_size(delta).map_err(bad)
}

struct Checking {
    deltas: Vec<Delta>,
    pieces: Vec<Range<usize>>,
    limit: usize,
}

impl Work for Checking {
    type Found = Result<Vec<usize>, RepoError>;

    fn parts(&self) -> usize {
        self.pieces.len()
    }

    fn part(&self, number: usize, tools: &mut Tools) -> Self::Found {
        let mut check = |Delta { id, frame, .. }: &Delta| {
            let bad = |reason| RepoError::BadFrame { id: *id, reason };
            target_size(id, &tools.codec.unpack(frame, self.limit).map_err(bad)?, self.limit)
        };
        self.deltas[self.pieces[number].clone()].iter().map(&mut check).collect()
    }
}
