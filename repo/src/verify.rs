//! Says what is wrong with a file. Changes nothing.

mod artifacts;
mod finding;

pub use artifacts::artifacts;
pub use finding::Finding;
