//! A connection to a broker, shared by all that is said over it.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Event, HeaderMap, ServerAddr, ServerError, Subscriber};
use bytes::Bytes;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, timeout};

use super::access::{credentials, seed};
use super::address::{Broker, Carried, Place, Security};
use super::blame::{explain, unreachable};
use super::told::Told;
use crate::http::Password;
use crate::{TransportError, short};

/// Messages that wait in a subscription. Nobody who keeps to the credit he is given sends as many; beyond it they
/// are lost, and asked for again.
const WAITING_MESSAGES: usize = 256;

/// How often the broker is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// Refusals of a broker that are remembered.
const MOST_REFUSALS: usize = 64;

/// How long a broker may take to hear what was said.
const SETTLING: Duration = Duration::from_secs(5);

/// How long it may take here until a refusal that has come is known: another task takes it.
const HANDLING: Duration = Duration::from_millis(100);

/// How often is looked whether the connection is there: its state changes a moment after that is said.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often while it is there: that it breaks is said, as a rule, and every repository of a leaf looks.
const LOOK_AT_REST: Duration = Duration::from_secs(1);

/// How long it counts why there is no connection, before that is tried again.
const DIAGNOSIS_COUNTS: Duration = Duration::from_secs(5);

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
    /// How it was opened.
    way: Arc<(Broker, ConnectOptions)>,
    /// What the log said of it.
    told: Arc<Told>,
    /// Why there was no connection when that was last looked at, and when that was.
    trouble: Arc<Mutex<Option<(Instant, TransportError)>>>,
}

/// What became of a connection so far. In a burst of more than 128 events some are not told: nothing waits for one alone,
/// but looks at the connection too, or tries again.
#[derive(Debug, Clone, Default)]
pub(super) struct News {
    /// How often it broke.
    pub(super) breaks: u64,
    /// How often it opened.
    pub(super) openings: u64,
    /// It is not there, and did not open when that was tried last.
    fails: bool,
    /// Messages that came faster than they were taken, and were dropped. Parts are asked for again; what an announcement
    /// told comes with the next session.
    lost: u64,
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

    /// The refusal to let us listen at one of `subjects`, since there were `before` refusals.
    pub(super) fn deafened_since(&self, before: u64, subjects: &[String]) -> Option<&str> {
        let is_ours = |text: &str| {
            text.contains("Subscription") && subjects.iter().any(|subject| text.contains(subject))
        };
        self.refused_since(before, is_ours)
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
        let (tell, news) = watch::channel(News::default());
        let told = Arc::default();
        let client = dial(broker, options, tell, Arc::clone(&told)).await?;
        let way = Arc::new((broker.clone(), options.clone()));
        Ok(Self { client, broker: broker.authority().into(), news, way, told, trouble: Arc::default() })
    }

    /// The broker, for people.
    pub fn broker(&self) -> &str {
        &self.broker
    }

