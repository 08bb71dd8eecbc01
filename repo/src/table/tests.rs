mod definitions;
mod random;

use xfer::{ArtifactId, KeyPrefix, SqlName};

use super::*;
use crate::testing::{NOW, repo};
use crate::{Repo, UnixTime};

const DAY: i64 = 86_400_000;

fn name(text: &str) -> SqlName {
    SqlName::new(text).unwrap()
}

/// `host:text port:integer`, of which those of `keys` are the key.
fn definition(columns: &str, keys: &str, rule: Rule) -> Definition {
    try_definition(columns, keys, rule).unwrap()
}

fn try_definition(columns: &str, keys: &str, rule: Rule) -> Result<Definition, DefinitionError> {
    let column = |text: &str| {
        let (column, kind) = text.split_once(':').unwrap();
        let kind = Type::ALL.into_iter().find(|known| known.to_string() == kind).unwrap();
        Column { name: name(column), kind }
    };
    let keys: Vec<_> = keys.split_whitespace().map(name).collect();
    Definition::new(columns.split_whitespace().map(column).collect(), &keys, rule)
}

fn values<const N: usize>(pairs: [(&str, Value); N]) -> Values {
    pairs.into_iter().map(|(column, value)| (name(column), value)).collect()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A repository with one table, `t`.
struct Peer {
    repo: Repo,
}

impl Peer {
    fn with(definition: &Definition) -> Self {
        let mut peer = Self { repo: repo() };
        peer.define(definition).unwrap();
        peer
    }

    fn define(&mut self, definition: &Definition) -> Result<Defined, TableError> {
        let tx = self.repo.begin()?;
        let defined = define(&tx, &name("t"), definition, NOW.0);
        tx.commit()?;
        defined
    }

    /// Does something with the table at `now`, and keeps it.
    fn at<T>(&mut self, now: i64, act: impl FnOnce(&mut Writer<'_, '_>) -> T) -> T {
        let tx = self.repo.begin().unwrap();
        let mut writer = Writer::open(&tx, &name("t"), UnixTime(now)).unwrap();
        let outcome = act(&mut writer);
        writer.finish().unwrap();
        tx.commit().unwrap();
        outcome
    }

    fn put(&mut self, user: &str, values: Values) -> Result<bool, TableError> {
        self.at(NOW.0, |writer| writer.put(values, user))
    }

    fn merge(&mut self, row: &Row, authority: Authority<'_>) -> Result<Merged, TableError> {
        self.at(NOW.0, |writer| writer.merge(row, authority))
    }

    fn table(&mut self) -> SyncedTable {
        find(&self.repo.snapshot().unwrap(), &name("t")).unwrap().unwrap()
    }

    /// Every row and tombstone, by key hash.
    fn rows(&mut self) -> Vec<Row> {
        let table = self.table();
        let mut rows = Vec::new();
        let snap = self.repo.snapshot().unwrap();
        under(&snap, &table, &KeyPrefix::default(), None, &mut |_, row| {
            rows.push(row);
            true
        })
        .unwrap();
        rows
    }

    fn catalogue(&mut self) -> ArtifactId {
        let table = self.table();
        catalogue(&self.repo.snapshot().unwrap(), &table).unwrap()
    }

    fn takes_all_of(&mut self, other: &mut Self) {
        for row in other.rows() {
            self.merge(&row, Authority::Peer).unwrap();
        }
    }
}

fn flags(rule: Rule) -> Peer {
    Peer::with(&definition("name:text on:integer", "name", rule))
}

fn flag(name: &str, on: i64) -> Values {
    values([("name", text(name)), ("on", Value::Integer(on))])
}

fn live(values: Values, mtime: i64, owner: Option<&str>) -> Row {
    Row { values, state: State::Live, mtime, owner: owner.map(str::to_owned) }
}

fn dead(name: &str, mtime: i64, owner: Option<&str>) -> Row {
    let values = values([("name", text(name))]);
    Row { values, state: State::Deleted, mtime, owner: owner.map(str::to_owned) }
}

fn parse(table: &Definition, state: State, json: &str) -> Result<Row, TableError> {
    // The hash of the key matters only once everything else is right.
    let key = xfer::hash::sha1(b"");
    match Row::parse(table, &key, state, 1, None, json.as_bytes()) {
        Err(TableError::WrongKey(_)) => Ok(live(Values::new(), 1, None)),
        other => other,
    }
}

#[test]
fn a_row_is_read_as_it_was_written() {
    let columns = "n:integer b:blob t:text r:real z:text";
    let mut peer = Peer::with(&definition(columns, "n b", Rule::LastWriter));
    let cases = [
        (i64::MIN, vec![], "", 0.1),
        (i64::MAX, vec![0, 255], "a\0b \n\"\u{1f600}", f64::MAX),
        (0, b"x".to_vec(), "null", f64::MIN_POSITIVE),
        (1, b"x".to_vec(), "5", 3.0),
    ];
    for (n, b, t, r) in cases {
        let row =
            values([("n", Value::Integer(n)), ("b", Value::Blob(b)), ("t", text(t)), ("r", Value::Real(r))]);
        assert!(peer.put("alice", row.clone()).unwrap());
        let key = values([("n", row[&name("n")].clone()), ("b", row[&name("b")].clone())]);
        let table = peer.table();
        let held = find_live(&peer.repo.snapshot().unwrap(), &table, &key).unwrap().unwrap();
        assert_eq!(held.values, row);
        let json = held.to_json();
        let read = Row::parse(
            &table.definition,
            &held.key(&table.definition),
            State::Live,
            held.mtime,
            None,
            json.as_bytes(),
        );
        assert_eq!(read.unwrap(), held, "{json}");
    }
    assert_eq!(peer.table().rows, 4);
}

#[test]
fn t1_owners_are_kept_and_only_the_owner_writes() {
    let mut peer = flags(Rule::Owner);
    peer.put("alice", flag("x", 1)).unwrap();
    assert_eq!(peer.rows()[0].owner.as_deref(), Some("alice"));
    let refused = peer.put("bob", flag("x", 2)).unwrap_err();
    assert_eq!(refused.to_string(), "the row belongs to \"alice\"");
    let key = values([("name", text("x"))]);
    peer.at(NOW.0, |writer| writer.remove(key, "bob")).unwrap_err();
    let forged = live(flag("x", 3), NOW.0 + 9, Some("bob"));
    for authority in [Authority::User("bob"), Authority::User("eve"), Authority::Nobody] {
        peer.merge(&forged, authority).unwrap_err();
    }
    let forged = live(flag("x", 3), NOW.0 + 9, Some("alice"));
    peer.merge(&forged, Authority::User("bob")).unwrap_err();
    peer.merge(&dead("x", NOW.0 + 9, Some("bob")), Authority::User("bob")).unwrap_err();

    assert!(peer.put("alice", flag("x", 4)).unwrap());
    let update = live(flag("x", 5), NOW.0 + 9, Some("alice"));
    assert_eq!(peer.merge(&update, Authority::User("alice")).unwrap(), Merged::Stored);
    assert_eq!(peer.rows(), [update]);
}

#[test]
fn t1_who_may_do_everything_brings_rows_of_all_users_and_takes_none_from_its_owner() {
    let mut peer = flags(Rule::Owner);
    let mut brings = |row: &Row| peer.merge(row, Authority::Administrator).map_err(|error| error.to_string());
    assert_eq!(brings(&live(flag("x", 1), 1, Some("alice"))), Ok(Merged::Stored));
    assert_eq!(brings(&live(flag("y", 1), 1, Some("bob"))), Ok(Merged::Stored));
    assert_eq!(brings(&live(flag("x", 2), 2, Some("alice"))), Ok(Merged::Stored));
    for row in [live(flag("x", 3), 3, Some("bob")), dead("x", 3, Some("bob"))] {
        assert_eq!(brings(&row), Err("the row belongs to \"alice\"".to_owned()));
    }
    assert_eq!(brings(&dead("x", 4, Some("alice"))), Ok(Merged::Stored));
}

#[test]
fn t1_a_row_gives_way_to_what_is_older_a_limited_number_of_times_until_it_is_forgotten() {
    let mut peer = flags(Rule::Owner);
    let rows = [live(flag("x", 1), NOW.0 + 1, Some("alice")), live(flag("x", 2), NOW.0, Some("bob"))];
    let swap = |peer: &mut Peer| {
        assert_eq!(peer.merge(&rows[0], Authority::Peer).unwrap(), Merged::Stored, "the newer");
        peer.merge(&rows[1], Authority::Verdict).map_err(|error| error.to_string())
    };
    for _ in 0..MAX_VERDICTS {
        assert_eq!(swap(&mut peer), Ok(Merged::Stored));
    }
    assert_eq!(swap(&mut peer), Err("servers disagree whose row it is".to_owned()));
    assert_eq!(peer.rows(), rows[..1]);

    peer.merge(&dead("x", NOW.0 + 2, Some("alice")), Authority::Peer).unwrap();
    peer.at(NOW.0 + 91 * DAY, |_| ());
    assert_eq!(peer.rows(), []);
    assert_eq!(swap(&mut peer), Ok(Merged::Stored));
}

#[test]
fn t1_a_row_of_rule_self_is_written_by_whom_its_key_names() {
    let mut peer = flags(Rule::Own);
    peer.put("alice", flag("alice", 1)).unwrap();
    peer.put("bob", flag("alice", 2)).unwrap_err();
    let row = live(flag("alice", 2), NOW.0 + 1, None);
    peer.merge(&row, Authority::User("bob")).unwrap_err();
    peer.merge(&row, Authority::Nobody).unwrap_err();
    peer.merge(&dead("alice", NOW.0 + 1, None), Authority::User("bob")).unwrap_err();
    assert_eq!(peer.merge(&row, Authority::User("alice")).unwrap(), Merged::Stored);
    assert_eq!(peer.merge(&live(flag("bob", 1), 1, None), Authority::Peer).unwrap(), Merged::Stored);
}

#[test]
fn t2_what_a_row_names_is_a_column_or_an_error() {
    let table = definition("name:text on:integer", "name", Rule::LastWriter);
    let cases = [
        r#"{"name":"x","on\" INTEGER); DROP TABLE blob; --":1}"#,
        r#"{"name":"x","fx_owner":"me"}"#,
        r#"{"name":"x","fx_key":""}"#,
        r#"{"name":"x","ON":1}"#,
        r#"{"name":"x","":1}"#,
    ];
    for json in cases {
        let error = parse(&table, State::Live, json).unwrap_err();
        assert!(matches!(error, TableError::UnknownColumn(_)), "{json}: {error}");
    }
    let mut peer = Peer::with(&definition("select:text from:integer", "select", Rule::LastWriter));
    peer.put("a", values([("select", text("'; DROP TABLE blob; --")), ("from", Value::Integer(1))])).unwrap();
    assert_eq!(peer.rows().len(), 1);
    assert!(has_table(&peer.repo.snapshot().unwrap(), "blob").unwrap());
}

#[test]
fn t3_a_value_that_does_not_fit_is_an_error() {
    let table = definition("k:integer b:blob r:real t:text", "k b", Rule::LastWriter);
    let cases = [
        (r#"{"b":""}"#, "column k is part of the key and must have a value"),
        (r#"{"k":null,"b":""}"#, "column k is part of the key and must have a value"),
        (r#"{"k":"1","b":""}"#, "column k takes integer"),
        (r#"{"k":1.0,"b":""}"#, "column k takes integer"),
        (r#"{"k":9223372036854775808,"b":""}"#, "column k takes integer"),
        (r#"{"k":true,"b":""}"#, "column k takes integer"),
        (r#"{"k":[1],"b":""}"#, "column k takes integer"),
        (r#"{"k":1,"b":"0"}"#, "column b takes blob"),
        (r#"{"k":1,"b":"zz"}"#, "column b takes blob"),
        (r#"{"k":1,"b":7}"#, "column b takes blob"),
        (r#"{"k":1,"b":"","r":1}"#, "column r takes real"),
        (r#"{"k":1,"b":"","r":"1.0"}"#, "column r takes real"),
        (r#"{"k":1,"b":"","t":{}}"#, "column t takes text"),
        (r#"{"k":1,"b":"","k":2}"#, "column k is given twice"),
        (r#"{"k":1,"b":"","t":null,"t":"x"}"#, "column t is given twice"),
    ];
    for (json, expected) in cases {
        assert_eq!(parse(&table, State::Live, json).unwrap_err().to_string(), expected, "{json}");
    }
    for json in ["", "{", "[]", "null", "7", r#"{"k":1,"b":""} x"#, r#"{"k":1e999,"b":""}"#, "{\"t\":\"\0\"}"]
    {
        assert!(matches!(parse(&table, State::Live, json), Err(TableError::Json(_))), "{json}");
    }
    let deep = format!(r#"{{"t":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    parse(&table, State::Live, &deep).unwrap_err();
    let error = parse(&table, State::Deleted, r#"{"k":1,"b":"","t":"x"}"#).unwrap_err();
    assert_eq!(error.to_string(), "column t is no part of the key");
    let long = format!(r#"{{"k":1,"b":"","t":"{}"}}"#, "x".repeat(MAX_ROW_BYTES));
    assert!(matches!(parse(&table, State::Live, &long), Err(TableError::RowTooLong(_))));
    let other = Row::parse(&table, &xfer::hash::sha1(b""), State::Live, 1, None, br#"{"k":1,"b":""}"#);
    assert!(matches!(other, Err(TableError::WrongKey(_))));
}

#[test]
fn t4_bytes_come_back_as_bytes_in_keys_too() {
    let mut peer = Peer::with(&definition("k:blob v:blob", "k", Rule::LastWriter));
    let row = values([("k", Value::Blob(vec![0, 159, 146, 150])), ("v", Value::Blob(vec![]))]);
    peer.put("a", row.clone()).unwrap();
    assert_eq!(peer.rows()[0].values, row);
    assert_eq!(peer.rows()[0].to_json(), r#"{"k":"009f9296","v":""}"#);
    assert!(peer.at(NOW.0, |writer| writer.remove(values([("k", row[&name("k")].clone())]), "a")).unwrap());
    assert_eq!(peer.rows()[0].state, State::Deleted);
}

/// Lines of the query plan that read a whole table.
fn scans(peer: &mut Peer, sql: &str) -> Vec<String> {
    let snap = peer.repo.snapshot().unwrap();
    let mut statement = snap.conn().prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let lines = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
    lines.map(Result::unwrap).filter(|line| line.starts_with("SCAN")).collect()
}

#[test]
fn t5_a_row_is_found_by_its_key_and_a_change_costs_one_path() {
    let mut peer = flags(Rule::LastWriter);
    peer.at(NOW.0, |writer| {
        for n in 0..5000 {
            writer.put(flag(&n.to_string(), n), "a").unwrap();
        }
    });
    let none: [String; 0] = [];
    assert_eq!(scans(&mut peer, "SELECT * FROM fx_x_t WHERE fx_key=x'00'"), none);
    assert_eq!(scans(&mut peer, "SELECT * FROM fx_x_t WHERE name='7'"), none);
    let nodes = |peer: &mut Peer| -> i64 {
        let snap = peer.repo.snapshot().unwrap();
        snap.conn().query_row("SELECT count(*) FROM fx_frond_table_node", [], |row| row.get(0)).unwrap()
    };
    let whole = nodes(&mut peer);
    assert!(whole > 256, "{whole}");
    let tx = peer.repo.begin().unwrap();
    let mut writer = Writer::open(&tx, &name("t"), NOW).unwrap();
    writer.put(flag("7", -1), "a").unwrap();
    drop(writer);
    tx.commit().unwrap();
    let dropped = whole - nodes(&mut peer);
    assert!((1..=5).contains(&dropped), "{dropped}");
    // A transaction that did not fill the gap leaves the digest true all the same.
    let kept = peer.catalogue();
    peer.repo.begin().unwrap().conn().execute_batch("DELETE FROM fx_frond_table_node; COMMIT").unwrap();
    assert_eq!(peer.catalogue(), kept);
}

#[test]
fn t6_of_two_equally_old_versions_the_same_stays_everywhere() {
    let rows = [
        live(flag("x", 1), 5, None),
        live(flag("x", 2), 5, None),
        live(flag("x", 3), 5, None),
        dead("x", 5, None),
    ];
    let greatest = rows.iter().max_by_key(|row| row.version()).unwrap();
    for first in &rows {
        for second in &rows {
            let mut peer = flags(Rule::LastWriter);
            for row in [first, second].into_iter().chain(&rows).chain([first]) {
                peer.merge(row, Authority::Peer).unwrap();
            }
            assert_eq!(peer.rows(), std::slice::from_ref(greatest));
        }
    }
}

#[test]
fn t6_a_row_from_the_far_future_is_refused() {
    let mut peer = flags(Rule::LastWriter);
    for mtime in [NOW.0 + DAY + 1, i64::MAX] {
        let error = peer.merge(&live(flag("x", 1), mtime, None), Authority::Peer).unwrap_err();
        assert!(matches!(error, TableError::TooFarAhead(_)));
    }
    let ahead = live(flag("x", 1), NOW.0 + DAY, None);
    assert_eq!(peer.merge(&ahead, Authority::Peer).unwrap(), Merged::Stored);
    peer.put("a", flag("x", 2)).unwrap();
    assert_eq!(peer.rows(), [live(flag("x", 2), NOW.0 + DAY + 1, None)], "what is written here is newer");
}

#[test]
fn t9_tombstones_expire_after_the_horizon() {
    let mut peer = Peer::with(&definition("name:text", "name", Rule::LastWriter));
    let key = || values([("name", text("x"))]);
    peer.put("a", key()).unwrap();
    assert!(peer.at(NOW.0, |writer| writer.remove(key(), "a")).unwrap(), "a table of keys alone deletes too");
    assert!(!peer.at(NOW.0, |writer| writer.remove(key(), "a")).unwrap());
    let deleted = dead("x", NOW.0 + 1, None);
    assert_eq!(peer.rows(), std::slice::from_ref(&deleted));
    peer.at(NOW.0 + HORIZON_MS + 1, |_| ());
    assert_eq!(peer.rows(), std::slice::from_ref(&deleted));
    peer.at(NOW.0 + HORIZON_MS + 2, |writer| {
        assert_eq!(writer.table().rows, 0);
        assert_eq!(writer.merge(&deleted, Authority::Peer).unwrap(), Merged::Kept, "it does not come back");
    });
    assert_eq!(peer.rows(), []);
    assert_eq!(peer.catalogue(), Peer::with(&peer.table().definition).catalogue());
}

#[test]
fn a_deleted_row_stays_deleted_until_something_newer_is_written() {
    let mut peer = flags(Rule::Owner);
    peer.put("alice", flag("x", 1)).unwrap();
    peer.at(NOW.0, |writer| writer.remove(values([("name", text("x"))]), "alice")).unwrap();
    let older = live(flag("x", 1), NOW.0, Some("alice"));
    assert_eq!(peer.merge(&older, Authority::Peer).unwrap(), Merged::Kept);
    peer.put("bob", flag("x", 1)).unwrap_err();
    assert!(peer.put("alice", flag("x", 1)).unwrap());
    assert_eq!(peer.rows()[0].state, State::Live);
}

#[test]
fn what_says_nothing_new_changes_nothing() {
    let mut peer = flags(Rule::LastWriter);
    assert!(peer.put("a", flag("x", 1)).unwrap());
    let before = peer.catalogue();
    assert!(!peer.at(NOW.0 + 50, |writer| writer.put(flag("x", 1), "b")).unwrap());
    assert_eq!(peer.catalogue(), before);
}

#[test]
fn what_was_changed_by_other_means_is_found_and_taken_for_written_now() {
    let filled = || {
        let mut peer = flags(Rule::LastWriter);
        peer.at(NOW.0, |writer| {
            for n in 0..100 {
                writer.put(flag(&n.to_string(), n), "a").unwrap();
            }
        });
        peer
    };
    let cases = [
        (
            "UPDATE fx_x_t SET \"on\"=-1 WHERE name='7'",
            "row {\"name\":\"7\",\"on\":-1} was changed by other means",
        ),
        (
            "UPDATE fx_x_t SET name='x' WHERE name='7'",
            "row {\"name\":\"x\",\"on\":7} was changed by other means",
        ),
        ("UPDATE fx_x_t SET fx_mtime=5 WHERE name='7'", "the digest of part "),
        ("DELETE FROM fx_x_t WHERE name='7'", "it should have 100 rows, and has 99"),
        ("UPDATE fx_x_t SET \"on\"='a' WHERE name='7'", "column on holds something else than integer"),
    ];
    for (sql, expected) in cases {
        let mut peer = filled();
        let before = peer.catalogue();
        let found = |peer: &mut Peer| {
            let mut found = Vec::new();
            audit(&peer.repo.snapshot().unwrap(), &mut |reason| found.push(reason)).unwrap();
            found
        };
        assert_eq!(found(&mut peer), [""; 0]);
        let tx = peer.repo.begin().unwrap();
        tx.conn().execute_batch(sql).unwrap();
        tx.commit().unwrap();
        let reasons = found(&mut peer);
        assert!(reasons[0].contains(expected), "{reasons:?}");
        let tx = peer.repo.begin().unwrap();
        mend(&tx, UnixTime(NOW.0 + 5)).unwrap();
        tx.commit().unwrap();
        if sql.contains("='a'") {
            assert_eq!(found(&mut peer), reasons);
            continue;
        }
        assert_eq!(found(&mut peer), [""; 0], "{sql}");
        assert_ne!(peer.catalogue(), before);
    }
}
