//! Compares Frond with stock Fossil, side by side in one run: pairs in turn, after a warm-up.
//!
//! `bench [--checkins N]... [--pairs N] [--only WORD]... [--keep FILE]`. Writes a table, and the same into FILE: of a part of
//! the works or sizes, its rows among those that are there. A work is named by some of its words. Exits 1 if the median clone
//! of Frond takes longer than that of stock.

mod ends;
mod load;
mod report;
mod stale;
mod table;
mod works;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use frond_tests::sql;

use self::ends::Bench;
use self::report::Report;
use self::table::Row;

const CLONE_COST: &str = "CPU seconds of a clone for a gigabyte, expanded,";
const REQUEST_COST: &str = "CPU milliseconds of the server for a request that moves nothing,";

const USAGE: &str = "usage: bench [--checkins N]... [--pairs N] [--only WORD]... [--keep FILE]";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (mut sizes, mut pairs, mut only, mut keep) = (Vec::new(), 5, Vec::new(), None);
    while let Some(word) = words.next() {
        let value = words.next().expect(USAGE);
        let number = || value.parse::<usize>().expect(USAGE);
        match word.as_str() {
            "--checkins" => sizes.push(number()),
            "--pairs" => pairs = number(),
            "--only" => only.push(value),
            "--keep" => keep = Some(PathBuf::from(value)),
            other => panic!("{other}? {USAGE}"),
        }
    }
    let is_part = !sizes.is_empty() || !only.is_empty();
    let is_wanted = |name: &str| only.is_empty() || only.iter().any(|words| name.contains(words.as_str()));
    if sizes.is_empty() {
        sizes = vec![2000, 20_000];
    }
    let kept = keep.as_deref().filter(|_| is_part).map(Report::read);
    let mut report = kept.unwrap_or_default();
    say(&table::head());
    let mut is_slower = false;
    for checkins in sizes {
        let bench = Bench::new(checkins, pairs);
        for work in works::all(&bench).into_iter().filter(|work| is_wanted(&work.name)) {
            let row = Row::measure(&bench, &work);
            is_slower |= work.is_plain_clone && row.times_as_fast() < 1.0;
            say(&row.to_string());
            report.put(&row.to_string());
            if work.is_plain_clone {
                report.grow(CLONE_COST, checkins, row.our_cpu() / gigabytes(&bench));
            }
            write(keep.as_deref(), &report);
        }
        if is_wanted(load::NAME) {
            let row = load::row(&bench);
            say(&row.to_string());
            report.put(&row.to_string());
            report.grow(REQUEST_COST, checkins, row.server_ms());
            write(keep.as_deref(), &report);
        }
    }
    if is_slower { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Keeps what is there so far: a whole run takes more than an hour.
fn write(keep: Option<&Path>, report: &Report) {
    let Some(keep) = keep else { return };
    let directory = keep.parent().map_or(Ok(()), std::fs::create_dir_all);
    directory
        .and_then(|()| std::fs::write(keep, report.to_string()))
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", keep.display()));
}

fn say(text: &str) {
    let _ = write!(std::io::stdout(), "{text}");
}

/// What all artifacts come to.
fn gigabytes(bench: &Bench) -> f64 {
    sql::number(&bench.corpus, "SELECT sum(size) FROM blob WHERE size>0") as f64 / 1e9
}
