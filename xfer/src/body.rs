//! The body of an HTTP request or reply (reference: wire.md section 1.3).

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use libdeflater::{CompressionLvl, Compressor};

use crate::DecodeLimits;
use crate::density::is_dense;

/// Bytes of the size prefix.
const PREFIX: usize = 4;

/// Texts up to this size are packed tightly: most rounds are a few short cards, where the bytes on the
/// wire count and the time does not.
const SMALL: usize = 16 * 1024;

/// How tightly longer ones are packed: the time counts more than a few bytes.
const LEVEL: i32 = 3;

/// A text is looked at in pieces of this size before it is packed.
const PIECE: usize = 64 * 1024;

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
    const ALL: [Self; 3] = [Self::Compressed, Self::Uncompressed, Self::Debug];

    /// Reads a Content-Type header; parameters and letter case are ignored. None if it is no type of this
    /// protocol.
    pub fn parse(header: &str) -> Option<Self> {
        let name = header.split(';').next().unwrap_or_default().trim();
        Self::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(name))
    }

    /// The header's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compressed => "application/x-fossil",
            Self::Uncompressed => "application/x-fossil-uncompressed",
            Self::Debug => "application/x-fossil-debug",
        }
    }
}

/// A framed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// How `bytes` are framed.
    pub content_type: ContentType,
    /// What travels.
    pub bytes: Bytes,
}

/// Says why a body holds no message. A retry does not help: the peer framed it wrongly, or it is too large.
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
    /// The zlib stream breaks off.
    #[error("the body's zlib stream breaks off after {inflated} bytes of output")]
    Truncated {
        /// Bytes inflated up to there.
        inflated: usize,
    },
    /// The size prefix is larger than what follows.
    #[error("the body says it holds {declared} bytes, but inflates to {actual}")]
    Size {
        /// Size prefix.
        declared: u32,
        /// Size found.
        actual: usize,
    },
    /// The size prefix is smaller than what follows.
    #[error("the body says it holds {declared} bytes, but inflates to more")]
    Longer {
        /// Size prefix.
        declared: u32,
    },
    /// Something follows the zlib stream.
    #[error("{bytes} bytes follow the body's zlib stream")]
    Junk {
        /// How much.
        bytes: usize,
    },
}

/// Frames the text of a message.
///
/// An owned text is not copied when the framing leaves it as it is. Panics if the text has 4 GiB or more,
/// which the size prefix cannot say: no message is built that large.
pub fn pack<'a>(text: impl Into<Cow<'a, [u8]>>, content_type: ContentType) -> Body {
    let text = text.into();
    let bytes = match content_type {
        ContentType::Compressed => Bytes::from(deflate(&text)),
        ContentType::Uncompressed | ContentType::Debug => Bytes::from(text.into_owned()),
    };
    Body { content_type, bytes }
}

/// Takes the text of a message out of its frame. A body of no bytes is an empty message.
///
/// Memory is bounded by `limits` and by what really inflates, whatever the prefix says. Where stock falls
/// back to reading a broken container as cards, this is an error.
pub fn unpack(body: &Body, limits: &DecodeLimits) -> Result<Bytes, BodyError> {
    if body.bytes.len() > limits.body_bytes {
        return Err(BodyError::TooLong { limit: limits.body_bytes });
    }
    let text = match body.content_type {
        ContentType::Compressed if body.bytes.is_empty() => Bytes::new(),
        ContentType::Compressed => inflate(&body.bytes, limits.message_bytes)?,
        ContentType::Uncompressed | ContentType::Debug => body.bytes.clone(),
    };
    if text.len() > limits.message_bytes {
        return Err(BodyError::TooLong { limit: limits.message_bytes });
    }
    Ok(text)
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let size = u32::try_from(text.len()).expect("a message has less than 4 GiB");
    if text.len() > SMALL {
        return if is_mostly_dense(text) { copy(text, size) } else { deflate_whole(text, size) };
    }
    let mut out = Vec::with_capacity(PREFIX + 64 + text.len() / 2);
    out.extend(size.to_be_bytes());
    let used = spare().take();
    let mut zlib = used.unwrap_or_else(|| Compress::new(Compression::new(6), true));
    deflate_with(&mut zlib, text, &mut out);
    zlib.reset();
    *spare() = Some(zlib);
    out
}

