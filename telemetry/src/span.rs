//! Names of spans, and how they travel.

use std::error::Error;
use std::fmt;

use opentelemetry::trace::{
    SpanContext, SpanId as Span, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, KeyValue};
use sync::{RoundStats, TableStats, TraceContext, class_of, short};

/// A span of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanId {
    trace: TraceId,
    span: Span,
}

impl SpanId {
    pub(crate) fn of(span: &SpanContext) -> Option<Self> {
        span.is_valid().then(|| Self { trace: span.trace_id(), span: span.span_id() })
    }

    /// 32 hex digits.
    pub fn trace(&self) -> impl fmt::Display {
        self.trace
    }

    /// 16 hex digits.
    pub fn span(&self) -> impl fmt::Display {
        self.span
    }
}

/// Room for the attributes that a span has as a rule, so that it is taken once.
pub(crate) fn attributes() -> Vec<KeyValue> {
    Vec::with_capacity(16)
}

/// A text that may be somebody else's, as long as an attribute may be.
pub(crate) fn text(name: &'static str, text: &str) -> KeyValue {
    KeyValue::new(name, short(text).into_owned())
}

/// A number of things.
pub(crate) fn count(name: &'static str, count: u64) -> KeyValue {
    KeyValue::new::<_, i64>(name, i64::try_from(count).unwrap_or(i64::MAX))
}

/// The HTTP status that a request was answered with.
pub(crate) const STATUS: &str = "http.response.status_code";

/// What the bytes of a request and of its reply are called, by how they travel: as OpenTelemetry's conventions do, where they
/// have a name.
pub(crate) fn sizes(carrier: &str) -> [&'static str; 2] {
    match carrier {
        "http" => ["http.request.body.size", "http.response.body.size"],
        "nats" => ["messaging.message.body.size", "frond.reply.size"],
        _ => ["frond.request.size", "frond.reply.size"],
    }
}

/// What a span says that failed: the class of the error, and its text.
pub(crate) fn failed(error: &(dyn Error + 'static)) -> (KeyValue, Status) {
    let said = short(&error.to_string()).into_owned();
    (KeyValue::new("error.type", class_of(error)), Status::error(said))
}

/// What was moved, as attributes of a span; what was not moved is left out. How many bytes travelled
/// has a name that depends on how they did.
pub(crate) fn moved(stats: &RoundStats) -> impl Iterator<Item = KeyValue> {
    let all = [
        ("frond.artifacts.sent", stats.files_sent),
        ("frond.artifacts.received", stats.files_received),
        ("frond.gimmes.sent", stats.gimmes_sent),
        ("frond.gimmes.received", stats.gimmes_received),
        ("frond.igots.sent", stats.igots_sent),
        ("frond.igots.received", stats.igots_received),
        ("frond.unversioned.sent", stats.uv_files_sent),
        ("frond.unversioned.received", stats.uv_files_received),
        ("frond.rows.sent", stats.rows_sent),
        ("frond.rows.received", stats.rows_received),
        ("frond.configuration.sent", stats.config_sent),
        ("frond.configuration.received", stats.config_received),
    ];
    all.into_iter().filter(|(_, moved)| *moved > 0).map(|(name, moved)| count(name, moved))
}

/// A synced table in a session or a request, as an event of its span.
pub(crate) fn table(name: impl fmt::Display, stats: &TableStats) -> (&'static str, Vec<KeyValue>) {
    let table = text("frond.table", &name.to_string());
    let moved = [count("frond.rows.sent", stats.sent), count("frond.rows.received", stats.received)];
    ("table compared", std::iter::once(table).chain(moved).collect())
}

/// What is sent along so that a trace goes on from `span`.
pub(crate) fn to_wire(span: &SpanContext) -> Option<TraceContext> {
    let (trace, id) = (span.trace_id().to_bytes(), span.span_id().to_bytes());
    TraceContext::of(trace, id, span.trace_flags().to_u8(), Some(&span.trace_state().header()))
}

/// The span elsewhere that a trace goes on from.
pub(crate) fn from_wire(trace: &TraceContext) -> Context {
    let mut parts = trace.parent().split('-').skip(1);
    let (Some(id), Some(span), Some(flags)) = (parts.next(), parts.next(), parts.next()) else {
        return Context::new();
    };
    let (Ok(id), Ok(span), Ok(flags)) =
        (TraceId::from_hex(id), Span::from_hex(span), u8::from_str_radix(flags, 16))
    else {
        return Context::new();
    };
    let state = trace.state().and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default();
    let flags = TraceFlags::new(flags) & TraceFlags::SAMPLED;
    Context::new().with_remote_span_context(SpanContext::new(id, span, flags, true, state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_along_is_understood() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        for (state, flags) in [(None, "01"), (Some("a=1,b=2"), "00")] {
            let parent = format!("{}{flags}", &parent[..parent.len() - 2]);
            let sent = TraceContext::new(&parent, state).unwrap();
            assert_eq!(to_wire(from_wire(&sent).span().span_context()), Some(sent));
        }
    }
}
