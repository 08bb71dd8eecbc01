//! What there is to measure.

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Its name in OpenTelemetry.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// Its unit, in UCUM as OpenTelemetry has it.
    pub unit: &'static str,
    /// By what it is divided.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// It only rises.
    Counter,
    /// It rises and falls.
    Level,
    /// It is read when it is asked for.
    Gauge,
    /// It counts values by size; these are the upper bounds of the sizes.
    Histogram(&'static [f64]),
}

impl Kind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            // Prometheus has one word for both.
            Self::Level | Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// A gauge, by what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gauge {
    /// Seconds since the program began.
    Uptime,
    /// Whether the probe says that it is ready.
    Ready,
    /// Whether a repository can be used.
    RepositoryOpen,
    /// Bytes of its file.
    RepositorySize,
    /// Artifacts that are named there and not held.
    Phantoms,
    /// Sessions that are due: those that wait for their turn, and those that run.
    Queue,
    /// Share of reads of contents that were in memory.
    CacheHits,
    /// Seconds since the last good session with a peer; if there was none, since the program began.
    Lag,
    /// Failures since then.
    Failures,
}

impl Gauge {
    pub(super) const ALL: [Self; 9] = [
        Self::Uptime,
        Self::Ready,
        Self::RepositoryOpen,
        Self::RepositorySize,
        Self::Phantoms,
        Self::Queue,
        Self::CacheHits,
        Self::Lag,
        Self::Failures,
    ];

    pub(super) const fn metric(self) -> Metric {
        match self {
            Self::Uptime => UPTIME,
            Self::Ready => READY,
            Self::RepositoryOpen => REPOSITORY_OPEN,
            Self::RepositorySize => REPOSITORY_SIZE,
            Self::Phantoms => PHANTOMS,
            Self::Queue => QUEUE,
            Self::CacheHits => CACHE_HITS,
            Self::Lag => LAG,
            Self::Failures => FAILURES,
        }
    }
}

/// From a millisecond to five minutes: a round over a slow link takes seconds, a clone minutes.
const SECONDS: &[f64] =
    &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// A session in step takes one round; a clone of a large repository hundreds.
const ROUNDS: &[f64] = &[1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 55.0, 144.0, 377.0];

const REPOSITORY: &[&str] = &["repository"];
const PEER: &[&str] = &["repository", "peer"];
const MOVED: &[&str] = &["repository", "peer", "direction"];
const OPERATION: &[&str] = &["repository", "peer", "operation"];
const SERVED_BY: &[&str] = &["repository", "carrier"];
const SERVED_MOVED: &[&str] = &["repository", "carrier", "direction"];

const fn metric(
    name: &'static str,
    kind: Kind,
    unit: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind, unit, labels, help }
}

pub(super) const SESSIONS: Metric = metric(
    "frond.sessions",
    Kind::Counter,
    "{session}",
    &["repository", "peer", "operation", "outcome"],
    "Sessions that ended, or could not begin; the outcome is `ok`, the class of the error, `stopped` if it was given up, or `panic`",
);
pub(super) const SESSION_DURATION: Metric =
    metric("frond.session.duration", Kind::Histogram(SECONDS), "s", OPERATION, "How long sessions took");
pub(super) const SESSION_ROUNDS: Metric = metric(
    "frond.session.rounds",
    Kind::Histogram(ROUNDS),
    "{round}",
    OPERATION,
    "Rounds that sessions took",
);
pub(super) const ROUND_TRIP: Metric = metric(
    "frond.client.request.duration",
    Kind::Histogram(SECONDS),
    "s",
    &["repository", "peer", "carrier"],
    "From sending a request to having its reply; the carrier is `http`, `nats` or `file`",
);
pub(super) const ARTIFACTS: Metric = metric(
    "frond.artifacts",
    Kind::Counter,
    "{artifact}",
    MOVED,
    "Artifacts that sessions moved, `sent` and `received`",
);
pub(super) const NETWORK_BYTES: Metric = metric(
    "frond.network.io",
    Kind::Counter,
    "By",
    MOVED,
    "Bytes of requests and replies of sessions, as they travelled",
);
pub(super) const UNVERSIONED: Metric =
    metric("frond.unversioned", Kind::Counter, "{file}", MOVED, "Unversioned files that sessions moved");
pub(super) const ROWS: Metric =
    metric("frond.table.rows", Kind::Counter, "{row}", MOVED, "Rows of synced tables that sessions moved");
