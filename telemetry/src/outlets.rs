//! One set of numbers with two outlets: it is shown to who asks, and sent.

use std::sync::Weak;
use std::time::Duration;

use opentelemetry_prometheus::PrometheusExporter;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, Pipeline, Temporality};

/// Reads the same numbers for both, so that each is written once. They are sums since the start: to read them changes
/// nothing.
#[derive(Debug)]
pub(crate) struct Outlets<S> {
    pub(crate) shown: PrometheusExporter,
    pub(crate) sent: S,
}

impl<S: MetricReader> MetricReader for Outlets<S> {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.shown.register_pipeline(Weak::clone(&pipeline));
        self.sent.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.sent.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.sent.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        // It has nothing left to do.
        let _ = self.shown.shutdown_with_timeout(timeout);
        self.sent.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, _kind: InstrumentKind) -> Temporality {
        Temporality::Cumulative
    }
}
