//! How slow a peer may be.

use std::time::Duration;

use tokio::time::Instant;

use super::ServeOptions;

/// Shortest time between two looks at a peer that moves nothing.
const LEAST_LOOK: Duration = Duration::from_millis(10);

/// Longest time between two looks.
const MOST_LOOK: Duration = Duration::from_secs(1);

/// The time that a peer has left. Waiting for it uses time up, each byte it moves earns some, but never more than
/// there was at first: a transfer takes at most that and its length at the least rate, and what moved fast
/// earlier is no licence to stop.
pub(crate) struct Pace {
    calm: Account,
    /// What counts while others wait for the memory that the peer holds.
    crowded: Account,
    since: Option<Instant>,
}

struct Account {
    left: Duration,
    most: Duration,
    /// Bytes a second.
    rate: u64,
}

impl Pace {
    pub(crate) fn new(options: &ServeOptions) -> Self {
        Self {
            calm: Account::new(options.idle_timeout, options.least_rate),
            crowded: Account::new(options.crowded_timeout, options.crowded_rate),
            since: None,
        }
    }

    /// The peer is waited for from now on, if it is not yet.
    pub(crate) fn wait(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// The peer moved so many bytes, and is not waited for any more.
    pub(crate) fn moved(&mut self, bytes: usize, now: Instant) {
        let waited = self.waited(now);
        self.since = None;
        for account in [&mut self.calm, &mut self.crowded] {
            account.left = account.left.saturating_sub(waited);
            let earned =
                Duration::from_micros((bytes as u64).saturating_mul(1_000_000) / account.rate.max(1));
            account.left = account.left.saturating_add(earned).min(account.most);
        }
    }

    /// True if the peer used up its time.
    pub(crate) fn is_late(&self, now: Instant, is_crowded: bool) -> bool {
        let waited = self.waited(now);
        self.calm.left <= waited || (is_crowded && self.crowded.left <= waited)
    }

    /// How long to wait before looking again.
    pub(crate) fn look(&self, now: Instant) -> Duration {
        let often = (self.crowded.most / 4).clamp(LEAST_LOOK, MOST_LOOK);
        self.calm.left.saturating_sub(self.waited(now)).clamp(LEAST_LOOK, often)
    }

    fn waited(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

impl Account {
    fn new(most: Duration, rate: u64) -> Self {
        Self { left: most, most, rate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> ServeOptions {
        ServeOptions {
            idle_timeout: Duration::from_secs(60),
            least_rate: 1000,
            crowded_timeout: Duration::from_secs(5),
            crowded_rate: 10_000,
            ..ServeOptions::default()
        }
    }

    /// Seconds until a peer that moves so many bytes each second, after a burst, is late; none within an hour.
    fn late_after(burst: usize, bytes_a_second: usize, is_crowded: bool) -> Option<u64> {
        let begun = Instant::now();
        let mut pace = Pace::new(&options());
        pace.wait(begun);
        pace.moved(burst, begun);
        (1..=3600).find(|second| {
            pace.wait(begun + Duration::from_secs(second - 1));
            let now = begun + Duration::from_secs(*second);
            let is_late = pace.is_late(now, is_crowded);
            pace.moved(bytes_a_second, now);
            is_late
        })
    }

    #[test]
    fn a_peer_is_late_once_it_used_up_its_time() {
        // Bytes at once, bytes a second, whether others wait, seconds it lasts.
        for (burst, bytes, is_crowded, seconds) in [
            (0, 0, false, Some(60)),
            (1 << 30, 0, false, Some(60)),
            (0, 500, false, Some(119)),
            (0, 1000, false, None),
            (0, 0, true, Some(5)),
            (1 << 30, 1000, true, Some(6)),
            (0, 10_000, true, None),
        ] {
            assert_eq!(late_after(burst, bytes, is_crowded), seconds, "{burst} {bytes} {is_crowded}");
        }
    }

    #[test]
    fn who_is_not_waited_for_loses_no_time() {
        let begun = Instant::now();
        let mut pace = Pace::new(&options());
        pace.wait(begun);
        pace.moved(0, begun + Duration::from_secs(1));
        assert!(!pace.is_late(begun + Duration::from_secs(3600), true));
    }
}
