//! Pushes and syncs, with stock Fossil and Frond at either end.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::path::{Path, PathBuf};

use frond_tests::corpus::{Extras, Shape, by_frond};
use frond_tests::frond::{REFUSED, count, summary};
use frond_tests::{Fossil, Frond, Pair, Scratch, Server, compare, shared, sql};

/// The names of the private artifacts.
const PRIVATE: &str = "SELECT uuid FROM blob JOIN private USING(rid) WHERE size>=0 ORDER BY uuid";

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
        assert_eq!(sql::column(&pair.behind, PRIVATE), Vec::<String>::new());
        pair.frond.output(["push", "--private", &url, "-R", &pair.ahead.to_string_lossy()]);
        assert_eq!(sql::column(&pair.behind, PRIVATE), sql::column(&pair.ahead, PRIVATE));
        assert!(!sql::column(&pair.ahead, PRIVATE).is_empty());
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

/// It fails on a delta of what it shuns and dropped, and on all that comes with that.
#[test]
fn stock_gets_what_would_be_a_delta_of_something_shunned_as_it_is() {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let [here, there] = five_checkins_apart(&scratch);
    let unsent = sql::column(&here, "SELECT uuid FROM blob JOIN unsent USING(rid)");
    let before =
        "SELECT DISTINCT uuid FROM mlink JOIN blob ON blob.rid=pid WHERE fid IN unsent AND pid NOT IN unsent";
    for old in sql::column(&here, before) {
        sql::execute(&there, &format!("INSERT INTO shun(uuid, mtime) VALUES('{old}', 0)"));
    }
    fossil.rebuild(&there);
    let server = fossil.server(&there);
    frond.push(&server.url_as("dev", "pw"), &here);
    let held = compare::artifacts(&there);
    assert!(!unsent.is_empty() && unsent.iter().all(|id| held.contains(id)), "{unsent:?} {held:?}");
    assert_eq!(sql::number(&here, "SELECT count(*) FROM unsent"), 0);
    compare::are_sound(&fossil, [&here, &there]);
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
        let summary =
            said.stdout.lines().find(|line| line.contains("\"summary\"")).expect("what was pulled is told");
        assert!(
            summary.contains("\"artifacts_sent\":0,") && summary.contains("\"refused\":true"),
            "{summary}"
        );
        let dry = frond.try_run(["push", "-n", &server.url_as("dev", "pw"), "-R", &here.to_string_lossy()]);
        assert_eq!(dry.code, Some(5), "{dry}");
        compare::holds_all_of(&here, &there);
        assert_eq!(sql::number(&here, "SELECT count(*) FROM unsent"), waiting);
        compare::are_sound(&fossil, [&here, &there]);
    }
}

/// Stock in the middle, a Frond on each side; each of the three gets what the others lack: a wiki page, and one a
/// check-in by stock, one a check-in by Frond, one an unversioned file and a private check-in.
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
    for file in [&stock, &left, &right] {
        allow(file, "dev", "sy");
    }
    for (file, name) in [(&stock, "One"), (&left, "Two"), (&right, "Three")] {
        write_page(&fossil, &scratch, file, name);
    }
    stock_checks_in(&fossil, &scratch, &stock);
    frond_checks_in(&frond, &scratch, &left, &[]);
    frond_checks_in(&frond, &scratch, &right, &["--private"]);
    let release = scratch.write("release.bin", [7; 5000]);
    frond.output([
        "uv",
        "add",
        &release.to_string_lossy(),
        "--as",
        "new.bin",
        "-R",
        &right.to_string_lossy(),
    ]);
    let secrets = [&stock, &left, &right].map(|file| sql::column(file, PRIVATE));
    assert_eq!(secrets.each_ref().map(Vec::is_empty), [false, true, false]);
    let between = frond.server(&left);
    let sync = |url: &str, file: &Path| frond.output(["sync", "-u", url, "-R", &file.to_string_lossy()]);
    // Round the ring twice: left to stock, stock to right, right to left.
    for _ in 0..2 {
        sync(&hub, &left);
        sync(&hub, &right);
        sync(&between.url_as("dev", "pw"), &right);
        let words = ["sync", "-u", &between.url_as("dev", "pw"), "-R", &stock.to_string_lossy()];
        fossil.output(words);
    }
    for file in [&left, &right] {
        compare::contents_equal(file, &stock);
        frond.verify(file);
    }
    assert_eq!(fossil.output(["wiki", "list", "-R", &right.to_string_lossy()]).matches("One\n").count(), 1);
    let checkins =
        "SELECT comment FROM event WHERE type='ci' AND comment GLOB 'in the ring*' ORDER BY comment";
    assert_eq!(sql::column(&stock, checkins), ["in the ring by frond", "in the ring by stock"]);
    let unversioned = |file: &Path| {
        sql::rows(file, "SELECT name, hash, sz, mtime FROM unversioned WHERE sz>0 ORDER BY name")
    };
    assert!(unversioned(&stock).iter().any(|row| row[0] == "new.bin" && row[2] == "5000"));
    for file in [&left, &right] {
        assert_eq!(unversioned(file), unversioned(&stock));
    }
    // Nothing private went anywhere, under whatever flag.
    assert_eq!([&stock, &left, &right].map(|file| sql::column(file, PRIVATE)), secrets);
    for (at, file) in [&stock, &left, &right].into_iter().enumerate() {
        let others = secrets.iter().enumerate().filter(|(owner, _)| *owner != at);
        let held = sql::column(file, "SELECT uuid FROM blob");
        assert!(others.flat_map(|(_, names)| names).all(|name| !held.contains(name)), "{}", file.display());
    }
    compare::are_sound(&fossil, [&stock, &left, &right]);
}

#[track_caller]
fn stock_checks_in(fossil: &Fossil, scratch: &Scratch, file: &Path) {
    let dir = scratch.dir("checkout");
    fossil.output_in(&dir, ["open", &file.to_string_lossy(), "trunk"]);
    std::fs::write(dir.join("by-stock.txt"), "in the ring\n").unwrap();
    fossil.output_in(&dir, ["add", "by-stock.txt"]);
    fossil.output_in(&dir, ["commit", "-m", "in the ring by stock", "--no-warnings"]);
    fossil.output_in(&dir, ["close", "--force"]);
}

#[track_caller]
fn frond_checks_in(frond: &Frond, scratch: &Scratch, file: &Path, words: &[&str]) {
    let dir = scratch.dir("files");
    let text = format!("in the ring by frond{}", words.concat());
    std::fs::write(dir.join("by-frond.txt"), &text).unwrap();
    let mut command = frond.command(["commit", "by-frond.txt", "--user", "dev", "-m", &text]);
    let said = frond_tests::frond::run(command.args(words).arg("-R").arg(file).current_dir(&dir));
    assert_eq!(said.code, Some(0), "{said}");
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
