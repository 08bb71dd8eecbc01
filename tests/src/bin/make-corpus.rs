//! Writes a realistic, repeatable repository with the help of stock Fossil.
//!
//! `make-corpus FILE [--checkins N] [--files M] [--seed S] [--upto K] [--extras]`

use std::io::Write;
use std::path::Path;

use frond_tests::corpus::{Extras, Shape, by_stock};
use frond_tests::{Fossil, sql};

const USAGE: &str = "usage: make-corpus FILE [--checkins N] [--files M] [--seed S] [--upto K] [--extras]";

fn main() {
    let mut words = std::env::args().skip(1);
    let (mut file, mut shape, mut upto, mut extras) = (None, Shape::of(2000), None, Extras::None);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|word| word.parse::<usize>().ok()).expect(USAGE);
        match word.as_str() {
            "--checkins" => shape.checkins = number(),
            "--files" => shape.files = number(),
            "--seed" => shape.seed = number() as u64,
            "--upto" => upto = Some(number()),
            "--extras" => extras = Extras::All,
            name if !name.starts_with('-') && file.is_none() => file = Some(name.to_owned()),
            other => panic!("{other}? {USAGE}"),
        }
    }
    let file = std::path::absolute(Path::new(&file.expect(USAGE))).expect("a path that can be made absolute");
    assert!(!file.exists(), "{} exists already", file.display());
    by_stock(&Fossil::new(), &file, shape, upto.unwrap_or(shape.checkins), extras);
    let artifacts = sql::number(&file, "SELECT count(*) FROM blob");
    let size = std::fs::metadata(&file).map_or(0, |file| file.len());
    let _ = writeln!(std::io::stdout(), "{artifacts} artifacts, {size} bytes");
}
