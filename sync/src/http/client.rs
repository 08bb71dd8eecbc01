//! A round over HTTP, from the client's side.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, DATE, HOST, LOCATION, RETRY_AFTER, TRANSFER_ENCODING, USER_AGENT,
};
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, timeout, timeout_at};
use xfer::DecodeLimits;
use xfer::body::{Body, ContentType};

use super::connect::Connections;
use super::explain::{root_cause, wrong_scheme};
use super::{Proxies, Scheme, Url, redirect, text};
use crate::{Flows, TraceContext, Transport, TransportError};

/// Requests of one exchange, redirects included. Stock stops at as many.
const MAX_REQUESTS: usize = 20;

/// Bytes of a reply that is no message, of which some are shown.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// Longest time that a peer may want to be left alone.
const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);

/// What the server is told we are.
const AGENT: &str = concat!("Frond/", env!("CARGO_PKG_VERSION"));

/// Patience, bounds and proxies of a transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOptions {
    /// How long a connection may take to open. Default 15 seconds.
    pub connect_timeout: Duration,
    /// How long the peer may send nothing. A stock server may work for 30 seconds, and wait 15 for its
    /// database, before it answers: default 60 seconds.
    pub idle_timeout: Duration,
    /// How long one exchange may take in all. Default 30 minutes.
    pub exchange_timeout: Duration,
    /// Longest reply, in bytes. Default that of [`DecodeLimits`].
    pub reply_bytes: usize,
    /// Proxies on the way to servers. Default none.
    pub proxies: Proxies,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(60),
            exchange_timeout: Duration::from_secs(30 * 60),
            reply_bytes: DecodeLimits::default().body_bytes,
            proxies: Proxies::none(),
        }
    }
}

/// Speaks to one server, over one connection as long as the server keeps it open.
///
/// ```
/// use std::time::Duration;
/// use sync::http::{HttpOptions, HttpTransport, Url};
///
/// let url: Url = "https://bob@example.org/project".parse()?;
/// let options = HttpOptions { idle_timeout: Duration::from_secs(20), ..HttpOptions::default() };
/// let transport = HttpTransport::new(url, options);
/// # let _ = transport;
/// # Ok::<(), sync::http::UrlError>(())
/// ```
pub struct HttpTransport {
    url: Url,
    lasting: Url,
    options: HttpOptions,
    connections: Connections,
    exchanges: u64,
    retry_after: Option<Duration>,
    date: Option<SystemTime>,
    trace: Option<TraceContext>,
    /// That the last request was answered with.
    status: Option<StatusCode>,
}

/// What became of one request.
enum Answer {
    Reply(Body),
    Moved { to: Url, for_ever: bool },
}

impl HttpTransport {
    /// Will speak to `url`. Nothing is opened yet.
    pub fn new(url: Url, options: HttpOptions) -> Self {
        let connections = Connections::new(options.connect_timeout, &options.proxies, Flows::default());
        Self {
            lasting: url.clone(),
            url,
            options,
            connections,
            exchanges: 0,
            retry_after: None,
            date: None,
            trace: None,
            status: None,
        }
    }

    /// Moves bytes no faster than `flows` says, all that travels on the connection included.
    #[must_use]
    pub fn paced(self, flows: Flows) -> Self {
        let connections = Connections::new(self.options.connect_timeout, &self.options.proxies, flows);
        Self { connections, ..self }
    }

    /// What the peer's clock said with its last reply, if it said so: it is exact to a second.
    pub fn peer_time(&self) -> Option<SystemTime> {
        self.date
    }

    fn peer(&self) -> String {
        self.url.authority()
    }

    async fn round(&mut self, body: &Body) -> Result<Body, TransportError> {
        let mut is_permanent = true;
        for _ in 0..MAX_REQUESTS {
            match self.ask(body).await? {
                Answer::Reply(reply) => return Ok(reply),
                Answer::Moved { to, for_ever } => {
                    is_permanent &= for_ever;
                    if is_permanent {
                        self.lasting = to.clone();
                    }
                    self.url = to;
                }
            }
        }
        Err(self.bad_redirect(format!("without end: {MAX_REQUESTS} requests were made")))
    }

