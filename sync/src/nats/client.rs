//! A round over a broker, from the client's side.

use std::time::Duration;

use async_nats::Message;
use bytes::Bytes;
use tokio::time::sleep;
use xfer::DecodeLimits;
use xfer::body::{Body, ContentType};

use super::address::Address;
use super::connection::{ConnectOptions, Connection};
use super::envelope::Envelope;
use super::line::{Heard, Line, Room, fits, in_parts, moved};
use super::part::MAX_PART_BYTES;
use super::topic::{PeerId, Topic};
use crate::{Flow, Flows, PeerFault, TraceContext, Transport, TransportError};

/// How long a peer that answered before may be silent before it is looked after.
const PROBE_AFTER: Duration = Duration::from_secs(5);

/// How often a request to anyone goes out again, each time to whom the broker picks, while nobody says that he is at work on it:
/// one that hangs has it, as a rule.
const MORE_TRIES: u32 = 3;

/// How often a request goes out again because it came back to its sender.
const OWN_TRIES: u32 = 8;

/// Patience and bounds of a transport.
#[derive(Debug, Clone)]
pub struct NatsOptions {
    /// How a broker is connected to, where the transport does it.
    pub connect: ConnectOptions,
    /// How long the peer may be silent. Default 60 seconds.
    pub idle_timeout: Duration,
    /// How long one exchange may take in all. Default 30 minutes.
    pub exchange_timeout: Duration,
    /// Longest reply, in bytes. Default that of [`DecodeLimits`].
    pub reply_bytes: usize,
    /// Who we are: a peer of this name never answers. None in a clone.
    pub own: Option<PeerId>,
}

impl Default for NatsOptions {
    fn default() -> Self {
        Self {
            connect: ConnectOptions::default(),
            idle_timeout: Duration::from_secs(60),
            exchange_timeout: Duration::from_secs(30 * 60),
            reply_bytes: DecodeLimits::default().body_bytes,
            own: None,
        }
    }
}

/// Speaks to whichever peer answers first, and from then on to that one.
///
/// ```
/// use sync::nats::{Address, NatsOptions, NatsTransport};
///
/// let address: Address = "nats://hub.example/0123456789abcdef0123456789abcdef01234567".parse()?;
/// let transport = NatsTransport::new(address, NatsOptions::default());
/// # let _ = transport;
/// # Ok::<(), sync::nats::AddressError>(())
/// ```
pub struct NatsTransport {
    topic: Topic,
    options: NatsOptions,
    /// The one peer that may answer.
    wanted: Option<PeerId>,
    /// The peer that answered before.
    found: Found,
    /// Whether that peer takes no parts.
    is_plain: bool,
    flows: Flows,
    address: Option<Address>,
    connection: Option<Connection>,
    trace: Option<TraceContext>,
    /// What the last request was sent to.
    subject: String,
}

/// A request that goes in one message.
struct Request {
    subject: String,
    envelope: Envelope,
    payload: Bytes,
}

/// Who answered before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Found {
    #[default]
    Nobody,
    Peer(PeerId),
    /// Somebody who gave no name: an agent that knows only the plain form. It is asked with all others, so what those
    /// answer is not for this session.
    Nameless,
}

impl NatsTransport {
    /// Will ask at `address`. Nothing is opened yet.
    pub fn new(address: Address, options: NatsOptions) -> Self {
        let (topic, wanted) = (address.topic.clone(), address.peer.clone());
        Self { address: Some(address), ..Self::to(topic, wanted, options) }
    }

    /// Will ask for `topic` over a connection that others use too: any peer, or the one `wanted`.
    pub fn over(connection: Connection, topic: Topic, wanted: Option<PeerId>, options: NatsOptions) -> Self {
        Self { connection: Some(connection), ..Self::to(topic, wanted, options) }
    }

    fn to(topic: Topic, wanted: Option<PeerId>, options: NatsOptions) -> Self {
        Self {
            topic,
            options,
            wanted,
            found: Found::Nobody,
            is_plain: false,
            flows: Flows::default(),
            address: None,
            connection: None,
            trace: None,
            subject: String::new(),
        }
    }

    /// Moves bytes no faster than `flows` says. Messages are then as short as its pieces, where the peer knows how.
    #[must_use]
    pub fn paced(self, flows: Flows) -> Self {
        Self { flows, ..self }
    }

    /// The peer that answered last.
    pub fn peer(&self) -> Option<&PeerId> {
        match &self.found {
            Found::Peer(peer) => Some(peer),
            Found::Nobody | Found::Nameless => None,
        }
    }

