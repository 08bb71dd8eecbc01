//! Accepting connections until told to stop.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use super::addresses::{Addresses, Seat};
use super::memory::Share;
use super::patience::Patience;
use super::{RemoteAddress, ReplyBody, Repos, ServeOptions, XferService};
use crate::{TraceContext, short};

/// Bytes of a request's head.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Header lines of a request.
const MAX_HEADERS: usize = 100;

/// Pause after the system could not give us a connection, for want of file descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `repos` at `address` with the default options until `shutdown` ends.
pub async fn listen(
    address: impl ToSocketAddrs,
    repos: Repos,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    run(listener, XferService::new(repos, ServeOptions::default()), shutdown).await;
    Ok(())
}

/// Serves on `listener` until `shutdown` ends; then answers what it has begun, within a bounded time.
pub async fn run(listener: TcpListener, service: XferService, shutdown: impl Future<Output = ()>) {
    let open = Arc::new(Semaphore::new(service.options().connections.max(1)));
    let graceful = GracefulShutdown::new();
    let addresses = Addresses::default();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let next = async {
            let place = Arc::clone(&open).acquire_owned().await.ok();
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            next = next => next,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, from)) => {
                let from = from.ip().to_canonical();
                let options = service.options();
                let most = match options.forwarding.trusts(from) {
                    // It stands for everyone.
                    true => usize::MAX,
                    false => options.address_connections.max(1),
                };
                let Some(seat) = addresses.seat(from, most) else {
                    tracing::debug!(%from, "too many connections of one address");
                    continue;
                };
                drop(tokio::spawn(serve(stream, from, service.clone(), graceful.watcher(), (place, seat))));
            }
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if timeout(service.options().drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("stopped before every request was answered");
    }
}

/// Takes TLS off, if there is to be any, and answers what comes over a connection.
async fn serve(
    stream: TcpStream,
    from: IpAddr,
    service: XferService,
    watcher: Watcher,
    _place: (Option<OwnedSemaphorePermit>, Seat),
) {
    let _ = stream.set_nodelay(true);
    let Some(certificate) = &service.options().certificate else {
        return converse(stream, from, service, watcher).await;
    };
    let greeting = certificate.acceptor().accept(stream);
    match timeout(service.options().header_timeout, greeting).await {
        Ok(Ok(stream)) => converse(stream, from, service, watcher).await,
        Ok(Err(error)) => tracing::debug!(%from, %error, "no TLS came about"),
        Err(_) => tracing::debug!(%from, "no TLS came about in time"),
    }
}

async fn converse<S>(stream: S, from: IpAddr, service: XferService, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let io = Patience::new(stream, &service);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(service.options().header_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        // Who says that no more will come still hears the answer.
        .half_close(true)
        .title_case_headers(true);
    let answer = service_fn(move |mut request: Request<Incoming>| {
        let service = service.clone();
        let origin = service.options().forwarding.origin(from, request.headers());
        let extensions = request.extensions_mut();
        extensions.insert(RemoteAddress(origin.address.to_string()));
        origin.site.and_then(|site| extensions.insert(site));
        async move { Ok::<_, Infallible>(answer(&service, request).await) }
    });
    if let Err(error) = watcher.watch(builder.serve_connection(io, answer)).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Answers a request and logs it, but for its query, which may hold what is nobody's business.
async fn answer(service: &XferService, request: Request<Incoming>) -> Response<ReplyBody> {
    let (head, body) = request.into_parts();
    if let Some(response) = service.options().front.as_ref().and_then(|front| front(&head)) {
        return response.map(|bytes| ReplyBody::new(bytes, Share::default()));
    }
    let (method, path) = (head.method.clone(), short(head.uri.path()).into_owned());
    let peer = head.extensions.get::<RemoteAddress>().map(|peer| peer.0.clone());
    let asked_in = super::trace(&head.headers);
    let begun = Instant::now();
    let response = service.answer(Request::from_parts(head, body)).await;
    let (status, bytes) = (response.status().as_u16(), response.body().size_hint().lower());
    let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    // Our span, or where nothing is traced here, theirs.
    let span = response.extensions().get::<TraceContext>().or(asked_in.as_ref());
    let (trace_id, span_id) = TraceContext::ids(span);
    tracing::info!(peer, %method, path, status, bytes, milliseconds, trace_id, span_id, "answered");
    response
}
