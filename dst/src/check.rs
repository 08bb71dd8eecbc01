//! What must always be true. A file a rule.

pub mod clusters;
pub mod completeness;
pub mod content;
pub mod convergence;
pub mod derived;
pub mod kept;
pub mod wire;
