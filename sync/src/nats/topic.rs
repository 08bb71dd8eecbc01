//! Subjects: what is said where.

use std::fmt;

/// Longest word of a subject, in bytes.
const MAX_WORD_BYTES: usize = 128;

/// The subjects of one project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Topic {
    prefix: String,
    project: String,
}

/// The name of a repository copy among those of its project: its server code, unless it was given another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerId(String);

/// A word that can be no part of a subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} can not be {what}: letters, digits, - and _ make one")]
pub struct WordError {
    /// What it was to be.
    pub what: &'static str,
    /// The word.
    pub word: String,
}

impl Topic {
    /// The prefix unless another is wanted.
    pub const PREFIX: &'static str = "fossil";

    /// The subjects of `project` under `prefix`: words with dots between them.
    pub fn new(prefix: &str, project: &str) -> Result<Self, WordError> {
        if !prefix.split('.').all(is_word) {
            return Err(WordError { what: "a prefix", word: prefix.to_owned() });
        }
        if !is_word(project) {
            return Err(WordError { what: "a project code", word: project.to_owned() });
        }
        Ok(Self { prefix: prefix.to_owned(), project: project.to_owned() })
    }

    /// What all subjects begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The project code.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// Where any peer is asked for a round.
    pub fn sync(&self) -> String {
        format!("{}.{}.sync", self.prefix, self.project)
    }

    /// Where one peer is.
    pub fn sync_with(&self, peer: &PeerId) -> String {
        format!("{}.{peer}", self.sync())
    }

    /// Where commits are announced.
    pub fn commit(&self) -> String {
        format!("{}.{}.commit", self.prefix, self.project)
    }

    /// The group of which one answers where any is asked.
    pub(super) fn queue(&self) -> String {
        format!("sync-{}", self.project)
    }
}

impl PeerId {
    /// A peer of this name.
    pub fn new(name: &str) -> Result<Self, WordError> {
        if is_word(name) {
            Ok(Self(name.to_owned()))
        } else {
            Err(WordError { what: "a peer", word: name.to_owned() })
        }
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn is_word(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    !text.is_empty() && text.len() <= MAX_WORD_BYTES && text.bytes().all(is_plain)
}
