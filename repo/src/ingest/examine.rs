//! Naming and reading many artifacts, by other threads while this one does something else.

use std::ops::Range;

use bytes::Bytes;
use lanes::LANES;
use xfer::ArtifactId;
use xfer::hash::same_kinds;

use super::crew::{Begun, Crew, Tools, Work};
use crate::manifest::Artifact;

/// Bytes of expanded artifacts that are examined together, at least: a batch goes on until a piece ends. Two are under way at a
/// time.
pub(crate) const BATCH_BYTES: usize = 3 << 20;

/// With so many it ends, though the piece could go on.
const MOST_BYTES: usize = 2 * BATCH_BYTES;

/// Of little in all, at least so many batches are made: else nothing would be linked while other threads examine what follows.
const LEAST_BATCHES: usize = 8;

/// Less than this is no piece for a thread of its own.
const LEAST_PIECE_BYTES: usize = 256 << 10;

/// An artifact to be examined.
pub(crate) struct Item {
    /// Where its owner finds it again.
    pub(crate) index: usize,
    /// Tells the kind of hash; none if no name is wanted.
    pub(crate) expected: Option<ArtifactId>,
    pub(crate) content: Bytes,
}

/// What a batch is examined for, besides names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Nothing.
    No,
    /// What structural artifacts say.
    Structural,
}

/// What there is to know of an artifact.
pub(crate) struct Examined {
    /// Its name, if that was wanted.
    pub(crate) name: Option<ArtifactId>,
    /// What it says, if it is structural and that was wanted. Of the files of a check-in only those with an old
    /// name.
    pub(crate) artifact: Option<Artifact>,
}

/// Artifacts that are examined together.
pub(crate) struct Batch {
    items: Vec<Item>,
    bytes: usize,
    reading: Reading,
    /// With so many bytes it ends, where a piece does.
    enough: usize,
    /// Whether a name is wanted of any.
    is_named: bool,
    /// Which of them one thread examines at a time: neighbours, which have much in common.
    pieces: Vec<Range<usize>>,
    /// What is not in a piece yet: its bytes, and those of the longest.
    open_bytes: usize,
    longest: usize,
}

impl Batch {
    /// The first of so many that there is no telling.
    pub(crate) fn new(reading: Reading) -> Self {
        Self::ending_at(reading, BATCH_BYTES)
    }

    /// The first of those that have so many bytes in all.
    pub(crate) fn first_of(reading: Reading, all_bytes: usize) -> Self {
        Self::ending_at(reading, (all_bytes / LEAST_BATCHES).clamp(LEAST_PIECE_BYTES, BATCH_BYTES))
    }

    fn ending_at(reading: Reading, enough: usize) -> Self {
        let (items, pieces) = (Vec::new(), Vec::new());
        Self { items, bytes: 0, reading, enough, is_named: false, pieces, open_bytes: 0, longest: 0 }
    }

    pub(crate) fn push(&mut self, item: Item) {
        let bytes = item.content.len();
        self.bytes += bytes;
        self.open_bytes += bytes;
        self.longest = self.longest.max(bytes);
        self.is_named |= item.expected.is_some();
        self.items.push(item);
        // As many long ones as there are lanes keep all of them busy to the end; of one more the others would wait for it.
        let lanes_bytes = LANES * self.longest - self.longest / 2;
        if self.open_bytes >= lanes_bytes.max(LEAST_PIECE_BYTES) || self.is_full() {
            self.end_piece();
        }
    }

    /// Whether it ought to be examined now.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= MOST_BYTES || self.bytes >= self.enough && self.open_bytes == 0
    }

    /// Whether another one beside it would be too many bytes.
    pub(crate) fn is_large(&self) -> bool {
        self.bytes >= 2 * MOST_BYTES
    }

    /// All of it; an empty one takes its place.
    pub(crate) fn take(&mut self) -> Self {
        self.end_piece();
        std::mem::replace(self, Self::ending_at(self.reading, self.enough))
    }

    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    fn end_piece(&mut self) {
        let start = self.pieces.last().map_or(0, |piece| piece.end);
        if start < self.items.len() {
            self.pieces.push(start..self.items.len());
        }
        (self.open_bytes, self.longest) = (0, 0);
    }
}

/// What comes of a part: there are up to two of each piece.
pub(crate) enum Part {
    Names(Vec<ArtifactId>),
    Artifacts(Vec<Option<Artifact>>),
}

impl Batch {
    /// What is done of each piece, in this order.
    fn errands(&self) -> &'static [Errand] {
        match (self.is_named, self.reading) {
            (true, Reading::Structural) => &[Errand::Name, Errand::Read],
            (true, Reading::No) => &[Errand::Name],
            (false, Reading::Structural) => &[Errand::Read],
            (false, Reading::No) => &[],
        }
    }
}

/// What one thread does with a piece.
#[derive(Clone, Copy)]
enum Errand {
    Name,
    Read,
}

impl Work for Batch {
    type Found = Part;

    fn parts(&self) -> usize {
        self.pieces.len() * self.errands().len()
    }

