//! Numbers of one set of labels each: which of an instrument's numbers they are is looked up once, and not in each session.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundCounter, BoundHistogram, BoundUpDownCounter, Counter};

use sync::RoundStats;

use super::Instruments;

/// Most sets of labels that are remembered. More of them go on, and are looked up each time.
const MOST: usize = 1000;

/// Artifacts, bytes, unversioned files and rows: sent, and received.
pub(crate) type Amounts = [[u64; 2]; 4];

pub(crate) fn amounts(stats: &RoundStats) -> Amounts {
    [
        [stats.files_sent, stats.files_received],
        [stats.bytes_sent, stats.bytes_received],
        [stats.uv_files_sent, stats.uv_files_received],
        [stats.rows_sent, stats.rows_received],
    ]
}

/// What sessions of a repository with a peer write.
#[derive(Debug)]
pub(crate) struct OfPeer {
    /// Repository and peer.
    pub(crate) labels: [KeyValue; 2],
    carrier: &'static str,
    round_trip: OnceLock<BoundHistogram<f64>>,
    moved: Moved,
    /// Duration and rounds, by operation.
    took: Mutex<BTreeMap<&'static str, [BoundHistogram<f64>; 2]>>,
    ended: Ended,
}

/// What requests to a repository write.
#[derive(Debug)]
pub(crate) struct OfService {
    /// Repository and carrier.
    pub(crate) labels: [KeyValue; 2],
    pub(crate) active: BoundUpDownCounter<i64>,
    pub(crate) duration: BoundHistogram<f64>,
    moved: Moved,
    ended: Ended,
}

/// What was moved. A number is there once it is not 0: what never happened is not shown.
#[derive(Debug, Default)]
struct Moved([[OnceLock<BoundCounter<u64>>; 2]; 4]);

/// How often it ended, by operation and outcome: words of which there are few.
#[derive(Debug, Default)]
struct Ended(Mutex<BTreeMap<[&'static str; 2], BoundCounter<u64>>>);

impl OfPeer {
    fn new(repository: &str, peer: &str, carrier: &'static str) -> Self {
        Self {
            labels: [label("repository", repository), label("peer", peer)],
            carrier,
            round_trip: OnceLock::new(),
            moved: Moved::default(),
            took: Mutex::default(),
            ended: Ended::default(),
        }
    }

    pub(crate) fn exchanged(&self, write: &Instruments, seconds: f64) {
        let bind = || write.round_trip.bind(&with(&self.labels, "carrier", self.carrier));
        self.round_trip.get_or_init(bind).record(seconds);
    }

    pub(crate) fn moved(&self, write: &Instruments, amounts: &Amounts) {
        let counters = [&write.artifacts, &write.network_bytes, &write.unversioned, &write.rows];
        self.moved.add(counters, &self.labels, amounts);
    }

    pub(crate) fn took(&self, write: &Instruments, operation: &'static str, seconds: f64, rounds: u32) {
        let mut known = lock(&self.took);
        let [duration, of_rounds] = known.entry(operation).or_insert_with(|| {
            let labels = with(&self.labels, "operation", operation);
            [&write.session_duration, &write.session_rounds].map(|histogram| histogram.bind(&labels))
        });
        duration.record(seconds);
        of_rounds.record(f64::from(rounds));
    }

    pub(crate) fn ended(&self, write: &Instruments, operation: &'static str, outcome: &'static str) {
        self.ended.add(&write.sessions, &self.labels, operation, outcome);
    }
}

impl OfService {
    fn new(write: &Instruments, repository: &str, carrier: &'static str) -> Self {
        let labels = [label("repository", repository), KeyValue::new("carrier", carrier)];
        Self {
            active: write.active.bind(&labels),
            duration: write.request_duration.bind(&labels),
            moved: Moved::default(),
            ended: Ended::default(),
            labels,
        }
    }

    pub(crate) fn moved(&self, write: &Instruments, amounts: &Amounts) {
        let counters = [&write.served, &write.served_bytes, &write.served_unversioned, &write.served_rows];
        self.moved.add(counters, &self.labels, amounts);
    }

    pub(crate) fn ended(&self, write: &Instruments, operation: &'static str, outcome: &'static str) {
        self.ended.add(&write.requests, &self.labels, operation, outcome);
    }
}

impl Moved {
    fn add(&self, counters: [&Counter<u64>; 4], labels: &[KeyValue; 2], amounts: &Amounts) {
        for ((numbers, counter), counts) in self.0.iter().zip(counters).zip(amounts) {
            for ((number, direction), &count) in numbers.iter().zip(["sent", "received"]).zip(counts) {
                if count > 0 {
                    number.get_or_init(|| counter.bind(&with(labels, "direction", direction))).add(count);
                }
            }
        }
    }
}

impl Ended {
    fn add(
        &self,
        counter: &Counter<u64>,
        labels: &[KeyValue; 2],
        operation: &'static str,
        outcome: &'static str,
    ) {
        let bind = || {
            let [one, two, three] = with(labels, "operation", operation);
            counter.bind(&[one, two, three, KeyValue::new("outcome", outcome)])
        };
        lock(&self.0).entry([operation, outcome]).or_insert_with(bind).add(1);
    }
}

/// All of them that were met.
#[derive(Debug, Default)]
pub(crate) struct Met {
    peers: Kept<OfPeer>,
    services: Kept<OfService>,
}

impl Met {
    pub(crate) fn peer(&self, repository: &str, peer: &str, carrier: &'static str) -> Arc<OfPeer> {
        let is_meant = |known: &OfPeer| is(&known.labels[0], repository) && known.carrier == carrier;
        self.peers.get(peer, is_meant, || OfPeer::new(repository, peer, carrier))
    }

    pub(crate) fn service(
        &self,
        write: &Instruments,
        repository: &str,
        carrier: &'static str,
    ) -> Arc<OfService> {
        let is_meant = |known: &OfService| is(&known.labels[1], carrier);
        self.services.get(repository, is_meant, || OfService::new(write, repository, carrier))
    }
}

/// Sets of labels, by one of them.
#[derive(Debug)]
struct Kept<T>(Mutex<HashMap<Box<str>, Vec<Arc<T>>>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Kept<T> {
    fn get(&self, key: &str, is_meant: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> Arc<T> {
        let mut kept = lock(&self.0);
        if let Some(found) = kept.get(key).and_then(|of_key| of_key.iter().find(|known| is_meant(known))) {
            return Arc::clone(found);
        }
        let made = Arc::new(make());
        if kept.len() < MOST {
            kept.entry(key.into()).or_default().push(Arc::clone(&made));
        }
        made
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shared: it is copied for each span that names it.
fn label(name: &'static str, value: &str) -> KeyValue {
    KeyValue::new(name, Arc::<str>::from(value))
}

fn is(label: &KeyValue, value: &str) -> bool {
    matches!(&label.value, opentelemetry::Value::String(text) if text.as_str() == value)
}

/// Labels, and one more.
pub(crate) fn with(labels: &[KeyValue; 2], name: &'static str, value: &'static str) -> [KeyValue; 3] {
    let [one, two] = labels.clone();
    [one, two, KeyValue::new(name, value)]
}
