//! The address of a repository: `http[s]://[user[:password]@]host[:port]/path`.
//!
//! No general URL parser is used: Fossil posts to the path exactly as it was written (wire.md section 1.1),
//! and general parsers rewrite it.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Longest address that is accepted, in bytes, both as it comes and as it is kept: whose user takes more room once
/// it is encoded again could not be read a second time.
const MAX_URL_BYTES: usize = 4096;

/// What may stand in the user of an address as it is.
const USER: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where a repository is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Plain or secure.
    pub scheme: Scheme,
    /// Login name, percent-decoded.
    pub user: Option<String>,
    /// Its password, percent-decoded.
    pub password: Option<Password>,
    /// Host name in lower case, IPv4 address, or IPv6 address without its brackets.
    pub host: String,
    /// Port; the scheme's own if none was given.
    pub port: u16,
    /// Path as it was written, `/` if there was none. The query is dropped.
    pub path: String,
}

/// How the peer is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP over TCP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// A password. It never shows in what is printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

/// Says why a text is no address of a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Neither `http://` nor `https://`.
    #[error("it does not begin with http:// or https://")]
    Scheme,
    /// Nothing between the slashes, or no host and port.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A blank, a control character, or another that must be percent-encoded.
    #[error("its path has a character that must be percent-encoded")]
    Path,
    /// A user or password that is not UTF-8 once decoded, or holds a control character.
    #[error("its user or password is not text")]
    User,
    /// Longer than any address needs to be.
    #[error("it is longer than {MAX_URL_BYTES} bytes")]
    TooLong,
}

/// Says why a text is no host with or without a port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// No host at all.
    #[error("it names no host")]
    NoHost,
    /// A host name with characters that no host name has.
    #[error("{0:?} is no host name")]
    Host(String),
    /// A port that is no number between 1 and 65535.
    #[error("{0:?} is no port")]
    Port(String),
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that need not be written.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Url {
    /// Host and port, as people and the Host header name it.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }

    /// The whole address without user and password.
    pub fn without_user(&self) -> String {
        format!("{}://{}{}", self.scheme.as_str(), self.authority(), self.path)
    }

    /// Gives the address back if it is not too long to be kept.
    pub(super) fn checked(self) -> Result<Self, UrlError> {
        if self.to_string().len() > MAX_URL_BYTES { Err(UrlError::TooLong) } else { Ok(self) }
    }

    /// Whether both are one host: what was told to one may be told to the other.
    pub fn is_same_host(&self, other: &Self) -> bool {
        self.host == other.host
    }
}

/// The address with its user and without its password: the form that may be shown and kept.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = match &self.user {
            Some(user) => format!("{}@", utf8_percent_encode(user, USER)),
            None => String::new(),
        };
        write!(f, "{}://{user}{}{}", self.scheme.as_str(), self.authority(), self.path)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.len() > MAX_URL_BYTES {
            return Err(UrlError::TooLong);
        }
        let (scheme, rest) = split_scheme(text)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (login, address) = match authority.rsplit_once('@') {
            Some((login, address)) => (Some(login), address),
            None => (None, authority),
        };
        let (user, password) = login.map_or(Ok((None, None)), read_login)?;
        let (host, port) = read_authority(address)?;
        let port = port.unwrap_or(scheme.default_port());
        Self { scheme, user, password, host, port, path: read_path(path)? }.checked()
    }
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), UrlError> {
    let (name, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
    for scheme in [Scheme::Http, Scheme::Https] {
        if name.eq_ignore_ascii_case(scheme.as_str()) {
            return Ok((scheme, rest));
        }
    }
    Err(UrlError::Scheme)
}

fn read_login(login: &str) -> Result<(Option<String>, Option<Password>), UrlError> {
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(Password(decode(password)?))),
        None => (login, None),
    };
    let user = decode(user)?;
    Ok(if user.is_empty() { (None, None) } else { (Some(user), password) })
}

/// Decodes `%HH`, and `+` to a blank: stock reads it so, and writes it so in the address it keeps.
fn decode(text: &str) -> Result<String, UrlError> {
    let text = text.replace('+', " ");
    let text = percent_decode_str(&text).decode_utf8().map_err(|_| UrlError::User)?;
    if text.chars().any(char::is_control) {
        return Err(UrlError::User);
    }
    Ok(text.into_owned())
}

