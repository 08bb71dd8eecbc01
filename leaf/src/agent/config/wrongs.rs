//! All that is wrong with a configuration, so that `check` tells it in one go.

use crate::exit::Failure;

/// What was found wrong so far, each thing once.
#[derive(Debug, Default)]
pub(super) struct Wrongs(Vec<Failure>);

impl Wrongs {
    pub(super) fn add(&mut self, failure: Failure) {
        if !self.0.iter().any(|known| known.what == failure.what) {
            self.0.push(failure);
        }
    }

    /// What was read, unless it is wrong.
    pub(super) fn keep<T>(&mut self, read: Result<T, Failure>) -> Option<T> {
        read.map_err(|failure| self.add(failure)).ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ends the reading: with all that is wrong, if anything is.
    pub(super) fn end<T>(self, read: T) -> Result<T, Vec<Failure>> {
        if self.0.is_empty() { Ok(read) } else { Err(self.0) }
    }
}
