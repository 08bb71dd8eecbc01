//! Inflating stored forms before the walk gets to them, and those of the sources outside of its forest, by other threads.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;

use super::crew::{self, Begun, Crew, Tools, Work};
use super::forest::Forest;
use super::order::Order;
use crate::zlib::{FrameError, declared_size};
use crate::{RepoError, Rid, Snapshot, content};

/// Bytes of expanded forms that are at hand before they are needed. As many are being inflated meanwhile.
const AHEAD_BYTES: usize = 1 << 20;

/// Bytes of expanded forms that one thread inflates at a time.
const PIECE_BYTES: usize = 64 << 10;

/// What the shortest form counts as.
const LEAST_BYTES: usize = 64;

/// The stored forms of a forest, inflated in the order in which a walk gets to them.
pub(crate) struct Ahead<'c> {
    crew: &'c Crew,
    /// Where in the order the ones at hand begin, and what they are.
    start: usize,
    at_hand: Vec<Option<Inflated>>,
    /// Those that come behind them.
    coming: Option<Begun<Inflating>>,
}

/// A stored form without its compression.
pub(crate) type Inflated = Result<Vec<u8>, FrameError>;

/// Forms of the order, then those of sources. None: it is for the walk itself to read.
struct Inflating {
    frames: Vec<Option<Bytes>>,
    /// Artifacts outside of the forest that are stored whole, and of which some of these are deltas.
    sources: Vec<Rid>,
    pieces: Vec<Range<usize>>,
    limit: usize,
}

impl<'c> Ahead<'c> {
    pub(super) fn of(crew: &'c Crew) -> Self {
        Self { crew, start: 0, at_hand: Vec::new(), coming: None }
    }

    /// The same for another order.
    pub(super) fn anew(self) -> Self {
        if let Some(coming) = &self.coming {
            drop(self.crew.finish(coming));
        }
        Self::of(self.crew)
    }

    /// The form at a place of the walk's order. Places are asked for in order; none need be. None if it is large or
    /// cannot be read.
    pub(super) fn take(
        &mut self,
        snap: &Snapshot<'_>,
        forest: &Forest,
        order: &Order,
        place: usize,
    ) -> Result<Option<Inflated>, RepoError> {
        while place >= self.start + self.at_hand.len() {
            self.start += self.at_hand.len();
            let coming = match self.coming.take() {
                Some(coming) => coming,
                None => self.crew.begin(self.next(snap, forest, order, self.start)?),
            };
            self.at_hand = self.crew.finish(&coming).into_iter().flatten().collect();
            self.keep_sources(snap, &coming.work().sources);
            let next = self.next(snap, forest, order, self.start + self.at_hand.len())?;
            self.coming = Some(self.crew.begin(next));
        }
        Ok(self.at_hand[place - self.start].take())
    }

    /// Puts the contents of sources, the last ones at hand, into the cache, where the walk looks for them. What is wrong
    /// with one is told when it is read there.
    fn keep_sources(&mut self, snap: &Snapshot<'_>, sources: &[Rid]) {
        let inflated = self.at_hand.split_off(self.at_hand.len() - sources.len());
        let mut memory = snap.memory().borrow_mut();
        for (&rid, content) in sources.iter().zip(inflated) {
            if let Some(Ok(content)) = content {
                memory.cache.put(rid, &content.into());
            }
        }
    }

    /// Reads the forms of the order from a place on.
    fn next(
        &self,
        snap: &Snapshot<'_>,
        forest: &Forest,
        order: &Order,
        start: usize,
    ) -> Result<Inflating, RepoError> {
        let (mut frames, mut sizes, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut sources = BTreeMap::new();
        let size = |frame: &Bytes| declared_size(frame).unwrap_or(0).max(frame.len());
        for &index in &order.nodes()[start..] {
            if bytes >= AHEAD_BYTES {
                break;
            }
            let node = forest.node(index);
            let frame = match &node.frame {
                Some(frame) => Some(frame.clone()),
                None if snap.memory().borrow().unsettled.was_rewritten(node.rid) => None,
                None => content::small_frame(snap, node.rid)?,
            };
            let frame = frame.filter(|frame| size(frame) <= AHEAD_BYTES);
            sizes.push(frame.as_ref().map_or(0, size).max(LEAST_BYTES));
            bytes += sizes[sizes.len() - 1];
            frames.push(frame);
            let source = node.source.filter(|source| forest.is_top(index) && !sources.contains_key(source));
            if let Some(source) = source
                && let Some(frame) = whole(snap, source)?
                && size(&frame) <= AHEAD_BYTES
                && snap.memory().borrow().cache.takes(size(&frame))
            {
                bytes += size(&frame).max(LEAST_BYTES);
                sources.insert(source, frame);
            }
        }
        let (sources, of_sources): (Vec<Rid>, Vec<Bytes>) = sources.into_iter().unzip();
        sizes.extend(of_sources.iter().map(size));
        frames.extend(of_sources.into_iter().map(Some));
        let limit = snap.memory().borrow().limits.artifact_bytes;
        Ok(Inflating { frames, sources, pieces: crew::pieces(sizes.into_iter(), PIECE_BYTES), limit })
    }
}

/// The stored form of an artifact that is stored whole and not large, unless its content is in the cache.
fn whole(snap: &Snapshot<'_>, rid: Rid) -> Result<Option<Bytes>, RepoError> {
    if snap.memory().borrow().cache.holds(rid) || content::delta_source(snap, rid)?.is_some() {
        return Ok(None);
    }
    content::small_frame(snap, rid)
}

impl Work for Inflating {
    type Found = Vec<Option<Inflated>>;

    fn parts(&self) -> usize {
        self.pieces.len()
    }

    fn part(&self, number: usize, tools: &mut Tools) -> Vec<Option<Inflated>> {
        let mut inflate = |frame: &Bytes| tools.codec.unpack(frame, self.limit);
        let piece = self.pieces[number].clone();
        self.frames[piece].iter().map(|frame| frame.as_ref().map(&mut inflate)).collect()
    }
}
