//! Deltas that run in a circle with what waits here.

use super::*;
use crate::testing::{Peer, versions};

/// Answers as somebody who holds artifacts of these names, each a version of the one before, and sends the newest first.
fn holder(names: &[&'static str]) -> impl FnMut(u32, &str) -> String {
    let names = names.to_vec();
    move |_, request| {
        let asked = gimmes(request);
        let versions = names.iter().enumerate().rev();
        let is_asked = |name: &str| asked.contains(&&*id(name).to_string());
        let card = |(number, &name): (usize, &&str)| match number {
            0 => file(name),
            _ => delta_card(name, names[number - 1]),
        };
        versions.filter(|(_, name)| is_asked(name)).map(card).collect()
    }
}

/// A client that lost `names[n]`, of which the ones before it are deltas, each of the next.
fn lacking(names: &[&str]) -> Fixture {
    let pairs = names.windows(2).rev();
    pairs.fold(holding(""), |client, pair| client.delta(pair[0], pair[1], Privacy::Public))
}

#[test]
fn what_waits_comes_in_another_form_and_what_it_waited_for_after_it() {
    for names in [&["A", "B"][..], &["A", "B", "C", "D", "E"]] {
        for options in [pull(), both()] {
            let mut client = lacking(names);
            let mut session = Session::sync(options, SEED);
            let result = converse(&mut session, &mut client, &mut script(holder(names))).unwrap();
            assert!(names.iter().all(|name| client.holds(name)));
            assert_eq!((result.rounds, result.unavailable), (3, 0), "what is lost, what waits, what is lost");
            let result = pulled(&mut client, &mut script(holder(names))).unwrap();
            assert_eq!((result.rounds, result.stats.gimmes_sent), (1, 0));
        }
    }
}

#[test]
fn the_rest_of_the_reply_is_kept() {
    let mut client = lacking(&["A", "B"]);
    let mut session = Session::sync(pull(), SEED);
    let mut server = script(|_, _| delta_card("B", "A") + &file("K") + &delta_card("L", "K"));
    assert_eq!(step(&mut session, &mut client, &mut server).unwrap(), Progress::Continue);
    assert!(client.holds("K") && client.holds("L"));
    assert_eq!(client.all(), lacking(&["A", "B"]).with("K L").all(), "and what waits is there");
}

#[test]
fn one_message_breaks_the_circle_in_whatever_order() {
    let names = ["A", "B", "C", "D"];
    let cards = |n: usize| if n == 0 { file("A") } else { delta_card(names[n], names[n - 1]) };
    for order in [[3, 2, 1, 0], [0, 1, 2, 3], [3, 0, 2, 1], [2, 3, 1, 0]] {
        let mut client = lacking(&names);
        let mut server = script(|_, _| order.map(cards).concat());
        assert_eq!(pulled(&mut client, &mut server).unwrap().rounds, 1);
        assert!(names.iter().all(|name| client.holds(name)), "{order:?}");
    }
}

#[test]
fn a_peer_that_sends_nothing_but_the_circle_lacks_it_and_all_that_waits_stays() {
    let names = ["A", "B", "C", "D"];
    let mut client = lacking(&names);
    let rows = client.all();
    let answer = |request: &str| -> String {
        let asked = gimmes(request);
        let card = |n: usize| delta_card(names[n], names[(n + 3) % 4]);
        (0..4).rev().filter(|&n| asked.contains(&&*id(names[n]).to_string())).map(card).collect()
    };
    for _ in 0..3 {
        let result = pulled(&mut client, &mut script(|_, request| answer(request))).unwrap();
        assert!(result.rounds <= 3, "{result:?}");
        assert_eq!((result.unavailable, client.all()), (4, rows.clone()));
    }
    // Whether it was asked for it or not.
    let result = pulled(&mut client, &mut script(|_, _| delta_card("D", "A"))).unwrap();
    assert_eq!((result.unavailable, client.all()), (4, rows.clone()));
    // Another peer has it.
    assert_eq!(pulled(&mut client, &mut script(holder(&names))).unwrap().unavailable, 0);
    assert!(names.iter().all(|name| client.holds(name)));
}

#[test]
fn what_came_in_this_session_and_runs_in_a_circle_is_an_error_all_the_same() {
    let mut client = holding("");
    let mut server = script(|round, _| if round == 1 { delta_card("A", "B") } else { delta_card("B", "A") });
    let error = pulled(&mut client, &mut server).unwrap_err().to_string();
    assert!(error.contains("is a delta of itself"), "{error}");
    // It waits since an earlier session now.
    assert_eq!(pulled(&mut client, &mut script(holder(&["A", "B"]))).unwrap().unavailable, 0);
    assert!(client.holds("A") && client.holds("B"));
}

#[test]
fn a_clone_that_goes_on_with_the_same_server_breaks_the_circle_too() {
    let mut client = fresh();
    let mut first = script(|_, _| delta_card("A", "B") + "clone_seqno 5\npush {S} {P}\n");
    step(&mut Session::clone_into(pull(), SEED), &mut client, &mut first).unwrap();
    let mut holder = holder(&["A", "B"]);
    let mut again = script(|round, request| match request.contains("clone 3") {
        true => delta_card("B", "A") + "clone_seqno 0\npush {S} {P}\n",
        false => holder(round, request),
    });
    clone(&mut client, &mut again).unwrap();
    assert!(client.holds("A") && client.holds("B"));
}

/// The version of rid 1 is the newest, and whole.
#[test]
fn a_file_that_lost_a_version_is_whole_after_one_pull_however_little_a_reply_holds() {
    for (count, lost) in [(2, 1), (30, 1), (30, 15), (30, 29), (300, 20)] {
        for bytes in [1, 2_000, 1_000_000] {
            if count > 30 && bytes == 1 {
                continue;
            }
            let mut server = versions(count).limited(|limits| limits.reply_bytes = bytes);
            let mut client = versions(count).without(lost).limited(|limits| limits.rounds = 1_000);
            let result = pulled(&mut client, &mut server).unwrap();
            assert_eq!(
                (result.unavailable, client.all()),
                (0, server.all()),
                "{lost} of {count}, {bytes} bytes"
            );
        }
    }
}

#[test]
fn a_file_that_lost_many_versions_is_whole_after_one_pull() {
    let every_third: Vec<usize> = (2..30).step_by(3).collect();
    for lost in [&[1, 2, 3][..], &[5, 15], &[1, 29], &[28, 29, 30], &every_third] {
        for bytes in [2_000, 1_000_000] {
            let mut server = versions(30).limited(|limits| limits.reply_bytes = bytes);
            let mut client = lost.iter().fold(versions(30), |client, &rid| client.without(rid));
            let result = pulled(&mut client, &mut server).unwrap();
            let waiting = wanted::all_waiting(&client.repo.snapshot().unwrap()).unwrap();
            assert_eq!((result.unavailable, waiting.len()), (0, 0), "{lost:?}, {bytes} bytes");
            assert_eq!(client.all(), server.all(), "{lost:?}, {bytes} bytes");
        }
    }
}

#[test]
fn a_server_that_lost_a_version_is_whole_after_one_push() {
    for (count, lost) in [(2, 1), (30, 1), (30, 15), (300, 20)] {
        for options in [push(), both()] {
            let mut server = versions(count).without(lost).rights("bob", "io");
            let mut client = versions(count);
            converse(&mut Session::sync(bob(&options), SEED), &mut client, &mut server).unwrap();
            assert_eq!(server.all(), client.all(), "{lost} of {count}");
        }
    }
}

/// What it was sent may be a delta of what waits for it.
#[test]
fn what_went_as_a_delta_and_is_asked_for_again_goes_once_more_and_whole() {
    let mut client = versions(2);
    let newest = repo::blob::id(&client.repo.snapshot().unwrap(), repo::Rid(1)).unwrap();
    let mut sent = Vec::new();
    let mut server = script(|_, request| {
        let card = request.lines().find(|line| line.starts_with("file "));
        sent.extend(card.map(|card| card.split(' ').count()));
        format!("gimme {newest}\n")
    });
    converse(&mut Session::sync(push(), SEED), &mut client, &mut server).unwrap();
    assert_eq!(sent, [4, 3], "words of the card");
}

/// Names that are known to be lacking are asked for before the reply is taken in.
#[test]
fn a_session_that_looks_ahead_breaks_the_circle_too() {
    let mut client = versions(30).without(10).phantom("L1").phantom("L2").limited(|limits| limits.gimmes = 1);
    let mut server = versions(30).with("L1 L2").limited(|limits| limits.reply_bytes = 500);
    let (faults, mut observer, limits) = (crate::NoFaults, crate::NoObserver, client.limits.clone());
    let mut cx = cx(&limits, &faults, &mut observer);
    let mut session = Session::sync(pull(), SEED);
    let mut ahead = None;
    loop {
        let request = match ahead.take() {
            Some(request) => request,
            None => session.next_request(&mut client.repo, &mut cx).unwrap(),
        };
        let reply = server.hear(&request);
        ahead = session.look_ahead(&mut client.repo, &reply, &cx);
        if session.handle_reply(&mut client.repo, &reply, &mut cx).unwrap() == Progress::Done {
            break;
        }
        ahead = ahead.filter(|_| session.go_ahead(&mut cx));
    }
    assert_eq!((session.result().unavailable, client.all()), (0, server.all()));
}