/// A text that stays as long as it is.
fn copy(text: &[u8], size: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(PREFIX + 64 + text.len() + text.len() / 1024);
    out.extend(size.to_be_bytes());
    deflate_with(&mut Compress::new(Compression::none(), true), text, &mut out);
    out
}

/// A text that is not small, packed in one go: so that takes less time.
fn deflate_whole(text: &[u8], size: u32) -> Vec<u8> {
    let mut zlib = Compressor::new(CompressionLvl::new(LEVEL).expect("a level that there is"));
    let mut out = vec![0; PREFIX + zlib.zlib_compress_bound(text.len())];
    let (prefix, stream) = out.split_at_mut(PREFIX);
    prefix.copy_from_slice(&size.to_be_bytes());
    let length = zlib.zlib_compress(text, stream).expect("there is room for whatever comes of it");
    out.truncate(PREFIX + length);
    // Room that is not needed would be memory held until the body is sent.
    out.shrink_to_fit();
    out
}

/// Whether deflating would save next to nothing: what is not dense is less than an eighth of the text.
fn is_mostly_dense(text: &[u8]) -> bool {
    let dense = text.chunks(PIECE).filter(|piece| is_dense(piece)).map(<[u8]>::len).sum::<usize>();
    dense > text.len() - text.len() / 8
}

/// The tables of the last small message, 300 KB: to make them takes longer than to deflate as little.
fn spare() -> MutexGuard<'static, Option<Compress>> {
    static SPARE: Mutex<Option<Compress>> = Mutex::new(None);
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn deflate_with(zlib: &mut Compress, text: &[u8], out: &mut Vec<u8>) {
    loop {
        let rest = &text[at(zlib.total_in())..];
        let status = zlib.compress_vec(rest, out, FlushCompress::Finish).expect("deflating into memory");
        if status == Status::StreamEnd {
            return;
        }
        // Exactly: room that is not needed would be memory held until the body is sent.
        out.reserve_exact((text.len() - at(zlib.total_in())) / 2 + 1024);
    }
}

fn inflate(container: &[u8], limit: usize) -> Result<Bytes, BodyError> {
    let Some((prefix, stream)) = container.split_first_chunk::<PREFIX>() else {
        return Err(BodyError::NotZlib);
    };
    let declared = u32::from_be_bytes(*prefix);
    let size = usize::try_from(declared).unwrap_or(usize::MAX);
    if size > limit {
        return Err(BodyError::TooLong { limit });
    }
    // One byte more than declared, so that a stream that goes on is seen.
    let room = size.saturating_add(1);
    let mut out = Vec::with_capacity(room.min(stream.len().saturating_mul(4)));
    let mut zlib = Decompress::new(true);
    loop {
        let (consumed, produced) = (at(zlib.total_in()), out.len());
        let status = zlib
            .decompress_vec(&stream[consumed..], &mut out, FlushDecompress::None)
            .map_err(|_| BodyError::NotZlib)?;
        if out.len() > size {
            return Err(BodyError::Longer { declared });
        }
        if status == Status::StreamEnd {
            break;
        }
        if out.len() == out.capacity() {
            let more = out.capacity().max(64).min(room - out.len());
            out.reserve_exact(more);
        } else if at(zlib.total_in()) == consumed && out.len() == produced {
            return Err(BodyError::Truncated { inflated: out.len() });
        }
    }
    if out.len() < size {
        return Err(BodyError::Size { declared, actual: out.len() });
    }
    match stream.len() - at(zlib.total_in()) {
        0 => Ok(Bytes::from(out)),
        bytes => Err(BodyError::Junk { bytes }),
    }
}

