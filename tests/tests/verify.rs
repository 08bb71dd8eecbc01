//! What `frond verify` tells of a file, and what it advises.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use frond_tests::corpus::{Extras, Shape, by_stock};
use frond_tests::frond::{FAILED, run};
use frond_tests::{Fossil, Frond, Said, Scratch, compare, memory, shared, sql};
use serde_json::Value;

fn verify(file: &Path, option: &str) -> Said {
    Frond::new().try_run([OsStr::new("verify"), option.as_ref(), "-R".as_ref(), file.as_os_str()])
}

/// The object that ends the JSON.
fn verified(file: &Path) -> Value {
    serde_json::from_str(verify(file, "--json").stdout.lines().last().unwrap()).unwrap()
}

fn made(scratch: &Scratch) -> PathBuf {
    let (fossil, file) = (Fossil::new(), scratch.file("file.fossil"));
    by_stock(&fossil, &file, Shape { checkins: 30, files: 12, seed: 5 }, 30, Extras::None);
    fossil.rebuild(&file);
    file
}

/// SQL for a check-in in the midst of a chain of deltas.
const SOURCE: &str = "(SELECT srcid FROM delta WHERE srcid IN (SELECT objid FROM event WHERE type='ci')
    AND rid IN (SELECT srcid FROM delta) ORDER BY srcid LIMIT 1)";

/// How many are deltas of it, directly or through others.
fn below(file: &Path) -> i64 {
    let below = format!(
        "WITH RECURSIVE below(rid) AS (SELECT rid FROM delta WHERE srcid={SOURCE}
         UNION SELECT delta.rid FROM below JOIN delta ON srcid=below.rid) SELECT count(*) FROM below"
    );
    sql::number(file, &below)
}

#[test]
fn a_damaged_artifact_is_one_finding_and_the_rest_is_counted() {
    let scratch = Scratch::new();
    let file = made(&scratch);
    assert_eq!(verify(&file, "--quiet").code, Some(0));
    let name = &sql::column(&file, &format!("SELECT uuid FROM blob WHERE rid={SOURCE}"))[0];
    let below = below(&file);
    sql::execute(&file, &format!("UPDATE blob SET content=x'00000005789c' WHERE rid={SOURCE}"));
    let said = verify(&file, "--verbose");
    assert_eq!(said.code, Some(FAILED), "{said}");
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert!(
        lines[0].starts_with(name.as_str()) && lines[0].contains(&format!("; with it {below} delta")),
        "{said}"
    );
    assert!(lines[1].contains("of derived tables differ"), "{said}");
    assert!(lines[2].ends_with(": 2 findings"), "{said}");
    assert_eq!(lines.len(), 3, "{said}");
    assert!(said.stderr.contains("clone another copy"), "{said}");
}

#[test]
fn what_only_a_damaged_file_has_is_pulled_into_a_sound_copy_as_advised() {
    let (scratch, frond) = (Scratch::new(), Frond::new());
    let file = made(&scratch);
    let copy = scratch.copy(&file, "copy.fossil");
    let path = |file: &Path| file.to_string_lossy().into_owned();
    let only_here = scratch.write("only-here.txt", "nobody else has this\n");
    let mut commit =
        frond.command(["commit", "-m", "more", "--user", "dev", "only-here.txt", "-R", &path(&file)]);
    let said = run(commit.current_dir(only_here.parent().unwrap()));
    assert_eq!(said.code, Some(0), "{said}");
    sql::execute(&file, &format!("UPDATE blob SET content=x'00000005789c' WHERE rid={SOURCE}"));
    assert_eq!(verify(&file, "--quiet").code, Some(FAILED));
    let server = frond.server(&file);
    let said = frond.try_run(["pull", "--once", &server.url(), "-R", &path(&copy)]);
    assert_eq!(said.code, Some(0), "{said}");
    compare::holds_all_of(&copy, &file);
    assert_eq!(verify(&copy, "--quiet").code, Some(0));
}

#[test]
fn what_a_pull_has_not_brought_yet_is_no_finding() {
    let scratch = Scratch::new();
    let file = made(&scratch);
    let held = sql::number(&file, "SELECT count(*) FROM blob");
    let below = below(&file);
    sql::execute(&file, &format!("UPDATE blob SET size=-1, content=NULL, rcvid=0 WHERE rid={SOURCE}"));
    sql::execute(&file, &format!("DELETE FROM delta WHERE rid={SOURCE}"));
    sql::execute(&file, "INSERT INTO phantom SELECT rid FROM blob WHERE size<0");
    assert_eq!(Frond::new().try_run([OsStr::new("rebuild"), "-R".as_ref(), file.as_os_str()]).code, Some(0));
    let said = verify(&file, "--verbose");
    assert_eq!(said.code, Some(0), "{said}");
    assert!(said.stdout.contains("nothing wrong\n1 more are named and not held\n"), "{said}");
    assert!(
        said.stdout.contains(&format!("\n{below} more wait")) && said.stdout.contains("frond pull"),
        "{said}"
    );
    let answer = verified(&file);
    let counts = ["artifacts", "phantoms", "waiting", "findings"].map(|name| answer[name].as_i64().unwrap());
    assert_eq!(counts, [held - 1 - below, 1, below, 0]);
}

#[test]
fn names_that_stock_leaves_behind_are_no_finding() {
    let (fossil, scratch) = (Fossil::new(), Scratch::new());
    let file = made(&scratch);
    let checkout = scratch.dir("checkout");
    fossil.output_in(&checkout, ["open", &file.to_string_lossy(), "trunk"]);
    std::fs::write(checkout.join("soon-gone.txt"), "text").unwrap();
    fossil.output_in(&checkout, ["add", "soon-gone.txt"]);
    fossil.output_in(&checkout, ["commit", "-m", "aside", "--branch", "aside", "--no-warnings"]);
    fossil.output_in(&checkout, ["update", "trunk"]);
    fossil.output_in(&checkout, ["purge", "checkins", "aside"]);
    fossil.output_in(&checkout, ["close", "--force"]);
    let left = "SELECT (SELECT count(*) FROM filename WHERE name='soon-gone.txt')
                     + (SELECT count(*) FROM tag WHERE tagname='sym-aside')";
    assert_eq!(sql::number(&file, left), 2);
    assert_eq!(
        sql::number(&file, "SELECT count(*) FROM tagxref JOIN tag USING(tagid) WHERE tagname='sym-aside'"),
        0
    );
    let said = verify(&file, "--verbose");
    assert_eq!(said.code, Some(0), "{said}");
    fossil.rebuild(&file);
    assert_eq!(sql::number(&file, left), 0);
}

#[test]
fn memory_is_bounded_on_two_thousand_checkins() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let file = scratch.copy(&shared::corpus(Shape::of(2000), 2000, Extras::None), "original.fossil");
    let largest = sql::number(&file, "SELECT max(size) FROM blob");
    let bound = (100 << 20) + u64::try_from(largest).unwrap() * 5 / 2;
    for command in ["rebuild", "verify"] {
        let (said, peak) = memory::run(&mut frond.command([command, "-R", &file.to_string_lossy()]));
        assert_eq!(said.code, Some(0), "{said}");
        let taken = peak.resident;
        assert!(taken <= bound, "{command} took {} MB, {} MB are allowed", taken >> 20, bound >> 20);
    }
}
