//! Rows that two users write at once: while one is on its way to a peer, somebody there writes the same.

use repo::RepoError;
use repo::table::{self, Values};
use xfer::{ArtifactId, SqlName};

use super::within::{Errand, Place};
use super::{Event, Sim, broken};
use crate::beside::tables::Key;
use crate::check::tables::Rows;
use crate::dice::{Ratio, Turn};
use crate::model::Violation;
use crate::node::{Power, Stage};
use crate::plan::Edition;
use crate::script::Item;
use crate::work::rows::Scribe;

/// A row that a user is about to write, as another peer did.
pub(super) struct Rival {
    number: u64,
    from: usize,
    at: usize,
    table: String,
    key: Key,
}

/// Numbers of such actions are from here on.
const FIRST: u64 = 1_000_000;

impl Sim {
    /// Rows are on their way from one peer to another: perhaps a user there writes one of them before they come.
    pub(super) fn tempt(&mut self, from: usize, to: usize, rows: &Rows) {
        if rows.is_empty() || self.side.is_settled {
            return;
        }
        let turn = self.turn_of_rival(from, to);
        let mut dice = self.dice("rival", turn);
        // Only of two peers a row may have two owners.
        let chance = if self.nodes.len() == 2 { Ratio::new(3, 4) } else { Ratio::new(1, 3) };
        if !dice.hits(chance) {
            return;
        }
        let Some((table, key)) = rows.iter().nth(dice.place(rows.len())) else { return };
        let number = FIRST + self.number_of_rival(turn);
        let rival = Rival { number, from, at: to, table: table.clone(), key: *key };
        if !self.script.lacks(&Item::Action(number)) {
            self.queue.plan(self.now, Event::Rival(rival));
        }
    }

    /// Names the message that rows are in.
    fn turn_of_rival(&self, from: usize, to: usize) -> Turn {
        if self.plan.edition >= Edition::Fourth {
            return self.errand.turn();
        }
        Turn { number: self.now as u64, part: from as u64, copy: to as u64 }
    }

    /// A number that no other turn has.
    fn number_of_rival(&self, Turn { number, part, copy }: Turn) -> u64 {
        if self.plan.edition >= Edition::Fourth {
            return 1_000_000 * number + 100 * part + copy;
        }
        100 * number + 10 * part + copy
    }

    /// A user writes a row that is on its way.
    pub(super) fn write_too(&mut self, rival: &Rival) -> Result<(), Violation> {
        let Rival { number, from, at, .. } = *rival;
        if self.nodes[at].power == Power::Off || self.nodes[at].stage == Stage::Unborn {
            return Ok(());
        }
        let name = SqlName::new(&rival.table).expect("a table that there is");
        let Some((key, mtime)) = self.key_of(from, &name, rival.key).map_err(broken)? else { return Ok(()) };
        self.done.insert(Item::Action(number));
        self.errand = Errand::new(Place::Work, number);
        let (armed, dice) = (self.arm(at)?, &mut self.dice("work of a rival", number));
        let (peers, node) = (self.nodes.len(), &mut self.nodes[at]);
        let mut now = node.time(self.now);
        if dice.below(2) == 0 {
            // By a clock that is behind: what is on its way is newer.
            now.0 = now.0.min(mtime - dice.between(1, 5_000) as i64);
        }
        let tables = &node.beside.tables;
        let mut scribe = Scribe { dice, peer: at, peers, now, large: 100, tables, meant: Vec::new() };
        let (done, meant) = (scribe.rival(&mut node.repo, &name, key), scribe.meant);
        self.disarm(at, armed)?;
        self.wrote(number, at, done, &meant)
    }

    /// The key of a row, and when it was written.
    fn key_of(&mut self, at: usize, name: &SqlName, key: Key) -> Result<Option<(Values, i64)>, RepoError> {
        let snap = self.nodes[at].repo.snapshot()?;
        let Some(table) = table::find(&snap, name)? else { return Ok(None) };
        let Some(row) = table::get(&snap, &table, &ArtifactId::sha1(key))? else { return Ok(None) };
        let is_key = |column: &SqlName| table.definition.keys().iter().any(|key| key.name == *column);
        let values = row.values.into_iter().filter(|(column, _)| is_key(column)).collect();
        Ok(Some((values, row.mtime)))
    }
}
