//! Leaves, brokers and peers that come late, or were away for long.

use std::path::{Path, PathBuf};

use frond_tests::leaf::{check_in, holds, open_repository, until};
use frond_tests::nats::ByHand;
use frond_tests::process::free_port;
use frond_tests::proxy::{Fault, Proxy};
use frond_tests::{Frond, Leaf, Nats, Scratch, sql};

/// Check-ins of a day at others.
const DAY: usize = 40;

const JETSTREAM: &str = "jetstream { store_dir: \"{STORE}\" }\n";

/// Copies of one repository, that everybody may clone, pull from and push to.
fn copies(frond: &Frond, scratch: &Scratch, names: &[&str]) -> Vec<PathBuf> {
    let first = scratch.file(names[0]);
    open_repository(frond, &first);
    let server = frond.server(&first);
    let copy = |name: &&str| {
        let file = scratch.file(name);
        frond.output(["clone", "--once", &server.url(), &file.to_string_lossy()]);
        frond.output(["user", "capabilities", "nobody", "gio", "-R", &file.to_string_lossy()]);
        file
    };
    let others: Vec<PathBuf> = names[1..].iter().map(copy).collect();
    [first].into_iter().chain(others).collect()
}

/// A leaf that begins no session by itself but when something happened.
fn leaf(frond: &Frond, file: &Path, url: &str) -> Leaf {
    let leaf = Leaf::of(frond, file, &["--nats", url, "--poll", "off"]);
    until("the repository is open", || leaf.probe("/readyz").status == 200);
    leaf
}

#[test]
fn leaves_and_their_broker_may_start_in_any_order() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let files = copies(&frond, &scratch, &["a.fossil", "b.fossil", "c.fossil"]);
    let mut broker = Nats::start();
    broker.stop();
    let leaves: Vec<Leaf> = files[..2].iter().map(|file| leaf(&frond, file, &broker.url())).collect();
    let alone = check_in(&frond, &files[0], "alone.txt");
    broker.restart();
    until("what was made without a broker is on the other", || holds(&frond, &files[1], &alone));
    let _late = leaf(&frond, &files[2], &broker.url());
    until("who comes late gets it too", || holds(&frond, &files[2], &alone));
    for (number, from) in files.iter().enumerate() {
        let hash = check_in(&frond, from, &format!("{number}.txt"));
        for file in &files {
            until("all have it", || holds(&frond, file, &hash));
        }
    }
    drop(leaves);
}

#[test]
fn a_leaf_ends_at_once_while_its_broker_is_away() {
    for was_there in [false, true] {
        let (frond, scratch) = (Frond::new(), Scratch::new());
        let files = copies(&frond, &scratch, &["a.fossil"]);
        let mut broker = Nats::start();
        if !was_there {
            broker.stop();
        }
        let leaf = Leaf::of(
            &frond,
            &files[0],
            &[
                "--nats",
                &broker.url(),
                "--drain",
                "1h",
                "--bridge",
                &format!("{}=http://127.0.0.1:1/", "ab".repeat(20)),
            ],
        );
        until("the repository is open", || leaf.probe("/healthz").status == 200);
        if was_there {
            until("it is ready", || leaf.probe("/readyz").status == 200);
            broker.stop();
            until("it knows", || {
                leaf.status(&frond)["repositories"][0]["peers"][0]["error"]["class"] == "network"
            });
        }
        leaf.terminate();
    }
}

/// How many announcements the broker keeps for a repository, if it knows it.
fn kept_for(broker: &Nats, file: &Path) -> Option<u64> {
    let config =
        |key: &str| sql::column(file, &format!("SELECT value FROM config WHERE name='{key}'"))[0].clone();
    let (project, own) = (config("project-code"), config("server-code"));
    let subject = format!("$JS.API.CONSUMER.INFO.FROND_fossil_{project}.{own}");
    let heard = ByHand::connect(broker).ask(&subject, b"");
    let said: serde_json::Value = serde_json::from_slice(&heard.payload).unwrap();
    Some(said["num_pending"].as_u64()? + said["num_ack_pending"].as_u64()?)
}

#[test]
fn a_leaf_that_was_away_for_a_day_gets_what_it_missed() {
    for configuration in ["", JETSTREAM] {
        let (frond, scratch, broker) = (Frond::new(), Scratch::new(), Nats::with(configuration));
        let files = copies(&frond, &scratch, &["a.fossil", "b.fossil", "c.fossil"]);
        let first = leaf(&frond, &files[0], &broker.url());
        let second = leaf(&frond, &files[1], &broker.url());
        // It was there once, so that what is announced may be kept for it.
        let third = leaf(&frond, &files[2], &broker.url());
        let keeps = configuration == JETSTREAM;
        until("the broker knows it", || !keeps || kept_for(&broker, &files[2]) == Some(0));
        third.terminate();
        let missed: Vec<String> =
            (0..DAY).map(|number| check_in(&frond, &files[0], &format!("{number}.txt"))).collect();
        until("the other leaf has all", || holds(&frond, &files[1], &missed[DAY - 1]));
        let kept = keeps.then(|| kept_for(&broker, &files[2])).flatten();
        assert_eq!(kept.is_some_and(|kept| kept > 0), keeps, "the broker keeps what was announced: {kept:?}");
        // Who made it is gone by now.
        first.terminate();
        let back = leaf(&frond, &files[2], &broker.url());
        until("it has the last one", || holds(&frond, &files[2], &missed[DAY - 1]));
        assert!(missed.iter().all(|hash| holds(&frond, &files[2], hash)));
        until("it has taken all that was kept", || !keeps || kept_for(&broker, &files[2]) == Some(0));
        let mine = check_in(&frond, &files[2], "mine.txt");
        until("what it makes now is elsewhere", || holds(&frond, &files[1], &mine));
        for leaf in [second, back] {
            leaf.terminate();
        }
        frond.verify(&files[2]);
    }
}

