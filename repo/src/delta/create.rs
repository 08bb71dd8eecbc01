//! Making a delta.

/// Makes a delta that turns `source` into `target`.
pub fn create(_source: &[u8], _target: &[u8]) -> Vec<u8> {
    unimplemented!()
}
