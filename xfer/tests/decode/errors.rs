//! What is refused, and how the error names it.

use super::*;

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
        (fill("file {A} 1\n"), Kind::Truncated { size: 1, left: 0 }),
        (fill("file {A} 1"), Kind::UnterminatedLine),
        (fill("igot {A}"), Kind::UnterminatedLine),
        (fill("login a {B} {B}"), Kind::UnterminatedLine),
        ("private".into(), Kind::UnterminatedLine),
        ("#".into(), Kind::UnterminatedLine),
        (" \r".into(), Kind::UnterminatedLine),
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
    check_error("# one\n\npragma two\nigot {A}", 18, 3, Kind::UnterminatedLine);
    check_error("# one\n\npragma two\nfile {A} 4\nfourgimme {A}\nclone_seqno x\n", 165, 5, Kind::Integer);
}

#[test]
fn the_text_of_an_error_need_not_be_utf8() {
    let message = decode(&Bytes::from_static(b"error a\xffb\n"), &DecodeLimits::default()).unwrap();
    assert_eq!(message.first_error(), Some("a\u{fffd}b"));
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
