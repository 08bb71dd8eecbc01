//! A stale clone catches up, whoever is at the other end, and a second pull moves nothing.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use frond_tests::corpus::{Extras, Shape};
use frond_tests::frond::{REFUSED, count};
use frond_tests::leaf::{check_in, open_repository};
use frond_tests::{Fossil, Frond, Pair, Proxy, Scratch, Server, compare, shared};

#[track_caller]
fn frond_catches_up(pair: &Pair, server: &Server) {
    let missing = pair.missing();
    let first = pair.frond.pull(&server.url(), &pair.behind);
    assert!(count(&first, "artifacts_received") >= missing, "{first}");
    pair.caught_up();
    pair.frond.verify(&pair.behind);
    let second = pair.frond.pull(&server.url(), &pair.behind);
    assert_eq!(count(&second, "artifacts_received"), 0, "{second}");
    assert_eq!(count(&second, "artifacts_sent"), 0, "{second}");
    assert_eq!(count(&second, "rounds"), 1, "{second}");
}

#[test]
fn frond_catches_up_from_stock() {
    let pair = Pair::new();
    frond_catches_up(&pair, &pair.fossil.server(&pair.ahead));
}

#[test]
fn frond_catches_up_from_frond() {
    let pair = Pair::new();
    frond_catches_up(&pair, &pair.frond.server(&pair.ahead));
}

#[test]
fn stock_catches_up_from_frond() {
    let pair = Pair::new();
    let server = pair.frond.server(&pair.ahead);
    pair.fossil.pull(&server.url(), &pair.behind);
    pair.caught_up();
    let again = pair.fossil.pull(&server.url(), &pair.behind);
    assert!(again.contains("received: 0"), "{again}");
    assert!(again.contains("Round-trips: 1 "), "{again}");
}

#[test]
fn a_second_pull_sends_less_than_that_of_stock() {
    let pair = Pair::of(Shape::of(300), 200, Extras::None);
    let (ours, theirs) = (&pair.behind, pair.scratch.copy(&pair.behind, "theirs.fossil"));
    for server in [pair.fossil.server(&pair.ahead), pair.frond.server(&pair.ahead)] {
        let proxy = Proxy::start(server.address);
        pair.frond.pull(&proxy.url(), ours);
        pair.fossil.pull(&proxy.url(), &theirs);
        proxy.reset();
        let summary = pair.frond.pull(&proxy.url(), ours);
        assert_eq!((count(&summary, "rounds"), count(&summary, "artifacts_received")), (1, 0), "{summary}");
        let by_frond = proxy.traffic().up;
        proxy.reset();
        pair.fossil.pull(&proxy.url(), &theirs);
        let by_stock = proxy.traffic().up;
        assert!(0 < by_frond && by_frond < by_stock, "{by_frond} bytes against {by_stock}");
    }
}

#[test]
fn new_artifacts_of_every_kind_arrive_in_a_pull() {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let whole = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::All), "whole.fossil");
    for server in [fossil.server(&whole), frond.server(&whole)] {
        let scratch = Scratch::new();
        let stale = scratch.copy(&shared::corpus(Shape::of(300), 200, Extras::None), "stale.fossil");
        frond.pull(&server.url(), &stale);
        compare::contents_equal(&stale, &whole);
        fossil.test_integrity(&stale);
        compare::derived_tables_equal_after_stock_rebuild(&fossil, &stale);
    }
}

#[test]
fn a_login_opens_what_nobody_may_read() {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let whole = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::None), "whole.fossil");
    fossil.output(["user", "capabilities", "nobody", "", "-R", &whole.to_string_lossy()]);
    for server in [fossil.server(&whole), frond.server(&whole)] {
        let scratch = Scratch::new();
        let copy = scratch.file("copy.fossil");
        frond.clone(&server.url_as("dev", "pw"), &copy);
        compare::artifact_lists_equal(&copy, &whole);
        let path = copy.to_string_lossy();
        let refused = frond.try_run(["pull", &server.url_as("dev", "wrong"), "-R", &path]);
        assert_eq!(refused.code, Some(REFUSED), "{refused}");
        let refused = frond.try_run(["pull", &server.url(), "-R", &path]);
        assert_eq!(refused.code, Some(REFUSED), "{refused}");
    }
    // Stock logs in to Frond as well.
    let server = frond.server(&whole);
    let copy = scratch.file("by-stock.fossil");
    fossil.clone(&server.url_as("dev", "pw"), &copy);
    compare::artifact_lists_equal(&copy, &whole);
}

#[test]
fn a_fork_that_a_session_brings_is_told_once_as_stock_tells_it() {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let there = scratch.file("there.fossil");
    open_repository(&frond, &there);
    let server = frond.server(&there);
    let files = ["one", "two", "stock"].map(|name| scratch.file(&format!("{name}.fossil")));
    for file in &files {
        frond.clone(&server.url(), file);
        // Others check in meanwhile, so each of these makes a fork once it is there.
        check_in(&frond, file, &file.file_name().unwrap().to_string_lossy());
    }
    let [one, two, stock] = &files;
    const WORDS: &str = "a fork has occurred";
    let first = frond.try_exchange("sync", &server.url(), one);
    assert!(first.code == Some(0) && !first.stderr.contains(WORDS), "{first}");
    let summary = frond_tests::frond::summary(&first);
    assert_eq!(summary["forks"], serde_json::json!({}), "{summary}");
    for command in ["pull", "sync"] {
        let said = frond.try_exchange(command, &server.url(), two);
        let ends = frond_tests::frond::summary(&said)["forks"]["trunk"].as_array().map_or(0, Vec::len);
        // The second one brings nothing new.
        let is_new = command == "pull";
        assert_eq!((said.stderr.contains(WORDS), ends), (is_new, if is_new { 2 } else { 0 }), "{said}");
    }
    let said = fossil.try_run(["sync", &server.url(), "-R", &stock.to_string_lossy()]);
    assert!(said.all().contains(WORDS), "{said}");
}
