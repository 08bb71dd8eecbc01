//! The simulator's peers like stock answer as stock does: one script of requests against both, card by card.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use dst::stock::lines::{self, Blank, Line};
use dst::stock::{Store, Trip, Version, server};
use frond_tests::artifact::Cards;
use frond_tests::{Fossil, Scratch, Server, http, sql};
use repo::zlib::Codec;
use repo::{UnixTime, delta};
use xfer::body::ContentType;
use xfer::{ArtifactId, Secret, hash};

const PROJECT: &str = "abababababababababababababababababababab";
const CODE: &str = "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e";
const PASSWORD: &str = "correct horse";
const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
/// What a client of the same version says of itself.
const CLIENT: &str = "pragma client-version 22100 20230226 192424\n";
/// Users and what they may do.
const USERS: [(&str, &str); 5] =
    [("looker", "o"), ("cloner", "g"), ("writer", "gio"), ("filer", "gioy"), ("keeper", "gioxy")];

/// Stock, and the model of it, with the same in both.
struct Pair {
    _scratch: Scratch,
    _fossil: Fossil,
    file: PathBuf,
    server: Server,
    store: Store,
    /// What was sent, so that deltas can be read.
    contents: BTreeMap<ArtifactId, Vec<u8>>,
    requests: u32,
}

impl Pair {
    /// Empty ones, whose replies take up no more artifacts after so many bytes.
    fn new(budget: usize) -> Self {
        let (scratch, fossil) = (Scratch::new(), Fossil::new());
        let file = scratch.path().join("stock.fossil");
        fossil.output(["new".as_ref(), file.as_os_str()]);
        let mut store = Store::new(Version::V221, PROJECT, CODE, (budget, 250_000));
        let mut users = "INSERT INTO user(login, pw, cap) VALUES('nobody', '', '')".to_owned();
        store.users.insert("nobody".to_owned(), (String::new(), String::new()));
        for (login, letters) in USERS {
            let secret = Secret::derive(PROJECT, login, PASSWORD).expose().to_owned();
            write!(users, ", ('{login}', '{secret}', '{letters}')").unwrap();
            store.users.insert(login.to_owned(), (letters.to_owned(), secret));
        }
        // The first check-in goes, so that both begin with nothing.
        sql::execute(
            &file,
            &format!(
                "PRAGMA foreign_keys=OFF;
                 UPDATE config SET value='{PROJECT}' WHERE name='project-code';
                 UPDATE config SET value='{CODE}' WHERE name='server-code';
                 REPLACE INTO config(name, value, mtime) VALUES('max-download', {budget}, 1);
                 DELETE FROM user; {users};
                 DELETE FROM blob; DELETE FROM delta; DELETE FROM rcvfrom; DELETE FROM event; DELETE FROM leaf;
                 DELETE FROM tagxref; DELETE FROM unclustered; DELETE FROM unsent;"
            ),
        );
        let server = fossil.server(&file);
        Self {
            _scratch: scratch,
            _fossil: fossil,
            file,
            server,
            store,
            contents: BTreeMap::new(),
            requests: 0,
        }
    }

    /// Has both answer a request of a user, and compares what they say. Gives the reply.
    #[track_caller]
    fn same(&mut self, user: &str, cards: &str) -> Vec<String> {
        let request = self.request(user, PASSWORD, cards);
        self.same_of(&request)
    }

    /// A request that no other one is the same as.
    fn request(&mut self, user: &str, password: &str, cards: &str) -> String {
        self.requests += 1;
        let cards = format!("{CLIENT}{cards}# {}\n", self.requests);
        if user == "nobody" {
            return cards;
        }
        let nonce = hash::sha1(cards.as_bytes());
        let secret = Secret::derive(PROJECT, user, password);
        let signature = hash::sha1(format!("{nonce}{}", secret.expose()).as_bytes());
        format!("login {user} {nonce} {signature}\n{cards}")
    }

    #[track_caller]
    fn same_of(&mut self, request: &str) -> Vec<String> {
        let stock = self.ask_stock(request);
        let model = server::answer(&mut self.store, request.as_bytes(), ContentType::Uncompressed, NOW);
        let model = model
            .unwrap_or_else(|Trip(text)| panic!("{request}\nthe model trips: {text}\nstock: {stock:#?}"));
        let model = self.shown(&model.text);
        let cut = |cards: &[String]| {
            cards.iter().map(|card| card.chars().take(130).collect()).collect::<Vec<String>>()
        };
        assert!(
            model == stock,
            "to\n{request}\nthe model answers {:#?}, and stock {:#?}",
            cut(&model),
            cut(&stock)
        );
        model
    }

