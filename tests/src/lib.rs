//! Helpers for tests that drive the binary and stock Fossil side by side.
//!
//! A helper that fails panics with the whole story: what was run, what it said. The integration tests of
//! this package are about Frond; that a machine lacks stock Fossil is a failure, not a reason to skip.

pub mod artifact;
pub mod corpus;
pub mod fossil;
pub mod process;
pub mod rng;
pub mod scratch;
pub mod sql;

pub use fossil::Fossil;
pub use process::{Said, Server};
pub use scratch::Scratch;
