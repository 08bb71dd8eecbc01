//! Connections to a peer: a pool of plain ones, a pool of secure ones made when it is first needed.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::PROXY_AUTHORIZATION;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiAddrs, GaiResolver, Name};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower_service::Service;

use super::explain::Attempt;
use super::heard::{Heard, Listening};
use super::paced::{Paced, Pulse};
use super::proxy::{Hop, Proxies};
use super::{Scheme, Url};
use crate::{Flows, TransportError};

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
    /// Connections on which bytes move no faster than `flows` says.
    pub(crate) fn new(connect_timeout: Duration, proxies: &Proxies, flows: Flows) -> Self {
        let (tcp, heard, pulse) = (tcp(connect_timeout, &flows), Heard::default(), Pulse::new());
        let dial = Dial { tcp, proxies: Arc::new(proxies.matcher()), heard, flows, pulse };
        Self { plain: pool(dial.clone()), secure: None, dial, connect_timeout }
    }

    /// Sends one request over a pooled or a new connection; ends when the head of the reply is here.
    pub(crate) async fn send(
        &mut self,
        url: &Url,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TransportError> {
        let hop = Hop::to(request.uri(), &self.dial.proxies);
        let proxy = hop.as_ref().map(Hop::name);
        let result = match (url.scheme, hop.and_then(|hop| hop.login)) {
            (Scheme::Http, login) => {
                request.headers_mut().extend(login.map(|login| (PROXY_AUTHORIZATION, login)));
                self.plain.request(request).await
            }
            (Scheme::Https, _) => self.secure().request(request).await,
        };
        let (speech, connect_timeout) = (self.dial.heard.speech(), self.connect_timeout);
        result.map_err(|error| Attempt { url, proxy, speech, connect_timeout }.explain(&error))
    }

    /// When bytes move on them.
    pub(crate) fn pulse(&self) -> Pulse {
        self.dial.pulse.clone()
    }

    /// The proxy that requests to `url` go through: host and port.
    pub(crate) fn proxy(&self, url: &Url) -> Option<String> {
        let server: Uri = url.without_user().parse().ok()?;
        Some(Hop::to(&server, &self.dial.proxies)?.name())
    }

    fn secure(&mut self) -> &Client<HttpsConnector<Dial>, Full<Bytes>> {
        self.secure.get_or_insert_with(|| pool(tls(self.dial.clone())))
    }
}

/// Opens connections, to a server or to the proxy before it, and listens to what is said on them first.
#[derive(Clone)]
struct Dial {
    tcp: HttpConnector<Resolver>,
    proxies: Arc<Matcher>,
    heard: Heard,
    flows: Flows,
    pulse: Pulse,
}

impl Dial {
    /// What is done with each stream.
    fn finish(
        &self,
    ) -> impl FnOnce(TokioIo<TcpStream>) -> Listening<TokioIo<Paced<TcpStream>>> + Send + use<> {
        let (heard, flows, pulse) = (self.heard.clone(), self.flows.clone(), self.pulse.clone());
        move |stream| heard.listen(TokioIo::new(Paced::new(stream.into_inner(), flows, pulse)))
    }
}

impl Service<Uri> for Dial {
    type Response = Listening<TokioIo<Paced<TcpStream>>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let finish = self.finish();
        let Some(hop) = Hop::to(&to, &self.proxies) else {
            let opening = self.tcp.call(to);
            return Box::pin(async move { Ok(finish(opening.await?)) });
        };
        if to.scheme() == Some(&http::uri::Scheme::HTTP) {
            let opening = self.tcp.call(hop.address);
            return Box::pin(async move {
                let stream = opening.await.map_err(|error| ThroughProxy(error.into()))?;
                Ok(finish(stream).forwarded())
            });
        }
        let tunnel = Tunnel::new(hop.address, self.tcp.clone());
        let mut tunnel = match hop.login {
            Some(login) => tunnel.with_auth(login),
            None => tunnel,
        };
        // Once it stands, what is heard is the server's.
        let opening = tunnel.call(to);
        Box::pin(async move {
            let stream = opening.await.map_err(|error| ThroughProxy(error.into()))?;
            Ok(finish(stream))
        })
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

fn tcp(connect_timeout: Duration, flows: &Flows) -> HttpConnector<Resolver> {
    let mut connector = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(connect_timeout));
    // What the system takes ahead of us was on the line already.
    connector.set_recv_buffer_size(flows.down.as_ref().map(|flow| flow.ahead_bytes()));
    connector
}

/// Trusts the certificates of the system (or of SSL_CERT_FILE), or, where there are none, those of Mozilla.
fn tls(dial: Dial) -> HttpsConnector<Dial> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
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

/// The proxy failed, or the connection to it.
#[derive(Debug, thiserror::Error)]
#[error("through a proxy: {0}")]
pub(crate) struct ThroughProxy(#[source] BoxError);

/// The system's resolver, whose failure can be told from that of a connection.
#[derive(Clone)]
pub(crate) struct Resolver(GaiResolver);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UnknownHost(pub(crate) String);

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
