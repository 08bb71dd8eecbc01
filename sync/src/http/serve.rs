//! Serving repositories: a service to mount in a router, and a listener that runs it.
//!
//! Alone on a port, until told to stop:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use repo::{Genesis, Repo};
//! use sync::http::serve::{self, Repos};
//!
//! let directory = tempfile::tempdir()?;
//! let file = directory.path().join("project.fossil");
//! Repo::create(&file, &Genesis { project: "ab".repeat(20), server: "cd".repeat(20), ..Genesis::default() })?;
//!
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let server = serve::listen("127.0.0.1:0", Repos::new(&file)?, async { drop(stopped.await) });
//! # drop(stop);
//! server.await?;
//! # Ok(())
//! # }
//! ```
//!
//! Beside other routes: [`XferService`] is a tower service, and [`XferService::answer`] the same as a method.
//! What a host wants to decide by the head of a request, it decides before it hands the request on; what it
//! wants to decide by the message, in [`ServeOptions::handler`].
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use repo::{Genesis, Repo};
//! use bytes::Bytes;
//! use http::{HeaderMap, Request, Response, StatusCode};
//! use http_body_util::{BodyExt, Full, combinators::BoxBody};
//! use sync::http::serve::{Repos, ServeOptions, XferService};
//!
//! type Reply = Response<BoxBody<Bytes, std::convert::Infallible>>;
//!
//! async fn route(xfer: &XferService, request: Request<Full<Bytes>>) -> Reply {
//!     let say = |status, text: &'static str| {
//!         let mut reply = Response::new(Full::from(text).boxed());
//!         *reply.status_mut() = status;
//!         reply
//!     };
//!     match request.uri().path() {
//!         "/healthz" => say(StatusCode::OK, "well"),
//!         _ if !request.headers().contains_key("x-token") => say(StatusCode::UNAUTHORIZED, "no token"),
//!         _ => xfer.answer(request).await.map(BodyExt::boxed),
//!     }
//! }
//!
//! # let directory = tempfile::tempdir()?;
//! # let file = directory.path().join("project.fossil");
//! # Repo::create(&file, &Genesis { project: "ab".repeat(20), server: "cd".repeat(20), ..Genesis::default() })?;
//! let options = ServeOptions { base_path: "/code".into(), ..ServeOptions::default() };
//! let xfer = XferService::new(Repos::new(&file)?, options);
//! let get = |path| Request::get(path).header("x-token", "1").body(Full::default());
//! assert_eq!(route(&xfer, get("/healthz")?).await.status(), StatusCode::OK);
//! assert_eq!(route(&xfer, get("/code/")?).await.status(), StatusCode::OK);
//! assert_eq!(route(&xfer, get("/other")?).await.status(), StatusCode::NOT_FOUND);
//! assert_eq!(route(&xfer, Request::get("/code/").body(Full::default())?).await.status(), 401);
//! # Ok(())
//! # }
//! ```

mod addresses;
mod certificate;
mod cookie;
mod desk;
mod forwarded;
mod listen;
mod memory;
mod overlong;
mod pace;
mod patience;
mod reply;
mod repos;
mod route;
mod verdicts;

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body as HttpBody;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tower_service::Service;
use xfer::DecodeLimits;
use xfer::body::{Body, ContentType};

pub use self::certificate::{Certificate, CertificateError};
use self::desk::{Answered, Desk};
pub(crate) use self::desk::{Form, Letter, Trouble};
use self::forwarded::Site;
pub use self::forwarded::{ForwardHeader, Forwarding, Network};
pub use self::listen::{listen, run};
use self::memory::kib;
pub(crate) use self::memory::{Memory, Share};
use self::pace::Pace;
pub use self::reply::ReplyBody;
use self::repos::Open;
pub(crate) use self::repos::Place;
pub use self::repos::Repos;
use self::route::{Refusal, Route, route};
use super::page;
use crate::guard::Doorkeeper;
use crate::{
    Carrier, Doorman, Event, Guard, Handler, Limits, NoObserver, Observer, ObserverSource, Origin,
    TraceContext,
};

/// The shortest line that becomes a card: `#` and its LF.
const LEAST_CARD_BYTES: u64 = 2;

