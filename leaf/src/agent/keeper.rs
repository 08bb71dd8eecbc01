//! Keeps one repository in step with its peers: what happens becomes a wake, the schedule says what to do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sync::nats::{Connection, Topic};
use sync::schedule::{Action, Outcome, Pace, Reason, Schedule, Wake};
use tokio::sync::{Notify, mpsc};
use tokio::task::{Id, JoinHandle, JoinSet, block_in_place};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::board::{Condition, Trouble};
use super::config::{Address, Hours, Peer, RequestBytes};
use super::hook::Hook;
use super::meeting::Meeting;
use super::registry::Registry;
use super::session::Errand;
use super::watch::{Looks, Watched, Watcher};
use crate::exit::Failure;
use crate::remote;

/// Time between tries to open a file that cannot be used.
const OPEN_EVERY: Duration = Duration::from_secs(5);

/// Keeps one repository in step.
pub(crate) struct Keeper {
    pub(crate) errand: Errand,
    pub(crate) watcher: Arc<Watcher>,
    /// What happens elsewhere: calls, signals, announcements, the network.
    pub(crate) wakes: mpsc::Receiver<Wake>,
    /// The other end of that.
    pub(crate) waker: mpsc::Sender<Wake>,
    /// Of the chance in intervals.
    pub(crate) seed: u64,
    /// The broker where peers meet, and what subjects there begin with.
    pub(crate) broker: Option<(Connection, String)>,
    /// How long what was begun there may take when the leaf is to stop.
    pub(crate) drain: Duration,
    /// The longest request that is taken there.
    pub(crate) request_bytes: RequestBytes,
    /// How often the leaf writes a row about itself, and where it says that it is reached; none: it writes none.
    pub(crate) registry: Option<(Duration, Vec<String>)>,
    /// Sessions that wait for the hours at which they may begin. For the schedule they have begun.
    pub(crate) deferred: BTreeMap<usize, Reason>,
}

/// The repository at work.
struct Work {
    watched: Watched,
    looks: Looks,
    bell: Arc<Notify>,
    /// Told of changes, if anybody is.
    hook: Option<Arc<Hook>>,
    schedule: Schedule,
    sessions: JoinSet<Outcome>,
    /// The peer of each session.
    peers: BTreeMap<Id, usize>,
    /// Until when what is under way may finish, once the leaf is to stop.
    deadline: Option<Instant>,
}

impl Keeper {
    /// Runs until the leaf is to stop, and then until the sessions under way have finished their round.
    pub(crate) async fn run(mut self) {
        if !self.errand.clone_until_there(&mut self.wakes, self.seed).await {
            return;
        }
        let bell = self.watcher.bell(&self.errand.repository.file);
        let Some(watched) = self.open().await else { return };
        let hook = Hook::of(&self.errand.repository);
        let hooked = hook.clone().map(|hook| tokio::spawn(hook.attend(self.errand.stop.clone())));
        let beside = [self.meet(), self.register(), hooked];
        let now = self.errand.clock.now();
        let paces = self.errand.repository.peers.iter().map(pace).collect();
        let mut work = Work {
            watched,
            looks: Looks::new(now),
            bell,
            hook,
            schedule: Schedule::new(paces, self.seed, now),
            sessions: JoinSet::new(),
            peers: BTreeMap::new(),
            deadline: None,
        };
        let mut wake = Wake::Tick;
        loop {
            self.errand.board.turn_of(&self.errand.repository.name);
            for action in work.schedule.on(wake, self.errand.clock.now()) {
                match action {
                    Action::Begin { peer, reason } if !self.may_begin(peer, reason) => {
                        self.defer(peer, Some(reason));
                    }
                    Action::Begin { peer, reason } => work.begin(self.errand.clone(), peer, reason),
                    Action::Announce => self.announce(&mut work),
                }
            }
            self.tell(&work.schedule);
            if work.deadline.is_some() && work.sessions.is_empty() {
                break;
            }
            wake = self.next(&mut work).await;
            self.begin_deferred(&mut work, wake);
        }
        let deadline = work.deadline.unwrap_or_else(Instant::now);
        for mut task in beside.into_iter().flatten() {
            // A task that failed has nothing left to wait for.
            if timeout_at(deadline, &mut task).await.is_err() {
                task.abort();
                let _ = task.await;
            }
        }
        block_in_place(|| work.watched.close());
        self.errand.board.rests(&self.errand.repository.name);
    }

