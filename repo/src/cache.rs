//! Expanded artifacts, the most recently used ones.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::Rid;

/// What an entry takes besides its content, about: most of it is room that inflating left behind it.
const ENTRY_BYTES: usize = 448;

/// Keeps content up to a number of bytes. What is used least goes first.
pub(crate) struct Cache {
    limit: usize,
    bytes: usize,
    clock: u64,
    by_rid: BTreeMap<Rid, (u64, Bytes)>,
    by_age: BTreeMap<u64, Rid>,
    used: CacheUse,
}

/// How often content was looked for in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheUse {
    /// It was there, perhaps because another thread made it in time.
    pub hits: u64,
    /// It was not, and was made from what the file holds.
    pub misses: u64,
}

impl CacheUse {
    /// What was added since it was like `earlier`; nothing if it began anew meanwhile.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        let Self { hits, misses } = earlier;
        Self { hits: self.hits.saturating_sub(hits), misses: self.misses.saturating_sub(misses) }
    }
}

impl Cache {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            bytes: 0,
            clock: 0,
            by_rid: BTreeMap::new(),
            by_age: BTreeMap::new(),
            used: CacheUse::default(),
        }
    }

    pub(crate) fn get(&mut self, rid: Rid) -> Option<Bytes> {
        self.clock += 1;
        let Some((age, content)) = self.by_rid.get_mut(&rid) else {
            self.used.misses += 1;
            return None;
        };
        self.used.hits += 1;
        self.by_age.remove(age);
        *age = self.clock;
        self.by_age.insert(self.clock, rid);
        Some(content.clone())
    }

    /// Whether it would be found.
    pub(crate) fn holds(&self, rid: Rid) -> bool {
        self.by_rid.contains_key(&rid)
    }

    /// Whether content of so many bytes is taken in.
    pub(crate) fn takes(&self, bytes: usize) -> bool {
        bytes <= self.limit / 4
    }

    /// Takes in `content`, unless it would push out most of the rest.
    pub(crate) fn put(&mut self, rid: Rid, content: &Bytes) {
        if !self.takes(content.len()) {
            return;
        }
        self.remove(rid);
        self.clock += 1;
        self.bytes += content.len() + ENTRY_BYTES;
        self.by_rid.insert(rid, (self.clock, content.clone()));
        self.by_age.insert(self.clock, rid);
        while self.bytes > self.limit {
            let Some((_, oldest)) = self.by_age.pop_first() else { return };
            self.forget(oldest);
        }
    }

    pub(crate) fn remove(&mut self, rid: Rid) {
        if let Some(age) = self.forget(rid) {
            self.by_age.remove(&age);
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self { used: self.used, ..Self::new(self.limit) };
    }

    pub(crate) fn used(&self) -> CacheUse {
        self.used
    }

    fn forget(&mut self, rid: Rid) -> Option<u64> {
        let (age, content) = self.by_rid.remove(&rid)?;
        self.bytes -= content.len() + ENTRY_BYTES;
        Some(age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Content that takes `size` bytes with its entry.
    fn content(size: usize) -> Bytes {
        Bytes::from(vec![0; size - ENTRY_BYTES])
    }

    #[test]
    fn what_is_used_least_goes_first() {
        let mut cache = Cache::new(10_000);
        for rid in 1..=4 {
            cache.put(Rid(rid), &content(2_500));
        }
        assert!(cache.get(Rid(1)).is_some());
        cache.put(Rid(5), &content(2_500));
        let held: Vec<bool> = (1..=5).map(|rid| cache.get(Rid(rid)).is_some()).collect();
        assert_eq!(held, [true, false, true, true, true]);
    }

    #[test]
    fn a_large_artifact_does_not_push_out_the_rest() {
        let mut cache = Cache::new(10_000);
        cache.put(Rid(1), &content(2_000));
        cache.put(Rid(2), &content(2_501 + ENTRY_BYTES));
        assert!(cache.get(Rid(1)).is_some());
        assert!(cache.get(Rid(2)).is_none());
    }

    #[test]
    fn a_replaced_artifact_counts_once() {
        let mut cache = Cache::new(10_000);
        for _ in 0..50 {
            cache.put(Rid(1), &content(2_500));
        }
        cache.put(Rid(2), &content(2_500));
        cache.remove(Rid(2));
        assert_eq!(cache.bytes, 2_500);
        assert_eq!(cache.by_age.len(), 1);
    }
}
