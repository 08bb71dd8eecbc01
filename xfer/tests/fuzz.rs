//! Hostile bytes: recorded messages and containers, cut up and put together at random.
//!
//! Each target runs for half a second under `cargo test`; for longer with
//! `BOLERO_RANDOM_TEST_TIME_MS=300000 cargo test --release --test fuzz`.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use mutate::{Edit, Material};
use xfer::body::{Body, ContentType, pack, unpack};
use xfer::{DecodeLimits, Message, decode, encode, token};

const SMOKE: Duration = Duration::from_millis(500);

/// What a hostile sender would write at the seams.
const WORDS: &[&[u8]] = &[
    b"\n",
    b" ",
    b"\0",
    b"\\",
    b"\r\n",
    b"#",
    b"0",
    b"1",
    b"-1",
    b"2147483647",
    b"2147483648",
    b"99999999999",
    b"9223372036854775807",
    b"file ",
    b"cfile ",
    b"private\n",
    b"uvfile x 1 - 0 1\n",
    b"uvfile a ",
    b"uvigot ",
    b"uvgimme ../",
    b"config /all 3\n",
    b"igot ",
    b"gimme ",
    b"pull ",
    b"push ",
    b"clone 3 ",
    b"clone_seqno ",
    b"login a ",
    b"cookie ",
    b"reqconfig /",
    b"error ",
    b"message ",
    b"pragma ",
    b"client-version ",
    b"ci-lock ",
    b"ci-lock-fail ",
    b"link a b ",
    b"uv-hash ",
    b"da39a3ee5e6b4b0d3255bfef95601890afd80709",
    b"DA39A3EE5E6B4B0D3255BFEF95601890AFD80709",
    b"-",
    b"schema t 1 ",
    b"xigot t ",
    b"xgimme t ",
    b"xrow t ",
    b"xdelete t ",
    b"pragma x-tables 1\n",
    b"xtable-hash t ",
    b"xtable-node t 0f ",
    b"xtable-list t -\n",
    b"{\"a\":1}\n",
    b"\xff",
    b"\xf0\x9f\x98\x80",
    b"a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a",
    b"\x78\x9c\x03\0\0\0\0\x01",
];

fn recordings() -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut paths: Vec<_> = std::fs::read_dir(directory)
        .expect("the directory of recordings")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("-re")))
        .collect();
    paths.sort();
    let recorded = paths.iter().map(|path| std::fs::read(path).expect("a recording"));
    recorded.chain([TABLES.replace("{H}", "da39a3ee5e6b4b0d3255bfef95601890afd80709").into()]).collect()
}

/// What no stock peer writes.
const TABLES: &str = "pragma x-tables 1\npragma xtable-hash t {H}\npragma xtable-node t - {H}\n\
    pragma xtable-node t 0a -\npragma xtable-list t 1\nschema t 1 {H} 5 2\n{}\nxigot t {H} 7 {H}\n\
    xgimme t {H}\nxrow t {H} 8 7\n{\"a\":1}\nxdelete t {H} 9 7 al\\sice\n{\"a\":1}\n";

/// What was read once is written in a form that is read as the same.
fn assert_settled(message: &Message, limits: &DecodeLimits) {
    let reread = |text: Vec<u8>| {
        let mut again = decode(&Bytes::from(text), limits).expect("our own message");
        if let (Some(login), Some(first)) = (&mut again.login, &message.login) {
            // The first text may have been written otherwise.
            login.tail = first.tail;
        }
        again
    };
    assert_eq!(&reread(encode(message)), message);
    assert_eq!(&reread(encode::reply(message)), message);
}

#[test]
fn fuzz_decode() {
    let seeds = recordings();
    let limits = DecodeLimits::default();
    bolero::check!().with_test_time(SMOKE).with_type::<(usize, Vec<Edit>)>().for_each(|(first, edits)| {
        let text = Bytes::from(Material { seeds: &seeds, words: WORDS }.text(*first, edits));
        match decode(&text, &limits) {
            Ok(message) => assert_settled(&message, &limits),
            Err(error) => assert!(error.offset < text.len() && error.card >= 1),
        }
    });
}

#[test]
fn fuzz_decode_of_raw_bytes() {
    let limits = DecodeLimits { line_bytes: 100, payload_bytes: 100, cards: 50, ..DecodeLimits::default() };
    bolero::check!().with_test_time(SMOKE).for_each(|bytes: &[u8]| {
        if let Ok(message) = decode(&Bytes::copy_from_slice(bytes), &limits) {
            assert!(message.cards.len() <= limits.cards);
        }
    });
}

#[test]
fn fuzz_unpack() {
    let seeds: Vec<_> =
        recordings().iter().map(|text| Vec::from(pack(text, ContentType::Compressed).bytes)).collect();
    let limits = DecodeLimits { message_bytes: 3000, ..DecodeLimits::default() };
    bolero::check!().with_test_time(SMOKE).with_type::<(usize, Vec<Edit>)>().for_each(|(first, edits)| {
        let bytes = Bytes::from(Material { seeds: &seeds, words: WORDS }.text(*first, edits));
        let prefix = bytes.first_chunk().map(|prefix| u32::from_be_bytes(*prefix) as usize);
        let body = Body { content_type: ContentType::Compressed, bytes };
        if let Ok(text) = unpack(&body, &limits) {
            assert!(text.len() <= limits.message_bytes);
            assert_eq!(text.len(), prefix.unwrap_or(0));
        }
    });
}

#[test]
fn fuzz_tokens() {
    bolero::check!().with_test_time(SMOKE).for_each(|bytes: &[u8]| {
        assert_eq!(token::unescape(&token::escape(bytes)), bytes);
        let text = token::unescape(bytes);
        assert!(text.len() <= bytes.len());
        assert_eq!(token::unescape(&token::escape(&text)), text);
    });
}
