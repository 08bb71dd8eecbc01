//! How a round travels.

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use xfer::body::Body;

use crate::TraceContext;

/// Carries one request to the peer and its reply back.
///
/// A way of one's own, here to a repository in the same program:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use repo::{Genesis, Repo};
/// use sync::client::{self, Remember, Setting};
/// use sync::{Cx, Limits, NoFaults, NoGuard, NoObserver, SyncOptions, Transport, TransportError, handle_sync};
/// use xfer::body::{Body, pack, unpack};
/// use xfer::{DecodeLimits, decode, encode};
///
/// struct Local(Repo);
///
/// impl Local {
///     fn answer(&mut self, request: Body) -> Result<Body, Box<dyn std::error::Error>> {
///         let message = decode(&unpack(&request, &DecodeLimits::default())?, &DecodeLimits::default())?;
///         let reply = handle_sync(&mut self.0, &message, &mut Cx {
///             now: client::now(),
///             clock: None,
///             limits: &Limits::default(),
///             peer: None,
///             guard: &NoGuard,
///             buggify: &NoFaults,
///             observer: &mut NoObserver,
///         })?;
///         Ok(pack(encode(&reply), request.content_type))
///     }
/// }
///
/// impl Transport for Local {
///     async fn exchange(&mut self, request: Body) -> Result<Body, TransportError> {
///         let failed = |reason: String| TransportError::CutShort { peer: "this program".into(), reason };
///         self.answer(request).map_err(|error| failed(error.to_string()))
///     }
/// }
///
/// let from = |server: &str| {
///     let (project, server) = ("ab".repeat(20), server.repeat(20));
///     Repo::in_memory(&Genesis { project, server, public: "go".into(), ..Genesis::default() })
/// };
/// let (mut ours, mut theirs) = (from("cd")?, Local(from("ef")?));
/// let options = SyncOptions { pull: true, ..SyncOptions::default() };
/// let result = client::sync(&mut ours, &mut theirs, options, Remember::No, &mut Setting::new()?).await?;
/// assert_eq!(result.rounds, 1);
/// # Ok(())
/// # }
/// ```
pub trait Transport {
    /// One exchange. An error says that the reply never came or was none: what the peer *said* is in the body.
    fn exchange(&mut self, request: Body) -> impl Future<Output = Result<Body, TransportError>>;

    /// How long the peer wants to be left alone, if it said so when it refused the last exchange.
    fn retry_after(&self) -> Option<Duration> {
        None
    }

    /// Sets which trace the exchanges to come belong to, where such a thing can be sent along.
    fn carry(&mut self, _trace: Option<TraceContext>) {}

    /// What the last request was sent to, where a broker carries it and that has a name there.
    fn destination(&self) -> Option<&str> {
        None
    }

    /// The HTTP status that the last request was answered with, if it was and there is such a thing.
    fn status(&self) -> Option<u16> {
        None
    }

    /// The address to remember for the next session, without a password; none if there is nothing to remember.
    fn lasting_url(&self) -> Option<String> {
        None
    }
}

