//! Quarrels: two users write the same rows of a table, or the same file without history, at once. Some have clocks that are
//! days ahead meanwhile.

use repo::table::Values;
use xfer::SqlName;

use super::within::{Errand, Place};
use super::{Event, Sim};
use crate::dice::{Dice, Ratio, Turn};
use crate::feature::Feature;
use crate::model::Violation;
use crate::node::Power;
use crate::plan::{Edition, Level};
use crate::queue::Moment;
use crate::script::Item;
use crate::work::rows::{self, Scribe};

/// Numbers of such actions are from here on, two for each.
const FIRST: u64 = 700;
/// How far ahead a wrong clock is, in milliseconds: further than anybody believes.
pub(super) const AHEAD_MS: i64 = 3 * 86_400_000;
/// Tables that most peers have, of which each key is anybody's to write: of the first one a row belongs to who wrote it.
const TABLES: [&str; 3] = ["claims", "claims", "notes"];

/// What both users do.
struct Quarrel {
    number: u64,
    /// The table; none if it is a file.
    table: Option<&'static str>,
    rows: i64,
    /// By how much the clock of either is wrong.
    ahead: [i64; 2],
}

impl Sim {
    pub(super) fn plan_quarrels(&mut self) {
        let span = self.plan.span as u64;
        for number in (0..self.plan.quarrels).map(|number| FIRST + 2 * number) {
            let mut dice = self.dice("quarrel", number);
            // Some are so late that they are settled when all goes well.
            let first = *dice.pick(&[0, span - span / 12]);
            let (when, edge) = (dice.between(first, span) as Moment, dice.place(self.plan.edges.len()));
            if !self.plan.unused.contains(&edge) {
                self.queue.plan(when, Event::Quarrel { number, edge });
            }
        }
    }

    /// Where there are faults, the two do not reach each other for a while.
    pub(super) fn quarrel(&mut self, number: u64, edge: usize) -> Result<(), Violation> {
        let ends = [self.plan.edges[edge].server, self.plan.edges[edge].client];
        let can = |at: usize| self.nodes[at].is_at_work();
        let has_tables = self.plan.features.contains(&Feature::Tables);
        if !ends.into_iter().all(can) || !(has_tables || self.plan.edges[edge].unversioned) {
            return Ok(());
        }
        let is_apart = self.plan.are_makers_apart && number == FIRST;
        let mut quarrel =
            Quarrel::draw(number, has_tables && !is_apart, &mut self.dice("kind of quarrel", number));
        if quarrel.table.is_none() && self.nodes.len() > 2 && self.plan.edition < Edition::Fourth {
            quarrel.ahead = [0, 0];
        }
        let ends = if is_apart {
            quarrel.ahead = [AHEAD_MS, AHEAD_MS + 20_000];
            [0, self.nodes.len() - 1]
        } else if quarrel.table.is_none() {
            self.far_apart(number, ends)
        } else {
            ends
        };
        if !ends.into_iter().all(can) {
            return Ok(());
        }
        if self.plan.level != Level::Calm && self.parts(number) {
            let until = self.now + self.dice("parted by a quarrel", number).between(1_000, 15_000) as Moment;
            self.part(number, edge, ends, until);
        }
        let mut wrote = 0;
        for (side, at) in ends.into_iter().enumerate() {
            let action = number + side as u64;
            if self.script.lacks(&Item::Action(action)) || self.nodes[at].power == Power::Off {
                continue;
            }
            self.done.insert(Item::Action(action));
            let before = self.nodes[at].commits;
            self.take_part(&quarrel, side, at)?;
            wrote += usize::from(self.nodes[at].commits > before);
        }
        if wrote == ends.len() {
            self.census.note(quarrel.name());
        }
        Ok(())
    }

    /// Those who write the same file: in half of the larger runs others may be between them.
    fn far_apart(&self, number: u64, ends: [usize; 2]) -> [usize; 2] {
        let mut dice = self.dice("far end of a quarrel", number);
        let other = dice.place(self.nodes.len());
        let can = self.nodes[other].is_at_work();
        let may = self.plan.edition >= Edition::Fourth && dice.hits(Ratio::new(1, 2));
        if may && can && !ends.contains(&other) { [ends[0], other] } else { ends }
    }

    fn take_part(&mut self, quarrel: &Quarrel, side: usize, at: usize) -> Result<(), Violation> {
        let (number, ahead) = (quarrel.number + side as u64, quarrel.ahead[side]);
        let Some(table) = quarrel.table else {
            return self.work(number, at, |mut worker, repo| {
                worker.now.0 += ahead;
                worker.put_one(repo)
            });
        };
        // By clocks that agree the client writes later: what it has gives way to who was first.
        self.errand = Errand::new(Place::Work, number).ahead(ahead + 1_000 * side as i64);
        let armed = self.arm(at)?;
        let turn = Turn { number, part: at as u64, copy: 0 };
        let dice = &mut self.dice("work of a quarrel", turn);
        let (peers, node) = (self.nodes.len(), &mut self.nodes[at]);
        let mut now = node.time(self.now);
        now.0 += self.errand.ahead;
        let tables = &node.beside.tables;
        let mut scribe = Scribe { dice, peer: at, peers, now, large: 100, tables, meant: Vec::new() };
        let name = SqlName::new(table).expect("the name of a table");
        let keys: Vec<Values> =
            (0..quarrel.rows).map(|slot| rows::quarrel_key(quarrel.number, slot)).collect();
        let (done, meant) = (scribe.quarrel(&mut node.repo, &name, keys), scribe.meant);
        self.disarm(at, armed)?;
        self.wrote(number, at, done, &meant)
    }
}

impl Quarrel {
    fn draw(number: u64, has_tables: bool, dice: &mut Dice) -> Self {
        let table = (has_tables && dice.hits(Ratio::new(3, 4))).then(|| *dice.pick(&TABLES));
        let rows = *dice.pick(&[3, 5, 8, 40]);
        let ahead = match (table, dice.below(6)) {
            (_, 0) => [AHEAD_MS, 0],
            (_, 1) => [0, AHEAD_MS],
            (None, 2..=4) => [AHEAD_MS, AHEAD_MS + 20_000 * dice.below(3) as i64],
            _ => [0, 0],
        };
        Self { number, table, rows, ahead }
    }

    fn name(&self) -> &'static str {
        match (self.table, self.ahead) {
            (Some(_), [0, 0]) => "quarrel over rows",
            (Some(_), _) => "quarrel over rows by a clock ahead",
            (None, [0, 0]) => "quarrel over a file",
            (None, _) => "quarrel over a file by a clock ahead",
        }
    }
}
