mod hostile;
mod owners;
mod random;
mod refused;

use std::collections::BTreeMap;

use bytes::Bytes;
use repo::table::{
    self, Authority, Column, Definition, HORIZON_MS, Row, Rule, State, Type, Value, Values, Writer,
};
use repo::{Repo, UnixTime};
use xfer::card::Codes;
use xfer::table::{TableCard, TablePragma};
use xfer::{Card, DecodeLimits, KeyPrefix, Message, Pragma, SqlName, decode, encode};

use super::*;
use crate::testing::{NOW, genesis};

const BOTH: Flow = Flow { gives: true, takes: true };
const REQUEST_BYTES: u64 = 250_000;
const REPLY_BYTES: u64 = 5_000_000;

fn name(text: &str) -> SqlName {
    SqlName::new(text).unwrap()
}

fn column(name: &str, kind: Type) -> Column {
    Column { name: SqlName::new(name).unwrap(), kind }
}

/// `name:text on:integer`, and more columns of text.
fn definition(rule: Rule, more: &[&str]) -> Definition {
    let mut columns = vec![column("name", Type::Text), column("on", Type::Integer)];
    columns.extend(more.iter().map(|name| column(name, Type::Text)));
    Definition::new(columns, &[name("name")], rule).unwrap()
}

fn flag(key: &str, on: i64) -> Values {
    Values::from([(name("name"), Value::Text(key.to_owned())), (name("on"), Value::Integer(on))])
}

fn key(key: &str) -> Values {
    Values::from([(name("name"), Value::Text(key.to_owned()))])
}

/// A repository with tables, at some time.
struct Peer {
    repo: Repo,
    now: i64,
}

impl Peer {
    /// Without tables.
    fn bare() -> Self {
        Self::over(Repo::in_memory(&genesis()).unwrap())
    }

    fn over(repo: Repo) -> Self {
        Self { repo, now: NOW.0 }
    }

    /// With the table `t`.
    fn new(rule: Rule) -> Self {
        let mut peer = Self::bare();
        peer.define("t", &definition(rule, &[]));
        peer
    }

    fn define(&mut self, table: &str, definition: &Definition) {
        let tx = self.repo.begin().unwrap();
        table::define(&tx, &name(table), definition, self.now).unwrap();
        tx.commit().unwrap();
    }

    fn write<T>(&mut self, act: impl FnOnce(&mut Writer<'_, '_>) -> T) -> T {
        let tx = self.repo.begin().unwrap();
        let mut writer = Writer::open(&tx, &name("t"), UnixTime(self.now)).unwrap();
        let outcome = act(&mut writer);
        writer.finish().unwrap();
        tx.commit().unwrap();
        outcome
    }

    fn put(&mut self, user: &str, row: Values) {
        self.write(|writer| writer.put(row, user).unwrap());
    }

    fn remove(&mut self, user: &str, row: &str) {
        assert!(self.write(|writer| writer.remove(key(row), user).unwrap()));
    }

    fn rows(&mut self) -> Vec<Row> {
        self.rows_of("t")
    }

    fn rows_of(&mut self, table: &str) -> Vec<Row> {
        let snap = self.repo.snapshot().unwrap();
        let table = table::find(&snap, &name(table)).unwrap().unwrap();
        let mut rows = Vec::new();
        table::under(&snap, &table, &KeyPrefix::default(), None, &mut |_, row| {
            rows.push(row);
            true
        })
        .unwrap();
        rows
    }

    /// Hashes of all tables.
    fn catalogue(&mut self) -> BTreeMap<SqlName, xfer::ArtifactId> {
        let snap = self.repo.snapshot().unwrap();
        let tables = table::all(&snap).unwrap().into_iter();
        tables.map(|table| (table.name.clone(), table::catalogue(&snap, &table).unwrap())).collect()
    }

