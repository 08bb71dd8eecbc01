//! Private artifacts between stock Fossil and Frond, whoever serves and whoever asks.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::path::{Path, PathBuf};

use frond_tests::corpus::{Extras, Shape};
use frond_tests::{Fossil, Frond, Scratch, compare, shared, sql};

/// The names of the private artifacts.
const PRIVATE: &str = "SELECT uuid FROM blob JOIN private USING(rid) WHERE size>=0 ORDER BY uuid";
/// What a user has who may do all but exchange private artifacts, and what another has.
const WITHOUT: &str = "s";
const WITH: &str = "sx";
/// What a server says to whom lacks the right.
const REFUSAL: &str = "not authorized to sync private content";

/// A repository with private artifacts, and one that lacks them and some more.
struct Pair {
    scratch: Scratch,
    fossil: Fossil,
    frond: Frond,
    ahead: PathBuf,
    behind: PathBuf,
}

impl Pair {
    /// `dev` has these rights in both.
    fn of(rights: &str) -> Self {
        let scratch = Scratch::new();
        let ahead = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::All), "ahead.fossil");
        let behind = scratch.copy(&shared::corpus(Shape::of(300), 200, Extras::None), "behind.fossil");
        for file in [&ahead, &behind] {
            sql::execute(file, &format!("UPDATE user SET cap='{rights}' WHERE login='dev'"));
        }
        assert!(!sql::column(&ahead, PRIVATE).is_empty());
        Self { scratch, fossil: Fossil::new(), frond: Frond::new(), ahead, behind }
    }

    /// The other file has all that is public, and what is private there is private here.
    #[track_caller]
    fn has_all(&self, file: &Path) {
        compare::contents_equal(file, &self.ahead);
        assert_eq!(sql::column(file, PRIVATE), sql::column(&self.ahead, PRIVATE));
        self.is_sound(file);
    }

    /// The other file holds nothing that is private, be it under another flag.
    #[track_caller]
    fn shows_nothing_private(&self, file: &Path) {
        assert_eq!(sql::column(file, PRIVATE), Vec::<String>::new());
        let (held, private) = (compare::artifacts(file), sql::column(&self.ahead, PRIVATE));
        let leaked: Vec<_> = private.iter().filter(|name| held.contains(*name)).collect();
        assert!(leaked.is_empty(), "public now: {leaked:?}");
    }

    #[track_caller]
    fn has_nothing_private(&self, file: &Path) {
        self.shows_nothing_private(file);
        self.is_sound(file);
    }

    #[track_caller]
    fn is_sound(&self, file: &Path) {
        self.fossil.test_integrity(file);
        compare::derived_tables_equal_after_stock_rebuild(&self.fossil, file);
        self.frond.verify(file);
    }
}

#[test]
fn frond_gets_from_stock_what_is_private() {
    let pair = Pair::of(WITH);
    let server = pair.fossil.server(&pair.ahead);
    let url = server.url_as("dev", "pw");
    pair.frond.pull(&url, &pair.behind);
    pair.has_nothing_private(&pair.behind);
    pair.frond.output(["pull", "--private", &url, "-R", &pair.behind.to_string_lossy()]);
    pair.has_all(&pair.behind);
    for (name, options) in [("public.fossil", &[][..]), ("private.fossil", &["--private"][..])] {
        let copy = pair.scratch.file(name);
        pair.frond.output([&["clone"], options, &[&url, &copy.to_string_lossy()]].concat());
        if options.is_empty() {
            pair.has_nothing_private(&copy);
        } else {
            pair.has_all(&copy);
        }
    }
}

#[test]
fn frond_says_that_stock_keeps_what_is_private_to_itself() {
    let pair = Pair::of(WITHOUT);
    let server = pair.fossil.server(&pair.ahead);
    let url = server.url_as("dev", "pw");
    let said = pair.frond.try_run(["pull", "--private", &url, "-R", &pair.behind.to_string_lossy()]);
    assert_eq!(said.code, Some(5), "{said}");
    assert!(said.stderr.contains(REFUSAL), "{said}");
    pair.has_nothing_private(&pair.behind);
}