const FULL: Refusal = Refusal::new(Trouble::Full.status(), Trouble::Full.text());
const NOBODY: Refusal = Refusal::new(Trouble::Gone.status(), Trouble::Gone.text());
const TOO_LONG: Refusal =
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "the request is longer than this server takes");

/// Memory of a decoded card, about.
const CARD_BYTES: u64 = 128;

/// The address of whoever sent a request, in the request's extensions: it is recorded with what a push brings,
/// and handlers see it. [`run`] puts it there; a host that mounts [`XferService`] does so itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteAddress(pub String);

/// Answers a request by its head alone, or leaves it to the repositories.
pub type Front = Arc<dyn Fn(&Parts) -> Option<Response<Bytes>> + Send + Sync>;

/// Bounds and hooks of a server.
#[derive(Clone)]
pub struct ServeOptions {
    /// The path everything is served under: empty, or `/p` without a slash at its end.
    pub base_path: String,
    /// Budgets of a reply.
    pub limits: Limits,
    /// What an open repository may cost: its cache of contents, the size of an artifact, how long it waits for
    /// other users of the file. Under load each repository is open several times, with a cache each.
    pub repo_limits: repo::Limits,
    /// Bounds of a request.
    pub decode: DecodeLimits,
    /// Requests that are worked on at once. Others wait.
    pub concurrent: usize,
    /// Connections to a repository that stay open for the next request, with what they keep in memory. Default 4.
    pub kept: usize,
    /// Connections that are open at once. Others wait in the system's queue.
    pub connections: usize,
    /// Connections that one address may have open, a /64 network of IPv6 as one; more are closed at once. Loopback
    /// and web servers before us that are believed are not counted.
    pub address_connections: usize,
    /// Memory: half for requests being read, half for replies being written, half for replies that wait for room
    /// there (beyond it, 503); and the whole for what requests inflate and decode to. A request that needs more
    /// than all of its part is worked on alone; when several wait for each other, one goes beyond. Each connection
    /// has 64 KiB beside it.
    pub memory_bytes: usize,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// How long a peer may send nothing of a body, or take nothing of a reply. Together, such waits may last so long
    /// and the length at the least rate.
    pub idle_timeout: Duration,
    /// Bytes a second that a peer sends or takes at least.
    pub least_rate: u64,
    /// What takes the place of `idle_timeout` while others wait for the memory that the peer holds.
    pub crowded_timeout: Duration,
    /// What takes the place of `least_rate` then.
    pub crowded_rate: u64,
    /// How long requests that are being answered may go on once the server is to stop.
    pub drain_timeout: Duration,
    /// Whose word counts for who asks, of [`run`].
    pub forwarding: Forwarding,
    /// With it, [`run`] takes connections over TLS only.
    pub certificate: Option<Arc<Certificate>>,
    /// Asked first, by [`run`].
    pub front: Option<Front>,
    /// Answers messages.
    pub handler: Handler,
    /// Makes observers.
    pub observer: ObserverSource,
    /// Hears of requests that get none: they were turned away before they had come whole.
    pub turned_away: Doorman,
    /// Slows down who guesses passwords, and refuses requests that come again; a [`Doorkeeper`] unless a host
    /// has its own, or shares one among services.
    pub guard: Arc<dyn Guard + Send + Sync>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            base_path: String::new(),
            limits: Limits::default(),
            repo_limits: repo::Limits::of_many(),
            decode: Self::taking(Self::REQUEST_BYTES),
            concurrent: 4,
            kept: 4,
            connections: 512,
            address_connections: 24,
            memory_bytes: 256 << 20,
            header_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            least_rate: 4 << 10,
            crowded_timeout: Duration::from_secs(5),
            crowded_rate: 64 << 10,
            drain_timeout: Duration::from_secs(25),
            forwarding: Forwarding::default(),
            certificate: None,
            front: None,
            handler: Arc::new(crate::handle_sync),
            observer: Arc::new(|_| Box::new(NoObserver)),
            turned_away: Arc::new(|_, _| {}),
            guard: Arc::new(Doorkeeper::default()),
        }
    }
}

impl ServeOptions {
    /// Bytes of a request that are taken unless more is asked for: 256 MiB.
    pub const REQUEST_BYTES: usize = 256 << 20;

