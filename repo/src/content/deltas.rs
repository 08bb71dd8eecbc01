//! Deltas between contents that meet, made by other threads while this one expands what comes next.

use std::ops::{ControlFlow, Range};

use bytes::Bytes;

use super::together::{Event, Shown, Visit};
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

    /// Asks whether to go on. If not, shows all that were taken.
    pub(super) fn goes_on(&mut self, visit: &mut Visit<'_>) -> Result<ControlFlow<()>, RepoError> {
        let ready = self.gathered.len() + self.being_made.as_ref().map_or(0, |made| made.work().pairs.len());
        match visit(Event::Step { ready })? {
            ControlFlow::Continue(()) => Ok(ControlFlow::Continue(())),
            ControlFlow::Break(()) => self.finish(visit).map(|_| ControlFlow::Break(())),
        }
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
            if visit(Event::Shown(Shown { rid: *rid, content, delta }))?.is_break() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::testing::repo;

    /// Contents that are short, longer than a piece, longer than a batch, and much longer, each twice with a difference.
    fn pairs() -> Vec<(Rid, Bytes, Option<Bytes>)> {
        let sizes = [10, 100, 90_000, 3000, 700_000, 20, 5 << 20, 200_000, 0, 200_000, 200_000, 400_000, 7];
        let text = |size: usize, number: usize| {
            format!("{number} and ").repeat(size / 6 + 1).into_bytes()[..size].to_vec()
        };
        let pair = |(number, &size): (usize, &usize)| {
            let content = Bytes::from(text(size, number));
            let with =
                (number % 4 != 3).then(|| [&content[..size / 2], b"!", &content[size / 2..]].concat().into());
            (Rid(number as i64), content, with)
        };
        sizes.iter().enumerate().map(pair).collect()
    }

    #[test]
    fn all_are_shown_in_order_with_their_deltas_and_none_after_a_break() {
        let pairs = pairs();
        for threads in [1, 2, 3] {
            let mut repo = repo();
            repo.set_limits(Limits { threads, ..Limits::default() }).unwrap();
            let snap = repo.snapshot().unwrap();
            for most in 1..=pairs.len() {
                let mut shown = Vec::new();
                let mut visit = |event: Event<'_>| {
                    let Event::Shown(Shown { rid, content, delta }) = event else {
                        return Ok(ControlFlow::Continue(()));
                    };
                    let (expected, text, with) = &pairs[shown.len()];
                    assert_eq!((rid, content), (*expected, text));
                    assert_eq!(delta, with.as_ref().map(|with| delta::create(with, text)), "{rid:?}");
                    shown.push(rid);
                    Ok(if shown.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
                };
                let is_over = snap.with_crew(1 << 20, |crew| {
                    let mut deltas = Deltas::by(crew);
                    for (rid, content, with) in &pairs {
                        if deltas.take(*rid, content, with.as_ref(), &mut visit).unwrap().is_break() {
                            return true;
                        }
                    }
                    deltas.finish(&mut visit).unwrap().is_break()
                });
                assert!(is_over);
                assert_eq!(shown.len(), most, "{threads} threads");
            }
        }
    }
}
