//! A bridge: leaves that know only the broker reach a stock server.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use frond_tests::corpus::{Extras, PROJECT, Shape};
use frond_tests::frond::{REFUSED, UNREACHABLE, count};
use frond_tests::leaf::{check_in, check_in_bytes, holds, until};
use frond_tests::nats::ByHand;
use frond_tests::process::{Server, free_port};
use frond_tests::{Fossil, Frond, Leaf, Nats, Scratch, compare, shared, sql};
use xfer::body::{Body, ContentType, pack, unpack};
use xfer::{Card, DecodeLimits, Message, decode};

/// A stock server, a broker, and who goes between them.
struct Crossing {
    fossil: Fossil,
    frond: Frond,
    scratch: Scratch,
    broker: Nats,
    hub: PathBuf,
    port: u16,
    server: RefCell<Option<Server>>,
}

impl Crossing {
    /// A stock server of a small repository, where nobody in particular may pull, and push too.
    fn new() -> Self {
        let (fossil, scratch) = (Fossil::new(), Scratch::new());
        let hub = scratch.file("hub.fossil");
        fossil.new_repository(&hub, PROJECT);
        Self::of(fossil, scratch, hub)
    }

    fn of(fossil: Fossil, scratch: Scratch, hub: PathBuf) -> Self {
        fossil.output(["user", "capabilities", "nobody", "gio", "-R", &hub.to_string_lossy()]);
        let (frond, broker, port) = (Frond::new(), Nats::start(), free_port());
        let crossing = Self { fossil, frond, scratch, broker, hub, port, server: RefCell::default() };
        crossing.serve();
        crossing
    }

    /// Starts the server, always at the same port.
    fn serve(&self) {
        let mut command = self.fossil.command_in(None);
        command.args(["server", "--localhost", "--port", &self.port.to_string()]).arg(&self.hub);
        self.server.replace(Some(Server::start_at(self.port, &mut command)));
    }

