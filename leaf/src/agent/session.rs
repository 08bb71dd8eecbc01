//! One session of a repository with a peer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use repo::Repo;
use sync::client::{self, ClientError, Remember, Setting, now};
use sync::http::{HttpOptions, Password};
use sync::nats::PeerId;
use sync::schedule::{Outcome, Reason};
use sync::{Event, Observer, RoundStats, SyncError, SyncOptions, SyncResult, Transport as _, TransportError};
use telemetry::{SpanId, within};
use tokio::task::block_in_place;

use super::board::{Board, Trouble};
use super::clock::Clock;
use super::config::{Address, Peer, Repository, Secret};
use super::meeting::Meeting;
use super::past::{Past, Session};
use super::rate::Rates;
use super::registry;
use super::stop::Stop;
use super::wire::Wire;
use crate::exit::{Code, Failure};
use crate::measure;
use crate::remote::{self, Remote};

/// What sessions of a repository share.
#[derive(Clone)]
pub(crate) struct Errand {
    pub(crate) repository: Arc<Repository>,
    pub(crate) http: HttpOptions,
    pub(crate) clock: Clock,
    pub(crate) rates: Rates,
    pub(crate) stop: Stop,
    pub(crate) board: Board,
    pub(crate) past: Past,
    /// Where peers meet, once it is known which project this is.
    pub(crate) meeting: Option<Arc<Meeting>>,
}

/// What a session came to.
pub(super) enum End {
    /// Both sides hold the same, or all of it that may pass; then with a word on what may not.
    Done {
        received: bool,
        refused: Option<Failure>,
    },
    Failed(Failure),
    /// Nobody is there who was to be asked.
    Absent(Failure),
    /// The leaf is to stop: the round under way was finished, and no other begun.
    Stopped,
}

/// How long a session waits for a peer that is busy, before it is left for another time.
const PATIENCE: Duration = Duration::from_secs(10);

impl Errand {
    /// Runs a session with a peer, and writes down what came of it.
    pub(crate) async fn run(self, peer: usize, reason: Reason) -> Outcome {
        let name = self.repository.name.clone();
        self.board.note_peer(&name, peer, |known| {
            (known.syncing, known.next, known.reason) = (true, None, Some(word(reason)));
        });
        let (begun, tally) = (Instant::now(), Tally::default());
        let known = &self.repository.peers[peer];
        let meeting = self.meeting.as_ref().filter(|_| matches!(known.address, Address::Meeting { .. }));
        let ended = match meeting {
            Some(meeting) => self.visit(meeting, peer, &tally).await,
            None => self.exchange_with(known, None, &tally).await,
        };
        let end = ended.unwrap_or_else(|failure| End::Failed(failure.at(&self.repository.file)));
        telemetry::inside(tally.span(), || self.write_down(peer, &end, &tally, begun.elapsed(), reason));
        match end {
            End::Done { received, .. } => Outcome::Done { received },
            End::Failed(failure) | End::Absent(failure) if may_pass(failure.code) => {
                failure.wait.map_or(Outcome::Failed, |wait| Outcome::Busy { wait })
            }
            End::Failed(_) | End::Absent(_) => Outcome::Refused,
            End::Stopped => Outcome::Failed,
        }
    }

    /// Writes down what the repository holds now. Where that cannot be read, what was known stays.
    pub(super) fn note_holdings(&self, repo: &mut Repo) {
        let read = block_in_place(|| {
            let snap = repo.snapshot()?;
            Ok::<_, repo::RepoError>((repo::census::file_bytes(&snap)?, repo::census::phantoms(&snap)?))
        });
        let Ok((file_bytes, phantoms)) = read else { return };
        self.board.note(&self.repository.name, |known| {
            let holdings = known.holdings.get_or_insert_default();
            (holdings.file_bytes, holdings.phantoms) = (file_bytes, phantoms);
        });
    }

    /// One session with a peer; at a meeting with the one `wanted`, or with whoever answers.
    pub(super) async fn exchange_with(
        &self,
        peer: &Peer,
        wanted: Option<PeerId>,
        tally: &Tally,
    ) -> Result<End, Failure> {
        let prepared = self.prepare_session(peer, wanted);
        let (mut repo, mut wire, options, mut setting) =
            prepared.inspect_err(|failure| self.tell_unbegun(peer, failure))?;
        let repo = &mut repo;
        let address = peer.address.to_string();
        let (observer, span) = measure::session(&self.repository.name, &address, peer.address.place());
        tally.enter(span);
        setting.observer = Box::new((tally.clone(), observer));
        let parked = Arc::clone(&wire.parked);
        let outcome = tokio::select! {
            outcome = within(span, client::sync(repo, &mut wire, options, Remember::No, &mut setting)) => outcome,
            () = parked.notified() => return Ok(End::Stopped),
        };
        match outcome {
            Ok(result) => {
                self.note_holdings(repo);
                self.board.note_reads(&self.repository.name, repo.cache_use());
                Ok(End::Done { received: has_received(&result), refused: rows_refused(&result) })
            }
            Err(ClientError::Sync(error)) => match error {
                SyncError::PushRefused { ref result, .. }
                | SyncError::UnversionedRefused { ref result, .. } => {
                    let received = has_received(result);
                    Ok(End::Done { received, refused: Some(error.into()) })
                }
                error => Err(told_of_login(error.into(), peer, wire.peer())),
            },
            Err(ClientError::Transport(error @ TransportError::NobodyAnswers { .. })) => {
                Ok(End::Absent(error.into()))
            }
            Err(error) => {
                let failure = told_of_login(error.into(), peer, wire.peer());
                Err(failure.not_before(wire.retry_after()))
            }
        }
    }

