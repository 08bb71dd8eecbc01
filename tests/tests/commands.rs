//! What commands say: JSON, `-v`, the log of a server, the timeline.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use frond_tests::corpus::{Extras, PROJECT, Shape};
use frond_tests::frond::{FAILED, USAGE};
use frond_tests::{Fossil, Frond, Said, Scratch, compare, http, shared, sql, terminal};
use serde_json::Value;

/// The objects on stdout, a line each, every one with its schema number.
#[track_caller]
fn objects(said: &Said) -> Vec<Value> {
    let read = |line: &str| -> Value {
        let value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}\n{said}"));
        assert!(line.starts_with(r#"{"schema":1,"#) && line.matches(r#""schema""#).count() == 1, "{said}");
        value
    };
    said.stdout.lines().map(read).collect()
}

#[test]
fn every_json_answer_carries_its_schema() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let whole = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::All), "whole.fossil");
    let server = frond.server(&whole);
    let (copy, new) = (scratch.file("copy.fossil"), scratch.file("new.fossil"));
    let (copy, new) = (copy.to_string_lossy(), new.to_string_lossy());
    let some = frond.output(["timeline", "-n", "1", "-t", "ci", "--json", "-R", &whole.to_string_lossy()]);
    let some: Value = serde_json::from_str(&some).unwrap();
    let commands: [&[&str]; 12] = [
        &["clone", &server.url(), &copy],
        &["pull", "-R", &copy],
        &["new", &new],
        &["info", "-R", &copy],
        &["timeline", "-R", &copy],
        &["ls", "-R", &copy],
        &["artifact", some["hash"].as_str().unwrap(), "-R", &copy],
        &["verify", "-R", &copy],
        &["rebuild", "-R", &copy],
        &["ls", "no-such-checkin", "-R", &copy],
        &["artifact", "no-such-artifact", "-R", &copy],
        &["info", "-R", "no-such-file"],
    ];
    for words in commands {
        let said = frond.try_run([&["--json"], words].concat());
        assert!(!objects(&said).is_empty(), "{said}");
    }
}

#[test]
fn a_wrong_command_line_is_told_in_json_to_who_wants_json() {
    let frond = Frond::new();
    for words in [&["info", "--json"][..], &["--json", "frobnicate"], &["ls", "-json", "--frobnicate"]] {
        let said = frond.try_run(words);
        assert_eq!(said.code, Some(USAGE), "{said}");
        let told = objects(&said);
        assert_eq!((told.len(), &told[0]["type"]), (1, &Value::from("error")), "{said}");
        assert_eq!(told[0]["code"], USAGE, "{said}");
        assert_eq!(said.stderr.lines().count(), 1, "{said}");
    }
    let said = frond.try_run(["info"]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(USAGE), ""), "{said}");
    assert!(said.stderr.contains("Usage:"), "{said}");
}

#[test]
fn an_empty_timeline_says_so() {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let file = scratch.file("file.fossil");
    fossil.new_repository(&file, PROJECT);
    let path = file.to_string_lossy();
    let said = frond.try_run(["timeline", "-t", "f", "-R", &path]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), ""), "{said}");
    assert!(said.stderr.contains("nothing of this type"), "{said}");
    let said = frond.try_run(["timeline", "-t", "f", "-R", &path, "--json"]);
    assert_eq!((said.code, said.all().as_str()), (Some(0), ""), "{said}");
}

/// Stock's lines, without what Frond does not tell, and without its own order of what happened at one time.
fn timeline(text: &str) -> Vec<String> {
    let marks = ["*MERGE* ", "*FORK* ", "*BRANCH* ", "*UNPUBLISHED* "];
    let plain = |line: &str| marks.iter().fold(line.to_owned(), |line, mark| line.replace(mark, ""));
    let mut lines: Vec<_> = text.lines().filter(|line| !line.starts_with("+++")).map(plain).collect();
    lines.sort();
    lines
}

#[test]
fn the_timeline_tells_what_stock_tells() {
    let (fossil, frond) = (Fossil::new(), Frond::new());
    let file = shared::corpus(Shape::of(300), 300, Extras::All);
    let path = file.to_string_lossy();
    let ours = frond.output(["timeline", "-n", "0", "-R", &path]);
    let stocks = fossil.output(["timeline", "-n", "0", "-W", "0", "-R", &path]);
    let (ours, stocks) = (timeline(&ours), timeline(&stocks));
    for (ours, stocks) in ours.iter().zip(&stocks) {
        assert_eq!(ours, stocks);
    }
    assert_eq!(ours.len(), stocks.len());
    for words in ["Add wiki page \"", "Edit to wiki page \"", "tags: "] {
        assert!(ours.iter().any(|line| line.contains(words)), "no {words}");
    }
}

