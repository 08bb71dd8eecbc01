//! Figures for Prometheus.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::board::{Condition, PeerReport, Report};
use super::health;

/// What [`text`] is.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The figures of a report.
pub(crate) fn text(report: Report) -> String {
    let mut registry = Registry::with_prefix("frond");
    registry.register_collector(Box::new(Figures(report)));
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = encode(&mut text, &registry);
    text
}

#[derive(Debug)]
struct Figures(Report);

/// What there is of each peer: name, help, kind, value if there is one.
type Figure = (&'static str, &'static str, MetricType, fn(&PeerReport) -> Option<u64>);

const OF_PEER: [Figure; 9] = [
    ("sessions", "Sessions that ended", MetricType::Counter, |peer| Some(peer.known.sessions)),
    ("failed_sessions", "Sessions that failed", MetricType::Counter, |peer| Some(peer.known.failed_sessions)),
    ("rounds", "Rounds of sessions", MetricType::Counter, |peer| Some(peer.known.rounds)),
    ("artifacts_sent", "Artifacts given to the peer", MetricType::Counter, |peer| {
        Some(peer.known.artifacts_sent)
    }),
    ("artifacts_received", "Artifacts got from the peer", MetricType::Counter, |peer| {
        Some(peer.known.artifacts_received)
    }),
    ("sent_bytes", "Bytes sent to the peer", MetricType::Counter, |peer| Some(peer.known.bytes_sent)),
    ("received_bytes", "Bytes received from the peer", MetricType::Counter, |peer| {
        Some(peer.known.bytes_received)
    }),
    ("failures_in_a_row", "Failed sessions since the last good one", MetricType::Gauge, |peer| {
        Some(u64::from(peer.known.failures))
    }),
    ("lag_seconds", "Seconds since the last good session", MetricType::Gauge, |peer| peer.lag_seconds),
];

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Self(report) = self;
        let ready = u64::from(health::is_ready(report).is_good());
        for (name, help, value) in [
            ("ready", "Whether /readyz says so", ready),
            ("uptime_seconds", "Seconds since the leaf began", report.uptime_seconds),
        ] {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            metric.encode_gauge(&value)?;
        }
        let mut open = encoder.encode_descriptor(
            "repository_open",
            "Whether it can be used",
            None,
            MetricType::Gauge,
        )?;
        for repository in &report.repositories {
            let labels = [("repository", repository.name.as_str())];
            open.encode_family(&labels)?.encode_gauge(&u64::from(repository.state == Condition::Open))?;
        }
        for (name, help, kind, value) in OF_PEER {
            let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
            for repository in &report.repositories {
                for peer in &repository.peers {
                    let Some(value) = value(peer) else { continue };
                    let labels =
                        [("repository", repository.name.as_str()), ("peer", peer.known.url.as_str())];
                    let mut family = metric.encode_family(&labels)?;
                    match kind {
                        MetricType::Counter => family.encode_counter::<NoLabelSet, _, u64>(&value, None)?,
                        _ => family.encode_gauge(&value)?,
                    }
                }
            }
        }
        Ok(())
    }
}
