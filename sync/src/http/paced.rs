//! A connection on which bytes move no faster than they may, and which tells that they move.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::{Flow, Flows};

/// When bytes moved last on any connection of a transport.
#[derive(Debug, Clone)]
pub(crate) struct Pulse(Arc<Mutex<Instant>>);

impl Pulse {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// When that was.
    pub(crate) fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Some move now.
    pub(crate) fn beat(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// Such a connection.
pub(crate) struct Paced<S> {
    stream: S,
    flows: Flows,
    pulse: Pulse,
    reading: Pause,
    writing: Pause,
}

/// A wait on one way.
#[derive(Default)]
struct Pause(Option<Pin<Box<Sleep>>>);

impl<S> Paced<S> {
    pub(crate) fn new(stream: S, flows: Flows, pulse: Pulse) -> Self {
        Self { stream, flows, pulse, reading: Pause::default(), writing: Pause::default() }
    }
}

impl Pause {
    /// Ready once something may move.
    fn poll(&mut self, flow: &dyn Flow, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(pause) = &mut self.0 {
                ready!(pause.as_mut().poll(cx));
                self.0 = None;
            }
            let wait = flow.wait();
            if wait.is_zero() {
                return Poll::Ready(());
            }
            self.0 = Some(Box::pin(sleep(wait)));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = into.filled().len();
        match &this.flows.down {
            None => ready!(Pin::new(&mut this.stream).poll_read(cx, into))?,
            Some(flow) => {
                ready!(this.reading.poll(&**flow, cx));
                let size = into.remaining().min(flow.piece_bytes());
                let mut piece = ReadBuf::new(into.initialize_unfilled_to(size));
                ready!(Pin::new(&mut this.stream).poll_read(cx, &mut piece))?;
                let read = piece.filled().len();
                into.advance(read);
                flow.moved(read);
            }
        }
        if into.filled().len() > before {
            this.pulse.beat();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let mut most = bytes.len();
        if let Some(flow) = &this.flows.up {
            ready!(this.writing.poll(&**flow, cx));
            most = most.min(flow.piece_bytes());
        }
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, &bytes[..most]))?;
        if let Some(flow) = &this.flows.up {
            flow.moved(written);
        }
        this.pulse.beat();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.flows.up.is_none() && self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.flows.up.is_some() {
            let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
            return Pin::new(this).poll_write(cx, first);
        }
        let written = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, slices))?;
        this.pulse.beat();
        Poll::Ready(Ok(written))
    }
}

impl<S: Connection> Connection for Paced<S> {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}
