//! Names of many artifacts, made by other threads while this one does something else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use xfer::ArtifactId;
use xfer::hash::same_kind;

/// Less than this is not worth another thread.
const LEAST_BYTES: usize = 256 << 10;

/// An artifact to be named.
pub(crate) struct Nameless {
    /// Where its owner finds it again.
    pub(crate) index: usize,
    /// Tells the kind of hash.
    pub(crate) expected: ArtifactId,
    pub(crate) content: Bytes,
}

/// Artifacts that are named together. Threads take one after the other.
pub(crate) struct Batch {
    items: Vec<Nameless>,
    next: AtomicUsize,
}

/// Names by place in the batch.
type Named = Vec<(usize, ArtifactId)>;

/// Threads that name batches.
pub(crate) struct Namers {
    workers: Vec<(Sender<Arc<Batch>>, Receiver<Named>)>,
}

/// Runs `work` with as many namers as are worth it for about this many bytes. What comes out does not depend
/// on their number: a batch comes back in the order in which it went in.
pub(crate) fn with_namers<T>(threads: usize, bytes: usize, work: impl FnOnce(&Namers) -> T) -> T {
    let others = if bytes < LEAST_BYTES { 0 } else { threads.saturating_sub(1) };
    std::thread::scope(|scope| {
        let mut namers = Namers { workers: Vec::with_capacity(others) };
        for _ in 0..others {
            let (batches, inbox) = channel::<Arc<Batch>>();
            let (outbox, named) = channel();
            scope.spawn(move || {
                for batch in inbox {
                    // Nobody listens any more if the work ended early.
                    let _ = outbox.send(batch.name_some());
                }
            });
            namers.workers.push((batches, named));
        }
        work(&namers)
    })
}

impl Namers {
    /// Hands a batch to the other threads. Batches are finished in the order in which they were started.
    pub(crate) fn start(&self, items: Vec<Nameless>) -> Arc<Batch> {
        let batch = Arc::new(Batch { items, next: AtomicUsize::new(0) });
        for (batches, _) in &self.workers {
            batches.send(batch.clone()).expect("a namer lives as long as its inbox");
        }
        batch
    }

    /// Lends a hand with what is left of a batch, and gives the name of each of its items.
    pub(crate) fn finish(&self, batch: &Batch) -> Vec<ArtifactId> {
        let mut named = batch.name_some();
        for (_, others) in &self.workers {
            named.extend(others.recv().expect("a namer answers every batch"));
        }
        named.sort_unstable_by_key(|&(place, _)| place);
        named.into_iter().map(|(_, name)| name).collect()
    }
}

impl Batch {
    pub(crate) fn items(&self) -> &[Nameless] {
        &self.items
    }

    fn name_some(&self) -> Named {
        let mut named = Vec::new();
        loop {
            let place = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = self.items.get(place) else { return named };
            named.push((place, same_kind(&item.expected, &item.content)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_batch_whatever_the_threads_do() {
        let kinds = [xfer::hash::sha1(b""), xfer::hash::sha3_256(b"")];
        let content = |index: usize| Bytes::from(vec![index as u8; 5000 - 20 * index]);
        let batch = || -> Vec<Nameless> {
            (0..200)
                .map(|index| Nameless { index, expected: kinds[index % 2], content: content(index) })
                .collect()
        };
        let alone: Vec<ArtifactId> =
            (0..200).map(|index| same_kind(&kinds[index % 2], &content(index))).collect();
        for threads in [1, 2, 5] {
            with_namers(threads, 1 << 20, |namers| {
                let (first, second) = (namers.start(batch()), namers.start(batch()));
                assert_eq!(namers.finish(&first), alone);
                assert_eq!(namers.finish(&second), alone);
            });
        }
    }

    #[test]
    fn work_that_ends_early_leaves_no_thread_behind() {
        with_namers(3, 1 << 20, |namers| {
            let content = Bytes::from_static(b"content");
            drop(namers.start(vec![Nameless { index: 0, expected: xfer::hash::sha1(b""), content }]));
        });
    }
}
