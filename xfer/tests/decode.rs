//! What the decoder takes, what it calls unknown, and what it refuses.
//!
//! Hashes are written short: `{A}`, `{B}` and `{P}` stand for 64, 40 and 40 digits.

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

#[test]
fn every_card_is_read_and_written() {
    check("pull 0 {P}\n", vec![Card::Pull(codes())]);
    check("push 0 {P}\n", vec![Card::Push(codes())]);
    check("clone\n", vec![Card::Clone(CloneRequest::Announce)]);
    check("clone 3 17\n", vec![Card::Clone(CloneRequest::Batch { version: 3, seqno: 17 })]);
    check("clone_seqno 0\n", vec![Card::CloneSeqno(0)]);
    check("file {A} 3\na\nb", vec![file(None, plain("a\nb"), Privacy::Public)]);
    check(
        "file {A} {B} 2\nxyigot {B}\n",
        vec![file(Some(b()), plain("xy"), Privacy::Public), Card::Igot(Igot::public(b()))],
    );
    check("file {A} 0\n", vec![file(None, plain(""), Privacy::Public)]);
    check("private\nfile {A} 1\nx", vec![file(None, plain("x"), Privacy::Private)]);
    let zlib = || Payload::Zlib { size: 9, bytes: "xyz".into() };
    check("cfile {A} 9 3\nxyz", vec![file(None, zlib(), Privacy::Public)]);
    check("cfile {A} {B} 9 3\nxyz", vec![file(Some(b()), zlib(), Privacy::Public)]);
    check("private\ncfile {A} {B} 9 3\nxyz", vec![file(Some(b()), zlib(), Privacy::Private)]);
    check("igot {A}\n", vec![Card::Igot(Igot::public(a()))]);
    check("igot {B} 1\n", vec![Card::Igot(Igot::private(b()))]);
    check("gimme {A}\n", vec![Card::Gimme(a())]);
    check("uvgimme d/x\n", vec![Card::UvGimme(name("d/x"))]);
    check(
        "config /config 3\na\n \n",
        vec![Card::Config(Config { name: "/config".into(), record: "a\n ".into() })],
    );
    check("reqconfig /all\n", vec![Card::ReqConfig("/all".into())]);
    check("cookie a\\b\n", vec![Card::Cookie("a\\b".into())]);
    check("error not\\sauthorized\\n\n", vec![Card::Error("not authorized\n".into())]);
    check("message pull\\sonly\n", vec![Card::Message("pull only".into())]);
    check(
        "# timestamp 2026-01-02T03:04:05 errors 0\n",
        vec![Card::comment(" timestamp 2026-01-02T03:04:05 errors 0")],
    );
    check("#\n", vec![Card::comment("")]);
}

#[test]
fn unversioned_cards_are_read_and_written() {
    let igot = |hash, size| Card::UvIgot(UvIgot { name: name("x"), mtime: 7, hash, size });
    check("uvigot x 7 {A} 5\n", vec![igot(Some(a()), 5)]);
    check("uvigot x 7 - 0\n", vec![igot(None, 0)]);
    let file = |hash, size, flags, content| {
        Card::UvFile(UvFile { name: name("x"), mtime: i64::MAX, hash, size, flags, content })
    };
    check("uvfile x 9223372036854775807 {B} 2 0\nab", vec![file(Some(b()), 2, 0, Some("ab".into()))]);
    check("uvfile x 9223372036854775807 {B} 0 0\n", vec![file(Some(b()), 0, 0, Some("".into()))]);
    check("uvfile x 9223372036854775807 {B} 2 4\n", vec![file(Some(b()), 2, UvFile::OMITTED, None)]);
    check("uvfile x 9223372036854775807 - 0 1\n", vec![file(None, 0, UvFile::DELETED, None)]);
}

