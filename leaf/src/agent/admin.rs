//! Probes, metrics and the status page over HTTP, for whoever runs the leaf.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::board::Board;
use super::health::{self, Verdict};
use super::metrics;
use super::page::{self, Page, ReplyBody};
use crate::exit::{Code, Failure};

/// Connections at once.
const CONNECTIONS: usize = 64;

/// How long the head of a request may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Listens, and says where.
pub(crate) async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let cannot = |error: std::io::Error| {
        let what = format!("cannot listen on {address}: {error}");
        Failure::new(Code::Failed, what, "choose another address or port with --admin")
    };
    let listener = TcpListener::bind(address).await.map_err(cannot)?;
    let at = listener.local_addr().map_err(cannot)?;
    if !at.ip().is_loopback() {
        tracing::warn!(%at, "status, probes and metrics are open to other machines");
    }
    Ok((listener, at))
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
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(16 * 1024);
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), answer).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

fn answer(method: &Method, path: &str, board: &Board, page: &Page) -> Response<ReplyBody> {
    if method != Method::GET && method != Method::HEAD {
        return with(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET\n".to_owned());
    }
    match path {
        "/healthz" => verdict(&health::lives(&board.report())),
        "/readyz" => verdict(&health::is_ready(&board.report())),
        "/metrics" => page::reply(metrics::CONTENT_TYPE, metrics::text(board.report())),
        path => page.answer(path).unwrap_or_else(|| {
            let text = "there are /, /healthz, /readyz and /metrics\n";
            with(StatusCode::NOT_FOUND, "text/plain", text.to_owned())
        }),
    }
}

fn verdict(verdict: &Verdict) -> Response<ReplyBody> {
    let status = if verdict.is_good() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    with(status, "application/json", serde_json::to_string(verdict).unwrap_or_default())
}

fn with(status: StatusCode, content_type: &'static str, text: String) -> Response<ReplyBody> {
    let mut response = page::reply(content_type, text);
    *response.status_mut() = status;
    response
}
