//! The address of a project on a broker: `nats://[USER:PASSWORD@|TOKEN@]HOST[:PORT][,HOST...]/PROJECT-CODE[?...]`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::access::Access;
use super::topic::{PeerId, Topic, WordError, is_word};
use crate::http::{AuthorityError, Password, read_authority};

/// Longest address that is accepted, in bytes, both as it comes and as it is shown: what is kept must be readable.
const MAX_ADDRESS_BYTES: usize = 4096;

/// What may stand in the user of an address as it is: a slash would end the list of servers.
const USER: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What may stand in what follows `?` as it is.
const VALUE: &AsciiSet = &USER.remove(b'/');

/// A broker, or several of one cluster, and how to be let in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Broker {
    /// Host and port of each. None only where a context of the `nats` program is to name them.
    pub servers: Vec<Place>,
    /// Whether nothing is said before the connection is encrypted: `tls://`, `wss://`.
    pub security: Security,
    /// What the connection runs over.
    pub carried: Carried,
    /// Who asks to be let in.
    pub access: Access,
}

/// Whether a connection must be encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Security {
    /// If the broker wants it: `nats://`; not at all: `ws://`.
    #[default]
    AsOffered,
    /// In any case: `tls://`, `wss://`.
    Required,
}

/// What a connection to a broker runs over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Carried {
    /// TCP alone: `nats://`, `tls://`.
    #[default]
    Tcp,
    /// WebSocket, for networks that let only the web through: `ws://`, `wss://`.
    WebSocket,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Host name, IPv4 address, or IPv6 address without its brackets.
    pub host: String,
    /// Port; that of the address's scheme if none was given: 4222, or that of the web.
    pub port: u16,
}

/// A project on a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Where it is to be asked for.
    pub broker: Broker,
    /// Under which subjects.
    pub topic: Topic,
    /// The one peer to ask; none: whoever answers.
    pub peer: Option<PeerId>,
    /// Login name in the repository that answers: no matter of the broker.
    pub login: Option<String>,
}

/// Says why a text is no address of a broker, or of a project there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither `nats://` nor `tls://`, nor one of those for WebSocket.
    #[error("it does not begin with nats://, tls://, ws:// or wss://")]
    Scheme,
    /// No host, and no context that names one; or one that is none.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Of several servers, each names a user.
    #[error("a user stands before the first server only")]
    TwoUsers,
    /// A part that is not UTF-8 once decoded, or holds a control character.
    #[error("it has a part that is no text")]
    Text,
    /// No project, or more than one.
    #[error("it does not name a project: write it as nats://HOST/PROJECT-CODE")]
    NoProject,
    /// A project code, prefix or peer that can be no part of a subject.
    #[error(transparent)]
    Word(#[from] WordError),
    /// Something after `?` that is not known.
    #[error("{0:?} after ? is not known; known are {KNOWN}")]
    Unknown(String),
    /// The same thing twice after `?`.
    #[error("{0} is given twice")]
    Twice(&'static str),
    /// A path after a broker that stands for itself.
    #[error("it names a project, where only a broker is meant")]
    OnlyBroker,
    /// Longer than any address needs to be.
    #[error("it is longer than {MAX_ADDRESS_BYTES} bytes")]
    TooLong,
}

/// What may stand after `?`.
const KNOWN: &str = "prefix, peer, login, creds, nkey, ca, cert, key, context";

/// An address taken apart, before it is known what for.
struct Parts {
    broker: Broker,
    path: String,
    prefix: Option<String>,
    peer: Option<String>,
    login: Option<String>,
}

impl Broker {
    /// The servers as people and errors name them.
    pub fn authority(&self) -> String {
        match (self.servers.is_empty(), &self.access.context) {
            (true, Some(context)) => format!("context {context}"),
            _ => self.places(),
        }
    }

    /// What its address begins with, before `://`.
    pub fn scheme(&self) -> &'static str {
        match (self.carried, self.security) {
            (Carried::Tcp, Security::AsOffered) => "nats",
            (Carried::Tcp, Security::Required) => "tls",
            (Carried::WebSocket, Security::AsOffered) => "ws",
            (Carried::WebSocket, Security::Required) => "wss",
        }
    }

    /// The servers, without ports that go without saying.
    fn places(&self) -> String {
        let usual = usual_port(self.carried, self.security);
        let places: Vec<String> = self.servers.iter().map(|place| place.shown(usual)).collect();
        places.join(",")
    }

    /// Whether `text` begins like an address of a broker.
    pub fn is_meant_by(text: &str) -> bool {
        split_scheme(text).is_ok()
    }
}

