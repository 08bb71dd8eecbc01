//! Check-in locks and places: what is only a hint. Numbers are those of the table of limits and edge cases.

use crate::testing::{Fixture, genesis, holding, over, signed};

const ONE: &str = "1111111111111111111111111111111111111111";
const TWO: &str = "2222222222222222222222222222222222222222";

/// A server where `bob` may do so much.
fn of_bob(rights: &str) -> Fixture {
    holding("A B").rights("bob", rights).rights("nobody", "")
}

/// A request of bob's, each with a nonce of its own.
fn by_bob(cards: &str) -> String {
    signed(&format!("{cards}# {}\n", xfer::hash::sha1(cards.as_bytes())))
}

fn rows(server: &mut Fixture, kind: &str) -> Vec<(String, String)> {
    let snap = server.repo.snapshot().unwrap();
    let sql = "SELECT name, value FROM config WHERE name GLOB ?1 ORDER BY 1";
    let mut statement = snap.conn().prepare(sql).unwrap();
    let rows = statement.query_map([format!("{kind}*")], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn lock(client: &str) -> String {
    format!("pragma ci-lock {{A}} {client}\n")
}

fn locks(server: &mut Fixture) -> usize {
    rows(server, "ci-lock-").len()
}

#[test]
fn the_second_to_ask_for_a_lock_is_told_who_holds_it_and_since_when() {
    let mut server = of_bob("i");
    assert_eq!(server.reply(&by_bob(&lock(ONE))), "");
    assert_eq!(server.reply(&by_bob(&lock(TWO))), "pragma ci-lock-fail bob 1795229633\n");
    assert_eq!(server.reply(&by_bob(&format!("{}# again\n", lock(ONE)))), "", "it is its own");
    let other = format!("pragma ci-lock {{B}} {TWO}\n");
    assert_eq!(server.reply(&by_bob(&other)), "", "of another check-in");
}

#[test]
fn a_lock_ends_with_its_time_or_when_its_checkout_gives_it_up() {
    let mut server = of_bob("i");
    server.reply(&by_bob(&lock(ONE)));
    server.sql("UPDATE config SET mtime=mtime-60 WHERE name GLOB 'ci-lock-*'");
    assert_eq!(server.reply(&by_bob(&lock(TWO))), "");
    assert_eq!(server.reply(&by_bob(&format!("pragma ci-unlock {ONE}\n"))), "");
    assert_eq!(locks(&mut server), 1, "it is another's");
    assert_eq!(server.reply(&by_bob(&format!("pragma ci-unlock {TWO}\n"))), "");
    assert_eq!(locks(&mut server), 0);
}

/// 148.
#[test]
fn only_who_may_push_takes_a_lock_or_gives_one_up() {
    for (rights, taken) in [("", 0), ("o", 0), ("g", 0), ("xy", 0), ("i", 1), ("a", 1), ("s", 1), ("v", 1)] {
        let mut server = of_bob(rights).rights("developer", "ei");
        assert_eq!(server.reply(&by_bob(&lock(ONE))), "", "{rights}");
        assert_eq!(locks(&mut server), taken, "{rights}");
        server.reply(&format!("pragma ci-unlock {ONE}\n"));
        assert_eq!(locks(&mut server), taken, "{rights}: nobody gives it up");
    }
}

#[test]
fn a_lock_of_nobody_is_told_as_such() {
    let mut server = of_bob("i").rights("nobody", "i");
    assert_eq!(server.reply(&lock(ONE)), "");
    assert_eq!(server.reply(&by_bob(&lock(TWO))), "pragma ci-lock-fail nobody 1795229633\n");
}

/// 160.
#[test]
fn who_asks_for_a_lock_is_told_to_avoid_delta_manifests_where_the_setting_says_so() {
    for (setting, told) in [("1", true), ("on", true), ("0", false), ("off", false)] {
        let mut server = of_bob("i");
        server.sql(&format!("INSERT INTO config VALUES('forbid-delta-manifests', '{setting}', 0)"));
        let expected = if told { "pragma avoid-delta-manifests\n" } else { "" };
        assert_eq!(server.reply(&by_bob(&lock(ONE))), expected, "{setting}");
        assert_eq!(server.reply(&by_bob("pragma ci-unlock {ONE}\n")), "");
    }
}

#[test]
fn a_name_of_a_checkout_is_no_place_to_keep_things() {
    let mut server = of_bob("i");
    server.reply(&by_bob(&lock(&"x".repeat(65))));
    let many: String = (0..200).map(|number| format!("pragma ci-lock {number:040} {ONE}\n")).collect();
    server.reply(&by_bob(&many));
    assert_eq!(locks(&mut server), 100);
}

#[test]
fn nothing_to_give_up_waits_for_no_writer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.fossil");
    let mut server = over(repo::Repo::create(&path, &genesis()).unwrap()).with("A").rights("nobody", "io");
    server.reply(&lock(ONE));
    let mut other = repo::Repo::open(&path).unwrap();
    let _writing = other.begin().unwrap();
    assert_eq!(server.reply(&lock(ONE)), "", "held already");
    assert_eq!(server.reply(&format!("pragma ci-unlock {TWO}\n")), "");
}

#[test]
fn a_file_that_can_only_be_read_gives_no_locks_and_answers_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.fossil");
    drop(over(repo::Repo::create(&path, &genesis()).unwrap()).rights("nobody", "io"));
    let mut server = over(repo::Repo::open_read_only(&path).unwrap());
    let request = format!("pull {{S}} {{P}}\n{}pragma client-url http://example.org/\n", lock(ONE));
    assert_eq!(server.reply(&request), "");
}

/// 150.
#[test]
fn where_a_client_is_served_is_kept_if_it_may_push_and_others_could_go_there() {
    for (rights, url, kept) in [
        ("i", "http://example.org/x", Some("http://example.org/x")),
        ("i", "HTTPS://Example.org:443/x?a=b", Some("https://example.org/x")),
        ("o", "http://example.org/x", None),
        ("", "http://example.org/x", None),
        ("i", "https://bob:secret@example.org/x", None),
        ("i", "http://localhost:8080/x", None),
        ("i", "file:///etc/passwd", None),
        ("i", "ssh://example.org/x", None),
        ("i", "x", None),
    ] {
        let mut server = of_bob(rights);
        assert_eq!(server.reply(&by_bob(&format!("pragma client-url {url}\n"))), "", "{url}");
        let expected: Vec<_> =
            kept.map(|url| (format!("syncfrom:{url}"), "{}".to_owned())).into_iter().collect();
        assert_eq!(rows(&mut server, "syncfrom:"), expected, "{rights} {url}");
    }
}

#[test]
fn places_are_told_to_those_who_ask_and_may_read() {
    for (rights, told) in [("o", true), ("i", true), ("", false), ("gx", false)] {
        let mut server = of_bob(rights);
        server.sql(
            "INSERT INTO config VALUES('syncwith:http://b.org/x', '{}', 1795229600),
             ('syncfrom:http://a.org/', '{}', 1795229600), ('syncfrom:http://old.org/', '{}', 1),
             ('link:http://told.org/', '{}', 1795229600)",
        );
        let expected = "pragma link http://a.org/ {} 1795229600\npragma link http://b.org/x {} 1795229600\n";
        assert_eq!(server.reply(&by_bob("pragma req-links\n")), if told { expected } else { "" }, "{rights}");
        assert_eq!(server.reply(&by_bob("# nothing\n")), "", "nobody asked");
    }
}
