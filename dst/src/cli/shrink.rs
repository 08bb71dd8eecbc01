//! `frond-dst shrink`: the least that still fails.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::iter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use dst::node::Templates;
use dst::plan::Level;
use dst::script::{self, Item, Script};
use dst::shrink::{End, Player, Shrunk, shrink};
use dst::sim::{self, Outcome};
use repo::RepoError;

use super::clock::Clock;
use super::report::{self, SHOWN};
use super::vigil::{Again, Vigil};
use super::{Failure, Manner, Verdict, parse_level, parse_seed};

/// Find the smallest workload and fault list of a seed that still breaks the same rule.
///
/// Without a level it is the first one at which the seed breaks a rule. Writes a script: a text that `frond-dst replay`
/// runs, and that may be changed by hand.
///
/// Exit codes: 0 there is a script; 2 the seed breaks no rule, the command line is wrong, or FILE cannot be written (which
/// is tried before the search; should it fail after it, the script goes to stdout); 3 the simulator itself failed; 4 a
/// run did not end within a minute.
#[derive(Args)]
pub(super) struct Shrink {
    /// A seed that breaks a rule.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = parse_seed)]
    seed: u64,
    /// How rough the world is; without it, the first level at which the seed breaks a rule.
    #[arg(long, value_parser = parse_level())]
    level: Option<Level>,
    #[command(flatten)]
    manner: Manner,
    /// Where to write the script; without it, to stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Runs at most, from 1 on.
    #[arg(long, value_name = "N", default_value_t = 5_000, allow_negative_numbers = true, value_parser = parse_bound)]
    runs: u64,
    /// Seconds at most, from 1 on.
    #[arg(long, value_name = "S", default_value_t = 300, allow_negative_numbers = true, value_parser = parse_bound)]
    seconds: u64,
    /// For trials where no seed fails: a rule is broken when all of these happened, as in `action 3, hit lose-reply 5.1`. They are
    /// written as in a script, and commas stand between kinds.
    #[arg(long, value_name = "ITEMS", value_delimiter = ',', value_parser = script::planted)]
    plant: Vec<BTreeSet<Item>>,
}

impl Shrink {
    pub(super) fn run(&self, out: &mut impl Write) -> Result<Verdict, Failure> {
        if let Some(path) = &self.output {
            try_to_write(path)?;
        }
        let mut player = Shown {
            templates: Templates::new()?,
            vigil: Vigil::start(Again::Script(self.words())),
            clock: Clock::start(),
            bounds: self,
            told: 0,
        };
        let shrunk = self.shrunk(&mut player)?;
        let text = shrunk.script.text(&notes(&shrunk));
        match &self.output {
            None => write!(out, "{text}")?,
            Some(path) => {
                if let Err(failed) = write_whole(path, &text) {
                    // It took minutes to find.
                    write!(out, "{text}")?;
                    return Err(failed);
                }
                report::script_broken(out, shrunk.outcome, &shrunk.script, path)?;
            }
        }
        Ok(Verdict::Fine)
    }

    /// The words that do the same again. The scripts that it tries are in no file, but it tries the same ones in the same order.
    fn words(&self) -> String {
        let mut words = format!("shrink --seed {}", self.seed);
        if let Some(level) = self.level {
            let _ = write!(words, " --level {}", level.name());
        }
        let _ = write!(words, "{}", self.manner.words());
        let planted: Vec<String> = self.plant.iter().flatten().map(Item::to_string).collect();
        if !planted.is_empty() {
            let _ = write!(words, " --plant '{}'", planted.join(", "));
        }
        if let Some(path) = &self.output {
            let _ = write!(words, " -o {}", report::file(path));
        }
        let _ = write!(words, " --runs {} --seconds {}", self.runs, self.seconds);
        words
    }

    /// The least that fails at the first level at which anything does.
    fn shrunk(&self, player: &mut Shown<'_>) -> Result<Shrunk, Failure> {
        let scripts = self.scripts()?;
        for script in &scripts {
            if let Some(shrunk) = shrink(script, player)? {
                return Ok(shrunk);
            }
        }
        let names: Vec<&str> = scripts.iter().map(|script| script.level.name()).collect();
        let (seed, names) = (self.seed, names.join(", "));
        Err(Failure::Given(format!("seed {seed} breaks no rule at level {names}")))
    }

