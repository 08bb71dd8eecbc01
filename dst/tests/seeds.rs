//! Seeds that once found something, a few of each level, and the same seed twice.

use dst::node::Templates;
use dst::plan::{Edition, Level};
use dst::script::Script;
use dst::sim::{self, Outcome};

const SEEDS: &str = include_str!("../seeds.txt");

#[track_caller]
fn check(outcome: &Outcome) {
    let (seed, level) = (outcome.seed, outcome.level.name());
    let edition = outcome.plan.edition.number();
    let again = format!(
        "cargo run --release -p frond-dst -- run --seed {seed} --level {level} --edition {edition} --trace"
    );
    assert_eq!(outcome.violation, None, "{again}");
}

fn run(seed: u64, level: Level, templates: &Templates, kept: usize) -> Outcome {
    sim::run(seed, level, templates, kept).expect("repositories in memory")
}

fn templates() -> Templates {
    Templates::new().expect("repositories in memory")
}

fn sweep(level: Level, seeds: std::ops::Range<u64>) {
    let templates = templates();
    for seed in seeds {
        check(&run(seed, level, &templates, 0));
    }
}

#[test]
fn what_was_found_once_stays_mended() {
    let templates = templates();
    let (mut count, mut edition) = (0, Edition::default());
    for line in SEEDS.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let (seed, level) = (words.next().unwrap(), words.next().unwrap());
        if seed == "edition" {
            edition = Edition::of(level.parse().unwrap()).unwrap();
            continue;
        }
        assert!(words.next().is_some(), "every seed has a story: {line}");
        let script = Script::new(seed.parse().unwrap(), Level::parse(level).unwrap()).of_edition(edition);
        check(&sim::play(&script, &templates, 0).expect("repositories in memory"));
        count += 1;
    }
    assert!(count > 0, "no seed was read");
}

#[test]
fn calm_seeds_pass() {
    sweep(Level::Calm, 0..60);
}

#[test]
fn rough_seeds_pass() {
    sweep(Level::Rough, 0..60);
}

#[test]
fn hostile_seeds_pass() {
    sweep(Level::Hostile, 0..60);
}

#[test]
fn the_same_seed_makes_the_same_trace() {
    let templates = templates();
    for level in Level::ALL {
        for seed in 1_000..1_010 {
            let run = || run(seed, level, &templates, usize::MAX).trace;
            let (one, other) = (run(), run());
            assert_eq!(one.hash(), other.hash());
            assert_eq!(one.last(), other.last());
        }
    }
}
