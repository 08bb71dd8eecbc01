//! What the command line and the environment say of a leaf.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::file::Defaults;
use super::hours::Hours;
use super::value::{
    AdminAddress, BasePath, Every, ProxyHeader, RequestBytes, Span, TrustedProxy, listen_address,
};

/// Which leaf is meant.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Source {
    /// The configuration file; by default frond/leaf.toml in XDG_CONFIG_HOME, or /etc/frond/leaf.toml
    #[arg(short, long, value_name = "FILE", env = "FROND_LEAF_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// One repository, without a configuration file
    #[arg(
        short = 'R',
        long = "repository",
        value_name = "FILE",
        env = "FROND_LEAF_REPOSITORY",
        conflicts_with = "config"
    )]
    pub(crate) repository: Option<PathBuf>,
    /// The socket for `status` and `sync-now`
    #[arg(long, value_name = "FILE", env = "FROND_LEAF_SOCKET")]
    pub(crate) socket: Option<PathBuf>,
}

/// What the leaf is to do, before any file.
#[derive(Clone, Default, Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) source: Source,
    /// A peer of the repository: http[s]://[USER@]HOST[:PORT]/PATH, nats://HOST/PROJECT-CODE, or a repository file of this machine. May be
    /// repeated; without any, the server that the repository remembers. The password of USER is taken from FROND_PASSWORD, or
    /// from the first line of the file that FROND_PASSWORD_FILE names
    #[arg(
        long = "peer",
        value_name = "URL",
        env = "FROND_LEAF_PEERS",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(crate) peers: Vec<String>,
    /// Serve the repositories here; port 0 picks a free one
    #[arg(long, value_name = "ADDR:PORT", env = "FROND_LEAF_LISTEN", value_parser = listen_address)]
    pub(super) listen: Option<SocketAddr>,
    /// Serve everything under this path
    #[arg(long, value_name = "/PATH", env = "FROND_LEAF_BASE_PATH")]
    pub(super) base_path: Option<BasePath>,
    /// Web servers before the leaf, by address or network, whose word counts for who asks
    #[arg(long, value_name = "ADDR[/BITS]", env = "FROND_LEAF_TRUSTED_PROXIES", value_delimiter = ',')]
    pub(super) trusted_proxies: Vec<TrustedProxy>,
    /// How they say it: in X-Forwarded-For, -Proto and -Host, or in Forwarded
    #[arg(long, value_name = "x-forwarded|forwarded", env = "FROND_LEAF_PROXY_HEADER")]
    pub(super) proxy_header: Option<ProxyHeader>,
    /// Serve over TLS only, with this chain of certificates (PEM)
    #[arg(long, value_name = "FILE", env = "FROND_LEAF_TLS_CERTIFICATE")]
    pub(super) tls_certificate: Option<PathBuf>,
    /// The key of that certificate (PEM)
    #[arg(long, value_name = "FILE", env = "FROND_LEAF_TLS_KEY")]
    pub(super) tls_key: Option<PathBuf>,
    /// Bytes of the longest request that is taken, over HTTP and on the broker; an artifact travels in one
    #[arg(long, value_name = "BYTES", env = "FROND_LEAF_REQUEST_BYTES")]
    pub(super) request_bytes: Option<RequestBytes>,
    /// Answer /healthz, /readyz and /metrics where repositories are served too, to everybody
    #[arg(long, env = "FROND_LEAF_PROBES")]
    pub(super) probes: bool,
    /// Show the status page where repositories are served too, to everybody
    #[arg(long, env = "FROND_LEAF_PAGE")]
    pub(super) page: bool,
    /// Answer /healthz, /readyz and /metrics here, and show a status page; a port alone is one of loopback
    #[arg(long, value_name = "[ADDR:]PORT", env = "FROND_LEAF_ADMIN")]
    pub(super) admin: Option<AdminAddress>,
    /// The broker where the peers of each repository meet: nats://HOST[:PORT] or tls://HOST[:PORT]
    #[arg(long, value_name = "URL", env = "FROND_LEAF_NATS", hide_env_values = true)]
    pub(super) nats: Option<String>,
    /// The user of each repository who logs in to its copies on the broker; a copy that is cloned has the same
    #[arg(long, value_name = "USER", env = "FROND_LEAF_NATS_LOGIN")]
    pub(super) nats_login: Option<String>,
    /// A file whose first line is the password of that user; without it the password is taken from FROND_PASSWORD, or from
    /// the first line of the file that FROND_PASSWORD_FILE names
    #[arg(long, value_name = "FILE", env = "FROND_LEAF_NATS_PASSWORD_FILE")]
    pub(super) nats_password_file: Option<PathBuf>,
    /// What subjects on the broker begin with
    #[arg(long, value_name = "PREFIX", env = "FROND_LEAF_PREFIX")]
    pub(super) prefix: Option<String>,
    /// A server to answer for on the broker, so that leaves who know only the broker reach it: [PROJECT-CODE=]http[s]://HOST/PATH.
    /// May be repeated. Without its project code the server is asked for that
    #[arg(
        long = "bridge",
        value_name = "[PROJECT-CODE=]URL",
        env = "FROND_LEAF_BRIDGES",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(super) bridges: Vec<String>,
    /// Write a row about this leaf into the synced table frond_leaves, so often at most; `status` shows all rows
    #[arg(long, value_name = "TIME|off", env = "FROND_LEAF_REGISTRY")]
    pub(super) registry: Option<Every>,
    /// The project of the repository: if that is not there, it is cloned from whoever has it on the broker
    #[arg(long, value_name = "PROJECT-CODE", env = "FROND_LEAF_PROJECT", requires = "repository")]
    pub(super) project: Option<String>,
    /// How long a leaf that is to stop waits for what it has begun
    #[arg(long, value_name = "TIME", env = "FROND_LEAF_DRAIN")]
    pub(super) drain: Option<Span>,
    /// Time between sessions when nothing happens, or off
    #[arg(long, value_name = "TIME|off", env = "FROND_LEAF_POLL")]
    pub(super) poll: Option<Every>,
    /// Times of day, local ones, at which sessions may begin by themselves: 22:00-06:00, several with commas between
    #[arg(long, value_name = "FROM-TO", env = "FROND_LEAF_HOURS")]
    pub(super) hours: Option<Hours>,
    /// Give a session up when the peer sends nothing for so long
    #[arg(long, value_name = "TIME", env = "FROND_LEAF_TIMEOUT")]
    pub(super) timeout: Option<Span>,
    /// The leaf is ready only if a session with each peer went well so recently
    #[arg(long, value_name = "TIME", env = "FROND_LEAF_WITHIN")]
    pub(super) within: Option<Span>,
    /// Get nothing
    #[arg(long, conflicts_with = "no_push")]
    pub(super) no_pull: bool,
    /// Give nothing
    #[arg(long)]
    pub(super) no_push: bool,
    /// Exchange private artifacts too (the user needs capability x)
    #[arg(long)]
    pub(super) private: bool,
    /// Exchange unversioned files too (giving needs capability y)
    #[arg(short, long)]
    pub(super) unversioned: bool,
}

impl Flags {
    /// Those that say which leaf is meant, and nothing else.
    pub(crate) fn of(source: Source) -> Self {
        Self { source, ..Self::default() }
    }

    /// What holds for every peer, whatever the file says.
    pub(super) fn manner(&self) -> Defaults {
        Defaults {
            pull: self.no_pull.then_some(false),
            push: self.no_push.then_some(false),
            private: self.private.then_some(true),
            unversioned: self.unversioned.then_some(true),
            poll: self.poll,
            hours: self.hours.clone(),
            timeout: self.timeout,
            within: self.within,
            ..Defaults::default()
        }
    }
}

/// Shows no address, which may hold a password.
impl std::fmt::Debug for Flags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flags").field("source", &self.source).finish_non_exhaustive()
    }
}
