//! What is not checked in: each time one line that says why, and the repository stays as it was.

use super::*;

/// Fails with this code and these words, and changes nothing.
#[track_caller]
fn refused(site: &Site, dir: &Path, words: &[&str], code: i32, expected: &str) {
    let before = std::fs::read(&site.file).unwrap();
    let said = site.try_run(dir, words);
    assert_eq!(said.code, Some(code), "{said}");
    assert!(
        said.stderr.contains(expected) && said.stderr.trim().lines().count() == 1,
        "no `{expected}`\n{said}"
    );
    assert!(std::fs::read(&site.file).unwrap() == before, "the file changed\n{said}");
}

/// A repository with a tree, and the same tree on disk.
fn site() -> (Site, PathBuf) {
    let site = Site::new();
    let dir = site.scratch.dir("tree");
    write(
        &dir,
        &Tree::from([("a".into(), Node::File(b"1".to_vec())), ("d/x".into(), Node::File(b"2".to_vec()))]),
    );
    site.import(&dir);
    (site, dir)
}

#[test]
fn files_that_cannot_be_meant() {
    use std::os::unix::ffi::OsStrExt as _;
    let (site, dir) = site();
    std::fs::write(site.scratch.file("outside"), "").unwrap();
    std::os::unix::fs::symlink(site.scratch.path(), dir.join("out")).unwrap();
    std::os::unix::net::UnixListener::bind(dir.join("socket")).unwrap();
    for name in ["_FOSSIL_", "aux.c", "back\\slash"] {
        std::fs::write(dir.join(name), "").unwrap();
    }
    std::fs::remove_file(dir.join("a")).unwrap();
    let outside = site.scratch.file("outside");
    for (words, code, expected) in [
        (&["commit", "-m", "x"][..], USAGE, "no file is named"),
        (&["commit", "d", "-m", "x"], FAILED, "nothing changed"),
        (&["commit", "d", "-m", " \n"], USAGE, "comment is empty"),
        (&["commit", "none", "-m", "x"], FAILED, "none: no such file"),
        (&["commit", "none", "--all", "-m", "x"], FAILED, "none: no such file"),
        (&["commit", "two\nlines", "-m", "x"], FAILED, "two\\nlines: no such file"),
        (&["commit", "a", "-m", "x"], FAILED, "a: is not there any more"),
        (&["commit", "../outside", "-m", "x"], FAILED, "outside of the base"),
        (&["commit", outside.to_str().unwrap(), "-m", "x"], FAILED, "outside of the base"),
        (&["commit", "out/outside", "-m", "x"], FAILED, "no such file"),
        (&["commit", "socket", "-m", "x"], FAILED, "neither a file nor a directory"),
        (&["commit", "_FOSSIL_", "-m", "x"], FAILED, "Fossil keeps"),
        (&["commit", "aux.c", "-m", "x"], FAILED, "Windows"),
        (&["commit", "back\\slash", "-m", "x"], FAILED, "backslash"),
        (&["import", ".", "-m", "x"], FAILED, "Windows"),
        (&["import", ".", "--allow-reserved", "-m", "x"], FAILED, "backslash"),
        (&["import", "none", "-m", "x"], FAILED, "none"),
    ] {
        refused(&site, &dir, words, code, expected);
    }
    let reserved = site.scratch.dir("reserved");
    std::fs::write(reserved.join("aux.c"), "").unwrap();
    refused(&site, &reserved, &["import", ".", "-m", "x"], FAILED, "Windows");
    let odd = site.scratch.dir("odd");
    std::fs::write(odd.join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
    refused(&site, &odd, &["import", ".", "-m", "x"], FAILED, "UTF-8");
    // A file where the parent has a directory.
    let flat = site.scratch.dir("flat");
    std::fs::write(flat.join("d"), "").unwrap();
    refused(&site, &flat, &["commit", "d", "-m", "x"], FAILED, "a file and a directory at once");
    site.run(&flat, &["commit", "--all", "-m", "with --all it may"]);
    let answer = site.run(&dir, &["commit", "aux.c", "--allow-reserved", "-m", "x"]);
    assert_eq!(counts(&answer), [1, 0, 0]);
    let answer = site.run(&dir, &["commit", "--allow-empty", "-m", "x"]);
    assert_eq!(counts(&answer), [0, 0, 0]);
    site.is_sound();
}

#[test]
fn a_place_below_the_root_of_a_checkout_is_not_taken_for_the_root() {
    let (site, _) = site();
    let checkout = site.open("checkout", "trunk");
    std::fs::write(checkout.join("d/x"), "changed").unwrap();
    refused(&site, &checkout.join("d"), &["commit", "x", "-m", "x"], USAGE, "inside of a checkout");
    site.run(&checkout.join("d"), &["commit", "--base", "..", "d/x", "-m", "named"]);
    std::fs::write(checkout.join("d/x"), "again").unwrap();
    site.run(&checkout, &["commit", "d", "-m", "from the root"]);
    site.is_sound();
}

#[test]
fn places_that_are_not_clear() {
    let (site, dir) = site();
    let first = site.manifest(&site.run(&dir, &["commit", "--allow-empty", "-m", "second"]));
    let first = first.lines().find_map(|line| line.strip_prefix("P ")).unwrap().to_owned();
    std::fs::write(dir.join("a"), "changed").unwrap();
    refused(&site, &dir, &["commit", "a", "-m", "x", "--branch", "none"], FAILED, "no branch none");
    refused(&site, &dir, &["commit", "a", "-m", "x", "--parent", "none"], FAILED, "no check-in is called");
    refused(&site, &dir, &["commit", "a", "-m", "x", "--parent", &first], FAILED, "goes on from there");
    refused(&site, &dir, &["commit", "a", "-m", "x", "--branch", " "], USAGE, "name of a branch");
    let secret = ["commit", "a", "-m", "x", "--private", "--branch", "trunk"];
    refused(&site, &dir, &secret, FAILED, "is public");
    refused(&site, &dir, &["commit", "a", "-m", "x", "--user", "nemo"], FAILED, "no user");

    let fork = site.run(&dir, &["commit", "a", "-m", "fork", "--parent", &first, "--allow-fork"]);
    std::fs::write(dir.join("a"), "changed again").unwrap();
    let tip = text(&fork, "checkin")[..10].to_owned();
    refused(&site, &dir, &["commit", "a", "-m", "x"], FAILED, &tip);
    let side = site.run(&dir, &["commit", "a", "-m", "side", "--parent", &tip, "--branch", "side"]);
    std::fs::write(dir.join("a"), "once more").unwrap();
    let again = ["commit", "a", "-m", "x", "--parent", &first, "--branch", "side"];
    refused(&site, &dir, &again, FAILED, "a branch side already");
    site.run(&dir, &["commit", "a", "-m", "one of the ends", "--parent", &tip]);

    let file = site.file.to_string_lossy().into_owned();
    site.fossil.output(["tag", "add", "--raw", "closed", text(&side, "checkin"), "-R", &file]);
    std::fs::write(dir.join("a"), "for a closed branch").unwrap();
    refused(&site, &dir, &["commit", "a", "-m", "x", "--branch", "side"], FAILED, "side is closed");
    let side = text(&side, "checkin");
    refused(&site, &dir, &["commit", "a", "-m", "x", "--parent", side], FAILED, "side is closed");
    site.is_sound();
}

#[test]
fn a_check_in_is_later_than_its_parent() {
    let site = Site::new();
    let checkout = site.open("checkout", "trunk");
    std::fs::write(checkout.join("f"), "1").unwrap();
    site.fossil.output_in(&checkout, ["add", "f"]);
    let words = ["commit", "-m", "later", "--date-override", "2099-01-01 00:00:00", "--no-warnings"];
    site.fossil.output_in(&checkout, words);
    std::fs::write(checkout.join("f"), "2").unwrap();
    refused(&site, &checkout, &["commit", "f", "-m", "x"], FAILED, "older than its parent");
    let answer = site.run(&checkout, &["commit", "f", "-m", "x", "--allow-older"]);
    assert!(!site.manifest(&answer).contains("\nD 2099"));
    site.fossil.test_integrity(&site.file);
}

#[test]
fn a_file_of_the_parent_that_is_known_by_name_only() {
    let (site, dir) = site();
    sql::execute(&site.file, "UPDATE blob SET size=-1, content=NULL WHERE rid=(SELECT max(fid) FROM mlink)");
    std::fs::write(dir.join("a"), "changed").unwrap();
    refused(&site, &dir, &["commit", "a", "-m", "x"], FAILED, "is not here; pull first");
}

#[test]
fn the_repository_is_in_use() {
    let (site, dir) = site();
    std::fs::write(dir.join("a"), "changed").unwrap();
    let lock = sql::open(&site.file);
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let said = site.try_run(&dir, &["commit", "a", "-m", "x"]);
    assert_eq!(said.code, Some(LOCKED), "{said}");
    // Who only looks need not wait.
    let said = site.try_run(&dir, &["commit", "a", "-m", "x", "--dry-run"]);
    assert_eq!((said.code, &said.stdout[..]), (Some(0), "EDITED   a\n1 change\n"), "{said}");
    lock.execute_batch("ROLLBACK").unwrap();
    site.run(&dir, &["commit", "a", "-m", "x"]);
}
