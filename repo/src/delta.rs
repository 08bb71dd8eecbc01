//! Fossil's delta format (reference: repo.md section 4).

pub mod apply;
pub mod create;
mod number;

pub use apply::{DeltaError, apply, check, checksum_fits, target_size};
pub use create::create;

/// A delta that copies `length` bytes from the start of its source and inserts the rest of `target`.
#[cfg(test)]
pub(crate) fn of_prefix(target: &[u8], length: usize) -> Vec<u8> {
    let mut delta = Vec::new();
    number::put_number(target.len() as u32, &mut delta);
    delta.push(b'\n');
    number::put_number(length as u32, &mut delta);
    delta.extend_from_slice(b"@0,");
    number::put_number((target.len() - length) as u32, &mut delta);
    delta.push(b':');
    delta.extend_from_slice(&target[length..]);
    number::put_number(number::checksum(target), &mut delta);
    delta.push(b';');
    delta
}
