//! The first bytes that a peer sends on a connection. They tell what it is, when it is not what was asked for.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};

use super::text;

/// How many of them are kept.
const KEPT_BYTES: usize = 128;

/// What the peer of the newest connection said first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<u8>>>);

/// What its first bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Speech {
    /// Nothing was heard.
    Nothing,
    /// The head of an HTTP reply.
    Http,
    /// A record of TLS.
    Tls,
    /// Something else: what of it can be shown.
    Other(String),
}

impl Heard {
    /// Listens to another connection.
    pub(crate) fn listen<T>(&self, stream: T) -> Listening<T> {
        self.bytes().clear();
        Listening { stream, heard: self.clone(), is_over: false, is_forwarded: false }
    }

    pub(crate) fn speech(&self) -> Speech {
        match self.bytes().as_slice() {
            [] => Speech::Nothing,
            [b'H', b'T', b'T', b'P', b'/', ..] => Speech::Http,
            // Content types 20 to 23, of a version 3.x.
            [20..=23, 3, ..] => Speech::Tls,
            other => {
                let shown = text::plain(other);
                Speech::Other(if shown.contains(char::REPLACEMENT_CHARACTER) { String::new() } else { shown })
            }
        }
    }

    /// Keeps some more; the number of bytes that are kept now.
    fn hear(&self, more: &[u8]) -> usize {
        let mut bytes = self.bytes();
        bytes.extend_from_slice(more);
        bytes.len()
    }

    fn bytes(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is listened to until its peer has said something.
pub(crate) struct Listening<T> {
    stream: T,
    heard: Heard,
    is_over: bool,
    is_forwarded: bool,
}

impl<T> Listening<T> {
    /// Marks the connection as one to a proxy that forwards requests: they name the whole address.
    pub(crate) fn forwarded(self) -> Self {
        Self { is_forwarded: true, ..self }
    }
}

impl<T: Read + Unpin> Read for Listening<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_over {
            return Pin::new(&mut self.stream).poll_read(cx, into);
        }
        let mut bytes = [0; KEPT_BYTES];
        let size = into.remaining().min(KEPT_BYTES);
        let mut first = ReadBuf::new(&mut bytes[..size]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, first.unfilled()))?;
        let heard_bytes = self.heard.hear(first.filled());
        // TLS reads the five bytes of a record's head first.
        self.is_over = heard_bytes >= 5;
        into.put_slice(first.filled());
        Poll::Ready(Ok(()))
    }
}

impl<T: Write + Unpin> Write for Listening<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}

impl<T: Connection> Connection for Listening<T> {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.is_forwarded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_http_and_tls_from_the_rest() {
        let cases: [(&[u8], Speech); 7] = [
            (b"", Speech::Nothing),
            (b"HTTP/1.0 400 Bad", Speech::Http),
            (b"\x15\x03\x03\0\x02\x02\x46", Speech::Tls),
            (b"\x16\x03\x01\0\x7a", Speech::Tls),
            (b"\x15\x04", Speech::Other(String::new())),
            (b"220 mail ESMTP\r\n", Speech::Other("220 mail ESMTP".into())),
            (b"\xff\xfe\xfd", Speech::Other(String::new())),
        ];
        for (bytes, speech) in cases {
            let heard = Heard::default();
            heard.bytes().extend_from_slice(bytes);
            assert_eq!(heard.speech(), speech, "{bytes:?}");
        }
    }
}
