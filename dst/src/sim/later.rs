//! After all has come together the time comes of what is dated so far ahead that peers did not believe it, by all clocks at
//! once. Then nothing stands in the way any more of the same files without history and the same rows everywhere.

use std::collections::BTreeSet;

use repo::unversioned::FUTURE_SECONDS;

use super::Sim;
use crate::check::convergence;
use crate::known::Known;
use crate::model::Violation;
use crate::node::Node;

impl Sim {
    /// Lets time go on past the latest date that anybody said, and has all come together once more.
    pub(super) fn outlive_dates(&mut self) -> Result<(), Violation> {
        let Some(latest) = self.nodes.iter().filter_map(latest_date).max() else { return Ok(()) };
        if latest <= self.latest_believed() {
            return Ok(());
        }
        let seconds = latest + 1 - (self.latest_believed() - FUTURE_SECONDS);
        self.tell(&format!("all clocks go on by {seconds} seconds"));
        self.census.note("the time of what was dated ahead came");
        self.nodes.iter_mut().for_each(|node| node.skew += 1_000 * seconds);
        self.gatherings += 1;
        self.settle_daemons()?;
        self.converge()?;
        let known: Vec<&Known> = self.nodes.iter().map(|node| &node.known).collect();
        convergence::check(&known, &self.flows())?;
        self.check_aside()
    }

    /// Versions of files of which some peer does not believe the date, by all peers together.
    pub(super) fn files_ahead(&self) -> usize {
        let believed = self.latest_believed();
        let mut ahead = BTreeSet::new();
        for Node { known, .. } in &self.nodes {
            let said = known.files.iter().map(|(name, version)| {
                let said = known.ahead.get(name).copied().unwrap_or(version.0);
                (name, said.max(version.0), version.1)
            });
            ahead.extend(said.filter(|version| version.1 > believed));
        }
        ahead.len()
    }

    /// The latest date, in seconds, that every peer believes.
    fn latest_believed(&self) -> i64 {
        let clocks = self.nodes.iter().map(|node| node.time(self.now).seconds());
        clocks.min().unwrap_or_default() + FUTURE_SECONDS
    }
}

/// The latest date, in seconds, that a peer has or was told of, of a file without history or of a row.
fn latest_date(node: &Node) -> Option<i64> {
    let files = node.known.files.values().map(|version| version.0);
    let rows = node.beside.tables.values().flat_map(|table| table.rows.values());
    let rows = rows.map(|row| row.version.0.div_euclid(1_000) + 1);
    files.chain(node.known.ahead.values().copied()).chain(rows).max()
}
