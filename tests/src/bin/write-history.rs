//! Writes a repository with Frond alone, and later goes on with it: for the demonstration.
//!
//! `write-history new FILE [--checkins N]` makes a repository with N check-ins (300) and what happens around
//! them; `write-history add FILE [--checkins N]` adds the next N (20). Both print how many it holds then.

use std::error::Error;
use std::io::Write;
use std::path::Path;

use frond_tests::corpus::by_frond;
use repo::Repo;

const USAGE: &str = "usage: write-history new|add FILE [--checkins N]";
const SEED: u64 = 1;
const FILES: usize = 60;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (command, file, count) = match words[..] {
        [command, file] => (command, file, None),
        [command, file, "--checkins", count] => (command, file, Some(count.parse::<usize>()?)),
        _ => return Err(USAGE.into()),
    };
    let (mut repo, count) = match command {
        "new" => (by_frond::create(Path::new(file))?, count.unwrap_or(300)),
        "add" => (Repo::open(Path::new(file))?, count.unwrap_or(20)),
        _ => return Err(USAGE.into()),
    };
    let held = by_frond::add(&mut repo, SEED, FILES, count)?;
    writeln!(std::io::stdout(), "{file}: {held} check-ins")?;
    Ok(())
}