/// A count of zlib, which never passes the length of a slice in memory.
fn at(total: u64) -> usize {
    usize::try_from(total).expect("a position in memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"# a\n";
    const PACKED: &[u8] = b"\x00\x00\x00\x04\x78\x9c\x53\x56\x48\xe4\x02\x00\x01\xbc\x00\xaf";

    fn open(bytes: &[u8]) -> Result<Bytes, BodyError> {
        let body = Body { content_type: ContentType::Compressed, bytes: Bytes::copy_from_slice(bytes) };
        unpack(&body, &DecodeLimits::default())
    }

    fn with_prefix(declared: u32) -> Vec<u8> {
        [&declared.to_be_bytes(), &PACKED[4..]].concat()
    }

    #[test]
    fn the_reference_container_opens() {
        assert_eq!(open(PACKED).unwrap(), TEXT);
    }

    #[test]
    fn what_is_dense_is_copied_and_all_else_is_packed() {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let noise: Vec<u8> = (0..10 * PIECE).map(|_| next()).collect();
        let zeros = vec![0; 10 * PIECE];
        let cases = [
            (noise.clone(), 10 * PIECE + 1_000),
            ([&noise[..], &zeros[..2 * PIECE]].concat(), 10 * PIECE + 10_000),
            (zeros, 10_000),
        ];
        for (text, most) in cases {
            let body = pack(&text, ContentType::Compressed);
            assert!(body.bytes.len() < most, "{} bytes of {}", body.bytes.len(), text.len());
            assert!(unpack(&body, &DecodeLimits::default()).unwrap() == text);
        }
    }

    #[test]
    fn an_empty_text_packs_to_the_empty_container() {
        let body = pack(b"", ContentType::Compressed);
        assert_eq!(&body.bytes[..], b"\0\0\0\0\x78\x9c\x03\0\0\0\0\x01");
        assert_eq!(open(&body.bytes).unwrap(), "");
    }

    #[test]
    fn no_bytes_are_an_empty_message() {
        assert_eq!(open(b"").unwrap(), "");
    }

    #[test]
    fn broken_containers_are_refused() {
        let junk = [PACKED, b"xy"].concat();
        let cases: [(&[u8], BodyError); 10] = [
            (b"#", BodyError::NotZlib),
            (b"# a\n", BodyError::Truncated { inflated: 0 }),
            (b"pull a b\n", BodyError::TooLong { limit: DecodeLimits::default().message_bytes }),
            (b"\0\0\0\x04# a\n", BodyError::NotZlib),
            (b"\0\0\0\x04\x53\x56\x48\xe4\x02\x00", BodyError::NotZlib),
            (&PACKED[..12], BodyError::Truncated { inflated: 4 }),
            (&with_prefix(3), BodyError::Longer { declared: 3 }),
            (&with_prefix(0), BodyError::Longer { declared: 0 }),
            (&with_prefix(5), BodyError::Size { declared: 5, actual: 4 }),
            (&junk, BodyError::Junk { bytes: 2 }),
        ];
        for (bytes, error) in cases {
            assert_eq!(open(bytes).unwrap_err(), error, "{bytes:?}");
        }
    }

    #[test]
    fn a_huge_prefix_is_refused_before_anything_is_allocated() {
        let limit = DecodeLimits::default().message_bytes;
        assert_eq!(open(&with_prefix(0xFFFF_FFF0)).unwrap_err(), BodyError::TooLong { limit });
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = pack(vec![b'a'; 1 << 20], ContentType::Compressed);
        let limits = DecodeLimits { message_bytes: 1000, ..DecodeLimits::default() };
        assert_eq!(unpack(&bomb, &limits), Err(BodyError::TooLong { limit: 1000 }));
        let lying = Body { bytes: Bytes::from([&[0, 0, 0, 9], &bomb.bytes[4..]].concat()), ..bomb };
        assert_eq!(unpack(&lying, &limits), Err(BodyError::Longer { declared: 9 }));
    }

    #[test]
    fn every_kind_of_body_is_limited() {
        for content_type in ContentType::ALL {
            let limits = DecodeLimits { body_bytes: 10, ..DecodeLimits::default() };
            let body = Body { content_type, bytes: Bytes::from_static(&[0; 11]) };
            assert_eq!(unpack(&body, &limits), Err(BodyError::TooLong { limit: 10 }));
        }
    }

    #[test]
    fn all_three_content_types_are_known_and_no_other() {
        let cases = [
            ("application/x-fossil", Some(ContentType::Compressed)),
            ("application/x-fossil; charset=utf-8", Some(ContentType::Compressed)),
            ("Application/X-Fossil-Debug", Some(ContentType::Debug)),
            ("application/x-fossil-uncompressed", Some(ContentType::Uncompressed)),
            ("application/x-fossilZZZ", None),
            ("text/html", None),
            ("", None),
        ];
        for (header, expected) in cases {
            assert_eq!(ContentType::parse(header), expected, "{header}");
        }
    }
}
