//! How often each kind of work was done: one that never happens is a hole.

use std::collections::BTreeMap;
use std::fmt;

/// Counts by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Census(BTreeMap<String, u64>);

impl Census {
    /// Counts one more.
    pub fn note(&mut self, kind: impl Into<String>) {
        *self.0.entry(kind.into()).or_default() += 1;
    }

    /// What was done at all.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// How often something was done.
    pub fn count(&self, kind: &str) -> u64 {
        self.0.get(kind).copied().unwrap_or_default()
    }

    /// Adds what another run had.
    pub fn add(&mut self, other: &Self) {
        for (kind, count) in &other.0 {
            *self.0.entry(kind.clone()).or_default() += count;
        }
    }
}

impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (kind, count)) in self.0.iter().enumerate() {
            write!(f, "{}{kind} {count}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_are_told_by_name() {
        let (mut one, mut other) = (Census::default(), Census::default());
        ["merge", "check-in", "merge"].into_iter().for_each(|kind| one.note(kind));
        other.note("merge");
        one.add(&other);
        assert_eq!(one.to_string(), "check-in 1, merge 3");
        assert_eq!((one.count("merge"), one.count("tag")), (3, 0));
    }
}
