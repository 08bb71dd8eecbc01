//! Requests that are sent before the last reply is taken in.

use repo::manifest::{self, Artifact};
use repo::table::Rule;
use xfer::hash;

use super::tables::{put, rows, table, with_tables};
use super::*;
use crate::testing::Peer;
use crate::{NoFaults, NoObserver};

/// Runs a session that looks ahead. Gives what each request asked for, and whether it was sent ahead.
fn conversed(mut session: Session, client: &mut Fixture, server: &mut dyn Peer) -> Vec<(usize, bool)> {
    let (faults, mut observer, limits) = (NoFaults, NoObserver, client.limits.clone());
    let mut cx = cx(&limits, &faults, &mut observer);
    let (mut ahead, mut asked) = (None, Vec::new());
    loop {
        let is_ahead = ahead.is_some();
        let request = match ahead.take() {
            Some(request) => request,
            None => session.next_request(&mut client.repo, &mut cx).unwrap(),
        };
        asked.push((gimmes(&printed(&request)).len(), is_ahead));
        let reply = server.hear(&request);
        ahead = session.look_ahead(&mut client.repo, &reply, &cx);
        if session.handle_reply(&mut client.repo, &reply, &mut cx).unwrap() == Progress::Done {
            return asked;
        }
        ahead = ahead.filter(|_| session.go_ahead(&mut cx));
    }
}

#[test]
fn a_pull_asks_for_what_it_knows_to_be_lacking_before_it_takes_in_what_came() {
    let mut server = holding("A B C D E F G H");
    let mut client = holding("").limited(|limits| limits.gimmes = 2);
    let asked = conversed(Session::sync(pull(), [1; 20]), &mut client, &mut server);
    assert_eq!(asked, [(0, false), (2, false), (4, true), (2, true)]);
    assert_eq!(client.all(), server.all());
}

#[test]
fn what_found_no_room_in_a_reply_is_asked_for_ahead() {
    let mut server = holding("A B C D").limited(|limits| limits.reply_bytes = 25);
    let mut client = holding("");
    let asked = conversed(Session::sync(pull(), [2; 20]), &mut client, &mut server);
    assert_eq!(asked, [(0, false), (4, false), (2, true)]);
    assert_eq!(client.all(), server.all());
}

#[test]
fn what_a_cluster_lists_is_asked_for_before_the_cluster_is_taken_in() {
    let mut server = holding("A B C D E").clustered("A B C D E");
    let mut client = holding("B").shunned("C");
    let asked = conversed(Session::sync(pull(), [8; 20]), &mut client, &mut server);
    assert_eq!(asked, [(0, false), (1, false), (3, true)], "the cluster, then all but B and C");
    assert!(["A", "D", "E"].iter().all(|name| client.holds(name)));
}

#[test]
fn what_a_reply_announces_beside_files_is_asked_for_ahead() {
    let mut client = holding("").phantom("A");
    let mut server = script(|round, request| match round {
        1 => file("A") + &format!("igot {}\nigot {} 1\n", id("B"), id("C")),
        _ => {
            gimmes(request).iter().filter(|name| ***name == *id("B").to_string()).map(|_| file("B")).collect()
        }
    });
    let asked = conversed(Session::sync(pull(), [10; 20]), &mut client, &mut server);
    assert_eq!(asked, [(1, false), (1, true)], "B, and not C, which is private");
    assert!(client.holds("B"));
}

#[test]
fn what_is_private_here_and_announced_as_public_is_asked_for_ahead() {
    let mut client = holding("").phantom("A").private("B").private("C");
    let mut server = script(|round, request| match round {
        1 => file("A") + &format!("igot {}\nigot {} 1\nigot {}\n", id("B"), id("C"), id("D")),
        _ => ["B", "D"]
            .into_iter()
            .filter(|name| gimmes(request).contains(&&*id(name).to_string()))
            .map(file)
            .collect(),
    });
    let asked = conversed(Session::sync(pull(), [12; 20]), &mut client, &mut server);
    assert_eq!(asked, [(1, false), (2, true)], "B, which is public there, and D");
    assert!(!client.keeps_private("B") && client.keeps_private("C") && client.holds("D"));
}

