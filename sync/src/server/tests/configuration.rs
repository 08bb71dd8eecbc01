//! Configuration, asked for and brought. Numbers are those of the table of limits and edge cases.

use super::*;
use crate::testing::Fixture;

/// A `config` card.
fn card(name: &str, record: &str) -> String {
    format!("config {name} {}\n{record}\n", record.len())
}

fn asked(rights: &str, group: &str) -> String {
    let mut server = holding("").rights("nobody", rights);
    server.sql(
        "INSERT INTO user(login, pw, cap, mtime, jx) VALUES('chief', 'p', 's', 7, NULL);
         INSERT INTO concealed VALUES('abc', 7, 'x@y');
         INSERT INTO config VALUES('project-name', 'P', 7), ('footer', 'F', 7), ('last-sync-pw', 'w', 7);
         UPDATE config SET mtime=NULL WHERE mtime<>7; DELETE FROM reportfmt",
    );
    server.reply(&format!("reqconfig {group}\n"))
}

#[test]
fn configuration_is_told_to_who_may_read_users_to_admins_and_addresses_to_who_may_see_them() {
    let user = card("/user", "7 'chief' pw 'p' cap 's'");
    let bare = card("/user", "7 'chief' cap 's'");
    let email = card("/concealed", "7 'abc' content 'x@y'");
    let skin = card("/config", "7 'footer' value 'F'");
    let project = card("/config", "7 'project-name' value 'P'");
    let cases = [
        ("", "/all", String::new()),
        ("g", "/all", String::new()),
        ("o", "/all", format!("{skin}{project}")),
        ("oe", "/all", format!("{email}{skin}{project}")),
        ("i", "/project", project.clone()),
        ("s", "/all", format!("{user}{email}{skin}{project}")),
        ("a", "/user", bare),
        ("o", "/user", String::new()),
        ("o", "/email", String::new()),
        ("o", "/skin", skin.clone()),
        ("o", "all", String::new()),
        ("o", "/none", String::new()),
        ("o", "last-sync-pw", String::new()),
    ];
    for (rights, group, expected) in cases {
        assert_eq!(asked(rights, group), expected, "{rights} {group}");
    }
}

fn value(server: &mut Fixture, name: &str) -> Option<String> {
    repo::config::get(&server.repo.snapshot().unwrap(), name).unwrap()
}

/// 144, 175. No error for what may not travel.
#[test]
fn an_admin_pushes_configuration_and_nobody_else() {
    let request = card("/config", "7 'footer' value 'F'") + &card("/config", "7 'project-code' value 'x'");
    for rights in ["", "gio", "v", "e"] {
        let mut server = holding("").rights("nobody", rights);
        assert_eq!(
            server.reply(&request),
            "error not\\sauthorized\\sto\\spush\\sconfiguration\n",
            "{rights}"
        );
        assert_eq!(value(&mut server, "footer"), None);
    }
    for rights in ["a", "s"] {
        let mut server = holding("").rights("nobody", rights);
        assert_eq!(server.reply(&request), "", "{rights}");
        assert_eq!(value(&mut server, "footer").as_deref(), Some("F"));
        assert_eq!(value(&mut server, "project-code").as_deref(), Some(crate::testing::PROJECT));
    }
}

/// 143.
#[test]
fn a_record_with_more_than_literals_is_passed_over() {
    let mut server = holding("").rights("nobody", "s");
    let request = card("/config", "7 'footer' value 'a';drop") + &card("/config", "7 'header' value 'H'");
    assert_eq!(server.reply(&request), "");
    assert_eq!((value(&mut server, "footer"), value(&mut server, "header").as_deref()), (None, Some("H")));
}

/// 145.
#[test]
fn a_record_of_another_size_than_it_says_is_no_message() {
    let read = |text: &'static str| xfer::decode(&text.into(), &xfer::DecodeLimits::default());
    assert!(read("config /shun 6\n7 'js'\n").is_ok());
    for text in ["config /shun 5\n7 'js'\n", "config /shun 7\n7 'js'\n", "config /shun 6\n7 'js'pull x y\n"] {
        assert!(read(text).is_err(), "{text}");
    }
}

/// 146.
#[test]
fn an_admin_makes_no_user_who_may_do_more() {
    let request = card("/user", "7 'eve' pw 'p' cap 's'") + &card("/user", "7 'bob' pw 'p' cap 'v'");
    let mut server = holding("").rights("nobody", "a");
    let expected = "message not\\staken,\\sas\\sonly\\sa\\suser\\swith\\scapability\\ss\\smay\\sset\\sup\\ssuch\\susers:\\seve\n";
    assert_eq!(server.reply(&request), expected);
    let logins = |server: &mut Fixture| {
        let snap = server.repo.snapshot().unwrap();
        ["eve", "bob"].map(|login| repo::user::find(&snap, login).unwrap().is_some())
    };
    assert_eq!(logins(&mut server), [false, true]);
    let mut server = holding("").rights("nobody", "s");
    assert_eq!(server.reply(&request), "");
    assert_eq!(logins(&mut server), [true, true]);
}

#[test]
fn what_is_shunned_is_neither_taken_from_the_same_request_nor_announced() {
    let mut server = holding("A").rights("nobody", "so");
    let shun = |name: &str| card("/shun", &format!("7 '{}' scom 'why'", crate::testing::id(name)));
    let request =
        format!("pull {{S}} {{P}}\npush {{S}} {{P}}\nfile {{B}} 10\nartifact B{}{}", shun("A"), shun("B"));
    assert_eq!(server.reply(&request), "");
    assert!(!server.holds("B"));
}

#[test]
fn records_that_bring_nothing_new_take_no_write_lock() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.fossil");
    let request = card("/config", "7 'footer' value 'F'");
    let mut server = over(repo::Repo::create(&path, &genesis()).unwrap()).rights("nobody", "s");
    assert_eq!(server.reply(&request), "");
    drop(server);
    let mut server = over(repo::Repo::open_read_only(&path).unwrap());
    assert_eq!(server.reply(&request), "");
    let refused = "error not\\sauthorized\\sto\\spush\\sconfiguration:\\sthis\\srepository\\scan\\sonly\\sbe\\sread\\shere\n";
    assert_eq!(server.reply(&card("/config", "8 'footer' value 'G'")), refused);
}

/// A user whose web session ended long ago, or has not: stock looks at `cexpire` for its cookies only.
#[test]
fn the_end_of_a_web_session_is_not_the_end_of_a_user() {
    for expiry in ["NULL", "2440000.5", "2461000.75", "'2020-01-01 00:00:00'", "'2000-01-01T00:00:00Z'", "0"]
    {
        let mut server = holding("A").rights("nobody", "").rights("bob", "o");
        server.sql(&format!("UPDATE user SET cexpire={expiry} WHERE login='bob'"));
        assert_eq!(server.reply(&signed("pull {S} {P}\n")), spelled("igot {A}\n"), "{expiry}");
    }
}