impl FromStr for Broker {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let parts = Parts::read(text)?;
        let is_more = parts.prefix.is_some() || parts.peer.is_some() || parts.login.is_some();
        if is_more || !parts.path.trim_matches('/').is_empty() {
            return Err(AddressError::OnlyBroker);
        }
        checked(parts.broker)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let parts = Parts::read(text)?;
        let project = parts.path.trim_matches('/');
        if project.is_empty() || project.contains('/') {
            return Err(AddressError::NoProject);
        }
        checked(Self {
            topic: Topic::new(parts.prefix.as_deref().unwrap_or(Topic::PREFIX), project)?,
            peer: parts.peer.map(|peer| PeerId::new(&peer)).transpose()?,
            login: parts.login,
            broker: parts.broker,
        })
    }
}

/// The broker without its secrets: the form that may be shown and kept.
impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Shown { broker: self, path: "", more: Vec::new() })
    }
}

/// The address without its secrets: the form that may be shown and kept.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = (self.topic.prefix() != Topic::PREFIX).then(|| self.topic.prefix().to_owned());
        let peer = self.peer.as_ref().map(ToString::to_string);
        let more = vec![("prefix", prefix), ("peer", peer), ("login", self.login.clone())];
        write!(f, "{}", Shown { broker: &self.broker, path: self.topic.project(), more })
    }
}

/// What is shown of an address.
struct Shown<'a> {
    broker: &'a Broker,
    path: &'a str,
    more: Vec<(&'static str, Option<String>)>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = &self.broker.access;
        write!(f, "{}://", self.broker.scheme())?;
        if let Some(user) = &access.user {
            // The colon says that it is a user: what stands alone is a token.
            write!(f, "{}:@", utf8_percent_encode(user, USER))?;
        }
        write!(f, "{}", self.broker.places())?;
        if !self.path.is_empty() {
            write!(f, "/{}", self.path)?;
        }
        let file = |file: &Option<PathBuf>| file.as_ref().map(|file| file.to_string_lossy().into_owned());
        let access = [
            ("creds", file(&access.credentials)),
            ("nkey", file(&access.nkey)),
            ("ca", file(&access.authorities)),
            ("cert", file(&access.certificate)),
            ("key", file(&access.key)),
            ("context", access.context.clone()),
        ];
        let mut sign = '?';
        for (name, value) in self.more.iter().cloned().chain(access) {
            if let Some(value) = value {
                write!(f, "{sign}{name}={}", utf8_percent_encode(&value, VALUE))?;
                sign = '&';
            }
        }
        Ok(())
    }
}

impl Place {
    fn shown(&self, usual_port: u16) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == usual_port { host } else { format!("{host}:{}", self.port) }
    }
}

/// The port that need not be written.
pub(super) fn usual_port(carried: Carried, security: Security) -> u16 {
    match (carried, security) {
        (Carried::Tcp, _) => 4222,
        (Carried::WebSocket, Security::AsOffered) => 80,
        (Carried::WebSocket, Security::Required) => 443,
    }
}

