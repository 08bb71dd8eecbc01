//! Naming and reading many artifacts, by other threads while this one does something else.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use xfer::ArtifactId;
use xfer::hash::same_kinds;

use crate::manifest::{Artifact, Reader};

/// Less than this is not worth another thread.
const LEAST_BYTES: usize = 256 << 10;

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

/// Artifacts that are examined together. Threads take one piece after the other.
pub(crate) struct Batch {
    items: Vec<Item>,
    reading: Reading,
    pieces: Vec<Range<usize>>,
    next: AtomicUsize,
}

/// What was found, by the first place of a piece.
type Found = Vec<(usize, Vec<Examined>)>;

/// Threads that examine batches.
pub(crate) struct Examiners {
    workers: Vec<(Sender<Arc<Batch>>, Receiver<Found>)>,
    own: RefCell<Reader>,
}

/// Runs `work` with as many examiners as are worth it for about this many bytes. What comes out does not depend
/// on their number: a batch comes back in the order in which it went in.
pub(crate) fn with_examiners<T>(threads: usize, bytes: usize, work: impl FnOnce(&Examiners) -> T) -> T {
    let others = if bytes < LEAST_BYTES { 0 } else { threads.saturating_sub(1) };
    std::thread::scope(|scope| {
        let mut examiners = Examiners { workers: Vec::with_capacity(others), own: RefCell::default() };
        for _ in 0..others {
            let (batches, inbox) = channel::<Arc<Batch>>();
            let (outbox, found) = channel();
            scope.spawn(move || {
                let mut reader = Reader::default();
                for batch in inbox {
                    // Nobody listens any more if the work ended early.
                    let _ = outbox.send(batch.examine_some(&mut reader));
                }
            });
            examiners.workers.push((batches, found));
        }
        work(&examiners)
    })
}

impl Examiners {
    /// Hands a batch to the other threads. Batches are finished in the order in which they were started.
    pub(crate) fn start(&self, items: Vec<Item>, reading: Reading) -> Arc<Batch> {
        let batch = Arc::new(Batch { pieces: pieces(&items), items, reading, next: AtomicUsize::new(0) });
        for (batches, _) in &self.workers {
            batches.send(batch.clone()).expect("an examiner lives as long as its inbox");
        }
        batch
    }

    /// Lends a hand with what is left of a batch, and gives what was found of each of its items.
    pub(crate) fn finish(&self, batch: &Batch) -> Vec<Examined> {
        let mut found = batch.examine_some(&mut self.own.borrow_mut());
        for (_, others) in &self.workers {
            found.extend(others.recv().expect("an examiner answers every batch"));
        }
        found.sort_unstable_by_key(|&(place, _)| place);
        found.into_iter().flat_map(|(_, of_piece)| of_piece).collect()
    }
}

impl Batch {
    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    fn examine_some(&self, reader: &mut Reader) -> Found {
        let mut found = Vec::new();
        loop {
            let place = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = self.pieces.get(place) else { return found };
            found.push((piece.start, self.examine(&self.items[piece.clone()], reader)));
        }
    }

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

/// Neighbours together, which have much in common.
fn pieces(items: &[Item]) -> Vec<Range<usize>> {
    let (mut pieces, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (place, item) in items.iter().enumerate() {
        bytes += item.content.len();
        if bytes >= PIECE_BYTES || place + 1 == items.len() {
            pieces.push(start..place + 1);
            (start, bytes) = (place + 1, 0);
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use xfer::hash::{sha1, sha3_256};

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
        assert!(pieces(&items()).len() > 1);
        for threads in [1, 2, 5] {
            with_examiners(threads, 1 << 20, |examiners| {
                let first = examiners.start(items(), Reading::No);
                let second = examiners.start(items(), Reading::Structural);
                let first = examiners.finish(&first);
                assert!(first.iter().map(|found| found.name.unwrap()).eq(names.iter().copied()));
                assert!(first.iter().all(|found| found.artifact.is_none()));
                for (item, found) in items().iter().zip(examiners.finish(&second)) {
                    assert_eq!(found.name, Some(names[item.index]));
                    assert_eq!(found.artifact, crate::manifest::parse(&item.content).ok());
                }
            });
        }
    }

    #[test]
    fn work_that_ends_early_leaves_no_thread_behind() {
        with_examiners(3, 1 << 20, |examiners| drop(examiners.start(items(), Reading::Structural)));
    }
}
