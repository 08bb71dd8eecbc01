//! What is measured, for the whole program: started once, from the `OTEL_*` variables.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use sync::{Doorman, NoObserver, Observer, ObserverSource};
use telemetry::{Peer, Plan, SpanId, Telemetry, Tries, plan};

use crate::exit::Failure;
use crate::remote::Remote;

static TELEMETRY: OnceLock<Telemetry> = OnceLock::new();

/// Whether there was anything to measure.
static HAS_MEASURED: AtomicBool = AtomicBool::new(false);

/// When the program was told to end, if it was.
static TOLD: OnceLock<Instant> = OnceLock::new();

/// What it takes a server to end, with what it waits for a collector: a little less than the five seconds that are
/// promised.
const TIME_TO_END: Duration = Duration::from_secs(4);

/// What a program is, for those who measure it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It does one thing and ends.
    Command,
    /// It runs until it is told to end.
    Server,
    /// So does this, and shows its metrics to who asks.
    Leaf,
}

impl Kind {
    /// How long the program waits for the collector once all else is done, so long after it was told to end. Whoever gave
    /// a command waits too.
    fn patience(self, since: Duration) -> Duration {
        match self {
            Self::Command => Duration::from_millis(300),
            Self::Server | Self::Leaf => {
                TIME_TO_END.saturating_sub(since).clamp(Duration::from_secs(1), Duration::from_secs(3))
            }
        }
    }

    const fn tries(self) -> Tries {
        match self {
            Self::Command => Tries::Once,
            Self::Server | Self::Leaf => Tries::Again,
        }
    }
}

/// Starts it, if the metrics can be asked for or the variables name a collector. What they say and cannot be followed
/// is told, and stops nothing.
pub(crate) fn start(kind: Kind) {
    let variable = |name: &str| std::env::var(name).ok();
    let plan = Plan::read(variable).unwrap_or_else(|error| {
        tracing::warn!("{error}; nothing is sent to a collector");
        Plan::default()
    });
    if plan.is_on() {
        plan::without_effect(variable).iter().for_each(|one| tracing::warn!("{one}"));
    }
    if kind != Kind::Leaf && !plan.is_on() {
        return;
    }
    let started = Telemetry::start(&plan, kind.tries()).or_else(|error| {
        tracing::warn!("nothing is sent to a collector: {error}");
        Telemetry::start(&Plan::default(), kind.tries())
    });
    match started {
        // The program starts it once.
        Ok(telemetry) => drop(TELEMETRY.set(telemetry)),
        Err(error) => tracing::warn!("nothing is measured: {error}"),
    }
}

/// The program was told to end: from now on counts how long that takes.
pub(crate) fn ending() {
    TOLD.get_or_init(Instant::now);
}

/// Sends what is not sent yet, for a bounded time.
pub(crate) fn end(kind: Kind) {
    if let Some(telemetry) = TELEMETRY.get().cloned()
        && HAS_MEASURED.load(Ordering::Relaxed)
        && !telemetry.end(kind.patience(TOLD.get().map_or(Duration::ZERO, Instant::elapsed)))
    {
        tracing::debug!("the collector did not take everything");
    }
}

/// The metrics, as Prometheus reads them.
pub(crate) fn metrics() -> String {
    telemetry().map(Telemetry::text).unwrap_or_default()
}

/// What there is, if anything is measured.
pub(crate) fn telemetry() -> Option<&'static Telemetry> {
    TELEMETRY.get()
}

/// Where a peer is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    carrier: &'static str,
    host: &'a str,
    port: u16,
}

impl<'a> Place<'a> {
    /// A repository file of this machine.
    pub(crate) const FILE: Self = Self { carrier: "file", host: "", port: 0 };

    /// Nobody could say.
    pub(crate) const UNKNOWN: Self = Self { carrier: "", host: "", port: 0 };

    /// Somebody on the leaf's own broker.
    pub(crate) const MEETING: Self = Self { carrier: "nats", host: "", port: 0 };

    pub(crate) fn of(remote: &'a Remote) -> Self {
        match remote {
            Remote::Http(url) => Self { carrier: "http", host: &url.host, port: url.port },
            Remote::Nats(address) => match address.broker.servers.first() {
                Some(place) => Self { carrier: "nats", host: &place.host, port: place.port },
                None => Self::MEETING,
            },
        }
    }
}

/// The observer of a session of a repository with a peer, which is known by this name, and the span that it is.
pub(crate) fn session(
    repository: &str,
    peer: &str,
    Place { carrier, host, port }: Place<'_>,
) -> (Box<dyn Observer + Send>, Option<SpanId>) {
    match telemetry() {
        Some(telemetry) => {
            HAS_MEASURED.store(true, Ordering::Relaxed);
            telemetry.session(&Peer { repository, peer, carrier, host, port })
        }
        None => (Box::new(NoObserver), None),
    }
}

/// Tells of a session that could not begin.
pub(crate) fn unbegun(
    repository: &str,
    peer: &str,
    Place { carrier, host, port }: Place<'_>,
    operation: &'static str,
    failure: &Failure,
) {
    if let Some(telemetry) = telemetry() {
        HAS_MEASURED.store(true, Ordering::Relaxed);
        let peer = Peer { repository, peer, carrier, host, port };
        telemetry.unbegun(&peer, operation, failure.class(), &failure.what);
    }
}

/// The observers of requests; `name` tells what metrics call a repository file.
pub(crate) fn requests(name: impl Fn(&Path) -> Option<String> + Send + Sync + 'static) -> ObserverSource {
    Arc::new(move |origin| match telemetry() {
        Some(telemetry) => {
            HAS_MEASURED.store(true, Ordering::Relaxed);
            telemetry.request(&name(origin.file).unwrap_or_else(|| stem(origin.file)), origin)
        }
        None => Box::new(NoObserver),
    })
}

/// Counts requests that were turned away before they came whole.
pub(crate) fn turned_away() -> Doorman {
    Arc::new(|carrier, reason| {
        if let Some(telemetry) = telemetry() {
            HAS_MEASURED.store(true, Ordering::Relaxed);
            telemetry.turned_away(carrier, reason);
        }
    })
}

/// What metrics call a file that has no other name.
pub(crate) fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_took_to_drain_is_not_left_to_the_collector() {
        let patience = |kind: Kind, since| kind.patience(Duration::from_millis(since)).as_millis();
        for (since, left) in
            [(0, 3000), (900, 3000), (2000, 2000), (2600, 1400), (3500, 1000), (60_000, 1000)]
        {
            assert_eq!([patience(Kind::Leaf, since), patience(Kind::Server, since)], [left; 2], "{since}");
        }
        assert_eq!(patience(Kind::Command, 0), 300);
    }
}
