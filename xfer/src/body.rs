//! The body of an HTTP request or reply (reference: wire.md section 1.3).

use bytes::Bytes;

use crate::DecodeLimits;

/// How a body is framed. Chosen by Content-Type alone, never by looking at the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentType {
    /// `application/x-fossil`: 4-byte big-endian size, then one zlib stream.
    Compressed,
    /// `application/x-fossil-uncompressed`: cards as they are.
    Uncompressed,
    /// `application/x-fossil-debug`: cards as they are.
    Debug,
}

impl ContentType {
    /// Reads a Content-Type header; parameters are ignored. None if it is no type of this protocol.
    pub fn parse(_header: &str) -> Option<Self> { unimplemented!() }

    /// The header's value.
    pub fn as_str(self) -> &'static str { unimplemented!() }
}

/// A framed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// How `bytes` are framed.
    pub content_type: ContentType,
    /// What travels.
    pub bytes: Bytes,
}

/// Says why a body holds no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Longer than the limit, before or after inflating.
    #[error("a body of more than {limit} bytes")]
    TooLong {
        /// The limit that was passed.
        limit: usize,
    },
    /// No zlib stream where there should be one.
    #[error("the body is labelled application/x-fossil but does not inflate")]
    NotZlib,
    /// The size prefix is not the size of what follows.
    #[error("the body says it holds {declared} bytes, but inflates to {actual}")]
    Size {
        /// Size prefix.
        declared: u32,
        /// Size found.
        actual: usize,
    },
}

/// Frames the text of a message.
pub fn pack(_text: &[u8], _content_type: ContentType) -> Body { unimplemented!() }

/// Takes the text of a message out of its frame. Memory is bounded by `limits`, whatever the prefix says.
pub fn unpack(_body: &Body, _limits: &DecodeLimits) -> Result<Bytes, BodyError> { unimplemented!() }
