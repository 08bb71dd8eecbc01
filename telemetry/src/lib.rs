//! What the sync observer reports, as traces, metrics and logs.
//!
//! The one crate that names OpenTelemetry. [`Telemetry`] makes observers: one a session ([`Telemetry::session`]), one
//! a request ([`Telemetry::request`]). They write into one set of metrics ([`metrics::ALL`]), which
//! [`Telemetry::text`] shows to Prometheus, and, where the `OTEL_*` variables name a collector ([`plan`]), into spans
//! and metrics that are sent there. [`logs`] writes lines that name the span they were written in.

mod collector;
pub mod logs;
pub mod metrics;
mod outlets;
pub mod plan;
mod request;
mod session;
mod span;
mod start;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails where they do")]
mod testing;

pub use self::logs::{inside, within};
pub use self::metrics::{Gauge, Reading};
pub use self::plan::{Plan, PlanError};
pub use self::session::Peer;
pub use self::span::SpanId;
pub use self::start::{Telemetry, Tries};