    /// Ends it. Stock has a process for each connection, and the last of them closes the port.
    fn close(&self) {
        self.server.take();
        let address = ("127.0.0.1", self.port);
        until("the port is closed", || std::net::TcpStream::connect(address).is_err());
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    fn start_bridge(&self, text: &str) -> Leaf {
        let name = format!("bridge-{}.toml", free_port());
        let config =
            self.scratch.write(&name, format!("admin = '0'\nnats = '{}'\n{text}", self.broker.url()));
        Leaf::start(&self.frond, ["--config", &config.to_string_lossy()])
    }

    /// A bridge that answers already.
    fn bridge(&self, text: &str) -> Leaf {
        let bridge = self.start_bridge(text);
        until("the bridge answers", || bridge.probe("/readyz").status == 200);
        bridge
    }

    /// A leaf that knows nothing but the broker, and has the repository already.
    fn leaf(&self, name: &str) -> (PathBuf, Leaf) {
        let file = self.scratch.file(name);
        let leaf = Leaf::of(&self.frond, &file, &["--peer", &self.broker.project(PROJECT)]);
        until("it is cloned", || leaf.probe("/readyz").status == 200);
        (file, leaf)
    }

    fn requests(&self, bridge: &Leaf) -> u64 {
        count(&bridge.status(&self.frond)["bridges"][0], "requests")
    }
}

fn bridge_to(url: &str) -> String {
    format!("[[bridge]]\nurl = '{url}'\n")
}

#[test]
fn a_leaf_that_knows_only_the_broker_clones_pulls_from_and_pushes_to_a_stock_server() {
    let crossing = Crossing::new();
    let Crossing { frond, hub, .. } = &crossing;
    let bridge = Leaf::start(
        frond,
        ["--nats", &crossing.broker.url(), "--bridge", &crossing.url(), "--admin", "0", "--socket", "sock"],
    );
    until("the bridge answers", || bridge.probe("/readyz").status == 200);
    let fleet = [crossing.leaf("a.fossil"), crossing.leaf("b.fossil")];
    let everywhere = |hash: &str| {
        for file in fleet.iter().map(|(file, _)| file).chain([hub]) {
            until("the check-in is everywhere", || holds(frond, file, hash));
        }
    };
    for (number, file) in [&fleet[0].0, hub, &fleet[1].0].into_iter().enumerate() {
        everywhere(&check_in(frond, file, &format!("{number}.txt")));
    }
    for (_, leaf) in fleet {
        leaf.terminate();
    }
    bridge.terminate();
    compare::is_whole_copy(&crossing.fossil, &crossing.scratch.file("a.fossil"), hub);
}

#[test]
fn artifacts_far_longer_than_a_message_go_over_a_bridge_both_ways() {
    let crossing = Crossing::new();
    let Crossing { frond, hub, broker, .. } = &crossing;
    let _bridge = crossing.bridge(&bridge_to(&crossing.url()));
    let theirs = check_in_bytes(frond, hub, 3_000_000);
    let copy = crossing.scratch.file("copy.fossil");
    frond.output(["clone", &broker.project(PROJECT), &copy.to_string_lossy(), "-A", "ann"]);
    assert!(holds(frond, &copy, &theirs));
    let mine = check_in_bytes(frond, &copy, 3_100_000);
    frond.output(["push", &broker.project(PROJECT), "-R", &copy.to_string_lossy()]);
    assert!(holds(frond, hub, &mine));
}

#[test]
fn one_bridge_answers_for_many_projects_and_carries_their_logins() {
    let crossing = Crossing::new();
    let Crossing { fossil, frond, scratch, broker, .. } = &crossing;
    let (other, code) = (scratch.file("other.fossil"), "ab".repeat(20));
    fossil.new_repository(&other, &code);
    fossil.output(["user", "capabilities", "nobody", "", "-R", &other.to_string_lossy()]);
    let server = fossil.server(&other);
    // The server tells its project even those who may not clone it.
    let _bridge = crossing.bridge(&(bridge_to(&crossing.url()) + &bridge_to(&server.url())));
    frond.clone(&broker.project(PROJECT), &scratch.file("one.fossil"));

    let copy = scratch.file("two.fossil");
    let refused = frond.try_run(["clone", &broker.project(&code), &copy.to_string_lossy()]);
    assert_eq!(refused.code, Some(REFUSED), "{refused}");
    let url = broker.project(&format!("{code}?login=dev"));
    let as_dev = |words: &[&str]| {
        let said = frond_tests::frond::run(frond.command(words).env("FROND_PASSWORD", "pw"));
        assert_eq!(said.code, Some(0), "{said}");
    };
    as_dev(&["clone", &url, &copy.to_string_lossy()]);
    let hash = check_in(frond, &copy, "by-dev.txt");
    as_dev(&["push", &url, "-R", &copy.to_string_lossy()]);
    assert!(holds(frond, &other, &hash));
}

#[test]
fn a_server_that_is_away_is_a_peer_that_failed_and_not_nobody() {
    let crossing = Crossing::new();
    let bridge = crossing.bridge(&bridge_to(&crossing.url()));
    let (file, leaf) = crossing.leaf("a.fossil");
    crossing.close();
    let said = crossing.frond.try_exchange("pull", &crossing.broker.project(PROJECT), &file);
    assert_eq!(said.code, Some(UNREACHABLE), "{said}");
    assert!(said.stderr.contains("bridge-127-0-0-1-"), "{said}");
    assert!(said.stderr.contains("could not answer: cannot connect to 127.0.0.1"), "{said}");
    assert!(said.stderr.contains("the server behind this bridge"), "{said}");
    let error = || leaf.status(&crossing.frond)["repositories"][0]["peers"][0]["error"].clone();
    until("the leaf knows of it", || error()["class"] == "network");
    let of_bridge = bridge.status(&crossing.frond)["bridges"][0]["error"].clone();
    assert_eq!(of_bridge["class"], "network", "{of_bridge}");
    let hash = check_in(&crossing.frond, &file, "alone.txt");
    crossing.serve();
    until("the check-in arrives", || holds(&crossing.frond, &crossing.hub, &hash));
    until("all is well again", || error().is_null());
}

#[test]
fn a_bridge_whose_project_is_known_answers_before_its_server_is_there() {
    let crossing = Crossing::new();
    crossing.close();
    let text = format!("{}project = '{PROJECT}'\nname = 'hub'\n", bridge_to(&crossing.url()));
    let _bridge = crossing.bridge(&text);
    let file = crossing.scratch.file("a.fossil");
    let clone =
        || crossing.frond.try_run(["clone", &crossing.broker.project(PROJECT), &file.to_string_lossy()]);
    let said = clone();
    assert_eq!(said.code, Some(UNREACHABLE), "{said}");
    assert!(said.stderr.contains("hub could not answer: cannot connect"), "{said}");
}

#[test]
fn a_bridge_that_has_to_ask_for_its_project_answers_once_its_server_is_there() {
    let crossing = Crossing::new();
    crossing.close();
    let bridge = crossing.start_bridge(&bridge_to(&crossing.url()));
    until("it says why it does not answer", || {
        bridge.status(&crossing.frond)["bridges"][0]["error"]["class"] == "network"
    });
    assert_eq!(bridge.probe("/readyz").status, 503);
    let (url, file) = (crossing.broker.project(PROJECT), crossing.scratch.file("a.fossil"));
    let said = crossing.frond.try_run(["clone", &url, &file.to_string_lossy()]);
    assert!(said.code == Some(UNREACHABLE) && said.stderr.contains("nobody answers"), "{said}");
    crossing.serve();
    until("it answers", || bridge.probe("/readyz").status == 200);
    crossing.frond.clone(&url, &file);
    assert!(bridge.status(&crossing.frond)["bridges"][0]["error"].is_null());
}

#[test]
fn all_rounds_of_a_session_go_over_one_of_several_bridges() {
    let scratch = Scratch::new();
    let hub = scratch.copy(&shared::corpus(Shape::of(2000), 2000, Extras::None), "hub.fossil");
    let crossing = Crossing::of(Fossil::new(), scratch, hub);
    let bridges: Vec<Leaf> = (1..=3)
        .map(|number| {
            let name = format!("project = '{PROJECT}'\nname = 'bridge-{number}'\n");
            crossing.bridge(&(bridge_to(&crossing.url()) + &name))
        })
        .collect();
    let made = crossing.frond.clone(&crossing.broker.project(PROJECT), &crossing.scratch.file("copy.fossil"));
    let rounds = count(&made, "rounds");
    assert!(rounds >= 3, "{made}");
    let mut requests: Vec<u64> = bridges.iter().map(|bridge| crossing.requests(bridge)).collect();
    requests.sort_unstable();
    assert_eq!(requests, [0, 0, rounds]);
}

/// An agent that knows nothing but the container in one message each way.
struct Agent {
    hand: ByHand,
    subject: String,
}

impl Agent {
    fn at(broker: &Nats) -> Self {
        Self { hand: ByHand::connect(broker), subject: format!("fossil.{PROJECT}.sync") }
    }

