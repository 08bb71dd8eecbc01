//! The same artifacts in a file that stock's `fossil rebuild` then rebuilds: the rows must stay.
//!
//! Needs the program `fossil`, 2.21 or newer.

use std::path::Path;
use std::process::Command;

use repo::{Repo, derived};
use rusqlite::Connection;

use crate::generated::{Temper, shuffled};
use crate::reader::cases;
use crate::support::{Arrival, arrive, empty};

/// What the two versions do not agree about by decision; see `repo::crosslink`.
fn is_decided(title: &str, row: &str) -> bool {
    // A parent tag that stock meets before its check-in.
    title.starts_with("83.") && row.contains("event type=ci")
}

/// In memory where there is such a place: stock waits for the disk at every commit.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn rebuild_by_stock(file: &Path, home: &Path) {
    let output = Command::new("fossil")
        .args(["rebuild", "--quiet"])
        .arg(file)
        .env("HOME", home)
        .env("USER", "me")
        .output()
        .expect("fossil is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Rows that are ours alone (`-`) or alone those that stock's rebuild makes of the same file (`+`).
fn against_stock(repo: &mut Repo, file: &Path) -> Vec<String> {
    let snapshot = repo.snapshot().unwrap();
    let ours = derived::dump(snapshot.conn()).unwrap();
    snapshot.conn().backup("main", file, None::<fn(_)>).unwrap();
    rebuild_by_stock(file, file.parent().unwrap());
    let stocks = derived::dump(&Connection::open(file).unwrap()).unwrap();
    std::fs::remove_file(file).unwrap();
    derived::compare(&ours, &stocks).iter().map(ToString::to_string).collect()
}

#[test]
fn stock_rebuilds_what_arrival_made() {
    let scratch = scratch();
    let mut failures = Vec::new();
    for case in &cases() {
        for arrival in Arrival::ALL {
            let mut repo = empty();
            arrive(&mut repo, case, arrival);
            let mut wrong = against_stock(&mut repo, &scratch.path().join("case.fossil"));
            wrong.retain(|row| !is_decided(&case.title, row));
            if !wrong.is_empty() {
                failures.push(format!("{} {arrival:?}\n  {}", case.title, wrong.join("\n  ")));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn stock_rebuilds_what_arrival_in_any_order_and_batches_made() {
    let scratch = scratch();
    let mut failures = Vec::new();
    for seed in 0..20 {
        let mut repo = shuffled(seed, Temper::Calm);
        let wrong = against_stock(&mut repo, &scratch.path().join("project.fossil"));
        if !wrong.is_empty() {
            failures.push(format!("project {seed}\n  {}", wrong.join("\n  ")));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
