//! Sessions against our own server and against scripted ones. Numbers are those of the table of limits and
//! edge cases.

use repo::{partial, wanted};
use xfer::card::Privacy;

use super::*;
use crate::Limits;
use crate::testing::{
    Diary, Fixture, PROJECT, SERVER, bob, converse, cx, fresh, holding, id, message, printed, pull, script,
    spelled, step, text,
};

const SEED: [u8; 20] = [7; 20];

fn clone(client: &mut Fixture, server: &mut dyn crate::testing::Peer) -> Result<SyncResult, SyncError> {
    converse(&mut Session::clone_into(pull(), SEED), client, server)
}

fn pulled(client: &mut Fixture, server: &mut dyn crate::testing::Peer) -> Result<SyncResult, SyncError> {
    converse(&mut Session::sync(pull(), SEED), client, server)
}

/// Clones from a script, and compares why that fails.
#[track_caller]
fn check_clone_fails(answer: impl FnMut(u32, &str) -> String, expected: &str) {
    let mut client = fresh();
    assert_eq!(clone(&mut client, &mut script(answer)).unwrap_err().to_string(), spelled(expected));
    assert_eq!(client.all(), Vec::<String>::new(), "nothing is kept");
}

/// Pulls from a script, and compares why that fails.
#[track_caller]
fn check_pull_fails(answer: impl FnMut(u32, &str) -> String, expected: &str) {
    let error = pulled(&mut holding("A"), &mut script(answer)).unwrap_err();
    assert_eq!(error.to_string(), spelled(expected));
}

fn file(name: &str) -> String {
    spelled(&format!("file {{{name}}} 10\n{}", text(name)))
}

/// The `gimme` lines of a request.
fn gimmes(request: &str) -> Vec<&str> {
    request.lines().filter_map(|line| line.strip_prefix("gimme ")).collect()
}

fn unfinished(client: &mut Fixture) -> Option<u32> {
    partial::load(&client.repo.snapshot().unwrap()).unwrap().map(|partial| partial.seqno)
}

#[test]
fn a_clone_ends_with_all_that_the_server_holds() {
    let mut server = holding("A B C").delta("D", "A", Privacy::Public);
    let mut client = fresh();
    let result = clone(&mut client, &mut server).unwrap();
    assert_eq!(client.all(), server.all());
    assert_eq!((result.rounds, result.stats.files_received, result.project.as_str()), (1, 4, PROJECT));
    assert_eq!(unfinished(&mut client), None);
    let snap = client.repo.snapshot().unwrap();
    assert_eq!(repo::config::project_code(&snap).unwrap().as_deref(), Some(PROJECT));
    assert_ne!(repo::config::server_code(&snap).unwrap().as_deref(), Some(SERVER));
}

#[test]
fn a_clone_in_many_rounds_ends_too_and_then_asks_what_came_meanwhile() {
    let mut server = holding("A B C D E").limited(|limits| limits.reply_bytes = 1);
    let mut client = fresh();
    let mut session = Session::clone_into(pull(), SEED);
    for _ in 0..3 {
        assert_eq!(step(&mut session, &mut client, &mut server).unwrap(), Progress::Continue);
    }
    server = server.with("F").phantom("G");
    server = server.with("G");
    let result = converse(&mut session, &mut client, &mut server).unwrap();
    assert_eq!(client.all(), server.all());
    assert!(result.rounds <= 9, "{result:?}");
}

#[test]
fn requests_of_a_clone_are_as_stock_sends_them() {
    let mut requests = Vec::new();
    let mut server = script(|round, request| {
        requests.push(request.to_owned());
        match round {
            1 => "clone_seqno 7\npush {S} {P}\n".to_owned() + &file("A"),
            2 => "clone_seqno 0\npush {S} {P}\n".to_owned(),
            _ => String::new(),
        }
    });
    clone(&mut fresh(), &mut server).unwrap();
    let start = "pragma client-version 22100 20230226 192424\n";
    let lines = |request: &str| spelled(request).lines().count();
    assert!(requests[0].starts_with(&format!("{start}clone 3 1\n# ")), "{}", requests[0]);
    assert!(requests[1].starts_with(&format!("{start}clone 3 7\n# ")), "{}", requests[1]);
    assert!(
        requests[2].starts_with(&format!("{start}pull {} {PROJECT}\n# ", "c".repeat(40))),
        "{}",
        requests[2]
    );
    assert!(requests.iter().all(|request| lines(request) == 3));
    assert_ne!(requests[0].lines().last(), requests[1].lines().last());
}