impl Parts {
    fn read(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_ADDRESS_BYTES {
            return Err(AddressError::TooLong);
        }
        let (carried, security, rest) = split_scheme(text)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (login, places) = match authority.rsplit_once('@') {
            Some((login, _)) if login.contains('@') => return Err(AddressError::TwoUsers),
            Some((login, places)) => (Some(login), places),
            None => (None, authority),
        };
        let port = usual_port(carried, security);
        let servers = if places.is_empty() { Vec::new() } else { read_places(places, port)? };
        let broker = Broker { servers, security, carried, access: read_login(login.unwrap_or_default())? };
        let mut parts = Self { broker, path: decode(path)?, prefix: None, peer: None, login: None };
        parts.read_query(query)?;
        if parts.broker.servers.is_empty() && parts.broker.access.context.is_none() {
            return Err(AuthorityError::NoHost.into());
        }
        Ok(parts)
    }

    fn read_query(&mut self, query: &str) -> Result<(), AddressError> {
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value)?;
            let access = &mut self.broker.access;
            match name {
                "prefix" => once("prefix", &mut self.prefix, value)?,
                "peer" => once("peer", &mut self.peer, value)?,
                "login" => once("login", &mut self.login, value)?,
                "creds" => once("creds", &mut access.credentials, value.into())?,
                "nkey" => once("nkey", &mut access.nkey, value.into())?,
                "ca" => once("ca", &mut access.authorities, value.into())?,
                "cert" => once("cert", &mut access.certificate, value.into())?,
                "key" => once("key", &mut access.key, value.into())?,
                "context" if is_word(&value) => once("context", &mut access.context, value)?,
                "context" => return Err(AddressError::Word(WordError { what: "a context", word: value })),
                other => return Err(AddressError::Unknown(other.to_owned())),
            }
        }
        Ok(())
    }
}

fn once<T>(name: &'static str, into: &mut Option<T>, value: T) -> Result<(), AddressError> {
    if into.replace(value).is_some() { Err(AddressError::Twice(name)) } else { Ok(()) }
}

