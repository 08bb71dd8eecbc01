//! Starts and ends what measures.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{MetricExporter, RetryPolicy, SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{MeterProviderBuilder, PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use prometheus::{Registry, TextEncoder};

use crate::collector::Collector;
use crate::metrics::{Instruments, Met, Reading, Readings};
use crate::outlets::Outlets;
use crate::plan::Plan;

/// The name of what measures, in what is exported.
const SCOPE: &str = "frond";

/// Why nothing can be measured, or nothing sent.
type Error = Box<dyn std::error::Error + Send + Sync>;

/// What becomes of what a collector that is away for a moment does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tries {
    /// It is lost: a program that is about to end has no time to try again.
    Once,
    /// It is sent again a few times, later each time, while sessions go on.
    Again,
}

impl Tries {
    fn policy(self) -> RetryPolicy {
        match self {
            Self::Once => RetryPolicy::disabled(),
            Self::Again => RetryPolicy::default(),
        }
    }
}

/// Makes observers, and holds what they write into. A clone is the same.
#[derive(Clone)]
pub struct Telemetry {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) instruments: Instruments,
    pub(crate) met: Met,
    pub(crate) tracer: Option<SdkTracer>,
    readings: Readings,
    registry: Registry,
    traces: Option<SdkTracerProvider>,
    metrics: SdkMeterProvider,
    sends_metrics: bool,
}

/// Sends what is left of one kind of data. It may never end.
type Last = Box<dyn FnOnce() -> bool + Send>;

impl Telemetry {
    /// Measures, and sends what `plan` says. A thread is started for each kind of data that is sent, and no other.
    ///
    /// # Errors
    /// If an address, a header or a certificate that the variables name is of no use.
    pub fn start(plan: &Plan, tries: Tries) -> Result<Self, Error> {
        let resource = resource();
        let metrics = match &plan.metrics {
            Some(export) => {
                let collector = Collector::new(export, "metrics", tries)?;
                let exporter = MetricExporter::builder().with_http().with_http_client(collector);
                Some(exporter.with_retry_policy(tries.policy()).build()?)
            }
            None => None,
        };
        let traces = match &plan.traces {
            Some(export) => {
                let collector = Collector::new(export, "traces", tries)?;
                let exporter = SpanExporter::builder().with_http().with_http_client(collector);
                let exporter = exporter.with_retry_policy(tries.policy()).build()?;
                let provider = SdkTracerProvider::builder().with_resource(resource.clone());
                Some(provider.with_batch_exporter(exporter).build())
            }
            None => None,
        };
        Self::of(SdkMeterProvider::builder().with_resource(resource), metrics, traces)
    }

    /// Measures into these, and for [`Self::text`].
    pub(crate) fn of(
        metrics: MeterProviderBuilder,
        sent: Option<MetricExporter>,
        traces: Option<SdkTracerProvider>,
    ) -> Result<Self, Error> {
        let sends_metrics = sent.is_some();
        let registry = Registry::new();
        let shown = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .without_target_info()
            .build()?;
        let metrics = match sent {
            None => metrics.with_reader(shown),
            // What is sent is what came since it was sent last: that takes numbers of its own.
            Some(sent) if PushMetricExporter::temporality(&sent) != Temporality::Cumulative => {
                metrics.with_reader(shown).with_periodic_exporter(sent)
            }
            Some(sent) => metrics.with_reader(Outlets { shown, sent: PeriodicReader::builder(sent).build() }),
        };
        let (metrics, readings) = (metrics.build(), Readings::default());
        let instruments = Instruments::new(&metrics.meter(SCOPE), &readings);
        let tracer = traces.as_ref().map(|provider| provider.tracer(SCOPE));
        let met = Met::default();
        let inner = Inner { instruments, met, tracer, readings, registry, traces, metrics, sends_metrics };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Has the gauges say what `readings` does, whenever somebody looks.
    pub fn watch(&self, readings: impl Fn() -> Vec<Reading> + Send + Sync + 'static) {
        self.inner.readings.come_from(Box::new(readings));
    }

    /// The metrics as Prometheus reads them, in its text format 0.0.4.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.inner.registry.gather(), &mut text) {
            tracing::error!(%error, "the metrics cannot be written");
        }
        text
    }

    /// Sends what is not sent yet, for no longer than `patience`. Gives whether all went.
    pub fn end(self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        // Side by side: a collector may take the one and not the other.
        let running: Vec<Receiver<bool>> = self.inner.last(patience).into_iter().map(beside).collect();
        let wait = |done: Receiver<bool>| {
            done.recv_timeout(until.saturating_duration_since(Instant::now())).unwrap_or(false)
        };
        // What the one did not take is no reason to leave the other.
        let went: Vec<bool> = running.into_iter().map(wait).collect();
        !went.contains(&false)
    }
}

impl Inner {
    /// What is to be done at the end, for each kind of data that is sent.
    fn last(&self, patience: Duration) -> Vec<Last> {
        let traces = self
            .traces
            .clone()
            .map(|traces| -> Last { Box::new(move || traces.shutdown_with_timeout(patience).is_ok()) });
        let metrics = self
            .sends_metrics
            .then(|| self.metrics.clone())
            .map(|metrics| -> Last { Box::new(move || metrics.shutdown_with_timeout(patience).is_ok()) });
        traces.into_iter().chain(metrics).collect()
    }
}

/// Has a thread do something that may never end: it ends with the program.
fn beside(job: Last) -> Receiver<bool> {
    let (tell, told) = mpsc::channel();
    let work = move || {
        // Nobody waits any more once the time is over.
        let _ = tell.send(job());
    };
    // Without a thread nobody tells, which is an answer too.
    let _ = std::thread::Builder::new().name("telemetry-end".to_owned()).spawn(work);
    told
}

/// What is said of this program: the standard variables, else our own name. A name of its own goes before one among
/// the attributes.
fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version).build();
    let own = std::env::var("OTEL_SERVICE_NAME").ok().filter(|name| !name.is_empty());
    let name = opentelemetry::Key::from_static_str("service.name");
    let is_unknown = resource.get(&name).is_none_or(|value| value.as_str().starts_with("unknown_service"));
    let Some(own) = own.or_else(|| is_unknown.then(|| "frond".to_owned())) else { return resource };
    let attributes = resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Resource::builder_empty().with_attributes(attributes).with_service_name(own).build()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails where they do")]
mod tests {
    use super::*;
    use crate::plan::Export;

    #[test]
    fn at_the_end_there_is_a_thread_for_each_kind_of_data_that_is_sent_and_no_other() {
        let export = || Some(Export { is_secure: false, certificate: None, timeout: Duration::from_secs(1) });
        for (traces, metrics, threads) in
            [(None, None, 0), (export(), None, 1), (None, export(), 1), (export(), export(), 2)]
        {
            let plan = Plan { traces, metrics };
            let telemetry = Telemetry::start(&plan, Tries::Once).unwrap();
            assert_eq!(telemetry.inner.last(Duration::ZERO).len(), threads, "{plan:?}");
        }
        let telemetry = Telemetry::start(&Plan::default(), Tries::Once).unwrap();
        assert!(telemetry.end(Duration::ZERO), "nothing is left to be sent");
    }
}
