//! The metrics: one list, from which instruments, `/metrics` and the reference table are made.

mod bound;
mod instruments;
mod list;

pub use self::list::{ALL, Gauge, Kind, Metric};

pub(crate) use self::bound::{Amounts, Met, OfPeer, OfService, amounts, with};
pub(crate) use self::instruments::{Instruments, Readings};

/// What a gauge says now of one thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Which gauge.
    pub gauge: Gauge,
    /// Of which repository; none where the gauge is about the whole program.
    pub repository: Option<String>,
    /// With which peer.
    pub peer: Option<String>,
    /// In the gauge's unit.
    pub value: f64,
}

/// The reference table, in Markdown: what there is, under the names that Prometheus sees.
pub fn reference() -> String {
    let mut text = "| Metric | Kind | Unit | Labels | Meaning |\n|---|---|---|---|---|\n".to_owned();
    for metric in ALL {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let line = format!(
            "| `{}` | {} | {} | {} | {} |\n",
            metric.prometheus_name(),
            metric.kind.word(),
            metric.unit_word(),
            labels.join(", "),
            metric.help
        );
        text.push_str(&line);
    }
    text
}