    /// What stock answers with an error makes the model trip, since no sound peer asks it; both keep nothing.
    #[track_caller]
    fn trips(&mut self, request: &str, says: &str, stock_says: &str) {
        let before = self.store.known();
        let model = server::answer(&mut self.store, request.as_bytes(), ContentType::Uncompressed, NOW);
        let Err(Trip(text)) = model else { panic!("the model does not trip over\n{request}") };
        assert!(text.contains(says), "{text}");
        assert_eq!(self.store.known(), before);
        let answer = http::cards(self.server.address, "/xfer", request).text();
        assert!(answer.contains(stock_says), "stock says to\n{request}\n{answer}");
    }

    #[track_caller]
    fn ask_stock(&self, request: &str) -> Vec<String> {
        let answer = http::cards(self.server.address, "/xfer", request);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/x-fossil-uncompressed"));
        self.shown(&answer.body)
    }

    /// The cards of a reply, with what they carry: expanded, since neither how it is compressed nor the delta's bytes
    /// matter. Lists are sorted, and times left out.
    #[track_caller]
    fn shown(&self, reply: &[u8]) -> Vec<String> {
        let lines = lines::read_from(reply, Blank::Skipped).unwrap_or_else(|Trip(text)| panic!("{text}"));
        let mut cards: Vec<String> = lines.iter().map(|line| self.card(line)).collect();
        let verb = |card: &String| card.split(' ').next().unwrap_or_default().to_owned();
        let is_listed = |verb: &str| matches!(verb, "igot" | "gimme" | "uvigot");
        for run in cards.chunk_by_mut(|one, next| verb(one) == verb(next)) {
            if is_listed(&verb(&run[0])) {
                run.sort();
            }
        }
        cards
    }

    fn card(&self, line: &Line) -> String {
        if let Some(comment) = &line.comment {
            let words: Vec<&str> = comment.split(' ').collect();
            return match words.as_slice() {
                ["", "timestamp", _, rest @ ..] => format!("# timestamp {}", rest.join(" ")),
                _ => format!("#{comment}"),
            };
        }
        let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
        let (source, bytes) = match words.as_slice() {
            ["file", _, source, _] => (Some(*source), line.payload.clone()),
            ["file", _, _] => (None, line.payload.clone()),
            ["cfile", _, rest @ ..] => {
                let bytes = Codec::new().unpack(&line.payload, 1 << 20).unwrap();
                (if rest.len() == 3 { Some(rest[0]) } else { None }, bytes)
            }
            _ => return format!("{} | {}", line.words.join(" "), String::from_utf8_lossy(&line.payload)),
        };
        let Some(source) = source else {
            return format!("{} {} | {}", words[0], words[1], String::from_utf8_lossy(&bytes));
        };
        let base = &self.contents[&ArtifactId::from_hex(source.as_bytes()).unwrap()];
        let bytes = delta::apply(base, &bytes, 1 << 20).unwrap();
        format!("{} {} from {source} | {}", words[0], words[1], String::from_utf8_lossy(&bytes))
    }

    /// A `file` card.
    fn file(&mut self, content: &[u8]) -> (ArtifactId, String) {
        let id = hash::sha3_256(content);
        self.contents.insert(id, content.to_vec());
        let text = String::from_utf8(content.to_vec()).unwrap();
        (id, format!("file {id} {}\n{text}", content.len()))
    }
}

fn pull() -> String {
    format!("pull {CODE} {PROJECT}\n")
}

fn push() -> String {
    format!("push {CODE} {PROJECT}\n")
}

fn both() -> String {
    pull() + &push()
}

fn never(text: &str) -> ArtifactId {
    hash::sha3_256(text.as_bytes())
}

#[test]
fn who_has_not_the_right_hears_the_same() {
    let mut pair = Pair::new(5_000_000);
    let others = format!("pull {CODE} {}\n", "cd".repeat(20));
    for (user, cards) in [
        ("nobody", pull()),
        ("nobody", push()),
        ("nobody", "clone 3 1\n".to_owned()),
        ("looker", pull()),
        ("looker", push()),
        ("looker", both()),
        ("looker", "clone 3 1\n".to_owned()),
        ("cloner", pull()),
        ("cloner", "clone\n".to_owned()),
        ("writer", others),
        ("writer", "pragma send-private\n".to_owned() + &pull()),
        ("writer", "pragma something new\n".to_owned() + &pull()),
        ("looker", format!("{}gimme {}\n", both(), never("x"))),
    ] {
        pair.same(user, &cards);
    }
    for user in ["writer", "nobody-like-that"] {
        let request = pair.request(user, "wrong", &pull());
        assert!(pair.same_of(&request).contains(&"error login\\sfailed | ".to_owned()));
    }
}

