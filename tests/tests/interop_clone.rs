//! A repository goes from stock to Frond and back to stock, and nothing is lost on the way.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::path::Path;

use frond_tests::corpus::{Extras, Shape};
use frond_tests::frond::count;
use frond_tests::{Fossil, Frond, Scratch, compare, shared, sql};

/// Stock serves, Frond clones and serves its clone, stock clones that.
#[track_caller]
fn goes_round(original: &Path) {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let (first, second) = (scratch.file("frond.fossil"), scratch.file("stock.fossil"));
    let stock = fossil.server(original);
    let summary = frond.clone(&stock.url(), &first);
    assert_eq!(count(&summary, "artifacts_received"), compare::artifacts(original).len() as u64, "{summary}");
    compare::is_whole_copy(&fossil, &first, original);
    frond.verify(&first);
    let ours = frond.server(&first);
    fossil.clone(&ours.url(), &second);
    compare::is_whole_copy(&fossil, &second, original);
}

#[test]
fn every_kind_of_artifact_goes_round() {
    let original = shared::corpus(Shape::of(300), 300, Extras::All);
    let scratch = Scratch::new();
    goes_round(&scratch.copy(&original, "original.fossil"));
}

#[test]
fn two_thousand_checkins_go_round() {
    let original = shared::corpus(Shape::of(2000), 2000, Extras::None);
    let scratch = Scratch::new();
    goes_round(&scratch.copy(&original, "original.fossil"));
}

#[test]
fn frond_clones_from_frond() {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let original = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::All), "original.fossil");
    let copy = scratch.file("copy.fossil");
    let server = frond.server(&original);
    frond.clone(&server.url(), &copy);
    compare::is_whole_copy(&fossil, &copy, &original);
}

#[test]
fn a_clone_brings_no_private_artifact_and_no_password() {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let original = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::All), "original.fossil");
    let hidden = sql::column(&original, "SELECT uuid FROM blob WHERE rid IN private");
    assert!(!hidden.is_empty());
    for server in [fossil.server(&original), frond.server(&original)] {
        let scratch = Scratch::new();
        let copy = scratch.file("copy.fossil");
        frond.clone(&server.url(), &copy);
        for name in &hidden {
            assert_eq!(
                sql::number(&copy, &format!("SELECT count(*) FROM blob WHERE uuid='{name}' AND size>=0")),
                0
            );
        }
        assert_eq!(sql::number(&copy, "SELECT count(*) FROM user WHERE login='dev' AND pw<>''"), 0);
        drop(server);
    }
}

#[test]
fn stock_and_frond_both_go_on_with_a_file_that_frond_cloned() {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let original = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::None), "original.fossil");
    let copy = scratch.file("copy.fossil");
    let server = fossil.server(&original);
    frond.clone(&server.url(), &copy);
    // The URL is remembered as stock does it, so neither needs it again.
    let path = copy.to_string_lossy();
    let said = fossil.output(["pull", "-R", &path]);
    assert!(said.contains("received: 0"), "{said}");
    frond.output(["pull", "-R", &path]);
    fossil.output(["timeline", "-R", &path]);
    let checkout = scratch.dir("checkout");
    fossil.output_in(&checkout, ["open", &path]);
    std::fs::write(checkout.join("new.txt"), "new\n").unwrap();
    fossil.output_in(&checkout, ["add", "new.txt"]);
    fossil.output_in(
        &checkout,
        ["commit", "-m", "by stock, in a clone of Frond's", "--no-warnings", "--nosync"],
    );
    fossil.test_integrity(&copy);
    frond.verify(&copy);
    compare::derived_tables_equal_after_stock_rebuild(&fossil, &copy);
}

#[test]
fn older_clone_protocols_of_stock_servers_and_clients_still_work() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let original = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::None), "original.fossil");
    let server = frond.server(&original);
    let all = compare::artifacts(&original);
    let ask = |cards: &str| {
        let text = format!("{}{cards}\n# 5e3d\n", "pragma client-version 22100 20230226 192424\n");
        frond_tests::http::cards(server.address, "/", text).text()
    };
    let version_2 = ask("clone 2 1");
    assert!(
        version_2.contains("\nfile ")
            && version_2.contains("clone_seqno ")
            && !version_2.contains("\ncfile ")
    );
    let version_1 = ask("clone");
    let announced = version_1.lines().filter_map(|line| line.strip_prefix("igot ")).map(str::to_owned);
    assert_eq!(announced.collect::<std::collections::BTreeSet<_>>(), all);
    assert!(version_1.contains("\npush "), "every clone reply has its push card");
}
