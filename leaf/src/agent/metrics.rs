//! What the gauges say of the leaf.

use std::path::Path;
use std::sync::Arc;

use sync::{Event, Observer, ObserverSource};
use telemetry::{Gauge, Reading};

use super::board::{Board, Condition, Report};
use super::health;
use crate::measure;

/// What [`telemetry::Telemetry::text`] is.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The observers of requests to repositories; `name` tells what a file is called. How they read contents is on the board
/// then.
pub(crate) fn requests(
    board: &Board,
    name: impl Fn(&Path) -> Option<String> + Clone + Send + Sync + 'static,
) -> ObserverSource {
    let (board, measured) = (board.clone(), measure::requests(name.clone()));
    Arc::new(move |origin| {
        let reads = Reads { board: board.clone(), repository: name(origin.file).unwrap_or_default() };
        Box::new((measured(origin), reads))
    })
}

/// Writes down how a request read contents.
struct Reads {
    board: Board,
    repository: String,
}

impl Observer for Reads {
    fn observe(&mut self, event: &Event<'_>) {
        if let Event::RequestHandled { cache, .. } = event {
            self.board.note_reads(&self.repository, *cache);
        }
    }
}

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
            // Who was never reached is behind since the beginning.
            read(Gauge::Lag, peer.lag_seconds.unwrap_or(report.uptime_seconds) as f64);
        }
    }
    readings
}
