//! Sessions of another length than usual, with stock Fossil at one end: `--verily` and small budgets.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "what fails here is the finding")]

use std::path::{Path, PathBuf};

use frond_tests::corpus::{Extras, PROJECT, Shape};
use frond_tests::frond::count;
use frond_tests::{Fossil, Frond, Scratch, Server, compare, shared, sql};

const SHAPE: Shape = Shape::of(300);
/// Bytes of a request.
const BUDGET: u64 = 20_000;

/// Two repositories of one project.
struct Pair {
    _scratch: Scratch,
    fossil: Fossil,
    frond: Frond,
    client: PathBuf,
    served: PathBuf,
}

impl Pair {
    /// The server has so many of the client's check-ins.
    fn of(known: usize) -> Self {
        let scratch = Scratch::new();
        let client = scratch.copy(&shared::corpus(SHAPE, SHAPE.checkins, Extras::None), "client.fossil");
        let served = scratch.copy(&shared::corpus(SHAPE, known, Extras::None), "served.fossil");
        Self { _scratch: scratch, fossil: Fossil::new(), frond: Frond::new(), client, served }
    }

    #[track_caller]
    fn are_equal(&self) {
        compare::contents_equal(&self.client, &self.served);
        for file in [&self.client, &self.served] {
            self.fossil.test_integrity(file);
            compare::derived_tables_equal_after_stock_rebuild(&self.fossil, file);
        }
    }

    /// Has stock write a page that no session speaks of: as if its announcement had been lost.
    #[track_caller]
    fn hide_a_page(&self, file: &Path, name: &str) -> String {
        let dir = Scratch::new();
        let page = dir.write("page.txt", format!("page {name}\n"));
        let (page, path) = (page.to_string_lossy(), file.to_string_lossy());
        self.fossil.output(["wiki", "create", name, &page, "--user", "dev", "-R", &path]);
        let id = sql::column(file, "SELECT uuid FROM blob ORDER BY rid DESC LIMIT 1").swap_remove(0);
        let forget = "DELETE FROM unsent; DELETE FROM unclustered WHERE rid=(SELECT max(rid) FROM blob)";
        sql::execute(file, forget);
        id
    }

    /// Has stock take a delta whose source nobody has, as from a push. Gives its name.
    #[track_caller]
    fn let_a_delta_wait(&self, file: &Path) -> String {
        let source = "a source that nobody has\n".repeat(20);
        let target = format!("{source}and one more line\n");
        let delta = repo::delta::create(source.as_bytes(), target.as_bytes());
        let [source, target] = [source, target].map(|text| xfer::hash::sha3_256(text.as_bytes()));
        let code = "00".repeat(20);
        // Here stock lets everybody in who logs in.
        let head = format!(
            "login dev {code} {code}\npragma client-version 22100 20230226 192424\npush {code} {PROJECT}\n\
             file {target} {source} {}\n",
            delta.len()
        );
        let dir = Scratch::new();
        let request = dir.write("request", [head.as_bytes(), &delta].concat());
        let words = ["test-xfer", &request.to_string_lossy(), "-R", &file.to_string_lossy()];
        let said = self.fossil.output(words);
        assert!(said.contains(&format!("gimme {source}\n")), "{said}");
        target.to_string()
    }

    /// All came but this, of which the name did.
    #[track_caller]
    fn lacks_nothing_but(&self, waiting: &str) {
        let held = compare::artifacts(&self.served);
        let mut missing = compare::artifacts(&self.client);
        missing.retain(|name| !held.contains(name));
        assert_eq!(missing.into_iter().collect::<Vec<_>>(), [waiting]);
        assert_eq!(sql::column(&self.served, "SELECT uuid FROM blob JOIN phantom USING(rid)"), [waiting]);
        self.frond.verify(&self.served);
    }

