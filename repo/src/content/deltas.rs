//! Deltas between contents that meet, made by other threads while this one expands what comes next.

use std::ops::{ControlFlow, Range};

use bytes::Bytes;

use super::together::{Shown, Visit};
use crate::ingest::crew::{self, Begun, Crew, Tools, Work};
use crate::{RepoError, Rid, delta};

/// Bytes of contents whose deltas are made together. Of what is much longer, none waits for others.
const BATCH_BYTES: usize = 512 << 10;

/// Bytes of contents whose deltas one thread makes at a time.
const PIECE_BYTES: usize = 64 << 10;

/// An artifact and what it is to be a delta of, if anything.
struct Pair {
    rid: Rid,
    content: Bytes,
    with: Option<Bytes>,
}

impl Pair {
    fn bytes(&self) -> usize {
        self.content.len() + self.with.as_ref().map_or(0, Bytes::len)
    }
}

struct Making {
    pairs: Vec<Pair>,
    pieces: Vec<Range<usize>>,
}

/// Shows artifacts in the order in which they come here, with their deltas.
pub(super) struct Deltas<'c> {
    crew: &'c Crew,
    gathered: Vec<Pair>,
    bytes: usize,
    being_made: Option<Begun<Making>>,
}

impl<'c> Deltas<'c> {
    pub(super) fn by(crew: &'c Crew) -> Self {
        Self { crew, gathered: Vec::new(), bytes: 0, being_made: None }
    }

    /// Takes an artifact, and what it is to be a delta of. Those before it may be shown now.
    pub(super) fn take(
        &mut self,
        rid: Rid,
        content: &Bytes,
        with: Option<&Bytes>,
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, RepoError> {
        let pair = Pair { rid, content: content.clone(), with: with.cloned() };
        self.bytes += pair.bytes();
        self.gathered.push(pair);
        match self.bytes {
            bytes if bytes >= 4 * BATCH_BYTES => self.finish(visit),
            bytes if bytes >= BATCH_BYTES => self.move_on(visit),
            _ => Ok(ControlFlow::Continue(())),
        }
    }

    /// Shows all that were taken.
    pub(super) fn finish(&mut self, visit: &mut Visit<'_>) -> Result<ControlFlow<()>, RepoError> {
        if self.move_on(visit)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        self.being_made.take().map_or(Ok(ControlFlow::Continue(())), |made| self.show(&made, visit))
    }

    /// Has the deltas of what was gathered made, and shows what was made meanwhile.
    fn move_on(&mut self, visit: &mut Visit<'_>) -> Result<ControlFlow<()>, RepoError> {
        self.bytes = 0;
        let pairs = std::mem::take(&mut self.gathered);
        let sizes: Vec<usize> = pairs.iter().map(Pair::bytes).collect();
        let next = self.crew.begin(Making { pairs, pieces: crew::pieces(sizes.into_iter(), PIECE_BYTES) });
        match self.being_made.replace(next) {
            Some(made) => self.show(&made, visit),
            None => Ok(ControlFlow::Continue(())),
        }
    }

    fn show(&self, made: &Begun<Making>, visit: &mut Visit<'_>) -> Result<ControlFlow<()>, RepoError> {
        let deltas = self.crew.finish(made).into_iter().flatten();
        for (Pair { rid, content, .. }, delta) in made.work().pairs.iter().zip(deltas) {
            if visit(Some(Shown { rid: *rid, content, delta }))?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Work for Making {
    type Found = Vec<Option<Vec<u8>>>;

    fn parts(&self) -> usize {
        self.pieces.len()
    }

    fn part(&self, number: usize, _: &mut Tools) -> Vec<Option<Vec<u8>>> {
        let make = |pair: &Pair| pair.with.as_ref().map(|with| delta::create(with, &pair.content));
        self.pairs[self.pieces[number].clone()].iter().map(make).collect()
    }
}
