//! Hostile definitions and rows of synced tables.
//!
//! Each target runs for half a second under `cargo test`; for longer with
//! `BOLERO_RANDOM_TEST_TIME_MS=300000 cargo test --release --test fuzz_table`.

use std::time::Duration;

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

/// One change to a text: what to do, where, and with how much.
type Edit = (u8, u16, u8);

fn mutate(first: usize, edits: &[Edit]) -> Vec<u8> {
    let mut text = SEEDS[first % SEEDS.len()].as_bytes().to_vec();
    for &(what, place, amount) in edits {
        let at = usize::from(place) % (text.len() + 1);
        let end = (at + usize::from(amount) % 16).min(text.len());
        match what % 4 {
            0 => drop(text.drain(at..end)),
            1 => text.insert(at, amount),
            2 => {
                let copy = text[at..end].to_vec();
                text.splice(at..at, copy);
            }
            _ => drop(text.splice(at..at, WORDS[usize::from(amount) % WORDS.len()].bytes())),
        }
    }
    text
}

#[test]
fn fuzz_definition() {
    bolero::check!().with_test_time(SMOKE).with_type::<(usize, Vec<Edit>)>().for_each(|(first, edits)| {
        if let Ok(definition) = Definition::parse(&mutate(*first, edits)) {
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
        let json = mutate(*first, edits);
        for state in [State::Live, State::Deleted] {
            match Row::parse(&definition, &nobodys, state, 1, None, &json) {
                Err(TableError::Repo(error)) => panic!("{error}"),
                Err(_) => {}
                Ok(row) => panic!("no key has this hash: {row:?}"),
            }
        }
    });
}