/// Reads `HOST[:PORT]`: the host in lower case, an IPv6 address without its brackets.
pub(crate) fn read_authority(address: &str) -> Result<(String, Option<u16>), AuthorityError> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, port) =
                rest.split_once(']').ok_or_else(|| AuthorityError::Host(address.to_owned()))?;
            let host =
                host.parse::<Ipv6Addr>().map_err(|_| AuthorityError::Host(host.to_owned()))?.to_string();
            match port.strip_prefix(':') {
                Some(port) => (host, port),
                None if port.is_empty() => (host, ""),
                None => return Err(AuthorityError::Host(address.to_owned())),
            }
        }
        None => {
            let (host, port) = address.split_once(':').unwrap_or((address, ""));
            (host.to_ascii_lowercase(), port)
        }
    };
    if host.is_empty() {
        return Err(AuthorityError::NoHost);
    }
    let is_host_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
    if !host.bytes().all(is_host_byte) {
        return Err(AuthorityError::Host(host));
    }
    Ok((host, read_port(port)?))
}

fn read_port(port: &str) -> Result<Option<u16>, AuthorityError> {
    if port.is_empty() {
        return Ok(None);
    }
    match port.parse() {
        Ok(number) if number > 0 && port.bytes().all(|b| b.is_ascii_digit()) => Ok(Some(number)),
        _ => Err(AuthorityError::Port(port.to_owned())),
    }
}

/// Keeps the path as it is; a blank or a byte that no request line carries is an error, not a guess.
fn read_path(path: &str) -> Result<String, UrlError> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = if path.is_empty() { "/" } else { path };
    let fits =
        path.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`'))
            && path.parse::<http::uri::PathAndQuery>().is_ok_and(|parsed| parsed.as_str() == path);
    if fits { Ok(path.to_owned()) } else { Err(UrlError::Path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn a_full_address_is_taken_apart() {
        let url = url("https://b%20ob:p%40ss%3aword@Example.ORG:8443/a/../b//?x=1#y");
        assert_eq!(url.scheme, Scheme::Https);
        assert_eq!(url.user.as_deref(), Some("b ob"));
        assert_eq!(url.password, Some(Password("p@ss:word".into())));
        assert_eq!((url.host.as_str(), url.port), ("example.org", 8443));
        assert_eq!(url.path, "/a/../b//");
    }

    #[test]
    fn what_is_left_out_has_the_usual_value() {
        let cases = [
            ("http://h", "http://h/"),
            ("http://h:80/x", "http://h/x"),
            ("HTTP://h:8080", "http://h:8080/"),
            ("https://h?q", "https://h/"),
            ("http://[::1]:81/a", "http://[::1]:81/a"),
            ("http://[0:0::1]", "http://[::1]/"),
            ("http://bob@h/", "http://bob@h/"),
            ("http://a@b@h/", "http://a%40b@h/"),
            ("http://:pw@h/", "http://h/"),
            ("http://b+ob%2b@h/", "http://b%20ob%2B@h/"),
        ];
        for (text, shown) in cases {
            assert_eq!(url(text).to_string(), shown, "{text}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let url = url("http://bob:secret@h/");
        assert!(!format!("{url} {url:?} {}", url.without_user()).contains("secret"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let cases = [
            ("ssh://h/x", UrlError::Scheme),
            ("/a/file.fossil", UrlError::Scheme),
            ("http:/h", UrlError::Scheme),
            ("http://", AuthorityError::NoHost.into()),
            ("http://:80/", AuthorityError::NoHost.into()),
            ("http://bob@/", AuthorityError::NoHost.into()),
            ("http://h:0/", AuthorityError::Port("0".into()).into()),
            ("http://h:65536/", AuthorityError::Port("65536".into()).into()),
            ("http://h:+80/", AuthorityError::Port("+80".into()).into()),
            ("http://h:8a/", AuthorityError::Port("8a".into()).into()),
            ("http://h h/", AuthorityError::Host("h h".into()).into()),
            ("http://[zz]/", AuthorityError::Host("zz".into()).into()),
            ("http://[::1/", AuthorityError::Host("[::1".into()).into()),
            ("http://h/a b", UrlError::Path),
            ("http://h/\r\nX: y", UrlError::Path),
            ("http://b%00b@h/", UrlError::User),
            ("http://b%ffb@h/", UrlError::User),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<Url>(), Err(error), "{text}");
        }
        for long in [format!("http://h/{}", "a".repeat(5000)), format!("http://{}@h/", "é".repeat(1000))] {
            assert_eq!(long.parse::<Url>(), Err(UrlError::TooLong));
        }
    }
}
