//! Compares Frond with stock Fossil, side by side in one run: pairs in turn, after a warm-up.
//!
//! `bench [--checkins N]... [--pairs N] [--only WORD] [--keep FILE]`. Writes a table, and the same into FILE. Exits 1 if the
//! median clone of Frond takes longer than that of stock.

mod ends;
mod load;
mod stale;
mod table;
mod works;

use std::io::Write;
use std::process::ExitCode;

use self::ends::Bench;
use self::table::{Growth, Row};

const USAGE: &str = "usage: bench [--checkins N]... [--pairs N] [--only WORD] [--keep FILE]";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (mut sizes, mut pairs, mut only, mut keep) = (Vec::new(), 5, String::new(), None);
    while let Some(word) = words.next() {
        let value = words.next().expect(USAGE);
        let number = || value.parse::<usize>().expect(USAGE);
        match word.as_str() {
            "--checkins" => sizes.push(number()),
            "--pairs" => pairs = number(),
            "--only" => only = value,
            "--keep" => keep = Some(value),
            other => panic!("{other}? {USAGE}"),
        }
    }
    if sizes.is_empty() {
        sizes = vec![2000, 20_000];
    }
    let mut report = String::new();
    let mut say = |text: &str| {
        let _ = write!(std::io::stdout(), "{text}");
        report.push_str(text);
    };
    say(&table::head(pairs));
    let mut growth = Growth::default();
    let mut is_slower = false;
    for checkins in sizes {
        let bench = Bench::new(checkins, pairs);
        for work in works::all(&bench).into_iter().filter(|work| work.name.contains(&only)) {
            let row = Row::measure(&bench, &work);
            is_slower |= work.is_plain_clone && row.times_as_fast() < 1.0;
            say(&row.to_string());
            growth.note_row(checkins, &bench, &row);
        }
        if "requests".contains(&only) {
            let row = load::row(&bench);
            say(&row.to_string());
            growth.note_load(checkins, &row);
        }
    }
    say(&growth.to_string());
    if let Some(keep) = keep {
        std::fs::write(&keep, report).unwrap_or_else(|error| panic!("cannot write {keep}: {error}"));
    }
    if is_slower { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
