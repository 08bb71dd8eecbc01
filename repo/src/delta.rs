//! Fossil's delta format (reference: repo.md section 4).

pub mod apply;
pub mod create;
mod number;

pub use apply::{DeltaError, apply, check, checksum_fits, target_size};
pub use create::create;
