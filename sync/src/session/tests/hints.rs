//! Check-in locks and places, from the side of the client. Numbers are those of the table of limits and edge cases.

use repo::{UnixTime, config};

use super::*;
use crate::testing::{NOW, Peer, both, push};

const ONE: &str = "1111111111111111111111111111111111111111";
const TWO: &str = "2222222222222222222222222222222222222222";

fn server() -> Fixture {
    holding("A").rights("bob", "i").rights("nobody", "")
}

fn locking(client: &str) -> SyncOptions {
    SyncOptions { ci_lock: Some(CheckinLock { parent: id("A"), client: client.to_owned() }), ..bob(&pull()) }
}

fn unlocking(client: &str) -> SyncOptions {
    SyncOptions { ci_unlock: Some(client.to_owned()), ..bob(&both()) }
}

fn run(options: SyncOptions, client: &mut Fixture, server: &mut dyn Peer) -> SyncResult {
    converse(&mut Session::sync(options, [9; 20]), client, server).unwrap()
}

fn locks(server: &mut Fixture) -> i64 {
    let snap = server.repo.snapshot().unwrap();
    let sql = "SELECT count(*) FROM config WHERE name GLOB 'ci-lock-*'";
    snap.conn().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_session_before_a_commit_takes_the_lock_or_tells_who_holds_it() {
    let (mut client, mut server) = (holding("A"), server());
    assert_eq!(run(locking(ONE), &mut client, &mut server).lock_failure, None);
    let failure = CheckinLockFailure { held_by: "bob".to_owned(), since: NOW };
    assert_eq!(run(locking(TWO), &mut client, &mut server).lock_failure, Some(failure));
    assert_eq!(run(locking(ONE), &mut client, &mut server).lock_failure, None, "its own");
}

/// 174.
#[test]
fn a_session_of_many_rounds_keeps_the_lock_that_it_took() {
    let (mut client, mut server) = (holding(""), server());
    let result = run(locking(ONE), &mut client, &mut server);
    assert!(result.rounds > 1);
    assert_eq!(locks(&mut server), 1);
    let options = SyncOptions { ci_unlock: Some(ONE.to_owned()), ..locking(ONE) };
    run(options, &mut holding(""), &mut server);
    assert_eq!(locks(&mut server), 1, "given up by another session only");
}

#[test]
fn the_push_of_a_commit_gives_its_lock_up_in_the_round_that_brings_the_last_of_it() {
    let (mut client, mut server) =
        (holding("A").unsent("B").limited(|limits| limits.send_bytes = 15), server());
    run(locking(ONE), &mut client, &mut server);
    assert_eq!(locks(&mut server), 1);
    let mut client = client.unsent("C D E");
    let mut session = Session::sync(unlocking(ONE), [3; 20]);
    while step(&mut session, &mut client, &mut server).unwrap() == Progress::Continue {
        assert_eq!(locks(&mut server), 1, "something is still to come");
    }
    assert_eq!(server.all(), client.all());
    assert!(session.result().rounds > 1);
    assert_eq!(locks(&mut server), 0);
}

#[test]
fn a_commit_that_failed_gives_its_lock_up_in_one_round() {
    let (mut client, mut server) = (holding("A"), server());
    run(locking(ONE), &mut client, &mut server);
    let options = SyncOptions { ci_unlock: Some(ONE.to_owned()), ..bob(&pull()) };
    assert_eq!(run(options, &mut client, &mut server).rounds, 1);
    assert_eq!(locks(&mut server), 0);
}

#[test]
fn a_request_composed_anew_says_the_same_of_locks() {
    let options = SyncOptions { ci_unlock: Some(ONE.to_owned()), ..push() };
    for (options, expected) in
        [(locking(ONE), spelled(&format!("ci-lock {{A}} {ONE}"))), (options, format!("ci-unlock {ONE}"))]
    {
        let mut client = holding("A");
        let (faults, mut observer) = (crate::NoFaults, crate::NoObserver);
        let mut cx = cx(&client.limits, &faults, &mut observer);
        let mut session = Session::sync(options, SEED);
        for _ in 0..2 {
            let request = printed(&session.next_request(&mut client.repo, &mut cx).unwrap());
            assert_eq!(request.matches(&format!("pragma {expected}\n")).count(), 1, "{request}");
        }
    }
}

#[test]
fn what_the_peer_says_of_locks_unasked_is_passed_over() {
    let mut peer = script(|_, _| "pragma ci-lock-fail eve 5\n".to_owned());
    assert_eq!(run(pull(), &mut holding("A"), &mut peer).lock_failure, None);
    let mut peer = script(|_, _| "pragma ci-lock-fail 5\npragma avoid-delta-manifests\n".to_owned());
    let result = run(locking(ONE), &mut holding("A"), &mut peer);
    let since = UnixTime::from_seconds(5);
    assert_eq!(result.lock_failure, Some(CheckinLockFailure { held_by: String::new(), since }));
    assert!(result.avoid_delta_manifests);
}

/// 150.
#[test]
fn where_we_are_served_is_said_once_and_without_a_password() {
    for (url, sent) in [
        ("http://Example.org:80/x", Some("http://example.org/x")),
        ("https://bob:secret@example.org/x", None),
        ("http://localhost/x", None),
    ] {
        let mut said = Vec::new();
        let mut peer = script(|round, request| {
            said.extend(
                request.lines().filter(|line| line.starts_with("pragma client-url")).map(str::to_owned),
            );
            if round == 1 { spelled("igot {B}\n") } else { String::new() }
        });
        run(SyncOptions { client_url: Some(url.to_owned()), ..pull() }, &mut holding("A"), &mut peer);
        assert_eq!(said, Vec::from_iter(sent.map(|url| format!("pragma client-url {url}"))), "{url}");
    }
}

#[test]
fn places_that_were_asked_for_are_kept_as_stock_keeps_them() {
    let answer = "pragma link http://a.org/ {\"src\":\"http://b.org/\"} 1795229600\n\
        pragma link http://bob:secret@c.org/ {} 1795229600\n";
    for (links, kept) in [(true, Some("{\"src\":\"http://b.org/\"}")), (false, None)] {
        let mut client = holding("A");
        let mut peer = script(|_, request| {
            assert_eq!(request.contains("pragma req-links\n"), links);
            answer.to_owned()
        });
        run(SyncOptions { links, ..pull() }, &mut client, &mut peer);
        let snap = client.repo.snapshot().unwrap();
        assert_eq!(config::get(&snap, "link:http://a.org/").unwrap().as_deref(), kept);
        assert_eq!(config::get(&snap, "link:http://bob:secret@c.org/").unwrap(), None);
    }
}

/// 151: stock hands what one server gave it to the next one.
#[test]
fn a_cookie_of_a_server_goes_to_nobody() {
    let mut peer = script(|round, request| {
        assert!(!request.contains("cookie"), "{request}");
        let more = if round == 1 { "igot {B}\n" } else { "" };
        spelled(&format!("cookie secret-of-yours\n{more}"))
    });
    let mut client = holding("A");
    run(pull(), &mut client, &mut peer);
    run(pull(), &mut client, &mut peer);
    assert_eq!(config::get(&client.repo.snapshot().unwrap(), "cookie").unwrap(), None);
}
