use super::*;
use crate::manifest::{FileEntry, Perm, TagKind};

/// `{h}` is a SHA-1 name, `{k}` a SHA3-256 name, `{d}` and `{u}` are plain D and U cards.
fn expand(cards: &str) -> Vec<u8> {
    cards
        .replace("{h}", &format!("{}a", "0".repeat(39)))
        .replace("{k}", &"b".repeat(64))
        .replace("{d}", "D 2020-01-01T00:00:00\n")
        .replace("{u}", "U alice\n")
        .into_bytes()
}

fn seal(mut text: Vec<u8>) -> Vec<u8> {
    let digest = md5(&text);
    text.extend_from_slice(b"Z ");
    for byte in digest {
        text.extend_from_slice(format!("{byte:02x}").as_bytes());
    }
    text.push(b'\n');
    text
}

fn parse_cards(cards: &str) -> Result<Artifact, Rule> {
    parse(&seal(expand(cards))).map_err(|error| error.rule)
}

fn kind(cards: &str) -> &'static str {
    match parse_cards(cards).unwrap_or_else(|rule| panic!("{cards:?}: {rule}")) {
        Artifact::Checkin(_) => "check-in",
        Artifact::Cluster(_) => "cluster",
        Artifact::Control(_) => "control",
        Artifact::Wiki(_) => "wiki",
        Artifact::Ticket(_) => "ticket",
        Artifact::Attachment(_) => "attachment",
        Artifact::Technote(_) => "technote",
        Artifact::Forum(_) => "forum",
    }
}

/// Each was given to `fossil test-parse-manifest` 2.21, which accepts it.
#[test]
fn what_stock_accepts_is_accepted() {
    for (cards, expected) in [
        ("C x\n{d}{u}", "check-in"),
        ("C \n{d}{u}", "check-in"),
        ("C x\n{d}N \n{u}", "check-in"),
        ("{d}R aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", "check-in"),
        ("{d}R AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", "check-in"),
        ("{d}P {h}\n", "check-in"),
        ("C x\n{d}P {h}\nP {k}\n{u}", "check-in"),
        ("C x\n{d}P\n{u}", "check-in"),
        ("{d}F x {h}\n", "check-in"),
        ("C x\n{d}F .fos {h}\n{u}", "check-in"),
        ("B {h}\nC x\n{d}F b\n{u}", "check-in"),
        ("C x\n{d}F b {h}  c\n{u}", "check-in"),
        ("C x\n{d}F b {h} w _FOSSIL_\n{u}", "check-in"),
        ("C x\n{d}F _FOSSIL_ {h}\nF _FOSSIL_ {h}\n{u}", "check-in"),
        ("C x\n{d}F a\0{h}\n{u}", "check-in"),
        ("C x\n{d}Q +{h} {h}\n{u}", "check-in"),
        ("C x\n{d}T +foo *\nT +foo {h}\n{u}", "check-in"),
        ("C x\n{d}T +a\\sb *\nT +a!b *\n{u}", "check-in"),
        ("C x\nD 2459000.5\n{u}", "check-in"),
        ("C x\nD 12:00\n{u}", "check-in"),
        ("C x\nD 2020-01-01T10:00Z\n{u}", "check-in"),
        ("M {h}\nM {k}\n", "cluster"),
        ("{d}T +foo {h}\n{u}", "control"),
        ("{d}T +foo {h} \n{u}", "control"),
        ("{d}T +ab\\sc {h}\n{u}", "control"),
        ("{d}T +foo {h}\nT +foo {k}\n{u}", "control"),
        ("{d}L foo\n{u}W 5\nhello\n", "wiki"),
        ("{d}L foo\n{u}W 5abc\nhello\n", "wiki"),
        ("{d}L foo\n{u}W \n\n", "wiki"),
        ("{d}L foo\n{u}W 0\n\n", "wiki"),
        ("{d}L x\n{u}W 3\na\0b\n", "wiki"),
        ("{d}L a\\0\\s\\s\n{u}W 0\n\n", "wiki"),
        ("{d}J +a 1\nJ a 2\nK {h}\n{u}", "ticket"),
        ("{d}J + 1\nK {h}\n{u}", "ticket"),
        ("{d}J  1\nK {h}\n{u}", "ticket"),
        ("{d}J a x\nJ a\\s y\nK {h}\n{u}", "ticket"),
        ("A a/b a\\sb {h}\n{d}{u}", "attachment"),
        ("A a\\0/../x foo\n{d}{u}", "attachment"),
        ("{d}E 2020-01-01 {h}\nP {h}\nN text/plain\n{u}W 0\n\n", "technote"),
        ("{d}E 2020-01-01 {h}\nT +foo *\n{u}W 0\n\n", "technote"),
        ("{d}H \n{u}W 0\n\n", "forum"),
        ("{d}G {h}\nI {h}\n{u}W 0\n\n", "forum"),
    ] {
        assert_eq!(kind(cards), expected, "{cards:?}");
    }
}