    /// Opens the file, however long it takes until it can be used. None: the leaf is to stop.
    async fn open(&self) -> Option<Watched> {
        let name = &self.errand.repository.name;
        loop {
            let opened = block_in_place(|| {
                let mut watched = Watched::open(&self.errand.repository.file)?;
                let project = watched.project()?;
                Ok::<_, repo::RepoError>((watched, project))
            });
            let error = match opened {
                Ok((mut watched, project)) => {
                    self.errand.note_holdings(watched.repo());
                    self.errand.board.turn_of(name);
                    self.errand.board.note(name, |known| {
                        (known.state, known.project_code, known.error) = (Condition::Open, project, None);
                    });
                    return Some(watched);
                }
                Err(error) => Failure::from(error).at(&self.errand.repository.file),
            };
            self.troubled(&error);
            tokio::select! {
                () = tokio::time::sleep(OPEN_EVERY) => {}
                () = self.errand.stop.wait() => return None,
            }
        }
    }

    /// Goes to the meeting of the repository's peers, if there is one.
    fn meet(&mut self) -> Option<JoinHandle<()>> {
        let (connection, prefix) = self.broker.take()?;
        let repository = Arc::clone(&self.errand.repository);
        let place =
            repository.peers.iter().position(|peer| matches!(peer.address, Address::Meeting { .. }))?;
        let named = block_in_place(|| {
            let mut repo = repo::Repo::open_read_only(&repository.file)?;
            let project = repo::config::project_code(&repo.snapshot()?)?.unwrap_or_default();
            Ok::<_, repo::RepoError>((project, remote::own_name(&mut repo)?))
        });
        let (topic, own) = match named {
            Ok((project, Some(own))) => (Topic::new(&prefix, &project).ok()?, own),
            Ok((_, None)) => return None,
            Err(error) => {
                self.troubled(&Failure::from(error).at(&repository.file));
                return None;
            }
        };
        let meeting = Arc::new(Meeting::new(connection, topic, own));
        self.errand.meeting = Some(Arc::clone(&meeting));
        let (waker, board, stop) = (self.waker.clone(), self.errand.board.clone(), self.errand.stop.clone());
        let bounds = (self.drain, self.request_bytes);
        Some(tokio::spawn(meeting.attend(repository, bounds, place, waker, board, stop)))
    }

    /// Begins to write down what leaf this is.
    fn register(&mut self) -> Option<JoinHandle<()>> {
        let (every, addresses) = self.registry.take()?;
        let registry = Registry {
            repository: Arc::clone(&self.errand.repository),
            board: self.errand.board.clone(),
            every,
            addresses,
            stop: self.errand.stop.clone(),
        };
        Some(tokio::spawn(registry.keep()))
    }

    /// Whether a session may begin now: within the hours of the peer, or because somebody asked for it.
    fn may_begin(&self, peer: usize, reason: Reason) -> bool {
        let hours = self.errand.repository.peers[peer].hours.as_ref();
        reason == Reason::Asked || hours.is_none_or(Hours::are_now)
    }

    /// Has a session wait for its hours, or, without a reason, wait no longer.
    fn defer(&mut self, peer: usize, reason: Option<Reason>) {
        match reason {
            Some(reason) => drop(self.deferred.insert(peer, reason)),
            None => drop(self.deferred.remove(&peer)),
        }
        let is_resting = reason.is_some();
        self.errand.board.note_peer(&self.errand.repository.name, peer, |known| known.resting = is_resting);
    }

    /// Begins the sessions whose hours have come, or that somebody asks for.
    fn begin_deferred(&mut self, work: &mut Work, wake: Wake) {
        let waiting: Vec<(usize, Reason)> =
            self.deferred.iter().map(|(peer, reason)| (*peer, *reason)).collect();
        for (peer, reason) in waiting {
            let is_asked = matches!(wake, Wake::SyncNow(asked) if asked.is_none_or(|asked| asked == peer));
            let reason = if is_asked { Reason::Asked } else { reason };
            if self.may_begin(peer, reason) && work.deadline.is_none() {
                self.defer(peer, None);
                work.begin(self.errand.clone(), peer, reason);
            }
        }
    }

