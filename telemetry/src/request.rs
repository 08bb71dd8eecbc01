//! Follows requests.

use std::sync::Arc;
use std::time::Instant;

use opentelemetry::trace::{Span as _, SpanKind, Status, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::Span;
use sync::{Carrier, Event, Observer, Origin, TraceContext, class_of};

use crate::logs;
use crate::metrics::Instruments;
use crate::session::moved;
use crate::span::{self, SpanId};
use crate::start::Telemetry;

/// The class of what whoever asks did wrong.
const REFUSED: &str = "refused";

/// The class of our failure in an unforeseen way.
const PANIC: &str = "panic";

/// What became of a request whose turn never came.
const DROPPED: &str = "dropped";

/// Follows one request, from when it has come whole.
struct RequestObserver {
    instruments: Instruments,
    /// Repository and carrier.
    labels: [KeyValue; 2],
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
        let carrier = match origin.carrier {
            Carrier::Http => "http",
            Carrier::Nats => "nats",
            Carrier::File => "file",
        };
        let span = self.inner.tracer.as_ref().map(|tracer| {
            let builder = tracer
                .span_builder("sync.handle")
                .with_kind(SpanKind::Server)
                .with_attributes(attributes(repository, origin));
            tracer.build_with_context(builder, &origin.trace.map_or_else(Context::new, span::from_wire))
        });
        let labels =
            [KeyValue::new("repository", Arc::<str>::from(repository)), KeyValue::new("carrier", carrier)];
        self.inner.instruments.active.add(1, &labels);
        Box::new(RequestObserver {
            instruments: self.inner.instruments.clone(),
            labels,
            operation: "other",
            outcome: None,
            begun: Instant::now(),
            span,
            before: None,
        })
    }
}

fn attributes(repository: &str, origin: &Origin<'_>) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("frond.repository", repository.to_owned()),
        KeyValue::new("frond.request.size", i64::try_from(origin.bytes).unwrap_or(i64::MAX)),
    ];
    let target = |name| span::text(name, origin.target);
    match origin.carrier {
        Carrier::Http => {
            attributes.push(KeyValue::new("http.request.method", "POST"));
            attributes.push(target("url.path"));
        }
        Carrier::Nats => {
            attributes.push(KeyValue::new("messaging.system", "nats"));
            attributes.push(KeyValue::new("messaging.operation.type", "process"));
            attributes.push(target("messaging.destination.name"));
        }
        Carrier::File => attributes.push(KeyValue::new("frond.carrier", "file")),
    }
    if let Some(peer) = origin.peer {
        attributes.push(span::text("client.address", peer));
    }
    attributes
}

impl Observer for RequestObserver {
    fn observe(&mut self, event: &Event<'_>) {
        match event {
            Event::RequestStarted { operation, project, .. } => {
                self.operation = operation;
                let Some(span) = &mut self.span else { return };
                span.set_attribute(KeyValue::new("frond.operation", *operation));
                if let Some(project) = project {
                    span.set_attribute(span::text("frond.project", project));
                }
            }
            Event::RequestHandled { cards, stats, error, refusal, .. } => {
                let otherwise = if refusal.is_some() { REFUSED } else { "ok" };
                self.outcome = Some(error.map_or(otherwise, class_of));
                for (direction, count) in [("sent", stats.files_sent), ("received", stats.files_received)] {
                    if count > 0 {
                        let [repository, carrier] = self.labels.clone();
                        let direction = KeyValue::new("direction", direction);
                        self.instruments.served.add(count, &[repository, carrier, direction]);
                    }
                }
                let Some(span) = &mut self.span else { return };
                span.set_attribute(KeyValue::new("frond.cards", i64::try_from(*cards).unwrap_or(i64::MAX)));
                span.set_attributes(moved(stats));
                match error {
                    Some(error) => {
                        let (class, status) = span::failed(*error);
                        span.set_attribute(class);
                        span.set_status(status);
                    }
                    None => span.set_status(Status::Ok),
                }
                // That is not our failure: what was asked was answered.
                if let Some(text) = refusal {
                    span.set_attribute(KeyValue::new("error.type", REFUSED));
                    span.add_event("refused", vec![span::text("frond.text", text)]);
                }
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
}

impl RequestObserver {
    /// Says why nothing was told of its end.
    fn break_off(&mut self) -> &'static str {
        let outcome = if std::thread::panicking() { PANIC } else { DROPPED };
        if let Some(span) = &mut self.span {
            span.set_attribute(KeyValue::new("error.type", outcome));
            span.set_status(Status::error(""));
        }
        outcome
    }
}

impl Drop for RequestObserver {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            logs::enter(before);
        }
        let outcome = self.outcome.unwrap_or_else(|| self.break_off());
        self.instruments.active.add(-1, &self.labels);
        let seconds = self.begun.elapsed().as_secs_f64();
        self.instruments.request_duration.record(seconds, &self.labels);
        let [repository, carrier] = self.labels.clone();
        let operation = KeyValue::new("operation", self.operation);
        let outcome = KeyValue::new("outcome", outcome);
        self.instruments.requests.add(1, &[repository, carrier, operation, outcome]);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails where they do")]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use sync::{RoundStats, SyncError};

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

    #[test]
    fn a_span_holds_no_more_than_a_kib_of_what_others_say() {
        let long = "ä".repeat(1 << 19);
        let error = SyncError::Refused(long.clone());
        for (refusal, error) in
            [(Some(&*long), None), (None, Some(&error as &(dyn std::error::Error + 'static)))]
        {
            let (telemetry, kept) = keeping();
            let mut observer = telemetry.request("served", &origin(&long, &long));
            let (operation, project, peer) = ("pull", Some(&*long), None);
            observer.observe(&Event::RequestStarted { operation, project, peer });
            let (stats, duration) = (&RoundStats::default(), Duration::ZERO);
            observer.observe(&Event::RequestHandled { cards: 0, stats, duration, refusal, error });
            drop(observer);
            let longest = longest(&kept.span("sync.handle"));
            assert!((1024..1100).contains(&longest), "{longest} bytes");
        }
    }
}
