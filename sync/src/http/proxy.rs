//! Which proxy stands between us and a server.

use std::fmt;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

/// Hosts that no proxy named by the environment is asked for: to it they would be other machines.
const OURS: &str = "localhost,127.0.0.0/8,::1";

/// Which proxies are used, for whom. None by default.
///
/// A request to an `http` server is sent to the proxy with the whole address; to reach an `https` server the
/// proxy is told to CONNECT. A user and a password in the address of a proxy are sent to that proxy alone.
///
/// ```
/// use sync::http::{HttpOptions, Proxies};
///
/// let options = HttpOptions { proxies: Proxies::through("http://proxy.example:3128")?, ..HttpOptions::default() };
/// # assert_ne!(options.proxies, Proxies::none());
/// # Ok::<(), sync::http::ProxyError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    http: String,
    https: String,
    /// Hosts that are spoken to directly, as `no_proxy` lists them.
    direct: String,
}

/// Says why a text names no proxy that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Not the address of a proxy.
    #[error("{0:?} is no address of a proxy: it is written http://HOST:PORT")]
    Address(String),
    /// A proxy of another kind.
    #[error("a proxy is spoken to over http://, not over {0}://")]
    Scheme(String),
}

impl Proxies {
    /// Every server is spoken to directly.
    pub fn none() -> Self {
        Self::default()
    }

    /// Every server is spoken to through the proxy at `address`: `http://[USER[:PASSWORD]@]HOST[:PORT]`.
    pub fn through(address: &str) -> Result<Self, ProxyError> {
        let address = checked(address)?;
        Ok(Self { http: address.clone(), https: address, direct: String::new() })
    }

    /// What the variables `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` say, or, where one is not set
    /// or empty, those in upper case. A loopback address is always spoken to directly. HTTP_PROXY does not
    /// count where REQUEST_METHOD is set: there it may be a header of somebody's request.
    pub fn from_variables(read: impl Fn(&str) -> Option<String>) -> Result<Self, ProxyError> {
        let read = |name: &str| read(name).filter(|value| !value.trim().is_empty());
        let either = |lower: &str| read(lower).or_else(|| read(&lower.to_ascii_uppercase()));
        let http = if read("REQUEST_METHOD").is_some() { read("http_proxy") } else { either("http_proxy") };
        let all = either("all_proxy");
        let proxy = |value: Option<String>| match value.or_else(|| all.clone()) {
            Some(address) => checked(&address),
            None => Ok(String::new()),
        };
        let direct = format!("{OURS},{}", either("no_proxy").unwrap_or_default());
        Ok(Self { http: proxy(http)?, https: proxy(either("https_proxy"))?, direct })
    }

    pub(crate) fn matcher(&self) -> Matcher {
        let (http, https) = (self.http.as_str(), self.https.as_str());
        Matcher::builder().http(http).https(https).no(self.direct.as_str()).build()
    }
}

/// Without user and password.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.matcher().fmt(f)
    }
}

/// The proxy that a connection to `server` is made through.
pub(crate) struct Hop {
    pub(crate) address: Uri,
    pub(crate) login: Option<HeaderValue>,
}

impl Hop {
    pub(crate) fn to(server: &Uri, matcher: &Matcher) -> Option<Self> {
        let hop = matcher.intercept(server)?;
        Some(Self { address: hop.uri().clone(), login: hop.basic_auth().cloned() })
    }

    /// Host and port.
    pub(crate) fn name(&self) -> String {
        self.address.authority().map_or_else(String::new, ToString::to_string)
    }
}