    /// Whether the broker is there at the moment.
    pub fn is_up(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
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

    /// What the log said of the connection since it opened.
    pub(super) fn told(&self) -> &Told {
        &self.told
    }

    /// Waits until the broker is there, or it is known why it is not.
    pub async fn reached(&self) -> Result<(), TransportError> {
        let mut news = self.news.clone();
        let (_, options) = &*self.way;
        let deadline = Instant::now() + options.connect_timeout + SETTLING;
        while !self.is_up() {
            let fails = news.borrow_and_update().fails;
            if fails || Instant::now() >= deadline {
                return self.diagnose().await;
            }
            tokio::select! {
                () = changed(&mut news) => {}
                () = sleep(LOOK_EVERY) => {}
            }
        }
        Ok(())
    }

    /// Ends when the broker is not there, or was not for a moment.
    pub async fn falls(&self) {
        let mut news = self.news.clone();
        let breaks = news.borrow().breaks;
        while self.is_up() && news.borrow_and_update().breaks == breaks {
            tokio::select! {
                () = changed(&mut news) => {}
                () = sleep(LOOK_AT_REST) => {}
            }
        }
    }

    /// Says why there is no connection, by a try of its own: one that is restored says too little. Whoever asks beside, or
    /// soon after, hears the same.
    async fn diagnose(&self) -> Result<(), TransportError> {
        let mut trouble = self.trouble.lock().await;
        if self.is_up() {
            return Ok(());
        }
        if let Some((at, error)) = &*trouble
            && at.elapsed() < DIAGNOSIS_COUNTS
        {
            return Err(error.clone());
        }
        let (broker, options) = &*self.way;
        let once = ConnectOptions { absence: Absence::Fails, ..options.clone() };
        let tried = dial(broker, &once, watch::channel(News::default()).0, Arc::default()).await;
        let error = match tried {
            Err(error) => error,
            // The connection itself comes to the same soon.
            Ok(_) if timeout(SETTLING, self.rises()).await.is_ok() => return Ok(()),
            Ok(_) => unreachable(&self.broker, "the connection is not restored yet".to_owned()),
        };
        *trouble = Some((Instant::now(), error.clone()));
        Err(error)
    }

    /// Ends when the broker is there.
    pub async fn rises(&self) {
        while !self.is_up() {
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until the broker has heard everything so far. That it refused since `before` to let us listen at one of
    /// `subjects` is an error.
    pub(super) async fn settle(&self, before: &News, subjects: &[String]) -> Result<(), TransportError> {
        let mut news = self.news.clone();
        let mut heard = std::pin::pin!(timeout(SETTLING, self.is_heard()));
        let mut is_over = false;
        loop {
            {
                let now = news.borrow_and_update();
                if let Some(text) = now.deafened_since(before.refusals, subjects) {
                    return Err(self.refused(text));
                }
                if now.breaks != before.breaks {
                    return Err(self.broke("the broker went away, or the network did"));
                }
            }
            if is_over {
                return Ok(());
            }
            tokio::select! {
                () = changed(&mut news) => {}
                // Who may not hear an answer gets none: what was refused is known by then.
                _ = &mut heard => is_over = true,
            }
        }
    }

    /// Ends when the broker refused, since there were `before` refusals, to let us listen at one of `subjects`.
    pub(super) async fn deafened(&self, before: u64, subjects: &[String]) -> TransportError {
        let mut news = self.news.clone();
        loop {
            if let Some(text) = news.borrow_and_update().deafened_since(before, subjects) {
                return self.refused(text);
            }
            changed(&mut news).await;
        }
    }

    /// Ends when the broker refused something in these words, since there were `before` refusals. Gives all it said.
    pub(super) async fn refuses(&self, before: u64, words: &str) -> String {
        let mut news = self.news.clone();
        loop {
            if let Some(text) = news.borrow_and_update().refused_since(before, |text| text.contains(words)) {
                return text.to_owned();
            }
            changed(&mut news).await;
        }
    }

    /// Waits until the broker has heard everything so far, and what it said until then is known here.
    async fn is_heard(&self) -> Result<(), TransportError> {
        self.flush().await?;
        // Nobody listens there. The broker says so after it has said what it refuses.
        let nowhere = self.client.new_inbox();
        let _ = self.client.request(nowhere, Bytes::new()).await;
        sleep(HANDLING).await;
        Ok(())
    }

    pub(super) fn refused(&self, text: &str) -> TransportError {
        TransportError::Access { broker: self.broker.to_string(), reason: text.to_owned() }
    }

    /// What became of the connection so far.
    pub(super) fn so_far(&self) -> News {
        self.news.borrow().clone()
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

/// Opens a connection that tells what becomes of it.
async fn dial(
    broker: &Broker,
    options: &ConnectOptions,
    tell: watch::Sender<News>,
    told: Arc<Told>,
) -> Result<Client, TransportError> {
    let authority = broker.authority();
    let refused = |reason: String| TransportError::Access { broker: authority.clone(), reason };
    let access = &broker.access;
    let mut connect = async_nats::ConnectOptions::new()
        .name(&options.name)
        .no_echo()
        .connection_timeout(options.connect_timeout)
        .ping_interval(PING_INTERVAL)
        .subscription_capacity(WAITING_MESSAGES)
        .require_tls(broker.security == Security::Required && broker.carried == Carried::Tcp)
        .event_callback(move |event| {
            hear(&tell, &told, event);
            std::future::ready(())
        });
    if broker.carried == Carried::WebSocket {
        // What a broker says of others are their ports for TCP.
        connect = connect.ignore_discovered_servers();
    }
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
        Ok(client) => Ok(client),
        Err(error) => Err(explain(broker, &authority, options, &error).await),
    }
}

fn hear(tell: &watch::Sender<News>, told: &Told, event: Event) {
    match event {
        Event::Connected => {
            tracing::debug!("the broker is there");
            told.forget();
            tell.send_modify(|news| {
                news.openings += 1;
                news.fails = false;
            });
        }
        Event::Disconnected | Event::Closed | Event::LameDuckMode => {
            tracing::debug!(%event, "the broker goes");
            tell.send_modify(|news| news.breaks += u64::from(event != Event::LameDuckMode));
        }
        Event::ServerError(error) => {
            let text = said(&error);
            if told.is_new(&text) {
                tracing::warn!(error = %short(&error.to_string()), "the broker refuses something");
            } else {
                tracing::debug!(error = %short(&error.to_string()), "the broker refuses something again");
            }
            tell.send_modify(|news| news.refuse(text));
        }
        Event::ClientError(error) => {
            tracing::debug!(%error, "no connection to the broker");
            tell.send_modify(|news| news.fails = true);
        }
        Event::SlowConsumer(_) => tell.send_modify(|news| {
            news.lost += 1;
            // Each message that is lost is one of these.
            if news.lost.is_power_of_two() {
                tracing::warn!(lost = news.lost, "messages of the broker were lost: too many came at once");
            }
        }),
        event @ Event::Draining => tracing::debug!(%event, "news of the connection"),
    }
}

/// Ends when there is something new.
pub(super) async fn changed(news: &mut watch::Receiver<News>) {
    if news.changed().await.is_err() {
        std::future::pending::<()>().await;
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
