//! Answering rounds over a broker: from the same service that answers over HTTP, or from a server that is asked in turn.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use xfer::body::{Body, ContentType, pack};
use xfer::{Card, encode};

use super::bridge::Hub;
use super::clerk::{Clerk, Refused, reason};
use super::connection::Connection;
use super::envelope::Envelope;
use super::line::{Line, Room, fits, in_parts};
use super::part::MAX_PART_BYTES;
use super::topic::{PeerId, Topic, WordError};
use crate::http::serve::{Form, Letter, Share, Trouble, XferService};
use crate::{Carrier, Origin, PeerFault, TraceContext, TransportError, TurnedAway, short};

/// How long a request is worked on before whoever waits is told of it. Whoever hears nothing for longer asks others.
const AT_WORK_AFTER: Duration = Duration::from_secs(1);

/// Shortest parts that are sent, whatever is asked for.
const LEAST_PART_BYTES: usize = 1024;

/// What a server of rounds is called, and how much it takes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsServeOptions {
    /// What subjects begin with. Default [`Topic::PREFIX`].
    pub prefix: String,
    /// Who answers; none: the server code of the repository. Several processes of one name, for one repository, share
    /// the work.
    pub peer: Option<PeerId>,
    /// Requests that are read, answered or waiting at once. Who comes beside them is told to come again. Default 64.
    pub concurrent: usize,
}

