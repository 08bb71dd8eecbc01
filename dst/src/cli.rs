//! Reads the command line. A file a command.

mod clock;
mod meta;
mod pool;
mod replay;
mod report;
mod run;
mod shrink;
mod soak;
mod sweep;
mod vigil;

use std::io::{self, Write};
use std::ops::{ControlFlow, Range};
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use dst::node::Templates;
use dst::plan::{Edition, Level};
use dst::script::{Script, Scrutiny};
use repo::RepoError;

use self::pool::{Pool, Task};
use self::report::Words;

/// Simulates whole fleets of peers under injected faults, and checks what must always be true.
///
/// A seed and a level decide a run: the same seed does the same again, byte for byte.
///
/// Exit codes: 0 no rule was broken, or of `shrink`: there is a script of the least that breaks one; 1 a rule was broken,
/// or a run was not the same twice; 2 the command line or a file is wrong, or `shrink` was given a seed that breaks no
/// rule; 3 the simulator itself failed; 4 no run ended for a minute: those under way are named; 141 nobody reads any
/// further what is written, as after `| head`.
#[derive(Parser)]
#[command(name = "frond-dst", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Run),
    Sweep(sweep::Sweep),
    Soak(soak::Soak),
    Meta(meta::Meta),
    Shrink(shrink::Shrink),
    Replay(replay::Replay),
}

/// What a command found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// No rule was broken.
    Fine,
    /// One was.
    Broken,
}

/// Why a command could not do what it is for.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// What the user gave is wrong.
    #[error("{0}")]
    Given(String),
    /// The repositories that the simulator works with failed.
    #[error("the simulator failed: {0}")]
    Repo(#[from] RepoError),
    /// Nothing can be written.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// How a shell tells of a command that wrote to a pipe which nobody reads (SIGPIPE): not 0, which says of a run that it
/// broke no rule.
const UNREAD: u8 = 141;

impl Failure {
    fn code(&self) -> ExitCode {
        match self {
            Self::Given(_) => ExitCode::from(2),
            _ if self.is_unread() => ExitCode::from(UNREAD),
            Self::Repo(_) | Self::Output(_) => ExitCode::from(3),
        }
    }

    /// Whether whoever read what is written went away.
    fn is_unread(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// At which levels.
#[derive(Args)]
struct Levels {
    /// How rough the world is; without it, at all three levels.
    #[arg(long, value_parser = parse_level())]
    level: Option<Level>,
}

impl Levels {
    fn all(&self) -> Vec<Level> {
        self.level.map_or_else(|| Level::ALL.to_vec(), |level| vec![level])
    }
}

/// What a seed means, and how it is judged.
#[derive(Args)]
struct Manner {
    /// How plans are drawn: an older one as older seeds need it, which `dst/seeds.txt` says of them.
    #[arg(long, value_name = "N", default_value_t, value_parser = parse_edition())]
    edition: Edition,
    /// Expand all that a repository holds, and compare its derived tables with a rebuild, after every commit, and not
    /// after one of 24 (calm: of 192; where what is held stays the same, of eight times as many). It changes nothing of
    /// what happens, and takes two to four times as long.
    #[arg(long)]
    thorough: bool,
}

impl Manner {
    /// All that a seed has.
    fn script(&self, seed: u64, level: Level) -> Script {
        Script::new(seed, level).of_edition(self.edition).under(self.scrutiny())
    }

    fn scrutiny(&self) -> Scrutiny {
        if self.thorough { Scrutiny::Thorough } else { Scrutiny::Sampled }
    }

    /// What a command line has to say of it.
    fn words(&self) -> Words {
        Words::new(self.edition, self.scrutiny())
    }
}

/// Many seeds, each on its own.
#[derive(Args)]
struct Many {
    #[command(flatten)]
    levels: Levels,
    #[command(flatten)]
    manner: Manner,
    #[command(flatten)]
    pool: Pool,
}

impl Many {
    /// Does something with each seed at one level, until `each` breaks.
    fn run<T: Send>(
        &self,
        seeds: &Range<u64>,
        level: Level,
        job: impl Fn(Task, &Templates) -> Result<T, RepoError> + Sync,
        each: impl FnMut(Task, T) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<(), Failure> {
        self.pool.run(self.manner.words(), seeds.clone().map(|seed| (seed, level)), job, each)
    }
}

/// Reads the command line, and does what it says.
pub(crate) fn main() -> ExitCode {
    let out = &mut io::stdout().lock();
    let verdict = match Cli::parse().command {
        Command::Run(command) => command.run(out),
        Command::Sweep(command) => command.run(out),
        Command::Soak(command) => command.run(out),
        Command::Meta(command) => command.run(out),
        Command::Shrink(command) => command.run(out),
        Command::Replay(command) => command.run(out),
    };
    match verdict {
        Ok(Verdict::Fine) => ExitCode::SUCCESS,
        Ok(Verdict::Broken) => ExitCode::FAILURE,
        Err(failure) if failure.is_unread() => failure.code(),
        Err(failure) => {
            let _ = writeln!(io::stderr(), "frond-dst: {failure}");
            failure.code()
        }
    }
}

fn parse_level() -> impl TypedValueParser<Value = Level> {
    let names = PossibleValuesParser::new(Level::ALL.map(Level::name));
    names.try_map(|name| Level::parse(&name).ok_or("no such level"))
}

fn parse_edition() -> impl TypedValueParser<Value = Edition> {
    let names = PossibleValuesParser::new(Edition::ALL.map(|edition| edition.to_string()));
    names.try_map(|name| name.parse().ok().and_then(Edition::of).ok_or("no such edition"))
}

/// Reads a seed.
fn parse_seed(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("that is no seed: write a whole number from 0 to {}, such as 7", u64::MAX))
}

/// Reads `A..B`.
fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let written = format!("write A..B, from seed A on, below seed B (0 to {}), such as 0..1000", u64::MAX);
    let Some((first, end)) = text.split_once("..") else {
        return Err(format!("there is no '..' in it: {written}"));
    };
    let number = |name, text: &str| match text.parse::<u64>() {
        Ok(number) => Ok(number),
        Err(_) if text.is_empty() => Err(format!("there is no {name}: {written}")),
        Err(_) => Err(format!("{name} is '{text}', which is no seed: {written}")),
    };
    let seeds = number("A", first)?..number("B", end)?;
    if seeds.is_empty() {
        Err(format!("there is no seed in it, since B is not greater than A: {written}"))
    } else {
        Ok(seeds)
    }
}
