//! Fossil's delta format (reference: repo.md section 4).

pub mod apply;
pub mod create;

pub use apply::{DeltaError, apply, target_size};
pub use create::create;