#[test]
fn what_is_pushed_is_announced_and_sent_the_same_way() {
    let mut pair = Pair::new(5_000_000);
    let (one, one_card) = pair.file(b"one\n");
    let (two, two_card) = pair.file("two, and some more of it\n".repeat(20).as_bytes());
    pair.same("writer", &format!("{}{one_card}{two_card}", push()));
    pair.same("writer", &format!("{}{one_card}", both()));
    pair.same("writer", &pull());
    pair.same("writer", &(pull() + "pragma send-catalog\n"));
    pair.same("writer", &(pull() + "pragma req-clusters\n"));
    let unknown = never("unknown");
    pair.same("writer", &format!("{}igot {one}\nigot {unknown}\nigot {} 1\n", both(), never("private")));
    pair.same("writer", &format!("{}gimme {two}\ngimme {two}\ngimme {unknown}\n", pull()));
    pair.same("writer", &format!("{}igot {two}\ngimme {two}\n", both()));
    pair.same("writer", &format!("{}gimme {unknown}\n", both()));
    pair.same("looker", &pull());
}

#[test]
fn a_delta_waits_for_its_source_the_same_way() {
    let mut pair = Pair::new(5_000_000);
    let base = "a line that stays\n".repeat(40);
    let changed = format!("{base}and another\n");
    let (source, source_card) = pair.file(base.as_bytes());
    let (target, _) = pair.file(changed.as_bytes());
    let bytes = delta::create(base.as_bytes(), changed.as_bytes());
    let bytes = String::from_utf8(bytes).unwrap();
    pair.same("writer", &format!("{}file {target} {source} {}\n{bytes}", both(), bytes.len()));
    pair.same("writer", &pull());
    pair.same("writer", &format!("{}{source_card}", both()));
    pair.same("writer", &format!("{}gimme {target}\ngimme {source}\n", pull()));
    // A delta of what is unknown for what is here; its source is asked for all the same.
    let bytes = delta::create(b"other text\n", changed.as_bytes());
    let (bytes, other) = (String::from_utf8(bytes).unwrap(), never("other text\n"));
    pair.same("writer", &format!("{}file {target} {other} {}\n{bytes}", both(), bytes.len()));
}

/// Two check-ins, the second of which changes a file.
fn check_in(pair: &mut Pair) -> (String, [ArtifactId; 4]) {
    let old = "a line of the file\n".repeat(60);
    let new = old.replacen("a line", "the first line", 1);
    let ((old, old_card), (new, new_card)) = (pair.file(old.as_bytes()), pair.file(new.as_bytes()));
    let first = Cards::checkin("first", "2026-01-01T00:00:00.000", &format!("F file {old}\n"));
    let (first, first_card) = pair.file(&first);
    let second = format!("C second\nD 2026-01-02T00:00:00.000\nF file {new}\nP {first}\nU dev\n");
    let (second, second_card) = pair.file(&Cards::seal(&second));
    (format!("{old_card}{new_card}{first_card}{second_card}"), [old, new, first, second])
}

#[test]
fn versions_of_a_file_travel_as_deltas_the_same_way() {
    let mut pair = Pair::new(5_000_000);
    let (cards, ids) = check_in(&mut pair);
    pair.same("writer", &(push() + &cards));
    for id in ids {
        pair.same("writer", &format!("{}gimme {id}\n", pull()));
    }
    for clone in ["clone 3 1\n", "clone 2 1\n", "clone 3 3\n", "clone 3 99\n", "clone\n"] {
        pair.same("cloner", clone);
    }
    let [old, new, ..] = ids;
    pair.same("cloner", &format!("clone\ngimme {old}\ngimme {new}\n"));
    pair.same("writer", &format!("clone\n{}gimme {old}\n", pull()));
}

#[test]
fn what_exceeds_the_budget_is_put_off_the_same_way() {
    let mut pair = Pair::new(1_500);
    let mut ids = Vec::new();
    for number in 0..4 {
        let (id, card) = pair.file(format!("{number}").repeat(1_000).as_bytes());
        pair.same("writer", &(push() + &card));
        ids.push(id);
    }
    let gimmes: String = ids.iter().map(|id| format!("gimme {id}\n")).collect();
    pair.same("writer", &(pull() + &gimmes));
    pair.same("cloner", "clone 2 1\n");
    pair.same("cloner", "clone 2 3\n");
}

#[test]
fn a_hundred_artifacts_make_the_same_cluster() {
    let mut pair = Pair::new(5_000_000);
    let cards: String = (0..123).map(|number| pair.file(format!("{number}\n").as_bytes()).1).collect();
    pair.same("writer", &(push() + &cards));
    let reply = pair.same("writer", &pull());
    assert_eq!(reply.iter().filter(|card| card.starts_with("igot ")).count(), 1, "{reply:?}");
    pair.same("writer", &(pull() + "pragma send-catalog\n"));
}

