//! A connection to a broker, shared by all that is said over it.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{
    Client, ConnectError, ConnectErrorKind, Event, HeaderMap, ServerAddr, ServerError, Subscriber,
};
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::access::{credentials, seed};
use super::address::{Broker, Place, Security};
use crate::http::Password;
use crate::{TransportError, short};

/// Messages that wait in a subscription. Nobody who keeps to the credit he is given sends as many; beyond it they
/// are lost, and asked for again.
const WAITING_MESSAGES: usize = 256;

/// How often the broker is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// Refusals of a broker that are remembered.
const MOST_REFUSALS: usize = 64;

/// How long something that is no broker may take to say what it is.
const DIAGNOSIS: Duration = Duration::from_secs(2);

/// How long a broker may take to hear what was said.
const SETTLING: Duration = Duration::from_secs(5);

/// How a broker is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectOptions {
    /// What the broker shows its people of us.
    pub name: String,
    /// How long a connection may take to open. Default 10 seconds.
    pub connect_timeout: Duration,
    /// What becomes of a broker that is not there at first.
    pub absence: Absence,
}

/// What becomes of a broker that is not there at first. Once it was there it is always waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// That is an error.
    Fails,
    /// It is tried again and again.
    IsWaitedFor,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self { name: "frond".to_owned(), connect_timeout: Duration::from_secs(10), absence: Absence::Fails }
    }
}

/// A connection to a broker, which is restored when it breaks. A clone of it is the same one.
#[derive(Clone)]
pub struct Connection {
    client: Client,
    broker: Arc<str>,
    news: watch::Receiver<News>,
}

/// What became of a connection so far.
#[derive(Debug, Clone, Default)]
pub(super) struct News {
    /// How often it broke.
    pub(super) breaks: u64,
    /// How often the broker refused something.
    pub(super) refusals: u64,
    /// What it said then: the last ones.
    refused: VecDeque<String>,
}

impl News {
    fn refuse(&mut self, text: String) {
        self.refusals += 1;
        self.refused.push_back(text);
        if self.refused.len() > MOST_REFUSALS {
            self.refused.pop_front();
        }
    }

