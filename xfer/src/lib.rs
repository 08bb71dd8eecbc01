//! The card language of Fossil's sync protocol: names, cards, messages.
//!
//! Nothing here reads a clock, does I/O or knows SQL. [`decode()`] turns the bytes of a message into a
//! [`Message`]; [`encode()`] is its mirror; [`body`] is the container both travel in over HTTP.
//!
//! ```
//! use xfer::body::{ContentType, pack, unpack};
//! use xfer::card::Igot;
//! use xfer::{DecodeLimits, Message, Secret, decode, encode, hash};
//!
//! let mut request = Message::default();
//! request.push(Igot::public(hash::sha3_256(b"an artifact")));
//! let secret = Secret::derive("abababababababababababababababababababab", "bob", "correct horse");
//! let request = request.signed("bob", &secret);
//! let body = pack(encode(&request), ContentType::Compressed);
//!
//! let limits = DecodeLimits::default();
//! let received = decode(&unpack(&body, &limits)?, &limits)?;
//! assert_eq!(received, request);
//! assert!(received.login.is_some_and(|login| login.covers_message() && login.is_signed_with(&secret)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod body;
pub mod card;
pub mod decode;
pub mod density;
pub mod encode;
pub mod hash;
pub mod id;
pub mod login;
pub mod message;
pub mod pragma;
pub mod table;
pub mod token;
pub mod uv_name;

pub use card::Card;
pub use decode::{DecodeError, DecodeErrorKind, DecodeLimits, decode};
pub use encode::encode;
pub use id::ArtifactId;
pub use login::{Login, Secret};
pub use message::Message;
pub use pragma::Pragma;
pub use table::{KeyPrefix, SqlName};
pub use uv_name::UvName;
