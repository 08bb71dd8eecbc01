//! A daemon runs one session with a peer at a time, and begins each when its pace says: none later than the interval
//! and its jitter after one that went well, than the wait after a failure (doubled by each failure in a row, up to the
//! cap, and short again after a success), than news had time to settle; none that repeats a failed one sooner than
//! half of the wait. News that come while a session runs are followed by a session right after.

use std::collections::BTreeSet;
use std::time::Duration;

use sync::schedule::{Outcome, Pace, Reason};

use crate::model::Violation;
use crate::queue::Moment;

/// What a daemon owes one of its peers, kept apart from its schedule.
#[derive(Debug, Clone)]
pub struct Owed {
    pace: Pace,
    is_running: bool,
    failures: u32,
    ended: Moment,
    /// When the next session begins at the latest.
    latest: Option<Moment>,
    /// When a failed one is repeated at the earliest.
    earliest: Moment,
    missed: BTreeSet<News>,
}

/// What makes a session begin before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum News {
    /// The repository here changed.
    Change,
    /// The peer says that it has something new.
    Announcement,
    /// Somebody wants a session.
    Request,
    /// A link is up again.
    Network,
}

impl Owed {
    /// The first session is to begin at once.
    pub fn new(pace: Pace, now: Moment) -> Self {
        let latest = Some(now);
        Self { pace, is_running: false, failures: 0, ended: 0, latest, earliest: 0, missed: BTreeSet::new() }
    }

    /// Whether a session runs, or is to begin though nothing happens.
    pub fn is_owed(&self) -> bool {
        self.is_running || self.latest.is_some()
    }

    /// The longest time from any moment without a session to the next one, if no news come.
    pub fn bound(&self) -> Moment {
        let interval = self.pace.interval.map_or(0, |time| longest(time, self.pace.jitter_percent));
        interval.max(milliseconds(self.pace.retry_cap))
    }

    /// Nothing that should have begun has not, and nothing is put off for longer than the pace says.
    pub fn check(&self, now: Moment, next: Option<Duration>) -> Result<(), Violation> {
        if let Some(latest) = self.latest.filter(|&latest| !self.is_running && latest < now) {
            return Err(broken(format!("a session was to begin at {latest}, and it is {now}")));
        }
        match next.map(milliseconds) {
            Some(next) if next > now + self.bound() => {
                Err(broken(format!("at {now} the next session is put off to {next}")))
            }
            _ => Ok(()),
        }
    }

    /// A session begins.
    pub fn begins(&mut self, reason: Reason, now: Moment) -> Result<(), Violation> {
        if self.is_running {
            return Err(broken("a second session with a peer begins while one runs".to_owned()));
        }
        self.check(now, None)?;
        if reason == Reason::Retry && now < self.earliest {
            return Err(broken(format!(
                "failure {} is followed by another try after {} ms",
                self.failures,
                now - self.ended
            )));
        }
        (self.is_running, self.latest) = (true, None);
        Ok(())
    }

    /// Something happens that makes a session begin earlier.
    pub fn hears(&mut self, news: News, now: Moment) {
        if self.is_running {
            self.missed.insert(news);
            return;
        }
        let settled = now + milliseconds(self.pace.settle);
        let at = match news {
            News::Change if !self.pace.gives || self.failures > 0 => return,
            News::Announcement if !self.pace.takes => return,
            News::Announcement if self.failures > 0 => {
                settled.max(self.ended + milliseconds(self.pace.retry))
            }
            News::Change | News::Announcement => settled,
            News::Request => now,
            News::Network => {
                self.failures = 0;
                now
            }
        };
        self.latest = Some(self.latest.map_or(at, |latest| latest.min(at)));
    }

    /// The session ended.
    pub fn ends(&mut self, outcome: Outcome, now: Moment) {
        (self.is_running, self.ended) = (false, now);
        let wait = match outcome {
            Outcome::Done { .. } => {
                self.failures = 0;
                self.pace.interval.map(|time| longest(time, self.pace.jitter_percent))
            }
            Outcome::Failed | Outcome::Busy { .. } => {
                let doubled = self.pace.retry.saturating_mul(1 << self.failures.min(20));
                self.failures += 1;
                let least = if let Outcome::Busy { wait } = outcome { wait } else { Duration::ZERO };
                Some(milliseconds(doubled.min(self.pace.retry_cap).max(least)))
            }
            Outcome::Refused => {
                self.failures += 1;
                Some(milliseconds(self.pace.retry_cap))
            }
        };
        self.latest = wait.map(|wait| now + wait);
        self.earliest = now + wait.unwrap_or(0) / 2;
        for news in std::mem::take(&mut self.missed) {
            if news != News::Network || self.failures > 0 {
                self.hears(news, now);
            }
        }
    }

    /// The daemon was held up until now, and is to catch up at once.
    pub fn wakes(&mut self, now: Moment) {
        self.latest = self.latest.map(|latest| latest.max(now));
    }
}

fn longest(time: Duration, percent: u32) -> Moment {
    milliseconds(time) * (100 + Moment::from(percent)) / 100
}

fn milliseconds(time: Duration) -> Moment {
    Moment::try_from(time.as_millis()).unwrap_or(Moment::MAX)
}

fn broken(text: String) -> Violation {
    Violation::new("schedule", text)
}
