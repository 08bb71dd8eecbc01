//! What the decoder takes, what it calls unknown, and what it refuses.
//!
//! Hashes are written short: `{A}`, `{B}` and `{P}` stand for 64, 40 and 40 digits.

mod cards;
mod errors;
mod frame;
mod pragmas;

use bytes::Bytes;
use xfer::card::{CloneRequest, Codes, Config, FileCard, Igot, Payload, Privacy, UvFile, UvIgot};
use xfer::pragma::Version;
use xfer::table::{RowCard, RowGimme, RowIgot, Schema, SqlNameError, TableCard, TablePragma};
use xfer::uv_name::UvNameError;
use xfer::{
    ArtifactId, Card, DecodeError, DecodeErrorKind as Kind, DecodeLimits, KeyPrefix, Message, Pragma,
    SqlName, UvName, decode, encode,
};

const A: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const B: &str = "00112233445566778899aabbccddeeff00112233";
const P: &str = "abababababababababababababababababababab";

fn fill(text: &str) -> String {
    text.replace("{A}", A).replace("{B}", B).replace("{P}", P)
}

fn read(text: &str) -> Result<Message, DecodeError> {
    decode(&Bytes::from(fill(text)), &DecodeLimits::default())
}

fn a() -> ArtifactId {
    A.parse().expect("64 digits")
}

fn b() -> ArtifactId {
    B.parse().expect("40 digits")
}

fn codes() -> Codes {
    Codes { server: "0".into(), project: P.into() }
}

fn name(text: &str) -> UvName {
    UvName::new(text).expect("a plain name")
}

fn file(delta_source: Option<ArtifactId>, payload: Payload, privacy: Privacy) -> Card {
    Card::File(FileCard { id: a(), delta_source, payload, privacy })
}

fn plain(text: &'static str) -> Payload {
    Payload::Plain(text.into())
}

fn pragma(pragma: Pragma) -> Vec<Card> {
    vec![Card::Pragma(pragma)]
}

fn unknown(line: &str) -> Vec<Card> {
    vec![Card::Unknown(fill(line).into())]
}

/// Reads `text` into `cards`, and writes them as the same text.
#[track_caller]
fn check(text: &str, cards: Vec<Card>) {
    check_lenient(text, cards.clone());
    assert_eq!(String::from_utf8_lossy(&encode(&Message::from(cards))), fill(text));
}

/// Reads `text`, which stock does not write, into `cards`.
#[track_caller]
fn check_lenient(text: &str, cards: Vec<Card>) {
    assert_eq!(read(text).map(|message| message.cards), Ok(cards), "{text}");
}

#[track_caller]
fn check_error(text: &str, offset: usize, card: usize, kind: Kind) {
    assert_eq!(read(text), Err(DecodeError { offset, card, kind }), "{text:?}");
}
