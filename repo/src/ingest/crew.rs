//! Other threads that lend a hand with work that comes in parts.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::Snapshot;
use crate::manifest::Reader;
use crate::zlib::Codec;

/// Less than this is not worth another thread.
const LEAST_BYTES: usize = 256 << 10;

/// Work in parts, to be done in any order.
pub(crate) trait Work: Send + Sync + 'static {
    /// What comes of a part.
    type Found: Send + 'static;

    /// How many there are.
    fn parts(&self) -> usize;

    /// Does one.
    fn part(&self, number: usize, tools: &mut Tools) -> Self::Found;
}

/// What each thread has for itself.
#[derive(Default)]
pub(crate) struct Tools {
    pub(crate) reader: Reader,
    pub(crate) codec: Codec,
}

/// Some threads, this one among them.
pub(crate) struct Crew {
    others: Vec<Sender<Job>>,
    own: RefCell<Tools>,
}

type Job = Box<dyn FnOnce(&mut Tools) + Send>;

/// Work that was begun.
pub(crate) struct Begun<W: Work> {
    shared: Arc<Shared<W>>,
    done: Receiver<(usize, W::Found)>,
}

struct Shared<W> {
    work: W,
    /// The part to be taken next.
    next: AtomicUsize,
}

impl Snapshot<'_> {
    /// Runs `main` with as many threads as the repository may take and are worth it for about this many bytes.
    pub(crate) fn with_crew<T>(&self, bytes: usize, main: impl FnOnce(&Crew) -> T) -> T {
        let threads = self.memory().borrow().limits.threads;
        with_crew(threads, bytes, main)
    }
}

/// Runs `main` with as many threads as are worth it for about this many bytes. What comes out does not depend on
/// their number.
pub(super) fn with_crew<T>(threads: usize, bytes: usize, main: impl FnOnce(&Crew) -> T) -> T {
    let others = if bytes < LEAST_BYTES { 0 } else { threads.saturating_sub(1) };
    std::thread::scope(|scope| {
        let mut crew = Crew { others: Vec::with_capacity(others), own: RefCell::default() };
        for _ in 0..others {
            let (jobs, inbox) = channel::<Job>();
            scope.spawn(move || {
                let mut tools = Tools::default();
                inbox.iter().for_each(|job| job(&mut tools));
            });
            crew.others.push(jobs);
        }
        main(&crew)
    })
}

impl Crew {
    pub(crate) fn is_alone(&self) -> bool {
        self.others.is_empty()
    }

    /// Hands work to the other threads. They do what was begun first first.
    pub(crate) fn begin<W: Work>(&self, work: W) -> Begun<W> {
        let shared = Arc::new(Shared { work, next: AtomicUsize::new(0) });
        let (outbox, done) = channel();
        for jobs in &self.others {
            let (shared, outbox) = (Arc::downgrade(&shared), outbox.clone());
            let job = move |tools: &mut Tools| {
                // It may be finished before this thread gets to it. What it was about is gone then: the inbox of a thread
                // that does not get to run holds no artifacts.
                let Some(shared) = shared.upgrade() else { return };
                // Nobody listens any more if the main work ended early.
                shared.lend_a_hand(tools, |found| drop(outbox.send(found)));
            };
            jobs.send(Box::new(job)).expect("a thread lives as long as its inbox");
        }
        Begun { shared, done }
    }

    /// Lends a hand with what is left, and gives what came of each part, in order.
    pub(crate) fn finish<W: Work>(&self, begun: &Begun<W>) -> Vec<W::Found> {
        let mut found = Vec::new();
        begun.shared.lend_a_hand(&mut self.own.borrow_mut(), |part| found.push(part));
        while found.len() < begun.work().parts() {
            found.push(begun.done.recv().expect("who took a part does it"));
        }
        found.sort_unstable_by_key(|&(number, _)| number);
        found.into_iter().map(|(_, of_part)| of_part).collect()
    }
}