/// Each was given to `fossil test-parse-manifest` 2.21, which refuses it, but for the last four.
#[test]
fn what_breaks_a_rule_is_plain_content() {
    for (cards, expected) in [
        ("{d}", Rule::MissingCard('T')),
        ("", Rule::MissingCard('D')),
        ("C\n{d}{u}", Rule::NotCards),
        ("{d}T + {h}\n{u}", Rule::Token('T')),
        ("{d}T +abc {h}\n{u}", Rule::Token('T')),
        ("{d}T +ABC {h}\n{u}", Rule::Token('T')),
        ("{d}T foo {h}\n{u}", Rule::Token('T')),
        ("{d}T +foo *\n{u}", Rule::TagTarget),
        ("{d}T +foo {h}\n", Rule::MissingCard('U')),
        ("{d}T +foo {h} a b\n{u}", Rule::ExtraToken),
        ("{d}T +foo {h}\nT +foo {h}\n{u}", Rule::Unsorted('T')),
        ("{d}T +foo {h}\nT *foo {h}\n{u}", Rule::Unsorted('T')),
        ("C x\n{d}T +foo {h}\nT +foo *\n{u}", Rule::Unsorted('T')),
        ("{d}T +foo {h}\n{u}Y x\n", Rule::UnknownCard('Y')),
        ("{d}f x {h}\n", Rule::NoCard),
        ("{d}{d}{u}", Rule::Repeated('D')),
        ("C x\n{d}{u}{u}", Rule::Repeated('U')),
        ("C x\n{d}U\nU\n", Rule::Repeated('U')),
        ("C x\n{d}U alice \n", Rule::ExtraToken),
        ("C x\n{d}N\n{u}", Rule::MissingToken('N')),
        ("C x\nD 0\n{u}", Rule::Token('D')),
        ("C x\nD -1\n{u}", Rule::Token('D')),
        ("C x\nD 2022-02-30T25:99:00\n{u}", Rule::Token('D')),
        ("C x\nD 2020-01-01\\s00:00:00\n{u}", Rule::Token('D')),
        ("C x\0\n{d}{u}", Rule::ExtraToken),
        ("C x\n{d}F /a {h}\n{u}", Rule::Token('F')),
        ("C x\n{d}F b\n{u}", Rule::MissingToken('F')),
        ("B {h}\nC x\n{d}F b \n{u}", Rule::Token('F')),
        ("C x\n{d}F b {h} w \n{u}", Rule::Token('F')),
        ("C x\n{d}F b {h} w ../x\n{u}", Rule::Token('F')),
        ("B {h}\nC x\n{d}F b {h} x y z\n{u}", Rule::ExtraToken),
        ("C x\n{d}F a {h}\nF a {h}\n{u}", Rule::Unsorted('F')),
        ("C x\n{d}F b {h}\nF a {h}\n{u}", Rule::Unsorted('F')),
        ("C x\n{d}F b {h}\nF _FOSSIL_ {h}\nF c {h}\n{u}", Rule::Unsorted('F')),
        ("C x\n{d}P \n{u}", Rule::Token('P')),
        ("C x\n{d}Q *{h} {h}\n{u}", Rule::Token('Q')),
        ("C x\n{d}Q +{h} \n{u}", Rule::Token('Q')),
        ("M {h}\nM {h}\n", Rule::Unsorted('M')),
        ("{d}M {h}\nM {k}\n", Rule::NotAllowed('D')),
        ("{d}L foo\n{u}W\nhello\n", Rule::MissingToken('W')),
        ("{d}L foo\n{u}W 99999999999999999999\nhello\n", Rule::Token('W')),
        ("{d}L foo\n{u}W 6\nhello\n", Rule::Content),
        ("{d}L foo\n{u}W 5\nhellox\n", Rule::Content),
        ("{d}L foo\n{u}W 5 \nhello\n", Rule::ExtraToken),
        ("{d}L a\\s\n{u}W 0\n\n", Rule::Token('L')),
        ("{d}L x\nP {h}\nN text/plain\n{u}W 0\n\n", Rule::Order('N')),
        ("A a b\n{d}L x\n{u}W 0\n\n", Rule::NotAllowed('A')),
        ("A a/b a\\s\\sb {h}\n{d}{u}", Rule::Token('A')),
        ("A a/b a\\sb \n{d}{u}", Rule::Token('A')),
        ("A a/b a\\sb\nA c d\n{d}{u}", Rule::Repeated('A')),
        ("{d}J\nK {h}\n{u}", Rule::MissingToken('J')),
        ("{d}J a x\nK {k}\n{u}", Rule::Token('K')),
        ("{d}K {h}\n{u}", Rule::MissingCard('J')),
        ("{d}E 2020-01-01 {h}\nE 2020-01-01 {h}\nW 0\n\n", Rule::Repeated('E')),
        ("{d}E 2020-01-01 {h}\nT *foo *\n{u}W 0\n\n", Rule::TagTarget),
        ("{d}E 2020-01-01 {h}\nT -foo *\n{u}W 0\n\n", Rule::TagTarget),
        ("{d}E 2020-01-01 {h}\nT +foo {h}\n{u}W 0\n\n", Rule::TagTarget),
        ("{d}G {h}\nH x\nI {h}\n{u}W 0\n\n", Rule::TitleOfReply),
        ("{d}H x\nP {h} {h}\n{u}W 0\n\n", Rule::ExtraToken),
        ("{d}{u}W 0\n\n", Rule::NotAllowed('W')),
        ("{d}T +foo {h}\n{u}Z x\n", Rule::Token('Z')),
        // Stock takes these.
        ("{d}T +foo ABCDEABCDEABCDEABCDEABCDEABCDEABCDEABCDE\n{u}", Rule::Token('T')),
        ("D now\nT +foo {h}\n{u}", Rule::Token('D')),
        ("C x\n{d}F a\\0b {h}\n{u}", Rule::Token('F')),
        ("C x\n{d}F a {h} w a\\0b\n{u}", Rule::Token('F')),
    ] {
        assert_eq!(parse_cards(cards), Err(expected), "{cards:?}");
    }
}

