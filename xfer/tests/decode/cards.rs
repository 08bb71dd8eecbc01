//! Each card, as it is read and as it is written, and when it is unknown.

use super::*;

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