    /// What is tried: the seed at each level at which it has all that is planted.
    fn scripts(&self) -> Result<Vec<Script>, Failure> {
        let planted: BTreeSet<Item> = self.plant.iter().flatten().copied().collect();
        let levels = self.level.map_or_else(|| Level::ALL.to_vec(), |level| vec![level]);
        let (mut scripts, mut unknown) = (Vec::new(), Vec::new());
        for level in levels {
            let script = Script { planted: planted.clone(), ..self.manner.script(self.seed, level) };
            match script.unknown() {
                None => scripts.push(script),
                Some((item, allowed)) => unknown.push(format!(
                    "--plant: seed {} has no {item} at level {}; of {} it has {allowed}",
                    self.seed,
                    level.name(),
                    item.kind()
                )),
            }
        }
        if scripts.is_empty() { Err(Failure::Given(unknown.join("\n"))) } else { Ok(scripts) }
    }
}

fn parse_bound(text: &str) -> Result<u64, String> {
    let wrong = match text.parse() {
        Ok(0) => "that is too little",
        Ok(number) => return Ok(number),
        Err(_) => "that is no number",
    };
    Err(format!("{wrong}: write a whole number from 1 to {}, such as 100", u64::MAX))
}

/// Finds out whether a file can be written, and leaves all as it was.
fn try_to_write(path: &Path) -> Result<(), Failure> {
    match File::create_new(path) {
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            File::options().write(true).open(path).map(drop)
        }
        Err(error) => Err(error),
    }
    .map_err(|error| unwritten(path, &error))
}

/// Writes a file. One that was not there is not left behind by halves.
fn write_whole(path: &Path, text: &str) -> Result<(), Failure> {
    let is_new = !path.exists();
    fs::write(path, text).map_err(|error| {
        if is_new {
            let _ = fs::remove_file(path);
        }
        unwritten(path, &error)
    })
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::Given(format!("cannot write {}: {error}", path.display()))
}

/// Runs scripts, and says now and then how far it is.
struct Shown<'a> {
    templates: Templates,
    vigil: Vigil,
    clock: Clock,
    bounds: &'a Shrink,
    told: u64,
}

impl Player for Shown<'_> {
    fn play(&mut self, script: &Script) -> Result<Outcome, RepoError> {
        self.vigil.during((script.seed, script.level), || sim::play(script, &self.templates, SHOWN))
    }

    fn is_over(&mut self, runs: u64) -> bool {
        let passed = self.clock.passed();
        if passed.as_secs() >= self.told + 5 {
            self.told = passed.as_secs();
            let _ = writeln!(io::stderr(), "{} s: {runs} runs", self.told);
        }
        runs >= self.bounds.runs || passed >= Duration::from_secs(self.bounds.seconds)
    }
}

/// What a reader of the script wants to know.
fn notes(shrunk: &Shrunk) -> String {
    let mut notes = String::from(
        "Run it by 'frond-dst replay FILE'. What is not named below happens as the seed says.\n",
    );
    if let Some(violation) = &shrunk.outcome.violation {
        let _ = writeln!(notes, "Broken: {violation}");
    }
    let left: Vec<String> = shrunk.outcome.done.iter().map(Item::to_string).collect();
    let end = match shrunk.end {
        End::Least => "nothing more can be left out",
        End::Bound => "perhaps more can be left out: the search ended for its bounds",
    };
    let _ = writeln!(notes, "After {} runs {end}. What is left:", shrunk.runs);
    let options = report::left(&shrunk.outcome);
    for line in options.lines().chain(iter::once(left.join(", ").as_str())) {
        let _ = writeln!(notes, "  {line}");
    }
    notes
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        shrink: Shrink,
    }

    fn words(line: &[&str]) -> String {
        Line::try_parse_from([&["shrink"], line].concat()).expect("a command line").shrink.words()
    }

    #[test]
    fn a_search_is_done_again_by_all_the_words_that_it_had() {
        assert_eq!(words(&["--seed", "7"]), "shrink --seed 7 --runs 5000 --seconds 300");
        let line = [
            "--runs=9",
            "--seconds=8",
            "-o",
            "my least.script",
            "--plant=hit lose-reply 5.1, session 2-3",
            "--thorough",
            "--edition=2",
            "--level=rough",
            "--seed=7",
        ];
        let told = "shrink --seed 7 --level rough --edition 2 --thorough --plant 'hit lose-reply 5.1, session 2, session 3' \
                    -o 'my least.script' --runs 9 --seconds 8";
        assert_eq!(words(&line), told);
    }
}