/// Why an exchange failed: never the fault of a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The name of the peer has no address.
    #[error("no host is called {host} ({reason})")]
    UnknownHost {
        /// The name.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// Nobody answers at the address.
    #[error("cannot connect to {peer}: {reason}")]
    Unreachable {
        /// Host and port.
        peer: String,
        /// Why.
        reason: String,
    },
    /// The peer took too long.
    #[error("{peer} sent nothing more for {} seconds", after.as_secs())]
    TimedOut {
        /// Host and port.
        peer: String,
        /// How long was waited.
        after: Duration,
    },
    /// The peer was still at it after the time that one exchange may take.
    #[error("{peer} was not done after {} seconds", after.as_secs())]
    TooSlow {
        /// Host and port.
        peer: String,
        /// How long was waited.
        after: Duration,
    },
    /// The proxy on the way to the peer is none, or refuses.
    #[error("the proxy {proxy} is of no use: {reason}")]
    Proxy {
        /// Host and port of the proxy.
        proxy: String,
        /// Why.
        reason: String,
    },
    /// No secure connection: the certificate, as a rule.
    #[error("no secure connection to {peer}: {reason}")]
    Tls {
        /// Host and port.
        peer: String,
        /// Why.
        reason: String,
    },
    /// The peer speaks the other one of http and https.
    #[error("{peer} speaks {speaks}, not {asked}")]
    WrongScheme {
        /// Host and port.
        peer: String,
        /// What the address says.
        asked: &'static str,
        /// What the peer speaks.
        speaks: &'static str,
    },
    /// An HTTP status other than 200.
    #[error("{peer} answers with HTTP status {status}{}", said(text))]
    Status {
        /// Host and port.
        peer: String,
        /// The status.
        status: u16,
        /// The reply without its tags, shortened.
        text: String,
    },
    /// Something answers there that is no Fossil server.
    #[error("{peer} is no Fossil server: it answers with {answer}{}", said(text))]
    NotFossil {
        /// Host and port.
        peer: String,
        /// Content-Type of the reply, `no content type`, or what it is if it is no reply of HTTP.
        answer: String,
        /// The reply without its tags, shortened.
        text: String,
    },
    /// A reply of the right kind with nothing in it: no server of Fossil means to send one.
    #[error("{peer} sent an empty reply: its Fossil server failed before it wrote one")]
    Empty {
        /// Host and port.
        peer: String,
    },
    /// The reply passes the limit on bodies.
    #[error("the reply of {peer} is longer than {limit} bytes")]
    TooLong {
        /// Host and port.
        peer: String,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The connection ended before the reply did.
    #[error("the connection to {peer} broke: {reason}")]
    CutShort {
        /// Host and port.
        peer: String,
        /// How.
        reason: String,
    },
    /// A redirect that must not be followed.
    #[error("{peer} redirects {reason}")]
    Redirect {
        /// Host and port.
        peer: String,
        /// Where to, and what is wrong with it.
        reason: String,
    },
    /// The broker lets us not in, or not do this.
    #[error("the broker {broker} refuses: {reason}")]
    Access {
        /// Host and port, or several.
        broker: String,
        /// Why; never a secret.
        reason: String,
    },
    /// The port belongs to something else than the clients of a broker.
    #[error("{peer} is no port for clients of a broker: {reason}")]
    WrongPort {
        /// Host and port.
        peer: String,
        /// What it is.
        reason: String,
    },
    /// The broker is well, and nobody there answers for the project.
    #[error("nobody answers for {project} at {broker}{}", said(reason))]
    NobodyAnswers {
        /// The project code, and the peer if one was asked for.
        project: String,
        /// Host and port, or several.
        broker: String,
        /// More about it; empty if there is nothing more.
        reason: String,
    },
    /// A peer answered that it could not do it.
    #[error("{peer} could not answer: {text}")]
    PeerFailed {
        /// The peer.
        peer: String,
        /// In which way.
        fault: PeerFault,
        /// What it said.
        text: String,
    },
    /// [`Mock`] ran out of replies.
    #[error("no reply is left to play")]
    Exhausted,
}

/// In which way a peer failed that said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerFault {
    /// It has no time or no room now.
    Busy,
    /// It has no such repository any more.
    Gone,
    /// It failed; its own people can tell why.
    Failed,
    /// It answers for another server, and does not reach that now.
    Unreachable,
    /// The request was more than it takes.
    TooLong,
    /// The request was none, or was broken on its way.
    Malformed,
    /// It is the one who asked.
    Own,
}

