//! A limit on bytes a second. It has no clock: `now` is the time since any fixed moment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::config::Peer;

/// A bucket that fills with so many bytes a second, and lends what it does not have: what is taken at once has to be
/// waited for afterwards, so that the average holds whatever the sizes are.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    /// Bytes a second.
    rate: f64,
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
    /// An exchange begins: what was saved up before is no more than a rest saves up.
    pub(crate) fn rest(&self, now: Duration) {
        if let Some(mut bucket) = self.bucket() {
            bucket.rest(now);
        }
    }

    /// Takes what an exchange moved, and says how long to wait until the average is kept.
    pub(crate) fn settle(&self, bytes: u64, now: Duration) -> Duration {
        self.bucket().map_or(Duration::ZERO, |mut bucket| bucket.settle(bytes, now))
    }

    fn bucket(&self) -> Option<MutexGuard<'_, Bucket>> {
        Some(self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Bucket {
    /// A full one. The rate is not 0.
    pub(crate) fn new(bytes_per_second: u64, now: Duration) -> Self {
        assert!(bytes_per_second > 0, "a rate of 0 moves nothing");
        #[expect(clippy::cast_precision_loss, reason = "a rate beyond 2^53 is no limit")]
        let rate = bytes_per_second as f64;
        let burst = rate * BURST.as_secs_f64();
        Self { rate, burst, level: burst, at: now }
    }

    /// Fills it for the time that passed, in which nothing moved.
    pub(crate) fn rest(&mut self, now: Duration) {
        self.fill(now, self.burst);
    }

    /// Takes what moved since the last call, and says how long to wait until the average is kept. The time in which it
    /// moved counts, however slow the line was: up to as many bytes.
    #[expect(clippy::cast_precision_loss, reason = "messages are shorter than 2^53 bytes")]
    pub(crate) fn settle(&mut self, bytes: u64, now: Duration) -> Duration {
        let bytes = bytes as f64;
        self.fill(now, self.burst.max(bytes));
        self.level -= bytes;
        if self.level >= 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(-self.level / self.rate).unwrap_or(Duration::MAX)
    }

    fn fill(&mut self, now: Duration, most: f64) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.level = (self.level + passed * self.rate).min(most);
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
        assert_eq!(bucket.settle(1000, Duration::ZERO), Duration::ZERO, "what a rest saved up");
        assert_eq!(bucket.settle(500, Duration::ZERO), Duration::from_millis(500));
        assert_eq!(bucket.settle(500, Duration::from_millis(500)), Duration::from_millis(500));
        assert_eq!(bucket.settle(0, seconds(1)), Duration::ZERO);
    }

    #[test]
    fn a_long_rest_saves_up_no_more_than_a_short_one() {
        for rest in [2, 3600, 1_000_000] {
            let mut bucket = Bucket::new(1000, Duration::ZERO);
            bucket.settle(1000, Duration::ZERO);
            bucket.rest(seconds(rest));
            assert_eq!(bucket.settle(3000, seconds(rest)), seconds(2), "{rest}");
        }
    }

    #[test]
    fn an_exchange_earns_no_more_than_it_moved() {
        let mut bucket = Bucket::new(1000, Duration::ZERO);
        bucket.rest(Duration::ZERO);
        assert_eq!(bucket.settle(5000, seconds(3600)), Duration::ZERO);
        assert_eq!(bucket.settle(1000, seconds(3600)), seconds(1), "nothing is left of the hour");
    }

    #[test]
    fn whoever_waits_as_told_keeps_the_average_and_uses_it_up_whatever_sizes_and_lines_are() {
        const RATE: u64 = 10_000;
        // Bytes a second of the line, and what passes before the first of them.
        for (line, delay) in [(1e9, 0), (40_000.0, 10), (11_000.0, 20)] {
            for sizes in [&[1_000_u64, 2_000, 10_000][..], &[250_000], &[5_000_000, 3000], &[2999, 3001]] {
                let (mut now, mut moved) = (Duration::ZERO, 0);
                let mut bucket = Bucket::new(RATE, now);
                while moved < 20_000_000 {
                    for size in sizes {
                        bucket.rest(now);
                        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                        let passing = Duration::from_secs_f64(*size as f64 / line);
                        now += Duration::from_millis(delay) + passing;
                        now += bucket.settle(*size, now);
                        moved += size;
                    }
                }
                let least = (moved - RATE) / RATE;
                assert!(now >= seconds(least), "{moved} bytes took {now:?}");
                assert!(now <= seconds(least * 11 / 10), "{moved} bytes took {now:?} on a line of {line}");
            }
        }
    }
}
