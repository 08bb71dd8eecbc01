//! Probes, metrics and the status page over HTTP, for whoever runs the leaf.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use sync::http::serve::Front;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::board::Board;
use super::health::{self, Verdict};
use super::metrics;
use super::page::{Page, ReplyBody};
use super::serving::Port;
use crate::exit::Failure;
use crate::measure;

/// Connections at once.
const CONNECTIONS: usize = 64;

/// How long the head of a request may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Listens at an address, or at the socket that was handed down instead, and says where.
pub(crate) fn listen(
    handed: Option<StdListener>,
    address: Option<SocketAddr>,
) -> Result<Option<(TcpListener, SocketAddr)>, Failure> {
    let port = match (handed, address) {
        (Some(listener), _) => Port::handed(listener)?,
        (None, Some(address)) => Port::take(address, "--admin")?,
        (None, None) => return Ok(None),
    };
    let (listener, at) = port.into_listener()?;
    if !at.ip().is_loopback() {
        tracing::warn!(%at, "status, probes and metrics are open to other machines");
    }
    Ok(Some((listener, at)))
}

/// Answers a path of probes or of the page below `base` where repositories are served, and leaves everything else to
/// those.
pub(crate) fn front(probes: Option<Board>, page: Option<Page>, base: String) -> Front {
    Arc::new(move |head: &Parts| {
        let path = head.uri.path().strip_prefix(&*base)?;
        let asks = matches!(head.method, Method::GET | Method::HEAD);
        let probed = || probes.as_ref().and_then(|board| probe(path, board));
        let shown = || page.as_ref().and_then(|page| page.whole(path));
        asks.then(|| probed().or_else(shown)).flatten()
    })
}

/// Answers whoever asks.
pub(crate) async fn serve(listener: TcpListener, board: Board, page: Page) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (board, page) = (board.clone(), page.clone());
                tokio::spawn(async move {
                    converse(stream, board, page).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, board: Board, page: Page) {
    let answer = service_fn(move |request: Request<_>| {
        let response = answer(request.method(), request.uri().path(), &board, &page);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut builder = http1::Builder::new();
    // Who says that no more will come still hears the answer.
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(16 * 1024)
        .half_close(true);
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), answer).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

fn answer(method: &Method, path: &str, board: &Board, page: &Page) -> Response<ReplyBody> {
    let whole = |response: Response<Bytes>| response.map(|bytes| Full::new(bytes).boxed_unsync());
    if method != Method::GET && method != Method::HEAD {
        return whole(reply(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET\n".to_owned()));
    }
    probe(path, board).map(whole).or_else(|| page.answer(path)).unwrap_or_else(|| {
        let text = "there are /, /healthz, /readyz and /metrics\n";
        whole(reply(StatusCode::NOT_FOUND, "text/plain", text.to_owned()))
    })
}

fn probe(path: &str, board: &Board) -> Option<Response<Bytes>> {
    Some(match path {
        "/healthz" => verdict(&health::lives(&board.report())),
        "/readyz" => verdict(&health::is_ready(&board.report())),
        "/metrics" => reply(StatusCode::OK, metrics::CONTENT_TYPE, measure::metrics()),
        _ => return None,
    })
}

fn verdict(verdict: &Verdict) -> Response<Bytes> {
    let status = if verdict.is_good() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    reply(status, "application/json", serde_json::to_string(verdict).unwrap_or_default())
}

fn reply(status: StatusCode, content_type: &'static str, text: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
