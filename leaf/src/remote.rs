//! Where a repository is synchronized: over HTTP, or over a broker.

use std::fmt;
use std::time::Duration;

use repo::{Repo, RepoError, config};
use sync::http::{HttpTransport, Password, Url, UrlError};
use sync::nats::{self, Address, Broker, NatsOptions, NatsTransport, PeerId};
use sync::{TraceContext, Transport, TransportError};
use xfer::body::Body;

use crate::exit::{Code, Failure};
use crate::network::Network;

/// The address of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Remote {
    Http(Url),
    Nats(Box<Address>),
}

/// The way there.
pub(crate) enum Wire {
    Http(Box<HttpTransport>),
    Nats(Box<NatsTransport>),
}

impl Remote {
    /// Reads an address of either kind.
    pub(crate) fn read(text: &str) -> Result<Self, Failure> {
        if Broker::is_meant_by(text) {
            let address: Address = text.parse().map_err(|error| unreadable(text, &error, NATS_FORM))?;
            let project = address.topic.project();
            if !is_project_code(project) {
                return Err(unreadable(text, &no_project_code(project), NATS_FORM));
            }
            return Ok(Self::Nats(Box::new(address)));
        }
        text.parse().map(Self::Http).map_err(|error| match error {
            UrlError::Scheme => unreadable(text, &NO_SCHEME, HTTP_FORM),
            error => unreadable(text, &error, HTTP_FORM),
        })
    }

    /// Who logs in to the repository.
    pub(crate) fn user(&self) -> Option<&str> {
        match self {
            Self::Http(url) => url.user.as_deref(),
            Self::Nats(address) => address.login.as_deref(),
        }
    }

    /// The password of that user, if the address gives it.
    pub(crate) fn password(&self) -> Option<&Password> {
        match self {
            Self::Http(url) => url.password.as_ref(),
            Self::Nats(_) => None,
        }
    }

    /// Whether it holds a secret that others can see where they see the address.
    pub(crate) fn has_secret(&self) -> bool {
        match self {
            Self::Http(url) => url.password.is_some(),
            Self::Nats(address) => {
                let access = &address.broker.access;
                access.password.is_some() || access.token.is_some()
            }
        }
    }

    /// Host and port, for people.
    pub(crate) fn authority(&self) -> String {
        match self {
            Self::Http(url) => url.authority(),
            Self::Nats(address) => address.broker.authority(),
        }
    }

    /// The host as stock names it at the end of a session.
    pub(crate) fn host(&self) -> String {
        match self {
            Self::Http(url) => url.host.clone(),
            Self::Nats(address) => address.broker.authority(),
        }
    }

    /// What is cloned, whoever asks.
    pub(crate) fn source(&self) -> String {
        match self {
            Self::Http(url) => url.without_user(),
            Self::Nats(address) => {
                let mut address = address.clone();
                let context = address.broker.access.context.take();
                address.broker.access = nats::Access { context, ..nats::Access::default() };
                address.login = None;
                address.to_string()
            }
        }
    }

    /// Why a session there failed; an address that it speaks of is one of this kind.
    pub(crate) fn failure(&self, error: impl Into<Failure>) -> Failure {
        let mut failure: Failure = error.into();
        if matches!(self, Self::Nats(_)) {
            failure.hint = failure.hint.replace(HTTP_LOGIN, "nats://HOST/PROJECT-CODE?login=USER");
        }
        failure
    }

    /// Opens nothing yet. `own` names the repository among its peers.
    pub(crate) fn wire(&self, network: &Network, own: Option<PeerId>) -> Result<Wire, Failure> {
        match self {
            Self::Http(url) => Ok(Wire::Http(Box::new(HttpTransport::new(url.clone(), network.http()?)))),
            Self::Nats(address) => {
                let broker = completed(address.broker.clone())?;
                let address = Address { broker, ..(**address).clone() };
                let options = NatsOptions { own, ..network.nats() };
                Ok(Wire::Nats(Box::new(NatsTransport::new(address, options))))
            }
        }
    }
}

