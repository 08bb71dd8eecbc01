//! Replies: always of a known length, never chunked.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::memory::Share;
use super::route::Refusal;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

/// Bytes handed to the connection at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// The body of a reply. It holds its share of the server's memory until it is written.
pub struct ReplyBody {
    rest: Bytes,
    _share: Share,
}

impl ReplyBody {
    pub(crate) fn new(bytes: Bytes, share: Share) -> Self {
        Self { rest: bytes, _share: share }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let size = self.rest.len().min(CHUNK_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(size)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

pub(crate) fn reply(status: StatusCode, content_type: &'static str, body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// One line for people.
pub(crate) fn line(status: StatusCode, text: &str) -> Response<ReplyBody> {
    let body = ReplyBody::new(Bytes::from(format!("{text}\n")), Share::default());
    let mut response = reply(status, "text/plain; charset=utf-8", body);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

pub(crate) fn page(html: String) -> Response<ReplyBody> {
    let mut response =
        reply(StatusCode::OK, "text/html; charset=utf-8", ReplyBody::new(html.into(), Share::default()));
    let policy = HeaderValue::from_static("default-src 'none'");
    response.headers_mut().insert("content-security-policy", policy);
    response
}

pub(crate) fn refusal(refusal: Refusal) -> Response<ReplyBody> {
    let mut response = line(refusal.status, refusal.text);
    if let Some(allow) = refusal.allow {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    }
    response
}
