//! Passing over `F` cards that were read before, in another check-in.
//!
//! Two versions of a large tree share almost all of their cards. A run of cards that is known to be well formed and
//! in order is so wherever it stands again byte for byte, if what is before it comes before it by name.

use super::fields::{Fields, decoded};
use super::scan::Scanner;
use crate::lines::{first_line, last_line, skip_common};

/// `F` cards of a check-in that was read: a full list, without old names and without names that do not count.
pub(super) struct KnownFiles<'k> {
    /// Those after what the list at hand has come to.
    rest: &'k [u8],
}

impl<'k> KnownFiles<'k> {
    pub(super) fn new(cards: &'k [u8]) -> Self {
        Self { rest: cards }
    }

    pub(super) fn none() -> Self {
        Self { rest: &[] }
    }

    /// Passes over the cards that the list at hand has next and that are known, after one that was read.
    pub(super) fn pass<'a>(&mut self, scanner: &mut Scanner<'a>, fields: &mut Fields<'a>) {
        // The cards of a delta manifest need no hash: they are read one by one.
        if self.rest.is_empty() || fields.baseline.is_some() {
            return;
        }
        let Some(last) = &fields.last_file else { return };
        while name(first_line(self.rest)).is_some_and(|name| decoded(name) <= *last) {
            self.rest = &self.rest[first_line(self.rest).len()..];
        }
        let list = scanner.rest();
        let (list_rest, _) = skip_common(list, self.rest);
        let same = &list[..list.len() - list_rest.len()];
        let Some(last) = name(last_line(same)) else { return };
        fields.last_file = Some(decoded(last));
        scanner.pass(same.len());
        self.rest = &self.rest[same.len()..];
    }
}

/// The name on an `F` card.
fn name(line: &[u8]) -> Option<&[u8]> {
    let mut scanner = Scanner::new(line);
    scanner.card().ok().flatten()?;
    scanner.token()
}
