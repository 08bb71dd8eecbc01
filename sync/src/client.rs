//! The loop around a session: next request, exchange, reply, until both sides hold the same.

mod again;
mod clone;
mod obscured;
mod offer;
mod remembered;
mod workplace;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use repo::{Repo, RepoError, UnixTime};
use xfer::body::{Body, BodyError, ContentType, pack, unpack};
use xfer::{DecodeLimits, Message, decode, encode};

use crate::{
    Buggify, Cx, Event, Limits, NoFaults, NoGuard, NoObserver, Observer, Progress, Session, SyncError,
    SyncOptions, SyncResult, Transport, TransportError, class_of, short,
};

use self::again::{Again, Way};
pub use self::clone::{CloneOptions, CloneResult, Guest, clone};
pub use self::offer::try_clone;
pub use self::remembered::{Remember, remembered_password, remembered_url};
pub use self::workplace::{FileError, work_file};

/// Why a session, or a clone as a whole, failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The session failed: what was exchanged, or our repository.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// An exchange failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// A reply is labelled as a message and is none.
    #[error("the reply is no message: {0}")]
    Body(#[from] BodyError),
    /// The file that a clone is to make cannot be made.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Randomness(#[from] getrandom::Error),
}

impl ClientError {
    /// One word for what kind of failure it is, for figures and alerts. The set of words is closed.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Sync(error) => error.class(),
            Self::Transport(error) => error.class(),
            Self::Body(_) => "malformed",
            Self::File(FileError::Busy(_)) => "repository-busy",
            Self::File(FileError::Io { .. }) => "repository",
            Self::File(_) => "usage",
            Self::Randomness(_) => "other",
        }
    }
}

impl From<RepoError> for ClientError {
    fn from(error: RepoError) -> Self {
        Self::Sync(error.into())
    }
}

/// What a session takes from outside: bounds, time, chance, and who listens.
pub struct Setting {
    /// Budgets and bounds of the session.
    pub limits: Limits,
    /// Bounds of a reply.
    pub decode: DecodeLimits,
    /// Tells the time.
    pub clock: fn() -> UnixTime,
    /// Makes the nonces of this session differ from those of any other.
    pub seed: [u8; 20],
    /// How long, all in all, a session waits for a peer that is busy (HTTP status 429, 502, 503, 504): as long as that
    /// says in Retry-After, else a second, then twice as long each time. Default: not at all.
    pub patience: Duration,
    /// Takes rare choices, in simulations.
    pub buggify: Box<dyn Buggify + Send>,
    /// Is told what happens.
    pub observer: Box<dyn Observer + Send>,
}

impl Setting {
    /// The default bounds, the system's clock and randomness, no faults, no observer.
    pub fn new() -> Result<Self, ClientError> {
        let mut seed = [0; 20];
        getrandom::fill(&mut seed)?;
        Ok(Self {
            limits: Limits::default(),
            decode: DecodeLimits::default(),
            clock: now,
            seed,
            patience: Duration::ZERO,
            buggify: Box::new(NoFaults),
            observer: Box::new(NoObserver),
        })
    }

