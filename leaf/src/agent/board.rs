//! What is known of the leaf: written by its tasks, read by `status`, probes and metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use repo::{CacheUse, UnixTime};
use serde::Serialize;
use sync::client::now;
use sync::{RoundStats, short};
use tokio::time::sleep;

use super::clock::Clock;
use super::config::Config;
use super::registry::Leaf;
use crate::exit::{Code, Failure};

/// Time between two signs of life of a task that waits.
const TURN_EVERY: Duration = Duration::from_secs(5);

/// What is known, shared by all.
#[derive(Debug, Clone)]
pub(crate) struct Board {
    clock: Clock,
    inner: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    /// When the leaf's own task was last seen to turn.
    turned: Duration,
    repositories: BTreeMap<String, Repository>,
    /// By address.
    bridges: BTreeMap<String, Bridge>,
}

/// How far the leaf is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    #[default]
    Starting,
    Running,
    Draining,
}

/// What is known of a repository.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) state: Condition,
    pub(crate) project_code: Option<String>,
    pub(crate) error: Option<Trouble>,
    pub(crate) peers: Vec<Peer>,
    /// Leaves of the register.
    pub(crate) fleet: Vec<Leaf>,
    /// When its own task was last seen to turn; what its sessions note says nothing of that.
    pub(crate) turned: Duration,
    /// As of the last change that was seen.
    pub(crate) holdings: Option<Holdings>,
    /// What fails at the broker.
    pub(crate) at_broker: BTreeMap<AtBroker, Trouble>,
}

/// What a repository does at the broker beside sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AtBroker {
    Reaches,
    Answers,
    Hears,
}

/// What a repository holds, and how it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Holdings {
    pub(crate) file_bytes: u64,
    /// Artifacts that are named and not held.
    pub(crate) phantoms: u64,
    /// Reads of contents that were in memory, and that were not, in the last session or request that read any.
    pub(crate) cache_hits: u64,
    pub(crate) cache_misses: u64,
}

/// Whether a repository can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Condition {
    Opening,
    /// It was not there, and is fetched from a peer.
    Cloning,
    Open,
    Unusable,
}

/// What is known of a peer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Peer {
    pub(crate) url: String,
    pub(crate) syncing: bool,
    /// A session waits for the hours at which it may begin.
    pub(crate) resting: bool,
    /// The leaf is ready only if a session went well so many seconds ago at most.
    pub(crate) within_seconds: Option<u64>,
    #[serde(skip)]
    pub(crate) succeeded: Option<UnixTime>,
    pub(crate) sessions: u64,
    pub(crate) failed_sessions: u64,
    /// Failures since the last session that went well.
    pub(crate) failures: u32,
    pub(crate) rounds: u64,
    pub(crate) artifacts_sent: u64,
    pub(crate) artifacts_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    /// Why the last session failed, if it did.
    pub(crate) error: Option<Trouble>,
    /// Why the last session began.
    pub(crate) reason: Option<&'static str>,
    #[serde(skip)]
    pub(crate) next: Option<Duration>,
    /// Milliseconds that the last session took.
    pub(crate) milliseconds: Option<u64>,
}

/// What is known of a server that is answered for.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Bridge {
    pub(crate) url: String,
    pub(crate) state: Condition,
    pub(crate) project_code: Option<String>,
    /// What it is called on the broker.
    pub(crate) peer: Option<String>,
    pub(crate) requests: u64,
    pub(crate) failed_requests: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    /// Why the last request got no reply, if it got none.
    pub(crate) error: Option<Trouble>,
}

/// What went wrong, and of what kind it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Trouble {
    pub(crate) class: &'static str,
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// All that is known at one time.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) r#type: &'static str,
    pub(crate) phase: Phase,
    pub(crate) version: &'static str,
    pub(crate) process: u32,
    pub(crate) uptime_seconds: u64,
    /// Since the task of the leaf as a whole was last seen to turn.
    pub(crate) turned_seconds: u64,
    pub(crate) repositories: Vec<RepositoryReport>,
    pub(crate) bridges: Vec<Bridge>,
}

/// What is known of a repository at one time.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RepositoryReport {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) state: Condition,
    pub(crate) project_code: Option<String>,
    pub(crate) error: Option<Trouble>,
    /// Since its task was last seen to turn.
    pub(crate) turned_seconds: u64,
    /// As of the last change that was seen.
    pub(crate) holdings: Option<Holdings>,
    /// What fails at the broker beside sessions: to reach it, to answer there, to hear of what is new.
    pub(crate) broker_errors: Vec<Trouble>,
    pub(crate) peers: Vec<PeerReport>,
    pub(crate) fleet: Vec<LeafReport>,
}

