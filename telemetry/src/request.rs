//! Follows requests.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use opentelemetry::trace::{Span as _, SpanKind, Status, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::Span;
use sync::{Carrier, Event, Observer, Origin, RoundStats, TraceContext, TurnedAway, class_of};

use crate::logs;
use crate::metrics::{Instruments, OfService, amounts};
use crate::span::{self, STATUS, SpanId, moved};
use crate::start::Telemetry;

/// The class of what whoever asks did wrong.
const REFUSED: &str = "refused";

/// The class of our failure in an unforeseen way.
const PANIC: &str = "panic";

/// What became of a request whose turn never came.
const DROPPED: &str = "dropped";

/// What became of a request whose reply found no room.
const BUSY: &str = "busy";

/// Follows one request, from when it has come whole.
struct RequestObserver {
    telemetry: Telemetry,
    numbers: Arc<OfService>,
    carrier: &'static str,
    operation: &'static str,
    /// None until it ended.
    outcome: Option<&'static str>,
    begun: Instant,
    span: Option<Span>,
    /// Which span log lines of this thread named before they named this one.
    before: Option<Option<SpanId>>,
}

impl Telemetry {
    /// The observer of a request to a repository that metrics name `repository`.
    pub fn request(&self, repository: &str, origin: &Origin<'_>) -> Box<dyn Observer + Send> {
        let carrier = word(origin.carrier);
        let numbers = self.inner.met.service(&self.inner.instruments, repository, carrier);
        let span = self.inner.tracer.as_ref().map(|tracer| {
            let builder = tracer
                .span_builder("sync.handle")
                .with_kind(SpanKind::Server)
                .with_attributes(attributes(&numbers.labels[0], origin));
            tracer.build_with_context(builder, &origin.trace.map_or_else(Context::new, span::from_wire))
        });
        let observer = RequestObserver {
            telemetry: self.clone(),
            numbers,
            carrier,
            operation: "other",
            outcome: None,
            begun: Instant::now(),
            span,
            before: None,
        };
        observer.numbers.active.add(1);
        observer.count(&RoundStats { bytes_received: origin.bytes, ..RoundStats::default() });
        Box::new(observer)
    }

    /// Counts a request that was turned away before it came whole.
    pub fn turned_away(&self, carrier: Carrier, reason: TurnedAway) {
        let reason = match reason {
            TurnedAway::NoRepository => "no_repository",
            TurnedAway::TooLong => "too_long",
            TurnedAway::Late => "late",
            TurnedAway::NoRoom => "no_room",
            TurnedAway::Malformed => "malformed",
        };
        let labels = [KeyValue::new("carrier", word(carrier)), KeyValue::new("reason", reason)];
        self.inner.instruments.turned_away.add(1, &labels);
    }
}

const fn word(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Http => "http",
        Carrier::Nats => "nats",
        Carrier::File => "file",
    }
}

fn attributes(repository: &KeyValue, origin: &Origin<'_>) -> Vec<KeyValue> {
    let mut attributes = span::attributes();
    attributes.push(KeyValue::new("frond.repository", repository.value.clone()));
    let [request, _] = span::sizes(word(origin.carrier));
    attributes.push(span::count(request, origin.bytes));
    let target = |name| span::text(name, origin.target);
    match origin.carrier {
        Carrier::Http => {
            attributes.push(KeyValue::new("http.request.method", "POST"));
            attributes.push(target("url.path"));
            attributes.extend(origin.peer.map(|address| span::text("client.address", address)));
        }
        Carrier::Nats => {
            attributes.push(KeyValue::new("messaging.system", "nats"));
            attributes.push(KeyValue::new("messaging.operation.type", "process"));
            attributes.push(KeyValue::new("messaging.operation.name", "answer"));
            attributes.push(target("messaging.destination.name"));
            // It says what it is called, which is no address.
            attributes.extend(origin.peer.map(|name| span::text("frond.peer", name)));
        }
        Carrier::File => attributes.push(KeyValue::new("frond.carrier", "file")),
    }
    attributes
}

impl RequestObserver {
    fn instruments(&self) -> &Instruments {
        &self.telemetry.inner.instruments
    }

    fn count(&self, stats: &RoundStats) {
        self.numbers.moved(self.instruments(), &amounts(stats));
    }

    fn started(&mut self, operation: &'static str, project: Option<&str>) {
        self.operation = operation;
        let Some(span) = &mut self.span else { return };
        span.set_attribute(KeyValue::new("frond.operation", operation));
        if let Some(project) = project {
            span.set_attribute(span::text("frond.project", project));
        }
    }

    fn handled(&mut self, cards: usize, stats: &RoundStats, refusal: Option<&str>, error: Option<&Failure>) {
        let otherwise = if refusal.is_some() { REFUSED } else { "ok" };
        self.outcome = Some(error.map_or(otherwise, class_of));
        self.count(stats);
        let Some(span) = &mut self.span else { return };
        span.set_attribute(span::count("frond.cards", cards as u64));
        span.set_attributes(moved(stats));
        if let Some(error) = error {
            let (class, status) = span::failed(error);
            span.set_attribute(class);
            span.set_status(status);
        }
        // That is not our failure: what was asked was answered.
        if let Some(text) = refusal {
            span.set_attribute(KeyValue::new("error.type", REFUSED));
            span.add_event("refused", vec![span::text("frond.text", text)]);
        }
    }