    /// Answers cards of a client.
    fn reply(&mut self, request: &[Card], visitor: &Visitor<'_>) -> Vec<Card> {
        let mut heard = Heard::default();
        read(request, &mut heard);
        let now = UnixTime(self.now);
        if heard.is_known {
            expire(&mut self.repo, now).unwrap();
        }
        let mut intake = Intake::default();
        if heard.brings_rows() && visitor.flow.takes {
            let tx = self.repo.begin().unwrap();
            intake = take_in(&tx, &heard, |_| visitor.authority, now).unwrap();
            tx.commit().unwrap();
        }
        let snap = self.repo.snapshot().unwrap();
        reply(&snap, &heard, &intake, visitor.flow, visitor.reply_bytes).unwrap().cards
    }
}

/// What a server lets a client do.
#[derive(Clone, Copy)]
struct Visitor<'a> {
    authority: Authority<'a>,
    flow: Flow,
    request_bytes: u64,
    reply_bytes: u64,
}

fn visitor(authority: Authority<'_>) -> Visitor<'_> {
    Visitor { authority, flow: BOTH, request_bytes: REQUEST_BYTES, reply_bytes: REPLY_BYTES }
}

fn read<'m>(cards: &'m [Card], heard: &mut Heard<'m>) {
    for card in cards {
        match card {
            Card::Table(card) => heard.card(card),
            Card::Pragma(Pragma::Table(pragma)) => heard.pragma(pragma),
            _ => {}
        }
    }
}

/// What a session moved.
#[derive(Debug, Default)]
struct Moved {
    rounds: u32,
    bytes: usize,
    rows: u64,
    said: Vec<String>,
}

/// Sends cards over the wire, and counts them.
fn travel(cards: Vec<Card>, moved: &mut Moved) -> Vec<Card> {
    let is_row = |card: &&Card| matches!(card, Card::Table(TableCard::Row(_) | TableCard::Delete(_)));
    moved.rows += cards.iter().filter(is_row).count() as u64;
    let bytes = encode(&Message::from(cards));
    moved.bytes += bytes.len();
    decode(&Bytes::from(bytes), &DecodeLimits::default()).unwrap().cards
}

/// A session of a client that pulls and pushes.
fn sync(client: &mut Peer, server: &mut Peer, visitor: Visitor<'_>) -> Moved {
    sync_one_way(client, server, visitor, BOTH)
}

fn sync_one_way(client: &mut Peer, server: &mut Peer, visitor: Visitor<'_>, flow: Flow) -> Moved {
    let mut session = TableSync::new(flow);
    let mut moved = Moved::default();
    expire(&mut client.repo, UnixTime(client.now)).unwrap();
    while session.is_fresh() || session.has_more() {
        moved.rounds += 1;
        assert!(moved.rounds < 500, "no end: {moved:?}");
        // A lost reply makes no difference.
        drop(session.compose(&client.repo.snapshot().unwrap(), visitor.request_bytes).unwrap());
        let request = session.compose(&client.repo.snapshot().unwrap(), visitor.request_bytes).unwrap();
        let request = travel(request, &mut moved);
        let reply = travel(server.reply(&request, &visitor), &mut moved);
        moved.said.extend(reply.iter().filter_map(|card| match card {
            Card::Message(text) => Some(text.clone()),
            _ => None,
        }));
        let mut heard = Heard::default();
        read(&reply, &mut heard);
        let tx = client.repo.begin().unwrap();
        let (brought, said) = session.store(&tx, &heard, UnixTime(client.now)).unwrap();
        moved.said.extend(said);
        moved.said.extend(session.hear(&tx, &heard, brought).unwrap());
        tx.commit().unwrap();
    }
    moved
}

#[track_caller]
fn assert_equal(one: &mut Peer, other: &mut Peer) {
    assert_eq!(one.catalogue(), other.catalogue());
}

fn many(rows: i64) -> Peer {
    let mut peer = Peer::bare();
    fill(&mut peer, rows);
    peer
}

fn fill(peer: &mut Peer, rows: i64) {
    peer.define("t", &definition(Rule::LastWriter, &[]));
    peer.write(|writer| {
        for n in 0..rows {
            writer.put(flag(&format!("host-{n}"), n), "admin").unwrap();
        }
    });
}