    fn part(&self, number: usize, tools: &mut Tools) -> Part {
        let errands = self.errands();
        let items = &self.items[self.pieces[number / errands.len()].clone()];
        match errands[number % errands.len()] {
            Errand::Name => {
                let unnamed: Vec<(&ArtifactId, &[u8])> =
                    items.iter().filter_map(|item| Some((item.expected.as_ref()?, &*item.content))).collect();
                Part::Names(same_kinds(&unnamed))
            }
            Errand::Read => Part::Artifacts(
                tools.reader.read(&items.iter().map(|item| &item.content).collect::<Vec<_>>()),
            ),
        }
    }
}

/// Lends a hand with a batch, and gives what was found of each item.
pub(crate) fn finish(crew: &Crew, begun: &Begun<Batch>) -> Vec<Examined> {
    let (mut names, mut artifacts) = (Vec::new(), Vec::new());
    for part in crew.finish(begun) {
        match part {
            Part::Names(some) => names.extend(some),
            Part::Artifacts(some) => artifacts.extend(some),
        }
    }
    let (mut names, mut artifacts) = (names.into_iter(), artifacts.into_iter());
    let examined = |item: &Item| Examined {
        name: item.expected.and_then(|_| names.next()),
        artifact: artifacts.next().flatten(),
    };
    begun.work().items().iter().map(examined).collect()
}

#[cfg(test)]
mod tests {
    use xfer::hash::{sha1, sha3_256};

    use super::super::crew::with_crew;
    use super::*;
    use crate::manifest::write;

    /// Artifacts of both kinds of names, some of them structural, of more than one piece.
    fn items() -> Vec<Item> {
        let kinds = [sha1(b""), sha3_256(b"")];
        let content = |index: usize| match index % 3 {
            0 => write(&Artifact::Cluster((0..20_usize).map(|n| sha1(&[n as u8, index as u8])).collect())),
            _ => vec![index as u8; 50_000 - 200 * index],
        };
        (0..200)
            .map(|index| Item { index, expected: Some(kinds[index % 2]), content: content(index).into() })
            .collect()
    }

    fn batch(items: Vec<Item>, reading: Reading) -> Batch {
        let mut batch = Batch::new(reading);
        items.into_iter().for_each(|item| batch.push(item));
        batch.take()
    }

    #[test]
    fn a_piece_ends_where_all_lanes_are_busy() {
        let item =
            |(index, bytes): (usize, usize)| Item { index, expected: None, content: vec![0; bytes].into() };
        // Bytes of artifacts in a row, how many are in each piece, and whether a batch of them is full.
        let cases = [
            (vec![100_000; 40], vec![16, 16, 8], false),
            (vec![200_000; 16], vec![16], true),
            (vec![200_000; 17], vec![16, 1], false),
            (vec![300_000; 15], vec![15], false),
            (vec![2000; 300], vec![132, 132, 36], false),
            (vec![5 << 20, 1 << 20, 5], vec![2, 1], true),
        ];
        for (sizes, pieces, is_full) in cases {
            let mut batch = Batch::new(Reading::No);
            sizes.into_iter().enumerate().map(item).for_each(|item| batch.push(item));
            assert_eq!(batch.is_full(), is_full, "{pieces:?}");
            let taken = batch.take();
            assert_eq!(taken.pieces.iter().map(Range::len).collect::<Vec<_>>(), pieces);
            assert!(batch.items().is_empty() && batch.take().pieces.is_empty());
        }
    }

    #[test]
    fn of_little_in_all_a_batch_ends_with_its_first_pieces() {
        // Bytes in all, those of each artifact, and how many are in the first batch.
        let cases =
            [(0, 10_000, 27), (1 << 20, 10_000, 27), (8 << 20, 10_000, 108), (100 << 20, 10_000, 324)];
        for (all_bytes, bytes, count) in cases {
            let mut batch = Batch::first_of(Reading::No, all_bytes);
            while !batch.is_full() {
                batch.push(Item { index: 0, expected: None, content: vec![0; bytes].into() });
            }
            assert_eq!(batch.items().len(), count, "{all_bytes}");
            assert_eq!(batch.take().enough, batch.enough);
        }
    }

    #[test]
    fn the_order_is_that_of_the_batch_whatever_the_threads_do() {
        let names: Vec<_> = items()
            .iter()
            .map(|item| xfer::hash::same_kind(&item.expected.unwrap(), &item.content))
            .collect();
        assert!(batch(items(), Reading::No).pieces.len() > 1);
        for threads in [1, 2, 5] {
            with_crew(threads, 1 << 20, |crew| {
                let first = crew.begin(batch(items(), Reading::No));
                let second = crew.begin(batch(items(), Reading::Structural));
                let first = finish(crew, &first);
                assert!(first.iter().map(|found| found.name.unwrap()).eq(names.iter().copied()));
                assert!(first.iter().all(|found| found.artifact.is_none()));
                for (item, found) in items().iter().zip(finish(crew, &second)) {
                    assert_eq!(found.name, Some(names[item.index]));
                    assert_eq!(found.artifact, crate::manifest::parse(&item.content).ok());
                }
            });
        }
    }
}