#[test]
fn verbose_tells_every_round() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let server = frond.server(&shared::corpus(Shape::of(300), 300, Extras::None));
    let copy = scratch.file("copy.fossil");
    let path = copy.to_string_lossy();
    for words in [
        &["clone", "-v", &server.url(), &path][..],
        &["pull", "-v", "--json", "-R", &path],
        &["pull", "-v", "--log-format", "json", "-R", &path],
    ] {
        let said = frond.try_run(words);
        assert_eq!(said.code, Some(0), "{said}");
        // Where it takes long, lines of progress come between.
        let is_round = |line: &&str| line.contains("round ") && line.contains(": sent ");
        let rounds: Vec<_> = said.stderr.lines().filter(is_round).collect();
        assert!(rounds[0].contains("round 1: sent 0 artifacts, "), "{said}");
        for word in ["INFO", "received ", " gimme", " igot", " bytes"] {
            assert!(rounds.iter().all(|line| line.contains(word)), "no {word}\n{said}");
        }
        if words.contains(&"--log-format") {
            assert!(rounds.iter().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{said}");
        }
        let silent = frond.try_run([words, &["-q"]].concat());
        assert_eq!(silent.stderr.lines().filter(|line| line.contains("round ")).count(), 0, "{silent}");
    }
}

#[test]
fn a_verbose_server_logs_a_line_a_request_and_no_query() {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let file = scratch.file("file.fossil");
    fossil.new_repository(&file, PROJECT);
    let log = served_once(&frond, &file, "/nowhere?token=hush");
    for word in ["127.0.0.1", "GET", "/nowhere", "404", "milliseconds"] {
        assert!(log.contains(word), "no {word}: {log}");
    }
    assert!(!log.contains("hush") && !log.contains("token"), "{log}");
}

#[test]
fn a_server_names_the_damaged_artifact_that_it_cannot_send() {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let damaged = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::None), "damaged.fossil");
    let first = "SELECT uuid FROM blob WHERE rid=(SELECT min(objid) FROM event)";
    let hash = sql::column(&damaged, first).remove(0);
    sql::execute(&damaged, &format!("UPDATE blob SET content=x'000000ff00112233' WHERE uuid='{hash}'"));
    let empty = scratch.file("empty.fossil");
    fossil.new_repository(&empty, PROJECT);
    let server = frond.server(&damaged);
    let said = frond.try_run(["pull", &server.url(), "-R", &empty.to_string_lossy()]);
    assert_eq!(said.code, Some(FAILED), "{said}");
    let log = server.stop();
    assert!(log.contains(&hash), "{log}");
}

/// What `serve -v` logs of one GET request.
fn served_once(frond: &Frond, file: &Path, target: &str) -> String {
    let words = ["serve", "-v", "--json", "--listen", "127.0.0.1:0", &file.to_string_lossy()];
    let mut command = frond.command(words);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let listening: Value = serde_json::from_str(&line).unwrap();
    let url: String = listening["url"].as_str().unwrap().to_owned();
    let address = url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    http::send(address, request.as_bytes());
    let mut log = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut log).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    log
}

#[test]
fn a_clone_shows_on_a_terminal_how_far_it_is() {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let whole = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::None), "whole.fossil");
    let server = fossil.server(&whole);
    let copy = scratch.file("copy.fossil");
    let shown = terminal::run(&frond.command(["clone", &server.url(), &copy.to_string_lossy()]), &[]);
    assert!(shown.contains("round 1: 0 artifacts, 0 B received, 0 B sent"), "{shown}");
    // The bar says what the summary does, before it is taken away.
    let number = |label: &str| -> u64 {
        let (_, rest) = shown.rsplit_once(label).unwrap_or_else(|| panic!("no {label:?}\n{shown}"));
        rest.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap()
    };
    let held = compare::artifacts(&copy).len() as u64;
    assert_eq!(number("Artifacts sent: 0  received: "), held, "{shown}");
    let (rounds, sent, received) =
        (number("Round-trips: "), number("wire bytes sent: "), number("received: "));
    let kib = received as f64 / 1024.0;
    let last = format!("round {rounds}: {held} artifacts, {kib:.2} KiB received, {sent} B sent");
    assert!(shown.contains(&last), "{last}\n{shown}");
}
