//! Rounds over a broker: a real `nats-server`, Frond at both ends, and agents that know only the plain form.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

mod access;
mod announce;
mod plain;

use std::path::Path;

use frond_tests::corpus::{Extras, PROJECT, Shape};
use frond_tests::frond::{FAILED, UNREACHABLE, USAGE, count, summary};
use frond_tests::nats::ByHand;
use frond_tests::rng::Rng;
use frond_tests::{Fossil, Frond, Nats, Pair, Scratch, compare, http, memory, shared, sql};
use sync::http::serve::{Repos, ServeOptions, XferService};
use sync::nats::{Address, ConnectOptions, Connection, NatsServeOptions, NatsServer};

/// A login as `dev`, whose password is in the environment.
fn as_dev(broker: &Nats) -> String {
    broker.project(&format!("{PROJECT}?login=dev"))
}

/// Runs a session as `dev`; gives the summary.
#[track_caller]
fn exchange(frond: &Frond, command: &str, url: &str, file: &Path) -> serde_json::Value {
    let mut command = frond.command([command, "--json", url, "-R", &file.to_string_lossy()]);
    summary(&frond_tests::frond::run(command.env("FROND_PASSWORD", "pw")))
}

fn rename_server(file: &Path, code: &str) {
    sql::execute(file, &format!("UPDATE config SET value='{code}' WHERE name='server-code'"));
}

/// How many rounds a server answered, by its log.
fn answered(log: &str) -> usize {
    log.matches("answered").count() - log.matches("not answered").count()
}

