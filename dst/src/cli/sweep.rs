//! `frond-dst sweep`: many seeds.

use std::io::{self, Write};
use std::ops::{ControlFlow, Range};

use clap::Args;
use dst::census::Census;
use dst::sim::{self, Outcome, Tally};

use super::clock::Clock;
use super::report::{self, SHOWN, Words};
use super::{Failure, Many, Verdict, parse_seeds};

/// Run many seeds, until one breaks a rule.
#[derive(Args)]
pub(super) struct Sweep {
    /// From seed A on, below seed B.
    #[arg(long, value_name = "A..B", value_parser = parse_seeds)]
    seeds: Range<u64>,
    #[command(flatten)]
    many: Many,
    #[command(flatten)]
    after: After,
}

impl Sweep {
    pub(super) fn run(&self, out: &mut impl Write) -> Result<Verdict, Failure> {
        let mut found = Found::new(self.after);
        for level in self.many.levels.all() {
            let (mut tally, mut census, clock) = (Tally::default(), Census::default(), Clock::start());
            let job = |(seed, level), templates: &_| {
                sim::play(&self.many.manner.script(seed, level), templates, SHOWN)
            };
            self.many.run(&self.seeds, level, job, |_, outcome| {
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
            // Not where what is the same each time goes.
            let passed = clock.passed().as_secs_f64();
            let rate = seeds as f64 / passed;
            writeln!(io::stderr(), "{}: {passed:.1} s, {rate:.1} seeds a second", level.name())?;
        }
        Ok(found.verdict())
    }
}

/// What follows a broken rule.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct After {
    /// Go on after a broken rule: a line for each, the number at the end.
    #[arg(long)]
    go_on: bool,
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
        if self.after.go_on {
            let (seed, level, words) = (outcome.seed, outcome.level, Words::of(&outcome));
            writeln!(
                out,
                "seed {seed} {}: {violation}; again: {}",
                level.name(),
                report::run(seed, level, words)
            )?;
            return Ok(ControlFlow::Continue(()));
        }
        report::seed_broken(out, outcome)?;
        Ok(ControlFlow::Break(()))
    }

    /// Whether a rule was broken, and that is enough.
    pub(super) fn is_over(&self) -> bool {
        !self.after.go_on && self.count > 0
    }

    pub(super) fn verdict(&self) -> Verdict {
        if self.count == 0 { Verdict::Fine } else { Verdict::Broken }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dst::node::Templates;
    use dst::plan::Level;
    use dst::script::{Item, Script};

    fn planted() -> Outcome {
        let mut script = Script::new(3, Level::Calm);
        script.planted = [Item::Action(0)].into();
        sim::play(&script, &Templates::new().expect("repositories in memory"), SHOWN).expect("a run")
    }

    fn told(go_on: bool) -> (Found, ControlFlow<()>, String) {
        let (mut found, mut out) = (Found::new(After { go_on }), Vec::new());
        let next = found.add(&mut out, planted()).expect("memory");
        (found, next, String::from_utf8(out).expect("text"))
    }

    #[test]
    fn a_sweep_ends_with_the_first_broken_rule_and_tells_all_of_it() {
        let (found, next, text) = told(false);
        assert!(next.is_break() && found.is_over());
        assert_eq!(found.verdict(), Verdict::Broken);
        assert!(
            text.contains("\nseed 3, level calm, broken: planted: all that it takes happened\n"),
            "{text}"
        );
    }

    #[test]
    fn a_sweep_that_goes_on_has_a_line_for_each_broken_rule() {
        let (found, next, text) = told(true);
        assert!(next.is_continue() && !found.is_over());
        assert_eq!(found.verdict(), Verdict::Broken);
        let again = "cargo run --release -p frond-dst -- run --seed 3 --level calm --trace";
        assert_eq!(text, format!("seed 3 calm: planted: all that it takes happened; again: {again}\n"));
    }
}