/// 63 and 156.
#[test]
fn a_clone_that_needs_a_login_logs_in_from_the_second_round_on() {
    let server = || holding("A B").rights("nobody", "").rights("bob", "go");
    let mut client = fresh();
    let mut session = Session::clone_into(bob(&pull()), SEED);
    converse(&mut session, &mut client, &mut server()).unwrap();
    assert_eq!(client.all(), server().all());
    assert_eq!(session.result().rounds, 2);

    let error = clone(&mut fresh(), &mut server()).unwrap_err();
    assert_eq!(error.to_string(), "the peer wants a user and a password: not authorized to clone");
    let wrong = SyncOptions { password: Some("wrong".to_owned()), ..bob(&pull()) };
    let error = converse(&mut Session::clone_into(wrong, SEED), &mut fresh(), &mut server()).unwrap_err();
    assert_eq!(error.to_string(), "the peer refused: login failed");
}

#[test]
fn who_may_clone_but_not_pull_clones() {
    let mut server = holding("A B C").rights("nobody", "g").limited(|limits| limits.reply_bytes = 1);
    let mut client = fresh();
    let result = clone(&mut client, &mut server).unwrap();
    assert_eq!(client.all(), server.all());
    assert_eq!(result.messages, ["not authorized to read"]);
}

#[test]
fn older_kinds_of_clone_are_tried_where_the_peer_does_not_know_the_newer() {
    let mut server = holding("A B C");
    let mut log = Vec::new();
    let mut peer = script(|_, request| {
        let card = request.lines().find(|line| line.starts_with("clone")).unwrap_or("pull").to_owned();
        log.push(card.clone());
        if card == "clone 3 1" || card == "clone 2 1" {
            return format!("error bad\\scommand:\\s{}\n", card.replace(' ', "\\s"));
        }
        server.reply(request)
    });
    let mut client = fresh();
    clone(&mut client, &mut peer).unwrap();
    assert_eq!(log, ["clone 3 1", "clone 2 1", "clone", "clone"]);
    assert_eq!(client.all(), holding("A B C").all());
}

#[test]
fn a_peer_that_answers_as_an_older_kind_is_understood() {
    let mut server = holding("A B").delta("C", "A", Privacy::Public);
    for old in ["clone 2 1\n", "clone\n"] {
        let mut client = fresh();
        let mut peer = script(|_, request| server.reply(&request.replace("clone 3 1\n", old)));
        clone(&mut client, &mut peer).unwrap();
        assert_eq!(client.all(), server.all(), "{old}");
    }
}

/// 121, 122.
#[test]
fn a_clone_reply_without_push_card_fails() {
    let expected = "the peer's clone reply does not name its project";
    check_clone_fails(|_, _| file("A") + "clone_seqno 0\n", expected);
    check_clone_fails(|_, _| String::new(), expected);
    let unexpected = "the peer sent a card that has no place in a reply: push {S} zzz";
    check_clone_fails(|_, _| file("A") + "clone_seqno 0\npush {S} zzz\n", unexpected);
}

/// 119, 120.
#[test]
fn a_clone_seqno_that_does_not_rise_fails() {
    let told = |seqno: u32| {
        format!("the peer's clone_seqno does not rise: asked from 1, told to go on from {seqno}")
    };
    check_clone_fails(|_, _| file("A") + "clone_seqno 1\npush {S} {P}\n", &told(1));
    check_clone_fails(|_, _| file("A") + "push {S} {P}\n", "the peer's clone reply has no clone_seqno");
    check_clone_fails(|_, _| "push {S} {P}\n".to_owned(), "the peer's clone reply has no clone_seqno");
    let mut client = fresh();
    let mut server =
        script(|round, _| format!("clone_seqno {}\npush {{S}} {{P}}\n", [0, 5, 4][round as usize]));
    let error = clone(&mut client, &mut server).unwrap_err();
    assert!(error.to_string().ends_with("asked from 5, told to go on from 4"), "{error}");
    assert_eq!(unfinished(&mut client), Some(5));
}