#[test]
fn of_a_hundred_thousand_rows_ten_changed_ones_are_exchanged() {
    let directory = tempfile::tempdir().unwrap();
    let (here, there) = (directory.path().join("here"), directory.path().join("there"));
    fill(&mut Peer::over(Repo::create(&here, &genesis()).unwrap()), 100_000);
    std::fs::copy(&here, &there).unwrap();
    let [mut client, mut server] = [here, there].map(|file| Peer::over(Repo::open(&file).unwrap()));
    assert_equal(&mut client, &mut server);
    let nothing = sync(&mut client, &mut server, visitor(Authority::Peer));
    assert_eq!((nothing.rounds, nothing.rows), (1, 0));
    assert!(nothing.bytes < 200, "{nothing:?}");

    client.now += 1;
    server.now += 2;
    for n in 0..5 {
        client.put("a", flag(&format!("host-{}", n * 7919), -1));
        server.put("a", flag(&format!("host-{}", n * 104_729 % 100_000 + 1), -2));
    }
    let moved = sync(&mut client, &mut server, visitor(Authority::Peer));
    assert_equal(&mut client, &mut server);
    assert_eq!(moved.rows, 10, "{moved:?}");
    // Of 16 parts each, and two steps down a round: 100,000 / 16 / 16 / 16 fit in a list; then the rows.
    assert_eq!(moved.rounds, 4, "{moved:?}");
    assert!(moved.bytes < 80_000, "{moved:?}");
}

#[test]
fn a_peer_without_the_table_gets_all_of_it() {
    for (rows, rounds) in [(0, 1), (1, 1), (33, 1), (2_000, 1)] {
        let (mut client, mut server) = (Peer::bare(), many(rows));
        let moved = sync(&mut client, &mut server, visitor(Authority::Peer));
        assert_equal(&mut client, &mut server);
        assert_eq!((moved.rows, moved.rounds), (rows as u64, rounds), "{moved:?}");

        let (mut client, mut server) = (many(rows), Peer::bare());
        let moved = sync(&mut client, &mut server, visitor(Authority::Peer));
        assert_equal(&mut client, &mut server);
        assert_eq!(moved.rows, rows as u64, "{moved:?}");
    }
}

#[test]
fn what_finds_no_room_comes_in_later_rounds_once() {
    let small = Visitor { request_bytes: 20_000, reply_bytes: 30_000, ..visitor(Authority::Peer) };
    let (mut client, mut server) = (Peer::bare(), many(3_000));
    let moved = sync(&mut client, &mut server, small);
    assert_equal(&mut client, &mut server);
    assert_eq!(moved.rows, 3_000, "{} rounds", moved.rounds);
    assert!(moved.rounds < 40, "{}", moved.rounds);

    let (mut client, mut server) = (many(3_000), Peer::bare());
    let moved = sync(&mut client, &mut server, small);
    assert_equal(&mut client, &mut server);
    assert_eq!(moved.rows, 3_000, "{} rounds", moved.rounds);

    let (mut client, mut server) = (many(3_000), many(3_000));
    (client.now, server.now) = (client.now + 1, server.now + 1);
    client.write(|writer| (0..1500).for_each(|n| drop(writer.put(flag(&format!("host-{n}"), -1), "a"))));
    server.write(|writer| (1500..3000).for_each(|n| drop(writer.put(flag(&format!("host-{n}"), -2), "a"))));
    let moved = sync(&mut client, &mut server, small);
    assert_equal(&mut client, &mut server);
    assert_eq!(moved.rows, 3_000, "{} rounds", moved.rounds);
}