impl Default for NatsServeOptions {
    fn default() -> Self {
        Self { prefix: Topic::PREFIX.to_owned(), peer: None, concurrent: 64 }
    }
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NatsServeError {
    /// A repository cannot be read.
    #[error("what is to be served cannot be read: {0}")]
    Repo(String),
    /// A repository without a project code.
    #[error("{}: it has no project code, so nobody can ask for it", .0.display())]
    NoProject(PathBuf),
    /// A prefix, project code or server code that can be no part of a subject.
    #[error(transparent)]
    Word(#[from] WordError),
    /// The broker does not let us.
    #[error(transparent)]
    Broker(#[from] TransportError),
}

/// A repository that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The repository file.
    pub file: PathBuf,
    /// Its subjects.
    pub topic: Topic,
    /// Who answers there.
    pub peer: PeerId,
}

/// A server that the broker knows of already, and that answers once it runs.
pub struct NatsServer {
    connection: Connection,
    counters: Vec<(Counter, [Subscriber; 2])>,
    drain_timeout: Duration,
    /// How often the broker had refused something before it was told.
    refusals: u64,
}

/// What one project is served with.
#[derive(Clone)]
struct Counter {
    connection: Connection,
    clerk: Clerk,
    topic: Topic,
    peer: PeerId,
    free: Arc<Semaphore>,
}

/// A project to be served: by whom, and what a client asks for.
struct Post {
    clerk: Clerk,
    topic: Topic,
    peer: PeerId,
}

/// Serves every repository of `service` over `connection` until `shutdown` ends; then answers what has come, within
/// the service's time for that.
pub async fn serve(
    connection: &Connection,
    service: XferService,
    options: NatsServeOptions,
    shutdown: impl Future<Output = ()>,
) -> Result<(), NatsServeError> {
    Ok(NatsServer::open(connection, &service, &options).await?.run(shutdown).await?)
}

impl NatsServer {
    /// Tells the broker what is served: repositories that are there now.
    pub async fn open(
        connection: &Connection,
        service: &XferService,
        options: &NatsServeOptions,
    ) -> Result<Self, NatsServeError> {
        let projects = service.repos().projects().map_err(|error| NatsServeError::Repo(error.to_string()))?;
        let mut posts = Vec::new();
        for project in projects {
            if project.project.is_empty() {
                return Err(NatsServeError::NoProject(project.place.file));
            }
            let topic = Topic::new(&options.prefix, &project.project)?;
            let peer = match &options.peer {
                Some(peer) => peer.clone(),
                None => PeerId::new(&project.server)?,
            };
            posts.push(Post { clerk: Clerk::Own(service.clone(), project.place), topic, peer });
        }
        Self::take(connection, posts, options, service.options().drain_timeout).await
    }

    /// Tells the broker that projects are answered for: each server with the code of its project. What was begun has
    /// `drain_timeout` once it is to stop.
    pub async fn bridge(
        connection: &Connection,
        hubs: impl IntoIterator<Item = (Hub, String)>,
        options: &NatsServeOptions,
        drain_timeout: Duration,
    ) -> Result<Self, NatsServeError> {
        let mut posts = Vec::new();
        for (hub, project) in hubs {
            let topic = Topic::new(&options.prefix, &project)?;
            let peer = options.peer.clone().map_or_else(|| hub.peer(), Ok)?;
            posts.push(Post { clerk: Clerk::Hub(hub), topic, peer });
        }
        Self::take(connection, posts, options, drain_timeout).await
    }

    async fn take(
        connection: &Connection,
        posts: Vec<Post>,
        options: &NatsServeOptions,
        drain_timeout: Duration,
    ) -> Result<Self, NatsServeError> {
        connection.reached().await?;
        let free = Arc::new(Semaphore::new(options.concurrent.max(1)));
        let before = connection.so_far();
        let mut counters: Vec<(Counter, _)> = Vec::new();
        for Post { clerk, topic, peer } in posts {
            let any = connection.join(&topic.sync(), &topic.queue()).await?;
            let own = connection.join(&topic.sync_with(&peer), &peer.to_string()).await?;
            let (connection, free) = (connection.clone(), Arc::clone(&free));
            counters.push((Counter { connection, clerk, topic, peer, free }, [any, own]));
        }
        let server =
            Self { connection: connection.clone(), counters, drain_timeout, refusals: before.refusals };
        connection.settle(&before, &server.subjects()).await?;
        Ok(server)
    }

    /// Where any peer of the projects is asked; where one is asked begins so.
    fn subjects(&self) -> Vec<String> {
        self.counters.iter().map(|(counter, _)| counter.topic.sync()).collect()
    }

    /// The repositories that are served.
    pub fn served(&self) -> Vec<Served> {
        let served = |(counter, _): &(Counter, _)| match &counter.clerk {
            Clerk::Own(_, place) => Some(Served {
                file: place.file.clone(),
                topic: counter.topic.clone(),
                peer: counter.peer.clone(),
            }),
            Clerk::Hub(_) => None,
        };
        self.counters.iter().filter_map(served).collect()
    }

    /// Answers until `shutdown` ends; then what has come, within the service's time for that. That the broker does not
    /// let us be asked (any more) ends it too, with an error.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), TransportError> {
        let (stop, stopped) = watch::channel(false);
        let (subjects, connection) = (self.subjects(), self.connection);
        let mut running = JoinSet::new();
        for (counter, subscribers) in self.counters {
            running.spawn(counter.run(subscribers, stopped.clone()));
        }
        let ended = tokio::select! {
            () = shutdown => Ok(()),
            refused = connection.deafened(self.refusals, &subjects) => Err(refused),
        };
        let _ = stop.send(true);
        let all = async { while running.join_next().await.is_some() {} };
        if timeout(self.drain_timeout, all).await.is_err() {
            tracing::warn!("stopped before every request of the broker was answered");
        }
        ended
    }
}

impl Counter {
    async fn run(self, [mut any, mut own]: [Subscriber; 2], mut stopped: watch::Receiver<bool>) {
        let mut answers = JoinSet::new();
        loop {
            let message = tokio::select! {
                message = any.next() => message,
                message = own.next() => message,
                _ = answers.join_next(), if !answers.is_empty() => continue,
                _ = stopped.wait_for(|stopped| *stopped) => break,
            };
            let Some(message) = message else { break };
            self.begin(message, &mut answers).await;
        }
        // What the broker gave us before it learnt that we take no more is still answered.
        let finished = async {
            let _ = (any.drain().await, own.drain().await);
            for mail in [&mut any, &mut own] {
                while let Some(message) = mail.next().await {
                    self.begin(message, &mut answers).await;
                }
            }
            while answers.join_next().await.is_some() {}
            let _ = self.connection.flush().await;
        };
        tokio::select! {
            () = finished => {}
            // Nobody hears an answer.
            () = self.connection.falls() => {}
        }
    }

    async fn begin(&self, message: Message, answers: &mut JoinSet<()>) {
        let Some(reply) = message.reply.as_ref().map(|reply| reply.as_str().to_owned()) else { return };
        match Arc::clone(&self.free).try_acquire_owned() {
            Ok(permit) => {
                answers.spawn(self.clone().attend(message, reply, permit));
            }
            Err(_) => {
                self.clerk.turned_away(TurnedAway::NoRoom);
                let busy = Refused { fault: PeerFault::Busy, text: Trouble::Full.text().to_owned() };
                let is_plain = Envelope::read(message.headers.as_ref()).is_ok_and(|e| e.takes.is_none());
                self.refuse(&reply, &busy, is_plain).await;
            }
        }
    }

