use xfer::card::Config;

use super::*;
use crate::testing::{NOW, repo};
use crate::{Repo, config, user};

fn card(card: &str, record: &str) -> Config {
    Config { name: card.to_owned(), record: record.to_owned().into() }
}

fn policy(groups: impl Into<Groups>, authority: Authority) -> Policy {
    Policy { groups: groups.into(), authority, precedence: Precedence::Later }
}

fn everything() -> Policy {
    policy(Group::All, Authority::full())
}

fn take_all(repo: &mut Repo, records: &[(&str, &str)], policy: &Policy) -> Taken {
    let cards: Vec<Config> = records.iter().map(|(name, record)| card(name, record)).collect();
    let cards: Vec<&Config> = cards.iter().collect();
    let news = brings_news(&repo.snapshot().unwrap(), &cards, policy).unwrap();
    let tx = repo.begin().unwrap();
    let taken = take(&tx, &cards, policy).unwrap();
    tx.commit().unwrap();
    assert!(news || taken == Taken::default(), "{taken:?}");
    taken
}

fn rows(repo: &mut Repo, sql: &str) -> Vec<String> {
    let snap = repo.snapshot().unwrap();
    let mut statement = snap.conn().prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// The records of a group, each as its type and text.
fn exported(repo: &mut Repo, group: Group, authority: &Authority) -> Vec<String> {
    let records = export(&repo.snapshot().unwrap(), group.into(), authority).unwrap();
    records.iter().map(|one| format!("{} {}", one.name, String::from_utf8_lossy(&one.record))).collect()
}

/// 143, 144. Rows as stock 2.21 makes them of the same records.
#[test]
fn records_become_the_rows_that_stock_makes() {
    let mut repo = repo();
    let records = [
        ("/config", "1800000000 'index-page' value 123"),
        ("/config", "1800000000 'css' value x'4142'"),
        ("/config", "1800000000 'header' value NULL"),
        ("/config", "1800000000 'js' bogus 'x' value 'it''s'"),
        ("/config", "1800000000 'project-description'"),
        ("/config", "0 'mv-rm-files' value 'time0'"),
        ("/config", "1800000000 'footer' value 'a';drop"),
        ("/config", "1800000000 'project-code' value 'x'"),
        ("/config", "1800000000 'autosync' value '0'"),
        ("/config", "1800000000 'th1-setup' value 'x'"),
        ("/config", "1800000000 'tcl-setup' value 'x'"),
        ("/user", "1800000000 'bob' pw 'abc' cap 'v'"),
        ("/user", "1800000000 'eve'"),
        ("/shun", "1800000000 'abc' scom 'why'"),
        ("/reportfmt", "1800000000 'My' owner 'o' cols 'c' sqlcode 'SELECT 1' jx '{}'"),
        ("/concealed", "1800000000 'abc' content 'x@y'"),
        ("/subscriber", "1800000000 'a@b' suname 'bob' sdigest 1 sdonotcall 0 ssub 'a' sctime 12 smip NULL"),
        ("/bogus", "1800000000 'x' value 'w'"),
    ];
    assert_eq!(take_all(&mut repo, &records, &everything()).changed, 12);
    let cases = [
        (
            "SELECT quote(name)||quote(value)||quote(mtime) FROM config WHERE mtime IN (0, 1800000000) ORDER BY rowid",
            &[
                "'index-page''123'1800000000",
                "'css'X'4142'1800000000",
                "'header'NULL1800000000",
                "'js''it''s'1800000000",
                "'project-description'NULL1800000000",
                "'mv-rm-files''time0'0",
            ][..],
        ),
        (
            "SELECT login||quote(pw)||quote(cap)||quote(info)||quote(photo)||jx FROM user WHERE mtime=1800000000",
            &["bob'abc''v'NULLNULL{}", "eveNULLNULLNULLNULL{}"],
        ),
        ("SELECT uuid||scom||mtime FROM shun", &["abcwhy1800000000"]),
        ("SELECT title||owner||cols||sqlcode||jx FROM reportfmt WHERE rn>1", &["MyocSELECT 1{}"]),
        ("SELECT hash||content||mtime FROM concealed", &["abcx@y1800000000"]),
        (
            "SELECT semail||suname||sdigest||sdonotcall||ssub||sctime||quote(smip)||sverified||mtime FROM subscriber",
            &["a@bbob10a12NULL11800000000"],
        ),
    ];
    for (sql, expected) in cases {
        assert_eq!(rows(&mut repo, sql), expected, "{sql}");
    }
    assert_eq!(rows(&mut repo, "SELECT value FROM config WHERE name LIKE '%-setup'"), [""; 0]);
}

/// 144.
#[test]
fn the_later_of_two_rows_stays_and_one_without_a_time_is_never_replaced() {
    let mut repo = repo();
    let footer = |repo: &mut Repo| config::get(&repo.snapshot().unwrap(), "footer").unwrap().unwrap();
    for (record, changed, stays) in [
        ("7 'footer' value 'seven'", 1, "seven"),
        ("6 'footer' value 'six'", 0, "seven"),
        ("7 'footer' value 'other'", 0, "seven"),
        ("8 'footer' value 'eight'", 1, "eight"),
    ] {
        assert_eq!(take_all(&mut repo, &[("/config", record)], &everything()).changed, changed, "{record}");
        assert_eq!(footer(&mut repo), stays, "{record}");
    }
    let timeless = [("/user", "1800000000 'developer' cap 's'")];
    assert_eq!(take_all(&mut repo, &timeless, &everything()), Taken::default());
    let theirs = Policy { precedence: Precedence::Theirs, ..everything() };
    assert_eq!(take_all(&mut repo, &[("/config", "1 'footer' value 'old'")], &theirs).changed, 1);
    assert_eq!(footer(&mut repo), "old");
}

/// 147.
#[test]
fn only_the_groups_that_are_wanted_are_taken() {
    let records = [
        ("/config", "7 'footer' value 'x'"),
        ("/config", "7 'project-name' value 'x'"),
        ("/user", "7 'bob' cap 's'"),
        ("/config", "7 'user-color-map' value 'x'"),
        ("/shun", "7 'abc'"),
        ("/concealed", "7 'abc' content 'x'"),
        ("/reportfmt", "7 'My' owner 'o'"),
        ("/config", "7 'walias:/a' value 'x'"),
        ("/config", "7 'interwiki:a' value 'x'"),
        ("/subscriber", "7 'a@b'"),
        ("/config", "7 'xfer-push-script' value 'x'"),
        ("/config", "7 'css' value 'x'"),
    ];
    let cases = [
        (Group::Skin, 2),
        (Group::Css, 1),
        (Group::Project, 1),
        (Group::User, 2),
        (Group::Shun, 1),
        (Group::Email, 1),
        (Group::Ticket, 1),
        (Group::Alias, 1),
        (Group::Interwiki, 1),
        (Group::Subscriber, 1),
        (Group::Xfer, 1),
        (Group::All, 12),
    ];
    for (group, changed) in cases {
        let taken = take_all(&mut repo(), &records, &policy(group, Authority::full()));
        assert_eq!(taken.changed, changed, "{group:?}");
    }
}

/// 146.
#[test]
fn an_admin_without_setup_neither_makes_nor_changes_who_may_do_more() {
    let cases = [
        ("'eve' cap 's'", false),
        ("'eve' cap 'as'", false),
        ("'eve' cap x'73'", false),
        ("'eve' cap 'x'", false),
        ("'eve' cap 'u'", false),
        ("'eve' cap 'aeiov'", true),
        ("'eve' pw 'x'", true),
        ("'chief' pw 'x'", false),
        ("'chief' cap ''", false),
        ("'chief' cap NULL", false),
        ("'hidden' pw 'x'", false),
        ("'clerk' pw 'x' cap 'o'", true),
    ];
    for (record, allowed) in cases {
        let mut repo = repo();
        let tx = repo.begin().unwrap();
        for (login, capabilities) in [("chief", "as"), ("hidden", "u"), ("clerk", "i"), (user::READER, "x")] {
            user::set_capabilities(&tx, login, capabilities, NOW).unwrap();
        }
        tx.commit().unwrap();
        let record = format!("1800000000 {record}");
        let taken = take_all(&mut repo, &[("/user", &record)], &policy(Group::All, Authority::without("sx")));
        assert_eq!((taken.changed == 1, taken.denied.is_empty()), (allowed, allowed), "{record}");
        assert_eq!(
            take_all(&mut repo, &[("/user", &record)], &everything()).changed == 1,
            !allowed,
            "{record}"
        );
    }
}

#[test]
fn secrets_of_who_may_do_more_are_not_told() {
    let mut repo = repo();
    let records = [
        ("/user", "1800000000 'chief' pw 'p' cap 's'"),
        ("/user", "1800000000 'clerk' pw 'q' cap 'v' info NULL photo x'00ff' jx NULL"),
    ];
    take_all(&mut repo, &records, &everything());
    let told = exported(&mut repo, Group::User, &Authority::without("s"));
    assert_eq!(
        told,
        ["/user 1800000000 'chief' cap 's' jx '{}'", "/user 1800000000 'clerk' pw 'q' cap 'v' photo X'00FF'"]
    );
    let told = exported(&mut repo, Group::User, &Authority::full());
    assert_eq!(told[0], "/user 1800000000 'chief' pw 'p' cap 's' jx '{}'");
}

#[test]
fn what_was_taken_is_told_again_in_the_same_words() {
    let records = [
        ("/shun", "7 'abc' scom 'why'"),
        ("/user", "7 'O''Brien' pw 'p' cap 'v' info 'a\nb' jx '{}'"),
        ("/reportfmt", "2000000000 'My' owner 'o' cols 'c' sqlcode 'SELECT ''1''' jx '{}'"),
        ("/concealed", "7 'abc' content 'x@y'"),
        ("/config", "7 'walias:/a' value 'x'"),
        ("/config", "7 'interwiki:a' value 'x'"),
        ("/config", "7 'css' value X'4142'"),
        ("/config", "7 'project-name' value ''"),
        ("/subscriber", "7 'a@b' suname 'bob' sdigest 1 sdonotcall 0 ssub 'a' sctime 12 smip NULL"),
    ];
    let mut repo = repo();
    assert_eq!(take_all(&mut repo, &records, &everything()).changed, 9);
    let told = exported(&mut repo, Group::All, &Authority::full());
    let written: Vec<String> = records.iter().map(|(name, record)| format!("{name} {record}")).collect();
    let kept: Vec<_> = told.into_iter().filter(|one| written.contains(one)).collect();
    assert_eq!(kept, written);
}

#[test]
fn a_table_of_tickets_that_can_not_be_used_is_not_taken() {
    let mut repo = repo();
    let taken =
        take_all(&mut repo, &[("/config", "7 'ticket-table' value 'DROP TABLE user'")], &everything());
    assert_eq!(taken, Taken { unusable: vec!["ticket-table".to_owned()], ..Taken::default() });
    assert_eq!(config::get(&repo.snapshot().unwrap(), "ticket-table").unwrap(), None);
    let good = "7 'ticket-table' value 'CREATE TABLE ticket(tkt_id, tkt_uuid, tkt_mtime, mood);'";
    assert_eq!(take_all(&mut repo, &[("/config", good)], &everything()).changed, 1);
    let columns = rows(&mut repo, "SELECT name FROM pragma_table_info('ticket')");
    assert_eq!(columns, ["tkt_id", "tkt_uuid", "tkt_mtime", "mood"]);
}
