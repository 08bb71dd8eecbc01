//! What the metrics are written with.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};

use super::list;
use super::{Gauge, Kind, Metric, Reading};

/// Tells what the gauges say now.
type Source = Box<dyn Fn() -> Vec<Reading> + Send + Sync>;

/// Where gauges are read.
#[derive(Clone, Default)]
pub(crate) struct Readings(Arc<Mutex<Read>>);

#[derive(Default)]
struct Read {
    /// None until somebody says.
    source: Option<Source>,
    /// What it told in this collection.
    last: Vec<Reading>,
}

impl Readings {
    pub(crate) fn come_from(&self, source: Source) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).source = Some(source);
    }

    /// What a gauge says. They are asked in the order of [`Gauge::ALL`]: a collection begins with the first, and reads once.
    fn of(&self, gauge: Gauge) -> Vec<Reading> {
        let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if gauge == Gauge::ALL[0] {
            read.last = read.source.as_ref().map(|source| source()).unwrap_or_default();
        }
        read.last.iter().filter(|reading| reading.gauge == gauge).cloned().collect()
    }
}

/// The counters and histograms.
#[derive(Debug)]
pub(crate) struct Instruments {
    pub(crate) sessions: Counter<u64>,
    pub(crate) session_duration: Histogram<f64>,
    pub(crate) session_rounds: Histogram<f64>,
    pub(crate) round_trip: Histogram<f64>,
    pub(crate) artifacts: Counter<u64>,
    pub(crate) network_bytes: Counter<u64>,
    pub(crate) unversioned: Counter<u64>,
    pub(crate) rows: Counter<u64>,
    pub(crate) refused: Counter<u64>,
    pub(crate) crosslinked: Counter<u64>,
    pub(crate) retries: Counter<u64>,
    pub(crate) requests: Counter<u64>,
    pub(crate) request_duration: Histogram<f64>,
    pub(crate) served: Counter<u64>,
    pub(crate) served_bytes: Counter<u64>,
    pub(crate) served_unversioned: Counter<u64>,
    pub(crate) served_rows: Counter<u64>,
    pub(crate) served_refused: Counter<u64>,
    pub(crate) served_crosslinked: Counter<u64>,
    pub(crate) active: UpDownCounter<i64>,
    pub(crate) turned_away: Counter<u64>,
}

impl Instruments {
    /// Makes them, and the gauges, which live as long as the meter.
    pub(crate) fn new(meter: &Meter, readings: &Readings) -> Self {
        for gauge in Gauge::ALL {
            watch(meter, gauge, readings.clone());
        }
        Self {
            sessions: counter(meter, &list::SESSIONS),
            session_duration: histogram(meter, &list::SESSION_DURATION),
            session_rounds: histogram(meter, &list::SESSION_ROUNDS),
            round_trip: histogram(meter, &list::ROUND_TRIP),
            artifacts: counter(meter, &list::ARTIFACTS),
            network_bytes: counter(meter, &list::NETWORK_BYTES),
            unversioned: counter(meter, &list::UNVERSIONED),
            rows: counter(meter, &list::ROWS),
            refused: counter(meter, &list::REFUSED),
            crosslinked: counter(meter, &list::CROSSLINKED),
            retries: counter(meter, &list::RETRIES),
            requests: counter(meter, &list::REQUESTS),
            request_duration: histogram(meter, &list::REQUEST_DURATION),
            served: counter(meter, &list::SERVED),
            served_bytes: counter(meter, &list::SERVED_BYTES),
            served_unversioned: counter(meter, &list::SERVED_UNVERSIONED),
            served_rows: counter(meter, &list::SERVED_ROWS),
            served_refused: counter(meter, &list::SERVED_REFUSED),
            served_crosslinked: counter(meter, &list::SERVED_CROSSLINKED),
            active: level(meter, &list::ACTIVE),
            turned_away: counter(meter, &list::TURNED_AWAY),
        }
    }
}

fn counter(meter: &Meter, metric: &Metric) -> Counter<u64> {
    meter.u64_counter(metric.name).with_unit(metric.unit).with_description(metric.help).build()
}

fn level(meter: &Meter, metric: &Metric) -> UpDownCounter<i64> {
    let builder = meter.i64_up_down_counter(metric.name).with_unit(metric.unit);
    builder.with_description(metric.help).build()
}

fn histogram(meter: &Meter, metric: &Metric) -> Histogram<f64> {
    let bounds = match metric.kind {
        Kind::Histogram(bounds) => bounds.to_vec(),
        Kind::Counter | Kind::Level | Kind::Gauge => Vec::new(),
    };
    let builder = meter.f64_histogram(metric.name).with_unit(metric.unit).with_description(metric.help);
    builder.with_boundaries(bounds).build()
}

fn watch(meter: &Meter, gauge: Gauge, readings: Readings) {
    let metric = gauge.metric();
    let builder = meter.f64_observable_gauge(metric.name).with_unit(metric.unit);
    let _ = builder
        .with_description(metric.help)
        .with_callback(move |observer| {
            for reading in readings.of(gauge) {
                let repository = reading.repository.map(|name| KeyValue::new("repository", name));
                let peer = reading.peer.map(|name| KeyValue::new("peer", name));
                let labels: Vec<KeyValue> = repository.into_iter().chain(peer).collect();
                observer.observe(reading.value, &labels);
            }
        })
        .build();
}
