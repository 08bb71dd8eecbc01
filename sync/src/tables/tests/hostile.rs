//! Peers that do what no peer of ours does.

use xfer::table::{RowCard, RowGimme, Schema};

use super::*;

#[test]
fn s3_who_may_not_is_told_nothing_and_changes_nothing() {
    let mut server = many(50);
    let before = server.catalogue();
    let mut client = many(40);
    client.define("mine", &definition(Rule::Own, &[]));
    let request = |client: &mut Peer| {
        let mut cards = vec![
            Card::Pragma(Pragma::Table(TablePragma::Known(1))),
            Card::Pragma(Pragma::Table(TablePragma::List { table: name("t"), prefix: KeyPrefix::default() })),
        ];
        cards.push(Card::Pragma(Pragma::Table(TablePragma::Node {
            table: name("t"),
            prefix: KeyPrefix::default(),
            hash: None,
        })));
        let row = client.rows().remove(0);
        let table = table::find(&client.repo.snapshot().unwrap(), &name("t")).unwrap().unwrap();
        let id = row.key(&table.definition);
        cards.push(Card::Table(TableCard::Gimme(RowGimme { table: name("t"), key: id })));
        let json = definition(Rule::Own, &[]).to_json();
        cards.push(Card::Table(TableCard::Schema(Schema {
            table: name("evil"),
            version: 1,
            hash: xfer::hash::sha1(json.as_bytes()),
            mtime: 1,
            json: json.into(),
        })));
        let (mtime, json) = (client.now + 5, "{\"name\":\"host-1\",\"on\":666}".into());
        cards.push(Card::Table(TableCard::Row(RowCard {
            table: name("t"),
            key: id,
            mtime,
            owner: None,
            json,
        })));
        cards
    };
    let cards = request(&mut client);
    let none = Visitor { flow: Flow { gives: false, takes: false }, ..visitor(Authority::Nobody) };
    assert_eq!(server.reply(&cards, &none), []);
    assert_eq!(server.catalogue(), before);
    // Who may only read changes nothing; who may only write is sent no row.
    let reader = Visitor { flow: Flow { gives: true, takes: false }, ..none };
    assert!(!server.reply(&cards, &reader).is_empty());
    assert_eq!(server.catalogue(), before);
    let writer = Visitor { flow: Flow { gives: false, takes: true }, ..none };
    let told = server.reply(&cards, &writer);
    assert!(!told.iter().any(|card| matches!(card, Card::Table(TableCard::Row(_) | TableCard::Delete(_)))));
}

/// A row as a hostile peer sends it.
fn evil(json: &str, key: xfer::ArtifactId, mtime: i64, owner: Option<&str>) -> TableCard {
    let owner = owner.map(str::to_owned);
    TableCard::Row(RowCard { table: name("t"), key, mtime, owner, json: Bytes::from(json.to_owned()) })
}