    fn prepare_session(
        &self,
        peer: &Peer,
        wanted: Option<PeerId>,
    ) -> Result<(Repo, Wire, SyncOptions, Setting), Failure> {
        let mut repo = block_in_place(|| open(&self.repository))?;
        let own = block_in_place(|| remote::own_name(&mut repo))?;
        let meeting = self.meeting.as_deref().map(|meeting| (meeting, wanted));
        let wire = Wire::new(peer, &self.http, own, meeting, self.stop.clone(), &self.rates)?;
        let password = credentials(peer, &mut repo)?;
        let (user, password) = wire.login(peer, password.as_ref());
        let options = SyncOptions { user, password, ..options(peer) };
        let mut setting = Setting::new()?;
        setting.limits.send_bytes = peer.send_bytes;
        setting.patience = PATIENCE;
        Ok((repo, wire, options, setting))
    }

    pub(super) fn tell_unbegun(&self, peer: &Peer, failure: &Failure) {
        let (address, operation) = (peer.address.to_string(), options(peer).operation());
        measure::unbegun(&self.repository.name, &address, peer.address.place(), operation, failure);
    }

    fn write_down(&self, peer: usize, end: &End, tally: &Tally, took: Duration, reason: Reason) {
        let name = &self.repository.name;
        let url = &self.repository.peers[peer].address;
        let (rounds, stats) = tally.total();
        let trouble = match end {
            End::Done { refused, .. } => refused.as_ref().map(Trouble::from),
            End::Failed(failure) | End::Absent(failure) => Some(Trouble::from(failure)),
            End::Stopped => None,
        };
        self.past.remember(Session {
            ended: now(),
            repository: name.clone(),
            peer: url.to_string(),
            reason: word(reason),
            class: trouble.as_ref().map(|trouble| trouble.class),
            rounds,
            artifacts_sent: stats.files_sent,
            artifacts_received: stats.files_received,
            bytes: stats.bytes_sent + stats.bytes_received,
            milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            times: 1,
        });
        self.board.note_peer(name, peer, |known| {
            known.syncing = false;
            known.milliseconds = u64::try_from(took.as_millis()).ok();
            known.sessions += 1;
            known.add(rounds, &stats);
            match end {
                End::Done { .. } => (known.succeeded, known.failures) = (Some(now()), 0),
                End::Failed(_) | End::Absent(_) => {
                    known.failed_sessions += 1;
                    known.failures = known.failures.saturating_add(1);
                }
                End::Stopped => {}
            }
            // The same trouble, time and again, is worth one line.
            match (&trouble, &known.error) {
                (Some(new), old) if old.as_ref() != Some(new) => {
                    tracing::warn!(repository = name, peer = %url, class = new.class, "{}; {}", new.message, new.hint);
                }
                (None, Some(_)) if matches!(end, End::Done { .. }) => {
                    tracing::info!(repository = name, peer = %url, "all is well again");
                }
                _ => {}
            }
            if !matches!(end, End::Stopped) {
                known.error = trouble;
            }
        });
        tracing::info!(
            repository = name,
            peer = %url,
            rounds,
            sent = stats.files_sent,
            received = stats.files_received,
            milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "session ended"
        );
    }
}

/// Opens the repository for a session, which needs little memory.
pub(super) fn open(repository: &Repository) -> Result<Repo, Failure> {
    let mut repo = Repo::open(&repository.file)?;
    repo.set_limits(repo::Limits::of_many())?;
    Ok(repo)
}

/// What a session with a peer is to do, but for the login.
pub(crate) fn options(peer: &Peer) -> SyncOptions {
    SyncOptions {
        pull: peer.pull,
        push: peer.push,
        private: peer.private,
        unversioned: peer.unversioned,
        tables: peer.tables,
        ..SyncOptions::default()
    }
}

