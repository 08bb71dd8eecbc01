//! What it costs that nobody observes.

use repo::table::{Column, Definition, Rule, Type, Value, Values, Writer, define};
use xfer::SqlName;

use super::*;
use crate::testing::{NOW, allocations, told};

fn name(text: &str) -> SqlName {
    SqlName::new(text).unwrap()
}

/// Both have something that the other lacks: an artifact, and a row.
fn side(letters: &str, who: &str) -> Fixture {
    let mut fixture = holding(letters).rights("nobody", "goi");
    let definition = Definition::new(
        vec![Column { name: name("who"), kind: Type::Text }],
        &[name("who")],
        Rule::LastWriter,
    );
    let tx = fixture.repo.begin().unwrap();
    define(&tx, &name("state"), &definition.unwrap(), 1).unwrap();
    let mut writer = Writer::open(&tx, &name("state"), NOW).unwrap();
    writer.put(Values::from([(name("who"), Value::Text(who.to_owned()))]), who).unwrap();
    writer.finish().unwrap();
    tx.commit().unwrap();
    fixture
}

#[test]
fn events_that_nobody_hears_allocate_nothing() {
    let (mut client, mut server) = (side("A B", "ann"), side("A C", "bob"));
    let before = (told(), allocations());
    let options = SyncOptions { pull: true, push: true, tables: true, ..SyncOptions::default() };
    let result = converse(&mut Session::sync(options, SEED), &mut client, &mut server).unwrap();
    let stats = result.stats;
    assert_eq!((stats.files_sent, stats.files_received, stats.rows_sent, stats.rows_received), (1, 1, 1, 1));
    // Both ends tell of each round, of the table, and of what was linked.
    assert!(told() - before.0 > 4 * u64::from(result.rounds), "{} events", told() - before.0);
    assert_eq!(allocations() - before.1, 0);
}
