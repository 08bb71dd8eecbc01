//! What sessions ask for and take of the configuration.

use repo::configuration::Group;
use repo::{config, user};

use super::*;

fn card(name: &str, record: &str) -> String {
    format!("config {name} {}\n{record}\n", record.len())
}

fn value(client: &mut Fixture, name: &str) -> Option<String> {
    config::get(&client.repo.snapshot().unwrap(), name).unwrap()
}

fn knows(client: &mut Fixture, login: &str) -> bool {
    user::find(&client.repo.snapshot().unwrap(), login).unwrap().is_some()
}

/// A server of some configuration, with a user and an artifact that is shunned.
fn configured() -> Fixture {
    let mut server = holding("A").rights("bob", "s");
    server.sql(
        "REPLACE INTO config(name, value, mtime) VALUES('project-name', 'P', 7), ('hash-policy', '3', 7),
             ('ticket-table', 'CREATE TABLE ticket(tkt_id, tkt_uuid, tkt_mtime, mood)', 7);
         INSERT INTO user(login, pw, cap, mtime) VALUES('eve', 'secret', 's', 7), ('me', 'theirs', 'o', 7);
         INSERT INTO shun VALUES('abc', 7, 'why')",
    );
    server
}

fn settings(of: Option<Group>, to: Option<Group>) -> SyncOptions {
    bob(&SyncOptions { config_pull: of, config_push: to, ..SyncOptions::default() })
}

#[test]
fn a_clone_brings_the_configuration() {
    let mut client = fresh();
    clone(&mut client, &mut configured()).unwrap();
    assert_eq!(value(&mut client, "project-name").as_deref(), Some("P"));
    assert_eq!(value(&mut client, "hash-policy").as_deref(), Some("3"));
    let snap = client.repo.snapshot().unwrap();
    let count = |sql: &str| -> i64 { snap.conn().query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(count("SELECT count(*) FROM pragma_table_info('ticket') WHERE name='mood'"), 1);
    assert_eq!(count("SELECT count(*) FROM shun"), 1);
}

#[test]
fn a_clone_that_is_told_no_hash_policy_gets_what_its_artifacts_suggest() {
    let mut server = configured();
    server.sql("DELETE FROM config WHERE name='hash-policy'");
    let mut client = fresh();
    clone(&mut client, &mut server).unwrap();
    assert_eq!(value(&mut client, "hash-policy").as_deref(), Some("2"));
}

/// What a server sends unasked, or to who did not log in, makes no users; nor does it touch the user who clones.
#[test]
fn a_clone_gets_users_only_with_a_login_and_never_its_own() {
    for (options, expected) in [(pull(), false), (bob(&pull()), true)] {
        let mut client = fresh();
        let mut server = configured().rights("nobody", "s");
        let mut session = Session::clone_into(options, SEED);
        converse(&mut session, &mut client, &mut server).unwrap();
        assert_eq!(knows(&mut client, "eve"), expected);
        let me = user::find(&client.repo.snapshot().unwrap(), "me").unwrap().unwrap();
        assert_eq!((me.password.as_str(), me.capabilities.as_str()), ("", "s"));
    }
}

/// 147.
#[test]
fn configuration_that_was_not_asked_for_is_passed_over() {
    let unasked = || card("/config", "7 'project-name' value 'P'") + &card("/user", "7 'eve' cap 's'");
    let mut client = holding("");
    pulled(&mut client, &mut script(|_, _| unasked())).unwrap();
    let mut asking = Session::sync(settings(Some(Group::Skin), None), SEED);
    converse(&mut asking, &mut client, &mut script(|_, _| unasked())).unwrap();
    let mut cloned = fresh();
    let batch = |round| {
        if round == 1 { "clone_seqno 0\npush {S} {P}\n".to_owned() + &unasked() } else { String::new() }
    };
    clone(&mut cloned, &mut script(|round, _| batch(round))).unwrap();
    for client in [&mut client, &mut cloned] {
        assert_eq!((value(client, "project-name"), knows(client, "eve")), (None, false));
    }
}

#[test]
fn a_group_is_pulled_in_one_round_and_again_without_a_write() {
    let mut client = holding("");
    let mut requests = Vec::new();
    let mut server = configured();
    let mut peer = script(|_, request| {
        requests.push(request.to_owned());
        server.reply(request)
    });
    let ask = || Session::sync(settings(Some(Group::Project), None), SEED);
    let result = converse(&mut ask(), &mut client, &mut peer).unwrap();
    assert_eq!((result.rounds, result.stats.config_received), (1, 1));
    assert_eq!(value(&mut client, "project-name").as_deref(), Some("P"));
    assert_eq!(value(&mut client, "hash-policy").as_deref(), Some("2"), "ours is later");
    client.repo.snapshot().unwrap().conn().execute_batch("PRAGMA query_only=ON").unwrap();
    let again = converse(&mut ask(), &mut client, &mut peer).unwrap();
    assert_eq!((again.rounds, again.stats.config_received), (1, 0));
    let start = "pragma client-version 22100 20230226 192424\nreqconfig /project\n# ";
    let (_, rest) = requests[0].split_once('\n').unwrap();
    assert!(requests[0].starts_with("login bob ") && rest.starts_with(start), "{}", requests[0]);
}

#[test]
fn a_group_is_pushed_to_who_takes_it() {
    let mut server = configured();
    let mut client = holding("");
    client.sql(
        "REPLACE INTO config(name, value, mtime) VALUES('project-name', 'Q', 8), ('footer', 'F', 8),
             ('project-description', 'D', 8)",
    );
    let mut push = Session::sync(settings(None, Some(Group::Project)), SEED);
    let result = converse(&mut push, &mut client, &mut server).unwrap();
    assert_eq!((result.rounds, result.stats.config_sent), (1, 3));
    assert_eq!(value(&mut server, "project-name").as_deref(), Some("Q"));
    assert_eq!(value(&mut server, "project-description").as_deref(), Some("D"));
    assert_eq!(value(&mut server, "footer"), None);

    let mut server = configured().rights("bob", "io");
    let mut push = Session::sync(settings(None, Some(Group::Project)), SEED);
    let error = converse(&mut push, &mut client, &mut server).unwrap_err();
    assert_eq!(error.to_string(), "the peer refused: not authorized to push configuration");
}

#[test]
fn a_table_of_tickets_that_can_not_be_used_is_told_of() {
    let bad = card("/config", "7 'ticket-table' value 'DELETE FROM user'");
    let mut client = holding("");
    let mut session = Session::sync(settings(Some(Group::Ticket), None), SEED);
    let result = converse(&mut session, &mut client, &mut script(|_, _| bad.clone())).unwrap();
    assert_eq!(result.unusable_settings, ["ticket-table"]);
    assert_eq!(value(&mut client, "ticket-table"), None);
}