    #[track_caller]
    fn ask(&mut self, cards: &str) -> Message {
        let request = pack(cards.as_bytes(), ContentType::Compressed).bytes;
        let answer = self.hand.ask(&self.subject, &request);
        assert_eq!(answer.headers, None, "headers for one who reads none");
        let limits = DecodeLimits::default();
        let body = Body { content_type: ContentType::Compressed, bytes: answer.payload.into() };
        decode(&unpack(&body, &limits).unwrap(), &limits).unwrap()
    }

    /// Clones, as the older agent does; gives how many artifacts came.
    #[track_caller]
    fn clone(&mut self) -> usize {
        let (mut next, mut artifacts) = (1, 0);
        while next != 0 {
            let reply = self.ask(&format!("pragma client-version 22800 20260315 120000\nclone 3 {next}\n"));
            artifacts += reply.cards.iter().filter(|card| matches!(card, Card::File(_))).count();
            let told = reply.cards.iter().find_map(|card| match card {
                Card::CloneSeqno(number) => Some(*number),
                _ => None,
            });
            next = told.unwrap();
        }
        artifacts
    }

    /// Pushes an artifact, and waits until `file` holds it.
    #[track_caller]
    fn push(&mut self, frond: &Frond, file: &Path) {
        const CONTENT: &str = "by an older agent";
        const HASH: &str = "daef3cbe869f6be7c9ddc2f13342c82673af0080";
        let cards = format!("push x {PROJECT}\nfile {HASH} {}\n{CONTENT}", CONTENT.len());
        let reply = self.ask(&cards);
        assert_eq!(reply.first_error(), None);
        assert!(holds(frond, file, HASH));
    }
}

#[test]
fn an_agent_that_knows_only_the_plain_form_works_with_a_stock_server_over_a_bridge() {
    let crossing = Crossing::new();
    for number in 0..3 {
        check_in(&crossing.frond, &crossing.hub, &format!("{number}.txt"));
    }
    let _bridge = crossing.bridge(&bridge_to(&crossing.url()));
    let mut agent = Agent::at(&crossing.broker);
    // Stock's replies to a clone are of the other form.
    assert_eq!(agent.clone(), compare::artifacts(&crossing.hub).len());
    agent.push(&crossing.frond, &crossing.hub);
}

#[test]
fn a_stock_reply_too_long_for_a_message_without_headers_says_what_to_set() {
    let crossing = Crossing::new();
    for number in 0..5 {
        check_in_bytes(&crossing.frond, &crossing.hub, 300_000 + number);
    }
    let _bridge = crossing.bridge(&bridge_to(&crossing.url()));
    let mut agent = Agent::at(&crossing.broker);
    let reply = agent.ask("pragma client-version 22800 20260315 120000\nclone 3 1\n");
    let error = reply.first_error().unwrap();
    assert!(error.contains("carries 1048576 at once") && error.contains("max-download"), "{error}");
    sql::execute(&crossing.hub, "REPLACE INTO config(name, value, mtime) VALUES('max-download', 400000, 0)");
    assert_eq!(agent.clone(), compare::artifacts(&crossing.hub).len());
}

#[test]
fn an_agent_that_knows_only_the_plain_form_works_with_a_leaf_both_ways() {
    let crossing = Crossing::new();
    let (file, broker) = (crossing.scratch.file("a.fossil"), &crossing.broker);
    crossing.frond.output(["clone", "--once", &crossing.url(), &file.to_string_lossy()]);
    crossing.frond.output(["user", "capabilities", "nobody", "gio", "-R", &file.to_string_lossy()]);
    let leaf = Leaf::of(&crossing.frond, &file, &["--nats", &broker.url(), "--poll", "300ms"]);
    until("it is ready", || leaf.probe("/readyz").status == 200);
    let mut agent = Agent::at(broker);
    agent.clone();
    agent.push(&crossing.frond, &file);
    // The other way: it answers for a stock server as the older bridge does, and loses the kind of what it brings.
    let hash = check_in(&crossing.frond, &crossing.hub, "there.txt");
    let mine = check_in(&crossing.frond, &file, "here.txt");
    let server = crossing.server.borrow().as_ref().unwrap().address;
    let mut hand = ByHand::connect(broker);
    hand.subscribe(&format!("fossil.{PROJECT}.sync"), 1);
    until("both have it", || {
        while hand.has_more(std::time::Duration::from_millis(50)) {
            let asked = hand.hear();
            let answer = frond_tests::http::post(server, "/", "application/x-fossil", &asked.payload);
            hand.publish(&asked.reply, "", &answer.body);
        }
        holds(&crossing.frond, &file, &hash) && holds(&crossing.frond, &crossing.hub, &mine)
    });
}
