//! Messages recorded from stock Fossil decode, and encode again to the same bytes.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use xfer::body::{Body, ContentType, unpack};
use xfer::card::{Payload, Privacy};
use xfer::{Card, DecodeLimits, Message, Pragma, Secret, decode, encode, hash};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn text(name: &str) -> Bytes {
    let path = directory().join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
}

fn read(name: &str) -> Message {
    decode(&text(name), &DecodeLimits::default()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn recorded(kind: &str) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(directory())
        .expect("the directory of recordings")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"))
        .filter(|name| name.ends_with(kind))
        .collect();
    names.sort();
    assert!(names.len() >= 20, "{} messages of kind {kind}", names.len());
    names
}

fn assert_same(name: &str, written: &[u8]) {
    let text = text(name);
    let differs = written.iter().zip(text.iter()).take_while(|(one, other)| one == other).count();
    let line = text[..differs.min(text.len())].iter().filter(|&&byte| byte == b'\n').count() + 1;
    assert!(written == &text[..], "{name} differs from byte {differs}, line {line}");
}

#[test]
fn every_recorded_request_is_written_as_stock_wrote_it() {
    for name in recorded("-request") {
        assert_same(&name, &encode(&read(&name)));
    }
}

#[test]
fn every_recorded_reply_is_written_as_stock_wrote_it() {
    for name in recorded("-reply") {
        assert_same(&name, &encode::reply(&read(&name)));
    }
}

/// The cards of stock that a message holds, by their operator, sorted.
fn operators(message: &Message) -> Vec<&'static str> {
    let mut found: Vec<_> =
        message.cards.iter().map(operator).chain(message.login.iter().map(|_| "login")).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn operator(card: &Card) -> &'static str {
    match card {
        Card::Pull(_) => "pull",
        Card::Push(_) => "push",
        Card::Clone(_) => "clone",
        Card::CloneSeqno(_) => "clone_seqno",
        Card::File(file) => match (&file.payload, file.privacy) {
            (Payload::Plain(_), Privacy::Public) => "file",
            (Payload::Plain(_), Privacy::Private) => "private file",
            (Payload::Zlib { .. }, Privacy::Public) => "cfile",
            (Payload::Zlib { .. }, Privacy::Private) => "private cfile",
        },
        Card::Igot(igot) => match igot.privacy {
            Privacy::Public => "igot",
            Privacy::Private => "igot 1",
        },
        Card::Gimme(_) => "gimme",
        Card::UvFile(_) => "uvfile",
        Card::UvIgot(_) => "uvigot",
        Card::UvGimme(_) => "uvgimme",
        Card::Config(_) => "config",
        Card::ReqConfig(_) => "reqconfig",
        Card::Cookie(_) => "cookie",
        Card::Table(_) => "table",
        Card::Pragma(Pragma::Other(_)) => "other pragma",
        Card::Pragma(_) => "pragma",
        Card::Error(_) => "error",
        Card::Message(_) => "message",
        Card::Comment(_) => "comment",
        Card::Unknown(_) => "unknown",
    }
}