#[test]
fn every_kind_of_artifact_is_cloned_over_a_broker() {
    let (fossil, frond, broker, scratch) = (Fossil::new(), Frond::new(), Nats::start(), Scratch::new());
    let original = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::All), "original.fossil");
    let copy = scratch.file("copy.fossil");
    let _server = frond.server_on(&broker, &original);
    let made = frond.clone(&broker.project(PROJECT), &copy);
    assert_eq!(count(&made, "artifacts_received"), compare::artifacts(&original).len() as u64, "{made}");
    compare::is_whole_copy(&fossil, &copy, &original);
    // The address is remembered, so it needs not be given again.
    let said = frond.output(["pull", "--json", "-R", &copy.to_string_lossy()]);
    assert!(said.contains(r#""rounds":1"#), "{said}");
}

#[test]
fn what_is_pulled_pushed_and_synchronized_over_a_broker_is_all_there() {
    let (pair, broker) = (Pair::of(Shape::of(300), 200, Extras::None), Nats::start());
    let (missing, url) = (pair.missing(), as_dev(&broker));
    let behind = pair.scratch.copy(&pair.behind, "another.fossil");
    rename_server(&behind, &"ab".repeat(20));
    let server = pair.frond.server_on(&broker, &pair.behind);
    let pushed = exchange(&pair.frond, "push", &url, &pair.ahead);
    assert!(count(&pushed, "artifacts_sent") >= missing, "{pushed}");
    exchange(&pair.frond, "sync", &url, &pair.ahead);
    pair.caught_up();
    let pulled = exchange(&pair.frond, "pull", &url, &behind);
    assert!(count(&pulled, "artifacts_received") >= missing, "{pulled}");
    server.terminate();
    compare::holds_all_of(&behind, &pair.ahead);
    compare::are_sound(&pair.fossil, [&behind, &pair.behind]);
}

#[test]
fn rights_are_those_of_the_repository() {
    let (pair, broker) = (Pair::of(Shape::of(300), 200, Extras::None), Nats::start());
    let _server = pair.frond.server_on(&broker, &pair.behind);
    let before = compare::artifacts(&pair.behind);
    let refused = pair.frond.try_exchange("push", &broker.project(PROJECT), &pair.ahead);
    assert_eq!(refused.code, Some(frond_tests::frond::REFUSED), "{refused}");
    let mut wrong = pair.frond.command(["pull", &as_dev(&broker), "-R", &pair.ahead.to_string_lossy()]);
    let wrong = frond_tests::frond::run(wrong.env("FROND_PASSWORD", "other"));
    assert_eq!(wrong.code, Some(frond_tests::frond::REFUSED), "{wrong}");
    assert!(!wrong.all().contains("other"), "{wrong}");
    assert_eq!(compare::artifacts(&pair.behind), before);
}

/// A repository with one artifact that does not compress.
fn large(fossil: &Fossil, scratch: &Scratch, name: &str, bytes: usize) -> std::path::PathBuf {
    let (file, checkout) = (scratch.file(name), scratch.dir(&format!("checkout-{name}")));
    fossil.new_repository(&file, PROJECT);
    fossil.output_in(&checkout, ["open", &file.to_string_lossy()]);
    std::fs::write(checkout.join("large.bin"), Rng::new(7).bytes(bytes)).unwrap();
    fossil.output_in(&checkout, ["add", "large.bin"]);
    fossil.output_in(&checkout, ["commit", "-m", "a large file", "--no-warnings"]);
    fossil.output_in(&checkout, ["close", "--force"]);
    file
}

/// Bytes of an artifact that is far longer than a message of a broker, which has 1 MiB.
const LARGE_BYTES: usize = 60_000_000;

#[test]
fn an_artifact_far_longer_than_a_message_goes_both_ways_in_bounded_memory() {
    let (fossil, frond, broker, scratch) = (Fossil::new(), Frond::new(), Nats::start(), Scratch::new());
    let original = large(&fossil, &scratch, "original.fossil", LARGE_BYTES);
    let (copy, empty) = (scratch.file("copy.fossil"), scratch.file("empty.fossil"));
    fossil.new_repository(&empty, PROJECT);
    let bound = (100 << 20) + LARGE_BYTES as u64 * 5 / 2;
    let server = frond.server_on(&broker, &original);
    let (said, client) =
        memory::run(&mut frond.command(["clone", &broker.project(PROJECT), &copy.to_string_lossy()]));
    assert_eq!(said.code, Some(0), "{said}");
    compare::is_whole_copy(&fossil, &copy, &original);
    let served = memory::peak(server.id()).unwrap();
    assert!(client.resident <= bound && served.resident <= bound, "{client:?} {served:?} {bound}");
    server.terminate();
    // The other way: as one request.
    let server = frond.server_on(&broker, &empty);
    exchange(&frond, "push", &as_dev(&broker), &original);
    let served = memory::peak(server.id()).unwrap();
    server.terminate();
    compare::holds_all_of(&empty, &original);
    fossil.test_integrity(&empty);
    assert!(served.resident <= bound, "{served:?} {bound}");
}

/// Answers from a repository in this process, under these bounds, for as long as the test runs.
fn serve_here(broker: &Nats, file: &Path, options: ServeOptions) {
    let address: Address = broker.project(PROJECT).parse().unwrap();
    let service = XferService::new(Repos::new(file).unwrap(), options);
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let connection = Connection::open(&address.broker, &ConnectOptions::default()).await.unwrap();
            let server = NatsServer::open(&connection, &service, &NatsServeOptions::default()).await.unwrap();
            tell.send(()).unwrap();
            server.run(std::future::pending()).await.unwrap();
        });
    });
    told.recv().unwrap();
}

#[test]
fn requests_longer_than_all_memory_for_them_are_taken_one_after_another() {
    let (fossil, frond, broker, scratch) = (Fossil::new(), Frond::new(), Nats::start(), Scratch::new());
    let empty = scratch.file("empty.fossil");
    fossil.new_repository(&empty, PROJECT);
    // As 200 MB are to what a server takes unless it is told otherwise, of which half is for requests.
    let usual = ServeOptions::default();
    assert!(usual.decode.body_bytes > 210_000_000 && usual.memory_bytes / 2 < 200_000_000);
    let bounds = ServeOptions { memory_bytes: 16 << 20, decode: ServeOptions::taking(16 << 20), ..usual };
    serve_here(&broker, &empty, bounds);
    let senders = [12_000_000, 13_000_000].map(|bytes| {
        let file = large(&fossil, &scratch, &format!("{bytes}.fossil"), bytes);
        rename_server(&file, &format!("{bytes:040}"));
        file
    });
    std::thread::scope(|scope| {
        for file in &senders {
            scope.spawn(|| exchange(&frond, "push", &as_dev(&broker), file));
        }
    });
    for file in &senders {
        compare::holds_all_of(&empty, file);
    }
    let longer = large(&fossil, &scratch, "longer.fossil", 17_000_000);
    let refused = frond
        .command(["push", &as_dev(&broker), "-R", &longer.to_string_lossy()])
        .env("FROND_PASSWORD", "pw")
        .output();
    let said = String::from_utf8_lossy(&refused.unwrap().stderr).into_owned();
    assert!(said.contains("longer than the 16777216 bytes"), "{said}");
}

