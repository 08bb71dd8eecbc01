//! Answering for a server that is reached over HTTP: rounds are handed on to it, and its replies back, as they are.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use repo::CacheUse;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use xfer::body::{Body, ContentType, pack, unpack};
use xfer::card::CloneRequest;
use xfer::{Card, DecodeLimits, Message, decode, encode};

use super::clerk::Refused;
use super::topic::{PeerId, WordError};
use crate::http::serve::{Form, Memory, ServeOptions, Share};
use crate::http::{HttpOptions, HttpTransport, Url};
use crate::{
    Doorman, Event, NoObserver, Observer, ObserverSource, PeerFault, RoundStats, TraceContext, Transport,
    TransportError,
};

/// How long the connections of a transport are used again: where a redirect led counts no longer.
const FRESH: Duration = Duration::from_secs(60);

/// A clone from here on has nothing to send, and names the project all the same.
const BEYOND_ALL: u32 = i32::MAX as u32;

/// Longest host that is shown in the name of a bridge, in bytes.
const MAX_HOST_BYTES: usize = 60;

/// Bounds and hooks of a bridge to one server.
#[derive(Clone)]
pub struct HubOptions {
    /// How the server is spoken to.
    pub http: HttpOptions,
    /// Longest request that is handed on, in bytes. Default [`ServeOptions::REQUEST_BYTES`].
    pub request_bytes: usize,
    /// Memory: half for requests, half for replies that are on their way. Default 256 MiB.
    pub memory_bytes: usize,
    /// Requests that the server has at once; others wait. Default 8: stock starts a process for each.
    pub concurrent: usize,
    /// Hears of every request that was handed on; none: nobody does.
    pub observer: Option<HubObserver>,
    /// Makes the observer of each request of the broker, from when it has come whole. Default: nobody listens.
    pub requests: ObserverSource,
    /// Hears of each request of the broker that was turned away before it had come whole. Default: nobody does.
    pub turned_away: Doorman,
}

/// Hears what became of a request.
pub type HubObserver = Arc<dyn Fn(&Handed<'_>) + Send + Sync>;

/// A request that was handed on.
#[derive(Debug, Clone, Copy)]
pub struct Handed<'a> {
    /// Bytes of the request.
    pub sent: usize,
    /// Bytes of the reply.
    pub received: usize,
    /// Why there was no reply, if there was none.
    pub error: Option<&'a TransportError>,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            http: HttpOptions::default(),
            request_bytes: ServeOptions::REQUEST_BYTES,
            memory_bytes: 256 << 20,
            concurrent: 8,
            observer: None,
            requests: Arc::new(|_| Box::new(NoObserver)),
            turned_away: Arc::new(|_, _| {}),
        }
    }
}

/// A server behind a bridge. A clone of it is the same one, with the same bounds.
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

struct Inner {
    url: Url,
    options: HubOptions,
    requests: Memory,
    replies: Memory,
    workers: Semaphore,
    /// Transports with their connections, and when they were made.
    idle: Mutex<Vec<(HttpTransport, Instant)>>,
}

/// Why it is not known which project a server has.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// It was not reached, or gave no reply.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Its reply is no message of this protocol, or names no project.
    #[error("{server} does not say which project it has: {reason}")]
    NoProject {
        /// Host and port.
        server: String,
        /// What it said instead.
        reason: String,
    },
}

impl Hub {
    /// Will speak to `url`, as nobody in particular: whoever asks logs in by itself. Nothing is opened yet.
    pub fn new(mut url: Url, options: HubOptions) -> Self {
        (url.user, url.password) = (None, None);
        let half = || Memory::new(options.memory_bytes / 2);
        let (requests, replies) = (half(), half());
        let workers = Semaphore::new(options.concurrent.max(1));
        Self { inner: Arc::new(Inner { url, options, requests, replies, workers, idle: Mutex::default() }) }
    }

    /// Where the server is.
    pub fn url(&self) -> &Url {
        &self.inner.url
    }

    /// What a bridge to this server is called unless it was given another name: the same wherever it runs, so that
    /// several of them share the work.
    pub fn peer(&self) -> Result<PeerId, WordError> {
        let url = &self.inner.url;
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let host: String = url.host.chars().take(MAX_HOST_BYTES).map(plain).collect();
        PeerId::new(&format!("bridge-{host}-{:08x}", crc32fast::hash(url.without_user().as_bytes())))
    }

    /// Asks the server for its project code, which it tells even those who may not clone.
    pub async fn project(&self) -> Result<String, HubError> {
        let ask = CloneRequest::Batch { version: 3, seqno: BEYOND_ALL };
        let request = pack(encode(&Message::from(vec![Card::Clone(ask)])), ContentType::Compressed);
        let reply = self.hand_on(request, None).await?;
        let none = |reason: String| HubError::NoProject { server: self.inner.url.authority(), reason };
        let limits = DecodeLimits::default();
        let text = unpack(&reply, &limits).map_err(|error| none(error.to_string()))?;
        let message = decode(&text, &limits).map_err(|error| none(error.to_string()))?;
        let named = message.cards.iter().find_map(|card| match card {
            Card::Push(codes) => Some(codes.project.clone()),
            _ => None,
        });
        named.ok_or_else(|| none(message.first_error().unwrap_or("it names none").to_owned()))
    }