#[test]
fn a_row_that_is_asked_for_and_older_in_a_list_too_is_sent_once() {
    // The answer to the client's list has room for some questions, and then for a digest only: the list of the server
    // comes while the rows that it asked for still wait for their turn.
    for reply_bytes in (1..2_000).step_by(100) {
        let (mut client, mut server) = (many(12), many(12));
        client.now += 1;
        client.write(|writer| (0..9).for_each(|n| drop(writer.put(flag(&format!("host-{n}"), -1), "a"))));
        let narrow = Visitor { request_bytes: 1, reply_bytes, ..visitor(Authority::Peer) };
        let moved = sync(&mut client, &mut server, narrow);
        assert_equal(&mut client, &mut server);
        assert_eq!(moved.rows, 9, "replies of {reply_bytes} bytes: {moved:?}");
    }
}

#[test]
fn a_pull_changes_nothing_at_the_server_and_a_push_nothing_here() {
    for gives in [true, false] {
        let (mut client, mut server) = (many(100), many(100));
        client.now += 1;
        server.now += 1;
        client.put("a", flag("ours", 1));
        server.put("a", flag("theirs", 1));
        let (before, after) = (client.rows(), server.rows());
        let flow = Flow { gives, takes: !gives };
        // The server's side of it: rows go there only after a push card, and from there after a pull card.
        let there = Visitor { flow: Flow { gives: !gives, takes: gives }, ..visitor(Authority::Peer) };
        let moved = sync_one_way(&mut client, &mut server, there, flow);
        assert_eq!(moved.rows, 1, "{moved:?}");
        assert_eq!((client.rows() == before, server.rows() == after), (gives, !gives));
        let changed = if gives { server.rows() } else { client.rows() };
        assert_eq!(changed.len(), 102);
    }
}

#[test]
fn three_peers_in_any_order_end_equal_under_every_rule() {
    let orders: [&[(usize, usize)]; 3] = [
        &[(0, 1), (1, 2), (2, 0), (0, 1)],
        &[(2, 1), (0, 2), (1, 0), (2, 1), (0, 2)],
        &[(1, 0), (1, 2), (1, 0), (0, 2)],
    ];
    for rule in Rule::ALL {
        for order in orders {
            let mut peers = [Peer::new(rule), Peer::new(rule), Peer::new(rule)];
            for (at, peer) in peers.iter_mut().enumerate() {
                let user = ["alice", "bob", "carol"][at];
                // Equal times and equal keys: ties. Under rule self a key has one writer.
                let shared = if rule == Rule::Own { user } else { "shared" };
                peer.put(user, flag(shared, at as i64));
                peer.put(user, flag(user, 7));
                if at == 1 {
                    peer.remove(user, user);
                }
            }
            for &(client, server) in order {
                let [client, server] = peers.get_disjoint_mut([client, server]).unwrap();
                sync(client, server, visitor(Authority::Peer));
                assert_equal(client, server);
            }
            let [one, two, three] = &mut peers;
            assert_equal(one, two);
            assert_equal(two, three);
            assert_eq!(one.rows().len(), if rule == Rule::Own { 3 } else { 4 });
        }
    }
}

#[test]
fn t7_columns_that_one_peer_added_reach_the_other_whoever_asks() {
    for client_has_more in [true, false] {
        let (mut client, mut server) = (many(40), many(40));
        let wider = if client_has_more { &mut client } else { &mut server };
        wider.now += 1;
        wider.define("t", &definition(Rule::LastWriter, &["note"]));
        let mut row = flag("host-1", 1);
        row.insert(name("note"), Value::Text("n".to_owned()));
        wider.put("a", row);
        let moved = sync(&mut client, &mut server, visitor(Authority::Peer));
        assert_eq!((moved.rows, moved.said), (1, vec![]));
        assert_equal(&mut client, &mut server);
    }
    let (mut client, mut server) = (many(1), many(1));
    client.define("t", &definition(Rule::LastWriter, &["here"]));
    server.define("t", &definition(Rule::LastWriter, &["there"]));
    sync(&mut client, &mut server, visitor(Authority::Peer));
    assert_equal(&mut client, &mut server);
}

