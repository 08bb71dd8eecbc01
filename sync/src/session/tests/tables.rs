//! Synced tables, between a session and our own server.

use repo::table::{self, Column, Definition, Rule, Type, Value, Values, Writer};
use xfer::SqlName;

use super::*;
use crate::testing::both;

fn name(text: &str) -> SqlName {
    SqlName::new(text).unwrap()
}

/// `state`: what `who` is up to.
pub(super) fn table(mut fixture: Fixture, rule: Rule) -> Fixture {
    let column = |column| Column { name: name(column), kind: Type::Text };
    let definition = Definition::new(vec![column("who"), column("what")], &[name("who")], rule).unwrap();
    let tx = fixture.repo.begin().unwrap();
    table::define(&tx, &name("state"), &definition, 1).unwrap();
    tx.commit().unwrap();
    fixture
}

pub(super) fn put(fixture: &mut Fixture, user: &str, who: &str, what: &str) {
    let text = |text: &str| Value::Text(text.to_owned());
    let row = Values::from([(name("who"), text(who)), (name("what"), text(what))]);
    let tx = fixture.repo.begin().unwrap();
    let mut writer = Writer::open(&tx, &name("state"), crate::testing::NOW).unwrap();
    writer.put(row, user).unwrap();
    writer.finish().unwrap();
    tx.commit().unwrap();
}

/// Every row as `who what`; none if there is no table.
pub(super) fn rows(fixture: &mut Fixture) -> Vec<String> {
    let snap = fixture.repo.snapshot().unwrap();
    let Some(table) = table::find(&snap, &name("state")).unwrap() else { return Vec::new() };
    let mut rows = Vec::new();
    table::each_live(&snap, &table, &mut |row| {
        let texts = row.values.values().rev().map(|value| match value {
            Value::Text(text) => text.as_str(),
            other => panic!("{other:?}"),
        });
        rows.push(texts.collect::<Vec<_>>().join(" "));
    })
    .unwrap();
    rows
}

pub(super) fn with_tables(options: SyncOptions) -> SyncOptions {
    SyncOptions { tables: true, ..options }
}

fn run(client: &mut Fixture, server: &mut Fixture, options: SyncOptions) -> Result<SyncResult, SyncError> {
    converse(&mut Session::sync(options, SEED), client, server)
}

fn moved(result: &SyncResult) -> (u64, u64) {
    let stats = result.tables[&name("state")];
    (stats.sent, stats.received)
}

#[test]
fn rows_go_both_ways_in_a_sync_of_who_may() {
    let mut server = table(holding("A"), Rule::LastWriter).rights("bob", "io");
    let mut client = holding("A");
    put(&mut server, "admin", "s", "1");
    let result = run(&mut client, &mut server, with_tables(bob(&both()))).unwrap();
    assert_eq!((moved(&result), result.rounds), ((0, 1), 1));
    put(&mut client, "bob", "c", "2");
    put(&mut client, "bob", "s", "3");
    let result = run(&mut client, &mut server, with_tables(bob(&both()))).unwrap();
    assert_eq!(moved(&result), (2, 0));
    assert_eq!(rows(&mut server), ["c 2", "s 3"]);
    assert_eq!(rows(&mut client), rows(&mut server));
}

#[test]
fn without_the_option_nothing_is_said_of_tables() {
    let mut client = table(holding("A"), Rule::LastWriter);
    let mut seen = String::new();
    let mut peer = script(|_, request| {
        seen.push_str(request);
        String::new()
    });
    converse(&mut Session::sync(pull(), SEED), &mut client, &mut peer).unwrap();
    assert!(!seen.contains("table"), "{seen}");
}

