//! How much memory a process took at most.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::{Said, line, within};

/// What a process took at most, in bytes, as Linux counts it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Peak {
    /// What was in use at a time: the resident set.
    pub resident: u64,
    /// What it asked the system for, used or not: the address space.
    pub reserved: u64,
}

/// The peak so far of a running process. None once it has ended.
pub fn peak(id: u32) -> Option<Peak> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let bytes = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kilobytes * 1024)
    };
    Some(Peak { resident: bytes("VmHWM:")?, reserved: bytes("VmPeak:")? })
}

/// Runs a command to its end, and says how much memory it took at most.
#[track_caller]
pub fn run(command: &mut Command) -> (Said, Peak) {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap_or_else(|error| panic!("cannot run {}: {error}", line(command)));
    let id = child.id();
    let watch = std::thread::spawn(move || {
        let mut most = Peak::default();
        while let Some(now) = peak(id) {
            most = now;
            std::thread::sleep(Duration::from_millis(2));
        }
        most
    });
    let output = child.wait_with_output().expect("a child that was started can be waited for");
    (Said::new(command, &output), watch.join().expect("the watching thread only reads"))
}

/// The same command, which the system gives no more than so many bytes of address space, used or not. One that
/// asks for more is ended by a signal.
pub fn limited(command: &Command, bytes: u64) -> Command {
    let script = format!("ulimit -v {} && exec \"$0\" \"$@\"", bytes / 1024);
    within("sh", ["-c", &script], command)
}