    /// Tells the meeting what is newest here. Other peers are told by the session that a change begins with each.
    fn announce(&self, work: &mut Work) {
        let Some(meeting) = &self.errand.meeting else { return };
        if let Some(newest) = block_in_place(|| work.watched.newest()) {
            meeting.tell(newest);
        }
    }

    /// Waits for what happens next.
    async fn next(&mut self, work: &mut Work) -> Wake {
        let (clock, look, begun) = (self.errand.clock, work.looks.next(), Instant::now());
        let deadline = work.schedule.next_deadline().map_or(look, |deadline| deadline.min(look));
        tokio::select! {
            () = self.errand.stop.wait(), if work.deadline.is_none() => {
                work.deadline = Some(Instant::now() + self.errand.stop.patience());
                Wake::Stopping
            }
            () = sleep_until(work.deadline.unwrap_or(begun)), if work.deadline.is_some() => {
                tracing::warn!(
                    repository = self.errand.repository.name,
                    "stopped before its sessions finished their round"
                );
                work.sessions.shutdown().await;
                Wake::Tick
            }
            Some(ended) = work.sessions.join_next_with_id() => work.ended(ended),
            Some(wake) = self.wakes.recv() => wake,
            () = work.bell.notified() => {
                work.looks.rang(clock.now());
                Wake::Tick
            }
            () = sleep_until(clock.instant(deadline)) => {
                if clock.now() >= look { self.look(work) } else { Wake::Tick }
            }
        }
    }

    /// Looks whether the file changed.
    fn look(&self, work: &mut Work) -> Wake {
        work.looks.looked(self.errand.clock.now());
        let file = &self.errand.repository.file;
        match block_in_place(|| work.watched.has_changed(file)) {
            Ok(has_changed) => {
                self.errand.board.note(&self.errand.repository.name, |known| {
                    (known.state, known.error) = (Condition::Open, None);
                });
                if !has_changed {
                    return Wake::Tick;
                }
                self.errand.note_holdings(work.watched.repo());
                if let Some(hook) = &work.hook {
                    hook.ring();
                }
                Wake::Changed
            }
            Err(error) => {
                self.troubled(&Failure::from(error).at(file));
                Wake::Tick
            }
        }
    }

    fn troubled(&self, failure: &Failure) {
        let trouble = Trouble::from(failure);
        self.errand.board.note(&self.errand.repository.name, |known| {
            if known.error.as_ref() != Some(&trouble) {
                tracing::error!(repository = known.name, "{}; {}", trouble.message, trouble.hint);
            }
            (known.state, known.error) = (Condition::Unusable, Some(trouble));
        });
    }

    /// Writes down when each peer has its turn.
    fn tell(&self, schedule: &Schedule) {
        self.errand.board.note(&self.errand.repository.name, |known| {
            for (peer, standing) in known.peers.iter_mut().zip(schedule.standings()) {
                peer.next = standing.next;
            }
        });
    }
}

impl Work {
    fn begin(&mut self, errand: Errand, peer: usize, reason: Reason) {
        let task = self.sessions.spawn(errand.run(peer, reason));
        self.peers.insert(task.id(), peer);
    }

    /// A session that failed in an unforeseen way is one that failed: the leaf goes on.
    fn ended(&mut self, ended: Result<(Id, Outcome), tokio::task::JoinError>) -> Wake {
        let (id, outcome) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, "a session failed in an unforeseen way");
                (error.id(), Outcome::Failed)
            }
        };
        self.peers.remove(&id).map_or(Wake::Tick, |peer| Wake::Ended { peer, outcome })
    }
}

fn pace(peer: &Peer) -> Pace {
    Pace {
        interval: peer.poll,
        jitter_percent: peer.jitter_percent,
        retry: peer.retry,
        retry_cap: peer.retry_cap,
        gives: peer.push,
        takes: peer.pull,
        ..Pace::default()
    }
}