    /// What neither side announces goes both ways if all is compared, and only then.
    #[track_caller]
    fn verily_brings_what_was_forgotten(&self, sync: impl Fn(&[&str])) {
        let (here, there) = (self.hide_a_page(&self.client, "Here"), self.hide_a_page(&self.served, "There"));
        let held = || {
            (
                compare::artifacts(&self.served).contains(&here),
                compare::artifacts(&self.client).contains(&there),
            )
        };
        sync(&[]);
        assert_eq!(held(), (false, false));
        sync(&["--verily"]);
        assert_eq!(held(), (true, true));
        compare::contents_equal(&self.client, &self.served);
        for file in [&self.client, &self.served] {
            self.fossil.test_integrity(file);
        }
    }
}

#[test]
fn frond_compares_everything_with_stock() {
    let pair = Pair::of(SHAPE.checkins);
    let server = pair.fossil.server(&pair.served);
    let (url, file) = (server.url_as("dev", "pw"), pair.client.to_string_lossy());
    pair.verily_brings_what_was_forgotten(|words| {
        pair.frond.output([&["sync", &url, "-R", &file], words].concat());
    });
}

#[test]
fn stock_compares_everything_with_frond() {
    let pair = Pair::of(SHAPE.checkins);
    let server = pair.frond.server(&pair.served);
    let (url, file) = (server.url_as("dev", "pw"), pair.client.to_string_lossy());
    pair.verily_brings_what_was_forgotten(|words| {
        pair.fossil.output([&["sync", &url, "-R", &file], words].concat());
    });
}

/// Rounds of a push that has to go in small pieces, and of one that has not.
#[track_caller]
fn rounds(serve: impl Fn(&Pair) -> Server, push: impl Fn(&Pair, &str) -> u64) -> [u64; 2] {
    [None, Some(BUDGET)].map(|budget| {
        let pair = Pair::of(200);
        if let Some(bytes) = budget {
            sql::execute(&pair.client, &format!("REPLACE INTO config VALUES('max-upload', {bytes}, 0)"));
        }
        let server = serve(&pair);
        let rounds = push(&pair, &server.url_as("dev", "pw"));
        pair.are_equal();
        rounds
    })
}

#[test]
fn frond_pushes_to_stock_in_many_small_requests() {
    let [usual, small] = rounds(
        |pair| pair.fossil.server(&pair.served),
        |pair, url| count(&pair.frond.push(url, &pair.client), "rounds"),
    );
    println!("{usual} rounds, {small} with a small budget");
    assert!(small > 2 * usual, "{usual} rounds, {small} with a small budget");
}

#[test]
fn stock_pushes_to_frond_in_many_small_requests() {
    let [usual, small] = rounds(
        |pair| pair.frond.server(&pair.served),
        |pair, url| {
            let said = pair.fossil.exchange("push", url, &pair.client);
            let rounds = said.split("Round-trips: ").last().and_then(|rest| rest.split(' ').next());
            rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or_else(|| panic!("{said}"))
        },
    );
    println!("{usual} rounds, {small} with a small budget");
    assert!(small > 2 * usual, "{usual} rounds, {small} with a small budget");
}

/// 181: stock announces it, and sends an empty file under its name each time it is asked.
#[test]
fn what_waits_at_stock_for_its_delta_source_keeps_nothing_else_back() {
    let pair = Pair::of(200);
    let waiting = pair.let_a_delta_wait(&pair.client);
    let server = pair.frond.server(&pair.served);
    pair.fossil.exchange("push", &server.url_as("dev", "pw"), &pair.client);
    pair.lacks_nothing_but(&waiting);

    let pair = Pair::of(200);
    let waiting = pair.let_a_delta_wait(&pair.client);
    let server = pair.fossil.server(&pair.client);
    for _ in 0..2 {
        let summary = pair.frond.pull(&server.url_as("dev", "pw"), &pair.served);
        assert_eq!(count(&summary, "unavailable"), 1, "{summary}");
        pair.lacks_nothing_but(&waiting);
    }
}