#[test]
fn the_seal_is_checked() {
    let good = seal(expand("C x\n{d}{u}"));
    assert!(parse(&good).is_ok());
    let mut bad = good.clone();
    bad[2] = b'y';
    let unsealed = &good[..good.len() - 35];
    let upper = [unsealed, &good[unsealed.len()..].to_ascii_uppercase()].concat();
    assert_eq!(parse(&bad), Err(NotStructural { card: 0, rule: Rule::Checksum }));
    assert_eq!(parse(&upper), Err(NotStructural { card: 0, rule: Rule::Checksum }));
    assert_eq!(parse(unsealed), Err(NotStructural { card: 3, rule: Rule::MissingCard('Z') }));
    assert!(parse(&seal(good.clone())).is_ok(), "an older seal inside does no harm");
    assert_eq!(parse(&good[..good.len() - 1]), Err(NotStructural { card: 0, rule: Rule::NoLineEnd }));
}

#[test]
fn a_clear_signed_artifact_is_read_inside_its_wrapper() {
    let inner = String::from_utf8(seal(expand("C x\n{d}{u}"))).unwrap();
    let plain = parse(inner.as_bytes()).unwrap();
    for (head, tail, accepted) in [
        ("PGP SIGNED MESSAGE-----\nHash: SHA1\n\n", "-----BEGIN PGP SIGNATURE-----\n\nx\n", true),
        ("PGP SIGNED MESSAGE-----\nHash: SHA1\r\n\r\n", "-----BEGIN PGP SIGNATURE-----\n\nx\n", true),
        ("PGP SIGNED MESSAGE-----\n\n", "-----BEGIN PGP SIGNATURE\n", true),
        ("PGP SIGNED MESSAGE-----junk\n\n", "", true),
        (
            "SSH SIGNED MESSAGE-----\n\n",
            "-----BEGIN SSH SIGNATURE-----\nx\n-----END SSH SIGNATURE-----\n",
            true,
        ),
        ("PGP SIGNED MESSAGE-----\n\n\n", "-----BEGIN PGP SIGNATURE-----\n", false),
        ("PGP SIGNED MESSAGE-----\n\n", "\n-----BEGIN PGP SIGNATURE-----\n", false),
        ("PGP SIGNED MESSAGE-----\n\n", "x -----BEGIN PGP SIGNATURE-----\n", false),
        (
            "PGP SIGNED MESSAGE-----\n\n",
            "-----BEGIN PGP SIGNATURE-----\nx\n-----BEGIN PGP SIGNATURE-----\n",
            false,
        ),
    ] {
        let signed = format!("-----BEGIN {head}{inner}{tail}");
        let expected = accepted.then_some(&plain);
        assert_eq!(parse(signed.as_bytes()).ok().as_ref(), expected, "{signed}");
    }
}

