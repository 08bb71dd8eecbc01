//! `frond-dst soak`: seeds that nobody has seen, until the time is over.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use clap::Args;
use dst::plan::Level;
use dst::script::Script;
use dst::sim::{self, Tally};

use super::clock::{Clock, fresh_seed};
use super::pool::Pool;
use super::report::SHOWN;
use super::sweep::{After, Found};
use super::{Editions, Failure, Levels, Verdict};

/// Run fresh seeds for a time, until one breaks a rule.
///
/// Each seed runs at each level. The first seed is printed, so that the same can be run again.
#[derive(Args)]
pub(super) struct Soak {
    /// How long; 0.5 is half a minute.
    #[arg(long, value_name = "M", value_parser = parse_minutes)]
    minutes: Duration,
    #[command(flatten)]
    levels: Levels,
    #[command(flatten)]
    editions: Editions,
    /// The first seed; without it, one from the clock.
    #[arg(long, value_name = "N")]
    from: Option<u64>,
    #[command(flatten)]
    pool: Pool,
    #[command(flatten)]
    after: After,
}

/// How often it says how far it is.
const PROGRESS: Duration = Duration::from_secs(10);

impl Soak {
    pub(super) fn run(&self, out: &mut impl Write) -> Result<Verdict, Failure> {
        let first = self.from.unwrap_or_else(fresh_seed);
        let levels = self.levels.all();
        let names: Vec<&str> = levels.iter().map(|level| level.name()).collect();
        writeln!(out, "from seed {first} on, {} s at {}", self.minutes.as_secs(), names.join(", "))?;
        let clock = Clock::start();
        let seeds = (first..=u64::MAX).flat_map(|seed| levels.iter().map(move |&level| (seed, level)));
        let tasks = seeds.take_while(|_| clock.passed() < self.minutes);
        let script = |seed, level| Script::new(seed, level).of_edition(self.editions.edition);
        let job =
            |(seed, level): (u64, Level), templates: &_| sim::play(&script(seed, level), templates, SHOWN);
        let (mut found, mut told) = (Found::new(self.after), Duration::ZERO);
        let (mut runs, mut last, mut tally) = (0_u64, first, Tally::default());
        self.pool.run(self.editions.edition, tasks, job, |(seed, _), outcome| {
            (runs, last) = (runs + 1, seed);
            tally.add(&outcome.tally);
            let passed = clock.passed();
            if passed >= told + PROGRESS {
                told = passed;
                progress(passed, runs, seed, &found)?;
            }
            let next: ControlFlow<()> = found.add(out, outcome)?;
            Ok(next)
        })?;
        let passed = clock.passed().as_secs_f64();
        writeln!(
            out,
            "seeds {first} to {last}: {runs} runs in {passed:.1} s, {} broken: {tally:?}",
            found.count
        )?;
        Ok(found.verdict())
    }
}

fn progress(passed: Duration, runs: u64, seed: u64, found: &Found) -> io::Result<()> {
    writeln!(io::stderr(), "{} s: {runs} runs, seed {seed}, {} broken", passed.as_secs(), found.count)
}

fn parse_minutes(text: &str) -> Result<Duration, String> {
    let minutes: f64 = text.parse().map_err(|_| "write a number of minutes, such as 10 or 0.5".to_owned())?;
    let time = Duration::try_from_secs_f64(minutes * 60.0).map_err(|error| error.to_string())?;
    if time.is_zero() { Err("that is no time".to_owned()) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_may_be_parts_and_are_never_none() {
        assert_eq!(parse_minutes("2"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_minutes("0.5"), Ok(Duration::from_secs(30)));
        for text in ["", "x", "-1", "0", "NaN", "inf", "1e300"] {
            assert!(parse_minutes(text).is_err(), "{text}");
        }
    }
}