/// 66, 67, 69 to 72, 83, 84.
#[test]
fn an_artifact_that_is_not_what_its_name_says_fails_the_clone() {
    let source = || file("B");
    let cases = [
        (String::new(), "file {A}", "artifact B"),
        (String::new(), "file {A}", ""),
        (String::new(), "cfile {A} 10", "abcd"),
        (String::new(), "cfile {A} 10", "\0\0\0\x0afourteen bytes"),
        (String::new(), "cfile {A} 10", "\u{7f}\0\0\0fourteen bytes"),
        (source(), "file {A} {B}", "no delta"),
        (source(), "file {A} {B}", ""),
        (source(), "file {A} {B}", "A\nA@5,0;"),
        (source(), "file {A} {B}", "~~~~~\nA@0,0;"),
        (source(), "file {A} {B}", "3\nA@0,0;"),
    ];
    for (before, card, payload) in cases {
        let answer = |_, _: &str| {
            format!("{before}{card} {}\n{payload}clone_seqno 0\npush {{S}} {{P}}\n", payload.len())
        };
        let mut client = fresh();
        let error = clone(&mut client, &mut script(answer)).unwrap_err().to_string();
        assert!(error.starts_with("the peer sent a bad artifact: "), "{card} {payload:?}: {error}");
        assert_eq!(client.all(), Vec::<String>::new(), "{card} {payload:?}");
    }
}

/// 76.
#[test]
fn a_cycle_of_deltas_fails_the_clone() {
    let answer = |_, _: &str| {
        let delta = |from: &str, to: &str| {
            let delta = repo::delta::create(text(from).as_bytes(), text(to).as_bytes());
            let delta = String::from_utf8(delta).unwrap();
            format!("file {{{to}}} {{{from}}} {}\n{delta}", delta.len())
        };
        delta("A", "B") + &delta("B", "A") + "clone_seqno 0\npush {S} {P}\n"
    };
    let error = clone(&mut fresh(), &mut script(answer)).unwrap_err().to_string();
    assert!(error.contains("is a delta of itself"), "{error}");
}

fn delta_card(name: &str, source: &str) -> String {
    let delta = repo::delta::create(text(source).as_bytes(), text(name).as_bytes());
    let delta = String::from_utf8(delta).unwrap();
    format!("file {{{name}}} {{{source}}} {}\n{delta}", delta.len())
}

/// 74, 75.
#[test]
fn a_clone_whose_deltas_never_get_their_source_is_not_whole() {
    let answer = |_, request: &str| {
        assert!(request.contains("clone 3") || gimmes(request) == [id("B").to_string()], "{request}");
        if request.contains("clone") {
            delta_card("A", "B") + &delta_card("C", "A") + "clone_seqno 0\npush {S} {P}\n"
        } else {
            String::new()
        }
    };
    let mut client = fresh();
    let error = clone(&mut client, &mut script(answer)).unwrap_err();
    let first = id("A").min(id("C"));
    let expected = "the clone is not whole: 2 artifacts are deltas of artifacts that the peer does not send";
    assert_eq!(error.to_string(), format!("{expected}, {first} among them"));
    assert_eq!(unfinished(&mut client), Some(0));

    // The next attempt only asks for the source.
    let mut server = script(|_, request: &str| {
        assert!(!request.contains("clone"), "{request}");
        file("B")
    });
    clone(&mut client, &mut server).unwrap();
    assert!(client.holds("A") && client.holds("B") && client.holds("C"));
    assert_eq!(unfinished(&mut client), None);
}

#[test]
fn a_delta_may_come_rounds_before_its_source() {
    let mut server = script(|round, _| match round {
        1 => delta_card("A", "B") + "clone_seqno 2\npush {S} {P}\n",
        2 => delta_card("B", "C") + "clone_seqno 3\npush {S} {P}\n",
        3 => file("C") + "clone_seqno 0\npush {S} {P}\n",
        _ => String::new(),
    });
    let mut client = fresh();
    clone(&mut client, &mut server).unwrap();
    assert_eq!(client.all(), holding("A B C").all());
}