    fn replied(&mut self, bytes: u64) {
        self.count(&RoundStats { bytes_sent: bytes, ..RoundStats::default() });
        if let Some(span) = &mut self.span {
            let [_, reply] = span::sizes(self.carrier);
            span.set_attribute(span::count(reply, bytes));
        }
        // A reply has no other.
        self.answered(200);
    }

    /// Tells of the status that went out, where there is such a thing.
    fn answered(&mut self, status: u16) {
        if let Some(span) = self.span.as_mut().filter(|_| self.carrier == "http") {
            span.set_attribute(KeyValue::new(STATUS, i64::from(status)));
        }
    }

    /// It ended in a way that no error tells of.
    fn fail(&mut self, outcome: &'static str) {
        self.outcome = Some(outcome);
        if let Some(span) = &mut self.span {
            span.set_attribute(KeyValue::new("error.type", outcome));
            span.set_status(Status::error(""));
        }
    }
}

/// What an event has of an error.
type Failure = dyn Error + 'static;

impl Observer for RequestObserver {
    fn observe(&mut self, event: &Event<'_>) {
        match event {
            Event::RequestStarted { operation, project, .. } => self.started(operation, *project),
            Event::RequestHandled { cards, stats, error, refusal, .. } => {
                self.handled(*cards, stats, *refusal, *error);
            }
            Event::Replied { bytes } => self.replied(*bytes),
            Event::NoRoom => self.fail(BUSY),
            Event::Declined { status } => self.answered(*status),
            Event::Refused { .. } => self.instruments().served_refused.add(1, &self.numbers.labels),
            Event::Crosslinked { artifacts } => {
                self.instruments().served_crosslinked.add(*artifacts, &self.numbers.labels);
            }
            Event::TableFinished { table, stats } => {
                if let Some(span) = &mut self.span {
                    let (name, attributes) = span::table(table, stats);
                    span.add_event(name, attributes);
                }
            }
            _ => {}
        }
    }

    fn trace(&self) -> Option<TraceContext> {
        span::to_wire(self.span.as_ref()?.span_context())
    }

    fn take_up(&mut self) {
        if let Some(span) = &self.span {
            self.before = Some(logs::enter(SpanId::of(span.span_context())));
        }
    }

    fn lay_down(&mut self) {
        if let Some(before) = self.before.take() {
            logs::enter(before);
        }
    }
}

