//! Telling others that something new is there. A word that is lost is made up for by the next sync.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use async_nats::jetstream::consumer::pull::{Config as ConsumerConfig, Stream as Pulled};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use async_nats::jetstream::context::{CreateStreamError, CreateStreamErrorKind};
use async_nats::jetstream::message::Acker;
use async_nats::jetstream::stream::{Config as StreamConfig, DiscardPolicy};
use async_nats::{HeaderMap, Subscriber, jetstream};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use xfer::ArtifactId;

use super::connection::{Connection, News as ConnectionNews, changed};
use super::topic::{PeerId, Topic};
use crate::{TransportError, short};

/// Longest announcement that is read, in bytes.
const MAX_BYTES: usize = 4096;

/// How long a stream keeps announcements.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// How many it keeps: the last ones.
const KEPT_COUNT: i64 = 1000;

/// How long a broker may take to say whether it keeps announcements.
const STREAM_PATIENCE: Duration = Duration::from_secs(5);

/// Time between tries to have announcements kept.
const TRY_EVERY: Duration = Duration::from_secs(60);

/// Time until the next one where they were kept a moment ago.
const TRY_SOON: Duration = Duration::from_secs(5);

/// Something new at a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The newest artifact, a check-in as a rule.
    pub hash: ArtifactId,
    /// Where it is; none if who announced it does not say in a way that can be asked for.
    pub peer: Option<PeerId>,
}

/// An announcement as it came.
#[derive(Debug)]
pub struct News {
    /// What is new, and where.
    pub announcement: Announcement,
    /// Of the broker, if that keeps announcements.
    pub receipt: Receipt,
}

/// Tells a broker that an announcement need not come again. Dropped, it tells nothing: the announcement comes again
/// after half a minute, and to who comes back.
#[derive(Default)]
pub struct Receipt {
    acker: Option<Box<Acker>>,
    is_again: bool,
}

/// Whether announcements are kept for who is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    /// They are not.
    Passing,
    /// They are, for the peer of this name, where the broker offers streams.
    Kept(PeerId),
}

/// Announcements as they come.
pub struct Announcements {
    own: Option<PeerId>,
    mail: Subscriber,
    kept: Keeping,
    /// What the broker refuses is heard of here.
    connection: Connection,
    refusals: u64,
    subjects: [String; 1],
}

/// Announcements that the broker keeps, if it does.
struct Keeping {
    connection: Connection,
    topic: Topic,
    /// For whom; none: for nobody.
    peer: Option<PeerId>,
    pulled: Option<Box<Pulled>>,
    /// A try that is under way.
    trying: Option<BoxFuture<'static, Result<Pulled, Unkept>>>,
    next_try: Instant,
    news: watch::Receiver<ConnectionNews>,
    openings: u64,
}

/// Why announcements are not kept.
enum Unkept {
    /// The broker keeps nothing for anybody.
    NotOffered(String),
    /// It does, and not this.
    Refused(String),
}

impl Announcement {
    /// `{"uuid": HASH, "peer_id": PEER}`; what else is in it means nothing here.
    fn read(payload: &[u8]) -> Option<Self> {
        if payload.len() > MAX_BYTES {
            return None;
        }
        let value: Value = serde_json::from_slice(payload).ok()?;
        let hash = value["uuid"].as_str()?.parse().ok()?;
        let peer = value["peer_id"].as_str().and_then(|name| PeerId::new(name).ok());
        Some(Self { hash, peer })
    }

    fn write(&self) -> Bytes {
        let mut value = json!({ "uuid": self.hash.to_string() });
        if let Some(peer) = &self.peer {
            value["peer_id"] = peer.to_string().into();
        }
        Bytes::from(value.to_string())
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").field("is_again", &self.is_again).finish_non_exhaustive()
    }
}

impl Receipt {
    /// Whether somebody waits for it to be acknowledged.
    pub fn is_wanted(&self) -> bool {
        self.acker.is_some()
    }

    /// Whether the announcement came before, and was not acknowledged in time.
    pub fn is_again(&self) -> bool {
        self.is_again
    }

    /// What was announced has been dealt with.
    pub async fn acknowledge(self) {
        let Some(acker) = self.acker else { return };
        if let Err(error) = acker.ack().await {
            tracing::debug!(%error, "an announcement was not acknowledged");
        }
    }
}

