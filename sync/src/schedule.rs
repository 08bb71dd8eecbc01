//! When each peer of one repository is to be synchronized with next.
//!
//! A [`Schedule`] is told what happens ([`Wake`]) and when, and says what to do ([`Action`]). It has no clock and no
//! randomness of its own: `now` is the time since any fixed moment, on a clock that does not go back, and chance
//! is drawn from the seed it was made with. So a daemon and the simulator run the same decisions.
//!
//! ```
//! use std::time::Duration;
//! use sync::schedule::{Action, Outcome, Pace, Reason, Schedule, Wake};
//!
//! let second = Duration::from_secs(1);
//! let pace = Pace { interval: Some(second * 30), jitter_percent: 0, ..Pace::default() };
//! let mut schedule = Schedule::new(vec![pace], 42, Duration::ZERO);
//! let begin = |reason| vec![Action::Begin { peer: 0, reason }];
//!
//! assert_eq!(schedule.on(Wake::Tick, Duration::ZERO), begin(Reason::Start));
//! let ended = Wake::Ended { peer: 0, outcome: Outcome::Done { received: false } };
//! assert_eq!(schedule.on(ended, second), []);
//! assert_eq!(schedule.next_deadline(), Some(second * 31));
//! assert_eq!(schedule.on(Wake::SyncNow(None), second * 2), begin(Reason::Asked));
//! ```

use std::time::Duration;

#[cfg(test)]
mod tests;

/// How often a peer is synchronized with, and what goes which way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// Time from the end of a session that went well to the next. None: only when something happens.
    pub interval: Option<Duration>,
    /// How far the interval may be from that, either way, in percent (100 at most): peers that began together are not to
    /// come together for ever.
    pub jitter_percent: u32,
    /// How long to wait after news, for those that follow at once, so that they take one session.
    pub settle: Duration,
    /// Wait after the first failure; each further one doubles it. Between half of it and all of it is waited.
    pub retry: Duration,
    /// Longest wait after a failure, and the wait after a refusal, which time alone does not mend.
    pub retry_cap: Duration,
    /// Whether the peer is given what is new here: then a change here is a reason for a session.
    pub gives: bool,
    /// Whether what is new at the peer is got: then its announcement is a reason for a session.
    pub takes: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            interval: Some(Duration::from_secs(5)),
            jitter_percent: 10,
            settle: Duration::from_millis(50),
            retry: Duration::from_secs(1),
            retry_cap: Duration::from_secs(300),
            gives: true,
            takes: true,
        }
    }
}

/// What happened. Peers are counted from 0, in the order in which the schedule was given their paces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Time passed.
    Tick,
    /// The repository here has something new, from whomever.
    Changed,
    /// A peer says that it has something new; None: somebody does.
    Announced(Option<usize>),
    /// Somebody wants a session now, with one peer or with all.
    SyncNow(Option<usize>),
    /// What was out of reach may be within it again.
    NetworkReturned,
    /// A session ended.
    Ended {
        /// With whom.
        peer: usize,
        /// How.
        outcome: Outcome,
    },
    /// No further session is to begin.
    Stopping,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Both sides hold the same.
    Done {
        /// Whether something new came: other peers may lack it.
        received: bool,
    },
    /// It failed in a way that may pass by itself.
    Failed,
    /// The peer wants to be left alone for so long.
    Busy {
        /// From the end of the session on.
        wait: Duration,
    },
    /// It failed in a way that somebody must mend: password, rights, address.
    Refused,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Begin a session. Until it has [ended](Wake::Ended) no other begins with this peer.
    Begin {
        /// With whom.
        peer: usize,
        /// Why.
        reason: Reason,
    },
    /// Tell whoever listens that there is something new here.
    Announce,
}

/// Why a session begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is the first.
    Start,
    /// The interval passed.
    Interval,
    /// The peer has something new.
    Announced,
    /// There is something new here.
    Changed,
    /// Somebody asked for it.
    Asked,
    /// The network is back.
    NetworkReturned,
    /// The last one failed.
    Retry,
}