    /// Answers one request and logs it.
    async fn attend(self, message: Message, reply: String, _permit: OwnedSemaphorePermit) {
        let begun = Instant::now();
        let mut envelope = match Envelope::read(message.headers.as_ref()) {
            Ok(envelope) => envelope,
            Err(error) => {
                self.clerk.turned_away(TurnedAway::Malformed);
                let text = error.to_string();
                return self.refuse(&reply, &Refused { fault: PeerFault::Malformed, text }, false).await;
            }
        };
        if envelope.is_probe {
            return self.say_here(&reply).await;
        }
        let is_plain = envelope.takes.is_none();
        let outcome = if is_plain {
            self.answer_plain(message, &mut envelope, &reply).await
        } else {
            self.answer(message, &mut envelope, &reply).await
        };
        let (trace_id, span_id) = TraceContext::ids(envelope.trace.as_ref());
        let from = envelope.peer.as_ref().map(tracing::field::display);
        let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let subject = self.topic.sync();
        match outcome {
            Ok(bytes) => tracing::info!(from, subject, bytes, milliseconds, trace_id, span_id, "answered"),
            Err(Refused { fault, text }) => {
                let told = &*short(&text);
                tracing::info!(
                    from,
                    subject,
                    ?fault,
                    text = told,
                    milliseconds,
                    trace_id,
                    span_id,
                    "not answered"
                );
                self.refuse(&reply, &Refused { fault, text }, is_plain).await;
            }
        }
    }

    /// Answers a peer that knows nothing but one message each way, without headers.
    async fn answer_plain(
        &self,
        message: Message,
        envelope: &mut Envelope,
        reply: &str,
    ) -> Result<usize, Refused> {
        let most = self.connection.max_payload();
        let body = Body { content_type: ContentType::Compressed, bytes: message.payload };
        let share = self.share(body.bytes.len()).await?;
        // A quarter is left for what is no artifact.
        let form = Form::Plain { reply_bytes: most as u64 / 4 * 3 };
        let (body, _share) = self.ask(body, envelope, form, share).await?;
        let length = body.bytes.len();
        if length > most {
            let text = format!(
                "the reply has {length} bytes, and this broker carries {most} at once: {}",
                self.clerk.how_to_shorten()
            );
            return Err(Refused { fault: PeerFault::TooLong, text });
        }
        self.connection.send(reply, None, Envelope::default().write(), body.bytes).await?;
        Ok(length)
    }

    async fn answer(&self, message: Message, envelope: &mut Envelope, reply: &str) -> Result<usize, Refused> {
        if envelope.peer.as_ref() == Some(&self.peer) {
            let text = "this is the repository that asks".to_owned();
            return Err(Refused { fault: PeerFault::Own, text });
        }
        let (bytes, share) = match envelope.body {
            None => {
                let share = self.share(message.payload.len()).await?;
                (message.payload, share)
            }
            Some(total) => self.read(total, reply).await?,
        };
        let content_type = envelope.content_type.unwrap_or(ContentType::Compressed);
        let body = Body { content_type, bytes };
        let (body, share) = self.ask_and_tell(body, envelope, share, reply).await?;
        let length = body.bytes.len();
        if length as u64 > envelope.takes.unwrap_or_default() {
            let text = format!("the reply has {length} bytes, more than are taken");
            return Err(Refused { fault: PeerFault::TooLong, text });
        }
        let part_bytes = envelope.part_bytes.and_then(|bytes| usize::try_from(bytes).ok());
        self.write(body, share, reply, part_bytes.unwrap_or(usize::MAX)).await?;
        Ok(length)
    }

    /// Says who is here.
    async fn say_here(&self, reply: &str) {
        let here = Envelope { peer: Some(self.peer.clone()), is_probe: true, ..Envelope::default() };
        let _ = self.connection.send(reply, None, here.write(), Bytes::new()).await;
    }

    /// Has a request answered, and tells whoever waits who is at work on it, should that take a while.
    async fn ask_and_tell(
        &self,
        body: Body,
        envelope: &mut Envelope,
        share: Share,
        reply: &str,
    ) -> Result<(Body, Share), Refused> {
        let mut asked = pin!(self.ask(body, envelope, Form::AsAsked, share));
        if let Ok(answer) = timeout(AT_WORK_AFTER, &mut asked).await {
            return answer;
        }
        self.say_here(reply).await;
        asked.await
    }