    async fn connected(&mut self) -> Result<Connection, TransportError> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        let Some(address) = &self.address else { return Err(TransportError::Exhausted) };
        let connection = Connection::open(&address.broker, &self.options.connect).await?;
        self.connection = Some(connection.clone());
        Ok(connection)
    }

    async fn ask(&mut self, connection: &Connection, request: &Body) -> Result<Body, TransportError> {
        let asked = self.peer().or(self.wanted.as_ref()).cloned();
        let subject = asked.as_ref().map_or_else(|| self.topic.sync(), |peer| self.topic.sync_with(peer));
        let (idle, all) = (self.options.idle_timeout, self.options.exchange_timeout);
        self.subject.clone_from(&subject);
        let mut line = Line::open(connection, &subject, idle, all).await?;
        if let Some(peer) = &asked {
            line.peer = peer.to_string();
        }
        let (up, down) = (self.flows.up.as_deref(), self.flows.down.as_deref());
        let piece = up.filter(|_| !self.is_plain).map_or(MAX_PART_BYTES, Flow::piece_bytes);
        let is_short = self.is_plain || up.is_none() || request.bytes.len() <= piece;
        let is_whole = is_short && fits(&request.bytes, connection.max_payload());
        let envelope = Envelope {
            content_type: Some(request.content_type),
            peer: self.options.own.clone(),
            takes: Some(self.options.reply_bytes as u64),
            part_bytes: down.map(|flow| flow.piece_bytes() as u64),
            body: (!is_whole).then_some(request.bytes.len() as u64),
            trace: self.trace.clone(),
            ..Envelope::default()
        };
        let payload = if is_whole { request.bytes.clone() } else { Bytes::new() };
        rest(up).await;
        rest(down).await;
        let first = Request { subject, envelope, payload };
        self.tell(&line, &first).await?;
        let is_for_anyone = asked.is_none() && self.found == Found::Nobody && is_whole;
        let again = is_for_anyone.then_some(&first);
        let (mut message, mut envelope) = self.answer(&mut line, asked.as_ref(), again).await?;
        if !is_whole && envelope.error.is_none() {
            let Some(ack) = envelope.ack else { return Err(takes_no_parts(&line)) };
            let to = reply_subject(&line, &message)?;
            let mut body = in_parts(request.bytes.clone(), connection.max_payload(), piece);
            body.hear(ack).map_err(|flaw| line.malformed(&flaw))?;
            let peer = envelope.peer.clone();
            let next = line.send(&to, body, up).await?;
            (message, envelope) = match next {
                Some(next) => next,
                None => self.answer(&mut line, peer.as_ref(), None).await?,
            };
        }
        self.read(&mut line, message, envelope).await
    }

    async fn tell(&self, line: &Line, request: &Request) -> Result<(), TransportError> {
        moved(self.flows.up.as_deref(), request.payload.len());
        line.tell(&request.subject, &request.envelope, request.payload.clone()).await
    }

    /// Waits for what the peer says; looks after one that is known and silent. A request that goes `again` is asked of others
    /// while nobody says that he has it.
    async fn answer(
        &self,
        line: &mut Line,
        peer: Option<&PeerId>,
        again: Option<&Request>,
    ) -> Result<(Message, Envelope), TransportError> {
        let (mut waited, mut probed, mut tries) = (Duration::ZERO, false, 0);
        let mut peer = peer.cloned();
        let step = PROBE_AFTER.min(self.options.idle_timeout);
        loop {
            match line.next(step).await? {
                // It is there, and at work.
                Heard::Message(_, envelope) if envelope.is_probe => {
                    waited = Duration::ZERO;
                    peer = peer.or(envelope.peer);
                }
                // What was said of parts that are all there by now.
                Heard::Message(_, envelope) if envelope.ack.is_some() && line.is_past_parts() => {}
                Heard::Message(_, envelope) if envelope.peer.is_some() && self.found == Found::Nameless => {}
                Heard::Message(message, envelope) => return Ok((message, envelope)),
                Heard::Nobody if probed || self.found != Found::Nobody => return Err(line.gone()),
                Heard::Nobody => return Err(self.nobody(line, peer.as_ref())),
                Heard::Nothing => {
                    waited += step;
                    if waited >= self.options.idle_timeout {
                        return Err(line.silent());
                    }
                    if let Some(peer) = &peer {
                        let probe = Envelope { is_probe: true, ..Envelope::default() };
                        line.tell(&self.topic.sync_with(peer), &probe, Bytes::new()).await?;
                        probed = true;
                    } else if let Some(request) = again.filter(|_| tries < MORE_TRIES) {
                        tries += 1;
                        self.tell(line, request).await?;
                    }
                }
            }
        }
    }

    /// Reads the reply that a message is, or announces.
    async fn read(
        &mut self,
        line: &mut Line,
        message: Message,
        envelope: Envelope,
    ) -> Result<Body, TransportError> {
        let peer = line.peer.clone();
        if let Some(fault) = envelope.error {
            let text = String::from_utf8_lossy(&message.payload).chars().take(500).collect();
            return Err(TransportError::PeerFailed { peer, fault, text });
        }
        let content_type = envelope.content_type.unwrap_or(ContentType::Compressed);
        let limit = self.options.reply_bytes;
        let down = self.flows.down.clone();
        let bytes = match envelope.body {
            None => {
                moved(down.as_deref(), message.payload.len());
                message.payload.clone()
            }
            Some(total) => {
                let Some(total) = usize::try_from(total).ok().filter(|&total| total > 0 && total <= limit)
                else {
                    return Err(TransportError::TooLong { peer, limit });
                };
                let to = reply_subject(line, &message)?;
                line.receive(&to, total, Envelope::default(), &mut Room::Granted, down.as_deref()).await?
            }
        };
        if bytes.is_empty() {
            return Err(TransportError::Empty { peer });
        }
        if bytes.len() > limit {
            return Err(TransportError::TooLong { peer, limit });
        }
        self.found = match (envelope.peer, std::mem::take(&mut self.found)) {
            (Some(peer), _) => Found::Peer(peer),
            (None, Found::Peer(peer)) => Found::Peer(peer),
            (None, Found::Nobody | Found::Nameless) => Found::Nameless,
        };
        Ok(Body { content_type, bytes })
    }

    /// Whether a request that was to go slowly, in parts, may go in one message.
    fn may_go_whole(&self, error: &TransportError, connection: &Connection, request: &Body) -> bool {
        let is_about_parts = matches!(error, TransportError::PeerFailed { fault: PeerFault::TooLong, .. });
        is_about_parts && !self.is_plain && fits(&request.bytes, connection.max_payload())
    }

    fn nobody(&self, line: &Line, peer: Option<&PeerId>) -> TransportError {
        let project = self.topic.project();
        let project = peer.map_or_else(|| project.to_owned(), |peer| format!("{project}, peer {peer},"));
        let broker = line.connection.broker().to_owned();
        TransportError::NobodyAnswers { project, broker, reason: String::new() }
    }
}

