//! `frond-dst run`: one seed.

use std::io::Write;

use clap::Args;
use dst::node::Templates;
use dst::sim::{self, Outcome};

use super::report::{self, Extent, SHOWN};
use super::vigil::{Again, Vigil};
use super::{Failure, Levels, Manner, Verdict, parse_seed};

/// Run one seed, and say what it came to.
#[derive(Args)]
pub(super) struct Run {
    /// Decides what happens.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = parse_seed)]
    seed: u64,
    #[command(flatten)]
    levels: Levels,
    #[command(flatten)]
    manner: Manner,
    /// Show the whole trace.
    #[arg(long)]
    trace: bool,
}

impl Run {
    pub(super) fn run(&self, out: &mut impl Write) -> Result<Verdict, Failure> {
        let (templates, vigil) = (Templates::new()?, Vigil::start(Again::Seed(self.manner.words())));
        let kept = if self.trace { usize::MAX } else { SHOWN };
        for level in self.levels.all() {
            let script = self.manner.script(self.seed, level);
            let outcome = vigil.during((self.seed, level), || sim::play(&script, &templates, kept))?;
            if outcome.violation.is_some() {
                report::seed_broken(out, outcome)?;
                return Ok(Verdict::Broken);
            }
            passed(out, outcome, Extent::Whole, self.trace.into())?;
        }
        Ok(Verdict::Fine)
    }
}

/// Whether the whole trace is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Trace,
    Hash,
}

impl From<bool> for Shown {
    fn from(trace: bool) -> Self {
        if trace { Self::Trace } else { Self::Hash }
    }
}

/// Tells of a run that broke no rule.
pub(super) fn passed(
    out: &mut impl Write,
    outcome: Outcome,
    extent: Extent,
    shown: Shown,
) -> std::io::Result<()> {
    let (seed, level, hash, lines) =
        (outcome.seed, outcome.level.name(), outcome.trace.hash(), outcome.trace.lines());
    if shown == Shown::Trace {
        write!(out, "{}", report::told(&outcome, extent))?;
        outcome.trace.last().iter().try_for_each(|line| writeln!(out, "{line}"))?;
    }
    writeln!(out, "seed {seed} {level}: {lines} lines, hash {hash:016x}")
}
