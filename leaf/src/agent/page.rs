//! The status page: what `frond leaf status` says, for a browser, and how it came to be so. It is one document without
//! anything from elsewhere; a stream of events keeps it up to date. All addresses in it are relative, so that it may be
//! shown under any path.

mod graph;
mod plot;
mod scale;
mod view;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body, Frame};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::board::Board;
use super::past::Past;

/// Browsers that are kept up to date at once; more see the page as it was when they asked.
const VIEWERS: usize = 16;

/// Time between two events.
const EVERY: Duration = Duration::from_secs(2);

/// Nothing from elsewhere, and nothing in line: no script, no style, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Tells nginx to hand on each event as it comes.
const NO_BUFFER: HeaderName = HeaderName::from_static("x-accel-buffering");

const SCRIPT: &str = include_str!("page/page.js");
const STYLE: &str = include_str!("page/page.css");

/// What an answer is made of.
pub(crate) type ReplyBody = UnsyncBoxBody<Bytes, Infallible>;

/// Shows the page. A clone of it is the same one.
#[derive(Clone)]
pub(crate) struct Page {
    board: Board,
    past: Past,
    viewers: Arc<Semaphore>,
}

impl Page {
    pub(crate) fn new(board: Board, past: Past) -> Self {
        Self { board, past, viewers: Arc::new(Semaphore::new(VIEWERS)) }
    }

    /// Answers a path below the one that the page is shown under; none if it is nothing of the page's.
    pub(crate) fn answer(&self, path: &str) -> Option<Response<ReplyBody>> {
        match path {
            "/-/events" => Some(self.events()),
            path => self.whole(path).map(|response| response.map(|bytes| Full::new(bytes).boxed_unsync())),
        }
    }

    /// The same where an answer is one piece: the stream of events is one event, and a browser asks for the next.
    pub(crate) fn whole(&self, path: &str) -> Option<Response<Bytes>> {
        let (content_type, text) = match path {
            "/" => ("text/html; charset=utf-8", view::document(&self.content())),
            "/-/page.js" => ("text/javascript; charset=utf-8", SCRIPT.to_owned()),
            "/-/page.css" => ("text/css; charset=utf-8", STYLE.to_owned()),
            "/-/events" => {
                let live = event(&view::live(&self.content()).into_string());
                ("text/event-stream", format!("retry: {}\n{live}", EVERY.as_millis()))
            }
            _ => return None,
        };
        Some(headed(content_type, Bytes::from(text)))
    }

    fn content(&self) -> view::Content {
        view::Content {
            report: self.board.report(),
            sessions: self.past.sessions(),
            lags: self.past.lags(),
            now: sync::client::now(),
        }
    }

    fn events(&self) -> Response<ReplyBody> {
        let Ok(place) = Arc::clone(&self.viewers).try_acquire_owned() else {
            let text = "too many browsers look already\n";
            let mut full = headed("text/plain", Full::from(text).boxed_unsync());
            *full.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            return full;
        };
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let events = Events { page: self.clone(), ticks, _place: place };
        let mut stream = headed("text/event-stream", events.boxed_unsync());
        stream.headers_mut().insert(NO_BUFFER, HeaderValue::from_static("no"));
        stream
    }
}

/// Events without end: the page as it is, again and again.
struct Events {
    page: Page,
    ticks: Interval,
    _place: OwnedSemaphorePermit,
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::ready!(self.ticks.poll_tick(cx));
        let text = event(&view::live(&self.page.content()).into_string());
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))))
    }
}

/// A server-sent event of some text.
fn event(text: &str) -> String {
    let mut event = String::with_capacity(text.len() + 64);
    event.push_str("event: status\n");
    for line in text.split(['\n', '\r']) {
        event.push_str("data: ");
        event.push_str(line);
        event.push('\n');
    }
    event.push('\n');
    event
}

fn headed<B>(content_type: &'static str, body: B) -> Response<B> {
    let mut response = Response::new(body);
    let headers: [(HeaderName, &'static str); 5] = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_its_text_line_by_line() {
        assert_eq!(event("a"), "event: status\ndata: a\n\n");
        assert_eq!(event("a\nb\r\nc"), "event: status\ndata: a\ndata: b\ndata: \ndata: c\n\n");
    }

    #[test]
    fn nothing_of_the_page_is_in_line_or_from_elsewhere() {
        for text in [SCRIPT, STYLE] {
            for bad in ["http:", "https:", "@import", "url(", "eval(", ".style"] {
                assert!(!text.contains(bad), "{bad}");
            }
        }
    }
}
