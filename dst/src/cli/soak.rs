//! `frond-dst soak`: seeds that nobody has seen, until the time is over.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use clap::Args;
use dst::sim::{self, Tally};

use super::clock::{Clock, fresh_seed};
use super::pool::Pool;
use super::report::SHOWN;
use super::sweep::{After, Found};
use super::{Failure, Levels, Manner, Verdict, parse_seed};

/// Run fresh seeds for a time, until one breaks a rule.
///
/// Each seed runs at each level. The first seed is printed, so that the same can be run again.
#[derive(Args)]
pub(super) struct Soak {
    /// How long; 0.5 is half a minute.
    #[arg(long, value_name = "M", allow_negative_numbers = true, value_parser = parse_minutes)]
    minutes: Duration,
    #[command(flatten)]
    levels: Levels,
    #[command(flatten)]
    manner: Manner,
    /// The first seed; without it, one from the clock.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = parse_seed)]
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
        let job =
            |(seed, level), templates: &_| sim::play(&self.manner.script(seed, level), templates, SHOWN);
        let (mut found, mut told) = (Found::new(self.after), Duration::ZERO);
        let (mut runs, mut last, mut tally) = (0_u64, first, Tally::default());
        self.pool.run(self.manner.words(), tasks, job, |(seed, _), outcome| {
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

/// A year.
const MOST_MINUTES: f64 = 525_600.0;

fn parse_minutes(text: &str) -> Result<Duration, String> {
    let written = format!("write minutes, more than 0 and at most {MOST_MINUTES}, such as 10 or 0.5");
    let minutes: f64 = text.parse().map_err(|_| format!("that is no number: {written}"))?;
    let wrong = match minutes {
        minutes if minutes.is_nan() => "that is no number",
        minutes if minutes > MOST_MINUTES => "that is too long",
        _ => "that is no time",
    };
    let time = Duration::try_from_secs_f64(minutes * 60.0).ok();
    let fits = time.filter(|time| !time.is_zero() && minutes <= MOST_MINUTES);
    fits.ok_or_else(|| format!("{wrong}: {written}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_may_be_parts_and_are_never_none() {
        assert_eq!(parse_minutes("2"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_minutes("0.5"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_minutes("525600"), Ok(Duration::from_secs(365 * 24 * 60 * 60)));
        let cases = [
            ("", "no number"),
            ("x", "no number"),
            ("NaN", "no number"),
            ("-1", "no time"),
            ("-inf", "no time"),
            ("0", "no time"),
            ("1e-300", "no time"),
            ("525601", "too long"),
            ("1e300", "too long"),
            ("inf", "too long"),
        ];
        for (text, wrong) in cases {
            let told =
                format!("that is {wrong}: write minutes, more than 0 and at most 525600, such as 10 or 0.5");
            assert_eq!(parse_minutes(text), Err(told), "{text}");
        }
    }
}
