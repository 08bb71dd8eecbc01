//! Pushes and syncs, with stock Fossil and Frond at either end.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::path::{Path, PathBuf};

use frond_tests::corpus::{Extras, Shape, by_frond};
use frond_tests::frond::{REFUSED, count, summary};
use frond_tests::{Fossil, Frond, Pair, Scratch, Server, compare, shared, sql};

#[track_caller]
fn frond_pushes(pair: &Pair, server: &Server) {
    let missing = pair.missing();
    let url = server.url_as("dev", "pw");
    let first = pair.frond.push(&url, &pair.ahead);
    assert!(count(&first, "artifacts_sent") >= missing, "{first}");
    assert_eq!(count(&first, "artifacts_received"), 0, "{first}");
    // The server may have made clusters.
    pair.frond.sync(&url, &pair.ahead);
    pair.caught_up();
    for command in ["push", "pull", "sync"] {
        let again = summary(&pair.frond.try_exchange(command, &url, &pair.ahead));
        for what in ["artifacts_sent", "artifacts_received"] {
            assert_eq!(count(&again, what), 0, "{command}: {again}");
        }
        assert_eq!(count(&again, "rounds"), 1, "{command}: {again}");
    }
}

fn allow(file: &Path, user: &str, capabilities: &str) {
    sql::execute(file, &format!("UPDATE user SET cap='{capabilities}' WHERE login='{user}'"));
}

/// Two repositories, of which the first has five check-ins more, made there and sent to nobody.
#[track_caller]
fn five_checkins_apart(scratch: &Scratch) -> [PathBuf; 2] {
    let (here, there) = (scratch.file("here.fossil"), scratch.file("there.fossil"));
    let mut repo = by_frond::create(&here).unwrap();
    by_frond::add(&mut repo, 1, 30, 20).unwrap();
    drop(repo);
    sql::execute(&here, "DELETE FROM unsent");
    std::fs::copy(&here, &there).unwrap();
    by_frond::add(&mut repo::Repo::open(&here).unwrap(), 1, 30, 5).unwrap();
    [here, there]
}

/// Has stock write a wiki page.
#[track_caller]
fn write_page(fossil: &Fossil, scratch: &Scratch, file: &Path, name: &str) {
    let page = scratch.write("page.txt", format!("page {name} says so\n"));
    let (page, file) = (page.to_string_lossy(), file.to_string_lossy());
    fossil.output(["wiki", "create", name, &page, "--user", "dev", "-R", &file]);
}

#[test]
fn frond_pushes_to_stock() {
    let pair = Pair::new();
    frond_pushes(&pair, &pair.fossil.server(&pair.behind));
}

#[test]
fn frond_pushes_to_frond() {
    let pair = Pair::new();
    frond_pushes(&pair, &pair.frond.server(&pair.behind));
    pair.frond.verify(&pair.behind);
}

#[test]
fn stock_pushes_to_frond() {
    let pair = Pair::new();
    let server = pair.frond.server(&pair.behind);
    let url = server.url_as("dev", "pw");
    pair.fossil.exchange("push", &url, &pair.ahead);
    pair.fossil.exchange("sync", &url, &pair.ahead);
    pair.caught_up();
    let again = pair.fossil.exchange("sync", &url, &pair.ahead);
    assert!(again.contains("Artifacts sent: 0  received: 0"), "{again}");
    pair.frond.verify(&pair.behind);
}

#[test]
fn artifacts_of_every_kind_go_in_a_push_and_private_ones_where_they_may() {
    for server_of in [Fossil::server as fn(&Fossil, &Path) -> Server, |_, file| Frond::new().server(file)] {
        let pair = Pair::of(Shape::of(300), 200, Extras::All);
        allow(&pair.behind, "dev", "sx");
        let server = server_of(&pair.fossil, &pair.behind);
        let url = server.url_as("dev", "pw");
        pair.frond.push(&url, &pair.ahead);
        pair.caught_up();
        let private = "SELECT uuid FROM blob JOIN private USING(rid) WHERE size>=0 ORDER BY uuid";
        assert_eq!(sql::column(&pair.behind, private), Vec::<String>::new());
        pair.frond.output(["push", "--private", &url, "-R", &pair.ahead.to_string_lossy()]);
        assert_eq!(sql::column(&pair.behind, private), sql::column(&pair.ahead, private));
        assert!(!sql::column(&pair.ahead, private).is_empty());
        pair.caught_up();
    }
}

