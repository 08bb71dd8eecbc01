//! Where cards and payloads begin and end, and what lies between them.

use super::*;

#[test]
fn what_stock_drops_or_skips_is_dropped() {
    let igot = || vec![Card::Igot(Igot::public(a()))];
    // limits-and-edge-cases 30, 31, 33
    check_lenient("\n\n  \r\nigot {A}\n\n", igot());
    check_lenient(" \t igot\t\x0b{A}  \r\n", igot());
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
    let message = read(&format!("login a {empty} {B}\n")).unwrap();
    assert!(message.login.unwrap().covers_message());
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