/// Stock ends a session at a card that it does not know, and ignores pragmas that it does not know.
#[test]
fn t8_stock_is_never_sent_a_card_of_tables() {
    let mut client = table(holding("A"), Rule::LastWriter);
    put(&mut client, "a", "x", "y");
    let mut peer = script(|_, request| {
        let mut words = request.lines().filter_map(|line| line.split(' ').next());
        assert!(words.all(|word| ["pragma", "pull", "push", "#", "igot"].contains(&word)), "{request}");
        assert!(request.contains("pragma x-tables 1\npragma xtable-hash state "), "{request}");
        String::new()
    });
    let result = converse(&mut Session::sync(with_tables(both()), SEED), &mut client, &mut peer).unwrap();
    assert_eq!((result.rounds, result.tables.len()), (1, 0));

    let mut server = table(holding("A"), Rule::LastWriter);
    put(&mut server, "a", "x", "y");
    let reply = server.reply("pragma client-version 22100 20230226 192424\npull {S} {P}\n");
    assert_eq!(reply, spelled("pragma server-version 22100 20230226 192424\nigot {A}\n"));
}

#[test]
fn s3_tables_are_told_to_who_may_read_and_changed_by_who_may_write() {
    let hello = "pragma x-tables 1\n";
    let row = "xrow state da39a3ee5e6b4b0d3255bfef95601890afd80709 9 2\n{}\n";
    let gimme = "xgimme state da39a3ee5e6b4b0d3255bfef95601890afd80709\n";
    let fixture = |rights| {
        let mut server = table(holding(""), Rule::LastWriter).rights("nobody", rights);
        put(&mut server, "a", "x", "y");
        server
    };
    for request in [hello.to_owned(), format!("{hello}{gimme}pragma xtable-node state - -\n")] {
        assert_eq!(fixture("oi").reply(&request), "", "without pull or push");
        let refused = fixture("g").reply(&format!("pull {{S}} {{P}}\n{request}"));
        assert_eq!(refused, "error not\\sauthorized\\sto\\sread\n");
    }
    for request in [row, "schema evil 1 da39a3ee5e6b4b0d3255bfef95601890afd80709 1 2\n{}\n"] {
        for (rights, cards) in [("oi", request.to_owned()), ("o", format!("pull {{S}} {{P}}\n{request}"))] {
            let mut server = fixture(rights);
            assert_eq!(server.reply(&cards), "error not\\sauthorized\\sto\\swrite\n");
            assert_eq!(rows(&mut server), ["x y"]);
        }
    }
    let told = fixture("o").reply(&format!("pull {{S}} {{P}}\n{hello}"));
    assert!(
        told.starts_with("pragma x-tables 1\nschema state 1 ") && told.contains("\nxrow state "),
        "{told}"
    );
}

#[test]
fn t1_the_server_takes_the_owner_from_the_login() {
    let mut server = table(holding("A"), Rule::Owner).rights("bob", "io").rights("carol", "io");
    let mut client = table(holding("A"), Rule::Owner);
    put(&mut client, "bob", "mine", "1");
    run(&mut client, &mut server, with_tables(bob(&both()))).unwrap();
    assert_eq!(rows(&mut server), ["mine 1"]);
    // Another user's client, which was made to write the row all the same.
    put(&mut client, "bob", "mine", "2");
    let carol = SyncOptions { user: Some("carol".to_owned()), ..bob(&both()) };
    let result = run(&mut client, &mut server, with_tables(carol)).unwrap();
    assert_eq!(result.messages, ["table state: a row was refused: the row belongs to \"bob\""]);
    assert_eq!(rows(&mut server), ["mine 1"]);
    run(&mut client, &mut server, with_tables(bob(&both()))).unwrap();
    assert_eq!(rows(&mut server), ["mine 2"]);
    // Whoever may do everything may bring rows of others: a peer that passes them on.
    put(&mut client, "bob", "mine", "3");
    let mut server = server.rights("carol", "s");
    let carol = SyncOptions { user: Some("carol".to_owned()), ..bob(&both()) };
    run(&mut client, &mut server, with_tables(carol)).unwrap();
    assert_eq!(rows(&mut server), ["mine 3"]);
}