#[test]
fn a_clone_that_was_cut_short_goes_on_where_it_was() {
    let limited = || holding("A B C D E").limited(|limits| limits.reply_bytes = 1);
    for rounds in 1..=6 {
        let (mut client, mut server) = (fresh(), limited());
        let mut session = Session::clone_into(pull(), SEED);
        let mut cut = 0;
        while cut < rounds && step(&mut session, &mut client, &mut server).unwrap() == Progress::Continue {
            cut += 1;
        }
        let before = session.result().stats.files_received;
        drop(session);
        if unfinished(&mut client).is_none() {
            continue;
        }
        let result = clone(&mut client, &mut server).unwrap();
        assert!(result.resumed);
        assert_eq!(before + result.stats.files_received, 5, "nothing travels twice");
        assert_eq!(client.all(), server.all());
        assert_eq!(unfinished(&mut client), None);
    }
}

#[test]
fn another_file_of_the_project_answers_a_resumed_clone_from_the_start() {
    let mut client = fresh();
    let mut session = Session::clone_into(pull(), SEED);
    let mut server = holding("A B C").limited(|limits| limits.reply_bytes = 1);
    step(&mut session, &mut client, &mut server).unwrap();
    step(&mut session, &mut client, &mut server).unwrap();
    let mut other = holding("D C B A");
    other.sql("UPDATE config SET value='another' WHERE name='server-code'");
    clone(&mut client, &mut other).unwrap();
    assert_eq!(client.all(), other.all());
}

#[test]
fn a_clone_that_starts_anew_may_pass_over_what_it_holds_for_many_rounds() {
    let mut client = fresh();
    let mut session = Session::clone_into(pull(), SEED);
    let mut server = holding("A B C D E F G H").limited(|limits| limits.reply_bytes = 1);
    for _ in 0..7 {
        step(&mut session, &mut client, &mut server).unwrap();
    }
    server.sql("UPDATE config SET value='another' WHERE name='server-code'");
    clone(&mut client, &mut server).unwrap();
    assert_eq!(client.all(), server.all());
}

#[test]
fn another_server_in_the_midst_of_a_clone_is_an_error() {
    let mut server = script(|round, _| format!("clone_seqno {}\npush server{round} {{P}}\n", round * 5));
    let error = clone(&mut fresh(), &mut server).unwrap_err().to_string();
    assert!(error.contains("server code server2, not server1"), "{error}");
}

#[test]
fn another_project_is_never_cloned_into_one_begun() {
    let mut client = fresh();
    let mut server = script(|round, _| {
        let project = if round == 1 { PROJECT.to_owned() } else { "0".repeat(40) };
        format!("clone_seqno {}\npush {{S}} {project}\n", round * 5)
    });
    let error = clone(&mut client, &mut server).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the peer holds project {}, this repository is of project {PROJECT}", "0".repeat(40))
    );
}

#[test]
fn a_clone_needs_a_fresh_repository_and_a_pull_a_whole_one() {
    let error = clone(&mut holding("A"), &mut holding("B")).unwrap_err();
    assert_eq!(error.to_string(), "a clone needs a fresh repository, and this one holds artifacts");
    let mut client = fresh();
    let mut server = holding("A B").limited(|limits| limits.reply_bytes = 1);
    step(&mut Session::clone_into(pull(), SEED), &mut client, &mut server).unwrap();
    let error = pulled(&mut client, &mut server).unwrap_err();
    assert!(error.to_string().contains("unfinished clone"), "{error}");
    assert_eq!(pulled(&mut fresh(), &mut server).unwrap_err().to_string(), SyncError::NoProject.to_string());
}