#[test]
fn table_cards_are_read_and_written() {
    let table = || SqlName::new("peers").expect("a name");
    let card = |card: TableCard| vec![Card::Table(card)];
    let row = |owner: Option<&str>| RowCard {
        table: table(),
        key: b(),
        mtime: 7,
        owner: owner.map(str::to_owned),
        json: "{\n}".into(),
    };
    let schema = Schema { table: table(), version: 1, hash: b(), mtime: 9, json: "{}".into() };
    check("schema peers 1 {B} 9 2\n{}\n", card(TableCard::Schema(schema)));
    let igot = RowIgot { table: table(), key: b(), mtime: i64::MAX, hash: b() };
    check("xigot peers {B} 9223372036854775807 {B}\n", card(TableCard::Igot(igot)));
    check("xgimme peers {B}\n", card(TableCard::Gimme(RowGimme { table: table(), key: b() })));
    check("xrow peers {B} 7 3\n{\n}\n", card(TableCard::Row(row(None))));
    check("xrow peers {B} 7 3 al\\sice\n{\n}\n", card(TableCard::Row(row(Some("al ice")))));
    check("xdelete peers {B} 7 3\n{\n}\n", card(TableCard::Delete(row(None))));

    let said = |said: TablePragma| pragma(Pragma::Table(said));
    let prefix = |text: &str| text.parse::<KeyPrefix>().expect("a prefix");
    check("pragma x-tables 1\n", said(TablePragma::Known(1)));
    check("pragma xtable-hash peers {B}\n", said(TablePragma::Hash { table: table(), hash: Some(b()) }));
    check("pragma xtable-hash peers -\n", said(TablePragma::Hash { table: table(), hash: None }));
    let node = |text, hash| said(TablePragma::Node { table: table(), prefix: prefix(text), hash });
    check("pragma xtable-node peers - {B}\n", node("-", Some(b())));
    check("pragma xtable-node peers 0f -\n", node("0f", None));
    check("pragma xtable-list peers a\n", said(TablePragma::List { table: table(), prefix: prefix("a") }));
}

#[test]
fn table_cards_that_do_not_fit_are_unknown_or_refused() {
    for line in ["xigot fx_a {B} 1 {B}", "xigot a {B} 1", "xgimme A {B}", "xgimme a 12", "xgimme a {B} x"] {
        check(&format!("{line}\n"), unknown(line));
    }
    for line in [
        "x-tables",
        "x-tables -1",
        "xtable-hash a x",
        "xtable-node a g -",
        "xtable-list a",
        "xtable-list 1 -",
    ] {
        let tokens = line.split(' ').map(|token| token.as_bytes().to_vec()).collect();
        check(&format!("pragma {line}\n"), pragma(Pragma::Other(tokens)));
    }
    let cases = [
        ("schema a 1 {B} 1 9\n{}\n", Kind::Truncated { size: 9, left: 3 }),
        ("schema a 1 {B} 1 2\n{}x\n", Kind::UnterminatedRecord),
        ("schema a-b 1 {B} 1 2\n{}\n", Kind::SqlName(SqlNameError::Character)),
        ("xrow a {B} 1 2\n{}", Kind::UnterminatedRecord),
        ("xrow a {B} -1 2\n{}\n", Kind::Integer),
        ("xrow a {B} 1 2 b c\n{}\n", Kind::TokenCount),
        ("xdelete a {B} 9223372036854775808 2\n{}\n", Kind::IntegerTooLarge { limit: i64::MAX }),
        ("xdelete a {B} 1\n{}\n", Kind::TokenCount),
    ];
    for (text, kind) in cases {
        check_error(text, 0, 1, kind);
    }
}