/// When to synchronize with each peer of one repository.
#[derive(Debug, Clone)]
pub struct Schedule {
    peers: Vec<Peer>,
    /// State of the generator of chance.
    chance: u64,
    now: Duration,
    is_stopping: bool,
}

/// How it stands with a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Sessions in a row that failed.
    pub failures: u32,
    /// When the next one begins. None: one is under way, or nothing but news begins one.
    pub next: Option<Duration>,
    /// Whether one is under way.
    pub is_running: bool,
}

#[derive(Debug, Clone)]
struct Peer {
    pace: Pace,
    due: Option<Due>,
    is_running: bool,
    /// Why another session is to follow the one under way, which may have missed the news: each reason once.
    again: Vec<Reason>,
    failures: u32,
    /// When the last session ended.
    ended: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Due {
    at: Duration,
    reason: Reason,
}

impl Schedule {
    /// Begins with a session with each peer, now.
    pub fn new(paces: Vec<Pace>, seed: u64, now: Duration) -> Self {
        let due = Some(Due { at: now, reason: Reason::Start });
        let peer = |pace| Peer {
            pace,
            due,
            is_running: false,
            again: Vec::new(),
            failures: 0,
            ended: Duration::ZERO,
        };
        Self { peers: paces.into_iter().map(peer).collect(), chance: seed, now, is_stopping: false }
    }

    /// Takes note of what happened, and says what is to be done at once. A time before the last one counts as that.
    /// Panics if the wake names a peer that there is not.
    pub fn on(&mut self, wake: Wake, now: Duration) -> Vec<Action> {
        self.now = self.now.max(now);
        let now = self.now;
        let mut actions = Vec::new();
        match wake {
            Wake::Tick => {}
            Wake::Changed => {
                actions.push(Action::Announce);
                self.each(None, |peer| peer.hears_of_change(now));
            }
            Wake::Announced(which) => self.each(which, |peer| peer.hears_of_news(now)),
            Wake::SyncNow(which) => self.each(which, |peer| peer.bring_forward(now, Reason::Asked)),
            Wake::NetworkReturned => self.each(None, |peer| peer.is_in_reach(now)),
            Wake::Ended { peer, outcome } => {
                let chance = self.draw();
                self.peers[peer].has_ended(outcome, now, chance);
                if outcome == (Outcome::Done { received: true }) {
                    actions.push(Action::Announce);
                    let others = self.peers.iter_mut().enumerate().filter(|(index, _)| *index != peer);
                    others.for_each(|(_, other)| other.hears_of_change(now));
                }
            }
            Wake::Stopping => self.is_stopping = true,
        }
        if self.is_stopping {
            return Vec::new();
        }
        let begun = self.peers.iter_mut().enumerate();
        actions.extend(
            begun.filter_map(|(index, peer)| {
                peer.begin(now).map(|reason| Action::Begin { peer: index, reason })
            }),
        );
        actions
    }

    /// When [`Wake::Tick`] begins something, if nothing happens before. None: nothing does.
    pub fn next_deadline(&self) -> Option<Duration> {
        let waiting = self.peers.iter().filter(|peer| !peer.is_running && !self.is_stopping);
        waiting.filter_map(|peer| Some(peer.due?.at)).min()
    }

    /// How it stands with each peer, in their order.
    pub fn standings(&self) -> impl Iterator<Item = Standing> {
        self.peers.iter().map(|peer| Standing {
            failures: peer.failures,
            next: if peer.is_running { None } else { peer.due.map(|due| due.at) },
            is_running: peer.is_running,
        })
    }

    fn each(&mut self, which: Option<usize>, mut tell: impl FnMut(&mut Peer)) {
        match which {
            Some(index) => tell(&mut self.peers[index]),
            None => self.peers.iter_mut().for_each(tell),
        }
    }