    /// Bounds of requests of up to so many bytes: less than of a reply, since anyone may send one. Stock clients stay
    /// below those of [`Self::REQUEST_BYTES`] unless they push a larger artifact, or name more than half a million
    /// artifacts at once.
    pub fn taking(request_bytes: usize) -> DecodeLimits {
        let all = DecodeLimits::default();
        let opened = request_bytes.max(Self::REQUEST_BYTES).saturating_mul(2);
        DecodeLimits {
            body_bytes: request_bytes.min(all.body_bytes),
            message_bytes: opened.min(all.message_bytes),
            payload_bytes: opened.min(all.payload_bytes),
            cards: 512 << 10,
            ..all
        }
    }
}

/// Answers HTTP requests from repositories: rounds of the sync protocol on any path, pages on GET. A clone of it
/// is the same service, with the same bounds.
#[derive(Clone)]
pub struct XferService {
    inner: Arc<Inner>,
}

struct Inner {
    desk: Desk,
    /// What requests take that are being read.
    requests: Memory,
    /// What replies take that are being written.
    replies: Memory,
    /// What replies take that wait for a share of that.
    waiting: Memory,
    /// One permit a KiB of what requests inflate to. A share of its own: who waits for it holds one of another.
    opened: Arc<Semaphore>,
    workers: Semaphore,
}

type BoxError = Box<dyn Error + Send + Sync>;

impl XferService {
    /// Serves `repos`.
    pub fn new(repos: Repos, options: ServeOptions) -> Self {
        let half = || Memory::new(options.memory_bytes / 2);
        let (requests, replies, waiting) = (half(), half(), half());
        let opened = Arc::new(Semaphore::new(kib(options.memory_bytes as u64)));
        let workers = Semaphore::new(options.concurrent.max(1));
        let desk = Desk { repos, options };
        Self { inner: Arc::new(Inner { desk, requests, replies, waiting, opened, workers }) }
    }

    pub(crate) fn options(&self) -> &ServeOptions {
        &self.inner.desk.options
    }

    /// Answers one request. Whatever goes wrong is a reply.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<ReplyBody>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
    {
        let (head, body) = request.into_parts();
        match route(&head) {
            Route::Round { content_type, length } => self.round(&head, body, content_type, length).await,
            Route::Page => self.page(&head).await,
            Route::Refuse(refusal) => self.turn_away(refusal),
        }
    }

    /// Refuses a request that has not come whole.
    fn turn_away(&self, refusal: Refusal) -> Response<ReplyBody> {
        (self.options().turned_away)(Carrier::Http, refusal.reason());
        reply::refusal(refusal)
    }

    async fn round<B>(
        &self,
        head: &Parts,
        body: B,
        content_type: ContentType,
        length: u64,
    ) -> Response<ReplyBody>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
    {
        let Some(place) = self.locate(head.uri.path()) else { return self.turn_away(NOBODY) };
        if length > self.options().decode.body_bytes as u64 {
            overlong::hear_out(body).await;
            return self.turn_away(TOO_LONG);
        }
        let (bytes, share) = match self.read(body, length).await {
            Ok(read) => read,
            Err(refusal) => return self.turn_away(refusal),
        };
        let peer = head.extensions.get::<RemoteAddress>().cloned();
        let (body, login) = (Body { content_type, bytes }, cookie::login_card(head));
        let watch = (self.options().observer)(&Origin {
            carrier: Carrier::Http,
            peer: peer.as_ref().map(|RemoteAddress(address)| address.as_str()),
            file: &place.file,
            target: head.uri.path(),
            bytes: body.bytes.len() as u64,
            trace: trace(&head.headers).as_ref(),
        });
        let letter = Letter { body, peer, login, form: Form::AsAsked };
        let span = watch.trace();
        let mut response = match self.exchange(&place, letter, share, watch).await {
            Ok((body, share)) => {
                let content_type = body.content_type.as_str();
                reply::reply(StatusCode::OK, content_type, ReplyBody::new(body.bytes, share))
            }
            Err(trouble) => reply::line(trouble.status(), trouble.text()),
        };
        // For the log, which is written when all is done.
        if let Some(span) = span {
            response.extensions_mut().insert(span);
        }
        response
    }