impl<W: Work> Begun<W> {
    pub(crate) fn work(&self) -> &W {
        &self.shared.work
    }
}

impl<W: Work> Drop for Begun<W> {
    /// Nobody asks any more what comes of the parts that are not taken.
    fn drop(&mut self) {
        self.shared.next.store(usize::MAX / 2, Ordering::Relaxed);
    }
}

impl<W: Work> Shared<W> {
    /// Does one part after the other until all are taken.
    fn lend_a_hand(&self, tools: &mut Tools, mut tell: impl FnMut((usize, W::Found))) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.work.parts() {
                return;
            }
            tell((number, self.work.part(number, tools)));
        }
    }
}

/// Things in a row that are worked on together: so many bytes at least, but for the last piece.
pub(crate) fn pieces(sizes: impl ExactSizeIterator<Item = usize>, bytes: usize) -> Vec<Range<usize>> {
    let (mut pieces, mut start, mut held) = (Vec::new(), 0, 0);
    let count = sizes.len();
    for (place, size) in sizes.enumerate() {
        held += size;
        if held >= bytes || place + 1 == count {
            pieces.push(start..place + 1);
            (start, held) = (place + 1, 0);
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Doubles numbers, three at a time.
    struct Doubling(Vec<u32>, Vec<Range<usize>>);

    impl Doubling {
        fn of(numbers: Range<u32>) -> Self {
            let pieces = pieces(numbers.clone().map(|_| 1).collect::<Vec<_>>().into_iter(), 3);
            Self(numbers.collect(), pieces)
        }
    }

    impl Work for Doubling {
        type Found = Vec<u32>;

        fn parts(&self) -> usize {
            self.1.len()
        }

        fn part(&self, number: usize, _: &mut Tools) -> Vec<u32> {
            self.0[self.1[number].clone()].iter().map(|number| 2 * number).collect()
        }
    }

    #[test]
    fn pieces_are_the_whole_row() {
        assert_eq!(pieces([1, 1, 1, 5, 1].into_iter(), 3), [0..3, 3..4, 4..5]);
        assert!(pieces([0; 0].into_iter(), 3).is_empty());
    }

    #[test]
    fn the_order_is_that_of_the_row_whatever_is_finished_first() {
        for threads in [1, 2, 5] {
            with_crew(threads, LEAST_BYTES, |crew| {
                assert_eq!(crew.is_alone(), threads == 1);
                let begun = [0..1000, 1000..1010, 0..0].map(|numbers| crew.begin(Doubling::of(numbers)));
                let doubled = |numbers: Range<u32>| numbers.map(|n| 2 * n).collect::<Vec<_>>();
                assert_eq!(crew.finish(&begun[1]).concat(), doubled(1000..1010));
                assert_eq!(crew.finish(&begun[0]).concat(), doubled(0..1000));
                assert!(crew.finish(&begun[2]).is_empty());
            });
        }
    }

    /// Keeps the thread that does it until it is told to go on.
    struct Gate(std::sync::Barrier);

    impl Work for Gate {
        type Found = ();

        fn parts(&self) -> usize {
            2
        }

        fn part(&self, _: usize, _: &mut Tools) {
            self.0.wait();
        }
    }

    #[test]
    fn what_is_finished_is_let_go_though_another_thread_did_not_get_to_it() {
        with_crew(2, LEAST_BYTES, |crew| {
            let gate = crew.begin(Gate(std::sync::Barrier::new(2)));
            let begun = crew.begin(Doubling::of(0..10));
            assert_eq!(crew.finish(&begun).concat().len(), 10);
            let left = Arc::downgrade(&begun.shared);
            drop(begun);
            assert!(left.upgrade().is_none());
            assert_eq!(crew.finish(&gate).len(), 2);
        });
    }

    #[test]
    fn main_work_that_ends_early_leaves_no_thread_behind() {
        with_crew(3, LEAST_BYTES, |crew| drop(crew.begin(Doubling::of(0..1000))));
    }
}
