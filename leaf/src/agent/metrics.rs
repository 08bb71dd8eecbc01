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

#[cfg(test)]
mod tests {
    use super::super::board::Holdings;
    use super::super::clock::Clock;
    use super::super::config::{Flags, Source, load};
    use super::*;

    /// What the board of a leaf of two repositories says: the first has two peers, the second none and is not open.
    fn report() -> Report {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("leaf.toml");
        let peers = ["'http://h/one'", "'http://h/two'", "'http://h/three'"]
            .map(|url| format!("[[repository.peer]]\nurl = {url}\n"));
        let text = format!("[[repository]]\nfile = 'a'\n{}[[repository]]\nfile = 'b'\n", peers.concat());
        std::fs::write(&file, text).unwrap();
        let source = Source { config: Some(file), ..Source::default() };
        let board = Board::new(Clock::start());
        board.set(&load(&Flags::of(source)).unwrap(), |_| false);
        let mut report = board.report();
        report.uptime_seconds = 11;
        let repository = &mut report.repositories[0];
        repository.state = Condition::Open;
        let holdings = Holdings { file_bytes: 13, phantoms: 17, cache_hits: 3, cache_misses: 1 };
        repository.holdings = Some(holdings);
        let [one, two, three] = &mut repository.peers[..] else { panic!("three peers") };
        (one.known.failures, one.lag_seconds, one.known.syncing) = (19, Some(23), true);
        (two.known.failures, two.lag_seconds, two.next_seconds) = (29, None, Some(0));
        (three.known.failures, three.lag_seconds, three.next_seconds) = (31, Some(37), Some(41));
        report
    }

    #[test]
    fn each_gauge_says_its_own_number() {
        let told: Vec<_> = readings(&report())
            .into_iter()
            .map(|read| {
                let peer = read.peer.map(|url| url.trim_start_matches("http://h/").to_owned());
                (read.gauge, read.repository.unwrap_or_default(), peer.unwrap_or_default(), read.value)
            })
            .collect();
        let expected = [
            (Gauge::Uptime, "", "", 11.0),
            (Gauge::Ready, "", "", 0.0),
            (Gauge::RepositoryOpen, "a", "", 1.0),
            (Gauge::Queue, "a", "", 2.0),
            (Gauge::RepositorySize, "a", "", 13.0),
            (Gauge::Phantoms, "a", "", 17.0),
            (Gauge::CacheHits, "a", "", 0.75),
            (Gauge::Failures, "a", "one", 19.0),
            (Gauge::Lag, "a", "one", 23.0),
            (Gauge::Failures, "a", "two", 29.0),
            // It was never reached.
            (Gauge::Lag, "a", "two", 11.0),
            (Gauge::Failures, "a", "three", 31.0),
            (Gauge::Lag, "a", "three", 37.0),
            (Gauge::RepositoryOpen, "b", "", 0.0),
            (Gauge::Queue, "b", "", 0.0),
        ];
        let text = |text: &str| text.to_owned();
        assert_eq!(told, expected.map(|(gauge, name, peer, value)| (gauge, text(name), text(peer), value)));
    }
}
