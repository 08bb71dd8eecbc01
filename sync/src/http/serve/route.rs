//! What a request asks for, from its head alone (limits-and-edge-cases, section A).

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, StatusCode};
use xfer::body::ContentType;

use crate::TurnedAway;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// A round: read a body of so many bytes, answer it.
    Round { content_type: ContentType, length: u64 },
    /// A page for people.
    Page,
    /// Nothing, and why.
    Refuse(Refusal),
}

/// A status and what it means to the one who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) text: &'static str,
    /// What is allowed instead, for 405.
    pub(crate) allow: Option<&'static str>,
}

impl Refusal {
    pub(crate) const fn new(status: StatusCode, text: &'static str) -> Self {
        Self { status, text, allow: None }
    }

    /// What it is to those who count.
    pub(crate) fn reason(&self) -> TurnedAway {
        match self.status {
            StatusCode::NOT_FOUND => TurnedAway::NoRepository,
            StatusCode::PAYLOAD_TOO_LARGE => TurnedAway::TooLong,
            StatusCode::REQUEST_TIMEOUT => TurnedAway::Late,
            StatusCode::SERVICE_UNAVAILABLE => TurnedAway::NoRoom,
            _ => TurnedAway::Malformed,
        }
    }
}

const TYPES: &str = "the body of a sync request is application/x-fossil, application/x-fossil-uncompressed or \
                     application/x-fossil-debug";

/// Decides by method and Content-Type; the path has no say.
pub(crate) fn route(head: &Parts) -> Route {
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let content_type = header(CONTENT_TYPE);
    let known = content_type.and_then(ContentType::parse);
    if matches!(head.method, Method::GET | Method::HEAD) && known.is_none() {
        return Route::Page;
    }
    let refuse = |status, text| Route::Refuse(Refusal::new(status, text));
    if head.method != Method::POST {
        let allow = if known.is_some() { "POST" } else { "GET, HEAD, POST" };
        let text = "only POST syncs, and only GET and HEAD show pages";
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Route::Refuse(Refusal { status, text, allow: Some(allow) });
    }
    let Some(content_type) = known else {
        return match content_type {
            Some(_) => refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, TYPES),
            None => refuse(StatusCode::BAD_REQUEST, TYPES),
        };
    };
    if head.headers.contains_key(TRANSFER_ENCODING) || !head.headers.contains_key(CONTENT_LENGTH) {
        return refuse(StatusCode::LENGTH_REQUIRED, "a sync request says its length in Content-Length");
    }
    // An interim reply would be taken for the answer by older Fossil clients.
    if head.headers.contains_key(EXPECT) {
        return refuse(StatusCode::EXPECTATION_FAILED, "no interim reply is ever sent here");
    }
    let lengths = || head.headers.get_all(CONTENT_LENGTH).iter().map(|value| value.to_str().ok());
    let length = lengths().next().flatten().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    match length.and_then(|text| text.parse().ok()) {
        Some(length) if lengths().all(|other| other == lengths().next().flatten()) => {
            Route::Round { content_type, length }
        }
        _ => refuse(StatusCode::BAD_REQUEST, "Content-Length is no length"),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn status(method: &str, headers: &[(&str, &str)]) -> u16 {
        let request = Request::builder().method(method).uri("/xfer");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        match route(&request.body(()).unwrap().into_parts().0) {
            Route::Refuse(refusal) => refusal.status.as_u16(),
            Route::Round { .. } => 200,
            Route::Page => 0,
        }
    }

    #[test]
    fn only_a_post_of_a_known_type_and_length_is_a_round() {
        const FOSSIL: (&str, &str) = ("content-type", "application/x-fossil");
        const LENGTH: (&str, &str) = ("content-length", "12");
        type Headers = &'static [(&'static str, &'static str)];
        let cases: &[(&str, Headers, u16)] = &[
            ("POST", &[FOSSIL, LENGTH], 200),
            ("POST", &[("content-type", "application/x-fossil-debug; charset=utf-8"), LENGTH], 200),
            ("POST", &[FOSSIL], 411),
            ("POST", &[FOSSIL, ("transfer-encoding", "chunked")], 411),
            ("POST", &[FOSSIL, LENGTH, ("transfer-encoding", "chunked")], 411),
            ("POST", &[FOSSIL, ("content-length", "-5")], 400),
            ("POST", &[FOSSIL, ("content-length", "+5")], 400),
            ("POST", &[FOSSIL, ("content-length", "99999999999999999999")], 400),
            ("POST", &[FOSSIL, LENGTH, ("content-length", "13")], 400),
            ("POST", &[FOSSIL, LENGTH, ("expect", "100-continue")], 417),
            ("POST", &[("content-type", "application/x-fossilZZZ"), LENGTH], 415),
            ("POST", &[("content-type", "text/plain"), LENGTH], 415),
            ("POST", &[LENGTH], 400),
            ("GET", &[FOSSIL], 405),
            ("GET", &[], 0),
            ("HEAD", &[], 0),
            ("PUT", &[FOSSIL, LENGTH], 405),
            ("OPTIONS", &[], 405),
        ];
        for (method, headers, expected) in cases {
            assert_eq!(status(method, headers), *expected, "{method} {headers:?}");
        }
    }
}