/// What each recording holds, as a reader of the text sees it.
const CONTENTS: &[(&str, &str)] = &[
    ("clone-1-cards-1-reply", "comment, igot, pragma, push"),
    ("clone-1-cards-1-request", "clone, pragma"),
    ("clone-1-reply", "cfile, clone_seqno, comment, pragma, push"),
    ("clone-1-request", "clone, comment, pragma"),
    ("clone-2-cards-1-reply", "clone_seqno, comment, file, pragma, push"),
    ("clone-2-cards-1-request", "clone, pragma"),
    ("clone-2-reply", "comment, config, pragma"),
    ("clone-2-request", "comment, pragma, reqconfig"),
    ("clone-login-1-reply", "comment, error, push"),
    ("clone-login-1-request", "clone, comment, pragma"),
    ("clone-login-2-reply", "cfile, clone_seqno, comment, config, pragma, private cfile, push"),
    ("clone-login-2-request", "clone, comment, login, pragma, reqconfig"),
    ("clone-login-3-reply", "comment, pragma"),
    ("clone-login-3-request", "comment, login, pragma"),
    ("clone-private-1-reply", "cfile, clone_seqno, comment, error, pragma, push"),
    ("clone-private-1-request", "clone, comment, pragma"),
    ("clone-private-2-reply", "comment, config, pragma, uvigot"),
    ("clone-private-2-request", "comment, login, pragma, reqconfig"),
    ("clone-private-3-reply", "comment, pragma, uvfile"),
    ("clone-private-3-request", "comment, login, pragma, uvgimme"),
    ("config-pull-1-reply", "comment, config, pragma"),
    ("config-pull-1-request", "comment, login, pragma, reqconfig"),
    ("config-push-1-reply", "comment, pragma"),
    ("config-push-1-request", "comment, config, login, pragma"),
    ("links-1-reply", "comment, pragma"),
    ("links-1-request", "pragma"),
    ("lock-1-reply", "comment, pragma"),
    ("lock-1-request", "pragma"),
    ("old-client-1-reply", "clone_seqno, comment, error, push"),
    ("old-client-1-request", "clone"),
    ("private-1-reply", "comment, gimme, igot 1, pragma"),
    ("private-1-request", "comment, igot, igot 1, login, pragma, pull, push"),
    ("private-2-reply", "comment, igot 1, pragma, private file"),
    ("private-2-request", "comment, gimme, igot, igot 1, login, pragma, private file, pull, push"),
    ("private-pull-1-reply", "comment, igot, igot 1, pragma"),
    ("private-pull-1-request", "comment, login, pragma, pull"),
    ("private-pull-2-reply", "comment, file, igot, igot 1, pragma, private file"),
    ("private-pull-2-request", "comment, gimme, login, pragma, pull"),
    ("pull-1-reply", "comment, igot, pragma"),
    ("pull-1-request", "comment, login, pragma, pull"),
    ("pull-2-reply", "comment, file, igot, pragma"),
    ("pull-2-request", "comment, gimme, login, pragma, pull"),
    ("push-1-reply", "comment, pragma"),
    ("push-1-request", "comment, file, igot, login, pragma, push"),
    ("refused-push-1-reply", "comment, error"),
    ("refused-push-1-request", "comment, igot, pragma, push"),
    ("refused-sync-1-reply", "comment, igot, message, pragma"),
    ("refused-sync-1-request", "comment, igot, pragma, pull, push"),
    ("sync-1-reply", "comment, pragma"),
    ("sync-1-request", "comment, igot, login, pragma, pull, push"),
    ("unknown-1-reply", "comment, error"),
    ("unknown-1-request", "pragma, unknown"),
    ("unversioned-1-reply", "comment, pragma, uvigot"),
    ("unversioned-1-request", "comment, login, pragma"),
    ("unversioned-2-reply", "comment, pragma"),
    ("unversioned-2-request", "comment, login, pragma, uvfile"),
    ("unversioned-pull-1-reply", "comment, pragma, uvigot"),
    ("unversioned-pull-1-request", "comment, login, pragma"),
    ("unversioned-pull-2-reply", "comment, pragma, uvfile"),
    ("unversioned-pull-2-request", "comment, login, pragma, uvgimme"),
    ("wrong-password-1-reply", "comment, error"),
    ("wrong-password-1-request", "comment, login, pragma, pull"),
];

#[test]
fn every_recorded_card_is_known() {
    let names: Vec<_> = recorded("-reply").into_iter().chain(recorded("-request")).collect();
    assert_eq!(names.len(), CONTENTS.len());
    for (name, expected) in CONTENTS {
        assert_eq!(operators(&read(name)).join(", "), *expected, "{name}");
    }
}

#[test]
fn every_recorded_login_covers_its_message() {
    let logins: Vec<_> = recorded("-request").iter().filter_map(|name| read(name).login).collect();
    assert!(logins.len() >= 10);
    for login in logins {
        assert_eq!(login.user, "alice");
        assert!(login.covers_message());
    }
}

#[test]
fn a_recorded_login_is_signed_with_the_users_password() {
    let request = read("pull-1-request");
    let project = request.cards.iter().find_map(|card| match card {
        Card::Pull(codes) => Some(codes.project.clone()),
        _ => None,
    });
    let login = request.login.unwrap();
    assert!(login.is_signed_with(&Secret::derive(&project.clone().unwrap(), "alice", "secret")));
    assert!(!login.is_signed_with(&Secret::derive(&project.unwrap(), "alice", "wrong")));
}

/// A `cfile` payload is framed as a body is.
fn content(payload: &Payload) -> Bytes {
    match payload {
        Payload::Plain(bytes) => bytes.clone(),
        Payload::Zlib { size, bytes } => {
            let body = Body { content_type: ContentType::Compressed, bytes: bytes.clone() };
            let content = unpack(&body, &DecodeLimits::default()).expect("a zlib payload");
            assert_eq!(content.len(), *size as usize);
            content
        }
    }
}

#[test]
fn every_recorded_artifact_is_what_its_name_says() {
    let mut seen = 0;
    for name in recorded("-reply").iter().chain(&recorded("-request")) {
        for card in read(name).cards {
            let Card::File(file) = card else { continue };
            if file.delta_source.is_none() {
                assert!(hash::names(&file.id, &content(&file.payload)), "{name}: {}", file.id);
                seen += 1;
            }
        }
    }
    assert!(seen >= 10);
}
