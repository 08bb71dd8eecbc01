//! Structural artifacts into bytes.

use crate::manifest::Artifact;

/// Writes an artifact with its cards in order and its Z card.
pub fn write(_artifact: &Artifact) -> Vec<u8> {
    unimplemented!()
}
