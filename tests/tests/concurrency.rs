//! Several sessions, servers and programs on one file at once.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "what fails here is the finding")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use frond_tests::corpus::{Extras, Shape};
use frond_tests::frond::{LOCKED, count};
use frond_tests::{Fossil, Frond, Scratch, compare, memory, shared, sql};

const PUSHERS: usize = 32;
/// So many of them are stock, and one of those who pull.
const STOCK_PUSHERS: usize = 2;
const PULLERS: usize = 8;
const CHECKINS_EACH: usize = 3;
/// What a server of a small repository may take, however many there are.
const SERVER_BYTES: u64 = 100 << 20;

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

/// Makes check-ins on a branch of one's own.
#[track_caller]
fn check_in(frond: &Frond, scratch: &Scratch, file: &Path, who: usize) {
    let dir = scratch.dir(&format!("files-{who}"));
    for number in 0..CHECKINS_EACH {
        let name = format!("client-{who}.txt");
        std::fs::write(dir.join(&name), format!("check-in {number} of client {who}\n")).unwrap();
        let (text, branch) = (format!("{number} of {who}"), format!("client-{who}"));
        let mut command = frond.command(["commit", &name, "-m", &text, "--user", "dev"]);
        if number == 0 {
            command.args(["--branch", &branch, "--parent", "trunk"]);
        } else {
            command.args(["--branch", &branch]);
        }
        let said = frond_tests::frond::run(command.arg("-R").arg(file).current_dir(&dir));
        assert_eq!(said.code, Some(0), "{said}");
    }
}

/// What each pushes the others lack, and all of it goes to one server at the same time.
#[test]
fn many_clients_push_and_pull_at_once_and_nothing_is_lost() {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let hub = scratch.copy(&shared::corpus(Shape::of(300), 200, Extras::None), "hub.fossil");
    let clients = copies(&scratch, PUSHERS + PULLERS);
    let (pushers, pullers) = clients.split_at(PUSHERS);
    let count_checkins = |file: &Path| sql::number(file, "SELECT count(*) FROM event WHERE type='ci'");
    let count_all = |file: &Path| compare::artifacts(file).difference(&compare::clusters(file)).count();
    let before = (count_all(&hub), count_checkins(&hub));
    thread::scope(|scope| {
        for (who, client) in pushers.iter().enumerate() {
            let (frond, scratch) = (&frond, &scratch);
            scope.spawn(move || check_in(frond, scratch, client, who));
        }
    });
    let server = frond.server(&hub);
    let url = server.url_as("dev", "pw");
    let start = Instant::now();
    thread::scope(|scope| {
        let (frond, url) = (&frond, &url);
        for (who, client) in pushers.iter().enumerate() {
            scope.spawn(move || match who {
                // Each in a home of its own: stock fails if two make the same one.
                ..STOCK_PUSHERS => drop(Fossil::new().exchange("push", url, client)),
                _ => drop(frond.push(url, client)),
            });
        }
        for (who, client) in pullers.iter().enumerate() {
            scope.spawn(move || {
                for _ in 0..3 {
                    match who {
                        0 => drop(Fossil::new().pull(url, client)),
                        _ => drop(frond.pull(url, client)),
                    }
                }
            });
        }
    });
    let (seconds, peak) = (start.elapsed().as_secs_f64(), memory::peak(server.id()).unwrap().resident);
    let checkins = count_checkins(&hub) - before.1;
    println!(
        "{PUSHERS} clients pushed {checkins} check-ins and {PULLERS} pulled in {seconds:.1} s, {:.1} MB at the server",
        peak as f64 / f64::from(1 << 20)
    );
    assert_eq!(checkins, (PUSHERS * CHECKINS_EACH) as i64);
    // A manifest and a file each.
    assert_eq!(count_all(&hub), before.0 + 2 * PUSHERS * CHECKINS_EACH);
    for client in pushers {
        compare::holds_all_of(&hub, client);
    }
    for client in pullers {
        frond.pull(&url, client);
        compare::contents_equal(client, &hub);
    }
    assert!(peak <= SERVER_BYTES, "the server took {} MB", peak >> 20);
    fossil.test_integrity(&hub);
    compare::derived_tables_equal_after_stock_rebuild(&fossil, &hub);
    frond.verify(&hub);
}

/// Every client pushes what the others lack and pulls what they pushed, all at the same time.
#[test]
fn clients_of_two_servers_of_one_file_lose_nothing() {
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
