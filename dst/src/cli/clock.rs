//! The only place of this package that reads a clock, or waits: how long to go on, and where to begin. No run sees it.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Measures what passed since it was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn passed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Waits.
pub(super) fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// A seed that nobody has seen: milliseconds since 1970.
pub(super) fn fresh_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}
