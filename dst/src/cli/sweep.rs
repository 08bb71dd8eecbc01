//! `frond-dst sweep`: many seeds.

use std::io::Write;
use std::ops::{ControlFlow, Range};

use clap::Args;
use dst::census::Census;
use dst::plan::Level;
use dst::sim::{self, Outcome, Tally};

use super::pool::Pool;
use super::report::{self, SHOWN};
use super::{Failure, Levels, Verdict, parse_seeds};

/// Run many seeds, until one breaks a rule.
#[derive(Args)]
pub(super) struct Sweep {
    /// From seed A on, below seed B.
    #[arg(long, value_name = "A..B", value_parser = parse_seeds)]
    seeds: Range<u64>,
    #[command(flatten)]
    levels: Levels,
    #[command(flatten)]
    pool: Pool,
    /// Go on after a broken rule: a line for each, the number at the end.
    #[arg(long)]
    go_on: bool,
}

impl Sweep {
    pub(super) fn run(&self, out: &mut impl Write) -> Result<Verdict, Failure> {
        let mut found = Found::new(self.go_on.into());
        for level in self.levels.all() {
            let (mut tally, mut census) = (Tally::default(), Census::default());
            let tasks = self.seeds.clone().map(|seed| (seed, level));
            let job = |(seed, level): (u64, Level), templates: &_| sim::run(seed, level, templates, SHOWN);
            self.pool.run(tasks, job, |_, outcome| {
                tally.add(&outcome.tally);
                census.add(&outcome.census);
                found.add(out, outcome)
            })?;
            if found.is_over() {
                return Ok(Verdict::Broken);
            }
            let seeds = self.seeds.end - self.seeds.start;
            writeln!(out, "{}: {seeds} seeds, {} broken so far: {tally:?}", level.name(), found.count)?;
            writeln!(out, "  {census}")?;
        }
        Ok(found.verdict())
    }
}

/// What follows a broken rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Stop,
    GoOn,
}

impl From<bool> for After {
    fn from(go_on: bool) -> Self {
        if go_on { Self::GoOn } else { Self::Stop }
    }
}

/// Runs that broke a rule.
#[derive(Debug)]
pub(super) struct Found {
    after: After,
    pub(super) count: u64,
}

impl Found {
    pub(super) fn new(after: After) -> Self {
        Self { after, count: 0 }
    }

    /// Tells of a run if it broke a rule, and says whether to go on.
    pub(super) fn add(&mut self, out: &mut impl Write, outcome: Outcome) -> Result<ControlFlow<()>, Failure> {
        let Some(violation) = &outcome.violation else { return Ok(ControlFlow::Continue(())) };
        self.count += 1;
        if self.after == After::GoOn {
            writeln!(out, "seed {} {}: {violation}", outcome.seed, outcome.level.name())?;
            return Ok(ControlFlow::Continue(()));
        }
        report::seed_broken(out, outcome)?;
        Ok(ControlFlow::Break(()))
    }

    /// Whether a rule was broken, and that is enough.
    pub(super) fn is_over(&self) -> bool {
        self.after == After::Stop && self.count > 0
    }

    pub(super) fn verdict(&self) -> Verdict {
        if self.count == 0 { Verdict::Fine } else { Verdict::Broken }
    }
}