#[test]
fn every_pragma_is_read_and_written() {
    let version = |build| Version { number: 22100, build };
    let client = "0123456789abcdef0123456789abcdef01234567".to_owned();
    let cases = [
        ("client-version 22100 20230226 192424", Pragma::ClientVersion(version(Some((20_230_226, 192_424))))),
        ("client-version 22100", Pragma::ClientVersion(version(None))),
        ("server-version 22100 20230226 0", Pragma::ServerVersion(version(Some((20_230_226, 0))))),
        ("send-private", Pragma::SendPrivate),
        ("send-catalog", Pragma::SendCatalog),
        ("req-clusters", Pragma::ReqClusters),
        ("uv-hash {B}", Pragma::UvHash(b())),
        ("uv-push-ok", Pragma::UvPushOk),
        ("uv-pull-only", Pragma::UvPullOnly),
        ("ci-lock {A} id", Pragma::CiLock { checkin: a(), client: "id".into() }),
        ("ci-unlock 0123456789abcdef0123456789abcdef01234567", Pragma::CiUnlock { client }),
        ("ci-lock-fail a\\sb 1795241260", Pragma::CiLockFail { user: "a b".into(), since: 1_795_241_260 }),
        ("ci-lock-fail  1795241260", Pragma::CiLockFail { user: String::new(), since: 1_795_241_260 }),
        ("avoid-delta-manifests", Pragma::AvoidDeltaManifests),
        ("client-url http://h/x", Pragma::ClientUrl("http://h/x".into())),
        ("req-links", Pragma::ReqLinks),
        (
            "link http://h/ {\"a\":\\s1} 5",
            Pragma::Link { url: "http://h/".into(), json: "{\"a\": 1}".into(), mtime: 5 },
        ),
        ("x-new thing", Pragma::Other(vec![b"x-new".to_vec(), b"thing".to_vec()])),
    ];
    for (text, expected) in cases {
        check(&format!("pragma {text}\n"), pragma(expected));
    }
}

#[test]
fn a_pragma_with_arguments_that_do_not_fit_is_kept_and_means_nothing() {
    for text in [
        "client-version",
        "client-version x",
        "client-version 22100 2023 x",
        "uv-hash",
        "uv-hash zzz",
        "ci-lock {A}",
        "ci-lock zzz id",
        "ci-lock {A} id more",
        "ci-unlock id",
        "ci-lock-fail bob",
        "ci-lock-fail bob -1",
        "client-url a b",
        "link a b",
        "link a b 5 6",
        "link a b x",
        "SEND-PRIVATE",
    ] {
        let tokens = fill(text).split(' ').map(|token| token.as_bytes().to_vec()).collect();
        check(&format!("pragma {text}\n"), pragma(Pragma::Other(tokens)));
    }
}

#[test]
fn what_stock_drops_or_skips_is_dropped() {
    let igot = || vec![Card::Igot(Igot::public(a()))];
    // limits-and-edge-cases 30, 31, 33
    check_lenient("\n\n  \r\nigot {A}\n\n", igot());
    check_lenient(" \t igot\t\x0b{A}  \r\n", igot());
    check_lenient("igot {A}", igot());
    check_lenient("igot {A} 0\n", igot());
    check_lenient("igot {A} 0 1 1 1 1 1 1\n", igot());
    check_lenient("pragma send-private 1 2 3 4 5 6 7\n", pragma(Pragma::SendPrivate));
    let five = ["x", "1", "2", "3", "4"].map(|token| token.as_bytes().to_vec());
    check_lenient("pragma x 1 2 3 4 5 6 7\n", pragma(Pragma::Other(five.to_vec())));
    check_lenient("private of nobody\nfile {A} 0\n", vec![file(None, plain(""), Privacy::Private)]);
    check_lenient("clone_seqno 007\n", vec![Card::CloneSeqno(7)]);
    let uv_file =
        UvFile { name: name("x"), mtime: 1, hash: Some(a()), size: 1, flags: 0, content: Some("b".into()) };
    check_lenient("uvfile x 1 {A} 1 0 6 7\nb", vec![Card::UvFile(uv_file)]);
    check_lenient("error a\\qb\\\n", vec![Card::Error("aqb\\".into())]);
}

#[test]
fn private_waits_for_the_next_file_card() {
    check_lenient(
        "private\nigot {A} 1\nfile {A} 1\nxfile {A} 1\ny",
        vec![
            Card::Igot(Igot::private(a())),
            file(None, plain("x"), Privacy::Private),
            file(None, plain("y"), Privacy::Public),
        ],
    );
    check_lenient("private\ngimme {A}\n", vec![Card::Gimme(a())]);
}

