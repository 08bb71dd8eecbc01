//! A connection whose peer must go on reading.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep};

use super::XferService;
use super::memory::Memory;
use super::pace::Pace;

/// Fails a write that makes too little progress: a reply is memory, and a peer that does not take it must not
/// hold it for ever, nor for long while others wait. Reading has its own limits, in the server.
pub(crate) struct Patience<S> {
    stream: TokioIo<S>,
    pace: Pace,
    memory: Memory,
    look: Pin<Box<Sleep>>,
}

impl<S> Patience<S> {
    pub(crate) fn new(stream: S, service: &XferService) -> Self {
        let pace = Pace::new(service.options());
        let look = Box::pin(sleep(pace.look(Instant::now())));
        Self { stream: TokioIo::new(stream), pace, memory: service.replies().clone(), look }
    }

    /// Passes on what is ready, of which `moved` tells the bytes. Looks again later if nothing is.
    fn check<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
        moved: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        let now = Instant::now();
        if let Poll::Ready(result) = result {
            self.pace.moved(result.as_ref().map_or(0, moved), now);
            return Poll::Ready(result);
        }
        self.pace.wait(now);
        loop {
            let now = Instant::now();
            if self.pace.is_late(now, self.memory.is_wanted()) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.look.as_mut().reset(now + self.pace.look(now));
            ready!(self.look.as_mut().poll(cx));
        }
    }
}

impl<S: AsyncRead + Unpin> Read for Patience<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> Write for Patience<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.check(cx, result, |bytes| *bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.check(cx, result, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.check(cx, result, |()| 0)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.check(cx, result, |bytes| *bytes)
    }
}