#[test]
fn what_was_made_here_goes_unasked_and_in_one_round() {
    for server_of in [Fossil::server as fn(&Fossil, &Path) -> Server, |_, file| Frond::new().server(file)] {
        let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
        let [here, there] = five_checkins_apart(&scratch);
        let server = server_of(&fossil, &there);
        let pushed = frond.push(&server.url_as("dev", "pw"), &here);
        assert_eq!((count(&pushed, "rounds"), sql::number(&here, "SELECT count(*) FROM unsent")), (1, 0));
        compare::artifact_lists_equal(&there, &here);
        compare::are_sound(&fossil, [&here, &there]);
    }
}

#[test]
fn a_refused_push_says_which_right_is_missing_and_pulls_all_the_same() {
    for server_of in [Fossil::server as fn(&Fossil, &Path) -> Server, |_, file| Frond::new().server(file)] {
        let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
        let [here, there] = five_checkins_apart(&scratch);
        write_page(&fossil, &scratch, &there, "Page");
        allow(&there, "dev", "o");
        let server = server_of(&fossil, &there);
        let waiting = sql::number(&here, "SELECT count(*) FROM unsent");
        let said = frond.try_exchange("sync", &server.url_as("dev", "pw"), &here);
        assert_eq!(said.code, Some(REFUSED), "{said}");
        assert!(said.stderr.contains("takes no push of dev, who lacks capability i"), "{said}");
        assert!(said.stdout.contains("\"summary\""), "what was pulled is told\n{said}");
        compare::holds_all_of(&here, &there);
        assert_eq!(sql::number(&here, "SELECT count(*) FROM unsent"), waiting);
        compare::are_sound(&fossil, [&here, &there]);
    }
}

/// Stock in the middle, a Frond on each side; each of the three gets something that the others lack.
#[test]
fn a_ring_of_stock_and_two_fronds_converges() {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let stock = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::All), "stock.fossil");
    let (left, right) = (scratch.file("left.fossil"), scratch.file("right.fossil"));
    let server = fossil.server(&stock);
    let hub = server.url_as("dev", "pw");
    for copy in [&left, &right] {
        frond.clone(&hub, copy);
        fossil.output(["user", "password", "dev", "pw", "-R", &copy.to_string_lossy()]);
    }
    for (file, name) in [(&stock, "One"), (&left, "Two"), (&right, "Three")] {
        write_page(&fossil, &scratch, file, name);
    }
    let between = frond.server(&left);
    // Round the ring twice: left to stock, stock to right, right to left.
    for _ in 0..2 {
        frond.sync(&hub, &left);
        frond.sync(&hub, &right);
        frond.sync(&between.url_as("dev", "pw"), &right);
        fossil.exchange("sync", &between.url_as("dev", "pw"), &stock);
    }
    for file in [&left, &right] {
        compare::contents_equal(file, &stock);
        frond.verify(file);
    }
    assert_eq!(fossil.output(["wiki", "list", "-R", &right.to_string_lossy()]).matches("One\n").count(), 1);
    compare::are_sound(&fossil, [&stock, &left, &right]);
}

#[test]
fn a_dry_run_tells_what_would_move() {
    let pair = Pair::of(Shape::of(300), 200, Extras::None);
    let server = pair.fossil.server(&pair.behind);
    let before = (compare::artifacts(&pair.ahead), compare::artifacts(&pair.behind));
    let url = server.url_as("dev", "pw");
    let said = pair.frond.output(["sync", "-n", &url, "-R", &pair.ahead.to_string_lossy()]);
    let missing = pair.missing();
    assert_eq!(said.lines().filter(|line| line.starts_with("send ")).count() as u64, missing, "{said}");
    assert!(said.contains(&format!("Would send {missing} and receive ")), "{said}");
    assert_eq!((compare::artifacts(&pair.ahead), compare::artifacts(&pair.behind)), before);
}
