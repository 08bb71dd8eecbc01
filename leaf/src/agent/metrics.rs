//! What the gauges say of the leaf.

use telemetry::{Gauge, Reading};

use super::board::{Condition, Report};
use super::health;

/// What [`telemetry::Telemetry::text`] is.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All that a report has for gauges.
#[expect(clippy::cast_precision_loss, reason = "sizes and counts beyond 2^53 need not be exact")]
pub(crate) fn readings(report: &Report) -> Vec<Reading> {
    let ready = health::is_ready(report).is_good();
    let mut readings = vec![
        Reading { gauge: Gauge::Uptime, repository: None, peer: None, value: report.uptime_seconds as f64 },
        Reading { gauge: Gauge::Ready, repository: None, peer: None, value: f64::from(u8::from(ready)) },
    ];
    for repository in &report.repositories {
        let is_open = u8::from(repository.state == Condition::Open);
        let waiting = |seconds: Option<u64>| seconds == Some(0);
        let queue = repository.peers.iter().filter(|peer| peer.known.syncing || waiting(peer.next_seconds));
        let name = Some(repository.name.clone());
        let mut read = |gauge, value: Option<f64>| {
            let reading = |value| Reading { gauge, repository: name.clone(), peer: None, value };
            readings.extend(value.map(reading));
        };
        read(Gauge::RepositoryOpen, Some(f64::from(is_open)));
        read(Gauge::Queue, Some(queue.count() as f64));
        if let Some(state) = &repository.holdings {
            read(Gauge::RepositorySize, Some(state.file_bytes as f64));
            read(Gauge::Phantoms, Some(state.phantoms as f64));
            let reads = state.cache_hits + state.cache_misses;
            read(Gauge::CacheHits, (reads > 0).then(|| state.cache_hits as f64 / reads as f64));
        }
        for peer in &repository.peers {
            let url = Some(peer.known.url.clone());
            let mut read = |gauge, value: f64| {
                readings.push(Reading { gauge, repository: name.clone(), peer: url.clone(), value });
            };
            read(Gauge::Failures, f64::from(peer.known.failures));
            if let Some(lag) = peer.lag_seconds {
                read(Gauge::Lag, lag as f64);
            }
        }
    }
    readings
}
