//! Several sessions, servers and programs on one file at once.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use frond_tests::corpus::{Extras, Shape};
use frond_tests::frond::{LOCKED, count};
use frond_tests::{Fossil, Frond, Scratch, compare, shared, sql};

/// Somebody who has begun to write a lot, and does not end.
struct Writer {
    shell: Child,
}

impl Writer {
    /// More than SQLite keeps in memory, so that it goes to the file before the end.
    #[track_caller]
    fn on(file: &Path) -> Self {
        let mut shell = Command::new("sqlite3");
        shell.arg(file).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = shell.spawn().expect("sqlite3 runs");
        let script = b"BEGIN IMMEDIATE; CREATE TABLE fx_noise(x);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<40000)
              INSERT INTO fx_noise SELECT randomblob(1000) FROM n;
            SELECT 'written';\n";
        shell.stdin.as_mut().unwrap().write_all(script).unwrap();
        let mut said = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(shell.stdout.as_mut().unwrap()), &mut said)
            .unwrap();
        assert_eq!(said, "written\n");
        Self { shell }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

fn copies(scratch: &Scratch, count: usize) -> Vec<PathBuf> {
    let stale = shared::corpus(Shape::of(300), 200, Extras::None);
    (0..count).map(|number| scratch.copy(&stale, &format!("copy{number}.fossil"))).collect()
}

#[test]
fn readers_of_a_served_file_do_not_wait_for_a_writer() {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let file = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::None), "file.fossil");
    let server = frond.server(&file);
    let copy = &copies(&scratch, 1)[0];
    frond.pull(&server.url(), copy);
    let writer = Writer::on(&file);
    let stale = &copies(&scratch, 2)[1];
    assert!(count(&frond.pull(&server.url(), stale), "artifacts_received") > 100);
    fossil.clone(&server.url(), &scratch.file("clone.fossil"));
    for command in ["info", "timeline", "ls"] {
        frond.output([command, "-R", &file.to_string_lossy()]);
    }
    drop(writer);
    compare::contents_equal(stale, &file);
    fossil.test_integrity(&file);
}

#[test]
fn a_writer_waits_with_a_bound_and_says_for_whom() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let file = copies(&scratch, 1).remove(0);
    let _writer = Writer::on(&file);
    let said = frond.try_run(["uv", "rm", "x", "-R", &file.to_string_lossy()]);
    assert_eq!(said.code, Some(LOCKED), "{said}");
    assert!(said.stderr.contains("waits") || said.stderr.contains("waiting"), "{said}");
}

/// Every client pushes what the others lack and pulls what they pushed, all at the same time.
#[test]
fn many_clients_push_and_pull_at_once_and_nothing_is_lost() {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let hub = scratch.copy(&shared::corpus(Shape::of(300), 200, Extras::None), "hub.fossil");
    let clients = copies(&scratch, 6);
    for (number, client) in clients.iter().enumerate() {
        for page in 0..5 {
            let text = scratch.write("page.txt", format!("page {page} of client {number}\n"));
            let name = format!("Page-{number}-{page}");
            let words = ["wiki", "create", &name, &text.to_string_lossy(), "-R", &client.to_string_lossy()]
                .map(str::to_owned);
            fossil.output(words);
        }
    }
    // Two servers on one file.
    let servers = [frond.server(&hub), frond.server(&hub)];
    thread::scope(|scope| {
        for (number, client) in clients.iter().enumerate() {
            let url = servers[number % 2].url_as("dev", "pw");
            let (fossil, frond) = (&fossil, &frond);
            scope.spawn(move || {
                // Stock among them.
                if number == 0 {
                    drop(fossil.exchange("sync", &url, client));
                } else {
                    drop(frond.sync(&url, client));
                }
            });
        }
    });
    for client in &clients {
        frond.sync(&servers[0].url_as("dev", "pw"), client);
        compare::contents_equal(client, &hub);
    }
    let pages = sql::number(&hub, "SELECT count(DISTINCT tagname) FROM tag WHERE tagname GLOB 'wiki-Page-*'");
    assert_eq!(pages, 30);
    fossil.test_integrity(&hub);
    compare::derived_tables_equal_after_stock_rebuild(&fossil, &hub);
    frond.verify(&hub);
}

/// A server that ends leaves one file, and nothing beside it that belongs to it.
#[test]
fn a_server_that_was_told_to_end_leaves_the_file_whole_by_itself() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let file = copies(&scratch, 1).remove(0);
    let other = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::None), "other.fossil");
    assert_eq!(sql::column(&file, "PRAGMA journal_mode"), ["delete"]);
    let server = frond.server(&file);
    frond.push(&server.url_as("dev", "pw"), &other);
    assert_eq!(sql::column(&file, "PRAGMA journal_mode"), ["wal"]);
    server.terminate();
    assert_eq!(sql::column(&file, "PRAGMA journal_mode"), ["delete"]);
    for suffix in ["wal", "shm", "journal"] {
        let companion = file.with_extension(format!("fossil-{suffix}"));
        assert!(!companion.exists(), "{}", companion.display());
    }
    compare::contents_equal(&file, &other);
}