#[test]
fn nobody_who_answers_is_said_to_be_nobody() {
    let (frond, broker, scratch) = (Frond::new(), Nats::start(), Scratch::new());
    let file = scratch.file("none.fossil");
    let clone = |url: &str| frond.try_run(["clone", url, &file.to_string_lossy()]);
    let code = "ab".repeat(20);
    let nobody = clone(&broker.project(&code));
    assert_eq!(nobody.code, Some(UNREACHABLE), "{nobody}");
    assert!(nobody.stderr.contains(&format!("nobody answers for {code}")), "{nobody}");
    let original = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::None), "original.fossil");
    let _server = frond.server_on(&broker, &original);
    for (more, code, what) in [
        ("?peer=p1", UNREACHABLE, "peer p1, at"),
        ("?prefix=other", UNREACHABLE, "nobody answers"),
        ("?prefix=a..b", USAGE, "can not be a prefix"),
    ] {
        let said = clone(&broker.project(&format!("{PROJECT}{more}")));
        assert_eq!(said.code, Some(code), "{said}");
        assert!(said.stderr.contains(what), "{said}");
    }
    // A repository does not synchronize with itself, nor with a copy that goes under its name.
    let itself = frond.try_exchange("pull", &broker.project(PROJECT), &original);
    assert_eq!(itself.code, Some(UNREACHABLE), "{itself}");
    assert!(itself.stderr.contains("nobody but this repository itself"), "{itself}");
}

#[test]
fn a_port_that_is_none_for_clients_is_said_to_be_what_it_is() {
    let leaf = frond_tests::process::free_port();
    let monitor = frond_tests::process::free_port();
    let _broker =
        Nats::with(&format!("leafnodes {{ listen: \"127.0.0.1:{leaf}\" }}\nhttp: \"127.0.0.1:{monitor}\"\n"));
    let (frond, scratch) = (Frond::new(), Scratch::new());
    for (port, what) in [(leaf, "leaf nodes"), (monitor, "speaks HTTP")] {
        let url = format!("nats://127.0.0.1:{port}/{PROJECT}");
        let said = frond.try_run(["clone", &url, &scratch.file("none.fossil").to_string_lossy()]);
        assert_eq!(said.code, Some(FAILED), "{said}");
        assert!(said.stderr.contains(what), "{said}");
    }
}

#[test]
fn of_several_servers_one_answers_all_rounds_of_a_session() {
    let (fossil, frond, broker, scratch) = (Fossil::new(), Frond::new(), Nats::start(), Scratch::new());
    let corpus = shared::corpus(Shape::of(2000), 2000, Extras::None);
    let files: Vec<_> = (1..=3)
        .map(|number| {
            let file = scratch.copy(&corpus, &format!("original-{number}.fossil"));
            rename_server(&file, &format!("{number}").repeat(40));
            file
        })
        .collect();
    let servers: Vec<_> = files.iter().map(|file| frond.server_on(&broker, file)).collect();
    let copy = scratch.file("copy.fossil");
    let made = frond.clone(&broker.project(PROJECT), &copy);
    let rounds = count(&made, "rounds");
    assert!(rounds >= 3, "{made}");
    let mut answers: Vec<usize> = servers.into_iter().map(|server| answered(&server.stop())).collect();
    answers.sort_unstable();
    assert_eq!(answers, [0, 0, usize::try_from(rounds).unwrap()], "answers of the three servers");
    compare::is_whole_copy(&fossil, &copy, &files[0]);
}