    /// Answers a letter that holds a share of memory for requests. The reply holds one for replies.
    pub(crate) async fn exchange(
        &self,
        place: &Place,
        letter: Letter,
        share: Share,
        watch: Box<dyn Observer + Send>,
    ) -> Result<(Body, Share), Trouble> {
        let opened = self.opened(opened_bytes(&letter.body, &self.options().decode)).await;
        let (here, span) = (place.clone(), watch.trace());
        let answer = self.work(span, move |desk| desk.answer(&here, letter, watch)).await;
        drop((share, opened));
        let Answered { body, mut watch, open } = answer?;
        if let Some(open) = open {
            self.put_back(place.clone(), open);
        }
        let bytes = body.bytes.len() as u64;
        let Some(share) = self.reply_share(bytes).await else {
            watch.observe(&Event::NoRoom);
            watch.observe(&Trouble::Full.event());
            return Err(Trouble::Full);
        };
        watch.observe(&Event::Replied { bytes });
        Ok((body, share))
    }

    /// Keeps a repository that answered for the next request. What it committed gets into its file meanwhile: nobody waits
    /// for that.
    fn put_back(&self, place: Place, open: Open) {
        if open.repo.take_write_back_due() {
            let (inner, file) = (Arc::clone(&self.inner), place.file.clone());
            tokio::task::spawn_blocking(move || {
                if let Err(error) = repo::write_back(&file) {
                    tracing::debug!(%error, file = %file.display(), "a log is not written back");
                }
                // Its last owner is to find nobody else at the file.
                drop(inner);
            });
        }
        self.inner.desk.keep(place, open);
    }

    /// The repositories that are served now.
    #[cfg(feature = "nats")]
    pub(crate) fn repos(&self) -> &Repos {
        &self.inner.desk.repos
    }

    /// What requests take that are being read.
    #[cfg(feature = "nats")]
    pub(crate) fn requests(&self) -> &Memory {
        &self.inner.requests
    }

    async fn page(&self, head: &Parts) -> Response<ReplyBody> {
        let asked = head.uri.path().to_owned();
        let Some(path) = under(&self.options().base_path, &asked).map(str::to_owned) else {
            return reply::line(StatusCode::NOT_FOUND, "nothing is served here");
        };
        let site = head.extensions.get::<Site>().cloned();
        let html = self.work(None, move |desk| desk.page(&path, &asked, site.as_ref())).await;
        match html {
            Ok(Some(html)) => reply::page(html),
            Ok(None) => reply::line(StatusCode::NOT_FOUND, "nothing is served here"),
            Err(trouble) => reply::line(trouble.status(), trouble.text()),
        }
    }

    /// The repository that a round is meant for. A single file takes every path, as stock does.
    fn locate(&self, path: &str) -> Option<Place> {
        let repos = &self.inner.desk.repos;
        if !repos.is_directory() {
            return repos.locate("/");
        }
        repos.locate(under(&self.options().base_path, path)?)
    }

    /// Reads a body and takes memory as it arrives: what a head declares costs nothing.
    async fn read<B>(&self, body: B, length: u64) -> Result<(Bytes, Share), Refusal>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
    {
        let mut body = std::pin::pin!(body);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (mut bytes, mut share) = (BytesMut::new(), Share::default());
        let (memory, mut pace) = (&self.inner.requests, Pace::new(self.options()));
        loop {
            pace.wait(Instant::now());
            let frame = timeout(pace.look(Instant::now()), body.frame()).await;
            if pace.is_late(Instant::now(), share.holds_any() && memory.is_wanted()) {
                return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the request did not arrive in time"));
            }
            let Ok(frame) = frame.map(|frame| frame.map(Result::ok)) else { continue };
            let data = match frame {
                None if bytes.len() == length => return Ok((bytes.freeze(), share)),
                // Nobody means to send half a request: the line broke, and perhaps only this way.
                None | Some(None) => {
                    return Err(Refusal::new(
                        StatusCode::REQUEST_TIMEOUT,
                        "the request broke off on its way",
                    ));
                }
                Some(Some(frame)) => frame.into_data().unwrap_or_default(),
            };
            if data.len() > length - bytes.len() {
                break;
            }
            pace.moved(data.len(), Instant::now());
            let needed = (bytes.len() + data.len()) as u64;
            if memory.grow(&mut share, needed, self.options().idle_timeout).await.is_none() {
                return Err(FULL);
            }
            bytes.extend_from_slice(&data);
        }
        Err(Refusal::new(StatusCode::BAD_REQUEST, "the request is not as long as it says"))
    }

