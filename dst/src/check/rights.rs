//! No right is exceeded: who may not read is sent nothing, and nothing is taken from who may not write it.

use xfer::ArtifactId;

use super::wire::{Leave, Sending};
use crate::model::Violation;
use crate::rights::{Letters, Right};

/// What one request brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Came {
    /// Artifacts that others made.
    pub artifacts: Vec<ArtifactId>,
    /// Whether unversioned files changed.
    pub files: bool,
}

/// Looks at what a server took from a client.
pub fn check_taken(came: &Came, letters: &Letters) -> Result<(), Violation> {
    if !came.artifacts.is_empty() && !letters.allow(Right::Write) {
        return fail("artifacts were taken from who may not write".to_owned());
    }
    if came.files && !letters.allow(Right::WriteFiles) {
        return fail("unversioned files were taken from who may not write them".to_owned());
    }
    Ok(())
}

/// Something that is sent.
pub(super) fn check_readable(sending: &Sending<'_>, what: &str) -> Result<(), Violation> {
    match sending.read {
        Leave::Granted => Ok(()),
        Leave::Denied => fail(format!("{what} are sent to who may not read")),
    }
}

fn fail(text: String) -> Result<(), Violation> {
    Err(Violation::new("rights", text))
}
