//! Many runs on several threads. What they come to is given in the order of the tasks, whichever was ready first.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;

use clap::Args;
use dst::node::Templates;
use dst::plan::Level;
use repo::RepoError;

use super::Failure;
use super::report::Words;
use super::vigil::{Again, Vigil};

/// A seed at a level.
pub(super) type Task = (u64, Level);

/// How many threads.
#[derive(Args)]
pub(super) struct Pool {
    /// Threads, of which there are never more than four for each core; without it, one for each.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = parse_jobs)]
    jobs: Option<NonZeroUsize>,
}

type Done<T> = (usize, Result<T, RepoError>);

struct Work<I, F> {
    tasks: Mutex<std::iter::Enumerate<I>>,
    job: F,
    is_over: AtomicBool,
}

/// Threads for a core at most: more would do nothing but take memory.
const MOST_FOR_A_CORE: usize = 4;

impl Pool {
    /// As many as were asked for, if there are cores for them.
    fn threads(&self, cores: usize) -> usize {
        self.jobs.map_or(cores, |jobs| jobs.get().min(MOST_FOR_A_CORE * cores))
    }

    /// Does the tasks, until `each` breaks, with templates of its own for each thread. `words` are said of each seed.
    pub(super) fn run<T: Send>(
        &self,
        words: Words,
        tasks: impl Iterator<Item = Task> + Send,
        job: impl Fn(Task, &Templates) -> Result<T, RepoError> + Sync,
        mut each: impl FnMut(Task, T) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<(), Failure> {
        let threads = self.threads(thread::available_parallelism().map_or(1, NonZeroUsize::get));
        let vigil = Vigil::start(Again::Seed(words));
        let with_task = |task, templates: &Templates| {
            vigil.during(task, || job(task, templates)).map(|result| (task, result))
        };
        let templates = (0..threads).map(|_| Templates::new()).collect::<Result<Vec<_>, _>>()?;
        let work =
            Work { tasks: Mutex::new(tasks.enumerate()), job: with_task, is_over: AtomicBool::new(false) };
        thread::scope(|scope| {
            let (sender, results) = mpsc::channel::<Done<(Task, T)>>();
            for templates in templates {
                let (sender, work) = (sender.clone(), &work);
                scope.spawn(move || work.go_on(&templates, &sender));
            }
            drop(sender);
            let end = in_order(results, |(task, result)| each(task, result));
            work.is_over.store(true, Ordering::Relaxed);
            end
        })
    }
}

fn parse_jobs(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| {
        let wrong = if text.parse() == Ok(0) {
            "without a thread nothing runs"
        } else {
            "that is no number of threads"
        };
        format!("{wrong}: write a whole number from 1 on, such as 4")
    })
}

impl<T, I: Iterator<Item = Task>, F: Fn(Task, &Templates) -> Result<T, RepoError>> Work<I, F> {
    fn go_on(&self, templates: &Templates, sender: &Sender<Done<T>>) {
        while let Some((number, task)) = self.next() {
            if sender.send((number, (self.job)(task, templates))).is_err() {
                return;
            }
        }
    }

    fn next(&self) -> Option<(usize, Task)> {
        if self.is_over.load(Ordering::Relaxed) {
            return None;
        }
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).next()
    }
}

/// Gives results by their numbers, which begin with 0.
fn in_order<T>(
    results: impl IntoIterator<Item = Done<T>>,
    mut each: impl FnMut(T) -> Result<ControlFlow<()>, Failure>,
) -> Result<(), Failure> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (number, result) in results {
        early.insert(number, result);
        while let Some(result) = early.remove(&next) {
            next += 1;
            if each(result?)?.is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_tasks() {
        let mut seen = Vec::new();
        let results = [2, 0, 1, 4, 3].map(|number| (number, Ok(number)));
        let end = in_order(results, |number| {
            seen.push(number);
            Ok(if number == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        assert!(end.is_ok());
        assert_eq!(seen, [0, 1, 2, 3]);
    }

    #[test]
    fn there_are_never_more_than_four_threads_for_a_core() {
        for (jobs, cores, threads) in [(0, 3, 3), (1, 3, 1), (8, 2, 8), (9, 2, 8), (usize::MAX, 1, 4)] {
            let pool = Pool { jobs: NonZeroUsize::new(jobs) };
            assert_eq!(pool.threads(cores), threads, "--jobs {jobs} where there are {cores}");
        }
    }

    #[test]
    fn every_task_is_done_once_on_however_many_threads() {
        for jobs in [1, 3] {
            let pool = Pool { jobs: NonZeroUsize::new(jobs) };
            let mut seen = Vec::new();
            let tasks = (0..100).map(|seed| (seed, Level::Calm));
            let end = pool.run(
                Words::default(),
                tasks,
                |(seed, _), _| Ok(seed + 1),
                |(seed, _), next| {
                    seen.push((seed, next));
                    Ok(ControlFlow::Continue(()))
                },
            );
            assert!(end.is_ok());
            assert!(seen.into_iter().eq((0..100).map(|seed| (seed, seed + 1))));
        }
    }
}