    /// Runs what blocks, a bounded number at once. A panic there is a failure of that request alone.
    async fn work<T: Send + 'static>(
        &self,
        span: Option<TraceContext>,
        job: impl FnOnce(&Desk) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let _worker = self.inner.workers.acquire().await.map_err(|_| Trouble::Failed)?;
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || job(&inner.desk)).await.unwrap_or_else(|error| {
            let (trace_id, span_id) = TraceContext::ids(span.as_ref());
            tracing::error!(%error, trace_id, span_id, "a request failed in an unforeseen way");
            Err(Trouble::Failed)
        })
    }

    async fn opened(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let all = kib(self.options().memory_bytes as u64);
        let permits = u32::try_from(kib(bytes).min(all)).unwrap_or(u32::MAX);
        Arc::clone(&self.inner.opened).acquire_many_owned(permits).await.ok()
    }

    /// Memory for a reply that is there already. None if too much waits for it, or it took too long.
    async fn reply_share(&self, bytes: u64) -> Option<Share> {
        let (mut share, mut waiting) = (Share::default(), Share::default());
        if self.inner.replies.grow_now(&mut share, bytes).is_none() {
            self.inner.waiting.grow_now(&mut waiting, bytes)?;
            self.inner.replies.grow(&mut share, bytes, self.options().idle_timeout).await?;
        }
        Some(share)
    }

    /// What replies take that are being written.
    pub(crate) fn replies(&self) -> &Memory {
        &self.inner.replies
    }
}

/// The trace that a request belongs to.
fn trace(headers: &HeaderMap) -> Option<TraceContext> {
    let value = |name| headers.get(name).and_then(|value| value.to_str().ok());
    TraceContext::new(value(TraceContext::PARENT)?, value(TraceContext::STATE))
}

impl<B> Service<Request<B>> for XferService
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<ReplyBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<ReplyBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request).await) })
    }
}

/// What reading a request takes beside its own bytes. What inflates to more than it declares is refused, and
/// what declares more than the limit is refused at once.
fn opened_bytes(request: &Body, limits: &DecodeLimits) -> u64 {
    let inflated = match (request.content_type, request.bytes.first_chunk()) {
        (ContentType::Compressed, Some(prefix)) => u64::from(u32::from_be_bytes(*prefix)),
        (ContentType::Compressed, None) => 0,
        (ContentType::Uncompressed | ContentType::Debug, _) => 0,
    };
    if inflated > limits.message_bytes as u64 {
        return 0;
    }
    let text = inflated.max(request.bytes.len() as u64);
    let cards = (text / LEAST_CARD_BYTES).min(limits.cards as u64);
    inflated.saturating_add(cards.saturating_mul(CARD_BYTES))
}

/// The rest of `path` under `base`. None if it is not under it.
fn under<'p>(base: &str, path: &'p str) -> Option<&'p str> {
    let rest = path.strip_prefix(base)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_charged_for_what_it_declares_to_inflate_to() {
        let limits = ServeOptions::taking(ServeOptions::REQUEST_BYTES);
        let opened = |content_type, bytes: Vec<u8>| {
            opened_bytes(&Body { content_type, bytes: Bytes::from(bytes) }, &limits)
        };
        let declared = |size: u32| opened(ContentType::Compressed, size.to_be_bytes().to_vec());
        let cards = 512 * 1024 * 128;
        assert_eq!(declared(100), 100 + 50 * 128);
        assert_eq!(declared(512 << 20), (512 << 20) + cards);
        assert_eq!(declared((512 << 20) + 1), 0, "refused before anything inflates");
        assert_eq!(opened(ContentType::Compressed, Vec::new()), 0);
        assert_eq!(opened(ContentType::Uncompressed, vec![0xff; 100]), 50 * 128);
        assert_eq!(opened(ContentType::Debug, vec![b'#'; 2 << 20]), cards);
    }
}
