//! Connections to a peer: a pool of plain ones, a pool of secure ones made when it is first needed.

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiAddrs, GaiResolver, Name};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_service::Service;

use super::{Scheme, Url};
use crate::TransportError;

/// An idle connection is dropped before the usual proxy drops it (nginx: 75 seconds).
const POOL_IDLE: Duration = Duration::from_secs(60);

/// Both pools.
pub(crate) struct Connections {
    plain: Client<Plain, Full<Bytes>>,
    secure: Option<Client<HttpsConnector<Plain>, Full<Bytes>>>,
    connect_timeout: Duration,
}

type Plain = HttpConnector<Resolver>;

impl Connections {
    pub(crate) fn new(connect_timeout: Duration) -> Self {
        Self { plain: pool(tcp(connect_timeout)), secure: None, connect_timeout }
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
        result.map_err(|error| explain(&error, url, self.connect_timeout))
    }

    fn secure(&mut self) -> &Client<HttpsConnector<Plain>, Full<Bytes>> {
        let timeout = self.connect_timeout;
        self.secure.get_or_insert_with(|| pool(tls(tcp(timeout))))
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

fn tcp(connect_timeout: Duration) -> Plain {
    let mut connector = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(connect_timeout));
    connector
}

/// Trusts the certificates of the system (or of SSL_CERT_FILE), or, where there are none, those of Mozilla.
fn tls(tcp: Plain) -> HttpsConnector<Plain> {
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
        .wrap_connector(tcp)
}

/// Finds in the chain of causes what went wrong.
fn explain(error: &Error, url: &Url, connect_timeout: Duration) -> TransportError {
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
