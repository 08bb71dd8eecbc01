//! What went wrong with a request, and with whom: from the chain of causes and from what the peer said.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use hyper_util::client::legacy::Error;

use super::connect::{ThroughProxy, UnknownHost};
use super::heard::Speech;
use super::{Scheme, Url};
use crate::TransportError;

/// What was tried.
pub(crate) struct Attempt<'a> {
    /// The server.
    pub(crate) url: &'a Url,
    /// Host and port of the proxy before it.
    pub(crate) proxy: Option<String>,
    /// What was heard first at the other end: of the server; of the proxy, where it forwards requests.
    pub(crate) speech: Speech,
    /// How long a connection may take to open.
    pub(crate) connect_timeout: Duration,
}

impl Attempt<'_> {
    pub(crate) fn explain(self, error: &Error) -> TransportError {
        let failed_at_proxy = self.url.scheme == Scheme::Http || any::<ThroughProxy>(error).is_some();
        match &self.proxy {
            Some(proxy) if failed_at_proxy => self.with_proxy(proxy, error),
            _ => self.with_server(error),
        }
    }

    fn with_server(&self, error: &Error) -> TransportError {
        let (scheme, peer) = (self.url.scheme, address(self.url));
        if matches!((scheme, &self.speech), (Scheme::Http, Speech::Tls) | (Scheme::Https, Speech::Http)) {
            return wrong_scheme(self.url);
        }
        if let Some(tls) = tls(error) {
            return TransportError::Tls { peer, reason: tls.to_string() };
        }
        if is_no_http(error) {
            let (answer, text) = self.no_http(error);
            return TransportError::NotFossil { peer, answer: answer.to_owned(), text };
        }
        if error.is_connect() && scheme == Scheme::Https && !is_system(error) && !is_network(error) {
            return TransportError::Tls { peer, reason: root_cause(error) };
        }
        self.network(peer, &self.url.host, error)
    }

    fn with_proxy(&self, proxy: &str, error: &Error) -> TransportError {
        let name = format!("the proxy {proxy}");
        if is_no_http(error) {
            let (answer, text) = self.no_http(error);
            let reason = format!("it answers with {answer}: {text}");
            return TransportError::Proxy { proxy: proxy.to_owned(), reason };
        }
        if error.is_connect() && !is_system(error) && !is_network(error) {
            let reason = root_cause(error);
            if reason.contains("proxy authorization required") {
                return TransportError::Status { peer: name, status: 407, text: reason };
            }
            let reason = format!("it makes no connection to {}: {reason}", address(self.url));
            return TransportError::Proxy { proxy: proxy.to_owned(), reason };
        }
        let host = proxy.rsplit_once(':').map_or(proxy, |(host, _)| host);
        self.network(name, host, error)
    }

    /// Names, connections, time: what may pass by itself.
    fn network(&self, peer: String, host: &str, error: &Error) -> TransportError {
        if let Some(unknown) = any::<UnknownHost>(error) {
            return TransportError::UnknownHost { host: host.to_owned(), reason: unknown.0.clone() };
        }
        if !error.is_connect() {
            return TransportError::CutShort { peer, reason: root_cause(error) };
        }
        if any::<io::Error>(error).is_some_and(|io| io.kind() == io::ErrorKind::TimedOut) {
            return TransportError::TimedOut { peer, after: self.connect_timeout };
        }
        TransportError::Unreachable { peer, reason: root_cause(error) }
    }

    /// What came instead of a reply of HTTP, and the text of it, or why it is none.
    fn no_http(&self, error: &Error) -> (&'static str, String) {
        match &self.speech {
            Speech::Other(shown) if !shown.is_empty() => ("something that is no HTTP", shown.clone()),
            Speech::Other(_) | Speech::Tls => ("something that is no HTTP", root_cause(error)),
            Speech::Http | Speech::Nothing => ("malformed HTTP", root_cause(error)),
        }
    }
}

/// The server at `url` speaks the other scheme.
pub(crate) fn wrong_scheme(url: &Url) -> TransportError {
    let speaks = match url.scheme {
        Scheme::Http => Scheme::Https,
        Scheme::Https => Scheme::Http,
    };
    TransportError::WrongScheme { peer: address(url), asked: url.scheme.as_str(), speaks: speaks.as_str() }
}

/// The last cause of an error.
pub(crate) fn root_cause(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}

fn causes<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&cause| cause.source())
}

fn any<E: StdError + 'static>(error: &Error) -> Option<&E> {
    causes(error).find_map(|cause| cause.downcast_ref::<E>())
}

/// What the TLS layer says; it hands its errors on inside those of a stream.
fn tls(error: &Error) -> Option<&rustls::Error> {
    causes(error).find_map(|cause| {
        let inside = cause.downcast_ref::<io::Error>().and_then(|io| io.get_ref()?.downcast_ref());
        inside.or_else(|| cause.downcast_ref())
    })
}

fn is_no_http(error: &Error) -> bool {
    any::<hyper::Error>(error).is_some_and(hyper::Error::is_parse)
}

/// Whether the operating system reported the failure, rather than the TLS layer.
fn is_system(error: &Error) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|io| io.raw_os_error().is_some())
}

/// Whether there was no connection at all.
fn is_network(error: &Error) -> bool {
    any::<UnknownHost>(error).is_some()
        || any::<io::Error>(error).is_some_and(|io| io.kind() == io::ErrorKind::TimedOut)
}

fn address(url: &Url) -> String {
    format!("{}:{}", url.host, url.port)
}