/// The password of the user of a peer's address. If the configuration has none, that which the repository remembers for
/// this very address.
pub(crate) fn credentials(peer: &Peer, repo: &mut Repo) -> Result<Option<Password>, Failure> {
    if let Secret::Found { password, .. } = &peer.password {
        return Ok(Some(password.clone()));
    }
    if !needs_password(peer) {
        return Ok(None);
    }
    let remembered = block_in_place(|| {
        let known = client::remembered_url(&repo.snapshot()?)?.and_then(|text| Remote::read(&text).ok());
        let is_this = known.is_some_and(|known| known.to_string() == peer.address.to_string());
        if is_this { client::remembered_password(repo) } else { Ok(None) }
    })?;
    remembered.map(Password).map(Some).ok_or_else(|| no_password(&peer.address))
}

/// Whether the user of a peer's address is one that logs in.
pub(crate) fn needs_password(peer: &Peer) -> bool {
    peer.address.user().is_some_and(|user| !repo::user::is_special(user))
}

/// What is said where a login lacks its password.
pub(crate) fn no_password(address: &Address) -> Failure {
    let what = format!("there is no password for {address}");
    Failure::new(Code::Refused, what, "give it with password-file in the configuration, or in FROND_PASSWORD")
}

/// Says of a refusal who asked, where the password came from, who refused, as far as that is known, and what to do here.
pub(crate) fn told_of_login(mut failure: Failure, peer: &Peer, by: Option<&PeerId>) -> Failure {
    if failure.code != Code::Refused && !failure.what.contains("failed logins") {
        return failure;
    }
    let user = peer.address.user().unwrap_or(repo::user::NOBODY);
    let mut who = format!("user {user}");
    if needs_password(peer) {
        let origin = match &peer.password {
            Secret::Found { origin: "the environment", .. } => "FROND_PASSWORD or FROND_PASSWORD_FILE",
            Secret::Found { origin, .. } => origin,
            Secret::None => "the repository, which remembers it",
        };
        who += &format!(", the password from {origin}");
    }
    who.extend(by.iter().map(|by| format!(", asked was peer {by}")));
    failure.what += &format!(" ({who})");
    match &peer.address {
        Address::Meeting { login: Some(user), .. } => {
            failure.hint = format!(
                "let {user} in there with this password (`frond user list`), or mend nats-login and nats-password-file here"
            );
        }
        Address::Meeting { login: None, .. } => {
            failure.hint =
                "log in as a user of that repository: nats-login and nats-password-file".to_owned();
        }
        Address::Remote(remote) => return remote.failure(failure),
        Address::File(_) => {}
    }
    failure
}

fn has_received(result: &SyncResult) -> bool {
    let rows: u64 = result.tables.values().map(|table| table.received).sum();
    let stats = &result.stats;
    stats.files_received + stats.uv_files_received + stats.config_received + rows > 0
}

fn rows_refused(result: &SyncResult) -> Option<Failure> {
    // A leaf that logs in nowhere has a row that only who pulls from it takes: no trouble.
    let of_register = format!("table {}: ", registry::TABLE);
    let is_about_rows = |text: &&String| text.starts_with("table ") && !text.starts_with(&of_register);
    (result.refused_rows > 0 && result.messages.iter().any(|text| is_about_rows(&text))).then(|| {
        Failure::new(
            Code::Refused,
            format!("rows of synced tables were refused: {}; everything else was done", result.refused_rows),
            "a row is changed by its owner, or by who has capability a or s",
        )
    })
}

/// Whether a failure may pass without anybody's help.
pub(crate) fn may_pass(code: Code) -> bool {
    match code {
        Code::Network | Code::Locked | Code::Failed | Code::Partial => true,
        Code::Ok | Code::Usage | Code::Refused | Code::NoRepository => false,
        Code::Interrupted | Code::Terminated => true,
    }
}

fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::Start => "start",
        Reason::Interval => "interval",
        Reason::Announced => "announced",
        Reason::Changed => "changed",
        Reason::Asked => "asked",
        Reason::NetworkReturned => "network-returned",
        Reason::Retry => "retry",
    }
}

/// Counts what a session moves, whatever comes of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally(Arc<Mutex<Counted>>);

#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    rounds: u32,
    stats: RoundStats,
    /// The last session.
    span: Option<SpanId>,
}

impl Tally {
    /// Rounds that ended, and what they moved.
    pub(super) fn total(&self) -> (u32, RoundStats) {
        let counted = self.counted();
        (counted.rounds, counted.stats)
    }

    fn span(&self) -> Option<SpanId> {
        self.counted().span
    }

    fn enter(&self, span: Option<SpanId>) {
        self.counted().span = span;
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Tally {
    fn observe(&mut self, event: &Event<'_>) {
        if let Event::RoundFinished { stats, .. } = event {
            let mut counted = self.counted();
            counted.rounds += 1;
            counted.stats.add(stats);
        }
    }
}