#[test]
fn a_payload_is_framed_by_its_size_alone() {
    check_lenient(
        "file {A} 3\na\nbfile {A} 0\n\nigot {A}\n",
        vec![
            file(None, plain("a\nb"), Privacy::Public),
            file(None, plain(""), Privacy::Public),
            Card::Igot(Igot::public(a())),
        ],
    );
    // limits-and-edge-cases 42: the rest of a longer payload is no card.
    check_lenient(
        "file {A} 1\nabc\n",
        vec![file(None, plain("a"), Privacy::Public), Card::Unknown("bc".into())],
    );
}

#[test]
fn a_server_ends_a_compressed_payload_with_a_line_feed() {
    let zlib = |bytes: &'static str| {
        let payload = Payload::Zlib { size: 1, bytes: bytes.into() };
        file(None, payload, Privacy::Public)
    };
    let message = Message::from(vec![zlib("x"), zlib("y\n"), zlib("")]);
    let text = fill("cfile {A} 1 1\nx\ncfile {A} 1 2\ny\ncfile {A} 1 0\n");
    assert_eq!(String::from_utf8(encode::reply(&message)).unwrap(), text);
    assert_eq!(read(&text), Ok(message));
}

#[test]
fn clone_asks_for_batches_only_in_so_many_words() {
    let batch = |version, seqno| CloneRequest::Batch { version, seqno };
    for (text, expected) in [
        ("clone", CloneRequest::Announce),
        ("clone 3", CloneRequest::Announce),
        ("clone 1 1", CloneRequest::Announce),
        ("clone 3 1 1", CloneRequest::Announce),
        ("clone x 1", CloneRequest::Announce),
        ("clone 99999999999 1", CloneRequest::Announce),
        ("clone 2 5", batch(2, 5)),
        ("clone 9 5", batch(9, 5)),
        // limits-and-edge-cases 120: kept, for the server to refuse.
        ("clone 3 0", batch(3, 0)),
        ("clone 3 -1", batch(3, 0)),
        ("clone 3 x", batch(3, 0)),
        ("clone 3 2147483648", batch(3, 0)),
    ] {
        check_lenient(&format!("{text}\n"), vec![Card::Clone(expected)]);
    }
}

#[test]
fn a_card_that_stock_does_not_know_is_unknown() {
    for line in [
        "no such card",
        "Igot {A}",
        " # a comment begins its line",
        "igot",
        "igot zzz",
        "gimme",
        "gimme {A} 1",
        "gimme 0123",
        "pull 0",
        "pull 0 {P} 1",
        "pull 0 zzz",
        "push 0 {P} 1 2 3 4 5",
        "clone_seqno",
        "clone_seqno 1 2",
        "uvgimme",
        "uvgimme a//b",
        "uvgimme x y",
        "uvigot x 1 {A}",
        "uvigot x 1 {A} 5 6",
        "uvigot ../x 1 {A} 5",
        "uvigot x 1 zzz 5",
        "reqconfig",
        "reqconfig a b",
        "cookie",
        "cookie a b",
        "pragma",
        "error",
        "error a b",
        "message",
        "message a b",
        "<p class=\"generalError\">",
        "%%%% debug",
    ] {
        check(&format!("{line}\n"), unknown(line));
    }
}

#[test]
fn a_project_code_in_upper_case_is_one_that_differs() {
    let project = P.to_uppercase();
    check(
        &format!("pull 0 {project}\n"),
        vec![Card::Pull(Codes { server: "0".into(), project: project.clone() })],
    );
}

