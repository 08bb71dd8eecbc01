//! The leaf's clock: it does not go back, whatever happens to the time of day.

use std::time::Duration;

use tokio::time::Instant;

/// Time since the leaf began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    /// Begins now.
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// The time since then.
    pub(crate) fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// The moment that a time since then is.
    pub(crate) fn instant(&self, at: Duration) -> Instant {
        // A deadline that is further away than any clock goes is as good as one in a year.
        let far = Duration::from_secs(365 * 24 * 3600);
        self.origin.checked_add(at).unwrap_or_else(|| Instant::now() + far)
    }
}