impl TransportError {
    /// One word for what kind of failure it is, for figures and alerts. The set of words is closed.
    pub fn class(&self) -> &'static str {
        match self {
            Self::UnknownHost { .. } | Self::Unreachable { .. } | Self::NobodyAnswers { .. } => "unreachable",
            Self::TimedOut { .. } | Self::TooSlow { .. } => "timeout",
            Self::Proxy { .. } => "proxy",
            Self::Tls { .. } => "tls",
            Self::WrongScheme { .. } | Self::WrongPort { .. } | Self::Redirect { .. } => "address",
            Self::Status { .. } => "http-status",
            Self::NotFossil { .. } | Self::Empty { .. } => "not-fossil",
            Self::TooLong { .. } => "limit",
            Self::CutShort { .. } | Self::Exhausted => "cut-short",
            Self::Access { .. } => "login",
            Self::PeerFailed { .. } => "peer-failed",
        }
    }

    /// Whether the same exchange may go well a little later, with nothing changed. Of a server that failed
    /// (status 500, an empty reply) nobody knows: only its own people can tell.
    pub fn may_retry(&self) -> bool {
        match self {
            Self::UnknownHost { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::TooSlow { .. }
            | Self::CutShort { .. }
            | Self::NobodyAnswers { .. } => true,
            Self::PeerFailed { fault, .. } => {
                matches!(fault, PeerFault::Busy | PeerFault::Unreachable | PeerFault::Malformed)
            }
            // Stock says so of a request that was cut on its way.
            Self::Status { status: 501, text, .. } => text.starts_with("Bad Request"),
            Self::Status { status, .. } => matches!(status, 408 | 429 | 502 | 503 | 504),
            Self::Proxy { .. }
            | Self::Tls { .. }
            | Self::WrongScheme { .. }
            | Self::NotFossil { .. }
            | Self::Empty { .. }
            | Self::TooLong { .. }
            | Self::Redirect { .. }
            | Self::Access { .. }
            | Self::WrongPort { .. }
            | Self::Exhausted => false,
        }
    }
}

fn said(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// Plays canned replies and keeps the requests.
#[derive(Debug, Default)]
pub struct Mock {
    /// What was asked, in order.
    pub requests: Vec<Body>,
    replies: VecDeque<Result<Body, TransportError>>,
}

impl Mock {
    /// Plays `replies` in order, then fails.
    pub fn new(replies: impl IntoIterator<Item = Result<Body, TransportError>>) -> Self {
        Self { requests: Vec::new(), replies: replies.into_iter().collect() }
    }
}

impl Transport for Mock {
    async fn exchange(&mut self, request: Body) -> Result<Body, TransportError> {
        self.requests.push(request);
        self.replies.pop_front().unwrap_or(Err(TransportError::Exhausted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_the_peer_said() {
        let error = TransportError::Status { peer: "h:80".into(), status: 404, text: "Not Found".into() };
        assert_eq!(error.to_string(), "h:80 answers with HTTP status 404: Not Found");
        let error = TransportError::Status { peer: "h:80".into(), status: 502, text: String::new() };
        assert_eq!(error.to_string(), "h:80 answers with HTTP status 502");
    }

    #[test]
    fn only_what_may_pass_by_itself_is_worth_a_retry() {
        let peer = || "h:80".to_owned();
        let cut = TransportError::CutShort { peer: peer(), reason: String::new() };
        let tls = TransportError::Tls { peer: peer(), reason: String::new() };
        let busy = TransportError::Status { peer: peer(), status: 503, text: String::new() };
        let gone = TransportError::Status { peer: peer(), status: 404, text: String::new() };
        let failed = TransportError::Status { peer: peer(), status: 500, text: String::new() };
        let half = "Bad Request: CGI content-length mismatch: Wanted 7 bytes but got only 0".to_owned();
        let half = TransportError::Status { peer: peer(), status: 501, text: half };
        let unknown = TransportError::Status { peer: peer(), status: 501, text: "Not Implemented".into() };
        let empty = TransportError::Empty { peer: peer() };
        let errors = [cut, tls, busy, gone, failed, half, unknown, empty];
        assert_eq!(errors.map(|e| e.may_retry()), [true, false, true, false, false, true, false, false]);
    }
}
