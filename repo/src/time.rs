//! Points in time. They are arguments everywhere: nothing in this crate asks a clock.

/// Milliseconds since 1970-01-01 00:00 UTC, as exact as SQLite's own date functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixTime(pub i64);

/// Julian day of 1970-01-01 00:00 UTC, in milliseconds.
pub(crate) const EPOCH_JULIAN_MS: i64 = 210_866_760_000_000;

impl UnixTime {
    /// From whole seconds since 1970.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The julian day number that SQLite's `julianday()` gives.
    pub fn julian_day(self) -> f64 {
        (self.0 + EPOCH_JULIAN_MS) as f64 / 86_400_000.0
    }

    /// From a julian day number, to the nearest millisecond.
    pub fn from_julian_day(day: f64) -> Self {
        Self((day * 86_400_000.0).round() as i64 - EPOCH_JULIAN_MS)
    }
}
