//! Follows sessions.

mod trace;

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use opentelemetry::KeyValue;
use sync::{Event, Observer, RoundStats, TraceContext, class_of};

use self::trace::SessionTrace;
use crate::metrics::Instruments;
use crate::span::{self, SpanId};
use crate::start::Telemetry;

/// With whom a session is, in names that do not grow in number.
#[derive(Debug, Clone, Copy)]
pub struct Peer<'a> {
    /// The repository here, as metrics name it.
    pub repository: &'a str,
    /// The peer, as metrics name it: never with a password.
    pub peer: &'a str,
    /// `http`, `nats` or `file`.
    pub carrier: &'static str,
    /// Host name or address of the peer or the broker; empty if there is none.
    pub host: &'a str,
    /// Its port; 0 if there is none.
    pub port: u16,
}

/// Follows one session, or the few that a clone takes.
pub(crate) struct SessionObserver {
    telemetry: Telemetry,
    labels: Labels,
    trace: Option<SessionTrace>,
    running: Option<Running>,
}

/// The session under way.
struct Running {
    operation: &'static str,
    begun: Instant,
    rounds: u32,
    /// What is counted of it.
    counted: Amounts,
}

/// Why a session ended that nobody ended: it was given up where it waited for its peer, or we failed.
const STOPPED: &str = "stopped";
const PANIC: &str = "panic";

/// What metrics are divided by.
struct Labels {
    peer: [KeyValue; 2],
    carrier: &'static str,
}

impl Telemetry {
    /// The observer of a session, and the span that it is: [`crate::within`] has log lines name it.
    pub fn session(&self, peer: &Peer<'_>) -> (Box<dyn Observer + Send>, Option<SpanId>) {
        let observer = self.follow(peer);
        let id = observer.trace.as_ref().and_then(SessionTrace::id);
        (Box::new(observer), id)
    }

    /// Tells of a session that could not begin, and of the class of what was wrong.
    pub fn unbegun(&self, peer: &Peer<'_>, operation: &'static str, class: &'static str, text: &str) {
        self.follow(peer).unbegun(operation, class, text);
    }

    fn follow(&self, peer: &Peer<'_>) -> SessionObserver {
        // Shared: they are copied for each number that is written.
        let (repository, name) = (Arc::<str>::from(peer.repository), Arc::<str>::from(peer.peer));
        let names = || [Arc::clone(&repository), Arc::clone(&name)];
        let trace = self.inner.tracer.as_ref().map(|tracer| SessionTrace::begin(tracer, peer, names()));
        let labels = Labels {
            peer: [KeyValue::new("repository", repository), KeyValue::new("peer", name)],
            carrier: peer.carrier,
        };
        SessionObserver { telemetry: self.clone(), labels, trace, running: None }
    }
}

impl Labels {
    fn with(&self, name: &'static str, value: impl Into<opentelemetry::Value>) -> [KeyValue; 3] {
        let [repository, peer] = self.peer.clone();
        [repository, peer, KeyValue::new(name, value)]
    }
}

/// Artifacts, bytes, unversioned files and rows: sent, and received.
type Amounts = [[u64; 2]; 4];

fn amounts(stats: &RoundStats) -> Amounts {
    [
        [stats.files_sent, stats.files_received],
        [stats.bytes_sent, stats.bytes_received],
        [stats.uv_files_sent, stats.uv_files_received],
        [stats.rows_sent, stats.rows_received],
    ]
}

impl SessionObserver {
    fn instruments(&self) -> &Instruments {
        &self.telemetry.inner.instruments
    }

    /// A session could not begin, or what was to follow it failed.
    fn unbegun(&self, operation: &'static str, class: &'static str, text: &str) {
        self.count_end(self.labels.with("operation", operation), class);
        if let Some(trace) = &self.trace {
            trace.unbegun(operation, class, text);
        }
    }

    fn failed(&mut self, operation: &'static str, class: &'static str, error: &dyn Error, again: bool) {
        if again {
            self.instruments().retries.add(1, &self.labels.with("class", class));
            if let Some(trace) = &mut self.trace {
                trace.tried_again(class, &error.to_string());
            }
        } else if self.running.is_none() {
            self.unbegun(operation, class, &error.to_string());
        }
    }

