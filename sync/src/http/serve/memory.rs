//! What requests and replies may take together, a step at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Bytes that every connection has without asking, so that small requests and small replies never wait for
/// large ones. The number of connections bounds them.
const FREE_BYTES: u64 = 64 << 10;

/// A bounded number of bytes, one permit a KiB. A clone of it is the same bytes.
#[derive(Clone)]
pub(crate) struct Memory {
    free: Arc<Semaphore>,
    /// One permit: who has it goes on without any of the others.
    beyond: Arc<Semaphore>,
    all: usize,
    wanting: Arc<AtomicUsize>,
}

/// Bytes that one request or reply holds; given back when it is dropped.
#[derive(Default)]
pub(crate) struct Share {
    permits: Option<OwnedSemaphorePermit>,
    beyond: Option<OwnedSemaphorePermit>,
}

impl Memory {
    pub(crate) fn new(bytes: usize) -> Self {
        let all = kib(bytes as u64);
        Self {
            free: Arc::new(Semaphore::new(all)),
            beyond: Arc::new(Semaphore::new(1)),
            all,
            wanting: Arc::default(),
        }
    }

    /// True while somebody waits for bytes that others hold.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanting.load(Ordering::Relaxed) > 0
    }

    /// Lets `share` grow to what `bytes` need, waiting until others give back enough. What needs more than all
    /// gets all. Of those that hold a part and wait for the rest, one goes on beyond the bound, lest they wait for
    /// each other. Returns None if it took longer than `limit`.
    pub(crate) async fn grow(&self, share: &mut Share, bytes: u64, limit: Duration) -> Option<()> {
        if self.grow_now(share, bytes).is_some() {
            return Some(());
        }
        let _wanting = Wanting::new(&self.wanting);
        let more = Arc::clone(&self.free).acquire_many_owned(self.missing(share, bytes));
        if !share.holds_any() {
            share.add(timeout(limit, more).await.ok()?.ok()?);
            return Some(());
        }
        tokio::select! {
            biased;
            more = timeout(limit, more) => share.add(more.ok()?.ok()?),
            beyond = Arc::clone(&self.beyond).acquire_owned() => share.beyond = Some(beyond.ok()?),
        }
        Some(())
    }

    /// Like [`Self::grow`], but never waits.
    pub(crate) fn grow_now(&self, share: &mut Share, bytes: u64) -> Option<()> {
        let missing = self.missing(share, bytes);
        if missing > 0 {
            share.add(Arc::clone(&self.free).try_acquire_many_owned(missing).ok()?);
        }
        Some(())
    }

    fn missing(&self, share: &Share, bytes: u64) -> u32 {
        if share.beyond.is_some() {
            return 0;
        }
        let held = share.permits.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let needed = if bytes <= FREE_BYTES { 0 } else { kib(bytes - FREE_BYTES).min(self.all) };
        u32::try_from(needed.saturating_sub(held)).unwrap_or(u32::MAX)
    }
}

impl Share {
    /// True if others could use what it holds.
    pub(crate) fn holds_any(&self) -> bool {
        self.permits.is_some()
    }

    fn add(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.permits {
            Some(permits) => permits.merge(more),
            None => self.permits = Some(more),
        }
    }
}

/// Counts one who waits, for as long as it does.
struct Wanting(Arc<AtomicUsize>);

impl Wanting {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Wanting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Permits for so many bytes.
pub(crate) fn kib(bytes: u64) -> usize {
    let kib = usize::try_from(bytes / 1024).unwrap_or(Semaphore::MAX_PERMITS);
    (kib + 1).min(Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_small_needs_none_and_what_is_large_holds_what_it_came_to() {
        let memory = Memory::new(100 << 10);
        let (mut one, mut other) = (Share::default(), Share::default());
        assert_eq!(memory.grow_now(&mut one, FREE_BYTES), Some(()));
        assert_eq!(memory.free.available_permits(), 101);
        assert_eq!(memory.grow_now(&mut one, FREE_BYTES + (60 << 10)), Some(()));
        assert_eq!(memory.free.available_permits(), 40);
        assert_eq!(memory.grow_now(&mut other, FREE_BYTES + (60 << 10)), None);
        assert_eq!(memory.grow_now(&mut other, FREE_BYTES), Some(()));
        assert_eq!(memory.grow_now(&mut one, u64::MAX), Some(()), "all, alone");
        assert_eq!(memory.free.available_permits(), 0);
        drop(one);
        assert_eq!(memory.free.available_permits(), 101);
    }

    #[tokio::test]
    async fn who_waits_is_counted_until_it_gives_up() {
        let memory = Memory::new(100 << 10);
        let (mut one, mut other) = (Share::default(), Share::default());
        memory.grow_now(&mut one, u64::MAX).unwrap();
        let waiting = memory.grow(&mut other, 1 << 20, Duration::from_millis(50));
        let (grown, wanted) = tokio::join!(waiting, async { memory.is_wanted() });
        assert_eq!((grown, wanted, memory.is_wanted()), (None, true, false));
    }
}
