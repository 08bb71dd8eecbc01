//! Clone, pull and serve stay within 100 MB and 2.5 times the largest artifact, at the sizes that are tried here.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "what fails here is the finding")]

use std::path::{Path, PathBuf};

use frond_tests::corpus::{Extras, PROJECT, Shape};
use frond_tests::memory::{Peak, peak, run};
use frond_tests::rng::Rng;
use frond_tests::{Fossil, Frond, Scratch, Server, compare, shared, sql};

const LARGE_BYTES: usize = 100_000_000;

fn bound(file: &Path) -> u64 {
    let largest = sql::number(file, "SELECT max(size) FROM blob");
    (100 << 20) + u64::try_from(largest).unwrap() * 5 / 2
}

/// A repository with three artifacts of 100 MB that do not compress.
fn large() -> PathBuf {
    shared::once("large-1.fossil", |file| {
        let (fossil, scratch) = (Fossil::new(), Scratch::new());
        fossil.new_repository(file, PROJECT);
        let checkout = scratch.dir("checkout");
        fossil.output_in(&checkout, ["open", &file.to_string_lossy()]);
        for number in 0..3u64 {
            let content = Rng::new(number).bytes(LARGE_BYTES);
            std::fs::write(checkout.join(format!("large-{number}.bin")), content).unwrap();
        }
        fossil.output_in(&checkout, ["add", "large-0.bin", "large-1.bin", "large-2.bin"]);
        fossil.output_in(&checkout, ["commit", "-m", "three large files", "--no-warnings"]);
        fossil.output_in(&checkout, ["close", "--force"]);
    })
}

/// An empty repository of the same project, to pull into.
fn empty(fossil: &Fossil, scratch: &Scratch) -> PathBuf {
    let file = scratch.file("empty.fossil");
    fossil.new_repository(&file, PROJECT);
    file
}

#[track_caller]
fn within(what: &str, peak: Peak, bound: u64) {
    let bytes = peak.resident;
    println!("{what}: {} MB of {} MB", bytes >> 20, bound >> 20);
    assert!(bytes <= bound, "{what} took {} MB, {} MB are allowed", bytes >> 20, bound >> 20);
}

#[track_caller]
fn client_stays_within(server: &Server, original: &Path) {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let bound = bound(original);
    let copy = scratch.file("copy.fossil");
    let (said, peak) = run(&mut frond.command(["clone", "-q", &server.url(), &copy.to_string_lossy()]));
    assert_eq!(said.code, Some(0), "{said}");
    within("clone", peak, bound);
    compare::artifact_lists_equal(&copy, original);
    let stale = empty(&fossil, &scratch);
    let (said, peak) = run(&mut frond.command(["pull", "-q", &server.url(), "-R", &stale.to_string_lossy()]));
    assert_eq!(said.code, Some(0), "{said}");
    within("pull", peak, bound);
    compare::holds_all_of(&stale, original);
}

#[track_caller]
fn server_stays_within(original: &Path) {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let server = frond.server(original);
    let copy = scratch.file("stock.fossil");
    fossil.clone(&server.url(), &copy);
    compare::artifact_lists_equal(&copy, original);
    let stale = empty(&fossil, &scratch);
    fossil.pull(&server.url(), &stale);
    client_stays_within(&server, original);
    within("serve", peak(server.id()).expect("the server still runs"), bound(original));
}

#[test]
fn two_thousand_checkins() {
    let scratch = Scratch::new();
    let original = scratch.copy(&shared::corpus(Shape::of(2000), 2000, Extras::None), "original.fossil");
    server_stays_within(&original);
    let server = Fossil::new().server(&original);
    client_stays_within(&server, &original);
}

#[test]
fn three_artifacts_of_100_mb() {
    let scratch = Scratch::new();
    let original = scratch.copy(&large(), "original.fossil");
    server_stays_within(&original);
    let server = Fossil::new().server(&original);
    client_stays_within(&server, &original);
}
