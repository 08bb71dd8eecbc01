//! What was told of a connection, so that the log says it once while that lasts.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Texts that are remembered. Beyond them all are told anew.
const MOST: usize = 1024;

/// Words of subjects after which each has another name: inboxes, and receipts of what was kept.
const OWN_NAMES: [&str; 2] = ["_INBOX.", "$JS.ACK."];

/// What was told.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<BTreeSet<String>>);

impl Told {
    /// Whether nobody told this before. From now on somebody has.
    pub(super) fn is_new(&self, text: &str) -> bool {
        let begins = OWN_NAMES.iter().find_map(|word| Some(text.find(word)? + word.len()));
        let kind = begins.and_then(|end| text.get(..end)).unwrap_or(text);
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.contains(kind) {
            return false;
        }
        if told.len() == MOST {
            told.clear();
        }
        told.insert(kind.to_owned())
    }

    /// Another connection begins: all of it counts as new.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_new_once_a_connection_and_those_of_one_kind_are_one() {
        let told = Told::default();
        for (text, is_new) in [
            ("Publish to \"$JS.API.STREAM.NAMES\"", true),
            ("Publish to \"$JS.API.STREAM.NAMES\"", false),
            ("Publish to \"_INBOX.a\"", true),
            ("Publish to \"_INBOX.b\"", false),
            ("Publish to \"$JS.ACK.ALL.here.1.1.1\"", true),
            ("Publish to \"$JS.ACK.ALL.here.2.1.2\"", false),
            ("Subscription to \"_INBOX.>\"", true),
        ] {
            assert_eq!(told.is_new(text), is_new, "{text}");
        }
        told.forget();
        assert!(told.is_new("Publish to \"_INBOX.c\""));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let told = Told::default();
        assert!((0..3 * MOST).all(|number| told.is_new(&number.to_string())));
        assert!(told.0.lock().unwrap().len() <= MOST);
    }
}
