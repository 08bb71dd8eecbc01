//! The client's side of a session, without I/O.

mod absorb;
mod ahead;
pub(crate) mod circles;
mod cloning;
mod compose;
mod configuration;
pub(crate) mod inbox;
mod linking;
mod locking;
mod options;
mod preview;
mod progress;
mod push;
mod reply;
mod tables;
mod unversioned;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use repo::{Repo, UnixTime};
use xfer::card::{Codes, Privacy};
use xfer::{ArtifactId, Message};

use self::ahead::Ahead;
use self::circles::Circles;
use self::cloning::Cloning;
use self::configuration::Configuring;
use self::inbox::Choice;
use self::linking::Linking;
use self::locking::Locking;
use self::progress::Effort;
use self::push::Pushing;
use self::unversioned::{Direction, Unversioned};
use crate::tables::{Flow, TableSync};
use crate::{Cx, Event, RoundStats, SyncError, class_of};

pub use self::cloning::CloneVersion;
pub use self::locking::{CheckinLock, CheckinLockFailure};
pub use self::options::{SyncOptions, SyncResult};
pub use self::preview::Preview;
pub(crate) use self::reply::quote;

/// Where a session stands after a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Another round is needed.
    Continue,
    /// Both sides hold the same.
    Done,
}

/// The client's side of one session. Two calls a round; the caller moves the bytes.
///
/// [`Session::next_request`] only reads. [`Session::handle_reply`] is one transaction, and none at all if the
/// reply has nothing new. A request whose reply was lost may be composed again, any number of times.
///
/// Two repositories in memory, and no network:
///
/// ```
/// use repo::{Genesis, Repo, UnixTime, content, ingest};
/// use sync::{Cx, Limits, NoFaults, NoGuard, NoObserver, Progress, Session, SyncOptions, handle_sync};
/// use xfer::{DecodeLimits, Message, card::Privacy, decode, encode};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let now = UnixTime::from_seconds(1_800_000_000);
/// let from = |server: &str| Genesis {
///     project: "ab".repeat(20),
///     server: server.repeat(20),
///     public: "go".into(),
///     now,
///     ..Genesis::default()
/// };
/// let (mut ours, mut theirs) = (Repo::in_memory(&from("cd"))?, Repo::in_memory(&from("ef"))?);
/// let tx = theirs.begin()?;
/// content::add(&tx, b"what is new", Privacy::Public)?;
/// ingest::settle(&tx, now)?;
/// tx.commit()?;
///
/// let mut cx = Cx {
///     now,
///     clock: None,
///     limits: &Limits::default(),
///     peer: None,
///     guard: &NoGuard,
///     buggify: &NoFaults,
///     observer: &mut NoObserver,
/// };
/// let travel = |message: &Message| decode(&encode(message).into(), &DecodeLimits::default());
/// let mut session = Session::sync(SyncOptions { pull: true, ..SyncOptions::default() }, [7; 20]);
/// loop {
///     let request = session.next_request(&mut ours, &mut cx)?;
///     let reply = handle_sync(&mut theirs, &travel(&request)?, &mut cx)?;
///     if session.handle_reply(&mut ours, &travel(&reply)?, &mut cx)? == Progress::Done {
///         break;
///     }
/// }
/// assert_eq!(session.result().stats.files_received, 1);
/// # Ok(())
/// # }
/// ```
pub struct Session {
    options: SyncOptions,
    goal: Goal,
    nonces: Nonces,
    step: Step,
    /// The codes of our repository; empty where not known yet.
    codes: Codes,
    /// What the next request asks for.
    wanted: Choice,
    heard: Manner,
    /// Whether nobody had told us of anything that the first reply announced.
    is_far_behind: bool,
    /// Whether we asked for clusters before stock would.
    asked_early: bool,
    /// Whether the peer heard of all clusters before stock would name them.
    named_clusters: bool,
    /// The request after the last one, if it was composed already.
    ahead: Option<Ahead>,
    /// What became of asking for what other sessions had asked for in vain.
    missed: Missed,
    /// Which of that was asked for in vain once more. The peer may get it while this session goes on.
    lacked: BTreeSet<ArtifactId>,
    /// Of what other sessions had asked for in vain, what the peer announced and there was no room to ask for yet, or that a
    /// request which was sent ahead left out.
    promised: BTreeMap<ArtifactId, Privacy>,
    /// What the last request named as lacking here, since the peer does not get it and is to ask for something else.
    told: Vec<ArtifactId>,
    /// What came in this session, if it is no clone, as a delta of something that was not here.
    waited: BTreeSet<ArtifactId>,
    /// What came as a delta of something that waits here for it.
    circles: Circles,
    /// What this peer was asked for and did not send.
    unavailable: BTreeSet<ArtifactId>,
    /// What of that it did not announce either: it may get that while this session goes on, and announce it then.
    absent: BTreeSet<ArtifactId>,
    /// What it was not even asked for, after it sent nothing of what it was asked for.
    unasked: u64,
    /// Whether the last request carried a login.
    login: LoginState,
    pushing: Pushing,
    locking: Locking,
    linking: Linking,
    unversioned: Unversioned,
    tables: TableSync,
    configuring: Configuring,
    effort: Effort,
    /// Of the current round.
    stats: RoundStats,
    /// When the session and the current round began.
    begun: [UnixTime; 2],
    news: News,
    result: SyncResult,
}