    fn cx<T>(&mut self, half_round: impl FnOnce(&mut Cx<'_>) -> T) -> T {
        let clock = self.clock;
        half_round(&mut Cx {
            now: clock(),
            clock: Some(&clock),
            limits: &self.limits,
            peer: None,
            guard: &NoGuard,
            buggify: &*self.buggify,
            observer: &mut *self.observer,
        })
    }
}

/// Runs one session to its end.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use repo::{Genesis, Repo};
/// use sync::SyncOptions;
/// use sync::client::{self, Remember, Setting};
/// use sync::http::{HttpOptions, HttpTransport, serve};
///
/// # let directory = tempfile::tempdir()?;
/// # let (ours, theirs) = (directory.path().join("project.fossil"), directory.path().join("theirs.fossil"));
/// # for file in [&ours, &theirs] {
/// #     let (project, server) = ("ab".repeat(20), "cd".repeat(20));
/// #     Repo::create(file, &Genesis { project, server, public: "go".into(), ..Genesis::default() })?;
/// # }
/// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let url = format!("http://{}/", listener.local_addr()?);
/// # let service = serve::XferService::new(serve::Repos::new(&theirs)?, serve::ServeOptions::default());
/// # tokio::spawn(serve::run(listener, service, std::future::pending()));
/// let mut repo = Repo::open(&ours)?;
/// let mut transport = HttpTransport::new(url.parse()?, HttpOptions::default());
/// let options = SyncOptions { pull: true, ..SyncOptions::default() };
/// let result = client::sync(&mut repo, &mut transport, options, Remember::No, &mut Setting::new()?).await?;
/// assert_eq!((result.rounds, result.stats.files_received), (1, 0), "both hold the same");
/// # Ok(())
/// # }
/// ```
pub async fn sync<T: Transport>(
    repo: &mut Repo,
    transport: &mut T,
    options: SyncOptions,
    remember: Remember,
    setting: &mut Setting,
) -> Result<SyncResult, ClientError> {
    let mut session = Session::sync(options.clone(), setting.seed);
    run(&mut session, repo, transport, setting).await?;
    let stored = blocking(|| remembered::store(repo, transport, &options, remember, (setting.clock)()));
    beside_sessions(stored, options.operation(), setting)?;
    Ok(session.result())
}

/// Tells of what failed before a session began, or after it ended.
fn beside_sessions<T>(
    outcome: Result<T, impl Into<ClientError>>,
    operation: &'static str,
    setting: &mut Setting,
) -> Result<T, ClientError> {
    let outcome = outcome.map_err(Into::into);
    if let Err(error) = &outcome {
        let class = class_of(error);
        setting.cx(|cx| cx.tell(|_| Event::Failed { operation, class, error, again: false }));
    }
    outcome
}

/// Half-rounds on this side alternate with exchanges, until the session is done.
async fn run<T: Transport>(
    session: &mut Session,
    repo: &mut Repo,
    transport: &mut T,
    setting: &mut Setting,
) -> Result<(), ClientError> {
    let mut again = Again::new(setting.patience);
    let mut ahead = None;
    loop {
        let exchanged = match ahead.take() {
            Some(exchanged) => exchanged,
            None => {
                let request = blocking(|| compose(session, repo, setting))?;
                let mut exchange = Exchange::begin(request, transport, setting);
                if session.has_to_read_ahead() {
                    exchange.start().await;
                    blocking(|| setting.cx(|cx| session.read_ahead(repo, cx)));
                }
                exchange.end().await
            }
        };
        let Exchanged { sent, begun, outcome } = exchanged;
        let (destination, status) = (transport.destination(), transport.status());
        if destination.is_some() || status.is_some() {
            setting.cx(|cx| cx.tell(|_| Event::Carried { destination, status }));
        }
        let reply = match outcome {
            Ok(reply) => reply,
            Err(error) => {
                let (budget, chance) = (setting.limits.send_bytes, setting.seed[0]);
                let way = again.after(&error, sent, budget, transport.retry_after(), chance);
                let Some(way) = way.filter(|way| *way != Way::Whole || session.send_whole()) else {
                    setting.cx(|cx| session.abandon(&error, cx));
                    return Err(error.into());
                };
                setting.cx(|cx| cx.tell(|_| session.failed(&error, true)));
                let error = error.to_string();
                match way {
                    Way::Later(wait) => {
                        tracing::warn!(error = %short(&error), "asking again in {:.1} seconds", wait.as_secs_f32());
                        tokio::time::sleep(wait).await;
                    }
                    Way::Smaller(send_bytes) => {
                        tracing::info!(error = %short(&error), send_bytes, "going on with smaller requests");
                        setting.limits.send_bytes = send_bytes;
                    }
                    Way::Whole => tracing::info!(error = %short(&error), "going on without deltas"),
                }
                continue;
            }
        };
        again.reset();
        setting.cx(|cx| cx.tell(|cx| Event::Exchanged { duration: cx.since(begun) }));
        session.travelled(sent, reply.bytes.len() as u64);
        let message = blocking(|| read(session, reply, setting))?;
        let Some(next) = blocking(|| setting.cx(|cx| session.look_ahead(repo, &message, cx))) else {
            if blocking(|| absorb(session, repo, &message, setting))? == Progress::Done {
                return Ok(());
            }
            continue;
        };
        let mut exchange = Exchange::begin(packed(next), transport, setting);
        exchange.start().await;
        if blocking(|| absorb(session, repo, &message, setting))? == Progress::Done {
            return Ok(());
        }
        drop(message);
        let is_next = setting.cx(|cx| session.go_ahead(cx));
        let exchanged = exchange.end().await;
        // One that failed is composed again in its turn.
        ahead = Some(exchanged).filter(|exchanged| is_next && exchanged.outcome.is_ok());
    }
}

/// A request on its way.
struct Exchange<F> {
    sent: u64,
    begun: UnixTime,
    reply: Pin<Box<F>>,
    outcome: Option<Result<Body, TransportError>>,
}

/// What became of a request.
struct Exchanged {
    sent: u64,
    begun: UnixTime,
    outcome: Result<Body, TransportError>,
}

impl Exchange<()> {
    fn begin<'t, T: Transport>(
        request: Body,
        transport: &'t mut T,
        setting: &mut Setting,
    ) -> Exchange<impl Future<Output = Result<Body, TransportError>> + use<'t, T>> {
        let sent = request.bytes.len() as u64;
        transport.carry(setting.observer.trace());
        let begun = (setting.clock)();
        Exchange { sent, begun, reply: Box::pin(transport.exchange(request)), outcome: None }
    }
}

