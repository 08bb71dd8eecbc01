//! Applying a delta.

/// Says why a delta does not apply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeltaError {
    /// to be written
    #[error("to be written")]
    Todo,
}

/// The size of the target, as the delta says.
pub fn target_size(_delta: &[u8]) -> Result<usize, DeltaError> {
    unimplemented!()
}

/// Applies `delta` to `source`. The target never exceeds `limit` bytes.
pub fn apply(_source: &[u8], _delta: &[u8], _limit: usize) -> Result<Vec<u8>, DeltaError> {
    unimplemented!()
}
