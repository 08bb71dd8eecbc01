//! Random histories, and random cards.

use proptest::prelude::*;
use xfer::table::{RowCard, RowGimme, RowIgot, Schema};

use super::*;

/// Something that a user of one of three peers does.
#[derive(Debug, Clone)]
enum Deed {
    Put { peer: usize, key: u8, on: i64 },
    Remove { peer: usize, key: u8 },
    Sync { client: usize, server: usize, bytes: u64 },
    Wait { peer: usize, ms: i64 },
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0..3_usize, 0..40_u8, 0..4_i64).prop_map(|(peer, key, on)| Deed::Put { peer, key, on }),
        1 => (0..3_usize, 0..40_u8).prop_map(|(peer, key)| Deed::Remove { peer, key }),
        1 => (0..3_usize, 0..3_usize, 300..9_000_u64)
            .prop_map(|(client, server, bytes)| Deed::Sync { client, server, bytes }),
        1 => (0..3_usize, 0..3_i64).prop_map(|(peer, ms)| Deed::Wait { peer, ms }),
    ]
}

fn any_card() -> impl Strategy<Value = Card> {
    let table = || prop_oneof![Just(name("t")), Just(name("u"))];
    let hash = || prop_oneof![Just(hash_of(0)), Just(hash_of(1)), Just(hash_of(255))];
    let time = || prop_oneof![Just(0), Just(NOW.0), Just(i64::MAX)];
    let json = prop_oneof![
        Just("{}"),
        Just("{\"name\":\"x\"}"),
        Just("{\"name\":\"x\",\"on\":1}"),
        Just("{\"columns\":[],\"conflict\":\"self\"}"),
        Just("{\"columns\":[{\"name\":\"a\",\"type\":\"text\",\"pk\":true}],\"conflict\":\"self\"}"),
        Just("\0"),
    ];
    let prefix =
        || prop_oneof![Just("-"), Just("0"), Just("ff"), Just("0000000000000000000000000000000000000000")];
    let prefix = move || prefix().prop_map(|text| text.parse::<KeyPrefix>().unwrap());
    let owner = prop::option::of(prop_oneof![Just("alice".to_owned()), Just(String::new())]);
    let row = (table(), hash(), time(), owner, json.clone())
        .prop_map(|(table, key, mtime, owner, json)| RowCard { table, key, mtime, owner, json: json.into() });
    let said = |said: TablePragma| Card::Pragma(Pragma::Table(said));
    prop_oneof![
        row.clone().prop_map(|row| Card::Table(TableCard::Row(row))),
        row.prop_map(|row| Card::Table(TableCard::Delete(row))),
        (table(), 0..3_u32, time(), json).prop_map(|(table, version, mtime, json)| {
            let hash = xfer::hash::sha1(json.as_bytes());
            Card::Table(TableCard::Schema(Schema { table, version, hash, mtime, json: json.into() }))
        }),
        (table(), hash(), time(), hash()).prop_map(|(table, key, mtime, hash)| {
            Card::Table(TableCard::Igot(RowIgot { table, key, mtime, hash }))
        }),
        (table(), hash()).prop_map(|(table, key)| Card::Table(TableCard::Gimme(RowGimme { table, key }))),
        (0..3_u32).prop_map(move |version| said(TablePragma::Known(version))),
        (table(), prop::option::of(hash()))
            .prop_map(move |(table, hash)| said(TablePragma::Hash { table, hash })),
        (table(), prefix(), prop::option::of(hash()))
            .prop_map(move |(table, prefix, hash)| said(TablePragma::Node { table, prefix, hash })),
        (table(), prefix()).prop_map(move |(table, prefix)| said(TablePragma::List { table, prefix })),
    ]
}

fn hash_of(byte: u8) -> xfer::ArtifactId {
    xfer::ArtifactId::sha1([byte; 20])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_three_peers_do_they_end_equal(
        rule in 0..3_usize,
        deeds in prop::collection::vec(deed(), 1..120),
    ) {
        let rule = Rule::ALL[rule];
        let mut peers = [Peer::new(rule), Peer::new(rule), Peer::new(rule)];
        for deed in deeds {
            match deed {
                Deed::Put { peer, key, on } => {
                    let user = ["alice", "bob", "carol"][peer];
                    let key = if rule == Rule::Own { user.to_owned() } else { format!("host-{key}") };
                    // Another owner's row is refused.
                    peers[peer].write(|writer| drop(writer.put(flag(&key, on), user)));
                }
                Deed::Remove { peer, key: row } => {
                    let user = ["alice", "bob", "carol"][peer];
                    peers[peer].write(|writer| drop(writer.remove(key(&format!("host-{row}")), user)));
                }
                Deed::Sync { client, server, bytes } => {
                    let Ok([client, server]) = peers.get_disjoint_mut([client, server]) else { continue };
                    let visitor = Visitor { request_bytes: bytes, reply_bytes: bytes, ..visitor(Authority::Peer) };
                    sync(client, server, visitor);
                    prop_assert_eq!(client.catalogue(), server.catalogue());
                }
                Deed::Wait { peer, ms } => peers[peer].now += ms,
            }
        }
        for (client, server) in [(0, 1), (1, 2), (2, 0), (0, 1)] {
            let [client, server] = peers.get_disjoint_mut([client, server]).unwrap();
            sync(client, server, visitor(Authority::Peer));
        }
        let [one, two, three] = &mut peers;
        prop_assert_eq!(one.catalogue(), two.catalogue());
        prop_assert_eq!(one.rows(), three.rows());
    }

    #[test]
    fn no_cards_make_a_peer_panic_or_its_tables_wrong(
        cards in prop::collection::vec(any_card(), 0..30),
        authority in prop_oneof![Just(Authority::Peer), Just(Authority::Nobody), Just(Authority::User("alice"))],
        rule in 0..3_usize,
    ) {
        let (mut server, mut client) = (Peer::new(Rule::ALL[rule]), Peer::new(Rule::ALL[rule]));
        server.put("x", flag("x", 1));
        server.reply(&cards, &visitor(authority));
        let mut session = TableSync::new(BOTH);
        for _ in 0..3 {
            session.compose(&client.repo.snapshot().unwrap(), 1_000).unwrap();
            let mut heard = Heard::default();
            read(&cards, &mut heard);
            let tx = client.repo.begin().unwrap();
            let (brought, _) = session.store(&tx, &heard, NOW).unwrap();
            session.hear(&tx, &heard, brought).unwrap();
            tx.commit().unwrap();
        }
        for peer in [&mut server, &mut client] {
            let findings = repo::verify::all(&mut peer.repo, NOW).unwrap().findings;
            prop_assert!(findings.is_empty(), "{:?}", findings);
        }
    }
}