    /// What was refused since there were `before` refusals, and `is_ours`.
    pub(super) fn refused_since(&self, before: u64, is_ours: impl Fn(&str) -> bool) -> Option<&str> {
        let new = usize::try_from(self.refusals.saturating_sub(before)).unwrap_or(usize::MAX);
        self.refused.iter().rev().take(new).map(String::as_str).find(|text| is_ours(text))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("broker", &self.broker).finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects. What a connection sends never comes back over it.
    pub async fn open(broker: &Broker, options: &ConnectOptions) -> Result<Self, TransportError> {
        let authority = broker.authority();
        let refused = |reason: String| TransportError::Access { broker: authority.clone(), reason };
        let (tell, news) = watch::channel(News::default());
        let access = &broker.access;
        let mut connect = async_nats::ConnectOptions::new()
            .name(&options.name)
            .no_echo()
            .connection_timeout(options.connect_timeout)
            .ping_interval(PING_INTERVAL)
            .subscription_capacity(WAITING_MESSAGES)
            .require_tls(broker.security == Security::Required)
            .event_callback(move |event| {
                hear(&tell, event);
                std::future::ready(())
            });
        if options.absence == Absence::IsWaitedFor {
            connect = connect.retry_on_initial_connect();
        }
        if let Some(user) = &access.user {
            let password = access.password.as_ref().map_or("", |Password(text)| text);
            connect = connect.user_and_password(user.clone(), password.to_owned());
        }
        if let Some(Password(token)) = &access.token {
            connect = connect.token(token.clone());
        }
        if let Some(file) = &access.nkey {
            let Password(seed) = seed(file).map_err(|error| refused(error.to_string()))?;
            connect = connect.nkey(seed);
        }
        if let Some(file) = &access.credentials {
            let Password(text) = credentials(file).map_err(|error| refused(error.to_string()))?;
            connect = connect.credentials(&text).map_err(|error| refused(error.to_string()))?;
        }
        if let Some(file) = &access.authorities {
            connect = connect.add_root_certificates(file.clone());
        }
        if let (Some(certificate), Some(key)) = (&access.certificate, &access.key) {
            connect = connect.add_client_certificate(certificate.clone(), key.clone());
        }
        let servers: Vec<ServerAddr> = broker
            .servers
            .iter()
            .map(|place| url(broker, place).parse())
            .collect::<Result<_, _>>()
            .map_err(|error: io::Error| unreachable(&authority, error.to_string()))?;
        match connect.connect(servers).await {
            Ok(client) => Ok(Self { client, broker: authority.into(), news }),
            Err(error) => Err(explain(broker, &authority, options, &error).await),
        }
    }

    /// The broker, for people.
    pub fn broker(&self) -> &str {
        &self.broker
    }

    /// Whether the broker is there at the moment.
    pub fn is_up(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Ends when the connection breaks, comes back, or the broker refuses something.
    pub async fn changed(&mut self) {
        if self.news.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Sends what still waits to be sent.
    pub async fn flush(&self) -> Result<(), TransportError> {
        self.client.flush().await.map_err(|error| self.broke(error))
    }

    /// Longest message that the broker carries, in bytes, headers included.
    pub fn max_payload(&self) -> usize {
        self.client.max_payload()
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// What happens from now on.
    pub(super) fn news(&self) -> watch::Receiver<News> {
        let mut news = self.news.clone();
        news.mark_unchanged();
        news
    }

    /// Waits until the broker has heard everything so far, if it is there. What it refused since there
    /// were `before` refusals is an error, if it `is_ours`.
    pub(super) async fn settle(
        &self,
        before: u64,
        is_ours: impl Fn(&str) -> bool,
    ) -> Result<(), TransportError> {
        // Where it is not there, nothing is heard before it is, and that is waited for elsewhere.
        if !self.is_up() {
            return Ok(());
        }
        self.flush().await?;
        // Nobody listens there. The broker says so after it has said what it refuses.
        let nowhere = self.client.new_inbox();
        let asked = self.client.request(nowhere, Bytes::new());
        let _ = timeout(SETTLING, asked).await;
        match self.news.borrow().refused_since(before, is_ours) {
            Some(text) => {
                Err(TransportError::Access { broker: self.broker.to_string(), reason: text.to_owned() })
            }
            None => Ok(()),
        }
    }

    /// How often the broker refused something so far.
    pub(super) fn refusals(&self) -> u64 {
        self.news.borrow().refusals
    }

    pub(super) async fn subscribe(&self, subject: &str) -> Result<Subscriber, TransportError> {
        self.client.subscribe(subject.to_owned()).await.map_err(|error| self.broke(error))
    }

    pub(super) async fn join(&self, subject: &str, queue: &str) -> Result<Subscriber, TransportError> {
        let joined = self.client.queue_subscribe(subject.to_owned(), queue.to_owned()).await;
        joined.map_err(|error| self.broke(error))
    }

    /// Sends a message to `subject`, to be answered at `reply` if it is given.
    pub(super) async fn send(
        &self,
        subject: &str,
        reply: Option<&str>,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<(), TransportError> {
        let subject = subject.to_owned();
        let sent = match (reply, headers.is_empty()) {
            (Some(reply), false) => {
                self.client.publish_with_reply_and_headers(subject, reply.to_owned(), headers, payload).await
            }
            (Some(reply), true) => self.client.publish_with_reply(subject, reply.to_owned(), payload).await,
            (None, false) => self.client.publish_with_headers(subject, headers, payload).await,
            (None, true) => self.client.publish(subject, payload).await,
        };
        sent.map_err(|error| self.broke(error))
    }

    pub(super) fn broke(&self, error: impl fmt::Display) -> TransportError {
        TransportError::CutShort { peer: self.broker.to_string(), reason: error.to_string() }
    }
}

fn hear(tell: &watch::Sender<News>, event: Event) {
    match event {
        Event::Connected => {
            tracing::debug!("the broker is there");
            tell.send_modify(|_| ());
        }
        Event::Disconnected | Event::Closed | Event::LameDuckMode => {
            tracing::debug!(%event, "the broker goes");
            tell.send_modify(|news| news.breaks += u64::from(event != Event::LameDuckMode));
        }
        Event::ServerError(error) => {
            tracing::warn!(error = %short(&error.to_string()), "the broker refuses something");
            tell.send_modify(|news| {
                news.refuse(said(&error));
            });
        }
        event => tracing::debug!(%event, "news of the connection"),
    }
}

fn said(error: &ServerError) -> String {
    match error {
        ServerError::Other(text) => text.trim_matches('\'').to_owned(),
        error => error.to_string(),
    }
}

fn url(broker: &Broker, place: &Place) -> String {
    let host = if place.host.contains(':') { format!("[{}]", place.host) } else { place.host.clone() };
    format!("{}://{host}:{}", broker.scheme(), place.port)
}

fn unreachable(peer: &str, reason: String) -> TransportError {
    TransportError::Unreachable { peer: peer.to_owned(), reason }
}

/// Says whose fault it is that there is no connection.
async fn explain(
    broker: &Broker,
    authority: &str,
    options: &ConnectOptions,
    error: &ConnectError,
) -> TransportError {
    let (peer, reason) = (authority.to_owned(), root_cause(error));
    let access = |reason: &str| TransportError::Access { broker: peer.clone(), reason: reason.to_owned() };
    match error.kind() {
        ConnectErrorKind::Dns | ConnectErrorKind::ServerParse => {
            TransportError::UnknownHost { host: peer, reason }
        }
        ConnectErrorKind::AuthorizationViolation => access("it lets in nobody who asks like this"),
        ConnectErrorKind::Authentication => access("the seed is none, or signs nothing"),
        ConnectErrorKind::Tls => TransportError::Tls { peer, reason },
        ConnectErrorKind::Io if is_about_tls(error) => TransportError::Tls { peer, reason },
        ConnectErrorKind::Io if reason.contains("leaf node port") => {
            wrong_port(peer, "it is that for leaf nodes of the broker")
        }
        ConnectErrorKind::Io if reason.contains("route port") => {
            wrong_port(peer, "it is that for other brokers of the cluster")
        }
        ConnectErrorKind::Io if reason.contains("gateway port") || reason.contains("wrong port") => {
            wrong_port(peer, "it is that for other brokers")
        }
        ConnectErrorKind::Io if reason.to_ascii_lowercase().contains("authentication") => access(&reason),
        ConnectErrorKind::Io if reason.to_ascii_lowercase().contains("authorization") => access(&reason),
        ConnectErrorKind::TimedOut => match web_server(broker).await {
            true => wrong_port(peer, "it speaks HTTP, as for WebSockets, monitoring and web servers"),
            false => TransportError::TimedOut { peer, after: options.connect_timeout },
        },
        ConnectErrorKind::Io if web_server(broker).await => {
            wrong_port(peer, "it speaks HTTP, as for WebSockets, monitoring and web servers")
        }
        ConnectErrorKind::Io | ConnectErrorKind::MaxReconnects => unreachable(&peer, reason),
    }
}

fn wrong_port(peer: String, reason: &str) -> TransportError {
    TransportError::WrongPort { peer, reason: reason.to_owned() }
}

/// Whether the first server answers to a web browser.
async fn web_server(broker: &Broker) -> bool {
    let Some(place) = broker.servers.first() else { return false };
    let ask = async {
        let mut stream = TcpStream::connect((place.host.as_str(), place.port)).await.ok()?;
        stream.write_all(b"HEAD / HTTP/1.0\r\n\r\n").await.ok()?;
        let mut said = [0; 5];
        stream.read_exact(&mut said).await.ok()?;
        Some(said == *b"HTTP/")
    };
    timeout(DIAGNOSIS, ask).await.ok().flatten().unwrap_or_default()
}

fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    let inner =
        |error: &'e (dyn Error + 'static)| error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    std::iter::successors(Some(error), move |&error| match inner(error) {
        Some(inner) => Some(inner as &(dyn Error + 'static)),
        None => error.source(),
    })
}

fn root_cause(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn is_about_tls(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(<dyn Error>::is::<rustls::Error>)
}
