//! What happened, a line an event: the last lines, and a hash of all of them.

use std::collections::VecDeque;

use crate::dice::{FNV_START, fnv};
use crate::queue::Moment;

/// The record of a run.
#[derive(Debug)]
pub struct Trace {
    last: VecDeque<String>,
    kept: usize,
    hash: u64,
    lines: u64,
}

impl Trace {
    /// A record that keeps this many lines.
    pub fn keeping(kept: usize) -> Self {
        Self { last: VecDeque::new(), kept, hash: FNV_START, lines: 0 }
    }

    /// Adds a line.
    pub fn add(&mut self, when: Moment, line: &str) {
        let line = format!("{when:>9} {line}");
        self.hash = fnv(fnv(self.hash, line.as_bytes()), b"\n");
        self.lines += 1;
        if self.kept == 0 {
            return;
        }
        if self.last.len() == self.kept {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// The hash of all lines.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many lines there were.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The last lines.
    pub fn last(self) -> Vec<String> {
        self.last.into()
    }
}