#[test]
fn what_is_not_the_cluster_that_it_is_said_to_be_lists_nothing() {
    let cluster = manifest::write(&Artifact::Cluster(vec![id("B")]));
    let true_name = hash::sha3_256(&cluster);
    for (name, is_listed) in [(true_name, true), (id("A"), false)] {
        let mut client = holding("").phantom("A");
        let (faults, mut observer, limits) = (NoFaults, NoObserver, client.limits.clone());
        let mut cx = cx(&limits, &faults, &mut observer);
        let mut session = Session::sync(pull(), [11; 20]);
        session.next_request(&mut client.repo, &mut cx).unwrap();
        let text = String::from_utf8(cluster.clone()).unwrap();
        let reply =
            message(&format!("file {name} {}\n{text}# timestamp 2026-11-23T12:00:00 errors 0\n", text.len()));
        let ahead = session.look_ahead(&mut client.repo, &reply, &cx);
        assert_eq!(
            ahead.is_some_and(|request| gimmes(&printed(&request)) == [id("B").to_string()]),
            is_listed
        );
    }
}

#[test]
fn what_was_missed_before_and_is_announced_now_is_asked_for_after_a_request_that_looks_ahead() {
    for announced in ["M", "N"] {
        let mut client = holding("").phantom("M").phantom("N").limited(|limits| limits.gimmes = 1);
        assert_eq!(pulled(&mut client, &mut holding("")).unwrap().unavailable, 2);
        let mut client = client.phantom("A").phantom("B").phantom("C");
        let mut server = script(|round, request| {
            let is_asked = |name: &&str| gimmes(request).contains(&&*id(name).to_string());
            // There is room for one at first.
            let files = ["A", "B", "C", announced].into_iter().filter(is_asked).map(file);
            match round {
                1 => files.take(1).chain([format!("igot {}\n", id(announced))]).collect(),
                _ => files.collect(),
            }
        });
        let asked = conversed(Session::sync(pull(), [7; 20]), &mut client, &mut server);
        assert_eq!(asked[..2], [(1, false), (2, true)]);
        assert!(client.holds(announced), "{announced}");
    }
}

#[test]
fn who_has_something_to_push_says_it_before_it_looks_ahead() {
    let mut server = holding("A B C D E F").rights("nobody", "io");
    let mut client = holding("").unsent("X").limited(|limits| limits.gimmes = 2);
    conversed(Session::sync(both(), [3; 20]), &mut client, &mut server);
    assert_eq!(client.all(), server.all());
    assert!(server.holds("X"));
}

#[test]
fn what_a_first_reply_says_of_tables_is_answered_after_a_request_that_looks_ahead() {
    let lacking = |names: &str| names.split(' ').fold(holding(""), Fixture::phantom);
    for tables_at in ["both sides", "the client", "the server"] {
        let make = |side: &str, fixture: Fixture| {
            if [side, "both sides"].contains(&tables_at) { table(fixture, Rule::LastWriter) } else { fixture }
        };
        let mut server = make("the server", holding("A B C D E F").rights("nobody", "io"));
        let mut client = make("the client", lacking("A B C D E F").limited(|limits| limits.gimmes = 2));
        let mut expected = Vec::new();
        for (side, fixture) in [("the client", &mut client), ("the server", &mut server)] {
            if [side, "both sides"].contains(&tables_at) {
                put(fixture, side, side, "writing");
                expected.push(format!("{side} writing"));
            }
        }
        let asked = conversed(Session::sync(with_tables(both()), [6; 20]), &mut client, &mut server);
        assert_eq!(asked[..2], [(2, false), (4, true)], "{tables_at}");
        assert_eq!([rows(&mut client), rows(&mut server)], [expected.clone(), expected], "{tables_at}");
    }
}

#[test]
fn a_clone_asks_for_the_batch_after_the_next_once_it_knows_the_project() {
    let mut server = holding("A B C D E F").limited(|limits| limits.reply_bytes = 25);
    let mut client = fresh();
    let asked = conversed(Session::clone_into(pull(), [4; 20]), &mut client, &mut server);
    let ahead: Vec<bool> = asked.iter().map(|&(_, is_ahead)| is_ahead).collect();
    assert_eq!(ahead[..3], [false, false, true]);
    assert_eq!(client.all(), server.all());
}

#[test]
fn nothing_is_asked_for_ahead_of_a_reply_that_fails() {
    let mut client = holding("").phantom("A").phantom("B").limited(|limits| limits.gimmes = 1);
    let (faults, mut observer, limits) = (NoFaults, NoObserver, client.limits.clone());
    let mut cx = cx(&limits, &faults, &mut observer);
    let mut session = Session::sync(pull(), [5; 20]);
    session.next_request(&mut client.repo, &mut cx).unwrap();
    let refused = message("error not\\sauthorized\n");
    assert_eq!(session.look_ahead(&mut client.repo, &refused, &cx), None);
    session.handle_reply(&mut client.repo, &refused, &mut cx).unwrap_err();
    assert!(!session.go_ahead(&mut cx));
}
