//! A limit on bytes a second.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sync::{Flow, Flows};

use super::clock::Clock;
use super::config::Peer;

/// A bucket that fills with so many bytes a second, and lends what it does not have: what is taken beyond it has to be
/// waited for before more is taken. It has no clock: `now` is the time since any fixed moment.
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

/// A rest, and a machine that is late, save up for so long.
const BURST: Duration = Duration::from_millis(100);

/// A piece moves in so long: what passes in a second is never more than a few of them from what may.
const PIECE: Duration = Duration::from_millis(50);

/// Bytes of a piece, at least and at most.
const PIECE_BYTES: (u64, u64) = (1024, 512 * 1024);

/// Lines of up to such a delay there and back are used to the full.
const LINE: Duration = Duration::from_millis(200);

/// The limits of each peer, by its address. Its sessions share them: a new one has saved up nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rates(Arc<BTreeMap<String, Flows>>);

/// A limit that all share who move bytes one way.
#[derive(Debug)]
struct Limit {
    bytes_per_second: u64,
    bucket: Mutex<Bucket>,
    clock: Clock,
}

impl Rates {
    /// Full ones.
    pub(crate) fn new(peers: &[Peer], clock: Clock) -> Self {
        let limit = |rate: Option<u64>| rate.map(|rate| Arc::new(Limit::new(rate, clock)) as Arc<dyn Flow>);
        let of = |peer: &Peer| {
            let flows = Flows { up: limit(peer.up_rate), down: limit(peer.down_rate) };
            (peer.address.to_string(), flows)
        };
        Self(Arc::new(peers.iter().map(of).collect()))
    }

    /// What bounds what goes to a peer, and what comes from it.
    pub(crate) fn of(&self, peer: &Peer) -> Flows {
        self.0.get(&peer.address.to_string()).cloned().unwrap_or_default()
    }
}

impl Limit {
    fn new(bytes_per_second: u64, clock: Clock) -> Self {
        Self { bytes_per_second, bucket: Mutex::new(Bucket::new(bytes_per_second, clock.now())), clock }
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What moves in such a time.
    fn bytes_in(&self, time: Duration) -> u64 {
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.bytes_per_second.saturating_mul(milliseconds) / 1000
    }
}

impl Flow for Limit {
    fn piece_bytes(&self) -> usize {
        let (least, most) = PIECE_BYTES;
        usize::try_from(self.bytes_in(PIECE).clamp(least, most)).unwrap_or(usize::MAX)
    }

    fn ahead_bytes(&self) -> usize {
        let (least, _) = PIECE_BYTES;
        // No system gives more.
        usize::try_from(self.bytes_in(LINE).clamp(least, 1 << 30)).unwrap_or(usize::MAX)
    }

    fn wait(&self) -> Duration {
        self.bucket().wait(self.clock.now())
    }

    fn moved(&self, bytes: usize) {
        self.bucket().take(bytes as u64, self.clock.now());
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

    /// How long nothing may be taken.
    pub(crate) fn wait(&mut self, now: Duration) -> Duration {
        self.fill(now);
        if self.level >= 0.0 {
            return Duration::ZERO;
        }
        let wait = Duration::try_from_secs_f64(-self.level / self.rate).unwrap_or(Duration::MAX);
        // What is less than a clock can tell is still a wait.
        wait.max(Duration::from_micros(1))
    }

    /// Takes what moved.
    #[expect(clippy::cast_precision_loss, reason = "messages are shorter than 2^53 bytes")]
    pub(crate) fn take(&mut self, bytes: u64, now: Duration) {
        self.fill(now);
        self.level -= bytes as f64;
    }

    fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.level = (self.level + passed * self.rate).min(self.burst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u64 = 10_000;

    #[test]
    fn what_is_taken_beyond_the_rate_is_waited_for() {
        let milliseconds = Duration::from_millis;
        let mut bucket = Bucket::new(RATE, Duration::ZERO);
        bucket.take(1000, Duration::ZERO);
        assert_eq!(bucket.wait(Duration::ZERO), Duration::ZERO, "what a rest saved up");
        bucket.take(500, Duration::ZERO);
        assert_eq!(bucket.wait(Duration::ZERO), milliseconds(50));
        assert_eq!(bucket.wait(milliseconds(20)), milliseconds(30));
        assert_eq!(bucket.wait(milliseconds(50)), Duration::ZERO);
    }

    #[test]
    fn a_long_rest_saves_up_no_more_than_a_short_one() {
        for rest in [1, 3600, 1_000_000].map(Duration::from_secs) {
            let mut bucket = Bucket::new(RATE, Duration::ZERO);
            bucket.take(1000, Duration::ZERO);
            bucket.take(2000, rest);
            assert_eq!(bucket.wait(rest), Duration::from_millis(100), "{rest:?}");
        }
    }

    #[test]
    fn who_waits_before_each_piece_stays_within_a_tenth_of_the_rate_in_any_two_seconds_and_uses_it_up() {
        // Pieces, and how late the machine is.
        for (piece, late) in [(500, 0), (500, 40), (100, 7), (1, 0)] {
            let (mut bucket, mut now, mut moves) =
                (Bucket::new(RATE, Duration::ZERO), Duration::ZERO, vec![]);
            while now < Duration::from_secs(20) {
                let wait = bucket.wait(now);
                if wait.is_zero() {
                    bucket.take(piece, now);
                    moves.push((now, piece));
                } else {
                    now += wait + Duration::from_millis(late);
                }
            }
            let within = |from: Duration| {
                let end = from + Duration::from_secs(2);
                moves.iter().filter(|(at, _)| (from..end).contains(at)).map(|(_, bytes)| bytes).sum::<u64>()
            };
            for tenth in 0..180 {
                let moved = within(Duration::from_millis(tenth * 100));
                assert!(
                    (RATE * 19 / 10..=RATE * 22 / 10).contains(&moved),
                    "{piece} {late}: {moved} from {tenth}"
                );
            }
        }
    }
}
