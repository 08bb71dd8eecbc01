//! Follows sessions.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use opentelemetry::trace::{Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::Span;
use sync::{Event, Observer, RoundStats, TraceContext, TransportError, class_of, short};

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

/// The HTTP status that a round was answered with.
const STATUS: &str = "http.response.status_code";

/// What metrics are divided by.
struct Labels {
    peer: [KeyValue; 2],
    carrier: &'static str,
}

struct SessionTrace {
    telemetry: Telemetry,
    context: Context,
    /// Where rounds go.
    server: Vec<KeyValue>,
    is_http: bool,
    round: Option<Span>,
}

impl Telemetry {
    /// The observer of a session, and the span that it is: [`crate::within`] has log lines name it.
    pub fn session(&self, peer: &Peer<'_>) -> (Box<dyn Observer + Send>, Option<SpanId>) {
        let observer = self.follow(peer);
        let trace = observer.trace.as_ref();
        let id = trace.and_then(|trace| SpanId::of(trace.context.span().span_context()));
        (Box::new(observer), id)
    }

    /// Tells of a session that could not begin, and of the class of what was wrong.
    pub fn unbegun(&self, peer: &Peer<'_>, operation: &'static str, class: &'static str, text: &str) {
        self.follow(peer).unbegun(operation, class, text);
    }

    fn follow(&self, peer: &Peer<'_>) -> SessionObserver {
        // Shared: they are copied for each number that is written.
        let (repository, name) = (Arc::<str>::from(peer.repository), Arc::<str>::from(peer.peer));
        let trace = self.inner.tracer.as_ref().map(|tracer| {
            let server = server(peer);
            let mut attributes = span::attributes();
            attributes.extend([
                KeyValue::new("frond.repository", Arc::clone(&repository)),
                KeyValue::new("frond.peer", Arc::clone(&name)),
                KeyValue::new("frond.carrier", peer.carrier),
            ]);
            attributes.extend_from_slice(&server);
            let span = tracer.span_builder("sync.session").with_attributes(attributes);
            let context = Context::new().with_span(tracer.build_with_context(span, &Context::new()));
            let is_http = peer.carrier == "http";
            SessionTrace { telemetry: self.clone(), context, server, is_http, round: None }
        });
        let labels = Labels {
            peer: [KeyValue::new("repository", repository), KeyValue::new("peer", name)],
            carrier: peer.carrier,
        };
        SessionObserver { telemetry: self.clone(), labels, trace, running: None }
    }
}

/// Where a session goes, in names of OpenTelemetry's conventions where it has them.
fn server(peer: &Peer<'_>) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(4);
    if !peer.host.is_empty() {
        attributes.push(KeyValue::new("server.address", Arc::<str>::from(peer.host)));
    }
    if peer.port > 0 {
        attributes.push(KeyValue::new("server.port", i64::from(peer.port)));
    }
    if peer.carrier == "nats" {
        attributes.push(KeyValue::new("messaging.system", "nats"));
    }
    attributes
}

impl Labels {
    fn with(&self, name: &'static str, value: impl Into<opentelemetry::Value>) -> [KeyValue; 3] {
        let [repository, peer] = self.peer.clone();
        [repository, peer, KeyValue::new(name, value)]
    }
}

impl SessionTrace {
    fn begin_round(&mut self, round: u32) {
        let Some(tracer) = &self.telemetry.inner.tracer else { return };
        // A request that is composed anew is the same round.
        if self.round.is_some() {
            return;
        }
        let mut attributes = span::attributes();
        attributes.push(KeyValue::new("frond.round", i64::from(round)));
        attributes.extend_from_slice(&self.server);
        if self.is_http {
            attributes.push(KeyValue::new("http.request.method", "POST"));
        }
        let builder = tracer.span_builder("sync.round").with_kind(SpanKind::Client);
        let builder = builder.with_attributes(attributes);
        self.round = Some(tracer.build_with_context(builder, &self.context));
    }

    fn end_round(&mut self, stats: &RoundStats) {
        if let Some(mut span) = self.round.take() {
            if self.is_http {
                // No other goes well.
                span.set_attribute(KeyValue::new(STATUS, 200));
            }
            span.set_attributes(moved(stats));
            span.end();
        }
    }

    fn session_started(&self, operation: &'static str, project: &str) {
        let span = self.context.span();
        span.set_attribute(KeyValue::new("frond.operation", operation));
        if !project.is_empty() {
            span.set_attribute(span::text("frond.project", project));
        }
    }

    /// The session is given up, and the round that it was in.
    fn stopped(&mut self, outcome: &'static str) {
        let class = KeyValue::new("error.type", outcome);
        if let Some(mut round) = self.round.take() {
            round.set_attribute(class.clone());
        }
        self.context.span().set_attribute(class);
    }

