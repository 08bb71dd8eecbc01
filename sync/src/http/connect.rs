//! Connections to a peer: a pool of plain ones, a pool of secure ones made when it is first needed.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiAddrs, GaiResolver, Name};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower_service::Service;

use super::heard::{Heard, Listening, Speech};
use super::{Scheme, Url};
use crate::TransportError;

/// An idle connection is dropped before the usual proxy drops it (nginx: 75 seconds).
const POOL_IDLE: Duration = Duration::from_secs(60);

type BoxError = Box<dyn StdError + Send + Sync>;

/// Both pools.
pub(crate) struct Connections {
    plain: Client<Dial, Full<Bytes>>,
    secure: Option<Client<HttpsConnector<Dial>, Full<Bytes>>>,
    dial: Dial,
    connect_timeout: Duration,
}

impl Connections {
    pub(crate) fn new(connect_timeout: Duration) -> Self {
        let dial = Dial { tcp: tcp(connect_timeout), heard: Heard::default() };
        Self { plain: pool(dial.clone()), secure: None, dial, connect_timeout }
    }

    /// Sends one request over a pooled or a new connection; ends when the head of the reply is here.
    pub(crate) async fn send(
        &mut self,
        url: &Url,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TransportError> {
        let result = match url.scheme {
            Scheme::Http => self.plain.request(request).await,
            Scheme::Https => self.secure().request(request).await,
        };
        result.map_err(|error| explain(&error, url, self.dial.heard.speech(), self.connect_timeout))
    }

    fn secure(&mut self) -> &Client<HttpsConnector<Dial>, Full<Bytes>> {
        self.secure.get_or_insert_with(|| pool(tls(self.dial.clone())))
    }
}

/// Opens connections, and listens to what is said on them first.
#[derive(Clone)]
struct Dial {
    tcp: HttpConnector<Resolver>,
    heard: Heard,
}

impl Service<Uri> for Dial {
    type Response = Listening<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let (opening, heard) = (self.tcp.call(to), self.heard.clone());
        Box::pin(async move { Ok(heard.listen(opening.await?)) })
    }
}

fn pool<C>(connector: C) -> Client<C, Full<Bytes>>
where
    C: hyper_util::client::legacy::connect::Connect + Clone,
{
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(POOL_IDLE)
        .pool_timer(TokioTimer::new())
        .build(connector)
}

fn tcp(connect_timeout: Duration) -> HttpConnector<Resolver> {
    let mut connector = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(connect_timeout));
    connector
}

/// Trusts the certificates of the system (or of SSL_CERT_FILE), or, where there are none, those of Mozilla.
fn tls(dial: Dial) -> HttpsConnector<Dial> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows the default versions");
    let config = match builder.clone().with_native_roots() {
        Ok(config) => config,
        Err(_) => builder.with_webpki_roots(),
    };
    HttpsConnectorBuilder::new()
        .with_tls_config(config.with_no_client_auth())
        .https_or_http()
        .enable_http1()
        .wrap_connector(dial)
}

/// Finds out what went wrong, from the chain of causes and from what the peer said.
fn explain(error: &Error, url: &Url, speech: Speech, connect_timeout: Duration) -> TransportError {
    if matches!((url.scheme, &speech), (Scheme::Http, Speech::Tls) | (Scheme::Https, Speech::Http)) {
        return wrong_scheme(url);
    }
    let peer = format!("{}:{}", url.host, url.port);
    let mut cause = error.source();
    let mut reason = error.to_string();
    while let Some(this) = cause {
        if let Some(unknown) = this.downcast_ref::<UnknownHost>() {
            return TransportError::UnknownHost { host: url.host.clone(), reason: unknown.0.clone() };
        }
        if let Some(tls) = this.downcast_ref::<rustls::Error>() {
            return TransportError::Tls { peer, reason: tls.to_string() };
        }
        if this.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return not_http(peer, speech, root_cause(this));
        }
        if let Some(io) = this.downcast_ref::<io::Error>() {
            if io.kind() == io::ErrorKind::TimedOut && error.is_connect() {
                return TransportError::TimedOut { peer, after: connect_timeout };
            }
            if let Some(tls) = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                return TransportError::Tls { peer, reason: tls.to_string() };
            }
        }
        reason = this.to_string();
        cause = this.source();
    }
    if error.is_connect() && url.scheme == Scheme::Https && !is_system(error) {
        return TransportError::Tls { peer, reason };
    }
    if error.is_connect() {
        return TransportError::Unreachable { peer, reason };
    }
    TransportError::CutShort { peer, reason }
}

/// The server at `url` speaks the other scheme.
pub(crate) fn wrong_scheme(url: &Url) -> TransportError {
    let speaks = match url.scheme {
        Scheme::Http => Scheme::Https,
        Scheme::Https => Scheme::Http,
    };
    let peer = format!("{}:{}", url.host, url.port);
    TransportError::WrongScheme { peer, asked: url.scheme.as_str(), speaks: speaks.as_str() }
}

/// What came is no reply of HTTP: `reason` says why, unless what came can be shown.
fn not_http(peer: String, speech: Speech, reason: String) -> TransportError {
    let (answer, text) = match speech {
        Speech::Other(shown) if !shown.is_empty() => ("something that is no HTTP", shown),
        Speech::Other(_) | Speech::Tls => ("something that is no HTTP", reason),
        Speech::Http | Speech::Nothing => ("malformed HTTP", reason),
    };
    TransportError::NotFossil { peer, answer: answer.to_owned(), text }
}

/// The last cause of an error.
pub(crate) fn root_cause(error: &(dyn StdError + 'static)) -> String {
    std::iter::successors(Some(error), |&cause| cause.source())
        .last()
        .map_or_else(String::new, ToString::to_string)
}

/// Whether the operating system reported the failure, rather than the TLS layer.
fn is_system(error: &Error) -> bool {
    std::iter::successors(error.source(), |&cause| cause.source())
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|io| io.raw_os_error().is_some())
}

/// The system's resolver, whose failure can be told from that of a connection.
#[derive(Clone)]
pub(crate) struct Resolver(GaiResolver);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UnknownHost(String);

impl Service<Name> for Resolver {
    type Response = GaiAddrs;
    type Error = UnknownHost;
    type Future = Pin<Box<dyn Future<Output = Result<GaiAddrs, UnknownHost>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), UnknownHost>> {
        self.0.poll_ready(cx).map_err(|error| UnknownHost(error.to_string()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let addresses = self.0.call(name);
        Box::pin(async move { addresses.await.map_err(|error| UnknownHost(error.to_string())) })
    }
}
