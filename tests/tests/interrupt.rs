//! A command that is interrupted (^C, SIGTERM) leaves only what the next one goes on from.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use frond_tests::corpus::PROJECT;
use frond_tests::{Fossil, Frond, Reply, Said, Scratch, Scripted};

const SIGNALS: [(&str, i32); 2] = [("INT", 130), ("TERM", 143)];

/// Starts a command, signals it once the server has `requests` requests, and gives how it ended.
#[track_caller]
fn interrupt(command: &mut Command, signal: &str, server: &Scripted, requests: usize) -> Said {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while server.requests().len() < requests {
        let ended = child.try_wait().unwrap();
        assert_eq!(
            ended,
            None,
            "it ended by itself\n{}",
            Said::new(command, &child.wait_with_output().unwrap())
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    send(signal, &child);
    let output = child.wait_with_output().unwrap();
    Said::new(command, &output)
}

fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_clone_that_is_interrupted_before_anything_came_leaves_nothing() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    for (signal, code) in SIGNALS {
        let server = Scripted::start(|_| Reply::Stall(Vec::new()));
        let copy = scratch.file("copy.fossil");
        let mut command = frond.command(["clone", &server.url(), &copy.to_string_lossy()]);
        let said = interrupt(&mut command, signal, &server, 1);
        assert_eq!(said.code, Some(code), "{said}");
        assert!(said.stderr.contains("interrupted; run the same command again to go on"), "{said}");
        assert_eq!(said.stderr.trim().lines().count(), 1, "{said}");
        assert_eq!(files(scratch.path()), Vec::<String>::new(), "{said}");
    }
}

#[test]
fn a_clone_that_is_interrupted_later_leaves_what_came_and_tells_how_to_finish_it() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let copy = scratch.file("copy.fossil");
    // One artifact, and more to come; then silence.
    let cards = format!(
        "push {} {PROJECT}\nfile a9993e364706816aba3e25717850c26c9cd0d89d 3\nabc\nclone_seqno 7\n# timestamp 2026-11-21T00:00:00 errors 0\n",
        "5e".repeat(20)
    );
    let server = Scripted::start(move |request| match request.number {
        1 => Reply::cards(cards.clone()),
        _ => Reply::Stall(Vec::new()),
    });
    let words = ["clone", "--private", "--json", &server.url(), &copy.to_string_lossy()];
    let said = interrupt(&mut frond.command(words), "INT", &server, 2);
    assert_eq!(said.code, Some(130), "{said}");
    let object: serde_json::Value = serde_json::from_str(said.stdout.trim()).unwrap();
    assert_eq!((object["type"].as_str(), object["code"].as_i64()), (Some("error"), Some(130)), "{said}");
    assert_eq!(object["hint"], "run the same command again to go on", "{said}");
    assert_eq!(files(scratch.path()), [".copy.fossil.frond-clone"], "{said}");

    let other = frond.try_run(["clone", &server.url(), &copy.to_string_lossy()]);
    assert_eq!(other.code, Some(1), "{other}");
    assert!(other.stderr.contains(&format!("frond clone --private {}", server.url())), "{other}");
    assert_eq!(files(scratch.path()), [".copy.fossil.frond-clone"], "{other}");
}

#[test]
fn a_pull_that_is_interrupted_changes_nothing() {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let file = scratch.file("file.fossil");
    fossil.new_repository(&file, PROJECT);
    let before = std::fs::read(&file).unwrap();
    for (signal, code) in SIGNALS {
        let server = Scripted::start(|_| Reply::Stall(Vec::new()));
        let mut command = frond.command(["pull", &server.url(), "-R", &file.to_string_lossy()]);
        let said = interrupt(&mut command, signal, &server, 1);
        assert_eq!(said.code, Some(code), "{said}");
        assert!(std::fs::read(&file).unwrap() == before, "the file changed\n{said}");
    }
}