#[test]
fn stock_gets_from_frond_what_is_private() {
    let pair = Pair::of(WITH);
    let server = pair.frond.server(&pair.ahead);
    let url = server.url_as("dev", "pw");
    pair.fossil.pull(&url, &pair.behind);
    pair.has_nothing_private(&pair.behind);
    pair.fossil.output(["sync", "--private", &url, "-R", &pair.behind.to_string_lossy()]);
    pair.has_all(&pair.behind);
    // Where nobody may clone: stock logs in only after it was refused, and a clone that is done by then, from stock
    // too, has nothing private.
    sql::execute(&pair.ahead, "UPDATE user SET cap='' WHERE login='nobody'");
    let copy = pair.scratch.file("copy.fossil");
    pair.fossil.output(["clone", "--no-open", "--private", &url, &copy.to_string_lossy()]);
    pair.has_all(&copy);
}

#[test]
fn stock_gives_frond_what_is_private() {
    let pair = Pair::of(WITH);
    let server = pair.frond.server(&pair.behind);
    let url = server.url_as("dev", "pw");
    pair.fossil.exchange("sync", &url, &pair.ahead);
    pair.has_nothing_private(&pair.behind);
    pair.fossil.output(["sync", "--private", &url, "-R", &pair.ahead.to_string_lossy()]);
    pair.has_all(&pair.behind);
}

#[test]
fn what_stock_may_not_push_is_refused_and_does_not_become_public() {
    for command in ["push", "sync"] {
        let pair = Pair::of(WITHOUT);
        let server = pair.frond.server(&pair.behind);
        let url = server.url_as("dev", "pw");
        let said = pair.fossil.try_run([command, "--private", &url, "-R", &pair.ahead.to_string_lossy()]);
        assert!(said.all().contains(REFUSAL), "{said}");
        // What came until then may be deltas of what did not come.
        pair.shows_nothing_private(&pair.behind);
        // All that is public still goes with the next.
        pair.fossil.exchange("sync", &url, &pair.ahead);
        compare::contents_equal(&pair.behind, &pair.ahead);
        pair.has_nothing_private(&pair.behind);
    }
}

/// 127: stock takes the word of who knows the name, Frond wants to see the content. The end is the same.
#[test]
fn what_is_private_at_one_and_public_at_the_other_becomes_public() {
    type Session = fn(&Pair) -> String;
    let sessions: [(&str, Session); 4] = [
        ("frond pulls", |pair| {
            let server = pair.fossil.server(&pair.ahead);
            pair.frond.pull(&server.url_as("dev", "pw"), &pair.behind).to_string()
        }),
        ("frond is pushed to", |pair| {
            let server = pair.frond.server(&pair.behind);
            pair.fossil.exchange("push", &server.url_as("dev", "pw"), &pair.ahead)
        }),
        ("stock pulls", |pair| {
            let server = pair.frond.server(&pair.ahead);
            pair.fossil.exchange("pull", &server.url_as("dev", "pw"), &pair.behind)
        }),
        ("stock is pushed to", |pair| {
            let server = pair.fossil.server(&pair.behind);
            pair.frond.push(&server.url_as("dev", "pw"), &pair.ahead).to_string()
        }),
    ];
    for (name, session) in sessions {
        let pair = Pair::of(WITHOUT);
        let page = pair.scratch.write("page.txt", "a page that both have\n");
        let (page, ahead) = (page.to_string_lossy(), pair.ahead.to_string_lossy());
        pair.fossil.output(["wiki", "create", "Both", &page, "--user", "dev", "-R", &ahead]);
        let id = sql::column(&pair.ahead, "SELECT uuid FROM blob ORDER BY rid DESC LIMIT 1").swap_remove(0);
        let server = pair.fossil.server(&pair.ahead);
        pair.frond.pull(&server.url_as("dev", "pw"), &pair.behind);
        drop(server);
        let here = format!("(SELECT rid FROM blob WHERE uuid='{id}')");
        let hide = format!("INSERT INTO private SELECT {here}; DELETE FROM unclustered WHERE rid={here}");
        sql::execute(&pair.behind, &hide);
        assert_eq!(sql::column(&pair.behind, PRIVATE), [id]);
        let said = session(&pair);
        assert_eq!(sql::column(&pair.behind, PRIVATE), Vec::<String>::new(), "{name}: {said}");
        if name.starts_with("frond") {
            pair.is_sound(&pair.behind);
        }
    }
}