fn checked(address: &str) -> Result<String, ProxyError> {
    let address = address.trim();
    if let Some((scheme, _)) = address.split_once("://").filter(|(scheme, _)| *scheme != "http") {
        return Err(ProxyError::Scheme(scheme.to_owned()));
    }
    let shown = address.rsplit_once('@').map_or(address, |(_, host)| host);
    let hop = Matcher::builder().http(address).build().intercept(&Uri::from_static("http://h/"));
    let host = hop.as_ref().map(Intercept::uri).and_then(Uri::host).unwrap_or_default();
    if host.is_empty() {
        return Err(ProxyError::Address(shown.to_owned()));
    }
    Ok(address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(variables: &[(&str, &str)], server: &'static str) -> String {
        let read =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let proxies = Proxies::from_variables(read).unwrap();
        Hop::to(&Uri::from_static(server), &proxies.matcher()).map_or_else(String::new, |hop| hop.name())
    }

    #[test]
    fn the_environment_names_a_proxy_for_each_kind_of_server() {
        type Variables = &'static [(&'static str, &'static str)];
        let cases: &[(Variables, &str, &str)] = &[
            (&[], "http://h/", ""),
            (&[("http_proxy", "http://p:1")], "http://h/", "p:1"),
            (&[("http_proxy", "http://p:1")], "https://h/", ""),
            (&[("http_proxy", "p:1")], "http://h/", "p:1"),
            (&[("http_proxy", "p")], "http://h/", "p"),
            (&[("http_proxy", "http://u:w@p:1/x")], "http://h/", "p:1"),
            (&[("HTTP_PROXY", "http://p:1")], "http://h/", "p:1"),
            (&[("HTTP_PROXY", "http://p:1"), ("REQUEST_METHOD", "GET")], "http://h/", ""),
            (&[("http_proxy", "http://p:1"), ("REQUEST_METHOD", "GET")], "http://h/", "p:1"),
            (&[("http_proxy", "http://p:1"), ("HTTP_PROXY", "http://q:1")], "http://h/", "p:1"),
            (&[("http_proxy", " "), ("HTTP_PROXY", "http://q:1")], "http://h/", "q:1"),
            (&[("https_proxy", "http://p:1")], "https://h/", "p:1"),
            (&[("https_proxy", "http://p:1")], "http://h/", ""),
            (&[("all_proxy", "http://p:1")], "https://h/", "p:1"),
            (&[("ALL_PROXY", "http://p:1"), ("http_proxy", "http://q:1")], "http://h/", "q:1"),
            (&[("all_proxy", "http://p:1"), ("no_proxy", "i,.example.org")], "http://h/", "p:1"),
            (&[("all_proxy", "http://p:1"), ("no_proxy", "i,.example.org")], "http://i:81/", ""),
            (&[("all_proxy", "http://p:1"), ("NO_PROXY", "example.org")], "https://a.example.org/", ""),
            (&[("all_proxy", "http://p:1"), ("no_proxy", "10.0.0.0/8")], "http://10.1.2.3/", ""),
            (&[("all_proxy", "http://p:1"), ("no_proxy", "*")], "http://h/", ""),
            (&[("all_proxy", "http://p:1")], "http://localhost:8080/", ""),
            (&[("all_proxy", "http://p:1")], "http://127.0.0.2:8080/", ""),
            (&[("all_proxy", "http://p:1")], "https://[::1]:8080/", ""),
        ];
        for (variables, server, expected) in cases {
            assert_eq!(hop(variables, server), *expected, "{variables:?} {server}");
        }
    }

    #[test]
    fn a_proxy_that_is_named_is_used_for_every_server() {
        let matcher = Proxies::through("http://p:1").unwrap().matcher();
        for server in ["http://h/", "https://h/", "http://localhost/", "https://[::1]/"] {
            assert_eq!(Hop::to(&Uri::from_static(server), &matcher).unwrap().name(), "p:1", "{server}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_and_a_password_is_never_shown() {
        let scheme = |name: &str| ProxyError::Scheme(name.to_owned());
        let address = |text: &str| ProxyError::Address(text.to_owned());
        let cases = [
            ("socks5://p:1", scheme("socks5")),
            ("https://p:1", scheme("https")),
            ("http://", address("http://")),
            ("http://u:secret@", address("")),
            ("u:secret@p q", address("p q")),
            ("", address("")),
        ];
        for (text, error) in cases {
            assert_eq!(Proxies::through(text), Err(error), "{text}");
        }
        let proxies = Proxies::through("http://u:secret@p:1").unwrap();
        assert!(!format!("{proxies:?}").contains("secret"));
    }
}