/// Stands before a server: hands so many requests on, and under a name, as one peer. Gives the request after them
/// back, which nobody answered.
fn relay(hand: &mut ByHand, server: std::net::SocketAddr, requests: usize) -> frond_tests::nats::Heard {
    for _ in 0..requests {
        let asked = hand.hear();
        let answer = http::post(server, "/", "application/x-fossil", &asked.payload);
        let kind = answer.header("content-type").unwrap().to_owned();
        let headers = format!("Frond-Peer: relay\r\nContent-Type: {kind}\r\n");
        assert!(answer.body.len() < 1 << 20, "a reply of {} bytes", answer.body.len());
        hand.publish_with(&asked.reply, "", &headers, &answer.body);
    }
    hand.hear()
}

/// Starts a clone that meets a relay, which answers one round. Gives what became of it once `then` was done instead of
/// the next answer.
fn interrupted(
    broker: &mut Nats,
    original: &Path,
    copy: &Path,
    then: impl FnOnce(&mut Nats, &mut ByHand),
) -> frond_tests::Said {
    let frond = Frond::new();
    let server = frond.server(original);
    let mut hand = ByHand::connect(broker);
    hand.subscribe(&format!("fossil.{PROJECT}.sync"), 1);
    hand.subscribe(&format!("fossil.{PROJECT}.sync.relay"), 2);
    let mut command =
        frond.command(["clone", "--timeout", "30", &broker.project(PROJECT), &copy.to_string_lossy()]);
    std::thread::scope(|scope| {
        let cloning = scope.spawn(move || frond_tests::frond::run(&mut command));
        let unanswered = relay(&mut hand, server.address, 1);
        assert_eq!(
            unanswered.subject,
            format!("fossil.{PROJECT}.sync.relay"),
            "the session sticks to its peer"
        );
        then(broker, &mut hand);
        cloning.join().unwrap()
    })
}

#[test]
fn a_clone_goes_on_after_its_peer_died() {
    let (fossil, frond, mut broker, scratch) = (Fossil::new(), Frond::new(), Nats::start(), Scratch::new());
    let original = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::None), "original.fossil");
    let copy = scratch.file("copy.fossil");
    let said = interrupted(&mut broker, &original, &copy, |_, hand| {
        for id in [1, 2] {
            hand.unsubscribe(id);
        }
    });
    assert_eq!(said.code, Some(UNREACHABLE), "{said}");
    assert!(said.stderr.contains("relay") && said.stderr.contains("not there any more"), "{said}");
    let _server = frond.server_on(&broker, &original);
    let made = frond.clone(&broker.project(PROJECT), &copy);
    assert_eq!(made["resumed"], true, "{made}");
    compare::is_whole_copy(&fossil, &copy, &original);
}

#[test]
fn a_clone_goes_on_after_the_broker_was_gone() {
    let (fossil, frond, mut broker, scratch) = (Fossil::new(), Frond::new(), Nats::start(), Scratch::new());
    let original = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::None), "original.fossil");
    let copy = scratch.file("copy.fossil");
    let said = interrupted(&mut broker, &original, &copy, |broker, _| broker.stop());
    assert_eq!(said.code, Some(UNREACHABLE), "{said}");
    assert!(said.stderr.contains("the broker went away"), "{said}");
    broker.restart();
    // This server learns by itself that the broker is back.
    let _server = frond.server_on(&broker, &original);
    broker.restart();
    let mut made = frond.try_run(["clone", "--json", &broker.project(PROJECT), &copy.to_string_lossy()]);
    while made.stderr.contains("nobody answers") {
        made = frond.try_run(["clone", "--json", &broker.project(PROJECT), &copy.to_string_lossy()]);
    }
    assert_eq!(summary(&made)["resumed"], true, "{made}");
    compare::is_whole_copy(&fossil, &copy, &original);
}