impl<F: Future<Output = Result<Body, TransportError>>> Exchange<F> {
    /// Sends the request as far as that takes no waiting.
    async fn start(&mut self) {
        let mut once = |cx: &mut Context<'_>| {
            if let Poll::Ready(outcome) = self.reply.as_mut().poll(cx) {
                self.outcome = Some(outcome);
            }
            Poll::Ready(())
        };
        std::future::poll_fn(&mut once).await;
    }

    async fn end(self) -> Exchanged {
        let Self { sent, begun, reply, outcome } = self;
        let outcome = match outcome {
            Some(outcome) => outcome,
            None => reply.await,
        };
        Exchanged { sent, begun, outcome }
    }
}

fn compose(session: &mut Session, repo: &mut Repo, setting: &mut Setting) -> Result<Body, ClientError> {
    let message = setting.cx(|cx| session.next_request(repo, cx))?;
    Ok(packed(message))
}

fn packed(message: Message) -> Body {
    let text = encode(&message);
    // Once it is written, what it was made of is not needed.
    drop(message);
    pack(text, ContentType::Compressed)
}

/// The message that a reply is.
fn read(session: &mut Session, reply: Body, setting: &mut Setting) -> Result<Message, ClientError> {
    let unpacked = open(&reply, &setting.decode);
    // Once it is unpacked, the packed form is not needed.
    drop(reply);
    let text = match unpacked {
        Ok(text) => text,
        Err(error) => {
            setting.cx(|cx| session.abandon(&error, cx));
            return Err(error.into());
        }
    };
    decode(&text, &setting.decode).map_err(|error| {
        setting.cx(|cx| session.abandon(&error, cx));
        SyncError::from(error).into()
    })
}

fn absorb(
    session: &mut Session,
    repo: &mut Repo,
    message: &Message,
    setting: &mut Setting,
) -> Result<Progress, ClientError> {
    Ok(setting.cx(|cx| session.handle_reply(repo, message, cx))?)
}

/// The text of a reply. Nothing at all is an empty message.
fn open(reply: &Body, limits: &DecodeLimits) -> Result<Bytes, BodyError> {
    if reply.bytes.is_empty() {
        return Ok(Bytes::new());
    }
    unpack(reply, limits)
}

/// Runs work on the database, which blocks, without holding up other tasks of a multi-threaded runtime.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// The system's time, for the core, which has no clock.
#[expect(clippy::disallowed_methods, reason = "the shell is where time is read")]
pub fn now() -> UnixTime {
    use std::time::{SystemTime, UNIX_EPOCH};
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