pub(super) fn split_scheme(text: &str) -> Result<(Carried, Security, &str), AddressError> {
    let (name, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
    let (carried, security) = match name.to_ascii_lowercase().as_str() {
        "nats" => (Carried::Tcp, Security::AsOffered),
        "tls" => (Carried::Tcp, Security::Required),
        "ws" => (Carried::WebSocket, Security::AsOffered),
        "wss" => (Carried::WebSocket, Security::Required),
        _ => return Err(AddressError::Scheme),
    };
    Ok((carried, security, rest))
}

fn read_login(login: &str) -> Result<Access, AddressError> {
    let none = |text: &String| !text.is_empty();
    Ok(match login.split_once(':') {
        Some((user, password)) => Access {
            user: Some(decode(user)?).filter(none),
            password: Some(decode(password)?).filter(none).map(Password),
            ..Access::default()
        },
        None => Access { token: Some(decode(login)?).filter(none).map(Password), ..Access::default() },
    })
}

/// The servers of a list, each without a scheme of its own.
pub(super) fn read_places(list: &str, usual_port: u16) -> Result<Vec<Place>, AddressError> {
    list.split(',').map(|place| read_place(place.trim(), usual_port)).collect()
}

fn read_place(place: &str, usual_port: u16) -> Result<Place, AddressError> {
    let (host, port) = read_authority(place)?;
    Ok(Place { host, port: port.unwrap_or(usual_port) })
}

/// Gives what was read back if it is not too long to be kept.
fn checked<T: fmt::Display>(read: T) -> Result<T, AddressError> {
    if read.to_string().len() > MAX_ADDRESS_BYTES { Err(AddressError::TooLong) } else { Ok(read) }
}

fn decode(text: &str) -> Result<String, AddressError> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| AddressError::Text)?;
    if text.chars().any(char::is_control) {
        return Err(AddressError::Text);
    }
    Ok(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "0123456789abcdef0123456789abcdef01234567";

    fn address(text: &str) -> Address {
        text.replace("CODE", CODE).parse().unwrap()
    }

    #[test]
    fn a_full_address_is_taken_apart() {
        let address = address(
            "tls://al%40ice:p%3aw@Hub.example:4333,[::1],10.0.0.1:1/CODE?prefix=edge.fossil&peer=p-1&login=bob\
             &creds=%2fetc%2fa.creds&ca=/ca.pem&cert=/c.pem&key=/k.pem",
        );
        assert_eq!(address.broker.authority(), "hub.example:4333,[::1],10.0.0.1:1");
        assert_eq!(address.broker.security, Security::Required);
        let access = &address.broker.access;
        assert_eq!(access.user.as_deref(), Some("al@ice"));
        assert_eq!(access.password, Some(Password("p:w".into())));
        assert_eq!(access.credentials, Some("/etc/a.creds".into()));
        assert_eq!((address.topic.prefix(), address.topic.project()), ("edge.fossil", CODE));
        assert_eq!(address.peer.as_ref().map(ToString::to_string).as_deref(), Some("p-1"));
        assert_eq!(address.login.as_deref(), Some("bob"));
    }

    #[test]
    fn what_is_shown_and_kept_has_no_secret_and_can_be_read_again() {
        let cases = [
            ("nats://h/CODE", "nats://h/CODE"),
            ("NATS://H:4222/CODE/", "nats://h/CODE"),
            ("nats://alice:s3cret@h:1/CODE", "nats://alice:@h:1/CODE"),
            ("nats://s3cret@h/CODE?prefix=fossil", "nats://h/CODE"),
            ("tls://a,b:2/CODE?peer=x&login=a%26b", "tls://a,b:2/CODE?peer=x&login=a%26b"),
            ("nats:///CODE?context=prod", "nats:///CODE?context=prod"),
            ("nats://h/CODE?nkey=/a%20b.nk", "nats://h/CODE?nkey=/a%20b.nk"),
            ("nats://%2fa:b@h/CODE", "nats://%2Fa:@h/CODE"),
            ("ws://s3cret@h:80/CODE", "ws://h/CODE"),
            ("ws://h:4222/CODE", "ws://h:4222/CODE"),
            ("wss://h:443,b/CODE", "wss://h,b/CODE"),
        ];
        for (text, shown) in cases {
            let read = address(text);
            let shown = shown.replace("CODE", CODE);
            assert_eq!(read.to_string(), shown, "{text}");
            assert_eq!(address(&shown).to_string(), shown, "{text}");
            assert!(!format!("{read:?}").contains("s3cret"), "{read:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let word = |what, word: &str| AddressError::Word(WordError { what, word: word.into() });
        let cases = [
            ("http://h/CODE", AddressError::Scheme),
            ("h/CODE", AddressError::Scheme),
            ("nats:///CODE", AuthorityError::NoHost.into()),
            ("nats://h", AddressError::NoProject),
            ("nats://h/", AddressError::NoProject),
            ("nats://h/a/b", AddressError::NoProject),
            ("nats://h/a.b", word("a project code", "a.b")),
            ("nats://h/*", word("a project code", "*")),
            ("nats://h/CODE?prefix=a..b", word("a prefix", "a..b")),
            ("nats://h/CODE?peer=a%3E", word("a peer", "a>")),
            ("nats://h:0/CODE", AuthorityError::Port("0".into()).into()),
            ("nats://h:+1/CODE", AuthorityError::Port("+1".into()).into()),
            ("nats://h:99999/CODE", AuthorityError::Port("99999".into()).into()),
            ("nats://h h/CODE", AuthorityError::Host("h h".into()).into()),
            ("nats://a,,b/CODE", AuthorityError::NoHost.into()),
            ("nats://u@a,v@b/CODE", AddressError::TwoUsers),
            ("nats://%ff@h/CODE", AddressError::Text),
            ("nats://h/CODE?crads=x", AddressError::Unknown("crads".into())),
            ("nats://h/CODE?ca=x&ca=y", AddressError::Twice("ca")),
            ("nats:///CODE?context=../x", word("a context", "../x")),
        ];
        for (text, error) in cases {
            assert_eq!(text.replace("CODE", CODE).parse::<Address>().unwrap_err(), error, "{text}");
        }
        assert_eq!("nats://h/x".parse::<Broker>().unwrap_err(), AddressError::OnlyBroker);
        assert_eq!("nats://h".parse::<Broker>().unwrap().to_string(), "nats://h");
    }
}
