//! Expanding all that the file holds, each artifact once.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::forest::Forest;
use super::walk::Walk;
use super::{Arrival, set_size};
use crate::{RepoError, Rid, Tx, dangling};

/// Shows every artifact that can be expanded, delta sources before their deltas, and corrects recorded sizes.
/// Says how many there are.
pub(crate) fn every(
    tx: &Tx<'_>,
    visit: &mut dyn FnMut(Rid, &Bytes) -> Result<(), RepoError>,
) -> Result<u64, RepoError> {
    let mut statement = tx.conn().prepare("SELECT rid FROM blob WHERE content NOT NULL AND size>=0")?;
    let rids: Vec<Rid> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let queue: BTreeMap<Rid, Arrival> = dangling::with(tx, |dangling| {
        rids.into_iter().filter(|&rid| !dangling.contains(rid)).map(|rid| (rid, Arrival::Earlier)).collect()
    })?;
    let forest = Forest::load(tx, &queue)?;
    drop(queue);
    let mut walk = Walk::through(&forest);
    let mut seen = 0;
    while let Some((index, expanded)) = walk.step(tx)? {
        let node = forest.node(index);
        // What is damaged is for verification to tell.
        let Ok(content) = expanded else { continue };
        if node.size != content.len() as i64 {
            set_size(tx, node.rid, content.len())?;
        }
        visit(node.rid, &content)?;
        seen += 1;
    }
    Ok(seen)
}
