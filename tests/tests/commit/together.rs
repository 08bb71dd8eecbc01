//! Several programs on one file at a time.

use std::process::Stdio;
use std::time::Duration;

use frond_tests::rng::Rng;

use super::*;

const EACH: usize = 8;

/// Checks in with stock in a checkout of its own, on a branch of its own.
fn by_stock(site: &Site, name: &str) {
    let fossil = Fossil::new();
    let dir = site.scratch.file(name);
    for number in 0..EACH {
        // Stock takes a file of the same size and second for the same.
        std::fs::write(dir.join("stock.txt"), "line\n".repeat(number + 2)).unwrap();
        let text = format!("stock {number}");
        fossil.patiently(Some(&dir), &["update"]);
        fossil.patiently(Some(&dir), &["commit", "-m", &text, "--no-warnings", "--user-override", "admin"]);
    }
}

fn by_frond(site: &Site, name: &str, branch: &str) {
    let dir = site.scratch.dir(name);
    for number in 0..EACH {
        std::fs::write(dir.join(name), format!("{name} {number}\n")).unwrap();
        site.run(&dir, &["commit", name, "-m", &format!("{name} {number}"), "--branch", branch]);
    }
}

#[test]
fn stock_and_two_fronds_check_in_at_once() {
    for mode in ["DELETE", "WAL"] {
        let site = Site::new();
        sql::execute(&site.file, &format!("PRAGMA journal_mode={mode}"));
        site.change("stock.txt", "first\n");
        let dir = site.open("stock", "trunk");
        site.fossil.output_in(&dir, ["branch", "new", "side", "trunk"]);
        site.fossil.output_in(&dir, ["update", "side"]);
        std::thread::scope(|scope| {
            scope.spawn(|| by_stock(&site, "stock"));
            scope.spawn(|| by_frond(&site, "one", "trunk"));
            scope.spawn(|| by_frond(&site, "two", "trunk"));
        });
        assert_eq!(site.number("SELECT count(*) FROM event WHERE type='ci'"), 3 + 3 * EACH as i64);
        // Neither Frond made the other fork, and neither undid what the other did.
        assert_eq!(site.number("SELECT count(*) FROM leaf"), 2);
        let out = site.scratch.file("out");
        site.run(&dir, &["export", "trunk", out.to_str().unwrap()]);
        let file = |text: &str| Node::File(text.as_bytes().to_vec());
        let expected = Tree::from([
            ("one".into(), file("one 7\n")),
            ("stock.txt".into(), file("first\n")),
            ("two".into(), file("two 7\n")),
        ]);
        assert_eq!(read(&out), expected);
        site.is_sound();
    }
}

#[test]
fn a_stock_checkout_gets_what_frond_checks_in_and_keeps_its_edits() {
    let site = Site::new();
    site.change("theirs", "1\n");
    site.change("mine", "1\n");
    let dir = site.open("checkout", "trunk");
    std::fs::write(dir.join("mine"), "edited\n").unwrap();
    site.change("theirs", "2\n");
    let said = site.fossil.try_run_in(Some(&dir), ["commit", "-m", "too late", "--no-warnings"], b"");
    assert!(said.all().contains("Would fork"), "{said}");
    site.fossil.output_in(&dir, ["update"]);
    let file = |text: &str| Node::File(text.as_bytes().to_vec());
    let expected = Tree::from([("mine".into(), file("edited\n")), ("theirs".into(), file("2\n"))]);
    assert_eq!(read(&dir), expected);
    site.fossil.output_in(&dir, ["commit", "-m", "merged", "--no-warnings"]);
    let out = site.scratch.file("out");
    site.run(&dir, &["export", "trunk", out.to_str().unwrap()]);
    assert_eq!(read(&out), expected);
    site.is_sound();
}

/// The file alone is the repository once nobody has it open.
#[test]
fn nothing_stays_in_a_log_beside_the_file() {
    let site = Site::new();
    sql::execute(&site.file, "PRAGMA journal_mode=WAL");
    site.change("f", "text\n");
    let copy = site.scratch.copy(&site.file, "copy.fossil");
    let said = site.fossil.output(["timeline", "-R", &copy.to_string_lossy()]);
    assert!(said.contains("text"), "{said}");
}

#[test]
fn check_ins_made_in_one_moment_have_their_order() {
    let site = Site::new();
    let dir = site.scratch.dir("tree");
    write(&dir, &sample());
    site.import(&dir);
    for number in 0..12 {
        site.change("f", &format!("{number}\n"));
    }
    let times = "SELECT count(*) FROM plink p JOIN event c ON c.objid=p.cid JOIN event e ON e.objid=p.pid
                 WHERE c.mtime<=e.mtime";
    assert_eq!(site.number(times), 0);
    let deltas = site.number("SELECT count(*) FROM delta JOIN event ON objid=rid");
    assert_eq!(deltas, 12, "older manifests are deltas of newer ones");
    site.is_sound();
}

#[test]
fn killed_in_the_middle_a_check_in_is_there_or_it_is_not() {
    let site = Site::new();
    let dir = site.scratch.dir("tree");
    let mut rng = Rng::new(5);
    let (mut kills, mut before) = (0, 1);
    for attempt in 0..20 {
        for number in 0..40 {
            std::fs::write(dir.join(format!("file-{number}")), rng.bytes(10_000)).unwrap();
        }
        let mut command = site.frond.command(["import", ".", "-m", "killed", "-R"]);
        command.arg(&site.file).current_dir(&dir).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(20 * attempt));
        kills += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        let after = site.number("SELECT count(*) FROM event WHERE type='ci'");
        assert!(after == before || after == before + 1, "{before} check-ins before, {after} after");
        // No part of one is there: each has 40 files of its own, and a manifest.
        assert_eq!(site.number("SELECT count(*) FROM blob"), 1 + 41 * (after - 1));
        before = after;
    }
    assert!(kills > 0, "none was killed");
    site.is_sound();
}
