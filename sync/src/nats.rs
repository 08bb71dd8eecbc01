//! Rounds over a NATS broker, both ends.
//!
//! [`NatsTransport`] is the client's side of a round, [`serve`] the server's: a [`crate::http::serve::XferService`]
//! answers over the broker as it does over HTTP, under the same bounds and rights. A bridge ([`NatsServer::bridge`])
//! answers for servers that are reached over HTTP alone: it hands each round on as it is ([`Hub`]).
//!
//! # What is said where
//!
//! | Subject | |
//! |---|---|
//! | `PREFIX.PROJECT.sync` | any peer is asked; of those that serve the project the broker picks one (queue group `sync-PROJECT`) |
//! | `PREFIX.PROJECT.sync.PEER` | one peer is asked (queue group `PEER`: processes that serve one repository file) |
//! | `PREFIX.PROJECT.commit` | commits are announced |
//!
//! `PREFIX` is `fossil` unless another is wanted, `PROJECT` the project code, `PEER` the server code of a repository
//! unless it was given another name. The payload of a request and of its reply is the body of a round: the size-prefixed
//! zlib container where no header says otherwise. So an agent that knows nothing but that asks and answers as well; it
//! gets replies without headers, compressed, and short enough for one message.
//!
//! # Headers
//!
//! | Header | In | |
//! |---|---|---|
//! | `Content-Type` | both | as in HTTP |
//! | `Frond-Peer` | both | who speaks; the first to answer a session is asked for its other rounds by name |
//! | `Frond-Takes` | request | longest reply taken, in bytes; without it the peer knows the plain form only |
//! | `Frond-Part-Bytes` | request | longest message wanted: what is longer comes in parts of so many bytes |
//! | `Frond-Error` | reply | there is no reply, but a word on why: `busy`, `unreachable`, `gone`, `failed`, `too-long`, `malformed`, `own` |
//! | `Frond-Body` | both | the body follows in parts, and has so many bytes; this message has none of them |
//! | `Frond-Ack` | control | `NEXT CREDIT [again]`: the parts from `NEXT` on are wanted, `CREDIT` of them |
//! | `Frond-Part` | control | `NUMBER OFFSET CRC32`: the payload is this part |
//! | `Frond-Probe` | control | asked of a peer that is silent for 5 seconds: it says the same back; the broker says if it is gone. Said unasked after a second by who works on a request |
//! | `traceparent`, `tracestate` | request | carried as they are |
//!
//! # Who answers
//!
//! Copies of a repository are one queue group where anyone is asked, not one each: else all of them would work on each first
//! request of a session, and all replies but one be thrown away. What groups of their own would be good for, that one copy that
//! hangs holds nobody up, comes of this: who hears of nobody at work on a first request for 5 seconds asks again, up to three
//! times, and stays with whoever answers first. Processes that serve one copy share the group of its name.
//!
//! # Parts
//!
//! A body that does not go in one message of the broker (`max_payload`, less room for headers) is announced with
//! `Frond-Body`. The receiver answers with `Frond-Ack: 0 16 again` from an inbox of its own; the sender sends parts of at
//! most 512 KiB there, never more than there is credit for, and each is acknowledged. A receiver with a limit on its rate
//! grants no credit at first, and then one part after another. A part that comes twice is dropped;
//! after a gap or a damaged part the receiver asks for everything from there on, as it does when nothing came for three
//! seconds. All messages have a reply subject, so that the broker says at once when the other end is gone. A request of
//! more bytes than the server's limit on bodies is refused before any part of it moves.
//!
//! "Nobody answers" ([`crate::TransportError::NobodyAnswers`]), "the peer could not"
//! ([`crate::TransportError::PeerFailed`]) and "an empty reply" ([`crate::TransportError::Empty`]) are three things. When
//! the connection breaks during an exchange, that exchange fails: nobody knows whether the request arrived.

mod access;
mod address;
mod announce;
mod blame;
mod bridge;
mod clerk;
mod client;
mod connection;
mod envelope;
#[cfg(test)]
mod fuzz;
mod line;
mod part;
mod serve;
mod told;
mod topic;

pub use access::{Access, AccessError};
pub use address::{Address, AddressError, Broker, Carried, Place, Security};
pub use announce::{Announcement, Announcements, Durability, News, Receipt, announce, announcements};
pub use bridge::{Handed, Hub, HubError, HubObserver, HubOptions};
pub use client::{NatsOptions, NatsTransport};
pub use connection::{Absence, ConnectOptions, Connection};
pub use serve::{NatsServeError, NatsServeOptions, NatsServer, Served, serve};
pub use topic::{PeerId, Topic, WordError};
