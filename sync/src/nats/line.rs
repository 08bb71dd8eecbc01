//! A talk with one peer about one round, at an inbox of its own.

use std::time::Duration;

use async_nats::{Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::connection::{Connection, News, changed};
use super::envelope::Envelope;
use super::part::{Flaw, Inflow, MAX_PART_BYTES, Outflow};
use crate::http::serve::{Memory, Share};
use crate::{Flow, PeerFault, TransportError};

/// Bytes of a message that are left for its headers, where it is large enough.
const HEADER_ROOM: usize = 4096;

/// Bytes that a message of a part, or of an acknowledgement, has beside the part: its headers, and where it goes.
pub(super) const MESSAGE_BYTES: usize = 200;

/// How long nothing may come before parts are asked for again.
const RESEND_AFTER: Duration = Duration::from_secs(3);

/// An inbox, and how long to wait there.
pub(super) struct Line {
    pub(super) connection: Connection,
    /// The peer as far as it is known, for messages.
    pub(super) peer: String,
    subject: String,
    inbox: String,
    mail: Subscriber,
    news: watch::Receiver<News>,
    seen: News,
    idle_timeout: Duration,
    begun: Instant,
    timeout: Duration,
    /// Whether a body went in parts, so that late words about them mean nothing.
    sent_parts: bool,
}

/// Memory for a body that comes in parts.
pub(super) enum Room {
    /// The one who asked bounded it.
    Granted,
    /// A share of what a server has for requests.
    Shared { memory: Memory, share: Share, patience: Duration },
}

impl Room {
    /// What is waited for where there is no room.
    pub(super) const MEMORY: &str = "memory for requests";

    async fn grow(&mut self, bytes: usize) -> Result<(), TransportError> {
        let Self::Shared { memory, share, patience } = self else { return Ok(()) };
        let grown = memory.grow(share, bytes as u64, *patience).await;
        let full = || TransportError::TimedOut { peer: Self::MEMORY.to_owned(), after: *patience };
        grown.ok_or_else(full)
    }
}

/// What a wait brought.
#[expect(clippy::large_enum_variant, reason = "it lives for a moment, once a message")]
pub(super) enum Heard {
    Message(Message, Envelope),
    /// Nobody is there who could hear what was said last.
    Nobody,
    /// Nothing, for as long as was asked.
    Nothing,
}

impl Line {
    /// Opens an inbox for a talk that begins at `subject`. The talk may take `timeout`, a silence `idle_timeout`.
    pub(super) async fn open(
        connection: &Connection,
        subject: &str,
        idle_timeout: Duration,
        timeout: Duration,
    ) -> Result<Self, TransportError> {
        let news = connection.news();
        let inbox = connection.client().new_inbox();
        let seen = news.borrow().clone();
        Ok(Self {
            seen,
            mail: connection.subscribe(&inbox).await?,
            connection: connection.clone(),
            peer: connection.broker().to_owned(),
            subject: subject.to_owned(),
            inbox,
            news,
            idle_timeout,
            begun: Instant::now(),
            timeout,
            sent_parts: false,
        })
    }

    /// Says something, to be answered here.
    pub(super) async fn tell(
        &self,
        to: &str,
        envelope: &Envelope,
        payload: Bytes,
    ) -> Result<(), TransportError> {
        self.connection.send(to, Some(&self.inbox), envelope.write(), payload).await
    }

    /// Waits for a message, no longer than `limit`.
    pub(super) async fn next(&mut self, limit: Duration) -> Result<Heard, TransportError> {
        let end = self.begun + self.timeout;
        let until = end.min(Instant::now() + limit);
        loop {
            tokio::select! {
                biased;
                message = self.mail.next() => return self.read(message),
                () = changed(&mut self.news) => self.check()?,
                () = sleep_until(until) => {
                    if Instant::now() >= end {
                        return Err(TransportError::TooSlow { peer: self.peer.clone(), after: self.timeout });
                    }
                    return Ok(Heard::Nothing);
                }
            }
        }
    }

    fn read(&mut self, message: Option<Message>) -> Result<Heard, TransportError> {
        let Some(message) = message else { return Err(self.connection.broke("it was closed")) };
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return Ok(Heard::Nobody);
        }
        let envelope = Envelope::read(message.headers.as_ref()).map_err(|error| self.malformed(&error))?;
        if let Some(peer) = &envelope.peer {
            self.peer = peer.to_string();
        }
        Ok(Heard::Message(message, envelope))
    }

    /// What was said may be lost once the connection broke; what was refused never arrives.
    fn check(&mut self) -> Result<(), TransportError> {
        let news = self.news.borrow_and_update().clone();
        if news.breaks != self.seen.breaks {
            return Err(self.connection.broke("the broker went away, or the network did"));
        }
        let is_ours = |text: &str| text.contains(&self.subject) || text.contains(&self.inbox);
        if let Some(text) = news.refused_since(self.seen.refusals, is_ours) {
            return Err(self.connection.refused(text));
        }
        self.seen = news;
        Ok(())
    }

    /// Sends a body in parts to `to`, where the receiver grants credit, no faster than `flow` says. Gives what was said after it, if that came
    /// before the receiver said that it has all.
    pub(super) async fn send(
        &mut self,
        to: &str,
        mut body: Outflow,
        flow: Option<&dyn Flow>,
    ) -> Result<Option<(Message, Envelope)>, TransportError> {
        self.sent_parts = true;
        loop {
            let wait = flow.filter(|_| body.has_part()).map_or(Duration::ZERO, Flow::wait);
            if wait.is_zero()
                && let Some((part, bytes)) = body.next_part()
            {
                moved(flow, bytes.len());
                self.tell(to, &Envelope { part: Some(part), ..Envelope::default() }, bytes).await?;
                continue;
            }
            if body.is_done() {
                return Ok(None);
            }
            let patience = if wait.is_zero() { self.idle_timeout } else { wait };
            match self.next(patience).await? {
                Heard::Message(_, Envelope { ack: Some(ack), .. }) => {
                    body.hear(ack).map_err(|flaw| self.flawed(flaw))?;
                }
                // It is there, and at work.
                Heard::Message(_, Envelope { is_probe: true, .. }) => {}
                Heard::Message(message, envelope) => return Ok(Some((message, envelope))),
                Heard::Nobody => return Err(self.gone()),
                Heard::Nothing if wait.is_zero() => return Err(self.silent()),
                Heard::Nothing => {}
            }
        }
    }

    /// Takes a body of `total` bytes in parts, which are asked for at `to`. Room for more bytes is made before they
    /// are kept. With `flow`, the sender is allowed one part after another, as fast as that says.
    pub(super) async fn receive(
        &mut self,
        to: &str,
        total: usize,
        hello: Envelope,
        room: &mut Room,
        flow: Option<&dyn Flow>,
    ) -> Result<Bytes, TransportError> {
        let mut body = if flow.is_some() { Inflow::slow(total) } else { Inflow::new(total) };
        self.tell(to, &Envelope { ack: Some(body.wish()), ..hello }, Bytes::new()).await?;
        let (mut last, mut asked) = (Instant::now(), Instant::now());
        while !body.is_done() {
            let allowing = flow.filter(|_| body.may_allow()).map(|flow| (flow, flow.wait()));
            if let Some((flow, Duration::ZERO)) = allowing {
                moved(Some(flow), flow.piece_bytes());
                if !body.expects_any() {
                    (last, asked) = (Instant::now(), Instant::now());
                }
                self.tell(to, &Envelope { ack: Some(body.allow()), ..Envelope::default() }, Bytes::new())
                    .await?;
                continue;
            }
            let patience = RESEND_AFTER.min(self.idle_timeout);
            let heard = self.next(allowing.map_or(patience, |(_, wait)| patience.min(wait))).await?;
            let ack = match heard {
                Heard::Message(message, Envelope { part: Some(part), .. }) => {
                    (last, asked) = (Instant::now(), Instant::now());
                    // Who does not know how long a part may be sends longer ones.
                    let beyond =
                        flow.map_or(0, |flow| message.payload.len().saturating_sub(flow.piece_bytes()));
                    flow.into_iter().for_each(|flow| flow.moved(beyond));
                    room.grow(body.len() + message.payload.len()).await?;
                    let ack = body.take(&part, &message.payload).map_err(|flaw| self.flawed(flaw))?;
                    // The next part that is allowed tells it as well.
                    ack.filter(|ack| ack.resend || body.is_done() || !body.is_slow())
                }
                Heard::Message(_, Envelope { error: Some(fault), .. }) => {
                    let text = "it gave up midway".to_owned();
                    return Err(TransportError::PeerFailed { peer: self.peer.clone(), fault, text });
                }
                Heard::Message(..) => None,
                Heard::Nobody => return Err(self.gone()),
                Heard::Nothing if !body.expects_any() => None,
                Heard::Nothing if last.elapsed() >= self.idle_timeout => return Err(self.silent()),
                Heard::Nothing if asked.elapsed() < patience => None,
                Heard::Nothing => {
                    asked = Instant::now();
                    Some(body.wish())
                }
            };
            if ack.is_some() {
                self.tell(to, &Envelope { ack, ..Envelope::default() }, Bytes::new()).await?;
            }
        }
        self.connection.flush().await?;
        Ok(body.into_bytes())
    }

    /// Whether a body went in parts here: late words about them may still come.
    pub(super) fn is_past_parts(&self) -> bool {
        self.sent_parts
    }

    pub(super) fn gone(&self) -> TransportError {
        TransportError::CutShort { peer: self.peer.clone(), reason: "it is not there any more".to_owned() }
    }

    pub(super) fn silent(&self) -> TransportError {
        TransportError::TimedOut { peer: self.peer.clone(), after: self.idle_timeout }
    }

    fn flawed(&self, flaw: Flaw) -> TransportError {
        TransportError::CutShort { peer: self.peer.clone(), reason: flaw.to_string() }
    }

    pub(super) fn malformed(&self, error: &dyn std::fmt::Display) -> TransportError {
        let (peer, text) = (self.peer.clone(), error.to_string());
        TransportError::PeerFailed { peer, fault: PeerFault::Failed, text }
    }
}

/// Tells a flow of a message.
pub(super) fn moved(flow: Option<&dyn Flow>, bytes: usize) {
    flow.into_iter().for_each(|flow| flow.moved(bytes + MESSAGE_BYTES));
}

/// Bytes of headers that a message of at most `max_payload` bytes leaves room for.
fn header_room(max_payload: usize) -> usize {
    HEADER_ROOM.min(max_payload / 2)
}

/// Whether a body goes in one message, headers and all.
pub(super) fn fits(body: &Bytes, max_payload: usize) -> bool {
    body.len() + header_room(max_payload) <= max_payload
}

/// A body that does not, or of which no more than `part_bytes` are to go at once.
pub(super) fn in_parts(body: Bytes, max_payload: usize, part_bytes: usize) -> Outflow {
    Outflow::new(body, (max_payload - header_room(max_payload)).min(part_bytes).clamp(1, MAX_PART_BYTES))
}