#[test]
fn who_may_not_push_sends_no_row_and_gets_them_all_the_same() {
    let mut server = table(holding("A"), Rule::LastWriter);
    let mut client = table(holding("A"), Rule::LastWriter);
    put(&mut server, "a", "s", "1");
    put(&mut client, "a", "c", "1");
    run(&mut client, &mut server, with_tables(both())).unwrap_err();
    assert_eq!(rows(&mut client), ["c 1", "s 1"]);
    assert_eq!(rows(&mut server), ["s 1"]);
    let result = run(&mut client, &mut server, with_tables(pull())).unwrap();
    assert_eq!(moved(&result), (0, 0));
}

#[test]
fn who_may_push_no_more_in_the_midst_of_it_goes_on_without_rows() {
    let mut server = table(holding("A"), Rule::LastWriter).rights("nobody", "gio");
    let mut client = table(holding("A"), Rule::LastWriter);
    put(&mut server, "a", "s", "1");
    put(&mut client, "a", "c", "1");
    let mut session = Session::sync(with_tables(both()), SEED);
    assert_eq!(step(&mut session, &mut client, &mut server).unwrap(), Progress::Continue);
    let mut server = server.rights("nobody", "go");
    let end = converse(&mut session, &mut client, &mut server);
    assert!(matches!(end, Err(SyncError::PushRefused { .. })), "{end:?}");
    assert_eq!(rows(&mut client), ["c 1", "s 1"]);
    assert_eq!(rows(&mut server), ["s 1"]);
}

#[test]
fn a_clone_brings_the_tables() {
    let mut server = table(holding("A B"), Rule::LastWriter);
    put(&mut server, "a", "s", "1");
    let mut client = fresh();
    let result = converse(&mut Session::clone_into(with_tables(pull()), SEED), &mut client, &mut server);
    assert_eq!(moved(&result.unwrap()), (0, 1));
    assert_eq!(rows(&mut client), ["s 1"]);
    assert_eq!(client.all(), server.all());

    // No round more where there are none, or where they may not be read.
    let unread = table(holding("A B"), Rule::LastWriter).rights("nobody", "g");
    for (mut server, said) in [(holding("A B"), vec![]), (unread, vec!["not authorized to read".to_owned()])]
    {
        let mut session = Session::clone_into(with_tables(pull()), SEED);
        let result = converse(&mut session, &mut fresh(), &mut server).unwrap();
        assert_eq!((result.rounds, result.messages), (2, said));
    }
}

#[test]
fn the_observer_hears_of_each_table() {
    let mut server = table(holding("A"), Rule::LastWriter);
    put(&mut server, "a", "s", "1");
    let mut client = table(holding("A"), Rule::LastWriter);
    let (faults, mut ours, mut theirs) = (crate::NoFaults, Diary::default(), Diary::default());
    let mut session = Session::sync(with_tables(pull()), SEED);
    let mut progress = Progress::Continue;
    while progress == Progress::Continue {
        let request =
            session.next_request(&mut client.repo, &mut cx(&client.limits, &faults, &mut ours)).unwrap();
        let mut theirs = cx(&server.limits, &faults, &mut theirs);
        let reply = crate::handle_sync(&mut server.repo, &request, &mut theirs).unwrap();
        let mut ours = cx(&client.limits, &faults, &mut ours);
        progress = session.handle_reply(&mut client.repo, &reply, &mut ours).unwrap();
    }
    let about_tables =
        |diary: &Diary| diary.0.iter().filter(|line| line.starts_with("table")).cloned().collect::<Vec<_>>();
    assert_eq!(about_tables(&ours), ["table state, 0 rows", "table state, 0 sent, 1 received"]);
    // The first request hears what there is, the second gets it.
    let compared = ["table state, 1 rows", "table state, 0 sent, 0 received"];
    let sent = ["table state, 1 rows", "table state, 1 sent, 0 received"];
    assert_eq!(about_tables(&theirs), [compared, sent].concat());
}