/// Whether a text can name a project.
pub(crate) fn is_project_code(text: &str) -> bool {
    text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What is said of a text that cannot.
pub(crate) fn no_project_code(text: &str) -> String {
    format!("{text:?} is no project code: 40 hex digits make one, see `frond info` of a copy")
}

/// What a repository is called among its peers: its server code.
pub(crate) fn own_name(repo: &mut Repo) -> Result<Option<PeerId>, RepoError> {
    let code = config::server_code(&repo.snapshot()?)?;
    Ok(code.and_then(|code| PeerId::new(&code).ok()))
}

/// A broker with what the environment and its context say of it.
pub(crate) fn completed(broker: Broker) -> Result<Broker, Failure> {
    broker.completed(|name| std::env::var(name).ok()).map_err(|error| {
        let hint = "check the files that the URL, the context or NATS_* variables name";
        Failure::new(Code::Usage, error.to_string(), hint)
    })
}

/// Reads the address of a broker alone.
pub(crate) fn broker(text: &str) -> Result<Broker, Failure> {
    let read = text.parse::<Broker>().map_err(|error| {
        let hint = "write it as nats://HOST:PORT, or nats://USER:PASSWORD@HOST:PORT";
        Failure::new(Code::Usage, format!("{:?} is no broker: {error}", without_login(text)), hint)
    })?;
    completed(read)
}

/// Reads the address of a broker that stands on the command line: without a password, which others see there.
pub(crate) fn broker_of_flag(text: &str) -> Result<Broker, Failure> {
    let shown = text.parse::<Broker>().ok();
    if shown.is_some_and(|broker| broker.access.password.is_some() || broker.access.token.is_some()) {
        return Err(Failure::new(
            Code::Usage,
            "a password on the command line is seen by others",
            "put it in NATS_PASSWORD or NATS_TOKEN, or in a file that NATS_CREDS names",
        ));
    }
    broker(text)
}

/// How errors write an address with a user.
const HTTP_LOGIN: &str = "http://USER@HOST/";
/// What is said of an address that begins like none.
const NO_SCHEME: &str = "it does not begin with http://, https://, nats://, tls://, ws:// or wss://";
const HTTP_FORM: &str = "write it as http://HOST/PATH, https://USER@HOST/PATH or nats://HOST/PROJECT-CODE";
const NATS_FORM: &str = "write it as nats://HOST/PROJECT-CODE or nats://HOST/PROJECT-CODE?login=USER";

fn unreadable(text: &str, error: &dyn fmt::Display, hint: &str) -> Failure {
    let what = format!("{:?} is no URL of a repository: {error}", without_login(text));
    Failure::new(Code::Usage, what, hint)
}

fn without_login(text: &str) -> &str {
    text.rsplit_once('@').map_or(text, |(_, rest)| rest)
}

/// The address without its secrets.
impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => url.fmt(f),
            Self::Nats(address) => address.fmt(f),
        }
    }
}

impl Transport for Wire {
    fn carry(&mut self, trace: Option<TraceContext>) {
        match self {
            Self::Http(transport) => transport.carry(trace),
            Self::Nats(transport) => transport.carry(trace),
        }
    }

    async fn exchange(&mut self, request: Body) -> Result<Body, TransportError> {
        match self {
            Self::Http(transport) => transport.exchange(request).await,
            Self::Nats(transport) => transport.exchange(request).await,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Http(transport) => transport.retry_after(),
            Self::Nats(transport) => transport.retry_after(),
        }
    }

    fn destination(&self) -> Option<&str> {
        match self {
            Self::Http(transport) => transport.destination(),
            Self::Nats(transport) => transport.destination(),
        }
    }

    fn status(&self) -> Option<u16> {
        match self {
            Self::Http(transport) => transport.status(),
            Self::Nats(transport) => transport.status(),
        }
    }

    fn lasting_url(&self) -> Option<String> {
        match self {
            Self::Http(transport) => transport.lasting_url(),
            Self::Nats(transport) => transport.lasting_url(),
        }
    }
}
