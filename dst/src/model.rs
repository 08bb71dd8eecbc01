//! What the simulator knows beside the repositories: every artifact that anybody made, and what breaks a rule.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use xfer::card::Privacy;
use xfer::{ArtifactId, hash};

/// All rules: the files below `check`, and parts of the simulator that see themselves what is wrong.
pub const RULES: [&str; 31] = [
    "answered",
    "atomic",
    "budget",
    "clusters",
    "codec",
    "completeness",
    "configuration",
    "content",
    "convergence",
    "crash",
    "deadline",
    "derived",
    "events",
    "failure",
    "kept",
    "liveness",
    "locks",
    "meant",
    "panic",
    "planted",
    "preview",
    "private",
    "repository",
    "rights",
    "schedule",
    "server",
    "shunned",
    "stock",
    "tables",
    "upkeep",
    "work",
];

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which rule: the name of the file below `check` that has it, or of the part that failed.
    pub invariant: &'static str,
    /// What was seen.
    pub text: String,
}

impl Violation {
    /// A rule that was broken, and what was seen.
    pub fn new(invariant: &'static str, text: impl fmt::Display) -> Self {
        Self { invariant, text: text.to_string() }
    }

    /// The same, with the peer where it was found.
    pub fn at(self, peer: usize) -> Self {
        Self { text: format!("peer {peer}: {}", self.text), ..self }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.text)
    }
}

/// Every artifact that was ever committed, and how private its makers meant it.
#[derive(Debug, Default)]
pub struct Model {
    made: BTreeMap<ArtifactId, Privacy>,
    clusters: BTreeMap<ArtifactId, Vec<ArtifactId>>,
    /// Contents that were hashed, and found to be what these name.
    hashed: BTreeMap<ArtifactId, Bytes>,
}

impl Model {
    /// Notes an artifact that was made.
    pub fn made(&mut self, id: ArtifactId, privacy: Privacy) {
        let known = self.made.entry(id).or_insert(privacy);
        *known = privacy.min(*known);
    }

    /// Notes a cluster that was made, and what it lists.
    pub fn made_cluster(&mut self, id: ArtifactId, members: Vec<ArtifactId>) {
        self.made(id, Privacy::Public);
        self.clusters.insert(id, members);
    }

    /// How private an artifact is; none if nobody made it.
    pub fn privacy(&self, id: &ArtifactId) -> Option<Privacy> {
        self.made.get(id).copied()
    }

    /// Whether a content is what a name says. The bytes that were found to be so at one peer are not hashed at the next.
    pub fn names(&mut self, id: &ArtifactId, content: &Bytes) -> bool {
        if self.hashed.get(id).is_some_and(|hashed| hashed == content) {
            return true;
        }
        let is_named = hash::names(id, content);
        if is_named {
            self.hashed.insert(*id, content.clone());
        }
        is_named
    }

    /// What a cluster lists; none if it is none.
    pub fn members(&self, id: &ArtifactId) -> Option<&[ArtifactId]> {
        self.clusters.get(id).map(Vec::as_slice)
    }

    /// Something public that was made, and is no cluster; `place` says which.
    pub fn some(&self, place: u64) -> Option<ArtifactId> {
        let public = |(id, privacy): (&ArtifactId, &Privacy)| {
            (*privacy == Privacy::Public && !self.clusters.contains_key(id)).then_some(*id)
        };
        let all: Vec<ArtifactId> = self.made.iter().filter_map(public).collect();
        let place = place.checked_rem(all.len() as u64)?;
        all.get(place as usize).copied()
    }

    /// How many clusters there are.
    pub fn clusters(&self) -> usize {
        self.clusters.len()
    }

    /// How many of them list a cluster.
    pub fn nested_clusters(&self) -> usize {
        let is_nested = |members: &&Vec<ArtifactId>| members.iter().any(|id| self.clusters.contains_key(id));
        self.clusters.values().filter(is_nested).count()
    }

    /// How many artifacts were made.
    pub fn len(&self) -> usize {
        self.made.len()
    }

    /// Whether nothing was made yet.
    pub fn is_empty(&self) -> bool {
        self.made.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Names of the rules that the sources below a directory speak of.
    fn named(dir: &Path, rules: &mut BTreeSet<String>) {
        for entry in fs::read_dir(dir).expect("a directory of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                named(&path, rules);
                continue;
            }
            let text = fs::read_to_string(&path).expect("a source");
            let words = text.split(concat!("Violation", "::new(")).skip(1).map(str::trim_start);
            let quoted = words.filter_map(|word| word.strip_prefix('"')?.split('"').next());
            rules.extend(quoted.map(str::to_owned));
        }
    }

    #[test]
    fn every_rule_is_in_the_list_of_rules() {
        let mut rules = BTreeSet::new();
        named(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut rules);
        assert_eq!(Vec::from_iter(rules.iter().map(String::as_str)), RULES);
    }
}
