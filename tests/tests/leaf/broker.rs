//! Leaves that meet at a broker, without a hub.

use std::path::PathBuf;

use frond_tests::leaf::{check_in, holds, open_repository, until};
use frond_tests::{Fossil, Frond, Leaf, Nats, Scratch};

/// Three copies of a repository, and a leaf for each at the broker; news alone begin sessions.
fn fleet(frond: &Frond, scratch: &Scratch, broker: &Nats) -> Vec<(PathBuf, Leaf)> {
    let first = scratch.file("a.fossil");
    open_repository(frond, &first);
    let server = frond.server(&first);
    for name in ["b.fossil", "c.fossil"] {
        let file = scratch.file(name);
        frond.clone(&server.url(), &file);
        frond.output(["user", "capabilities", "nobody", "gio", "-R", &file.to_string_lossy()]);
    }
    drop(server);
    let files = ["a.fossil", "b.fossil", "c.fossil"].map(|name| scratch.file(name));
    let start = |file: PathBuf| {
        let leaf = Leaf::of(frond, &file, &["--nats", &broker.url(), "--poll", "off"]);
        (file, leaf)
    };
    let fleet: Vec<_> = files.into_iter().map(start).collect();
    for (_, leaf) in &fleet {
        until("it is ready", || leaf.probe("/readyz").status == 200);
    }
    fleet
}

#[track_caller]
fn reaches_all(frond: &Frond, fleet: &[(PathBuf, Leaf)], hash: &str) {
    for (file, _) in fleet {
        until("the check-in is everywhere", || holds(frond, file, hash));
    }
}

#[test]
fn a_check_in_on_any_leaf_is_announced_to_all_and_fetched() {
    let (frond, scratch, broker) = (Frond::new(), Scratch::new(), Nats::start());
    let fleet = fleet(&frond, &scratch, &broker);
    for (number, (file, _)) in fleet.iter().enumerate() {
        let hash = check_in(&frond, file, &format!("{number}.txt"));
        reaches_all(&frond, &fleet, &hash);
    }
    for (_, leaf) in fleet {
        leaf.terminate();
    }
}

#[test]
fn a_broker_that_comes_back_brings_what_was_missed() {
    let (frond, scratch, mut broker) = (Frond::new(), Scratch::new(), Nats::start());
    let fleet = fleet(&frond, &scratch, &broker);
    let first = check_in(&frond, &fleet[0].0, "before.txt");
    reaches_all(&frond, &fleet, &first);
    broker.stop();
    let missed: Vec<String> = fleet
        .iter()
        .enumerate()
        .map(|(n, (file, _))| check_in(&frond, file, &format!("alone-{n}.txt")))
        .collect();
    broker.restart();
    for hash in &missed {
        reaches_all(&frond, &fleet, hash);
    }
}

#[test]
fn stock_commits_to_the_file_of_one_leaf_and_pulls_from_another() {
    let (frond, scratch, broker, fossil) = (Frond::new(), Scratch::new(), Nats::start(), Fossil::new());
    let fleet = fleet(&frond, &scratch, &broker);
    let clone = scratch.file("stock.fossil");
    fossil.clone(&fleet[0].1.url(), &clone);
    let hash = check_in(&frond, &clone, "by-stock.txt");
    fossil.exchange("push", &fleet[0].1.url(), &clone);
    reaches_all(&frond, &fleet, &hash);
    let other = scratch.file("other.fossil");
    fossil.clone(&fleet[2].1.url(), &other);
    assert!(holds(&frond, &other, &hash));
}