pub(super) const REFUSED: Metric = metric(
    "frond.artifacts.refused",
    Kind::Counter,
    "{artifact}",
    PEER,
    "Artifacts of peers that are not kept here: shunned, or too much",
);
pub(super) const CROSSLINKED: Metric = metric(
    "frond.crosslinked",
    Kind::Counter,
    "{artifact}",
    PEER,
    "Received artifacts that were linked into derived tables",
);
pub(super) const RETRIES: Metric = metric(
    "frond.retries",
    Kind::Counter,
    "{exchange}",
    &["repository", "peer", "class"],
    "Exchanges that failed and were made again within their session; the class is that of the error",
);
pub(super) const REQUESTS: Metric = metric(
    "frond.server.requests",
    Kind::Counter,
    "{request}",
    &["repository", "carrier", "operation", "outcome"],
    "Requests that came whole; the outcome is `ok`, `refused`, the class of our error, `busy` if there was no room for the reply, `panic`, or `dropped` if who asked went before its turn came",
);
pub(super) const REQUEST_DURATION: Metric = metric(
    "frond.server.request.duration",
    Kind::Histogram(SECONDS),
    "s",
    SERVED_BY,
    "From having a request to having its reply, waiting for a worker included",
);
pub(super) const SERVED: Metric = metric(
    "frond.server.artifacts",
    Kind::Counter,
    "{artifact}",
    SERVED_MOVED,
    "Artifacts that requests moved, seen from the server",
);
pub(super) const SERVED_BYTES: Metric = metric(
    "frond.server.network.io",
    Kind::Counter,
    "By",
    SERVED_MOVED,
    "Bytes of requests and replies, as they travelled, seen from the server",
);
pub(super) const SERVED_UNVERSIONED: Metric = metric(
    "frond.server.unversioned",
    Kind::Counter,
    "{file}",
    SERVED_MOVED,
    "Unversioned files that requests moved, seen from the server",
);
pub(super) const SERVED_ROWS: Metric = metric(
    "frond.server.table.rows",
    Kind::Counter,
    "{row}",
    SERVED_MOVED,
    "Rows of synced tables that requests moved, seen from the server",
);
pub(super) const SERVED_REFUSED: Metric = metric(
    "frond.server.artifacts.refused",
    Kind::Counter,
    "{artifact}",
    SERVED_BY,
    "Artifacts of requests that are not kept here: shunned, or too much",
);
pub(super) const SERVED_CROSSLINKED: Metric = metric(
    "frond.server.crosslinked",
    Kind::Counter,
    "{artifact}",
    SERVED_BY,
    "Artifacts of requests that were linked into derived tables",
);
pub(super) const ACTIVE: Metric = metric(
    "frond.server.queue.depth",
    Kind::Level,
    "{request}",
    SERVED_BY,
    "Requests that came whole and are not answered yet: those that wait for a worker, and those that are worked on",
);
pub(super) const TURNED_AWAY: Metric = metric(
    "frond.server.turned_away",
    Kind::Counter,
    "{request}",
    &["carrier", "reason"],
    "Requests that were turned away before they came whole, and are in no other figure; the reason is `no_repository`, `too_long`, `late` if they did not arrive in time or broke off, `no_room`, or `malformed`",
);
pub(super) const UPTIME: Metric =
    metric("frond.uptime", Kind::Gauge, "s", &[], "Seconds since the leaf began");
pub(super) const READY: Metric =
    metric("frond.ready", Kind::Gauge, "", &[], "1 if `/readyz` says so, else 0");
pub(super) const REPOSITORY_OPEN: Metric =
    metric("frond.repository.open", Kind::Gauge, "", REPOSITORY, "1 if the repository can be used, else 0");
pub(super) const REPOSITORY_SIZE: Metric =
    metric("frond.repository.size", Kind::Gauge, "By", REPOSITORY, "Size of the repository's file");
pub(super) const PHANTOMS: Metric = metric(
    "frond.phantoms",
    Kind::Gauge,
    "{artifact}",
    REPOSITORY,
    "Artifacts that are named here and not held, as of the last change that was seen",
);
pub(super) const QUEUE: Metric = metric(
    "frond.queue.depth",
    Kind::Gauge,
    "{session}",
    REPOSITORY,
    "Sessions that are due and not over: those that wait for their turn, and those that run; at most one for each peer",
);
pub(super) const CACHE_HITS: Metric = metric(
    "frond.cache.hits",
    Kind::Gauge,
    "1",
    REPOSITORY,
    "Share of reads of contents that were in memory, in the last session or request that read any",
);
pub(super) const LAG: Metric = metric(
    "frond.lag",
    Kind::Gauge,
    "s",
    PEER,
    "Seconds since the last session that ended well; if there was none, since the leaf began",
);
pub(super) const FAILURES: Metric = metric(
    "frond.failures.in.a.row",
    Kind::Gauge,
    "{session}",
    PEER,
    "Failed sessions since the last that ended well",
);

/// All metrics, in the order of the reference table.
pub const ALL: &[Metric] = &[
    SESSIONS,
    SESSION_DURATION,
    SESSION_ROUNDS,
    ROUND_TRIP,
    ARTIFACTS,
    NETWORK_BYTES,
    UNVERSIONED,
    ROWS,
    REFUSED,
    CROSSLINKED,
    RETRIES,
    REQUESTS,
    REQUEST_DURATION,
    SERVED,
    SERVED_BYTES,
    SERVED_UNVERSIONED,
    SERVED_ROWS,
    SERVED_REFUSED,
    SERVED_CROSSLINKED,
    ACTIVE,
    TURNED_AWAY,
    UPTIME,
    READY,
    REPOSITORY_OPEN,
    REPOSITORY_SIZE,
    PHANTOMS,
    QUEUE,
    CACHE_HITS,
    LAG,
    FAILURES,
];

impl Metric {
    /// Its name in Prometheus: with its unit, and `_total` for what only rises.
    pub fn prometheus_name(&self) -> String {
        let mut name = self.name.replace('.', "_");
        name.push_str(match self.unit {
            "s" => "_seconds",
            "By" => "_bytes",
            "1" => "_ratio",
            _ => "",
        });
        if self.kind == Kind::Counter {
            name.push_str("_total");
        }
        name
    }

    pub(super) fn unit_word(&self) -> &'static str {
        match self.unit {
            "s" => "seconds",
            "By" => "bytes",
            "1" => "ratio",
            "" => "yes or no",
            other => other.trim_matches(['{', '}']),
        }
    }
}
