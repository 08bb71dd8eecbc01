//! Names of many artifacts at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use xfer::ArtifactId;
use xfer::hash::same_kind;

/// Less than this is not worth another thread.
const LEAST_BYTES: usize = 256 << 10;

/// Names each content with the kind of hash that its expected name has. The result is in the order of `batch`,
/// whatever the threads do.
pub(crate) fn name_all<'f>(
    batch: &[(usize, Bytes)],
    expected: impl Fn(usize) -> &'f ArtifactId + Sync,
    threads: usize,
) -> Vec<ArtifactId> {
    let name = |place: usize| {
        let (index, content) = &batch[place];
        same_kind(expected(*index), content)
    };
    let bytes: usize = batch.iter().map(|(_, content)| content.len()).sum();
    if threads < 2 || bytes < LEAST_BYTES || batch.len() < 2 {
        return (0..batch.len()).map(name).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut named = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= batch.len() {
                return named;
            }
            named.push((place, name(place)));
        }
    };
    let mut named = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut named = work();
        for other in others {
            named.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        named
    });
    named.sort_unstable_by_key(|&(place, _)| place);
    named.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_batch_whatever_the_threads_do() {
        let kinds = [xfer::hash::sha1(b""), xfer::hash::sha3_256(b"")];
        let batch: Vec<(usize, Bytes)> =
            (0..200).map(|index| (index, vec![index as u8; 5000 - 20 * index].into())).collect();
        let expected = |index: usize| &kinds[index % 2];
        let alone = name_all(&batch, expected, 1);
        assert_eq!(name_all(&batch, expected, 4), alone);
        assert_eq!(alone[3], xfer::hash::sha3_256(&batch[3].1));
    }
}