    fn count(&mut self, moved: &Amounts) {
        let write = self.instruments();
        let counters = [&write.artifacts, &write.network_bytes, &write.unversioned, &write.rows];
        for (counter, both) in counters.into_iter().zip(moved) {
            for (direction, &count) in ["sent", "received"].into_iter().zip(both) {
                if count > 0 {
                    counter.add(count, &self.labels.with("direction", direction));
                }
            }
        }
        if let Some(running) = &mut self.running {
            let counted = running.counted.as_flattened_mut().iter_mut();
            counted.zip(moved.as_flattened()).for_each(|(counted, moved)| *counted += moved);
        }
    }

    /// Counts what a session moved in the round that it failed in.
    fn count_rest(&mut self, all: &RoundStats) {
        let mut rest = amounts(all);
        if let Some(running) = &self.running {
            let counted = running.counted.as_flattened().iter();
            let rests = rest.as_flattened_mut().iter_mut();
            rests.zip(counted).for_each(|(rest, counted)| *rest = rest.saturating_sub(*counted));
        }
        self.count(&rest);
    }

    fn count_session(&self, operation: &'static str, seconds: f64, rounds: u32, outcome: &'static str) {
        let labels = self.labels.with("operation", operation);
        self.instruments().session_duration.record(seconds, &labels);
        self.instruments().session_rounds.record(f64::from(rounds), &labels);
        self.count_end(labels, outcome);
    }

    fn count_end(&self, [repository, peer, operation]: [KeyValue; 3], outcome: &'static str) {
        let outcome = KeyValue::new("outcome", outcome);
        self.instruments().sessions.add(1, &[repository, peer, operation, outcome]);
    }
}

impl Drop for SessionObserver {
    fn drop(&mut self) {
        let Some(Running { operation, begun, rounds, .. }) = self.running.take() else { return };
        let outcome = if std::thread::panicking() { PANIC } else { STOPPED };
        self.count_session(operation, begun.elapsed().as_secs_f64(), rounds, outcome);
        if let Some(trace) = &mut self.trace {
            trace.stopped(outcome);
        }
    }
}

impl Observer for SessionObserver {
    fn observe(&mut self, event: &Event<'_>) {
        match event {
            Event::SessionStarted { operation, project, .. } => {
                let (begun, counted) = (Instant::now(), Amounts::default());
                self.running = Some(Running { operation, begun, rounds: 0, counted });
                if let Some(trace) = &self.trace {
                    trace.session_started(operation, project);
                }
            }
            Event::RoundStarted { round } => {
                if let Some(trace) = &mut self.trace {
                    trace.begin_round(*round);
                }
            }
            Event::Exchanged { duration, destination } => {
                let labels = self.labels.with("carrier", self.labels.carrier);
                self.instruments().round_trip.record(duration.as_secs_f64(), &labels);
                if let (Some(trace), Some(destination)) = (&mut self.trace, destination) {
                    trace.exchanged(destination);
                }
            }
            Event::RoundFinished { stats, .. } => {
                self.count(&amounts(stats));
                if let Some(running) = &mut self.running {
                    running.rounds += 1;
                }
                if let Some(trace) = &mut self.trace {
                    trace.end_round(stats);
                }
            }
            Event::SessionFinished { operation, rounds, stats, duration, error, .. } => {
                self.count_rest(stats);
                self.running = None;
                self.count_session(operation, duration.as_secs_f64(), *rounds, error.map_or("ok", class_of));
                if let Some(trace) = &mut self.trace {
                    trace.session_finished(*rounds, stats, *error);
                }
            }
            Event::Refused { .. } => self.instruments().refused.add(1, &self.labels.peer),
            Event::Crosslinked { artifacts } => {
                self.instruments().crosslinked.add(*artifacts, &self.labels.peer);
            }
            Event::Failed { operation, class, error, again } => self.failed(operation, class, *error, *again),
            Event::PeerSaid { text } => {
                if let Some(trace) = &mut self.trace {
                    trace.peer_said(text);
                }
            }
            Event::TableFinished { table, stats } => {
                if let Some(trace) = &self.trace {
                    trace.table_finished(table, stats);
                }
            }
            _ => {}
        }
    }

    fn trace(&self) -> Option<TraceContext> {
        span::to_wire(self.trace.as_ref()?.round()?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails where they do")]
mod tests;
