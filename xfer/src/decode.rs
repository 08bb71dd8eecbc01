//! Bytes into cards: strict where stock guesses (reference: wire.md section 2).

use bytes::Bytes;

use crate::Message;

/// What a message may cost. The defaults hold every message that stock peers send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Bytes of a body as it travels.
    pub body_bytes: usize,
    /// Bytes of a message after inflating.
    pub message_bytes: usize,
    /// Bytes of one card's line.
    pub line_bytes: usize,
    /// Bytes of one payload.
    pub payload_bytes: usize,
}

/// Says what is wrong with a message, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("card {card} at byte {offset}: {kind}")]
pub struct DecodeError {
    /// Byte offset of the card in the message.
    pub offset: usize,
    /// Number of the card, counting from 1.
    pub card: usize,
    /// What is wrong.
    pub kind: DecodeErrorKind,
}

/// What can be wrong with a card.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeErrorKind {
    /// to be written
    #[error("malformed {0} card")]
    Malformed(&'static str),
}

/// Reads a message. Payloads are slices of `text`: nothing is copied.
pub fn decode(_text: &Bytes, _limits: &DecodeLimits) -> Result<Message, DecodeError> { unimplemented!() }
