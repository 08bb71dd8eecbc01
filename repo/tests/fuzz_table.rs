//! Hostile definitions and rows of synced tables.
//!
//! Each target runs for half a second under `cargo test`; for longer with
//! `BOLERO_RANDOM_TEST_TIME_MS=300000 cargo test --release --test fuzz_table`.

use std::time::Duration;

use mutate::{Edit, Material};
use repo::table::{Definition, Row, State, TableError};
use xfer::ArtifactId;

const SMOKE: Duration = Duration::from_millis(500);

const DEFINITION: &str = r#"{"columns":[{"name":"a","type":"text","pk":true},{"name":"b","type":"blob","pk":true},{"name":"i","type":"integer","pk":false},{"name":"r","type":"real","pk":false}],"conflict":"owner"}"#;

const SEEDS: [&str; 4] = [
    DEFINITION,
    r#"{"a":"x","b":"00ff"}"#,
    r#"{"a":"\u0000\ud83d\ude00","b":"","i":-9223372036854775808,"r":1.5e300}"#,
    r#"{"a":null,"b":[],"i":1e5,"r":{}}"#,
];

const WORDS: [&str; 12] = [
    "\"a\":",
    "\"fx_key\":",
    "null",
    "1e999",
    "-0.0",
    "\\u0000",
    "[[[[",
    "}",
    "9223372036854775808",
    "\"",
    "true",
    ",",
];

fn json(first: usize, edits: &[Edit]) -> Vec<u8> {
    let seeds = SEEDS.map(|seed| seed.as_bytes().to_vec());
    Material { seeds: &seeds, words: &WORDS }.text(first, edits)
}

#[test]
fn fuzz_definition() {
    bolero::check!().with_test_time(SMOKE).with_type::<(usize, Vec<Edit>)>().for_each(|(first, edits)| {
        if let Ok(definition) = Definition::parse(&json(*first, edits)) {
            assert_eq!(Definition::parse(definition.to_json().as_bytes()), Ok(definition.clone()));
            assert_eq!(definition.join(&definition), Ok(definition));
        }
    });
}

#[test]
fn fuzz_row() {
    let definition = Definition::parse(DEFINITION.as_bytes()).expect("a definition");
    let nobodys = ArtifactId::sha1([0; 20]);
    bolero::check!().with_test_time(SMOKE).with_type::<(usize, Vec<Edit>)>().for_each(|(first, edits)| {
        let json = json(*first, edits);
        for state in [State::Live, State::Deleted] {
            match Row::parse(&definition, &nobodys, state, 1, None, &json) {
                Err(TableError::Repo(error)) => panic!("{error}"),
                Err(_) => {}
                Ok(row) => panic!("no key has this hash: {row:?}"),
            }
        }
    });
}