impl Drop for RequestObserver {
    fn drop(&mut self) {
        self.lay_down();
        if self.outcome.is_none() {
            self.fail(if std::thread::panicking() { PANIC } else { DROPPED });
        }
        self.numbers.active.add(-1);
        self.numbers.duration.record(self.begun.elapsed().as_secs_f64());
        self.numbers.ended(self.instruments(), self.operation, self.outcome.unwrap_or(DROPPED));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails where they do")]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use repo::CacheUse;
    use sync::SyncError;

    use super::*;
    use crate::testing::{attribute, keeping, longest, metric};

    fn origin<'a>(target: &'a str, peer: &'a str) -> Origin<'a> {
        let file = Path::new("served.fossil");
        Origin { carrier: Carrier::Http, peer: Some(peer), file, target, bytes: 0, trace: None }
    }

    #[test]
    fn a_request_that_nobody_ends_has_a_class_too() {
        for (job, class) in
            [(drop as fn(Box<dyn Observer + Send>), "dropped"), (|_| panic!("meant"), "panic")]
        {
            let (telemetry, kept) = keeping();
            let observer = telemetry.request("served", &origin("/", "203.0.113.7"));
            assert_eq!(std::thread::spawn(move || job(observer)).join().is_err(), class == "panic");
            let span = kept.span("sync.handle");
            assert_eq!((attribute(&span, "error.type").as_str(), span.status), (class, Status::error("")));
            let outcome = format!("outcome=\"{class}\"");
            assert_eq!(metric(&telemetry, "frond_server_requests_total", &[&outcome]), "1");
            assert_eq!(metric(&telemetry, "frond_server_queue_depth", &[]), "0");
        }
    }

    fn handled<'a>(stats: &'a RoundStats) -> Event<'a> {
        let (duration, cache) = (Duration::ZERO, CacheUse::default());
        Event::RequestHandled { cards: 3, stats, duration, cache, refusal: None, error: None }
    }

    #[test]
    fn all_that_a_request_moves_is_counted() {
        let (telemetry, kept) = keeping();
        let origin = Origin { bytes: 100, ..origin("/", "203.0.113.7") };
        let mut observer = telemetry.request("served", &origin);
        let id = &xfer::hash::sha1(b"");
        observer.observe(&Event::Refused { id });
        observer.observe(&Event::Crosslinked { artifacts: 2 });
        let stats = &RoundStats {
            files_sent: 3,
            files_received: 4,
            uv_files_sent: 5,
            uv_files_received: 6,
            rows_sent: 7,
            rows_received: 8,
            ..RoundStats::default()
        };
        observer.observe(&handled(stats));
        observer.observe(&Event::Replied { bytes: 200 });
        drop(observer);
        for (name, sent, received) in [
            ("artifacts", "3", "4"),
            ("network_io_bytes", "200", "100"),
            ("unversioned", "5", "6"),
            ("table_rows", "7", "8"),
        ] {
            let name = format!("frond_server_{name}_total");
            let both = ["\"sent\"", "\"received\""].map(|way| metric(&telemetry, &name, &[way]));
            assert_eq!(both, [sent, received], "{name}");
        }
        assert_eq!(metric(&telemetry, "frond_server_artifacts_refused_total", &[]), "1");
        assert_eq!(metric(&telemetry, "frond_server_crosslinked_total", &[]), "2");
        assert_eq!(metric(&telemetry, "frond_server_requests_total", &["outcome=\"ok\""]), "1");
        let span = kept.span("sync.handle");
        let told =
            ["http.response.body.size", "http.response.status_code"].map(|name| attribute(&span, name));
        assert_eq!(told, ["200"; 2]);
    }

    #[test]
    fn each_reason_to_turn_a_request_away_has_a_name() {
        for (reason, name) in [
            (TurnedAway::NoRepository, "no_repository"),
            (TurnedAway::TooLong, "too_long"),
            (TurnedAway::Late, "late"),
            (TurnedAway::NoRoom, "no_room"),
            (TurnedAway::Malformed, "malformed"),
        ] {
            for (carrier, word) in [(Carrier::Http, "http"), (Carrier::Nats, "nats")] {
                let (telemetry, _kept) = keeping();
                telemetry.turned_away(carrier, reason);
                let text = telemetry.text();
                let line =
                    format!("\nfrond_server_turned_away_total{{carrier=\"{word}\",reason=\"{name}\"}} 1\n");
                assert!(text.contains(&line), "no {line}{text}");
            }
        }
    }

    #[test]
    fn a_request_whose_reply_finds_no_room_was_not_answered() {
        let (telemetry, kept) = keeping();
        let mut observer = telemetry.request("served", &origin("/", "203.0.113.7"));
        observer.observe(&handled(&RoundStats::default()));
        observer.observe(&Event::NoRoom);
        observer.observe(&Event::Declined { status: 503 });
        drop(observer);
        assert_eq!(metric(&telemetry, "frond_server_requests_total", &["outcome=\"busy\""]), "1");
        let span = kept.span("sync.handle");
        assert_eq!(attribute(&span, STATUS), "503");
        assert_eq!((attribute(&span, "error.type").as_str(), span.status), ("busy", Status::error("")));
    }

    #[test]
    fn what_no_http_server_answered_has_no_status() {
        let (telemetry, kept) = keeping();
        let origin = Origin { carrier: Carrier::Nats, ..origin("fossil.project.sync", "nobody") };
        let mut observer = telemetry.request("served", &origin);
        observer.observe(&Event::Declined { status: 404 });
        drop(observer);
        assert_eq!(attribute(&kept.span("sync.handle"), STATUS), "");
    }

    #[test]
    fn log_lines_of_a_thread_name_the_span_of_a_request_as_long_as_it_works_on_it() {
        let (telemetry, _kept) = keeping();
        let mut observer = telemetry.request("served", &origin("/", "203.0.113.7"));
        observer.take_up();
        let during = logs::enter(None);
        assert_eq!(
            during.map(|span| span.span().to_string()),
            observer.trace().map(|t| t.span_id().to_owned())
        );
        logs::enter(during);
        observer.lay_down();
        assert_eq!(logs::enter(None), None);
        // What is dropped later, elsewhere, changes nothing there.
        drop(observer);
        assert_eq!(logs::enter(None), None);
    }

    #[test]
    fn a_span_holds_no_more_than_a_kib_of_what_others_say() {
        let long = "ä".repeat(1 << 19);
        let error = SyncError::Refused(long.clone());
        for (refusal, error) in [(Some(&*long), None), (None, Some(&error as &Failure))] {
            let (telemetry, kept) = keeping();
            let mut observer = telemetry.request("served", &origin(&long, &long));
            let (operation, project, peer) = ("pull", Some(&*long), None);
            observer.observe(&Event::RequestStarted { operation, project, peer });
            let (stats, duration) = (&RoundStats::default(), Duration::ZERO);
            let cache = CacheUse::default();
            observer.observe(&Event::RequestHandled { cards: 0, stats, duration, cache, refusal, error });
            drop(observer);
            let longest = longest(&kept.span("sync.handle"));
            assert!((1024..1100).contains(&longest), "{longest} bytes");
        }
    }
}