#[test]
fn what_is_no_row_is_refused_with_a_reason_and_the_rest_is_kept() {
    let mut server = Peer::new(Rule::LastWriter);
    let mut good = Peer::new(Rule::LastWriter);
    good.put("a", flag("good", 1));
    let row = good.rows().remove(0);
    let good_key = row.key(&definition(Rule::LastWriter, &[]));
    let zero = xfer::ArtifactId::sha1([0; 20]);
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(table::MAX_ROW_BYTES));
    let cases = [
        (evil("{\"name\":null}", zero, 1, None), "must have a value"),
        (evil("{\"name\":1}", zero, 1, None), "takes text"),
        (evil("{\"name\":\"a\\u0000\"}", zero, 1, None), "hash of another key"),
        (evil("{\"name\":\"a\",\"name\":\"b\"}", zero, 1, None), "given twice"),
        (evil("{\"name\":\"a\",\"x\":1}", zero, 1, None), "no column"),
        (evil("{\"name\":\"a\",\"on\":99999999999999999999}", zero, 1, None), "takes integer"),
        (evil("\0", zero, 1, None), "no row"),
        (evil(&long, zero, 1, None), "limit"),
        (evil(&row.to_json(), good_key, i64::MAX, None), "future"),
        (evil(&row.to_json(), good_key, 1, Some("eve")), "names its owner"),
    ];
    for (card, expected) in cases {
        let cards = [Card::Table(card), Card::Table(evil(&row.to_json(), good_key, row.mtime, None))];
        let said = server.reply(&cards, &visitor(Authority::Peer));
        let [Card::Message(text)] = &said[..] else { panic!("{said:?}") };
        assert!(text.contains(expected), "{text}");
        assert_eq!(server.rows(), std::slice::from_ref(&row));
    }
    let bad = |json: &str, version| Schema {
        table: name("u"),
        version,
        hash: xfer::hash::sha1(json.as_bytes()),
        mtime: 1,
        json: Bytes::from(json.to_owned()),
    };
    let json = definition(Rule::Own, &[]).to_json();
    let spaced = json.replace(',', ", ");
    let mut wrong_hash = bad(&json, 1);
    wrong_hash.hash = zero;
    for schema in [bad("{}", 1), bad(&json, 2), bad(&spaced, 1), wrong_hash] {
        let said = server.reply(&[Card::Table(TableCard::Schema(schema))], &visitor(Authority::Peer));
        assert!(matches!(&said[..], [Card::Message(text)] if text.starts_with("table u: ")), "{said:?}");
    }
    assert_eq!(server.catalogue().len(), 1);
}

#[test]
fn a_server_that_keeps_asking_is_not_answered_for_ever() {
    let mut client = many(100);
    let mut session = TableSync::new(BOTH);
    let hello = [Card::Pragma(Pragma::Table(TablePragma::Known(1)))];
    let node = |digits: &str, hash| {
        Card::Pragma(Pragma::Table(TablePragma::Node {
            table: name("t"),
            prefix: digits.parse().unwrap(),
            hash,
        }))
    };
    let other = Some(xfer::ArtifactId::sha1([1; 20]));
    let mut rounds = 0;
    while session.is_fresh() || session.has_more() {
        rounds += 1;
        assert!(rounds < 100, "no end");
        drop(session.compose(&client.repo.snapshot().unwrap(), REQUEST_BYTES).unwrap());
        let reply: Vec<_> =
            hello.iter().cloned().chain([node("-", other), node("-", None), node("0", None)]).collect();
        let mut heard = Heard::default();
        read(&reply, &mut heard);
        session.hear(&client.repo.snapshot().unwrap(), &heard, Default::default()).unwrap();
    }
    assert_eq!(session.stats[&name("t")].sent, 100);
}

/// As where each part has rows that are not kept here.
#[test]
fn all_that_is_to_be_said_is_said_though_no_row_moves_and_little_fits_into_a_message() {
    let mut client = many(100);
    let mut session = TableSync::new(BOTH);
    let digits = "0123456789abcdef";
    let prefixes = digits.chars().flat_map(|first| [format!("{first}"), format!("{first}0")]);
    let other = Some(xfer::ArtifactId::sha1([1; 20]));
    let mut reply = vec![Card::Pragma(Pragma::Table(TablePragma::Known(1)))];
    reply.extend(prefixes.map(|prefix| {
        let prefix = prefix.parse().unwrap();
        Card::Pragma(Pragma::Table(TablePragma::Node { table: name("t"), prefix, hash: other }))
    }));
    let (count, mut said) = (reply.len() - 1, 0);
    while session.is_fresh() || session.has_more() {
        said += session.compose(&client.repo.snapshot().unwrap(), 1).unwrap().iter().filter(is_part).count();
        let told = std::mem::take(&mut reply);
        let mut heard = Heard::default();
        read(&told, &mut heard);
        session.hear(&client.repo.snapshot().unwrap(), &heard, Default::default()).unwrap();
    }
    assert_eq!(said, count);
}

fn is_part(card: &&Card) -> bool {
    let part = matches!(card, Card::Pragma(Pragma::Table(TablePragma::List { .. })));
    part || matches!(card, Card::Pragma(Pragma::Table(TablePragma::Node { hash: None, .. })))
}
