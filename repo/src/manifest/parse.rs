//! Bytes into structural artifacts.

use crate::manifest::Artifact;

/// Says which rule the bytes break. Not an error of anybody: most content is not structural.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotStructural {
    /// to be written
    #[error("not structural")]
    Other,
}

/// Reads a structural artifact, clear-signed or not.
pub fn parse(_content: &[u8]) -> Result<Artifact, NotStructural> {
    unimplemented!()
}
