//! Runs a fleet of leaves at a broker under random check-ins, kills, restarts of the broker, cuts and stalls of lines, then
//! without the broker for a minute, and says whether it converges, how soon, and what each leaf takes:
//! with the default `poll`, no JetStream, no registry.
//!
//! `soak-fleet [--leaves N] [--repositories N] [--minutes N] [--away SECONDS] [--seed N]`. Exits 1 if what was made is not
//! everywhere 30 seconds after the last fault, a check-in while nothing fails takes more than a second to all (median of
//! five) or more than five seconds, a repository is not sound or not what the others are, or a leaf takes more than 60 MB at any time or 1 % of a
//! processor at rest.

use std::process::ExitCode;
use std::time::Duration;

use frond_tests::soak::Fleet;

const USAGE: &str =
    "usage: soak-fleet [--leaves N] [--repositories N] [--minutes N] [--away SECONDS] [--seed N]";

fn main() -> ExitCode {
    let (mut leaves, mut repositories, mut minutes, mut away, mut seed) = (20, 5, 10, 60, 1);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let number = words.next().and_then(|word| word.parse::<u64>().ok()).expect(USAGE);
        match word.as_str() {
            "--leaves" => leaves = number,
            "--repositories" => repositories = number,
            "--minutes" => minutes = number,
            "--away" => away = number,
            "--seed" => seed = number,
            other => panic!("{other}? {USAGE}"),
        }
    }
    let mut fleet = Fleet::start(leaves, repositories, seed);
    let mut all_well = fleet.rest("at rest, before");
    all_well &= fleet.time_one();
    fleet.trouble(Duration::from_secs(60 * minutes));
    all_well &= fleet.converge("the last fault");
    fleet.without_broker(Duration::from_secs(away));
    all_well &= fleet.converge("the broker came back");
    all_well &= fleet.rest("at rest, after");
    all_well &= fleet.verify();
    all_well &= fleet.tell_each();
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