enum Goal {
    Sync { pull: bool },
    Preview,
    Clone(Cloning),
}

impl Goal {
    fn is_pull(&self) -> bool {
        matches!(self, Self::Sync { pull: true })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Fresh,
    Composed,
    Absorbed,
    Finished,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missed {
    /// No request had room for any of it yet.
    Untried,
    /// The peer has some of it.
    Found,
    /// It had none of the last ones.
    Lacking,
}

/// How the peer answers, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Nothing was heard yet, but perhaps errors.
    Nothing,
    /// A reply with nothing in it, and no other.
    Silence,
    /// Without its version.
    Words,
    /// With its version.
    Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LoginState {
    NotSent,
    Sent,
}

/// What a round is to tell the observer once it is over.
#[derive(Default)]
struct News {
    said: Vec<String>,
    refused: Vec<ArtifactId>,
    linked: u64,
}

/// Makes texts that no two requests share.
struct Nonces {
    seed: [u8; 20],
    count: u64,
}

impl Nonces {
    fn next(&mut self) -> String {
        self.count += 1;
        let mut bytes = self.seed.to_vec();
        bytes.extend_from_slice(&self.count.to_be_bytes());
        xfer::hash::sha1(&bytes).to_string()
    }
}

impl Session {
    /// A pull, push or sync, which is both at once, between repositories of one project.
    ///
    /// `nonce_seed` must be random: requests that are signed must differ from all others ever sent.
    pub fn sync(options: SyncOptions, nonce_seed: [u8; 20]) -> Self {
        if options.dry_run {
            return Self::new(options, nonce_seed, Goal::Preview);
        }
        let goal = Goal::Sync { pull: options.pull };
        let locking = Locking::new(options.ci_lock.clone(), options.ci_unlock.clone());
        let linking = Linking::new(options.client_url.as_deref(), options.links);
        Self { locking, linking, ..Self::new(options, nonce_seed, goal) }
    }

    /// A clone into a fresh repository, whose project code is adopted from the peer; or into one that an
    /// interrupted clone left: then it goes on from there.
    ///
    /// Until it is done the file carries a mark ([`repo::partial`]) that it is not whole.
    pub fn clone_into(options: SyncOptions, nonce_seed: [u8; 20]) -> Self {
        Self::new(options, nonce_seed, Goal::Clone(Cloning::new(CloneVersion::default())))
    }

    /// Has a clone that did not begin yet ask for this kind of clone first. Another session has no use for it.
    pub fn asking_for(mut self, version: CloneVersion) -> Self {
        if let Goal::Clone(cloning) = &mut self.goal {
            *cloning = Cloning::new(version);
        }
        self
    }

    fn new(options: SyncOptions, seed: [u8; 20], goal: Goal) -> Self {
        let push = options.push && matches!(goal, Goal::Sync { .. });
        let deepest = if options.private { Privacy::Private } else { Privacy::Public };
        let takes = options.pull || matches!(goal, Goal::Clone(_));
        let gives = options.push && !matches!(goal, Goal::Clone(_));
        Self {
            pushing: Pushing::new(push, deepest),
            locking: Locking::default(),
            linking: Linking::default(),
            unversioned: Unversioned::new(options.unversioned, Direction::of(&options)),
            tables: TableSync::new(Flow { gives: options.tables && gives, takes: options.tables && takes }),
            configuring: Configuring::new(&options, &goal),
            options,
            goal,
            nonces: Nonces { seed, count: 0 },
            step: Step::Fresh,
            codes: Codes { server: String::new(), project: String::new() },
            wanted: Choice::default(),
            heard: Manner::Nothing,
            is_far_behind: false,
            asked_early: false,
            named_clusters: false,
            ahead: None,
            missed: Missed::Untried,
            lacked: BTreeSet::new(),
            promised: BTreeMap::new(),
            told: Vec::new(),
            waited: BTreeSet::new(),
            circles: Circles::new(),
            unavailable: BTreeSet::new(),
            absent: BTreeSet::new(),
            unasked: 0,
            login: LoginState::NotSent,
            effort: Effort::default(),
            stats: RoundStats::default(),
            begun: [UnixTime(0); 2],
            news: News::default(),
            result: SyncResult::default(),
        }
    }

    /// Composes the next request.
    ///
    /// # Panics
    /// If the session is over.
    pub fn next_request(&mut self, repo: &mut Repo, cx: &mut Cx<'_>) -> Result<Message, SyncError> {
        assert!(self.step != Step::Finished, "the session is over");
        let prepared = if self.step == Step::Fresh { self.begin(repo, cx) } else { Ok(()) };
        if self.step != Step::Composed {
            self.result.rounds += 1;
            self.stats = RoundStats::default();
            self.begun[1] = cx.now;
        }
        cx.tell(|_| Event::RoundStarted { round: self.result.rounds });
        let request = prepared.and_then(|()| self.compose(repo, cx));
        match &request {
            Ok(_) => self.step = Step::Composed,
            Err(error) => self.finish(Some(error), cx),
        }
        request
    }

    fn begin(&mut self, repo: &mut Repo, cx: &mut Cx<'_>) -> Result<(), SyncError> {
        self.begun = [cx.now; 2];
        let prepared = repo.snapshot().map_err(SyncError::from).and_then(|snap| self.prepare(&snap, cx));
        cx.tell(|_| Event::SessionStarted {
            operation: self.operation(),
            options: &self.options,
            project: &self.codes.project,
        });
        prepared
    }

    /// Says how many bytes the last exchange moved, before its reply is handled.
    pub fn travelled(&mut self, sent: u64, received: u64) {
        self.stats.bytes_sent += sent;
        self.stats.bytes_received += received;
    }

    /// Takes in the reply to the last request. After an error nothing of this reply is kept, unless the error
    /// says so, and the session is over.
    ///
    /// # Panics
    /// If no request is under way.
    pub fn handle_reply(
        &mut self,
        repo: &mut Repo,
        reply: &Message,
        cx: &mut Cx<'_>,
    ) -> Result<Progress, SyncError> {
        assert!(self.step == Step::Composed, "no request is under way");
        if self.is_in_doubt(reply) {
            return Ok(Progress::Continue);
        }
        self.step = Step::Absorbed;
        let mut outcome = self.absorb(repo, reply, cx);
        if matches!(outcome, Ok(Progress::Done)) {
            outcome = self.note_missed(repo, cx).map(|()| Progress::Done);
        }
        let (files, _) = self.pushing.under_way();
        self.stats.files_sent = if outcome.is_ok() { files } else { 0 };
        let (sent, received) = self.rows_moved();
        self.stats.rows_sent = sent - self.result.stats.rows_sent;
        self.stats.rows_received = received - self.result.stats.rows_received;
        self.report(cx);
        self.result.stats.add(&self.stats);
        match &outcome {
            Ok(progress) => {
                cx.tell(|cx| Event::RoundFinished {
                    round: self.result.rounds,
                    stats: &self.stats,
                    duration: cx.since(self.begun[1]),
                });
                if *progress == Progress::Done {
                    return self.conclude_push(cx);
                }
            }
            Err(error) => self.finish(Some(error), cx),
        }
        outcome
    }

    /// Ends a session that converged, as far as the peer let it.
    fn conclude_push(&mut self, cx: &mut Cx<'_>) -> Result<Progress, SyncError> {
        let user = self.credentials().map_or("nobody", |(user, _)| user).to_owned();
        let result = Box::new(self.result());
        let error = match (self.pushing.refusal(), self.unversioned.refused()) {
            (Some(said), _) => SyncError::PushRefused { said: said.to_owned(), user, result },
            (None, 0) => {
                self.finish(None, cx);
                return Ok(Progress::Done);
            }
            (None, files) => SyncError::UnversionedRefused { files, user, result },
        };
        self.finish(Some(&error), cx);
        Err(error)
    }

    /// Has this session send no deltas from here on. Stock fails on one whose source it shuns and never had, and would
    /// on the same again. Says whether the last request had any, so that composing it again makes it another one.
    pub fn send_whole(&mut self) -> bool {
        self.step == Step::Composed && self.pushing.expand()
    }

    /// Ends a session whose transport failed: tells the observer, once.
    pub fn abandon(&mut self, error: &(dyn Error + 'static), cx: &mut Cx<'_>) {
        if self.step != Step::Finished {
            self.result.stats.add(&self.stats);
            self.finish(Some(error), cx);
        }
    }

    /// What the session did so far.
    pub fn result(&self) -> SyncResult {
        let mut result = self.result.clone();
        result.project.clone_from(&self.codes.project);
        result.tables.clone_from(&self.tables.stats);
        result.unavailable = self.unavailable.len() as u64 + self.unasked;
        result.first_unavailable = self.unavailable.first().copied();
        result
    }

    /// What is told of an error, by which the session ends unless the same is tried again.
    pub(crate) fn failed<'e>(&self, error: &'e (dyn Error + 'static), again: bool) -> Event<'e> {
        Event::Failed { operation: self.operation(), class: class_of(error), error, again }
    }

    fn operation(&self) -> &'static str {
        match self.goal {
            Goal::Clone(_) => "clone",
            Goal::Sync { .. } | Goal::Preview => self.options.operation(),
        }
    }

    fn report(&mut self, cx: &mut Cx<'_>) {
        let news = std::mem::take(&mut self.news);
        for text in &news.said {
            cx.tell(|_| Event::PeerSaid { text });
        }
        for id in &news.refused {
            cx.tell(|_| Event::Refused { id });
        }
        if news.linked > 0 {
            cx.tell(|_| Event::Crosslinked { artifacts: news.linked });
        }
        self.report_tables(cx);
        self.result.linked += news.linked;
        self.result.refused_rows += news.said.iter().map(|text| tables::refused_rows(text)).sum::<u64>();
        self.result.messages.extend(news.said);
    }

    fn finish(&mut self, error: Option<&(dyn Error + 'static)>, cx: &mut Cx<'_>) {
        self.step = Step::Finished;
        self.finish_tables(cx);
        if let Some(error) = error {
            cx.tell(|_| self.failed(error, false));
        }
        cx.tell(|cx| Event::SessionFinished {
            operation: self.operation(),
            project: &self.codes.project,
            rounds: self.result.rounds,
            stats: &self.result.stats,
            duration: cx.since(self.begun[0]),
            error,
        });
    }
}

#[cfg(test)]
mod tests;