#[test]
fn a_leaf_whose_line_to_the_broker_was_cut_gets_what_it_missed() {
    for configuration in ["", JETSTREAM] {
        let (frond, scratch, broker) = (Frond::new(), Scratch::new(), Nats::with(configuration));
        let files = copies(&frond, &scratch, &["a.fossil", "b.fossil"]);
        let line = Proxy::start(std::net::SocketAddr::from(([127, 0, 0, 1], broker.port)));
        let _first = leaf(&frond, &files[0], &broker.url());
        let _second = leaf(&frond, &files[1], &format!("nats://{}", line.address));
        let before = check_in(&frond, &files[0], "before.txt");
        until("it is there", || holds(&frond, &files[1], &before));
        line.suffer(Fault::Closed);
        let missed: Vec<String> =
            (0..DAY / 4).map(|number| check_in(&frond, &files[0], &format!("{number}.txt"))).collect();
        let mine = check_in(&frond, &files[1], "mine.txt");
        line.suffer(Fault::None);
        for hash in &missed {
            until("what was missed is there", || holds(&frond, &files[1], hash));
        }
        until("what was made there meanwhile is here", || holds(&frond, &files[0], &mine));
    }
}

#[test]
fn a_peer_without_rights_gets_nothing_over_any_path() {
    let (frond, scratch, broker) = (Frond::new(), Scratch::new(), Nats::start());
    let fossil = frond_tests::Fossil::new();
    let files = copies(&frond, &scratch, &["a.fossil", "hub.fossil", "intruder.fossil"]);
    let (file, hub, intruder) = (&files[0], &files[1], &files[2]);
    let secret = check_in(&frond, file, "secret.txt");
    frond.push(&frond.server(hub).url(), file);
    for closed in [file, hub] {
        frond.output(["user", "capabilities", "nobody", "", "-R", &closed.to_string_lossy()]);
        frond.output(["user", "capabilities", "anonymous", "", "-R", &closed.to_string_lossy()]);
    }
    let stock = fossil.server(hub);
    let closed = Leaf::of(&frond, file, &["--nats", &broker.url(), "--poll", "off"]);
    let name = format!("bridge-{}", free_port());
    scratch.write(
        "bridge.toml",
        format!(
            "admin = '0'\nnats = '{}'\n[[bridge]]\nurl = '{}'\nname = '{name}'\n",
            broker.url(),
            stock.url()
        ),
    );
    let bridge = Leaf::start(&frond, ["--config", &scratch.file("bridge.toml").to_string_lossy()]);
    for leaf in [&closed, &bridge] {
        until("it answers", || leaf.probe("/readyz").status == 200);
    }
    let config =
        |key: &str| sql::column(file, &format!("SELECT value FROM config WHERE name='{key}'"))[0].clone();
    let (project, server) = (config("project-code"), config("server-code"));
    let forged = check_in(&frond, intruder, "forged.txt");
    let paths = [
        closed.url(),
        broker.project(&format!("{project}?peer={server}")),
        stock.url(),
        broker.project(&format!("{project}?peer={name}")),
    ];
    for url in &paths {
        let copy = scratch.file("copy.fossil");
        let cloned = frond.try_run(["clone", url, &copy.to_string_lossy()]);
        assert_eq!(cloned.code, Some(frond_tests::frond::REFUSED), "{url} {cloned}");
        assert!(!copy.exists(), "{url}");
        for command in ["pull", "push", "sync"] {
            let said = frond.try_exchange(command, url, intruder);
            assert_eq!(said.code, Some(frond_tests::frond::REFUSED), "{url} {said}");
        }
        assert!(!holds(&frond, intruder, &secret), "{url} gave something");
        assert!(!holds(&frond, file, &forged) && !holds(&frond, hub, &forged), "{url} took something");
    }
    // Nor does a leaf with all of them as its peers.
    let peers: Vec<&str> = paths.iter().flat_map(|url| ["--peer", url]).collect();
    let leaf = Leaf::of(&frond, intruder, &peers);
    until("all refuse it", || {
        let status = leaf.status(&frond);
        let peers = status["repositories"][0]["peers"].as_array().unwrap().clone();
        peers.iter().all(|peer| peer["error"]["class"] == "refused")
    });
    assert!(!holds(&frond, intruder, &secret));
    assert!(!holds(&frond, file, &forged) && !holds(&frond, hub, &forged));
}