/// Tells all who listen at `topic`.
pub async fn announce(
    connection: &Connection,
    topic: &Topic,
    announcement: &Announcement,
) -> Result<(), TransportError> {
    connection.send(&topic.commit(), None, HeaderMap::new(), announcement.write()).await
}

/// Listens at `topic`. Announcements of `own` are left out.
pub async fn announcements(
    connection: &Connection,
    topic: &Topic,
    own: Option<PeerId>,
    durability: &Durability,
) -> Result<Announcements, TransportError> {
    connection.reached().await?;
    let before = connection.so_far();
    let mail = connection.subscribe(&topic.commit()).await?;
    let peer = match durability {
        Durability::Passing => None,
        Durability::Kept(peer) => Some(peer.clone()),
    };
    let kept = Keeping::begin(connection, topic, peer).await;
    let subjects = [topic.commit()];
    connection.settle(&before, &subjects).await?;
    Ok(Announcements { own, mail, kept, connection: connection.clone(), refusals: before.refusals, subjects })
}

impl Announcements {
    /// Whether the broker keeps announcements for who is away.
    pub fn are_kept(&self) -> bool {
        self.kept.pulled.is_some()
    }

    /// The next one, of somebody else. The same may come twice. None once the connection was closed, or the broker lets
    /// us not listen any more.
    pub async fn next(&mut self) -> Option<News> {
        loop {
            let (payload, receipt) = tokio::select! {
                message = self.mail.next() => (message?.payload, Receipt::default()),
                kept = self.kept.next() => kept,
                _ = self.connection.deafened(self.refusals, &self.subjects) => return None,
            };
            match Announcement::read(&payload) {
                Some(announcement) if self.own.is_none() || announcement.peer != self.own => {
                    return Some(News { announcement, receipt });
                }
                // It says nothing to us, however often it comes.
                _ => receipt.acknowledge().await,
            }
        }
    }
}

impl Keeping {
    async fn begin(connection: &Connection, topic: &Topic, peer: Option<PeerId>) -> Self {
        let mut keeping = Self {
            connection: connection.clone(),
            topic: topic.clone(),
            peer,
            pulled: None,
            trying: None,
            next_try: Instant::now() + TRY_EVERY,
            news: connection.news(),
            openings: connection.so_far().openings,
        };
        if let Some(peer) = keeping.peer.clone() {
            keeping.tried(pull(connection.clone(), topic.clone(), peer).await);
        }
        keeping
    }

    /// The next announcement that was kept. Where the broker keeps none, it is asked to again and again. Dropped, it
    /// loses nothing.
    async fn next(&mut self) -> (Bytes, Receipt) {
        loop {
            if let Some(pulled) = &mut self.pulled {
                match pulled.next().await {
                    Some(Ok(message)) => {
                        let is_again = message.info().is_ok_and(|info| info.delivered > 1);
                        let (message, acker) = message.split();
                        return (message.payload, Receipt { acker: Some(Box::new(acker)), is_again });
                    }
                    Some(Err(error)) => {
                        tracing::debug!(%error, "announcements that were kept do not come now");
                    }
                    None => {}
                }
                (self.pulled, self.next_try) = (None, Instant::now() + TRY_SOON);
            }
            if let Some(trying) = &mut self.trying {
                let tried = trying.await;
                self.trying = None;
                self.tried(tried);
                continue;
            }
            let Some(peer) = self.peer.clone() else { return std::future::pending().await };
            if self.is_time() {
                self.trying = Some(pull(self.connection.clone(), self.topic.clone(), peer).boxed());
                continue;
            }
            tokio::select! {
                () = sleep_until(self.next_try) => {}
                () = changed(&mut self.news) => {}
            }
        }
    }

    /// Whether the broker is to be asked again: after a while, and when it may be another one.
    fn is_time(&mut self) -> bool {
        let openings = std::mem::replace(&mut self.openings, self.news.borrow_and_update().openings);
        self.openings != openings || Instant::now() >= self.next_try
    }

    fn tried(&mut self, tried: Result<Pulled, Unkept>) {
        self.next_try = Instant::now() + TRY_EVERY;
        match tried {
            Ok(pulled) => self.pulled = Some(Box::new(pulled)),
            Err(unkept) => unkept.tell(&self.connection),
        }
    }
}

impl Unkept {
    fn refused(error: impl fmt::Display) -> Self {
        Self::Refused(error.to_string())
    }

