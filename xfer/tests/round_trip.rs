//! What is written is read back, whatever it is; what is cut off never panics.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use xfer::body::{ContentType, pack, unpack};
use xfer::card::{CloneRequest, Codes, Config, FileCard, Igot, Payload, Privacy, UvFile, UvIgot};
use xfer::pragma::Version;
use xfer::table::{RowCard, RowGimme, RowIgot, Schema, TableCard, TablePragma};
use xfer::{
    ArtifactId, Card, DecodeErrorKind, DecodeLimits, KeyPrefix, Message, Pragma, Secret, SqlName, UvName,
    decode, encode, token,
};

const LARGEST: u32 = i32::MAX as u32;

fn id() -> impl Strategy<Value = ArtifactId> {
    prop_oneof![any::<[u8; 20]>().prop_map(ArtifactId::sha1), any::<[u8; 32]>().prop_map(ArtifactId::sha3)]
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..80).prop_map(Bytes::from)
}

/// A text that can stand as one token.
fn word() -> impl Strategy<Value = String> {
    "[^ \t\n\u{b}\u{c}\r\0]{1,20}"
}

/// Any text but the empty one, which no token can hold.
fn prose() -> impl Strategy<Value = String> {
    "(?s).{1,20}"
}

/// A line of bytes, without LF and NUL.
fn line() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>().prop_filter("a line", |byte| !matches!(byte, b'\n' | 0)), 0..40).prop_map(Bytes::from)
}

fn time() -> impl Strategy<Value = i64> {
    0..=i64::MAX
}

fn privacy() -> impl Strategy<Value = Privacy> {
    prop_oneof![Just(Privacy::Public), Just(Privacy::Private)]
}

fn codes() -> impl Strategy<Value = Codes> {
    (word(), "[0-9a-fA-F]{40}([0-9a-fA-F]{24})?").prop_map(|(server, project)| Codes { server, project })
}

fn clone() -> impl Strategy<Value = CloneRequest> {
    prop_oneof![
        Just(CloneRequest::Announce),
        (2..=LARGEST, 0..=LARGEST).prop_map(|(version, seqno)| CloneRequest::Batch { version, seqno }),
    ]
}

fn file() -> impl Strategy<Value = FileCard> {
    let payload = prop_oneof![
        bytes().prop_map(Payload::Plain),
        (0..=LARGEST, bytes()).prop_map(|(size, bytes)| Payload::Zlib { size, bytes }),
    ];
    (id(), option::of(id()), payload, privacy()).prop_map(|(id, delta_source, payload, privacy)| FileCard {
        id,
        delta_source,
        payload,
        privacy,
    })
}

fn uv_name() -> impl Strategy<Value = UvName> {
    "[a-z.\u{e9}-]{1,8}(/[a-z_]{1,8}){0,2}".prop_filter_map("a name", |name| UvName::new(name).ok())
}

fn uv_file() -> impl Strategy<Value = UvFile> {
    // Bits that mean nothing are kept.
    let other = any::<u32>().prop_map(|flags| flags & LARGEST & !(UvFile::DELETED | UvFile::OMITTED));
    let state = prop_oneof![
        Just((None, 0, UvFile::DELETED, None)),
        Just((None, 0, UvFile::DELETED | UvFile::OMITTED, None)),
        (id(), 0..=LARGEST).prop_map(|(id, size)| (Some(id), size, UvFile::OMITTED, None)),
        (id(), bytes()).prop_map(|(id, bytes)| (Some(id), bytes.len() as u32, 0, Some(bytes))),
    ];
    (uv_name(), time(), other, state).prop_map(|(name, mtime, other, (hash, size, flags, content))| UvFile {
        name,
        mtime,
        hash,
        size,
        flags: flags | other,
        content,
    })
}

fn uv_igot() -> impl Strategy<Value = UvIgot> {
    (uv_name(), time(), option::of(id()), 0..=LARGEST).prop_map(|(name, mtime, hash, size)| UvIgot {
        name,
        mtime,
        hash,
        size,
    })
}

fn sql_name() -> impl Strategy<Value = SqlName> {
    "[a-z_][a-z0-9_]{0,9}".prop_filter_map("a name", |name| SqlName::new(name).ok())
}

