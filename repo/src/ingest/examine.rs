//! Naming and reading many artifacts, by other threads while this one does something else.

use std::ops::Range;

use bytes::Bytes;
use xfer::ArtifactId;
use xfer::hash::same_kinds;

use super::crew::{self, Tools, Work};
use crate::manifest::{Artifact, Reader};

/// Bytes of artifacts that are hashed together, by one thread: about as many check-ins of a large tree as there
/// are lanes.
const PIECE_BYTES: usize = 3 << 19;

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
    reading: Reading,
    pieces: Vec<Range<usize>>,
}

impl Batch {
    pub(crate) fn of(items: Vec<Item>, reading: Reading) -> Self {
        // Neighbours have much in common.
        let pieces = crew::pieces(items.iter().map(|item| item.content.len()), PIECE_BYTES);
        Self { items, reading, pieces }
    }

    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }
}

impl Work for Batch {
    type Found = Examined;

    fn pieces(&self) -> &[Range<usize>] {
        &self.pieces
    }

    fn piece(&self, piece: Range<usize>, tools: &mut Tools) -> Vec<Examined> {
        self.examine(&self.items[piece], &mut tools.reader)
    }
}

impl Batch {
    fn examine(&self, items: &[Item], reader: &mut Reader) -> Vec<Examined> {
        let unnamed: Vec<(&ArtifactId, &[u8])> =
            items.iter().filter_map(|item| Some((item.expected.as_ref()?, &*item.content))).collect();
        let mut names = same_kinds(&unnamed).into_iter();
        let mut artifacts = match self.reading {
            Reading::No => Vec::new(),
            Reading::Structural => reader.read(&items.iter().map(|item| &item.content).collect::<Vec<_>>()),
        }
        .into_iter();
        let examined = |item: &Item| Examined {
            name: item.expected.and_then(|_| names.next()),
            artifact: artifacts.next().flatten(),
        };
        items.iter().map(examined).collect()
    }
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

    #[test]
    fn the_order_is_that_of_the_batch_whatever_the_threads_do() {
        let names: Vec<_> = items()
            .iter()
            .map(|item| xfer::hash::same_kind(&item.expected.unwrap(), &item.content))
            .collect();
        assert!(Batch::of(items(), Reading::No).pieces.len() > 1);
        for threads in [1, 2, 5] {
            with_crew(threads, 1 << 20, |crew| {
                let first = crew.begin(Batch::of(items(), Reading::No));
                let second = crew.begin(Batch::of(items(), Reading::Structural));
                let first = crew.finish(&first);
                assert!(first.iter().map(|found| found.name.unwrap()).eq(names.iter().copied()));
                assert!(first.iter().all(|found| found.artifact.is_none()));
                for (item, found) in items().iter().zip(crew.finish(&second)) {
                    assert_eq!(found.name, Some(names[item.index]));
                    assert_eq!(found.artifact, crate::manifest::parse(&item.content).ok());
                }
            });
        }
    }
}