#[test]
fn a_malformed_card_is_refused_and_named() {
    let upper = A.to_uppercase();
    let too_large = Kind::IntegerTooLarge { limit: 2_147_483_647 };
    let cases: Vec<(String, Kind)> = vec![
        // limits-and-edge-cases 39, 40, 41
        (fill("file {A} 99999999999\n"), too_large.clone()),
        (fill("file {A} 2147483648\n"), too_large.clone()),
        (fill("file {A} 99999999999999999999999\n"), too_large.clone()),
        (fill("file {A} -1\n"), Kind::Integer),
        (fill("file {A} +1\n"), Kind::Integer),
        (fill("file {A} x\n"), Kind::Integer),
        (fill("file {A} 5\nabcd"), Kind::Truncated { size: 5, left: 4 }),
        (fill("file {A} 1"), Kind::Truncated { size: 1, left: 0 }),
        (fill("cfile {A} 9 5\nabcd"), Kind::Truncated { size: 5, left: 4 }),
        (fill("uvfile x 1 {A} 5 0\nabcd"), Kind::Truncated { size: 5, left: 4 }),
        (fill("config /config 5\nabcd"), Kind::Truncated { size: 5, left: 4 }),
        // 43, 44
        (format!("file {A}0 0\n"), Kind::HashLength(65)),
        (format!("file {B}0 0\n"), Kind::HashLength(41)),
        (format!("file {upper} 0\n"), Kind::UpperCaseHash),
        (format!("file {A} {upper} 0\n"), Kind::UpperCaseHash),
        (format!("gimme {upper}\n"), Kind::UpperCaseHash),
        (format!("igot {upper}\n"), Kind::UpperCaseHash),
        (format!("uvigot x 1 {upper} 0\n"), Kind::UpperCaseHash),
        (format!("pragma uv-hash {upper}\n"), Kind::UpperCaseHash),
        (format!("pragma ci-lock {upper} id\n"), Kind::UpperCaseHash),
        (format!("file {} 0\n", A.replace('a', "g")), Kind::HashDigit),
        // Cards whose payload could not be told from cards.
        ("file\n".into(), Kind::TokenCount),
        (fill("file {A}\n"), Kind::TokenCount),
        (fill("file {A} {B} 1 2\n"), Kind::TokenCount),
        (fill("cfile {A} 1\n"), Kind::TokenCount),
        (fill("cfile {A} {B} 1 2 3\n"), Kind::TokenCount),
        (fill("uvfile x 1 {A} 1\n"), Kind::TokenCount),
        ("config /config\n".into(), Kind::TokenCount),
        ("config /config 1 2\n".into(), Kind::TokenCount),
        ("config /config -1\n".into(), Kind::Integer),
        ("config /config 1\nab".into(), Kind::UnterminatedRecord),
        ("config /config 1\na".into(), Kind::UnterminatedRecord),
        (fill("uvfile ../x 1 {A} 1 0\na"), Kind::UvName(UvNameError::Path)),
        (fill("uvfile a\\b 1 {A} 1 0\na"), Kind::UvName(UvNameError::Character)),
        ("uvfile x 1 - 0 0\n".into(), Kind::UvDeletion),
        ("uvfile x 1 - 1 1\n".into(), Kind::UvDeletion),
        (fill("uvfile x 1 {A} 0 1\n"), Kind::UvDeletion),
        (fill("uvfile x 9223372036854775808 {A} 0 0\n"), Kind::IntegerTooLarge { limit: i64::MAX }),
        // 120
        ("clone_seqno -1\n".into(), Kind::Integer),
        ("clone_seqno x\n".into(), Kind::Integer),
        ("clone_seqno 2147483648\n".into(), too_large),
        // 38
        ("igot \0\n".into(), Kind::NulInLine),
        ("#\0".into(), Kind::NulInLine),
    ];
    for (text, kind) in cases {
        check_error(&text, 0, 1, kind);
    }
    let not_utf8 = decode(&Bytes::from_static(b"cookie \xff\n"), &DecodeLimits::default());
    assert_eq!(not_utf8.unwrap_err().kind, Kind::NotUtf8);
}

#[test]
fn an_error_names_the_card_and_its_offset() {
    check_error("# one\n\npragma two\nfile {A} 4\nfourgimme {A}\nclone_seqno x\n", 165, 5, Kind::Integer);
}

