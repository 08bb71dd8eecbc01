//! A limit on bytes a second. It has no clock: `now` is the time since any fixed moment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::config::Peer;

/// A bucket that fills with so many bytes a second, and lends what it does not have: what is taken at once has to be
/// waited for afterwards, so that the average holds whatever the sizes are.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    bytes_per_second: u64,
    /// What may be taken without a wait after a rest.
    burst: f64,
    /// What is in it at `at`; below zero it is lent.
    level: f64,
    at: Duration,
}

/// A rest saves up for so long.
const BURST: Duration = Duration::from_secs(1);

/// The limits of each peer, by its address. Its sessions share them: a new one has saved up nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rates(Arc<BTreeMap<String, [Shared; 2]>>);

/// A bucket that several take from; none where there is no limit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared(Option<Arc<Mutex<Bucket>>>);

impl Rates {
    /// Full ones.
    pub(crate) fn new(peers: &[Peer], now: Duration) -> Self {
        let bucket =
            |rate: Option<u64>| Shared(rate.map(|rate| Arc::new(Mutex::new(Bucket::new(rate, now)))));
        let of = |peer: &Peer| (peer.address.to_string(), [bucket(peer.up_rate), bucket(peer.down_rate)]);
        Self(Arc::new(peers.iter().map(of).collect()))
    }

    /// What bounds what goes to a peer, and what comes from it.
    pub(crate) fn of(&self, peer: &Peer) -> [Shared; 2] {
        self.0.get(&peer.address.to_string()).cloned().unwrap_or_default()
    }
}

impl Shared {
    /// Takes bytes, and says how long to wait until the average is kept.
    pub(crate) fn take(&self, bytes: u64, now: Duration) -> Duration {
        let Some(bucket) = &self.0 else { return Duration::ZERO };
        bucket.lock().unwrap_or_else(PoisonError::into_inner).take(bytes, now)
    }
}

impl Bucket {
    /// A full one. The rate is not 0.
    pub(crate) fn new(bytes_per_second: u64, now: Duration) -> Self {
        assert!(bytes_per_second > 0, "a rate of 0 moves nothing");
        #[expect(clippy::cast_precision_loss, reason = "a rate beyond 2^53 is no limit")]
        let burst = bytes_per_second as f64 * BURST.as_secs_f64();
        Self { bytes_per_second, burst, level: burst, at: now }
    }

    /// Takes bytes, and says how long to wait until the average is kept.
    #[expect(clippy::cast_precision_loss, reason = "messages are shorter than 2^53 bytes")]
    pub(crate) fn take(&mut self, bytes: u64, now: Duration) -> Duration {
        let rate = self.bytes_per_second as f64;
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.level = (self.level + passed * rate).min(self.burst) - bytes as f64;
        if self.level >= 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(-self.level / rate).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn what_is_taken_beyond_the_rate_is_waited_for() {
        let mut bucket = Bucket::new(1000, Duration::ZERO);
        assert_eq!(bucket.take(1000, Duration::ZERO), Duration::ZERO, "what a rest saved up");
        assert_eq!(bucket.take(500, Duration::ZERO), Duration::from_millis(500));
        assert_eq!(bucket.take(500, Duration::from_millis(500)), Duration::from_millis(500));
        assert_eq!(bucket.take(0, seconds(1)), Duration::ZERO);
    }

    #[test]
    fn a_long_rest_saves_up_no_more_than_a_short_one() {
        for rest in [2, 3600, 1_000_000] {
            let mut bucket = Bucket::new(1000, Duration::ZERO);
            bucket.take(1000, Duration::ZERO);
            assert_eq!(bucket.take(3000, seconds(rest)), seconds(2), "{rest}");
        }
    }

    #[test]
    fn whoever_waits_as_told_keeps_the_average_whatever_the_sizes_are() {
        for sizes in [&[1_u64, 10, 100][..], &[250_000], &[5_000_000, 3], &[999, 1001]] {
            let (rate, mut now, mut moved) = (10_000, Duration::ZERO, 0);
            let mut bucket = Bucket::new(rate, now);
            while moved < 20_000_000 {
                for size in sizes {
                    now += bucket.take(*size, now);
                    moved += size;
                }
            }
            let least = (moved - rate) / rate;
            assert!((least..=least + 1).contains(&now.as_secs()), "{moved} bytes took {now:?}");
        }
    }
}
