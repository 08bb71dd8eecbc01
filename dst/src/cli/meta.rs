//! `frond-dst meta`: is the same seed the same twice?

use std::io::Write;
use std::ops::{ControlFlow, Range};

use clap::Args;
use dst::plan::Level;
use dst::sim;

use super::report;
use super::{Failure, Many, Verdict, parse_seeds};

/// Run many seeds twice each, and compare the traces.
///
/// Rules that are broken do not matter here: they are to be broken in the same way twice.
#[derive(Args)]
pub(super) struct Meta {
    /// From seed A on, below seed B.
    #[arg(long, value_name = "A..B", value_parser = parse_seeds, default_value = "0..50")]
    seeds: Range<u64>,
    #[command(flatten)]
    many: Many,
}

impl Meta {
    pub(super) fn run(&self, out: &mut impl Write) -> Result<Verdict, Failure> {
        let mut differs = false;
        let script = |seed, level| self.many.manner.script(seed, level);
        for level in self.many.levels.all() {
            let job = |(seed, level): (u64, Level), templates: &_| {
                let one = sim::play(&script(seed, level), templates, usize::MAX)?.trace;
                let other = sim::play(&script(seed, level), templates, usize::MAX)?.trace;
                Ok(first_difference(&one.last(), &other.last()))
            };
            self.many.run(&self.seeds, level, job, |(seed, level), difference| {
                let Some(difference) = difference else { return Ok(ControlFlow::Continue(())) };
                differs = true;
                report::seed_differs(out, &script(seed, level), &difference)?;
                Ok(ControlFlow::Break(()))
            })?;
            if differs {
                return Ok(Verdict::Broken);
            }
            let seeds = self.seeds.end - self.seeds.start;
            writeln!(out, "{}: {seeds} seeds, each the same twice", level.name())?;
        }
        Ok(Verdict::Fine)
    }
}

fn first_difference(one: &[String], other: &[String]) -> Option<String> {
    if one == other {
        return None;
    }
    let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let line = |trace: &[String]| trace.get(same).map_or("nothing", String::as_str).to_owned();
    Some(format!("{}\n{}", line(one), line(other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_shown() {
        let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(first_difference(&lines("a b"), &lines("a b")), None);
        assert_eq!(first_difference(&lines("a b c"), &lines("a x c")).as_deref(), Some("b\nx"));
        assert_eq!(first_difference(&lines("a"), &lines("a b")).as_deref(), Some("nothing\nb"));
    }
}