#[test]
fn t7_definitions_that_do_not_go_together_are_told_and_stay() {
    let (mut client, mut server) = (Peer::new(Rule::Owner), Peer::new(Rule::LastWriter));
    client.put("a", flag("x", 1));
    server.put("a", flag("y", 1));
    client.define("other", &definition(Rule::Own, &[]));
    let before = (client.rows(), server.rows());
    let moved = sync(&mut client, &mut server, visitor(Authority::Peer));
    assert_eq!(moved.said, ["table t: the conflict rules differ: owner here, last-writer there"]);
    assert_eq!((client.rows(), server.rows()), before);
    assert!(server.catalogue().contains_key(&name("other")), "other tables are not held up");
}

#[test]
fn t8_a_peer_that_does_not_speak_of_tables_is_sent_pragmas_at_most() {
    let mut client = many(10);
    let mut session = TableSync::new(BOTH);
    let snap = client.repo.snapshot().unwrap();
    let request = session.compose(&snap, REQUEST_BYTES).unwrap();
    assert!(request.iter().all(|card| matches!(card, Card::Pragma(_))), "{request:?}");
    session.hear(&snap, &Heard::default(), Default::default()).unwrap();
    assert!(!session.has_more() && !session.is_fresh());
    assert_eq!(session.compose(&snap, REQUEST_BYTES).unwrap(), []);
    drop(snap);

    let codes = Codes { server: "x".into(), project: crate::testing::PROJECT.into() };
    let cards = client.reply(&[Card::Pull(codes)], &visitor(Authority::Peer));
    assert_eq!(cards, []);
}

#[test]
fn t9_expired_tombstones_neither_come_back_nor_keep_peers_apart() {
    let (mut client, mut server) = (many(10), many(10));
    client.now += 5;
    client.remove("a", "host-3");
    sync(&mut client, &mut server, visitor(Authority::Peer));
    assert_eq!(server.rows().iter().filter(|row| row.state == State::Deleted).count(), 1);
    // Only one of them has forgotten, then both.
    client.now += HORIZON_MS + 10;
    expire(&mut client.repo, UnixTime(client.now)).unwrap();
    let moved = sync(&mut client, &mut server, visitor(Authority::Peer));
    assert_eq!(client.rows().len(), 9, "{moved:?}");
    server.now = client.now;
    sync(&mut client, &mut server, visitor(Authority::Peer));
    assert_equal(&mut client, &mut server);
    assert_eq!(server.rows().len(), 9);
}

#[test]
fn a_disk_that_is_full_is_told_as_such_wherever_it_fills() {
    let mut client = Peer::new(Rule::LastWriter);
    client.define("t", &definition(Rule::LastWriter, &["long"]));
    for (key, bytes) in [("small", 1), ("large", 30_000)] {
        let mut row = flag(key, 1);
        row.insert(name("long"), Value::Text("x".repeat(bytes)));
        client.put("a", row);
    }
    let snap = client.repo.snapshot().unwrap();
    let hashes = [Card::Pragma(Pragma::Table(TablePragma::Known(1)))];
    let mut heard = Heard::default();
    read(&hashes, &mut heard);
    let cards = reply(&snap, &heard, &Intake::default(), BOTH, REPLY_BYTES).unwrap().cards;
    drop(snap);
    let mut heard = Heard::default();
    read(&cards, &mut heard);
    assert!(heard.brings_rows());

    let mut stored = Vec::new();
    for more in 0..30 {
        let mut server = Peer::bare();
        let snap = server.repo.snapshot().unwrap();
        let pages: i64 = snap.conn().query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let limit = format!("PRAGMA max_page_count={}", pages + more);
        snap.conn().query_row(&limit, [], |_| Ok(())).unwrap();
        drop(snap);
        let tx = server.repo.begin().unwrap();
        match take_in(&tx, &heard, |_| Authority::Peer, NOW) {
            Ok(intake) => stored.push(intake.stored[&name("t")]),
            Err(error) => assert!(matches!(error, repo::RepoError::DiskFull { .. }), "{more}: {error}"),
        }
    }
    assert!((1..30).contains(&stored.len()), "{stored:?}");
    assert!(stored.iter().all(|&rows| rows == 2), "{stored:?}");
}
