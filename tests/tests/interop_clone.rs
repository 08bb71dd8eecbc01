//! A repository goes from stock to Frond and back to stock, and nothing is lost on the way.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::net::SocketAddr;
use std::path::Path;

use frond_tests::corpus::{Extras, Shape};
use frond_tests::frond::count;
use frond_tests::{Fossil, Frond, Reply, Scratch, Scripted, compare, http, shared, sql};
use xfer::Card;

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

/// A server in front of another: what a client asks for reaches that one reworded, line by line.
fn reworded(server: SocketAddr, reword: fn(&str) -> String) -> Scripted {
    Scripted::start(move |request| {
        let lines: Vec<_> = request.text.lines().map(reword).collect();
        let answer = http::cards(server, "/", lines.join("\n") + "\n");
        Reply::typed(answer.header("content-type").unwrap_or_default(), &answer.body)
    })
}

/// Asks for a batch of the older kind, which brings `file` cards.
fn as_version_2(line: &str) -> String {
    line.replacen("clone 3 ", "clone 2 ", 1)
}

/// Asks for the names of everything, as clients did before there were batches.
fn as_version_1(line: &str) -> String {
    if line.starts_with("clone ") { "clone".to_owned() } else { line.to_owned() }
}

/// Asks in a way that the server does not know, unless it is for the kind of batch before the newest.
fn newest_unknown(line: &str) -> String {
    line.replacen("clone 3 ", "no-such-clone 3 ", 1)
}

/// The same, but no batches are known at all.
fn batches_unknown(line: &str) -> String {
    if line.starts_with("clone ") { format!("no-such-{line}") } else { line.to_owned() }
}

#[test]
fn frond_clones_from_stock_by_the_older_protocols() {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let original = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::All), "original.fossil");
    let stock = fossil.server(&original);
    for (name, reword, asked) in [
        ("2", as_version_2 as fn(&str) -> String, &["clone 3 1"][..]),
        ("1", as_version_1, &["clone 3 1", "clone"]),
        ("no-3", newest_unknown, &["clone 3 1", "clone 2 1"]),
        ("no-batch", batches_unknown, &["clone 3 1", "clone 2 1", "clone"]),
    ] {
        let copy = scratch.file(&format!("{name}.fossil"));
        let server = reworded(stock.address, reword);
        frond.clone(&server.url(), &copy);
        let requests = server.requests();
        let mut purposes: Vec<_> =
            requests.iter().map(|request| request.text.lines().nth(1).unwrap_or_default()).collect();
        // What came meanwhile, and the configuration, are asked for at the end.
        purposes.retain(|purpose| !purpose.starts_with("pull "));
        purposes.dedup();
        assert_eq!(purposes, asked, "{name}: what was asked for, one after the other");
        compare::is_whole_copy(&fossil, &copy, &original);
    }
}

#[test]
fn stock_clones_from_frond_by_the_older_protocols() {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let original = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::All), "original.fossil");
    let ours = frond.server(&original);
    for (name, reword) in [("2", as_version_2 as fn(&str) -> String), ("1", as_version_1)] {
        let copy = scratch.file(&format!("{name}.fossil"));
        let server = reworded(ours.address, reword);
        fossil.clone(&server.url(), &copy);
        let gimmes = server.requests().iter().any(|request| request.text.contains("\ngimme "));
        assert_eq!(gimmes, name == "1", "{name}: batches bring everything, names are asked for");
        compare::is_whole_copy(&fossil, &copy, &original);
    }
}

#[test]
fn replies_of_the_older_clone_protocols_are_those_of_stock() {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let original = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::All), "original.fossil");
    let (ours, theirs) = (frond.server(&original), fossil.server(&original));
    let some = "SELECT uuid FROM blob WHERE size>0 AND rid NOT IN private ORDER BY uuid LIMIT 20";
    let gimmes: String = sql::column(&original, some).iter().map(|name| format!("\ngimme {name}")).collect();
    for (asked, least) in [("clone 2 1", 1000), ("clone", 1000), (&format!("clone{gimmes}"), 20)] {
        let cards = |server: SocketAddr| {
            let version = "pragma client-version 22100 20230226 192424";
            let answer = http::cards(server, "/", format!("{version}\n{asked}\n# 5e3d\n"));
            let message = xfer::decode(&answer.body.into(), &xfer::DecodeLimits::default()).unwrap();
            // The order of the cards is the server's own business; the time in the last line is not the same.
            let cards = message.cards.into_iter().filter(|card| !matches!(card, Card::Comment(_)));
            let mut cards: Vec<_> = cards.map(|card| format!("{card:?}")).collect();
            cards.sort_unstable();
            cards
        };
        let (ours, theirs) = (cards(ours.address), cards(theirs.address));
        assert!(theirs.len() > least, "{} cards for {asked}", theirs.len());
        let differ = ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs);
        assert!(differ.is_none() && ours.len() == theirs.len(), "{asked}: {differ:#?}");
    }
}