#[test]
fn fields_have_what_the_cards_say() {
    let cards = "C a\\scomment\\nhere\n{d}F a\\sb {h} x old\\sname\nF c {k} l\nF e/_FOSSIL_ {h}\nP {h} {k}\n\
                 Q -{h}\nT *branch * trunk\nT -sym-x {k}\nU bob\\sjones\n";
    let Ok(Artifact::Checkin(checkin)) = parse_cards(cards) else { panic!("not a check-in") };
    let id = |text: &str| xfer::ArtifactId::from_hex(&expand(text)).unwrap();
    let old_name = Some("old name".into());
    assert_eq!(checkin.comment, Some("a comment\nhere".into()));
    assert_eq!(
        checkin.files,
        [
            FileEntry { name: "a b".into(), id: Some(id("{h}")), perm: Perm::Executable, old_name },
            FileEntry { name: "c".into(), id: Some(id("{k}")), perm: Perm::Symlink, old_name: None },
        ]
    );
    assert_eq!(checkin.parents, [id("{h}"), id("{k}")]);
    assert_eq!(checkin.user, Some("bob jones".into()));
    let tags: Vec<_> = checkin.tags.iter().map(|tag| (tag.kind, tag.target, tag.value.clone())).collect();
    assert_eq!(
        tags,
        [(TagKind::Propagate, None, Some("trunk".into())), (TagKind::Cancel, Some(id("{k}")), None)]
    );
}

#[test]
fn texts_end_at_a_nul_as_in_stock() {
    let Ok(Artifact::Wiki(wiki)) = parse_cards("C a\\0b\n{d}L x\\0y\n{u}W 3\na\0b\n") else {
        panic!("not a wiki page")
    };
    assert_eq!((wiki.comment, wiki.title, wiki.text), (Some("a".into()), "x".into(), "a".into()));
}
