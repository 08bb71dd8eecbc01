//! Reading structural artifacts in another thread while this one expands the next and links the ones before.

use std::cell::Cell;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bytes::Bytes;

use crate::Rid;
use crate::crosslink::read;
use crate::manifest::Artifact;

/// Bytes of a batch. At most four are held.
const BATCH_BYTES: usize = 2 << 20;

/// An artifact, and what it says if it is structural.
pub(super) type Read = (Rid, Bytes, Option<Artifact>);

/// Artifacts to be read together.
pub(super) type Batch = Vec<(Rid, Bytes)>;

/// Artifacts to be read.
#[derive(Default)]
pub(super) struct Expanded {
    batch: Batch,
    bytes: usize,
}

impl Expanded {
    /// Adds one, and gives the batch if that is full.
    pub(super) fn add(&mut self, rid: Rid, content: &Bytes) -> Option<Batch> {
        self.bytes += content.len();
        self.batch.push((rid, content.clone()));
        (self.bytes >= BATCH_BYTES).then(|| {
            self.bytes = 0;
            std::mem::take(&mut self.batch)
        })
    }

    /// What is left.
    pub(super) fn rest(self) -> Batch {
        self.batch
    }
}

/// Reads one batch after the other. What comes out does not depend on whether there is another thread.
pub(super) struct Readers {
    other: Option<Other>,
    /// Batches that have not come back.
    open: Cell<usize>,
}

/// The way to the other thread, and back.
type Other = (SyncSender<Batch>, Receiver<Vec<Read>>);

/// Batches that the other thread may have at a time.
const AHEAD: usize = 2;

/// Runs `work` with another thread to read for it, if there may be one.
pub(super) fn with_readers<T>(threads: usize, work: impl FnOnce(&Readers) -> T) -> T {
    std::thread::scope(|scope| {
        let other = (threads > 1).then(|| {
            let (batches, inbox) = sync_channel::<Batch>(AHEAD);
            let (outbox, done) = sync_channel(AHEAD);
            scope.spawn(move || {
                for batch in inbox {
                    // Nobody listens any more if the work ended early.
                    if outbox.send(read_all(batch)).is_err() {
                        break;
                    }
                }
            });
            (batches, done)
        });
        work(&Readers { other, open: 0.into() })
    })
}

impl Readers {
    /// Takes a batch, and gives the one before, read; nothing at first.
    pub(super) fn exchange(&self, batch: Batch) -> Vec<Read> {
        let Some((batches, done)) = &self.other else {
            return read_all(batch);
        };
        batches.send(batch).expect("the reader lives as long as its inbox");
        if self.open.get() + 1 < AHEAD {
            self.open.set(self.open.get() + 1);
            return Vec::new();
        }
        done.recv().expect("the reader answers every batch")
    }

    /// Gives the batches that have not come back yet.
    pub(super) fn last(&self) -> Vec<Read> {
        let open = self.open.take();
        let Some((_, done)) = &self.other else {
            return Vec::new();
        };
        (0..open).flat_map(|_| done.recv().expect("the reader answers every batch")).collect()
    }
}

fn read_all(batch: Batch) -> Vec<Read> {
    batch
        .into_iter()
        .map(|(rid, content)| {
            let artifact = read(&content);
            (rid, content, artifact)
        })
        .collect()
}