    /// The same is tried again: within the round that it failed in.
    fn tried_again(&mut self, class: &'static str, text: &str) {
        if let Some(round) = &mut self.round {
            let attributes = vec![KeyValue::new("error.type", class), span::text("frond.text", text)];
            round.add_event("tried again", attributes);
        }
    }

    fn unbegun(&self, operation: &'static str, class: &'static str, text: &str) {
        let span = self.context.span();
        span.set_attribute(KeyValue::new("frond.operation", operation));
        span.set_attribute(KeyValue::new("error.type", class));
        span.set_status(Status::error(short(text).into_owned()));
    }

    fn session_finished(&mut self, rounds: u32, stats: &RoundStats, error: Option<&(dyn Error + 'static)>) {
        if let (Some(mut round), Some(error)) = (self.round.take(), error) {
            if let Some(TransportError::Status { status, .. }) = error.downcast_ref() {
                round.set_attribute(KeyValue::new(STATUS, i64::from(*status)));
            }
            let (class, status) = span::failed(error);
            round.set_attribute(class);
            round.set_status(status);
            round.end();
        }
        let span = self.context.span();
        span.set_attribute(KeyValue::new("frond.rounds", i64::from(rounds)));
        span.set_attributes(moved(stats));
        if let Some(error) = error {
            let (class, status) = span::failed(error);
            span.set_attribute(class);
            span.set_status(status);
        }
    }

    /// What a peer says on its own account is part of the round in which it says it.
    fn peer_said(&mut self, text: &str) {
        if let Some(round) = &mut self.round {
            round.add_event("peer said", vec![span::text("frond.text", text)]);
        }
    }
}

impl Drop for SessionTrace {
    fn drop(&mut self) {
        self.round = None;
        self.context.span().end();
    }
}

/// What was moved, as attributes of a span; what was not moved is left out.
pub(crate) fn moved(stats: &RoundStats) -> impl Iterator<Item = KeyValue> {
    let all = [
        ("frond.artifacts.sent", stats.files_sent),
        ("frond.artifacts.received", stats.files_received),
        ("frond.gimmes.sent", stats.gimmes_sent),
        ("frond.gimmes.received", stats.gimmes_received),
        ("frond.igots.sent", stats.igots_sent),
        ("frond.igots.received", stats.igots_received),
        ("frond.bytes.sent", stats.bytes_sent),
        ("frond.bytes.received", stats.bytes_received),
        ("frond.unversioned.sent", stats.uv_files_sent),
        ("frond.unversioned.received", stats.uv_files_received),
        ("frond.rows.sent", stats.rows_sent),
        ("frond.rows.received", stats.rows_received),
        ("frond.configuration.sent", stats.config_sent),
        ("frond.configuration.received", stats.config_received),
    ];
    let attribute = |(name, count)| KeyValue::new::<_, i64>(name, i64::try_from(count).unwrap_or(i64::MAX));
    all.into_iter().filter(|(_, count)| *count > 0).map(attribute)
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
            Event::Exchanged { duration } => {
                let labels = self.labels.with("carrier", self.labels.carrier);
                self.instruments().round_trip.record(duration.as_secs_f64(), &labels);
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
                    let (name, attributes) = span::table(table, stats);
                    trace.context.span().add_event(name, attributes);
                }
            }
            _ => {}
        }
    }

    fn trace(&self) -> Option<TraceContext> {
        let round: &SpanContext = self.trace.as_ref()?.round.as_ref()?.span_context();
        span::to_wire(round)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails where they do")]
mod tests {
    use std::time::Duration;

    use sync::{SyncError, SyncOptions};

    use super::*;
    use crate::testing::{Kept, attribute, keeping, longest, metric};

    fn begun() -> (Telemetry, Kept, Box<dyn Observer + Send>) {
        let (telemetry, kept) = keeping();
        let peer = Peer { repository: "r", peer: "http://h/", carrier: "http", host: "h", port: 80 };
        let (mut observer, _) = telemetry.session(&peer);
        let options = &SyncOptions::default();
        observer.observe(&Event::SessionStarted { operation: "pull", options, project: "" });
        observer.observe(&Event::RoundStarted { round: 1 });
        (telemetry, kept, observer)
    }

    fn ended<'a>(stats: &'a RoundStats, error: Option<&'a (dyn std::error::Error + 'static)>) -> Event<'a> {
        let (operation, project, rounds, duration) = ("pull", "", 1, Duration::ZERO);
        Event::SessionFinished { operation, project, rounds, stats, duration, error }
    }

    #[test]
    fn what_a_round_moved_that_failed_is_counted_too() {
        let (telemetry, _kept, mut observer) = begun();
        let round = RoundStats { files_received: 2, bytes_sent: 10, ..RoundStats::default() };
        observer.observe(&Event::RoundFinished { round: 1, stats: &round, duration: Duration::ZERO });
        let all = RoundStats { files_received: 5, bytes_sent: 17, rows_sent: 1, ..RoundStats::default() };
        observer.observe(&ended(&all, Some(&SyncError::Unfinished)));
        // A clone goes on with another session, which has sums of its own.
        let options = &SyncOptions::default();
        observer.observe(&Event::SessionStarted { operation: "pull", options, project: "" });
        observer.observe(&Event::RoundFinished { round: 1, stats: &round, duration: Duration::ZERO });
        observer.observe(&ended(&round, None));
        drop(observer);
        for (name, direction, sum) in [
            ("frond_artifacts_total", "received", "7"),
            ("frond_network_io_bytes_total", "sent", "27"),
            ("frond_table_rows_total", "sent", "1"),
        ] {
            assert_eq!(metric(&telemetry, name, &[direction]), sum, "{name}");
        }
        let outcome = |class| metric(&telemetry, "frond_sessions_total", &[class]);
        assert_eq!([outcome("\"cut-short\""), outcome("\"ok\"")], ["1", "1"]);
        assert!(!telemetry.text().contains("outcome=\"stopped\""));
    }

    #[test]
    fn a_session_that_nobody_ends_is_counted_as_stopped() {
        let (telemetry, kept, observer) = begun();
        drop(observer);
        let labels = ["operation=\"pull\"", "outcome=\"stopped\""];
        assert_eq!(metric(&telemetry, "frond_sessions_total", &labels), "1");
        for name in ["sync.round", "sync.session"] {
            let span = kept.span(name);
            assert_eq!((attribute(&span, "error.type").as_str(), span.status), ("stopped", Status::Unset));
        }
    }

    #[test]
    fn a_session_that_could_not_begin_is_counted_and_in_the_trace() {
        let (telemetry, kept) = keeping();
        let peer = Peer { repository: "r", peer: "/p", carrier: "file", host: "", port: 0 };
        telemetry.unbegun(&peer, "sync", "repository", &"x".repeat(1 << 20));
        let labels = ["operation=\"sync\"", "outcome=\"repository\""];
        assert_eq!(metric(&telemetry, "frond_sessions_total", &labels), "1");
        let span = kept.span("sync.session");
        assert_eq!(attribute(&span, "error.type"), "repository");
        assert!(matches!(span.status, Status::Error { .. }) && longest(&span) < 1100);
    }

    #[test]
    fn what_is_tried_again_is_an_event_of_its_round_and_counted_by_its_class() {
        let (telemetry, kept, mut observer) = begun();
        let error = SyncError::Unfinished;
        for again in [true, true, false] {
            observer.observe(&Event::Failed { operation: "pull", class: "cut-short", error: &error, again });
            if again {
                observer.observe(&Event::RoundStarted { round: 1 });
            }
        }
        observer.observe(&ended(&RoundStats::default(), Some(&error)));
        drop(observer);
        assert_eq!(metric(&telemetry, "frond_retries_total", &["class=\"cut-short\""]), "2");
        assert_eq!(metric(&telemetry, "frond_sessions_total", &["outcome=\"cut-short\""]), "1");
        let events: Vec<String> = kept.span("sync.round").events.iter().map(|e| e.name.to_string()).collect();
        assert_eq!(events, ["tried again"; 2]);
    }

    #[test]
    fn what_fails_before_a_session_or_after_it_is_counted() {
        let (telemetry, kept, mut observer) = begun();
        observer.observe(&ended(&RoundStats::default(), None));
        let error = &SyncError::NotFresh;
        observer.observe(&Event::Failed { operation: "clone", class: "usage", error, again: false });
        drop(observer);
        let labels = ["operation=\"clone\"", "outcome=\"usage\""];
        assert_eq!(metric(&telemetry, "frond_sessions_total", &labels), "1");
        assert_eq!(metric(&telemetry, "frond_sessions_total", &["outcome=\"ok\""]), "1");
        let span = kept.span("sync.session");
        assert_eq!(attribute(&span, "error.type"), "usage");
        assert!(matches!(span.status, Status::Error { .. }));
    }

    #[test]
    fn spans_hold_no_more_than_a_kib_of_what_a_peer_says() {
        let long = "x".repeat(1 << 20);
        let (_telemetry, kept, mut observer) = begun();
        observer.observe(&Event::PeerSaid { text: &long });
        observer.observe(&ended(&RoundStats::default(), Some(&SyncError::Refused(long.clone()))));
        drop(observer);
        for name in ["sync.round", "sync.session"] {
            let longest = longest(&kept.span(name));
            assert!((1024..1100).contains(&longest), "{name}: {longest} bytes");
        }
    }
}
