//! The main job, shown: make a repository, serve it, clone it, change the source, pull the change, verify both.
//!
//! `demo [DIRECTORY]` works in a fresh directory, or in DIRECTORY, which is kept.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};

use frond_tests::corpus::by_frond;
use frond_tests::frond::{binary, count};
use frond_tests::{Frond, Scratch};
use serde_json::Value;

const SEED: u64 = 1;
const FILES: usize = 60;
const CHECKINS: usize = 300;
const MORE_CHECKINS: usize = 25;

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    let scratch = Scratch::new();
    let place = std::env::args().nth(1).map_or_else(|| scratch.path().to_owned(), PathBuf::from);
    std::fs::create_dir_all(&place)?;
    let (source, copy) = (place.join("source.fossil"), place.join("copy.fossil"));
    let frond = Frond::new();

    writeln!(out, "1. Make a repository of {CHECKINS} check-ins: {}", source.display())?;
    let mut repo = by_frond::create(&source)?;
    by_frond::add(&mut repo, SEED, FILES, CHECKINS)?;

    let server = frond.server(&source);
    writeln!(out, "2. Serve it at {}", server.url())?;

    writeln!(out, "3. Clone it: frond clone {} {}", server.url(), copy.display())?;
    let clone = frond.clone(&server.url(), &copy);

    writeln!(out, "4. Add {MORE_CHECKINS} check-ins to the source, while it is served")?;
    by_frond::add(&mut repo, SEED, FILES, MORE_CHECKINS)?;
    drop(repo);

    writeln!(out, "5. Pull them: frond pull -R {}", copy.display())?;
    let pull = frond.pull(&server.url(), &copy);

    writeln!(out, "6. Pull again: nothing is left to get")?;
    let again = frond.pull(&server.url(), &copy);

    writeln!(out, "7. Verify both: every hash, every derived table\n")?;
    frond.verify(&source);
    frond.verify(&copy);
    assert!(count(&clone, "artifacts_received") > 0 && count(&pull, "artifacts_received") > 0);
    assert_eq!(count(&again, "artifacts_received"), 0, "the second pull moved artifacts");

    table(&mut out, &[("clone", &clone), ("pull", &pull), ("pull again", &again)])?;
    writeln!(out, "\nBoth repositories hold the same artifacts, and both verify.\n")?;
    next_steps(&mut out, &frond, &copy)?;
    Ok(())
}

fn table(out: &mut impl Write, rows: &[(&str, &Value)]) -> std::io::Result<()> {
    writeln!(
        out,
        "{:<12}{:>8}{:>12}{:>14}{:>18}{:>11}",
        "", "rounds", "artifacts", "bytes sent", "bytes received", "seconds"
    )?;
    for (name, summary) in rows {
        writeln!(
            out,
            "{name:<12}{:>8}{:>12}{:>14}{:>18}{:>11.3}",
            count(summary, "rounds"),
            count(summary, "artifacts_received"),
            count(summary, "bytes_sent"),
            count(summary, "bytes_received"),
            summary["seconds"].as_f64().unwrap_or_default(),
        )?;
    }
    Ok(())
}

fn next_steps(out: &mut impl Write, frond: &Frond, copy: &Path) -> std::io::Result<()> {
    let newest =
        frond.output(["timeline".as_ref(), "-n".as_ref(), "3".as_ref(), "-R".as_ref(), copy.as_os_str()]);
    writeln!(out, "The newest of the copy:\n{newest}")?;
    writeln!(out, "Now with a repository of your own:")?;
    let frond = binary().display();
    writeln!(out, "  {frond} clone https://HOST/PATH project.fossil")?;
    writeln!(out, "  {frond} pull -R project.fossil")?;
    writeln!(out, "  {frond} serve project.fossil --listen 127.0.0.1:8080")?;
    writeln!(out, "  {frond} help")
}
