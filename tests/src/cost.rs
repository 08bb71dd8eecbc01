//! What it costs to run a program.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::memory::peak;
use crate::process::{Said, children, line};

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(3);

/// What one or several programs took, run at the same time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Seconds until the last was done.
    pub wall: f64,
    /// Seconds of all processors.
    pub cpu: f64,
}

/// Runs commands at the same time, each to its end. What they say is for whoever calls to judge.
#[track_caller]
pub fn of(commands: &mut [Command]) -> (Vec<Said>, Cost) {
    let begun = Instant::now();
    let children: Vec<Child> = commands.iter_mut().map(start).collect();
    let mut cost = Cost::default();
    for child in &children {
        // Ended and not waited for, a process still says what it took.
        let id = WaitId::Pid(Pid::from_child(child));
        waitid(id, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).expect("a child can be waited for");
        cost.wall = begun.elapsed().as_secs_f64();
        cost.cpu += processor_seconds(child.id());
    }
    let ended = children.into_iter().map(|child| child.wait_with_output().expect("it has ended"));
    (commands.iter().zip(ended).map(|(command, output)| Said::new(command, &output)).collect(), cost)
}

fn start(command: &mut Command) -> Child {
    // What they say is short: a pipe takes it all.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap_or_else(|error| panic!("cannot run {}: {error}", line(command)))
}

/// What a process and those that it started took of the processors so far, in seconds.
pub fn processor_seconds(id: u32) -> f64 {
    let ticks: u64 = children(id).into_iter().chain([id]).map(ticks).sum();
    ticks as f64 / 100.0
}

/// Hundredths of a second of a process, and of its children that it waited for.
fn ticks(id: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // ID (NAME) STATE ...; the name may hold anything.
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    rest.split_whitespace().skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// The most bytes that any process had in use at a time while `work` ran: those that `roots` are when it begins, and
/// those that they start, by the root.
pub fn peaks<T>(roots: &[u32], work: impl FnOnce() -> T) -> (T, Vec<u64>) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = vec![0; roots.len()];
            while !done.load(Ordering::Relaxed) {
                for (root, most) in roots.iter().zip(&mut most) {
                    let family = children(*root).into_iter().chain([*root]);
                    let now = family.filter_map(|id| Some(peak(id)?.resident)).max();
                    *most = now.unwrap_or(0).max(*most);
                }
                std::thread::sleep(LOOK);
            }
            most
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        (result, watch.join().expect("the watching thread only reads"))
    })
}