    /// Sends once; once more if it went over a kept connection that the server had meanwhile closed.
    async fn ask(&mut self, body: &Body) -> Result<Answer, TransportError> {
        let deadline = Instant::now() + self.options.exchange_timeout;
        self.status = None;
        let response = match self.send(body, deadline).await {
            Err(TransportError::CutShort { .. }) if self.exchanges > 0 => self.send(body, deadline).await?,
            other => other?,
        };
        let status = response.status();
        self.status = Some(status);
        self.date = header(response.headers(), &DATE).and_then(|text| httpdate::parse_http_date(text).ok());
        self.retry_after = header(response.headers(), &RETRY_AFTER).and_then(|text| wait(text, self.date));
        match status {
            StatusCode::OK => self.read_reply(response, deadline).await.map(Answer::Reply),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => {
                let for_ever =
                    matches!(status, StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT);
                self.target(&response).map(|to| Answer::Moved { to, for_ever })
            }
            _ => Err(self.refused(response, body.bytes.len(), deadline).await),
        }
    }

    /// What a status means that is no reply to a request of so many bytes.
    async fn refused(&self, response: Response<Incoming>, sent: usize, deadline: Instant) -> TransportError {
        let status = response.status();
        let said = self.read_text(response, deadline).await;
        if self.url.scheme == Scheme::Http && status == StatusCode::BAD_REQUEST && wants_tls(&said) {
            return wrong_scheme(&self.url);
        }
        let mut text =
            if said.is_empty() { status.canonical_reason().unwrap_or_default().to_owned() } else { said };
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            text = format!("{text} (the request has {sent} bytes)");
        }
        let proxy = self.connections.proxy(&self.url);
        let peer = match (status, proxy) {
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, Some(proxy)) => format!("the proxy {proxy}"),
            _ => self.peer(),
        };
        TransportError::Status { peer, status: status.as_u16(), text }
    }

    async fn send(&mut self, body: &Body, deadline: Instant) -> Result<Response<Incoming>, TransportError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.url.without_user())
            // Stock takes a head that ends after the type, and before the length, for that of an empty request; where it ends
            // before the host it leads to one called index.
            .header(HOST, self.url.authority())
            .header(USER_AGENT, AGENT)
            .header(CONTENT_LENGTH, body.bytes.len())
            .header(CONTENT_TYPE, body.content_type.as_str());
        for (name, value) in self.trace.iter().flat_map(TraceContext::fields) {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::new(body.bytes.clone()))
            .map_err(|error| self.bad_redirect(format!("to an address that cannot be asked: {error}")))?;
        // A long request on a slow line is no silence.
        let (patience, begun) = (self.options.connect_timeout + self.options.idle_timeout, Instant::now());
        let pulse = self.connections.pulse();
        let late = || begun.max(pulse.last()) + patience;
        let answer = async {
            let mut answer = std::pin::pin!(self.connections.send(&self.url, request));
            loop {
                let end = deadline.min(late());
                match timeout_at(end, &mut answer).await {
                    Ok(result) => return Ok(result),
                    Err(_) if end < late().min(deadline) => {}
                    Err(_) => return Err(end),
                }
            }
        };
        match answer.await {
            Ok(result) => result,
            Err(end) if end < deadline => Err(self.timed_out()),
            Err(_) => Err(self.too_slow()),
        }
    }

    async fn read_reply(
        &self,
        response: Response<Incoming>,
        deadline: Instant,
    ) -> Result<Body, TransportError> {
        let header = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let Some(content_type) = header.and_then(ContentType::parse) else {
            let content_type = header.unwrap_or("no content type").to_owned();
            let text = self.read_text(response, deadline).await;
            let answer = text::plain(content_type.as_bytes());
            return Err(TransportError::NotFossil { peer: self.peer(), answer, text });
        };
        let has_end = says_its_end(response.headers());
        let bytes = self.collect(response.into_body(), self.options.reply_bytes, deadline).await?;
        match (bytes.is_empty(), has_end) {
            (false, _) => Ok(Body { content_type, bytes }),
            (true, true) => Err(TransportError::Empty { peer: self.peer() }),
            (true, false) => Err(self.cut_short("it closed before it said anything".to_owned())),
        }
    }

    /// What a reply says that is no message; as much of it as comes.
    async fn read_text(&self, response: Response<Incoming>, deadline: Instant) -> String {
        let mut body = response.into_body();
        let mut bytes = BytesMut::new();
        while bytes.len() < MAX_TEXT_BYTES {
            let Ok(Some(data)) = self.next(&mut body, deadline).await else { break };
            bytes.extend_from_slice(&data[..data.len().min(MAX_TEXT_BYTES - bytes.len())]);
        }
        text::plain(&bytes)
    }

    async fn collect(
        &self,
        mut body: Incoming,
        limit: usize,
        deadline: Instant,
    ) -> Result<Bytes, TransportError> {
        let too_long = || TransportError::TooLong { peer: self.peer(), limit };
        let announced = body.size_hint().exact().map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        if announced.is_some_and(|size| size > limit) {
            return Err(too_long());
        }
        // One allocation where the size is known: a growing buffer would hold a large reply twice.
        let mut bytes = BytesMut::with_capacity(announced.unwrap_or_default());
        while let Some(data) = self.next(&mut body, deadline).await? {
            if data.len() > limit - bytes.len() {
                return Err(too_long());
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes.freeze())
    }

    async fn next(&self, body: &mut Incoming, deadline: Instant) -> Result<Option<Bytes>, TransportError> {
        loop {
            let frame = match timeout_at(deadline, timeout(self.options.idle_timeout, body.frame())).await {
                Err(_) => return Err(self.too_slow()),
                Ok(Err(_)) => return Err(self.timed_out()),
                Ok(Ok(None)) => return Ok(None),
                Ok(Ok(Some(frame))) => frame,
            };
            let frame = frame.map_err(|error| {
                self.cut_short(if error.is_incomplete_message() || error.is_body_write_aborted() {
                    "it closed in the middle of the reply".to_owned()
                } else {
                    root_cause(&error)
                })
            })?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }

    /// Where a redirect leads.
    fn target(&self, response: &Response<Incoming>) -> Result<Url, TransportError> {
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.ok_or_else(|| "without saying where to".to_owned());
        location
            .and_then(|location| redirect::follow(&self.url, location))
            .map_err(|reason| self.bad_redirect(reason))
    }

    fn bad_redirect(&self, reason: String) -> TransportError {
        TransportError::Redirect { peer: self.peer(), reason }
    }

    fn cut_short(&self, reason: String) -> TransportError {
        TransportError::CutShort { peer: self.peer(), reason }
    }

    fn timed_out(&self) -> TransportError {
        TransportError::TimedOut { peer: self.peer(), after: self.options.idle_timeout }
    }

    fn too_slow(&self) -> TransportError {
        TransportError::TooSlow { peer: self.peer(), after: self.options.exchange_timeout }
    }
}

impl Transport for HttpTransport {
    async fn exchange(&mut self, request: Body) -> Result<Body, TransportError> {
        self.retry_after = None;
        let reply = self.round(&request).await?;
        self.exchanges += 1;
        Ok(reply)
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    fn carry(&mut self, trace: Option<TraceContext>) {
        self.trace = trace;
    }

    fn status(&self) -> Option<u16> {
        self.status.map(|status| status.as_u16())
    }

    /// The first address, or where permanent redirects led.
    fn lasting_url(&self) -> Option<String> {
        Some(self.lasting.to_string())
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The time of a Retry-After: seconds, or a date, which the peer's own clock is compared with.
fn wait(text: &str, now: Option<SystemTime>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds).min(MAX_WAIT));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    Some(until.duration_since(now?).unwrap_or_default().min(MAX_WAIT))
}

/// Whether a reply says where it ends. If not, an end may be the server's death.
fn says_its_end(headers: &HeaderMap) -> bool {
    headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING)
}

/// Whether a port for TLS says that it was spoken to without, as nginx, Apache and Go do.
fn wants_tls(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    ["https port", "https server", "ssl-enabled server"].iter().any(|words| said.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_says_in_seconds_or_by_its_clock_how_long_it_is_to_be_left_alone() {
        let now = httpdate::parse_http_date("Fri, 01 Jan 2027 00:00:00 GMT").ok();
        for (text, seconds) in [
            ("5", Some(5)),
            (" 0", Some(0)),
            ("Fri, 01 Jan 2027 00:01:00 GMT", Some(60)),
            ("Thu, 31 Dec 2026 23:59:00 GMT", Some(0)),
            ("99999999999", Some(24 * 3600)),
            ("-5", None),
            ("soon", None),
        ] {
            assert_eq!(wait(text, now), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(wait("Fri, 01 Jan 2027 00:01:00 GMT", None), None, "a clock that is not known");
    }
}
