//! What it costs to run a program.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::memory::peak;
use crate::process::{Said, children, line, read};

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
    let children: Vec<Started> = commands.iter_mut().map(Started::new).collect();
    let mut cost = Cost::default();
    for Started { child, .. } in &children {
        // Ended and not waited for, a process still says what it took.
        let id = WaitId::Pid(Pid::from_child(child));
        waitid(id, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).expect("a child can be waited for");
        cost.wall = begun.elapsed().as_secs_f64();
        cost.cpu += processor_seconds(child.id());
    }
    let ended = commands.iter().zip(children);
    (ended.map(|(command, started)| started.end(command)).collect(), cost)
}

/// A program that runs, and what it says meanwhile: more than a pipe takes.
struct Started {
    child: Child,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
}

impl Started {
    #[track_caller]
    fn new(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn();
        let mut child = child.unwrap_or_else(|error| panic!("cannot run {}: {error}", line(command)));
        let (stdout, stderr) = (child.stdout.take().map(read), child.stderr.take().map(read));
        Self { child, stdout: stdout.expect("a pipe"), stderr: stderr.expect("a pipe") }
    }

    fn end(mut self, command: &Command) -> Said {
        let code = self.child.wait().expect("a child that was started can be waited for").code();
        let text = |thread: JoinHandle<String>| thread.join().unwrap_or_default();
        Said { command: line(command), code, stdout: text(self.stdout), stderr: text(self.stderr) }
    }
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