fn prefix() -> impl Strategy<Value = KeyPrefix> {
    (any::<[u8; 20]>(), 0..=40_usize).prop_map(|(key, digits)| KeyPrefix::of(&ArtifactId::sha1(key), digits))
}

fn table_card() -> impl Strategy<Value = TableCard> {
    let row = || {
        (sql_name(), id(), time(), option::of(prose()), bytes())
            .prop_map(|(table, key, mtime, owner, json)| RowCard { table, key, mtime, owner, json })
    };
    prop_oneof![
        (sql_name(), 0..=LARGEST, id(), time(), bytes()).prop_map(|(table, version, hash, mtime, json)| {
            TableCard::Schema(Schema { table, version, hash, mtime, json })
        }),
        (sql_name(), id(), time(), id()).prop_map(|(table, key, mtime, hash)| TableCard::Igot(RowIgot {
            table,
            key,
            mtime,
            hash
        })),
        (sql_name(), id()).prop_map(|(table, key)| TableCard::Gimme(RowGimme { table, key })),
        row().prop_map(TableCard::Row),
        row().prop_map(TableCard::Delete),
    ]
}

fn table_pragma() -> impl Strategy<Value = TablePragma> {
    prop_oneof![
        (0..=LARGEST).prop_map(TablePragma::Known),
        (sql_name(), option::of(id())).prop_map(|(table, hash)| TablePragma::Hash { table, hash }),
        (sql_name(), prefix(), option::of(id())).prop_map(|(table, prefix, hash)| TablePragma::Node {
            table,
            prefix,
            hash
        }),
        (sql_name(), prefix()).prop_map(|(table, prefix)| TablePragma::List { table, prefix }),
    ]
}

fn pragma() -> impl Strategy<Value = Pragma> {
    let version = || {
        (0..=LARGEST, option::of((0..=LARGEST, 0..=LARGEST)))
            .prop_map(|(number, build)| Version { number, build })
    };
    let client = "[0-9a-fA-F]{40}([0-9a-fA-F]{24})?";
    prop_oneof![
        version().prop_map(Pragma::ClientVersion),
        version().prop_map(Pragma::ServerVersion),
        Just(Pragma::SendPrivate),
        Just(Pragma::SendCatalog),
        Just(Pragma::ReqClusters),
        id().prop_map(Pragma::UvHash),
        Just(Pragma::UvPushOk),
        Just(Pragma::UvPullOnly),
        (id(), word()).prop_map(|(checkin, client)| Pragma::CiLock { checkin, client }),
        client.prop_map(|client| Pragma::CiUnlock { client }),
        ("(?s).{0,9}", time()).prop_map(|(user, since)| Pragma::CiLockFail { user, since }),
        Just(Pragma::AvoidDeltaManifests),
        Just(Pragma::MoreGimmes),
        word().prop_map(Pragma::ClientUrl),
        Just(Pragma::ReqLinks),
        (prose(), prose(), time()).prop_map(|(url, json, mtime)| Pragma::Link { url, json, mtime }),
        table_pragma().prop_map(Pragma::Table),
        vec(word(), 0..5).prop_map(|words| {
            let first = b"x-other".to_vec();
            Pragma::Other(std::iter::once(first).chain(words.into_iter().map(String::into_bytes)).collect())
        }),
    ]
}