    /// Answers a request that holds a share of memory for requests. The reply holds one for replies.
    pub(super) async fn answer(
        &self,
        body: Body,
        trace: Option<TraceContext>,
        form: Form,
        share: Share,
        mut watch: Box<dyn Observer + Send>,
    ) -> Result<(Body, Share), Refused> {
        let Inner { replies, options, .. } = &*self.inner;
        let begun = Instant::now();
        watch.observe(&Event::RequestStarted { operation: "bridge", project: None, peer: None });
        let reply = self.hand_on(body, trace).await;
        drop(share);
        watch.observe(&Event::RequestHandled {
            // Nobody here looks into it.
            cards: 0,
            stats: &RoundStats::default(),
            duration: begun.elapsed(),
            cache: CacheUse::default(),
            refusal: None,
            error: reply.as_ref().err().map(|error| error as &(dyn Error + 'static)),
        });
        let reply = reply.map_err(|error| Refused { fault: fault(&error), text: error.to_string() })?;
        let mut share = Share::default();
        let grown = replies.grow(&mut share, reply.bytes.len() as u64, options.http.idle_timeout).await;
        if grown.is_none() {
            watch.observe(&Event::NoRoom);
            return Err(Refused { fault: PeerFault::Busy, text: "the bridge has no room now".to_owned() });
        }
        let reply = match (form, reply.content_type) {
            (Form::AsAsked, _) | (Form::Plain { .. }, ContentType::Compressed) => reply,
            (Form::Plain { .. }, _) => compressed(reply).await?,
        };
        watch.observe(&Event::Replied { bytes: reply.bytes.len() as u64 });
        Ok((reply, share))
    }

    async fn hand_on(&self, request: Body, trace: Option<TraceContext>) -> Result<Body, TransportError> {
        let Inner { workers, options, .. } = &*self.inner;
        // It is never closed.
        let _worker = workers.acquire().await.map_err(|_| TransportError::Exhausted)?;
        let (mut transport, made) = self.transport();
        let sent = request.bytes.len();
        transport.carry(trace);
        let reply = transport.exchange(request).await;
        if reply.is_ok() {
            lock(&self.inner.idle).push((transport, made));
        }
        if let Some(observer) = &options.observer {
            let received = reply.as_ref().map_or(0, |reply| reply.bytes.len());
            observer(&Handed { sent, received, error: reply.as_ref().err() });
        }
        reply
    }

    fn transport(&self) -> (HttpTransport, Instant) {
        let mut idle = lock(&self.inner.idle);
        idle.retain(|(_, made)| made.elapsed() < FRESH);
        idle.pop().unwrap_or_else(|| {
            let transport = HttpTransport::new(self.inner.url.clone(), self.inner.options.http.clone());
            (transport, Instant::now())
        })
    }

    pub(super) fn observer(&self) -> &ObserverSource {
        &self.inner.options.requests
    }

    pub(super) fn doorman(&self) -> &Doorman {
        &self.inner.options.turned_away
    }

    pub(super) fn requests(&self) -> &Memory {
        &self.inner.requests
    }

    pub(super) fn request_bytes(&self) -> usize {
        self.inner.options.request_bytes
    }

    pub(super) fn idle_timeout(&self) -> Duration {
        self.inner.options.http.idle_timeout
    }
}

/// The only form that agents without headers know.
async fn compressed(reply: Body) -> Result<Body, Refused> {
    let packed = tokio::task::spawn_blocking(move || {
        unpack(&reply, &DecodeLimits::default()).map(|text| pack(&text[..], ContentType::Compressed))
    });
    let failed = |text: String| Refused { fault: PeerFault::Failed, text };
    let packed = packed.await.map_err(|_| failed("the bridge failed".to_owned()))?;
    packed.map_err(|error| failed(error.to_string()))
}

/// What an asker is told of a server that gave no reply.
fn fault(error: &TransportError) -> PeerFault {
    match error {
        TransportError::Status { status: 429 | 503, .. } => PeerFault::Busy,
        TransportError::Status { status: 404 | 410, .. } => PeerFault::Gone,
        TransportError::Status { status: 413, .. } | TransportError::TooLong { .. } => PeerFault::TooLong,
        error if error.may_retry() => PeerFault::Unreachable,
        _ => PeerFault::Failed,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hub").field(&self.inner.url.without_user()).finish()
    }
}

impl fmt::Debug for HubOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubOptions").field("http", &self.http).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(url: &str) -> Hub {
        Hub::new(url.parse().unwrap(), HubOptions::default())
    }

    #[test]
    fn a_bridge_has_a_name_by_its_server_whoever_runs_it() {
        let name = |url: &str| hub(url).peer().unwrap().to_string();
        assert_eq!(name("http://bob:hush@h.example/a"), name("http://h.example/a"));
        assert!(name("http://h.example:81/a").starts_with("bridge-h-example-"));
        assert_ne!(name("http://h/a"), name("http://h/b"));
        assert!(name("http://[::1]/").starts_with("bridge---1-"));
        assert!(name(&format!("http://{}/", "x".repeat(200))).len() < 128);
    }

    #[test]
    fn what_the_server_failed_at_is_told_by_its_kind() {
        let status = |status| TransportError::Status { peer: "h".into(), status, text: String::new() };
        let cases = [
            (TransportError::Unreachable { peer: "h".into(), reason: String::new() }, PeerFault::Unreachable),
            (TransportError::Empty { peer: "h".into() }, PeerFault::Failed),
            (status(502), PeerFault::Unreachable),
            (status(503), PeerFault::Busy),
            (status(404), PeerFault::Gone),
            (status(413), PeerFault::TooLong),
            (status(500), PeerFault::Failed),
        ];
        for (error, expected) in cases {
            assert_eq!(fault(&error), expected, "{error}");
        }
    }
}