#[test]
fn a_pull_brings_what_is_missing_and_a_second_one_nothing() {
    let mut server = holding("A B C D");
    let mut client = holding("A B");
    let result = pulled(&mut client, &mut server).unwrap();
    assert_eq!((result.rounds, result.stats.files_received, result.stats.gimmes_sent), (2, 2, 2));
    assert_eq!(client.all(), server.all());
    let result = pulled(&mut client, &mut server).unwrap();
    assert_eq!((result.rounds, result.stats.files_received, result.stats.gimmes_sent), (1, 0, 0));
}

#[test]
fn a_pull_with_nothing_new_needs_no_write() {
    let mut server = holding("A B");
    let mut client = holding("A B");
    client.repo.snapshot().unwrap().conn().execute_batch("PRAGMA query_only=ON").unwrap();
    assert_eq!(pulled(&mut client, &mut server).unwrap().rounds, 1);
}

#[test]
fn what_does_not_fit_in_a_reply_comes_with_the_next_ones() {
    let mut server = holding("A B C D E F").limited(|limits| limits.reply_bytes = 25);
    let mut client = holding("A");
    let result = pulled(&mut client, &mut server).unwrap();
    assert_eq!(client.all(), server.all());
    assert_eq!((result.rounds, result.unavailable), (4, 0));
}

#[test]
fn a_pull_asks_for_no_more_than_the_limit_and_for_twice_what_came() {
    let mut server = holding("A B C D E F G H I J");
    let mut client = holding("").limited(|limits| limits.gimmes = 1);
    let mut asked = Vec::new();
    let mut peer = script(|_, request| {
        asked.push(gimmes(request).len());
        server.reply(request)
    });
    pulled(&mut client, &mut peer).unwrap();
    assert_eq!(asked, [0, 1, 2, 4, 3]);
}

/// 115.
#[test]
fn an_igot_that_is_never_satisfied_costs_one_round_and_leaves_a_phantom() {
    let mut rounds = Vec::new();
    let mut server = script(|_, request| {
        rounds.push(gimmes(request).len());
        "igot {B}\n".to_owned()
    });
    let mut client = holding("A");
    let result = pulled(&mut client, &mut server).unwrap();
    assert_eq!((result.rounds, result.unavailable, result.first_unavailable), (2, 1, Some(id("B"))));
    // The next pull asks once more, in its first round, and stops there.
    let result = pulled(&mut client, &mut server).unwrap();
    assert_eq!((result.rounds, result.unavailable), (1, 1));
    assert_eq!(rounds, [0, 1, 1]);
    let phantoms = wanted::phantoms(&client.repo.snapshot().unwrap(), Privacy::Public, 9, |_| true).unwrap();
    assert_eq!(phantoms, [id("B")]);
}

/// 116.
#[test]
fn a_new_invented_igot_in_every_reply_ends_with_an_error() {
    let answer = |round, _: &str| format!("igot {round:064x}\n");
    check_pull_fails(
        answer,
        "3 rounds in a row brought nothing new, though the peer keeps announcing artifacts",
    );
}

/// 184.
#[test]
fn endless_new_content_ends_with_an_error() {
    let answer = |round: u32, _: &str| {
        let content = format!("artifact number {round}");
        let id = xfer::hash::sha3_256(content.as_bytes());
        format!("file {id} {}\n{content}igot {:064x}\n", content.len(), round + 1_000_000)
    };
    let mut client = holding("A");
    let error = pulled(&mut client, &mut script(answer)).unwrap_err().to_string();
    assert!(error.starts_with("no end after 13"), "{error}");
    assert!(client.all().len() > 100, "what came is kept");

    let mut client = fresh();
    let cloned = |round: u32, request: &str| {
        answer(round, request) + &format!("clone_seqno {}\npush {{S}} {{P}}\n", round + 1)
    };
    let error = clone(&mut client, &mut script(cloned)).unwrap_err().to_string();
    assert!(error.starts_with("no end after 13"), "{error}");
}

#[test]
fn a_clone_seqno_that_rises_for_nothing_ends_with_an_error() {
    let answer = |round, _: &str| format!("clone_seqno {}\npush {{S}} {{P}}\n", round + 1);
    check_clone_fails(answer, "no end after 100 rounds, which brought 0 artifacts");
}

