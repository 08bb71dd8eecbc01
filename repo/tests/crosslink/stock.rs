//! The same artifacts in a file that stock's `fossil rebuild` then rebuilds: the rows must stay.
//!
//! Needs the program `fossil`, 2.21 or newer.

use std::path::Path;
use std::process::Command;

use repo::derived;
use rusqlite::Connection;

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

#[test]
fn stock_rebuilds_what_arrival_made() {
    let scratch = scratch();
    let mut failures = Vec::new();
    for (number, case) in cases().iter().enumerate() {
        for arrival in Arrival::ALL {
            let file = scratch.path().join(format!("{number}{arrival:?}.fossil"));
            let mut repo = empty();
            arrive(&mut repo, case, arrival);
            let snapshot = repo.snapshot().unwrap();
            let ours = derived::dump(snapshot.conn()).unwrap();
            snapshot.conn().backup("main", &file, None::<fn(_)>).unwrap();
            rebuild_by_stock(&file, scratch.path());
            let stocks = derived::dump(&Connection::open(&file).unwrap()).unwrap();
            let wrong: Vec<String> = derived::compare(&ours, &stocks)
                .iter()
                .map(ToString::to_string)
                .filter(|row| !is_decided(&case.title, row))
                .collect();
            if !wrong.is_empty() {
                failures.push(format!("{} {arrival:?}\n  {}", case.title, wrong.join("\n  ")));
            }
            std::fs::remove_file(&file).unwrap();
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
