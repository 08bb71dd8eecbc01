//! A rebuild of a damaged file: the rest is rebuilt, and what is missing is told.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::ffi::OsStr;
use std::path::Path;

use frond_tests::corpus::{Extras, Shape, by_stock};
use frond_tests::frond::{FAILED, PARTIAL};
use frond_tests::{Fossil, Frond, Said, Scratch, sql};
use serde_json::Value;

/// SQL for the rid of the check-in `n` before the last.
fn checkin(n: u32) -> String {
    format!("(SELECT objid FROM event WHERE type='ci' ORDER BY mtime DESC, objid DESC LIMIT 1 OFFSET {n})")
}

fn rebuild(frond: &Frond, file: &Path, option: &str) -> Said {
    frond.try_run([OsStr::new("rebuild"), option.as_ref(), "-R".as_ref(), file.as_os_str()])
}

/// Damages a check-in in the midst, which older ones are deltas of, and rebuilds: what is newer stays.
#[track_caller]
fn rebuilds_without(damage: &str) {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let file = scratch.file("file.fossil");
    by_stock(&fossil, &file, Shape { checkins: 30, files: 12, seed: 5 }, 30, Extras::None);
    assert_eq!(rebuild(&frond, &file, "--json").code, Some(0));
    let number = |from: &str| sql::number(&file, &format!("SELECT count(*) FROM {from}"));
    let newest = format!("event WHERE objid={}", sql::number(&file, &format!("SELECT {}", checkin(0))));
    let before = number("event WHERE type='ci'");
    assert_eq!(number(&newest), 1);
    sql::execute(&file, damage);

    let said = rebuild(&frond, &file, "--quiet");
    assert_eq!(said.code, Some(PARTIAL), "{said}");
    assert!(said.stderr.contains("damaged") && said.stderr.contains("frond verify"), "{said}");
    assert_eq!(said.stderr.trim().lines().count(), 1, "{said}");
    let after = number("event WHERE type='ci'");
    assert!(0 < after && after < before, "{before} check-ins before, {after} after");
    assert_eq!(number(&newest), 1);

    let said = rebuild(&frond, &file, "--json");
    assert_eq!(said.code, Some(PARTIAL), "{said}");
    let answer: Value = serde_json::from_str(said.stdout.lines().next().unwrap()).unwrap();
    let (sound, damaged) = (answer["artifacts"].as_i64().unwrap(), answer["damaged"].as_i64().unwrap());
    assert!(damaged > 0, "{said}");
    assert_eq!(sound + damaged, number("blob WHERE size>=0"), "{said}");
}

#[test]
fn broken_frame() {
    rebuilds_without(&format!("UPDATE blob SET content=x'00000005789c' WHERE rid={}", checkin(5)));
}

#[test]
fn content_missing() {
    rebuilds_without(&format!("UPDATE blob SET content=NULL WHERE rid={}", checkin(5)));
}

#[test]
fn delta_cycle() {
    rebuilds_without(&format!("REPLACE INTO delta(rid, srcid) VALUES({}, {})", checkin(5), checkin(7)));
}

#[test]
fn nothing_is_rebuilt_in_a_file_with_damaged_pages() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let file = scratch.file("file.fossil");
    frond.output(["new", &file.to_string_lossy()]);
    let number = |sql: &str| usize::try_from(sql::number(&file, sql)).unwrap();
    let page = number("SELECT rootpage FROM sqlite_schema WHERE name='user'");
    let size = number("SELECT page_size FROM pragma_page_size");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[(page - 1) * size..page * size].fill(0xee);
    std::fs::write(&file, &bytes).unwrap();
    let said = rebuild(&frond, &file, "--quiet");
    assert_eq!(said.code, Some(FAILED), "{said}");
    assert!(said.stderr.contains("pages of the file are damaged, nothing was changed"), "{said}");
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}

#[test]
fn what_is_lacking_or_odd_in_a_table_is_no_damaged_page() {
    let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
    let file = scratch.file("file.fossil");
    by_stock(&fossil, &file, Shape { checkins: 3, files: 3, seed: 5 }, 3, Extras::None);
    for damage in [
        "DROP TABLE event",
        "UPDATE event SET mtime='late'",
        "UPDATE config SET value=NULL WHERE name='autosync'",
    ] {
        sql::execute(&file, damage);
        let said = rebuild(&frond, &file, "--quiet");
        assert_eq!(said.code, Some(0), "{damage}: {said}");
        assert_eq!(
            sql::number(&file, "SELECT count(*) FROM event WHERE type='ci' AND mtime>0"),
            3,
            "{damage}"
        );
    }
}