#[test]
fn what_was_not_there_for_lack_of_rights_is_told_after_the_clone() {
    let answer = |round, _: &str| match round {
        1 => spelled("igot {B}\nclone_seqno 0\npush {S} {P}\n") + &file("A"),
        _ => "error not\\sauthorized\\sto\\sread\n".to_owned(),
    };
    let mut client = fresh();
    let result = clone(&mut client, &mut script(answer)).unwrap();
    assert_eq!((result.unavailable, result.first_unavailable), (1, Some(id("B"))));
    assert!(client.holds("A"));
}

/// 117, 118: the same again brings nothing.
#[test]
fn repeated_artifacts_and_gimmes_are_ignored() {
    let mut server = script(|_, _| file("A") + "gimme {A}\nigot {A}\ngimme {A}\n");
    let result = pulled(&mut holding("A"), &mut server).unwrap();
    assert_eq!((result.rounds, result.stats.files_received, result.stats.files_sent), (1, 0, 0));
}

#[test]
fn errors_of_the_peer_fail_the_pull() {
    check_pull_fails(|_, _| "error wrong\\sproject\n".to_owned(), "the peer refused: wrong project");
    check_pull_fails(|_, _| "error a\nerror b\n%%%%\n".to_owned(), "the peer refused: a; b");
    let html = "the peer answered with a web page, not with a sync reply: <html>hello";
    check_pull_fails(|_, _| "<html>hello\n".to_owned(), html);
    let unexpected = "the peer sent a card that has no place in a reply: ";
    check_pull_fails(|_, _| "bogus card\n".to_owned(), &format!("{unexpected}bogus card"));
    check_pull_fails(|_, _| "clone 3 1\n".to_owned(), &format!("{unexpected}clone"));
}

/// 156.
#[test]
fn a_reply_without_timestamp_failed_midway() {
    let mut client = holding("A");
    let (mut faults, mut observer) = (crate::NoFaults, crate::NoObserver);
    let mut cx = cx(&client.limits, &mut faults, &mut observer);
    let mut session = Session::sync(pull(), SEED);
    session.next_request(&mut client.repo, &mut cx).unwrap();
    let error = session.handle_reply(&mut client.repo, &message(&file("B")), &mut cx).unwrap_err();
    assert_eq!(error.to_string(), "the peer's reply has no timestamp at its end: it failed midway");
    assert!(!client.holds("B"));
}

#[test]
fn a_login_is_sent_from_the_first_round_of_a_pull_on() {
    let mut server = holding("A B").rights("nobody", "").rights("bob", "o");
    let mut client = holding("A");
    converse(&mut Session::sync(bob(&pull()), SEED), &mut client, &mut server).unwrap();
    assert!(client.holds("B"));
    let error = pulled(&mut client, &mut server).unwrap_err();
    assert_eq!(error.to_string(), "the peer refused: not authorized to read");
    let anonymous = SyncOptions { user: Some("anonymous".to_owned()), ..bob(&pull()) };
    let mut session = Session::sync(anonymous, SEED);
    let (mut faults, mut observer) = (crate::NoFaults, crate::NoObserver);
    let mut cx = cx(&client.limits, &mut faults, &mut observer);
    assert_eq!(session.next_request(&mut client.repo, &mut cx).unwrap().login, None);
}

/// 133.
#[test]
fn private_artifacts_come_only_to_those_who_ask_and_may() {
    let server = || holding("A").private("B").rights("nobody", "go").rights("bob", "gox");
    let private = || SyncOptions { private: true, ..pull() };

    let mut client = holding("");
    pulled(&mut client, &mut server()).unwrap();
    assert_eq!((client.holds("A"), client.holds("B")), (true, false));
    converse(&mut Session::sync(bob(&private()), SEED), &mut client, &mut server()).unwrap();
    assert!(client.holds("B"));
    check_private(&mut client, "B");

    let mut client = fresh();
    converse(&mut Session::clone_into(bob(&private()), SEED), &mut client, &mut server()).unwrap();
    assert!(client.holds("A") && client.holds("B"));
    check_private(&mut client, "B");

    let mut client = fresh();
    let result = converse(&mut Session::clone_into(private(), SEED), &mut client, &mut server()).unwrap();
    assert_eq!((client.holds("A"), client.holds("B")), (true, false));
    assert_eq!(result.messages, ["not authorized to sync private content"]);
}

