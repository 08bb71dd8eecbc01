//! What is measured, kept where a test can look at it.

use std::sync::{Arc, Mutex};

use opentelemetry::trace::Status;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};

use crate::start::Telemetry;

/// Keeps the spans that ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl Kept {
    /// The only span of a name.
    #[track_caller]
    pub(crate) fn span(&self, name: &str) -> SpanData {
        let Ok([span]) = <[SpanData; 1]>::try_from(self.spans(name)) else {
            panic!("not one {name}: {:?}", self.0.lock().unwrap())
        };
        span
    }

    /// The spans of a name, in the order in which they ended.
    pub(crate) fn spans(&self, name: &str) -> Vec<SpanData> {
        self.0.lock().unwrap().iter().filter(|span| span.name == name).cloned().collect()
    }
}

/// Measures, and keeps the spans.
pub(crate) fn keeping() -> (Telemetry, Kept) {
    let kept = Kept::default();
    let traces = SdkTracerProvider::builder().with_simple_exporter(kept.clone()).build();
    (Telemetry::of(SdkMeterProvider::builder(), None, Some(traces)).unwrap(), kept)
}

/// An attribute of a span, as text; empty if there is none.
pub(crate) fn attribute(span: &SpanData, name: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
    found.map(|attribute| attribute.value.to_string()).unwrap_or_default()
}

/// The longest text anywhere in a span.
pub(crate) fn longest(span: &SpanData) -> usize {
    let events = span.events.iter().flat_map(|event| &event.attributes);
    let texts = span.attributes.iter().chain(events).map(|attribute| attribute.value.as_str().len());
    let status = match &span.status {
        Status::Error { description } => description.len(),
        Status::Ok | Status::Unset => 0,
    };
    texts.chain([status]).max().unwrap_or_default()
}

/// What a line of the metrics says: the one that begins with `name` and has all these labels.
#[track_caller]
pub(crate) fn metric(telemetry: &Telemetry, name: &str, labels: &[&str]) -> String {
    let text = telemetry.text();
    let is_meant = |line: &&str| line.starts_with(name) && labels.iter().all(|label| line.contains(label));
    let mut lines = text.lines().filter(is_meant);
    let (Some(line), None) = (lines.next(), lines.next()) else {
        panic!("not one {name} {labels:?}\n{text}")
    };
    line.rsplit(' ').next().unwrap().to_owned()
}
