//! Clusters name only what exists, and what no cluster names is announced one by one.

use std::collections::BTreeSet;

use xfer::ArtifactId;
use xfer::card::Privacy;

use crate::known::Known;
use crate::model::{Model, Violation};

/// Looks at the clusters of one repository.
pub fn check(known: &Known, model: &Model) -> Result<(), Violation> {
    let fail = |text: String| Err(Violation::new("clusters", text));
    let mut listed = BTreeSet::new();
    for cluster in known.held.keys().filter(|id| !known.shunned.contains(id)) {
        for member in model.members(cluster).unwrap_or_default() {
            match model.privacy(member) {
                None => return fail(format!("{cluster} names {member}, which nobody made")),
                Some(Privacy::Private) => return fail(format!("{cluster} names private {member}")),
                Some(Privacy::Public) => listed.insert(member),
            };
        }
    }
    for id in known.held.keys() {
        let announced = known.unclustered.contains(id) || known.private.contains(id);
        if !announced && !listed.contains(id) && !known.shunned.contains(id) {
            return fail(format!("{id} is neither announced nor in a cluster"));
        }
    }
    Ok(())
}

/// Whether a repository holds a public cluster that lists this: so it is announced, too.
pub fn lists(known: &Known, model: &Model, id: &ArtifactId) -> bool {
    let public = known.held.keys().filter(|cluster| known.is_public(cluster));
    let clusters = public.filter_map(|cluster| model.members(cluster));
    clusters.flatten().any(|member| member == id)
}
