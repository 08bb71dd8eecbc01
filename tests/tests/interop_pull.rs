//! A stale clone catches up, whoever is at the other end, and a second pull moves nothing.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::path::PathBuf;

use frond_tests::corpus::{Extras, Shape};
use frond_tests::frond::count;
use frond_tests::{Fossil, Frond, Scratch, Server, compare, shared};

const SHAPE: Shape = Shape::of(2000);
const KNOWN: usize = 1500;

struct Pair {
    scratch: Scratch,
    fossil: Fossil,
    frond: Frond,
    whole: PathBuf,
    stale: PathBuf,
}

impl Pair {
    fn new() -> Self {
        let scratch = Scratch::new();
        let whole = scratch.copy(&shared::corpus(SHAPE, SHAPE.checkins, Extras::None), "whole.fossil");
        let stale = scratch.copy(&shared::corpus(SHAPE, KNOWN, Extras::None), "stale.fossil");
        Self { scratch, fossil: Fossil::new(), frond: Frond::new(), whole, stale }
    }

    /// Both hold the same but for the clusters that each made for itself; the client's copy is sound.
    #[track_caller]
    fn caught_up(&self) {
        compare::contents_equal(&self.stale, &self.whole);
        self.fossil.test_integrity(&self.stale);
        compare::derived_tables_equal_after_stock_rebuild(&self.fossil, &self.stale);
        assert!(self.scratch.path().exists());
    }

    #[track_caller]
    fn frond_pulls(&self, server: &Server) {
        let missing = compare::artifacts(&self.whole).len() - compare::artifacts(&self.stale).len();
        let first = self.frond.pull(&server.url(), &self.stale);
        assert!(count(&first, "artifacts_received") >= missing as u64, "{first}");
        self.caught_up();
        self.frond.verify(&self.stale);
        let second = self.frond.pull(&server.url(), &self.stale);
        assert_eq!(count(&second, "artifacts_received"), 0, "{second}");
        assert_eq!(count(&second, "artifacts_sent"), 0, "{second}");
        assert_eq!(count(&second, "rounds"), 1, "{second}");
    }
}

#[test]
fn frond_catches_up_from_stock() {
    let pair = Pair::new();
    let server = pair.fossil.server(&pair.whole);
    pair.frond_pulls(&server);
}

#[test]
fn frond_catches_up_from_frond() {
    let pair = Pair::new();
    let server = pair.frond.server(&pair.whole);
    pair.frond_pulls(&server);
    pair.fossil.test_integrity(&pair.whole);
}

#[test]
fn stock_catches_up_from_frond() {
    let pair = Pair::new();
    let server = pair.frond.server(&pair.whole);
    pair.fossil.pull(&server.url(), &pair.stale);
    pair.caught_up();
    let again = pair.fossil.pull(&server.url(), &pair.stale);
    assert!(again.contains("received: 0"), "{again}");
    assert!(again.contains("Round-trips: 1 "), "{again}");
    pair.fossil.test_integrity(&pair.whole);
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
        assert_eq!(refused.code, Some(5), "{refused}");
        let refused = frond.try_run(["pull", &server.url(), "-R", &path]);
        assert_eq!(refused.code, Some(5), "{refused}");
    }
    // Stock logs in to Frond as well.
    let server = frond.server(&whole);
    let copy = scratch.file("by-stock.fossil");
    fossil.clone(&server.url_as("dev", "pw"), &copy);
    compare::artifact_lists_equal(&copy, &whole);
}
