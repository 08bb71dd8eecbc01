//! Worked examples: artifacts in, derived rows out, whatever the order of arrival.
//!
//! The rows are those of stock 2.21 after `fossil rebuild`. Where stock's rebuild depends on the order of rids,
//! the rows are those that it makes with the rids that the order of arrival gives.

use std::collections::BTreeSet;

use repo::Repo;

use crate::reader::{Case, Rows, cases};
use crate::support::{Arrival, NOW, arrive, dump, empty, take_in};

/// Not derived, or not told in the cases row by row. The names of `filename` and `tag` are compared with a
/// rebuild, and with stock's.
const UNTOLD: [&str; 4] = ["private", "unclustered", "filename", "tag"];

/// A check-in whose `parent` tag has a lower rid has no row in the timeline of stock: the way of arrival shows.
const NOT_FOLLOWED: [&str; 1] = ["83."];

/// Stock numbers the phantoms of this case otherwise as they come backwards one by one: with our numbers its
/// rebuild gives the rows of the reversed order, as the comparison with stock shows.
const NUMBERED_OTHERWISE: &str = "63.";

type Dump = BTreeSet<(String, String)>;

fn rebuilt(repo: &mut Repo) -> Dump {
    let tx = repo.begin().unwrap();
    repo::rebuild::run(&tx, NOW, &mut |_| ()).unwrap();
    tx.commit().unwrap();
    dump(repo)
}

fn change(rows: &mut Dump, by: &Rows) {
    rows.retain(|row| !by.gone.contains(row));
    rows.extend(by.more.iter().cloned());
}

/// The rows that a case leads to.
fn expected(case: &Case, mode: &str) -> Dump {
    let mut setup = empty();
    take_in(&mut setup, &case.setup.iter().collect::<Vec<_>>());
    let mut rows = dump(&mut setup);
    change(&mut rows, &case.rows);
    let followed = !NOT_FOLLOWED.iter().any(|number| case.title.starts_with(number));
    for version in ["", "21"].iter().filter(|_| followed) {
        if let Some(otherwise) = case.otherwise.get(&format!("{mode}{version}")) {
            change(&mut rows, otherwise);
        }
    }
    rows
}

fn differences(got: &Dump, expected: &Dump) -> Vec<String> {
    let told = |row: &&(String, String)| !UNTOLD.contains(&row.0.as_str());
    let line = |sign: &str, (table, row): &(String, String)| format!("  {sign} {table} {row}");
    let missing = expected.difference(got).filter(told).map(|row| line("missing", row));
    missing.chain(got.difference(expected).filter(told).map(|row| line("extra  ", row))).collect()
}

fn check(arrival: Arrival) {
    let mut failures = Vec::new();
    for case in cases() {
        let mut repo = empty();
        arrive(&mut repo, &case, arrival);
        let got = dump(&mut repo);
        let mode = match arrival {
            Arrival::ReversedOneByOne if case.title.starts_with(NUMBERED_OTHERWISE) => "V",
            _ => arrival.rebuild_mode(),
        };
        let wrong = differences(&got, &expected(&case, mode));
        let anew = differences(&got, &rebuilt(&mut repo));
        for (what, wrong) in [("arrival", wrong), ("against its rebuild", anew)] {
            if !wrong.is_empty() {
                failures.push(format!("{} ({what})\n{}", case.title, wrong.join("\n")));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures, {arrival:?}:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn there_are_150_cases() {
    assert_eq!(cases().len(), 150);
}

#[test]
fn artifacts_that_come_one_by_one_lead_to_the_rows_of_a_rebuild() {
    check(Arrival::OneByOne);
}

#[test]
fn artifacts_that_come_at_once_lead_to_the_rows_of_a_rebuild() {
    check(Arrival::AtOnce);
}

#[test]
fn artifacts_that_come_backwards_lead_to_the_rows_of_a_rebuild() {
    check(Arrival::ReversedOneByOne);
}

#[test]
fn artifacts_that_come_backwards_at_once_lead_to_the_rows_of_a_rebuild() {
    check(Arrival::ReversedAtOnce);
}
