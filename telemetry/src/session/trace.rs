//! The spans of a session.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use opentelemetry::trace::{Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use sync::{RoundStats, TableStats, short};

use super::Peer;
use crate::span::{self, STATUS, SpanId, moved};

/// The span of a session, and that of the round under way.
pub(super) struct SessionTrace {
    tracer: SdkTracer,
    session: Span,
    /// That rounds are in it.
    context: Context,
    /// Where rounds go.
    server: Vec<KeyValue>,
    carrier: &'static str,
    round: Option<Span>,
    /// What is known of the way of its last request.
    carried: [Option<KeyValue>; 2],
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

impl SessionTrace {
    /// Begins the span of a session; `labels` are its repository and its peer.
    pub(super) fn begin(tracer: &SdkTracer, peer: &Peer<'_>, labels: &[KeyValue; 2]) -> Self {
        let server = server(peer);
        let mut attributes = span::attributes();
        let [repository, name] = labels;
        attributes.extend([
            KeyValue::new("frond.repository", repository.value.clone()),
            KeyValue::new("frond.peer", name.value.clone()),
            KeyValue::new("frond.carrier", peer.carrier),
        ]);
        attributes.extend_from_slice(&server);
        let span = tracer.span_builder("sync.session").with_attributes(attributes);
        let session = tracer.build_with_context(span, &Context::new());
        let context = Context::new().with_remote_span_context(session.span_context().clone());
        Self {
            tracer: tracer.clone(),
            session,
            context,
            server,
            carrier: peer.carrier,
            round: None,
            carried: [None, None],
        }
    }

    pub(super) fn id(&self) -> Option<SpanId> {
        SpanId::of(self.session.span_context())
    }

    /// The span of the round under way.
    pub(super) fn round(&self) -> Option<&SpanContext> {
        Some(self.round.as_ref()?.span_context())
    }

    pub(super) fn begin_round(&mut self, round: u32) {
        // A request that is composed anew is the same round.
        if self.round.is_some() {
            return;
        }
        let mut attributes = span::attributes();
        attributes.push(KeyValue::new("frond.round", i64::from(round)));
        attributes.extend_from_slice(&self.server);
        match self.carrier {
            "http" => attributes.push(KeyValue::new("http.request.method", "POST")),
            "nats" => attributes.extend([
                KeyValue::new("messaging.operation.type", "send"),
                KeyValue::new("messaging.operation.name", "request"),
            ]),
            _ => {}
        }
        let builder = self.tracer.span_builder("sync.round").with_kind(SpanKind::Client);
        let builder = builder.with_attributes(attributes);
        self.round = Some(self.tracer.build_with_context(builder, &self.context));
    }

    /// A request went where a broker carried it to, or was answered with a status.
    pub(super) fn carried(&mut self, destination: Option<&str>, status: Option<u16>) {
        self.carried = [
            destination.map(|destination| span::text("messaging.destination.name", destination)),
            status.map(|status| KeyValue::new(STATUS, i64::from(status))),
        ];
    }

    /// Ends being in the round under way, which says where its last request went.
    fn take_round(&mut self) -> Option<Span> {
        let carried = std::mem::take(&mut self.carried);
        let mut span = self.round.take()?;
        span.set_attributes(carried.into_iter().flatten());
        Some(span)
    }

    pub(super) fn end_round(&mut self, stats: &RoundStats) {
        if let Some(mut span) = self.take_round() {
            let [request, reply] = span::sizes(self.carrier);
            span.set_attribute(span::count(request, stats.bytes_sent));
            span.set_attribute(span::count(reply, stats.bytes_received));
            span.set_attributes(moved(stats));
            span.end();
        }
    }

    pub(super) fn session_started(&mut self, operation: &'static str, project: &str) {
        let span = &mut self.session;
        span.set_attribute(KeyValue::new("frond.operation", operation));
        if !project.is_empty() {
            span.set_attribute(span::text("frond.project", project));
        }
    }

    /// The session is given up, and the round that it was in.
    pub(super) fn stopped(&mut self, outcome: &'static str) {
        let class = KeyValue::new("error.type", outcome);
        if let Some(mut round) = self.take_round() {
            round.set_attribute(class.clone());
        }
        self.session.set_attribute(class);
    }

    /// The same is tried again: within the round that it failed in.
    pub(super) fn tried_again(&mut self, class: &'static str, text: &str) {
        if let Some(round) = &mut self.round {
            let mut attributes = vec![KeyValue::new("error.type", class), span::text("frond.text", text)];
            attributes.extend(std::mem::take(&mut self.carried).into_iter().flatten());
            round.add_event("tried again", attributes);
        }
    }

    pub(super) fn unbegun(&mut self, operation: &'static str, class: &'static str, text: &str) {
        let span = &mut self.session;
        span.set_attribute(KeyValue::new("frond.operation", operation));
        span.set_attribute(KeyValue::new("error.type", class));
        span.set_status(Status::error(short(text).into_owned()));
    }

    pub(super) fn session_finished(
        &mut self,
        rounds: u32,
        stats: &RoundStats,
        error: Option<&(dyn Error + 'static)>,
    ) {
        if let (Some(mut round), Some(error)) = (self.take_round(), error) {
            let (class, status) = span::failed(error);
            round.set_attribute(class);
            round.set_status(status);
            round.end();
        }
        let span = &mut self.session;
        span.set_attribute(KeyValue::new("frond.rounds", i64::from(rounds)));
        let bytes = [("frond.bytes.sent", stats.bytes_sent), ("frond.bytes.received", stats.bytes_received)];
        span.set_attributes(bytes.into_iter().map(|(name, bytes)| span::count(name, bytes)));
        span.set_attributes(moved(stats));
        if let Some(error) = error {
            let (class, status) = span::failed(error);
            span.set_attribute(class);
            span.set_status(status);
        }
    }

    pub(super) fn table_finished(&mut self, table: impl fmt::Display, stats: &TableStats) {
        let (name, attributes) = span::table(table, stats);
        self.session.add_event(name, attributes);
    }

    /// What a peer says on its own account is part of the round in which it says it.
    pub(super) fn peer_said(&mut self, text: &str) {
        if let Some(round) = &mut self.round {
            round.add_event("peer said", vec![span::text("frond.text", text)]);
        }
    }
}

impl Drop for SessionTrace {
    fn drop(&mut self) {
        // What is in it ends before it.
        self.round = None;
        self.session.end();
    }
}