    fn not_made(error: CreateStreamError) -> Self {
        match error.kind() {
            CreateStreamErrorKind::JetStreamUnavailable => Self::NotOffered(error.to_string()),
            // So says a broker that has streams, and none for this user's account.
            CreateStreamErrorKind::JetStream(refusal) if refusal.code() == 503 => {
                Self::NotOffered(error.to_string())
            }
            _ => Self::refused(error),
        }
    }

    /// Writes it to the log, for all that share the connection once.
    fn tell(&self, connection: &Connection) {
        let broker = connection.broker();
        let what = "announcements are not kept for who is away";
        let is_new = connection.told().is_new(what);
        match self {
            Self::Refused(reason) if is_new => tracing::warn!(broker, reason = &*short(reason), "{what}"),
            Self::NotOffered(reason) if is_new => tracing::info!(broker, reason = &*short(reason), "{what}"),
            Self::Refused(reason) | Self::NotOffered(reason) => {
                tracing::debug!(broker, reason = &*short(reason), "{what}");
            }
        }
    }
}

/// What was announced since the peer last listened, and will be.
async fn pull(connection: Connection, topic: Topic, peer: PeerId) -> Result<Pulled, Unkept> {
    let mut context = jetstream::new(connection.client().clone());
    context.set_timeout(STREAM_PATIENCE);
    let named = async { context.stream_by_subject(topic.commit()).await.map_err(Unkept::refused) };
    // Ours, or one that was made for the broker as a whole: a subject has one at most.
    let named = answered(&connection, "$JS.API.STREAM.NAMES", named).await.ok();
    let own = stream(&topic);
    let name = named.clone().unwrap_or_else(|| own.name.clone());
    answered(&connection, &format!(".{name}"), async {
        let stream = match named {
            Some(name) => context.get_stream(name).await.map_err(Unkept::refused)?,
            None => context.get_or_create_stream(own).await.map_err(Unkept::not_made)?,
        };
        let consumer = stream.get_or_create_consumer(&peer.to_string(), consumer(&topic, &peer)).await;
        consumer.map_err(Unkept::refused)?.messages().await.map_err(Unkept::refused)
    })
    .await
}

/// What the broker answers. A question that it refuses, at a subject with these words, it leaves without an answer.
async fn answered<T>(
    connection: &Connection,
    words: &str,
    asked: impl Future<Output = Result<T, Unkept>>,
) -> Result<T, Unkept> {
    let before = connection.so_far().refusals;
    tokio::select! {
        answer = asked => answer,
        refusal = connection.refuses(before, words) => Err(Unkept::Refused(refusal)),
    }
}

fn consumer(topic: &Topic, peer: &PeerId) -> ConsumerConfig {
    ConsumerConfig {
        durable_name: Some(peer.to_string()),
        deliver_policy: DeliverPolicy::Last,
        ack_policy: AckPolicy::Explicit,
        filter_subject: topic.commit(),
        ..ConsumerConfig::default()
    }
}

fn stream(topic: &Topic) -> StreamConfig {
    StreamConfig {
        name: format!("FROND_{}_{}", topic.prefix().replace('.', "_"), topic.project()),
        subjects: vec![topic.commit()],
        max_age: KEPT,
        max_messages: KEPT_COUNT,
        discard: DiscardPolicy::Old,
        ..StreamConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

    #[test]
    fn an_announcement_is_read_as_it_is_written_and_as_older_agents_write_it() {
        let announcement =
            Announcement { hash: HASH.parse().unwrap(), peer: Some(PeerId::new("p1").unwrap()) };
        assert_eq!(Announcement::read(&announcement.write()), Some(announcement.clone()));
        let older = format!(r#"{{"rid":7,"uuid":"{HASH}","peer_id":"p1"}}"#);
        assert_eq!(Announcement::read(older.as_bytes()), Some(announcement.clone()));
        let odd = format!(r#"{{"uuid":"{HASH}","peer_id":"p.*"}}"#);
        assert_eq!(Announcement::read(odd.as_bytes()), Some(Announcement { peer: None, ..announcement }));
        for text in ["", "{}", "[]", r#"{"uuid":7}"#, r#"{"uuid":"xyz"}"#] {
            assert_eq!(Announcement::read(text.as_bytes()), None, "{text}");
        }
    }
}