impl Transport for NatsTransport {
    async fn exchange(&mut self, request: Body) -> Result<Body, TransportError> {
        let connection = self.connected().await?;
        connection.reached().await?;
        for _ in 0..OWN_TRIES {
            match self.ask(&connection, &request).await {
                Ok(reply) => return Ok(reply),
                Err(TransportError::PeerFailed { fault: PeerFault::Own, .. }) => {}
                Err(error) if self.may_go_whole(&error, &connection, &request) => self.is_plain = true,
                Err(error) => {
                    // The session is over; the next one may be with somebody else.
                    (self.found, self.is_plain) = (Found::Nobody, false);
                    return Err(error);
                }
            }
        }
        let (project, broker) = (self.topic.project().to_owned(), connection.broker().to_owned());
        let reason =
            "nobody but this repository itself, or a copy of its file under the same server code".to_owned();
        Err(TransportError::NobodyAnswers { project, broker, reason })
    }

    fn carry(&mut self, trace: Option<TraceContext>) {
        self.trace = trace;
    }

    fn destination(&self) -> Option<&str> {
        Some(&self.subject)
    }

    fn lasting_url(&self) -> Option<String> {
        self.address.as_ref().map(ToString::to_string)
    }
}

/// Waits until bytes may move.
async fn rest(flow: Option<&dyn Flow>) {
    let Some(flow) = flow else { return };
    loop {
        let wait = flow.wait();
        if wait.is_zero() {
            return;
        }
        sleep(wait).await;
    }
}

fn reply_subject(line: &Line, message: &Message) -> Result<String, TransportError> {
    let subject = message.reply.as_ref().map(|subject| subject.as_str().to_owned());
    subject.ok_or_else(|| line.malformed(&"it speaks of parts, and does not say where"))
}

fn takes_no_parts(line: &Line) -> TransportError {
    let most = line.connection.max_payload();
    let text = format!("it takes no requests of more than the {most} bytes that this broker carries at once");
    TransportError::PeerFailed { peer: line.peer.clone(), fault: PeerFault::TooLong, text }
}