fn card() -> impl Strategy<Value = Card> {
    prop_oneof![
        codes().prop_map(Card::Pull),
        codes().prop_map(Card::Push),
        clone().prop_map(Card::Clone),
        (0..=LARGEST).prop_map(Card::CloneSeqno),
        file().prop_map(Card::File),
        (id(), privacy()).prop_map(|(id, privacy)| Card::Igot(Igot { id, privacy })),
        id().prop_map(Card::Gimme),
        uv_file().prop_map(Card::UvFile),
        uv_igot().prop_map(Card::UvIgot),
        uv_name().prop_map(Card::UvGimme),
        (word(), bytes()).prop_map(|(name, record)| Card::Config(Config { name, record })),
        word().prop_map(Card::ReqConfig),
        word().prop_map(Card::Cookie),
        pragma().prop_map(Card::Pragma),
        table_card().prop_map(Card::Table),
        prose().prop_map(Card::Error),
        prose().prop_map(Card::Message),
        line().prop_map(Card::Comment),
        line().prop_map(|rest| Card::Unknown([b"x-unknown ", &rest[..]].concat().into())),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    (vec(card(), 0..12), option::of(prose())).prop_map(|(cards, user)| {
        let message = Message::from(cards);
        match user {
            Some(user) => message.signed(&user, &Secret::stored("secret")),
            None => message,
        }
    })
}

/// Where cards end in the text of a message, and where it begins.
fn ends_of_cards(message: &Message) -> BTreeSet<usize> {
    let mut text = encode(&Message { login: message.login.clone(), cards: Vec::new() });
    let mut ends = BTreeSet::from([0, text.len()]);
    for card in &message.cards {
        if matches!(card, Card::File(file) if file.privacy == Privacy::Private) {
            ends.insert(text.len() + b"private\n".len());
        }
        encode::card(card, &mut text);
        ends.insert(text.len());
    }
    ends
}

fn limits() -> DecodeLimits {
    DecodeLimits::default()
}

proptest! {
    #[test]
    fn a_message_is_read_as_it_was_written(message in message()) {
        let text = Bytes::from(encode(&message));
        prop_assert_eq!(decode(&text, &limits()), Ok(message));
    }

    #[test]
    fn a_login_covers_what_was_signed(message in message()) {
        let text = Bytes::from(encode(&message));
        let login = decode(&text, &limits()).map(|message| message.login);
        prop_assert!(login.is_ok_and(|login| login.is_none_or(|login| login.covers_message())));
    }

    #[test]
    fn a_reply_says_the_same_as_a_request(mut message in message()) {
        message.login = None;
        let text = Bytes::from(encode::reply(&message));
        prop_assert_eq!(decode(&text, &limits()), Ok(message));
    }

    #[test]
    fn a_prefix_is_read_if_it_ends_with_a_card_and_refused_if_not(message in message()) {
        let text = Bytes::from(encode(&message));
        let ends = ends_of_cards(&message);
        prop_assert_eq!(ends.last(), Some(&text.len()));
        for end in 0..=text.len() {
            match decode(&text.slice(..end), &limits()) {
                Ok(read) => {
                    prop_assert!(ends.contains(&end), "cut at {}", end);
                    prop_assert!(message.cards.starts_with(&read.cards));
                }
                Err(error) => {
                    prop_assert!(!ends.contains(&end), "cut at {}: {}", end, error);
                    let complete = ends.range(..end);
                    prop_assert_eq!((error.offset, error.card), (*complete.clone().max().unwrap(), complete.count()));
                }
            }
        }
    }

    #[test]
    fn a_payload_that_is_cut_off_is_refused(file in file(), cut in 1_usize..80) {
        let size = file.payload.bytes().len();
        prop_assume!(cut <= size);
        let text = Bytes::from(encode(&Message::from(vec![Card::File(file)])));
        let kind = decode(&text.slice(..text.len() - cut), &limits()).map_err(|error| error.kind);
        prop_assert_eq!(kind, Err(DecodeErrorKind::Truncated { size: size as u32, left: size - cut }));
    }

    #[test]
    fn a_token_keeps_its_text(text in vec(any::<u8>(), 0..200)) {
        let escaped = token::escape(&text);
        prop_assert!(!escaped.iter().any(|byte| b" \t\n\x0b\x0c\r\0".contains(byte)));
        prop_assert_eq!(token::unescape(&escaped), text);
    }

    #[test]
    fn a_body_keeps_its_text(text in vec(any::<u8>(), 0..5000), copies in 1_usize..20) {
        let text = text.repeat(copies);
        for content_type in [ContentType::Compressed, ContentType::Uncompressed, ContentType::Debug] {
            let body = pack(&text, content_type);
            prop_assert_eq!(ContentType::parse(content_type.as_str()), Some(content_type));
            prop_assert_eq!(unpack(&body, &limits()).map(Vec::from), Ok(text.clone()));
        }
    }

    #[test]
    fn every_prefix_of_a_container_is_refused(text in vec(any::<u8>(), 1..300)) {
        let body = pack(&text, ContentType::Compressed);
        for end in 1..body.bytes.len() {
            let mut cut = body.clone();
            cut.bytes.truncate(end);
            prop_assert!(unpack(&cut, &limits()).is_err());
        }
    }
}