#[test]
fn the_text_of_an_error_need_not_be_utf8() {
    let message = decode(&Bytes::from_static(b"error a\xffb\n"), &DecodeLimits::default()).unwrap();
    assert_eq!(message.first_error(), Some("a\u{fffd}b"));
}

#[test]
fn login_comes_first_and_once() {
    let login = format!("login a\\sb {B} {B}\n");
    let message = read(&format!("# before\n\n{login}# after\n")).unwrap();
    assert_eq!(message.cards, [Card::comment(" after")]);
    assert_eq!(message.login.unwrap().user, "a b");
    // limits-and-edge-cases 50, 54, 55
    check_error(&format!("pragma x\n{login}"), 9, 2, Kind::LoginNotFirst);
    check_error(&format!("private\n{login}"), 8, 2, Kind::LoginNotFirst);
    check_error(&format!("{login}{login}"), 93, 2, Kind::RepeatedLogin);
    check_error(&format!("login a {B} {B} more\n"), 0, 1, Kind::TokenCount);
    check_error(&format!("login a {B}\n"), 0, 1, Kind::TokenCount);
    check_error(&format!("login a 123 {B}\n"), 0, 1, Kind::HashLength(3));
}

#[test]
fn a_login_without_cards_covers_nothing() {
    let empty = xfer::hash::sha1(b"");
    for end in ["", "\n"] {
        let message = read(&format!("login a {empty} {B}{end}")).unwrap();
        assert!(message.login.unwrap().covers_message());
    }
}

#[test]
fn every_limit_is_kept() {
    let limits =
        DecodeLimits { message_bytes: 80, line_bytes: 70, payload_bytes: 3, cards: 2, ..Default::default() };
    let kind = |text: &str| decode(&Bytes::from(fill(text)), &limits).map_err(|error| error.kind);
    assert!(kind(&format!("#{}\n", "x".repeat(69))).is_ok());
    assert_eq!(kind(&format!("#{}\n", "x".repeat(70))), Err(Kind::LineTooLong { limit: 70 }));
    assert_eq!(kind(&"\n".repeat(81)), Err(Kind::MessageTooLong { limit: 80 }));
    assert!(kind("file {B} 3\nabc").is_ok());
    assert_eq!(kind("file {B} 4\nabcd"), Err(Kind::PayloadTooLong { size: 4, limit: 3 }));
    assert!(kind("#\n#\n\n").is_ok());
    assert_eq!(kind("#\n#\n#\n"), Err(Kind::TooManyCards { limit: 2 }));
}

#[test]
fn payloads_are_slices_of_the_message() {
    let text = Bytes::from(fill("file {A} 3\nabc"));
    let message = decode(&text, &DecodeLimits::default()).unwrap();
    let Card::File(file) = &message.cards[0] else { panic!("a file") };
    assert_eq!(file.payload.bytes().as_ptr(), text[text.len() - 3..].as_ptr());
}

#[test]
fn no_text_in_a_card_can_break_the_frame() {
    let evil = "a b\nerror c\0";
    let cards = vec![
        Card::Pull(Codes { server: evil.into(), project: P.into() }),
        Card::ReqConfig(evil.into()),
        Card::Cookie(evil.into()),
        Card::Config(Config { name: evil.into(), record: evil.into() }),
        Card::Pragma(Pragma::ClientUrl(evil.into())),
        Card::Pragma(Pragma::Other(vec![b"x".to_vec(), evil.into(), vec![]])),
        Card::Error(evil.into()),
        Card::Error(String::new()),
        Card::Message(evil.into()),
        Card::Comment(evil.into()),
        Card::Unknown(evil.into()),
        Card::Cookie(String::new()),
    ];
    let kinds = |cards: &[Card]| cards.iter().map(std::mem::discriminant).collect::<Vec<_>>();
    let back = decode(&Bytes::from(encode(&Message::from(cards.clone()))), &DecodeLimits::default()).unwrap();
    assert_eq!(kinds(&back.cards), kinds(&cards));
}
