//! Runs seeds of the simulator.

use std::io::{self, Write};
use std::process::ExitCode;

use dst::node::Templates;
use dst::plan::Level;
use dst::sim::{self, Outcome, Tally};

const USAGE: &str = "usage: frond-dst run --seed N [--level LEVEL] [--trace]
       frond-dst sweep --seeds A..B [--level LEVEL] [--go-on]
       frond-dst meta --seeds A..B [--level LEVEL]
LEVEL is calm, rough or hostile; without it, all three";

/// Lines of the trace that a violation shows.
const SHOWN: usize = 30;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(job) = Job::parse(&words) else {
        let _ = writeln!(io::stderr(), "{USAGE}");
        return ExitCode::from(2);
    };
    match job.run(&mut io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "frond-dst: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Run,
    Sweep,
    Meta,
}

struct Job {
    command: Command,
    seeds: std::ops::Range<u64>,
    levels: Vec<Level>,
    kept: usize,
    after: After,
}

/// What follows a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Stop,
    GoOn,
}

impl Job {
    fn parse(words: &[String]) -> Option<Self> {
        let command = match words.first()?.as_str() {
            "run" => Command::Run,
            "sweep" => Command::Sweep,
            "meta" => Command::Meta,
            _ => return None,
        };
        let mut job =
            Self { command, seeds: 0..0, levels: Level::ALL.to_vec(), kept: SHOWN, after: After::Stop };
        let mut rest = words[1..].iter();
        while let Some(option) = rest.next() {
            match option.as_str() {
                "--seed" => {
                    let seed = rest.next()?.parse().ok()?;
                    job.seeds = seed..seed + 1;
                }
                "--seeds" => {
                    let (first, end) = rest.next()?.split_once("..")?;
                    job.seeds = first.parse().ok()?..end.parse().ok()?;
                }
                "--level" => job.levels = vec![Level::parse(rest.next()?)?],
                "--go-on" => job.after = After::GoOn,
                "--trace" => job.kept = usize::MAX,
                _ => return None,
            }
        }
        (!job.seeds.is_empty()).then_some(job)
    }

    /// Says whether nothing was found.
    fn run(&self, out: &mut impl Write) -> Result<bool, Box<dyn std::error::Error>> {
        let templates = Templates::new()?;
        let mut broken = 0_u64;
        for &level in &self.levels {
            let mut tally = Tally::default();
            for seed in self.seeds.clone() {
                let outcome = sim::run(seed, level, &templates, self.kept)?;
                tally.add(&outcome.tally);
                if self.command == Command::Meta {
                    let again = sim::run(seed, level, &templates, 0)?;
                    if again.trace.hash() != outcome.trace.hash() {
                        writeln!(out, "seed {seed} {} is not the same twice", level.name())?;
                        return Ok(false);
                    }
                }
                match (&outcome.violation, self.after) {
                    (None, _) => {}
                    (Some(violation), After::GoOn) => {
                        broken += 1;
                        writeln!(out, "seed {seed} {}: {violation}", level.name())?;
                        continue;
                    }
                    (Some(_), After::Stop) => {
                        report(out, outcome)?;
                        return Ok(false);
                    }
                }
                if self.command == Command::Run {
                    let (hash, lines) = (outcome.trace.hash(), outcome.trace.lines());
                    if self.kept > SHOWN {
                        outcome.trace.last().iter().try_for_each(|line| writeln!(out, "{line}"))?;
                    }
                    writeln!(out, "seed {seed} {}: {lines} lines, hash {hash:016x}", level.name())?;
                }
            }
            let seeds = self.seeds.end - self.seeds.start;
            writeln!(out, "{}: {seeds} seeds, {broken} broken so far: {tally:?}", level.name())?;
        }
        Ok(broken == 0)
    }
}

fn report(out: &mut impl Write, outcome: Outcome) -> io::Result<()> {
    let (seed, level) = (outcome.seed, outcome.level.name());
    for line in outcome.trace.last() {
        writeln!(out, "{line}")?;
    }
    if let Some(violation) = outcome.violation {
        writeln!(out, "\nseed {seed}, level {level}, broken: {violation}")?;
    }
    writeln!(out, "again: cargo run --release -p frond-dst -- run --seed {seed} --level {level} --trace")
}