    /// The next number of SplitMix64: any seed does.
    fn draw(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Peer {
    /// Something is new here. After a failure the next try brings it in any case; one that is under way may not.
    fn hears_of_change(&mut self, now: Duration) {
        if self.pace.gives && (self.failures == 0 || self.is_running) {
            self.bring_forward(now.saturating_add(self.pace.settle), Reason::Changed);
        }
    }

    /// Something is new there. That shows the peer to be alive, so after a failure it need not wait for long; but at
    /// least as after a first one, however much it announces.
    fn hears_of_news(&mut self, now: Duration) {
        if !self.pace.takes {
            return;
        }
        let least =
            if self.failures == 0 { Duration::ZERO } else { self.ended.saturating_add(self.pace.retry) };
        self.bring_forward(now.saturating_add(self.pace.settle).max(least), Reason::Announced);
    }

    /// What failed so far says nothing any more.
    fn is_in_reach(&mut self, now: Duration) {
        self.failures = 0;
        self.bring_forward(now, Reason::NetworkReturned);
    }

    fn bring_forward(&mut self, at: Duration, reason: Reason) {
        if self.is_running {
            if !self.again.contains(&reason) {
                self.again.push(reason);
            }
        } else if self.due.is_none_or(|due| at < due.at) {
            self.due = Some(Due { at, reason });
        }
    }

    fn begin(&mut self, now: Duration) -> Option<Reason> {
        let due = self.due.filter(|due| !self.is_running && due.at <= now)?;
        self.is_running = true;
        self.due = None;
        Some(due.reason)
    }

    fn has_ended(&mut self, outcome: Outcome, now: Duration, chance: u64) {
        self.is_running = false;
        self.ended = now;
        let again = std::mem::take(&mut self.again);
        let (wait, reason) = match outcome {
            Outcome::Done { .. } => {
                self.failures = 0;
                (
                    self.pace.interval.map(|time| jittered(time, self.pace.jitter_percent, chance)),
                    Reason::Interval,
                )
            }
            Outcome::Failed => {
                self.failures = self.failures.saturating_add(1);
                (Some(self.pace.wait_after_failure(self.failures, chance)), Reason::Retry)
            }
            Outcome::Busy { wait } => {
                self.failures = self.failures.saturating_add(1);
                (Some(self.pace.wait_after_failure(self.failures, chance).max(wait)), Reason::Retry)
            }
            Outcome::Refused => {
                self.failures = self.failures.saturating_add(1);
                (Some(upper_half(self.pace.retry_cap, chance)), Reason::Retry)
            }
        };
        self.due = wait.map(|wait| Due { at: now.saturating_add(wait), reason });
        // Who asks for a session is not to wait for news to settle, nor for a failure to pass.
        if again.contains(&Reason::Asked) {
            self.bring_forward(now, Reason::Asked);
        }
        if again.contains(&Reason::NetworkReturned) && self.failures > 0 {
            self.is_in_reach(now);
        }
        if again.contains(&Reason::Changed) {
            self.hears_of_change(now);
        }
        if again.contains(&Reason::Announced) {
            self.hears_of_news(now);
        }
    }
}

impl Pace {
    fn wait_after_failure(&self, failures: u32, chance: u64) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let wait = self.retry.saturating_mul(factor).min(self.retry_cap);
        upper_half(wait, chance)
    }
}

/// Between half of a time and all of it.
fn upper_half(time: Duration, chance: u64) -> Duration {
    part(time, 500 + chance % 501)
}

/// A time and up to so many percent more or less.
fn jittered(time: Duration, percent: u32, chance: u64) -> Duration {
    let percent = u64::from(percent.min(100));
    part(time, 1000 - percent * 10 + chance % (percent * 20 + 1))
}

/// Thousandths of a time.
fn part(time: Duration, thousandths: u64) -> Duration {
    let milliseconds = time.as_millis().saturating_mul(u128::from(thousandths)) / 1000;
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
}
