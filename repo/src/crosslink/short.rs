//! Shortened hashes in texts of the timeline.

use crate::{RepoError, Tx, config};

/// How many digits people get to see: setting `hash-digits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digits(usize);

impl Digits {
    /// The setting of a file: 10 unless it says otherwise.
    pub(super) fn of(tx: &Tx<'_>) -> Result<Self, RepoError> {
        let set = config::get(tx, "hash-digits")?.and_then(|digits| digits.trim().parse().ok());
        Ok(Self(set.filter(|digits| (6..=64).contains(digits)).unwrap_or(10)))
    }

    /// The digits that are shown.
    pub(super) fn short(self, name: &[u8]) -> &[u8] {
        &name[..self.0.min(name.len())]
    }

    /// The digits that links have.
    pub(super) fn long(self, name: &[u8]) -> &[u8] {
        &name[..(self.0 + 6).max(16).min(name.len())]
    }
}
