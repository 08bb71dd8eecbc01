//! Follows sessions.

mod trace;

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use sync::{Event, Observer, RoundStats, TraceContext, class_of};

use self::trace::SessionTrace;
use crate::metrics::{Amounts, Instruments, OfPeer, amounts, with};
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
    numbers: Arc<OfPeer>,
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
        let numbers = self.inner.met.peer(peer.repository, peer.peer, peer.carrier);
        let tracer = self.inner.tracer.as_ref();
        let trace = tracer.map(|tracer| SessionTrace::begin(tracer, peer, &numbers.labels));
        SessionObserver { telemetry: self.clone(), numbers, trace, running: None }
    }
}

impl SessionObserver {
    fn instruments(&self) -> &Instruments {
        &self.telemetry.inner.instruments
    }

    /// A session could not begin, or what was to follow it failed.
    fn unbegun(&mut self, operation: &'static str, class: &'static str, text: &str) {
        self.numbers.ended(self.instruments(), operation, class);
        if let Some(trace) = &mut self.trace {
            trace.unbegun(operation, class, text);
        }
    }

    fn failed(&mut self, operation: &'static str, class: &'static str, error: &dyn Error, again: bool) {
        if again {
            self.instruments().retries.add(1, &with(&self.numbers.labels, "class", class));
            if let Some(trace) = &mut self.trace {
                trace.tried_again(class, &error.to_string());
            }
        } else if self.running.is_none() {
            self.unbegun(operation, class, &error.to_string());
        }
    }

    fn count(&mut self, moved: &Amounts) {
        self.numbers.moved(self.instruments(), moved);
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
        self.numbers.took(self.instruments(), operation, seconds, rounds);
        self.numbers.ended(self.instruments(), operation, outcome);
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
                if let Some(trace) = &mut self.trace {
                    trace.session_started(operation, project);
                }
            }
            Event::RoundStarted { round } => {
                if let Some(trace) = &mut self.trace {
                    trace.begin_round(*round);
                }
            }
            Event::Carried { destination, status } => {
                if let Some(trace) = &mut self.trace {
                    trace.carried(*destination, *status);
                }
            }
            Event::Exchanged { duration } => {
                self.numbers.exchanged(self.instruments(), duration.as_secs_f64());
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
            Event::Refused { .. } => self.instruments().refused.add(1, &self.numbers.labels),
            Event::Crosslinked { artifacts } => {
                self.instruments().crosslinked.add(*artifacts, &self.numbers.labels);
            }
            Event::Failed { operation, class, error, again } => self.failed(operation, class, *error, *again),
            Event::PeerSaid { text } => {
                if let Some(trace) = &mut self.trace {
                    trace.peer_said(text);
                }
            }
            Event::TableFinished { table, stats } => {
                if let Some(trace) = &mut self.trace {
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
