//! How much memory a process took at most.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::{Said, line};

/// Peak resident set of a running process in bytes, as Linux counts it. None once it has ended.
pub fn peak(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Runs a command to its end, and says how much memory it took at most.
#[track_caller]
pub fn run(command: &mut Command) -> (Said, u64) {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap_or_else(|error| panic!("cannot run {}: {error}", line(command)));
    let id = child.id();
    let watch = std::thread::spawn(move || {
        let mut most = 0;
        while let Some(now) = peak(id) {
            most = most.max(now);
            std::thread::sleep(Duration::from_millis(2));
        }
        most
    });
    let output = child.wait_with_output().expect("a child that was started can be waited for");
    (Said::new(command, &output), watch.join().expect("the watching thread only reads"))
}
