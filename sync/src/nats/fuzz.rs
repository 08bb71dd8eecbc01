//! Hostile addresses, headers of parts, and parts: sound ones, cut up and put together at random.
//!
//! Each target runs for half a second under `cargo test`; for longer with
//! `BOLERO_RANDOM_TEST_TIME_MS=300000 cargo test --release --lib nats::fuzz`.

use std::time::Duration;

use mutate::{Edit, Material};

use super::part::{Ack, Inflow, Part};
use super::{Address, Broker};

const SMOKE: Duration = Duration::from_millis(500);

/// More bytes than any hostile transfer here brings.
const TOTAL: usize = 4096;

const ADDRESSES: &[&str] = &[
    "nats://h/ab",
    "TLS://user:p%40w@Host.Example:4333,[::1]:1,b/0123abcd?prefix=a.b&peer=p-1&login=x%20y",
    "nats:///ab?context=prod",
    "nats://%2fuser:p@h/ab",
    "nats://t0ken@[2001:db8::1]/ab?creds=%2fa%2fb.creds&ca=/ca&cert=/c&key=/k&nkey=/n",
];

const HEADERS: &[&str] = &[
    "0 0 00000000",
    "12 6291456 0000beef",
    "7 16 again",
    "0 16",
    "4294967295 18446744073709551615 ffffffff",
];

const WORDS: &[&str] = &[
    "nats://",
    "tls://",
    "://",
    "/",
    "//",
    "@",
    ":",
    ",",
    "?",
    "&",
    "=",
    "[",
    "]",
    "[::1]",
    ":0",
    ":65535",
    "%",
    "%00",
    "%2f",
    "%ff",
    "prefix=",
    "context=..",
    ".",
    "*",
    ">",
    " ",
    "  ",
    "\n",
    "\0",
    "again",
    "-1",
    "+1",
    "00",
    "99999999999999999999",
];

fn material<'a>(seeds: &'a [Vec<u8>]) -> Material<'a, &'static str> {
    Material { seeds, words: WORDS }
}

fn seeds(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn an_address_that_is_read_is_shown_as_one_that_reads_the_same() {
    let seeds = seeds(ADDRESSES);
    bolero::check!().with_type::<(usize, Vec<Edit>)>().with_test_time(SMOKE).for_each(|(first, edits)| {
        let text = material(&seeds).text(*first, edits);
        let Ok(text) = std::str::from_utf8(&text) else { return };
        let _ = text.parse::<Broker>();
        let Ok(address) = text.parse::<Address>() else { return };
        let shown = address.to_string();
        let Ok(again) = shown.parse::<Address>() else {
            panic!("{text:?} is shown as {shown:?}, which is none")
        };
        assert_eq!(again.to_string(), shown, "{text:?}");
        assert_eq!(
            (again.topic, again.peer, again.login),
            (address.topic, address.peer, address.login),
            "{text:?}"
        );
        assert_eq!(again.broker.servers, address.broker.servers, "{text:?}");
    });
}

#[test]
fn a_header_of_a_part_that_is_read_is_written_the_same() {
    let seeds = seeds(HEADERS);
    bolero::check!().with_type::<(usize, Vec<Edit>)>().with_test_time(SMOKE).for_each(|(first, edits)| {
        let text = material(&seeds).text(*first, edits);
        let Ok(text) = std::str::from_utf8(&text) else { return };
        if let Some(part) = Part::read(text) {
            assert_eq!(part.to_string(), text);
        }
        if let Some(ack) = Ack::read(text) {
            assert_eq!(ack.to_string(), text);
        }
    });
}

#[test]
fn hostile_parts_never_make_more_than_was_announced() {
    bolero::check!().with_type::<Vec<(u8, u16, bool, Vec<u8>)>>().with_test_time(SMOKE).for_each(|parts| {
        let mut body = Inflow::new(TOTAL);
        let mut kept = Vec::new();
        for (number, offset, is_sound, bytes) in parts {
            let sum = if *is_sound { crc32fast::hash(bytes) } else { 0 };
            let before = body.len();
            let part = Part { number: u32::from(*number), offset: u64::from(*offset), sum };
            if body.take(&part, bytes).is_err() {
                return;
            }
            if body.len() > before {
                assert_eq!((before as u64, before + bytes.len()), (part.offset, body.len()));
                kept.extend_from_slice(bytes);
            }
            assert!(body.len() <= TOTAL);
        }
        assert_eq!(body.into_bytes(), kept);
    });
}
