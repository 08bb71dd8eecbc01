//! Exchanges that are made again: with a peer that is busy for a while, with one that takes no request as long as this,
//! and with one that fails on what is in it.

use std::time::Duration;

use crate::{PeerFault, TransportError};

/// First wait for a peer that does not say how long. Each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Longest wait that is chosen here.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How much less the next request brings, where one was too long.
const LESS: u64 = 4;

/// What may still be tried in this session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Again {
    /// Time left for waits.
    patience: Duration,
    wait: Duration,
    /// Length of the shortest request that was too long.
    too_long: Option<u64>,
}

/// How the same is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// After so long.
    Later(Duration),
    /// With so many bytes of artifacts in a request.
    Smaller(u64),
    /// With artifacts as they are, if any was a delta.
    Whole,
}

impl Again {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, wait: FIRST_WAIT, too_long: None }
    }

    /// An exchange went well.
    pub(crate) fn reset(&mut self) {
        (self.wait, self.too_long) = (FIRST_WAIT, None);
    }

    /// What to do about an exchange that failed: its request had so many bytes, with a budget for artifacts, and the peer
    /// may have said when to come again. None: nothing helps, or not in time. `chance` spreads those who wait.
    pub(crate) fn after(
        &mut self,
        error: &TransportError,
        sent: u64,
        budget: u64,
        peer_says: Option<Duration>,
        chance: u8,
    ) -> Option<Way> {
        match error {
            TransportError::Status { status: 413, .. }
            | TransportError::PeerFailed { fault: PeerFault::TooLong, .. } => self.smaller(sent, budget),
            TransportError::Status { status: 429 | 502..=504, .. } => self.later(peer_says, chance),
            // Stock answers so what it cannot write down: a delta of what it shuns and never had, above all.
            TransportError::Status { status: 400, .. } => Some(Way::Whole),
            _ => None,
        }
    }

    fn smaller(&mut self, sent: u64, budget: u64) -> Option<Way> {
        // No shorter than before: it is a single artifact, or nothing that a budget bounds.
        let is_no_shorter = self.too_long.is_some_and(|length| sent >= length);
        if is_no_shorter || budget <= 1 {
            return None;
        }
        self.too_long = Some(sent);
        Some(Way::Smaller((budget.min(sent) / LESS).max(1)))
    }

    fn later(&mut self, peer_says: Option<Duration>, chance: u8) -> Option<Way> {
        let spread = self.wait.mul_f64(f64::from(chance) / 512.0);
        let wait = peer_says.unwrap_or(self.wait) + spread;
        self.patience = self.patience.checked_sub(wait)?;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        Some(Way::Later(wait))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use repo::{Genesis, Repo};

    use super::*;
    use crate::client::{self, CloneOptions, Remember, Setting};
    use crate::testing::Diary;
    use crate::transport::Mock;
    use crate::{Event, Observer, SyncOptions};

    fn status(status: u16) -> TransportError {
        TransportError::Status { peer: "h:80".into(), status, text: String::new() }
    }

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Sends on what it is told.
    struct Tells(Sender<String>);

    impl Observer for Tells {
        fn observe(&mut self, event: &Event<'_>) {
            let mut diary = Diary::default();
            diary.observe(event);
            diary.0.into_iter().for_each(|line| self.0.send(line).unwrap());
        }
    }

    #[tokio::test]
    async fn the_observer_hears_of_each_failure_and_whether_it_is_tried_again() {
        let (tell, told) = channel();
        let mut setting = Setting { observer: Box::new(Tells(tell)), ..Setting::new().unwrap() };
        let mut repo = Repo::in_memory(&Genesis { project: "ab".repeat(20), ..Genesis::default() }).unwrap();
        let options = SyncOptions { pull: true, ..SyncOptions::default() };
        let mut transport = Mock::new([Err(status(413)), Err(status(500))]);
        let outcome = client::sync(&mut repo, &mut transport, options, Remember::No, &mut setting).await;
        assert!(outcome.is_err());
        let told: Vec<String> = told.try_iter().collect();
        let expected = [
            "pull started",
            "round 1 started",
            "http-status: again",
            "round 1 started",
            "http-status: in vain",
            "failed: h:80 answers with HTTP status 500",
        ];
        assert_eq!(told, expected);
    }

    #[tokio::test]
    async fn the_observer_hears_of_a_clone_that_cannot_begin() {
        let (tell, told) = channel();
        let mut setting = Setting { observer: Box::new(Tells(tell)), ..Setting::new().unwrap() };
        let outcome =
            client::clone("/".as_ref(), &mut Mock::default(), CloneOptions::default(), &mut setting).await;
        assert!(outcome.is_err());
        assert_eq!(told.try_iter().collect::<Vec<_>>(), ["usage: in vain"]);
    }

    #[test]
    fn a_busy_peer_is_asked_again_later_and_later_as_long_as_there_is_patience() {
        let mut again = Again::new(seconds(10));
        let mut next = |status_code, peer_says| again.after(&status(status_code), 9, 9, peer_says, 0);
        assert_eq!(next(503, None), Some(Way::Later(seconds(1))));
        assert_eq!(next(502, None), Some(Way::Later(seconds(2))));
        assert_eq!(next(504, Some(seconds(5))), Some(Way::Later(seconds(5))));
        assert_eq!(next(429, Some(seconds(3))), None, "the peer wants more than there is");
        assert_eq!(next(500, None), None);
        assert_eq!(next(404, None), None);
        assert_eq!(next(400, None), Some(Way::Whole));
        assert_eq!(Again::new(Duration::ZERO).after(&status(503), 9, 9, None, 0), None);
        let spread = Again::new(seconds(10)).after(&status(503), 9, 9, None, 255);
        assert!(matches!(spread, Some(Way::Later(wait)) if wait > seconds(1) && wait < seconds(2)));
    }

    #[test]
    fn a_request_that_is_too_long_is_made_shorter_until_it_gets_no_shorter() {
        let mut again = Again::new(Duration::ZERO);
        let mut next = |sent, budget| again.after(&status(413), sent, budget, None, 0);
        assert_eq!(next(300_000, 250_000), Some(Way::Smaller(62_500)));
        assert_eq!(next(70_000, 62_500), Some(Way::Smaller(15_625)));
        assert_eq!(next(70_000, 15_625), None, "a single artifact");
        again.reset();
        let refused =
            TransportError::PeerFailed { peer: "p".into(), fault: PeerFault::TooLong, text: String::new() };
        assert_eq!(again.after(&refused, 400, 400, None, 0), Some(Way::Smaller(100)));
        again.reset();
        assert_eq!(again.after(&status(413), 3, 2, None, 0), Some(Way::Smaller(1)));
        assert_eq!(again.after(&status(413), 2, 1, None, 0), None);
    }
}
