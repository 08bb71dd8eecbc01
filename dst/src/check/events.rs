//! Observers see balanced events: what begins ends, in its order, and nothing else comes between.

use crate::model::Violation;
use crate::watch::Watch;

/// Looks at what one session, or one request, told, after it is over.
pub fn check(watch: &Watch) -> Result<(), Violation> {
    watch.complaint().map_or(Ok(()), |text| Err(Violation::new("events", text)))
}
