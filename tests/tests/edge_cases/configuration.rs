//! Records of configuration that are not as they should be (sections G and I).

use frond_tests::sql;

use crate::cards::{file, name};
use crate::support::{ClientCase, ServerCase, once, refused, refused_as, taken};

const NEWS: &str = "something new\n";

/// A card that brings a record.
fn config(kind: &str, record: &str) -> String {
    format!("config {kind} {}\n{record}\n", record.len())
}

fn setting(mtime: i64, name: &str, value: &str) -> String {
    config("/config", &format!("{mtime} '{name}' value {value}"))
}

fn of_bob<'a>(case: &ServerCase<'a>, rights: &str) -> ServerCase<'a> {
    ServerCase::of_bob(case.bench, rights)
}

fn value(case: &ServerCase<'_>, name: &str) -> Vec<String> {
    sql::column(&case.file, &format!("SELECT value FROM config WHERE name='{name}'"))
}

/// What is more than literals is passed over; what comes after it is taken.
pub(crate) fn no_literal(case: &ServerCase<'_>) {
    let case = of_bob(case, "s");
    for bad in ["'a';DROP TABLE config;--'", "lower('A')", "'a'||'b'", "(SELECT pw FROM user)", "'open"] {
        let cards = setting(1_795_229_601, "project-name", bad) + &setting(1_795_229_601, "css", "'good'");
        taken(&case.by_bob(cards));
        assert_eq!(value(&case, "project-name"), Vec::<String>::new(), "{bad}");
        assert_eq!(value(&case, "css"), ["good"], "{bad}");
        sql::execute(&case.file, "DELETE FROM config WHERE name='css'");
    }
    taken(&case.by_bob(setting(1_795_229_601, "project-name", "'it''s; DROP TABLE config'")));
    assert_eq!(value(&case, "project-name"), ["it's; DROP TABLE config"]);
}

/// Nothing of such a request is kept: who knows where its next card begins?
pub(crate) fn wrong_size(case: &ServerCase<'_>) {
    let case = of_bob(case, "s");
    let good = setting(1_795_229_601, "css", "'good'");
    for by in [-1, 1, 2] {
        let record = "1795229601 'css' value 'bad'";
        let bad = format!("config /config {}\n{record}\n", record.len() as i64 + by);
        refused(&case.by_bob(good.clone() + &bad));
        assert_eq!(value(&case, "css"), Vec::<String>::new(), "{by}");
    }
    refused(&case.by_bob("config /config 5\nabcdegimme"));
    taken(&case.by_bob(good));
    assert_eq!(value(&case, "css"), ["good"]);
}

pub(crate) fn records_end_with_a_line_feed(case: &ClientCase<'_>) {
    let path = case.copy();
    sql::execute(
        &path,
        "DELETE FROM config WHERE name='timeline-plaintext';
         REPLACE INTO config VALUES('css', 'one', 100), ('header', 'two', 200)",
    );
    let outcome = case.session(&["config", "push", "skin"], "", path, once(""));
    let text = &outcome.went_well().rounds(1).requests[0].text;
    let (mut rest, mut records) = (text.as_str(), Vec::new());
    while let Some((card, tail)) = rest.split_once('\n') {
        let words: Vec<_> = card.split(' ').collect();
        assert!(["pragma", "config", "push", "pull", "#"].contains(&words[0]), "{card:?} in {text}");
        rest = tail;
        if words[0] == "config" {
            let (record, tail) = tail.split_at(words[2].parse().unwrap());
            records.push(record.to_owned());
            rest = tail.strip_prefix('\n').expect(text);
        }
    }
    assert_eq!(records, ["100 'css' value 'one'", "200 'header' value 'two'"]);
}

pub(crate) fn which_record_stays(case: &ServerCase<'_>) {
    let case = of_bob(case, "s");
    for (mtime, content, stays) in [(200, "'one'", "one"), (100, "'two'", "one"), (300, "'three'", "three")] {
        taken(&case.by_bob(setting(mtime, "css", content)));
        assert_eq!(value(&case, "css"), [stays]);
    }
}

pub(crate) fn what_never_travels(case: &ServerCase<'_>) {
    let case = of_bob(case, "s");
    let before = sql::rows(&case.file, "SELECT name, value FROM config ORDER BY name");
    for name in
        ["project-code", "server-code", "last-sync-pw", "last-sync-url", "th1-setup", "no-such-setting"]
    {
        let answer = case.by_bob(setting(1_895_229_601, name, "'ffffffffffffffffffffffffffffffffffffffff'"));
        taken(&answer);
        assert!(!answer.text().contains('<'), "{name}: {answer:?}");
    }
    assert_eq!(sql::rows(&case.file, "SELECT name, value FROM config ORDER BY name"), before);
}

pub(crate) fn who_is_no_admin(case: &ServerCase<'_>) {
    for rights in ["io", "oyxg", "e"] {
        let case = of_bob(case, rights);
        let answer = case.by_bob(setting(1_795_229_601, "css", "'bad'"));
        refused_as(&answer, "not\\sauthorized\\sto\\spush\\sconfiguration");
        assert_eq!(value(&case, "css"), Vec::<String>::new(), "{rights}");
    }
}

/// Who may not set up makes nobody who may.
pub(crate) fn user_record(case: &ServerCase<'_>) {
    for (rights, made) in [("a", 0), ("s", 1)] {
        let case = of_bob(case, rights);
        let pw = "31f32f0602b42526ff5744f7c927e79e4795bc8f";
        let record = format!("1795229601 'eve' pw '{pw}' cap 's' info '' jx '{{}}'");
        case.by_bob(config("/user", &record));
        assert_eq!(case.number("SELECT count(*) FROM user WHERE login='eve' AND cap='s'"), made, "{rights}");
    }
}

pub(crate) fn not_asked_for(case: &ClientCase<'_>) {
    let records = setting(1_895_229_601, "css", "'unasked'")
        + &config("/user", "1895229601 'eve' pw 'x' cap 's' info '' jx '{}'")
        + &config("/shun", &format!("1895229601 '{}' scom ''", name(NEWS)));
    let outcome = case.pull_once([records.as_bytes(), &file(NEWS)].concat());
    outcome.went_well().holds(&name(NEWS));
    assert_eq!(outcome.number("SELECT count(*) FROM config WHERE value='unasked'"), 0);
    assert_eq!(
        outcome.number("SELECT (SELECT count(*) FROM user WHERE login='eve') + (SELECT count(*) FROM shun)"),
        0
    );
}
