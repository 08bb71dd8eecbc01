//! Watches over runs: one that does not end says nothing of itself, so somebody else has to name its seed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::clock::wait;
use super::pool::Task;
use super::report::{self, Words};

/// Looks in a row between which no run ends, one a second: the longest of all takes a few. They are counted, since whoever stops
/// this process stops both the runs and who looks.
const PATIENCE: u32 = 60;
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// How the command ends then.
pub(super) const ENDLESS: u8 = 4;

/// What does again what is under way.
#[derive(Debug, Clone)]
pub(super) enum Again {
    /// A run of the seed, which has all of it, with these words.
    Seed(Words),
    /// A command of these words: the run is of a script, which may leave something out.
    Script(String),
}

/// Knows which runs are under way. Where none has ended for a minute it names them, and ends the command.
#[derive(Clone)]
pub(super) struct Vigil {
    runs: Arc<Mutex<Runs>>,
}

/// What is under way.
#[derive(Debug)]
struct Runs {
    tasks: BTreeSet<Task>,
    again: Again,
    /// Looks since a run ended, or began while none was under way.
    looks: u32,
}

impl Vigil {
    /// Over runs that are done again in this way.
    pub(super) fn start(again: Again) -> Self {
        let vigil = Self { runs: Arc::new(Mutex::new(Runs::new(again))) };
        let watcher = vigil.clone();
        thread::spawn(move || watcher.watch());
        vigil
    }

    /// Does a run.
    pub(super) fn during<T>(&self, task: Task, run: impl FnOnce() -> T) -> T {
        self.runs().begin(task);
        let result = run();
        self.runs().end(task);
        result
    }

    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self) {
        loop {
            wait(BETWEEN_LOOKS);
            let told = self.runs().look();
            if let Some(told) = told {
                let _ = writeln!(io::stderr(), "frond-dst: {told}");
                process::exit(ENDLESS.into());
            }
        }
    }
}

impl Runs {
    fn new(again: Again) -> Self {
        Self { tasks: BTreeSet::new(), again, looks: 0 }
    }

    fn begin(&mut self, task: Task) {
        if self.tasks.is_empty() {
            self.looks = 0;
        }
        self.tasks.insert(task);
    }

    fn end(&mut self, task: Task) {
        self.looks = 0;
        self.tasks.remove(&task);
    }

    /// Names what is under way, if none of it has ended for too long.
    fn look(&mut self) -> Option<String> {
        self.looks = self.looks.saturating_add(1);
        if self.tasks.is_empty() || self.looks < PATIENCE {
            return None;
        }
        let mut text = format!("no run has ended for {PATIENCE} s, under way:");
        let of = match self.again {
            Again::Seed(_) => "",
            Again::Script(_) => "a script of ",
        };
        for (number, (seed, level)) in self.tasks.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            let _ = write!(text, "{comma} {of}seed {seed} {}", level.name());
        }
        for command in self.commands() {
            let _ = write!(text, "\nagain: {command}");
        }
        Some(text)
    }

    fn commands(&self) -> Vec<String> {
        match &self.again {
            Again::Seed(words) => {
                self.tasks.iter().map(|&(seed, level)| report::run(seed, level, *words)).collect()
            }
            Again::Script(words) => vec![report::command(words)],
        }
    }
}

#[cfg(test)]
mod tests {
    use dst::plan::{Edition, Level};
    use dst::script::Scrutiny;

    use super::*;

    /// What the look says that is one too many.
    fn told(again: Again, task: Task) -> Option<String> {
        let mut runs = Runs::new(again);
        runs.begin(task);
        (0..PATIENCE).find_map(|_| runs.look())
    }

    #[test]
    fn what_is_under_way_is_named_when_nothing_has_ended_for_a_minute() {
        let mut runs = Runs::new(Again::Seed(Words::default()));
        let looks = |runs: &mut Runs, times: u32| (0..times).filter_map(|_| runs.look()).next();
        assert_eq!(looks(&mut runs, 500), None, "nothing is under way");
        runs.begin((7, Level::Rough));
        assert_eq!(looks(&mut runs, 30), None);
        runs.begin((6, Level::Calm));
        assert_eq!(looks(&mut runs, 29), None);
        let again = "\nagain: cargo run --release -p frond-dst -- run --seed";
        let told = "no run has ended for 60 s, under way: seed 6 calm, seed 7 rough".to_owned()
            + &format!("{again} 6 --level calm --trace{again} 7 --level rough --trace");
        assert_eq!(looks(&mut runs, 1), Some(told));
        runs.end((6, Level::Calm));
        assert_eq!(looks(&mut runs, 59), None);
        let told =
            format!("no run has ended for 60 s, under way: seed 7 rough{again} 7 --level rough --trace");
        assert_eq!(looks(&mut runs, 1), Some(told));
    }

    #[test]
    fn the_command_has_all_the_words_that_the_run_had() {
        let words = Words::new(Edition::Second, Scrutiny::Thorough);
        let expected = "no run has ended for 60 s, under way: seed 7 rough\nagain: cargo run --release -p frond-dst -- \
                        run --seed 7 --level rough --edition 2 --thorough --trace";
        assert_eq!(told(Again::Seed(words), (7, Level::Rough)).as_deref(), Some(expected));
    }

    #[test]
    fn a_script_is_run_again_by_what_ran_it_and_not_by_its_seed() {
        let again = Again::Script("replay a.script".to_owned());
        let expected = "no run has ended for 60 s, under way: a script of seed 7 rough\n\
                        again: cargo run --release -p frond-dst -- replay a.script";
        assert_eq!(told(again, (7, Level::Rough)).as_deref(), Some(expected));
    }

    #[test]
    fn a_run_gives_what_it_came_to_and_is_no_longer_under_way() {
        let vigil = Vigil::start(Again::Seed(Words::default()));
        let seen = vigil.during((1, Level::Calm), || vigil.runs().tasks.len());
        assert_eq!((seen, vigil.runs().tasks.len()), (1, 0));
    }
}