    /// Has a request that has come whole answered. From then on its trace is that of our own span, if there is one.
    async fn ask(
        &self,
        body: Body,
        envelope: &mut Envelope,
        form: Form,
        share: Share,
    ) -> Result<(Body, Share), Refused> {
        let peer = envelope.peer.as_ref().map(ToString::to_string);
        let (observer, file) = match &self.clerk {
            Clerk::Own(service, place) => (&service.options().observer, place.file.clone()),
            Clerk::Hub(hub) => (hub.observer(), PathBuf::from(hub.url().without_user())),
        };
        let watch = observer(&Origin {
            carrier: Carrier::Nats,
            peer: peer.as_deref(),
            file: &file,
            target: &self.topic.sync(),
            bytes: body.bytes.len() as u64,
            trace: envelope.trace.as_ref(),
        });
        if let Some(span) = watch.trace() {
            envelope.trace = Some(span);
        }
        match &self.clerk {
            Clerk::Own(service, place) => {
                let letter = Letter { body, peer: None, login: None, form };
                Ok(service.exchange(place, letter, share, watch).await?)
            }
            Clerk::Hub(hub) => hub.answer(body, envelope.trace.clone(), form, share, watch).await,
        }
    }

    /// Takes a request in parts.
    async fn read(&self, total: u64, reply: &str) -> Result<(Bytes, Share), Refused> {
        let limit = self.clerk.request_bytes();
        let Some(total) = usize::try_from(total).ok().filter(|&total| total > 0 && total <= limit) else {
            self.clerk.turned_away(TurnedAway::TooLong);
            let text = format!("the request is longer than the {limit} bytes that this server takes");
            return Err(Refused { fault: PeerFault::TooLong, text });
        };
        let mut line = self.line(total).await?;
        let hello = Envelope { peer: Some(self.peer.clone()), ..Envelope::default() };
        let (memory, patience) = (self.clerk.requests().clone(), self.clerk.idle_timeout());
        let mut room = Room::Shared { memory, share: Share::default(), patience };
        let received = line.receive(reply, total, hello, &mut room, None).await;
        let bytes = received.inspect_err(|error| self.clerk.turned_away(reason(error)))?;
        let share = match room {
            Room::Shared { share, .. } => share,
            Room::Granted => Share::default(),
        };
        Ok((bytes, share))
    }

    /// Sends a reply, in parts if need be, or if it is longer than what the peer wants at once.
    async fn write(
        &self,
        body: Body,
        _share: Share,
        reply: &str,
        part_bytes: usize,
    ) -> Result<(), TransportError> {
        let envelope = Envelope {
            content_type: Some(body.content_type),
            peer: Some(self.peer.clone()),
            ..Envelope::default()
        };
        let most = self.connection.max_payload();
        let part_bytes = part_bytes.max(LEAST_PART_BYTES);
        if body.bytes.len() <= part_bytes && fits(&body.bytes, most) {
            return self.connection.send(reply, None, envelope.write(), body.bytes).await;
        }
        let mut line = self.line(body.bytes.len()).await?;
        let offer = Envelope { body: Some(body.bytes.len() as u64), ..envelope };
        line.tell(reply, &offer, Bytes::new()).await?;
        line.send(reply, in_parts(body.bytes, most, part_bytes.min(MAX_PART_BYTES)), None).await.map(drop)
    }

    /// A talk about a transfer: it may take as long as its bytes do at the least rate, and one silence.
    async fn line(&self, bytes: usize) -> Result<Line, TransportError> {
        let idle = self.clerk.idle_timeout();
        let most = idle + Duration::from_secs(bytes as u64 / self.clerk.least_rate().max(1));
        Line::open(&self.connection, &self.topic.sync(), idle, most).await
    }

    /// Memory for a request that is there already.
    async fn share(&self, bytes: usize) -> Result<Share, Refused> {
        let (mut share, idle) = (Share::default(), self.clerk.idle_timeout());
        let grown = self.clerk.requests().grow(&mut share, bytes as u64, idle).await;
        if grown.is_none() {
            self.clerk.turned_away(TurnedAway::NoRoom);
            return Err(Trouble::Full.into());
        }
        Ok(share)
    }

    /// Says why there is no reply: in the headers, or as an error card to whom reads none.
    async fn refuse(&self, reply: &str, refused: &Refused, is_plain: bool) {
        let Refused { fault, text } = refused;
        let (envelope, payload) = if is_plain {
            let message = xfer::Message { login: None, cards: vec![Card::Error(text.clone())] };
            (Envelope::default(), pack(encode(&message), ContentType::Compressed).bytes)
        } else {
            let peer = Some(self.peer.clone());
            let envelope = Envelope { peer, error: Some(*fault), ..Envelope::default() };
            (envelope, Bytes::from(text.clone()))
        };
        if let Err(error) = self.connection.send(reply, None, envelope.write(), payload).await {
            tracing::debug!(%error, "a refusal was not sent");
        }
    }
}

impl fmt::Debug for NatsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.served()).finish()
    }
}