#[test]
fn what_is_private_is_kept_and_shown_the_same_way() {
    let mut pair = Pair::new(5_000_000);
    let (public, public_card) = pair.file(b"public\n");
    let (private, private_card) = pair.file(b"secret\n");
    let ask = "pragma send-private\n".to_owned();
    let cards = format!("{ask}{}{public_card}private\n{private_card}igot {} 1\n", both(), never("hidden"));
    pair.same("keeper", &cards);
    pair.same("keeper", &(ask.clone() + &pull()));
    pair.same("keeper", &both());
    for user in ["keeper", "writer", "looker"] {
        pair.same(user, &format!("{ask}{}gimme {private}\ngimme {public}\n", pull()));
        pair.same(user, &format!("{}gimme {private}\n", pull()));
    }
    pair.same("cloner", &(ask.clone() + "clone 2 1\n"));
    pair.same("keeper", &(ask.clone() + "clone 3 1\n"));
    pair.same("keeper", &(ask + "clone\n"));
    pair.same("writer", &format!("{}igot {private} 1\n", both()));
    // A name published makes it public; stock announces that after its next rebuild only, the model at once.
    pair.same("writer", &format!("{}igot {private}\n", push()));
    sql::execute(
        &pair.file,
        "INSERT INTO unclustered SELECT rid FROM blob WHERE size=7 AND rid NOT IN unclustered",
    );
    pair.same("writer", &format!("{}gimme {private}\n", pull()));
}

#[test]
fn files_without_history_go_the_same_way() {
    let mut pair = Pair::new(5_000_000);
    let (none, other) = (hash::sha1(b""), "0".repeat(40));
    let hash_of = |store: &Store| store.files_hash();
    pair.same("looker", &format!("{}pragma uv-hash {none}\n", pull()));
    pair.same("looker", &format!("{}pragma uv-hash {other}\n", pull()));
    pair.same("filer", &format!("{}pragma uv-hash {other}\n", both()));
    let content = "a file\n";
    let id = hash::sha3_256(content.as_bytes());
    let give = |name: &str, time: i64| format!("uvfile {name} {time} {id} {} 0\n{content}", content.len());
    pair.same("filer", &format!("{}{}{}", both(), give("a", 1_600_000_000), give("b", 1_600_000_000)));
    for user in ["looker", "filer"] {
        pair.same(user, &format!("{}pragma uv-hash {other}\nuvgimme a\nuvgimme nothing\n", pull()));
        let here = hash_of(&pair.store);
        pair.same(user, &format!("{}pragma uv-hash {here}\n", pull()));
    }
    // Older and newer versions, the same later, a deletion, one of what was never there, one that is older.
    for cards in [
        give("a", 1_500_000_000),
        give("a", 1_700_000_000),
        format!("uvfile a 1700000001 {id} {} 4\n", content.len()),
        "uvfile b 1700000000 - 0 1\n".to_owned(),
        "uvfile c 1700000000 - 0 1\n".to_owned(),
        "uvfile a 1500000000 - 0 1\n".to_owned(),
    ] {
        pair.same("filer", &(both() + &cards));
        pair.same("filer", &format!("{}pragma uv-hash {other}\nuvgimme a\nuvgimme b\n", both()));
    }
    let here = hash_of(&pair.store);
    pair.same("filer", &format!("{}pragma uv-hash {here}\n", both()));
}

#[test]
fn what_makes_the_model_trip_is_an_error_of_stock() {
    let mut pair = Pair::new(5_000_000);
    let (_, card) = pair.file(b"a file\n");
    let wrong = card.replace("a file", "a life");
    let no_table = format!("uvfile a 1 {} 1 0\nx", never("x"));
    let tripped = "wrong hash on received artifact";
    for (cards, (says, stock_says)) in [
        (pull() + "xyzzy 1 2\n", ("bad command: xyzzy 1 2", "bad\\scommand:\\sxyzzy\\s1\\s2")),
        (push() + &wrong, (tripped, "does not match its uuid")),
        (push() + "file 1234\n", ("malformed line: file 1234", "malformed+file+line")),
        (push() + &no_table, ("no such table: unversioned", "no\\ssuch\\stable:\\sunversioned")),
    ] {
        let request = pair.request("filer", PASSWORD, &cards);
        pair.trips(&request, says, stock_says);
    }
    pair.same("filer", &(both() + &card));
    // Also in place of what is here.
    let request = pair.request("filer", PASSWORD, &(push() + &wrong));
    pair.trips(&request, tripped, "wrong+hash+on+received+artifact");
}