/// What a leaf of the register says of itself, at one time.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LeafReport {
    #[serde(flatten)]
    pub(crate) said: Leaf,
    pub(crate) last_sync: Option<String>,
    /// Since it said so.
    pub(crate) written_seconds: u64,
}

/// What is known of a peer at one time.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PeerReport {
    #[serde(flatten)]
    pub(crate) known: Peer,
    pub(crate) last_sync: Option<String>,
    /// Since the last session that went well.
    pub(crate) lag_seconds: Option<u64>,
    pub(crate) next_seconds: Option<u64>,
}

impl Board {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, inner: Arc::default() }
    }

    /// Takes the repositories of a configuration, and keeps what is known of those that stay as they were, and of peers that
    /// stay of the others.
    pub(crate) fn set(&self, config: &Config, stays: impl Fn(&str) -> bool) {
        let mut state = self.lock();
        let mut old = std::mem::take(&mut state.repositories);
        for repository in &config.repositories {
            let known = match old.remove(&repository.name) {
                Some(old) if stays(&repository.name) => old,
                Some(old) => blank(repository, self.clock.now()).after(&old),
                None => blank(repository, self.clock.now()),
            };
            state.repositories.insert(repository.name.clone(), known);
        }
        let mut old = std::mem::take(&mut state.bridges);
        for bridge in &config.bridges {
            let url = bridge.url.to_string();
            let known = old.remove(&url).unwrap_or_else(|| Bridge::blank(url.clone()));
            state.bridges.insert(url, known);
        }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.lock().phase = phase;
    }

    /// The task of the leaf as a whole turns.
    pub(crate) fn turn(&self) {
        self.lock().turned = self.clock.now();
    }

    /// The task of a repository has ended: it need not turn.
    pub(crate) fn rests(&self, name: &str) {
        self.note(name, |repository| repository.turned = Duration::MAX);
    }

    /// Waits for something that is bounded by itself: meanwhile the task of the leaf is not stuck.
    pub(crate) async fn turning<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = sleep(TURN_EVERY) => self.turn(),
            }
        }
    }

    /// The task of a repository turns.
    pub(crate) fn turn_of(&self, name: &str) {
        self.note(name, |repository| repository.turned = self.clock.now());
    }

    /// Changes what is known of a repository. One that is not configured any more is of no interest.
    pub(crate) fn note(&self, name: &str, change: impl FnOnce(&mut Repository)) {
        if let Some(repository) = self.lock().repositories.get_mut(name) {
            change(repository);
        }
    }

    /// Writes down how a session, or a request, read contents.
    pub(crate) fn note_reads(&self, name: &str, CacheUse { hits, misses }: CacheUse) {
        if hits + misses > 0 {
            self.note(name, |known| {
                if let Some(holdings) = &mut known.holdings {
                    (holdings.cache_hits, holdings.cache_misses) = (hits, misses);
                }
            });
        }
    }

    /// Changes what is known of a peer.
    pub(crate) fn note_peer(&self, name: &str, index: usize, change: impl FnOnce(&mut Peer)) {
        self.note(name, |repository| {
            if let Some(peer) = repository.peers.get_mut(index) {
                change(peer);
            }
        });
    }

    /// Changes what is known of a server that is answered for.
    pub(crate) fn note_bridge(&self, url: &str, change: impl FnOnce(&mut Bridge)) {
        if let Some(bridge) = self.lock().bridges.get_mut(url) {
            change(bridge);
        }
    }

    /// All that is known now.
    pub(crate) fn report(&self) -> Report {
        let state = self.lock();
        let (elapsed, time) = (self.clock.now(), now());
        Report {
            r#type: "status",
            phase: state.phase,
            version: env!("CARGO_PKG_VERSION"),
            process: std::process::id(),
            uptime_seconds: elapsed.as_secs(),
            turned_seconds: elapsed.saturating_sub(state.turned).as_secs(),
            repositories: state
                .repositories
                .values()
                .map(|known| of_repository(known, elapsed, time))
                .collect(),
            bridges: state.bridges.values().cloned().collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Repository {
    /// This, begun anew: what it holds is as it was, and what was counted of its peers goes on.
    fn after(mut self, old: &Self) -> Self {
        if self.file != old.file {
            return self;
        }
        self.holdings = old.holdings;
        for peer in &mut self.peers {
            if let Some(known) = old.peers.iter().find(|known| known.url == peer.url) {
                let Peer { syncing, resting, within_seconds, next, .. } = *peer;
                *peer = Peer { syncing, resting, within_seconds, next, ..known.clone() };
            }
        }
        self
    }
}

fn blank(repository: &super::config::Repository, turned: Duration) -> Repository {
    let peer = |peer: &super::config::Peer| Peer {
        url: peer.address.to_string(),
        syncing: false,
        resting: false,
        within_seconds: peer.within.map(|within| within.as_secs()),
        succeeded: None,
        sessions: 0,
        failed_sessions: 0,
        failures: 0,
        rounds: 0,
        artifacts_sent: 0,
        artifacts_received: 0,
        bytes_sent: 0,
        bytes_received: 0,
        error: None,
        reason: None,
        next: None,
        milliseconds: None,
    };
    Repository {
        name: repository.name.clone(),
        file: repository.file.display().to_string(),
        state: Condition::Opening,
        project_code: None,
        error: None,
        peers: repository.peers.iter().map(peer).collect(),
        fleet: Vec::new(),
        turned,
        holdings: None,
        at_broker: BTreeMap::new(),
    }
}

fn of_repository(known: &Repository, elapsed: Duration, time: UnixTime) -> RepositoryReport {
    let seconds = |milliseconds: i64| u64::try_from(milliseconds.max(0) / 1000).unwrap_or(0);
    let peer = |peer: &Peer| PeerReport {
        last_sync: peer.succeeded.and_then(shown),
        lag_seconds: peer.succeeded.map(|at| seconds(time.0.saturating_sub(at.0))),
        next_seconds: peer.next.map(|next| next.saturating_sub(elapsed).as_secs()),
        known: peer.clone(),
    };
    let leaf = |said: &Leaf| LeafReport {
        last_sync: said.last_sync.and_then(shown),
        written_seconds: seconds(time.0.saturating_sub(said.written.0)),
        said: said.clone(),
    };
    RepositoryReport {
        name: known.name.clone(),
        file: known.file.clone(),
        state: known.state,
        project_code: known.project_code.clone(),
        error: known.error.clone(),
        turned_seconds: elapsed.saturating_sub(known.turned).as_secs(),
        holdings: known.holdings,
        broker_errors: known.at_broker.values().cloned().collect(),
        peers: known.peers.iter().map(peer).collect(),
        fleet: known.fleet.iter().map(leaf).collect(),
    }
}

fn shown(time: UnixTime) -> Option<String> {
    let at = jiff::Timestamp::from_second(time.seconds()).ok()?;
    Some(at.to_string())
}

impl Repository {
    /// Takes what went wrong at the broker, or that nothing did. The same trouble, time and again, is worth one line.
    pub(crate) fn tell(&mut self, what: AtBroker, failure: Option<&Failure>) {
        let says = match what {
            AtBroker::Reaches => "it does not reach the broker",
            AtBroker::Answers => "it does not answer at the broker",
            AtBroker::Hears => "it hears of nothing new at the broker",
        };
        let Some(failure) = failure else {
            if self.at_broker.remove(&what).is_some() {
                tracing::info!(repository = self.name, "no longer: {says}");
            }
            return;
        };
        let trouble = Trouble::from(failure);
        let trouble = Trouble { message: format!("{says}: {}", trouble.message), ..trouble };
        if self.at_broker.get(&what) != Some(&trouble) {
            tracing::warn!(
                repository = self.name,
                class = trouble.class,
                "{}; {}",
                trouble.message,
                trouble.hint
            );
        }
        self.at_broker.insert(what, trouble);
    }
}

impl Peer {
    /// Adds what a session moved.
    pub(crate) fn add(&mut self, rounds: u32, stats: &RoundStats) {
        self.rounds += u64::from(rounds);
        self.artifacts_sent += stats.files_sent;
        self.artifacts_received += stats.files_received;
        self.bytes_sent += stats.bytes_sent;
        self.bytes_received += stats.bytes_received;
    }
}

impl Bridge {
    fn blank(url: String) -> Self {
        Self {
            url,
            state: Condition::Opening,
            project_code: None,
            peer: None,
            requests: 0,
            failed_requests: 0,
            bytes_sent: 0,
            bytes_received: 0,
            error: None,
        }
    }

    /// Takes what went wrong, or that nothing did. The same trouble, time and again, is worth one line.
    pub(crate) fn tell(&mut self, trouble: Option<Trouble>) {
        match (&trouble, &self.error) {
            (Some(new), old) if old.as_ref() != Some(new) => {
                tracing::warn!(bridge = self.url, class = new.class, "{}; {}", new.message, new.hint);
            }
            (None, Some(_)) => tracing::info!(bridge = self.url, "all is well again"),
            _ => {}
        }
        self.error = trouble;
    }
}

impl From<&Failure> for Trouble {
    fn from(failure: &Failure) -> Self {
        let class = match failure.code {
            Code::Network => "network",
            Code::Refused => "refused",
            Code::NoRepository => "no-repository",
            Code::Locked => "locked",
            Code::Usage => "configuration",
            Code::Ok | Code::Failed | Code::Partial | Code::Interrupted | Code::Terminated => "failed",
        };
        Self { class, message: short(&failure.what).into_owned(), hint: failure.hint.clone() }
    }
}

#[cfg(test)]
mod tests;
