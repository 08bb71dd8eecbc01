//! What a half-round needs from outside.

use repo::UnixTime;

use crate::{Buggify, Limits, Observer};

/// Time, bounds, faults and the observer of one half-round. Nothing else reaches the core.
pub struct Cx<'a> {
    /// Now.
    pub now: UnixTime,
    /// Budgets and bounds.
    pub limits: &'a Limits,
    /// Asked at sites where a peer may make a rare but legal choice.
    pub buggify: &'a mut dyn Buggify,
    /// Told what happens; cannot influence it.
    pub observer: &'a mut dyn Observer,
}