#[track_caller]
fn check_private(client: &mut Fixture, name: &str) {
    let snap = client.repo.snapshot().unwrap();
    let rid = repo::blob::rid(&snap, &id(name)).unwrap().unwrap();
    assert!(repo::private::contains(&snap, rid).unwrap(), "{name} is private");
}

/// 126.
#[test]
fn private_content_that_nobody_asked_for_is_dropped_and_public_content_stays_public() {
    let mut client = holding("A");
    let mut server = script(|_, _| format!("private\n{}igot {{A}} 1\nigot {{C}} 1\n", file("B")));
    let result = pulled(&mut client, &mut server).unwrap();
    assert_eq!((result.rounds, client.holds("B")), (1, false));
    let snap = client.repo.snapshot().unwrap();
    let rid = repo::blob::rid(&snap, &id("A")).unwrap().unwrap();
    assert!(!repo::private::contains(&snap, rid).unwrap());
}

/// 86, 88.
#[test]
fn shunned_artifacts_are_neither_asked_for_nor_kept() {
    let mut client = holding("A").shunned("B");
    let mut server = script(|_, request| {
        assert_eq!(gimmes(request).len(), 0);
        "igot {B}\n".to_owned() + &file("B")
    });
    let (mut faults, mut diary) = (crate::NoFaults, Diary::default());
    let mut cx = cx(&client.limits, &mut faults, &mut diary);
    let mut session = Session::sync(pull(), SEED);
    let request = session.next_request(&mut client.repo, &mut cx).unwrap();
    let reply = crate::testing::Peer::hear(&mut server, &request);
    assert_eq!(session.handle_reply(&mut client.repo, &reply, &mut cx).unwrap(), Progress::Done);
    assert_eq!(diary.0[2], format!("refused {}", id("B").short()));
    assert!(!client.holds("B"));
}

#[test]
fn a_request_whose_reply_was_lost_may_be_sent_again() {
    for lost in 1..=4 {
        let mut server = holding("A B C D E F").limited(|limits| limits.reply_bytes = 25);
        let mut client = fresh();
        let mut session = Session::clone_into(pull(), SEED);
        let (mut faults, mut observer) = (crate::NoFaults, crate::NoObserver);
        let limits = Limits::default();
        let mut cx = cx(&limits, &mut faults, &mut observer);
        let mut nonces = std::collections::BTreeSet::new();
        loop {
            let mut reply = Message::default();
            for _ in 0..lost {
                let request = session.next_request(&mut client.repo, &mut cx).unwrap();
                assert!(nonces.insert(printed(&request)), "no two requests are the same");
                reply = crate::testing::Peer::hear(&mut server, &request);
            }
            if session.handle_reply(&mut client.repo, &reply, &mut cx).unwrap() == Progress::Done {
                break;
            }
        }
        assert_eq!(client.all(), server.all());
    }
}

#[test]
fn the_observer_hears_each_event_once() {
    let mut client = holding("A");
    let mut server = holding("A B");
    let (mut faults, mut diary) = (crate::NoFaults, Diary::default());
    let limits = Limits::default();
    let mut cx = cx(&limits, &mut faults, &mut diary);
    let mut session = Session::sync(pull(), SEED);
    loop {
        let request = session.next_request(&mut client.repo, &mut cx).unwrap();
        let mut reply = crate::testing::Peer::hear(&mut server, &request);
        reply.cards.push(xfer::Card::Message("hello".to_owned()));
        session.travelled(10, 20);
        if session.handle_reply(&mut client.repo, &reply, &mut cx).unwrap() == Progress::Done {
            break;
        }
    }
    let expected = [
        "pull started",
        "round 1 started",
        "peer: hello",
        "round 1 finished, 0 received",
        "round 2 started",
        "peer: hello",
        "round 2 finished, 1 received",
        "finished after 2",
    ];
    assert_eq!(diary.0, expected);
    let stats = session.result().stats;
    assert_eq!((stats.bytes_sent, stats.bytes_received), (20, 40));
}
