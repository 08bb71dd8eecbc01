//! Expanding all that the file holds, each artifact once.

use std::collections::BTreeMap;

use bytes::Bytes;
use xfer::ArtifactId;

use super::crew::Crew;
use super::forest::Forest;
use super::walk::Walk;
use super::{Arrival, set_size};
use crate::{RepoError, Rid, Tx, dangling};

/// Shows every artifact that can be expanded, delta sources before their deltas, and corrects recorded sizes.
/// Gives those that should be expandable and are not: damaged themselves, deltas of such, or of themselves.
/// What waits for a phantom is not among them.
pub(crate) fn every(
    tx: &Tx<'_>,
    crew: &Crew,
    visit: &mut dyn FnMut(Rid, &Bytes) -> Result<(), RepoError>,
) -> Result<Vec<ArtifactId>, RepoError> {
    let mut statement = tx.prepared("SELECT rid FROM blob WHERE size>=0")?;
    let rids: Vec<Rid> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let queue: BTreeMap<Rid, Arrival> = dangling::with(tx, |dangling| {
        rids.into_iter().filter(|&rid| !dangling.contains(rid)).map(|rid| (rid, Arrival::Earlier)).collect()
    })?;
    let forest = Forest::load(tx, &queue, |_| None)?;
    drop(queue);
    let mut walk = Walk::helped(tx, &forest, crew);
    for index in forest.without_source() {
        walk.abandon(index);
    }
    let mut sound = vec![false; forest.len()];
    while let Some((index, expanded)) = walk.step(tx)? {
        let node = forest.node(index);
        // Why it is damaged is for verification to tell.
        let Ok(content) = expanded else {
            walk.abandon_below(index);
            continue;
        };
        if node.size != content.len() as i64 {
            set_size(tx, node.rid, content.len())?;
        }
        visit(node.rid, &content)?;
        sound[index] = true;
    }
    tx.memory().borrow_mut().unsettled.forget_rewritten();
    Ok((0..forest.len()).filter(|&index| !sound[index]).map(|index| forest.node(index).id).collect())
}
