//! What a leaf is to do: from flags, the environment, a file and defaults, in this order.

mod bridges;
mod file;
mod flags;
mod hours;
mod keys;
mod reference;
mod resolve;
mod shown;
mod value;
mod wrongs;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sync::http::serve::Forwarding;
use sync::http::{Password, Url};
use sync::nats::{Broker, PeerId};

pub(crate) use self::flags::{Flags, Source};
pub(crate) use self::hours::Hours;
pub(crate) use self::reference::reference;
pub(crate) use self::resolve::{load, load_or_all_wrong, socket_of_broken};
pub(crate) use self::shown::Shown;
pub(crate) use self::value::{BasePath, ProxyHeader, RequestBytes, TrustedProxy, listen_address};
use crate::measure::Place;
use crate::remote::Remote;

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// Where it was read from, if from a file.
    pub(crate) file: Option<PathBuf>,
    /// Where repositories are served; none: they are not.
    pub(crate) listen: Option<SocketAddr>,
    /// The path they are served under: empty, or `/p`.
    pub(crate) base_path: String,
    /// Whose word counts for who asks.
    pub(crate) forwarding: Forwarding,
    /// With it, repositories are served over TLS.
    pub(crate) tls: Option<TlsFiles>,
    /// The longest request that is taken.
    pub(crate) request_bytes: RequestBytes,
    /// Whether probes and metrics are where repositories are served, too.
    pub(crate) probes: bool,
    /// Whether the status page is there, too.
    pub(crate) page: bool,
    /// Where probes and metrics are; none: nowhere.
    pub(crate) admin: Option<SocketAddr>,
    /// The broker where peers meet, announce and answer; none: they do not.
    pub(crate) nats: Option<Broker>,
    /// What subjects there begin with.
    pub(crate) prefix: String,
    /// The socket for `status` and `sync-now`.
    pub(crate) socket: PathBuf,
    /// Time between two rows in the register of leaves; none: nothing is written there.
    pub(crate) registry: Option<Duration>,
    /// How long a leaf that is to stop waits for what it has begun.
    pub(crate) drain: Duration,
    /// At least one, or a bridge.
    pub(crate) repositories: Vec<Repository>,
    /// Servers that are answered for on the broker.
    pub(crate) bridges: Vec<Bridge>,
}

/// A server that is reached over HTTP, and answered for on the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bridge {
    /// Without a user.
    pub(crate) url: Url,
    /// Its project; none: it is asked.
    pub(crate) project: Option<String>,
    /// What it is called on the broker; none: by its address.
    pub(crate) name: Option<PeerId>,
    /// How long it may send nothing.
    pub(crate) timeout: Duration,
}

/// The files of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// A repository to be kept in step with its peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repository {
    /// Its name in paths, status and metrics.
    pub(crate) name: String,
    /// The file.
    pub(crate) file: PathBuf,
    /// Its project, should it have to be cloned from whoever is on the leaf's broker.
    pub(crate) project: Option<String>,
    /// The first user, should it have to be cloned.
    pub(crate) admin_user: Option<String>,
    /// The program that is run when it changed, with its arguments; empty: none.
    pub(crate) hook: Vec<String>,
    /// With whom.
    pub(crate) peers: Vec<Peer>,
}

/// A peer, and how it is dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) address: Address,
    pub(crate) password: Secret,
    pub(crate) pull: bool,
    pub(crate) push: bool,
    pub(crate) private: bool,
    pub(crate) unversioned: bool,
    pub(crate) tables: bool,
    /// Time between two sessions when nothing happens; none: no session then.
    pub(crate) poll: Option<Duration>,
    pub(crate) jitter_percent: u32,
    /// When sessions may begin by themselves; none: always.
    pub(crate) hours: Option<Hours>,
    pub(crate) retry: Duration,
    pub(crate) retry_cap: Duration,
    /// How long the peer may send nothing.
    pub(crate) timeout: Duration,
    /// Bytes of artifacts in one request.
    pub(crate) send_bytes: u64,
    /// Bytes a second, either way; none: as fast as it goes.
    pub(crate) up_rate: Option<u64>,
    pub(crate) down_rate: Option<u64>,
    /// The leaf is ready only if the last good session is no longer ago.
    pub(crate) within: Option<Duration>,
}

/// Where a peer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Remote(Remote),
    /// A repository file of this machine.
    File(PathBuf),
    /// Whoever is on the leaf's own broker.
    Meeting {
        /// What that is called.
        broker: String,
        /// Who logs in to the copies there.
        login: Option<String>,
    },
}

/// A password, and where it was found. It never shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    /// There is none here: that of the repository is used, if it remembers one for this address.
    None,
    Found {
        password: Password,
        origin: &'static str,
    },
}

impl Address {
    /// Where it is, for spans and metrics.
    pub(crate) fn place(&self) -> Place<'_> {
        match self {
            Self::Remote(remote) => Place::of(remote),
            Self::File(_) => Place::FILE,
            Self::Meeting { .. } => Place::MEETING,
        }
    }

    /// Who logs in there, if anybody must.
    pub(crate) fn user(&self) -> Option<&str> {
        match self {
            Self::Remote(remote) => remote.user(),
            Self::Meeting { login, .. } => login.as_deref(),
            Self::File(_) => None,
        }
    }
}

/// As it may be shown: without a password.
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Remote(remote) => remote.fmt(f),
            Self::File(path) => path.display().fmt(f),
            Self::Meeting { broker, .. } => broker.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
