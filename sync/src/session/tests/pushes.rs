//! Pushes, and both ways at once.

use super::*;
use crate::testing::{Peer, both, push};

/// A server where `bob` may do so much, and nobody anything.
fn server(names: &str, rights: &str) -> Fixture {
    holding(names).rights("bob", rights).rights("nobody", "")
}

/// A session of bob's.
fn session(options: &SyncOptions, seed: u8) -> Session {
    Session::sync(bob(options), [seed; 20])
}

fn run(options: &SyncOptions, client: &mut Fixture, server: &mut dyn Peer) -> Result<SyncResult, SyncError> {
    converse(&mut session(options, 1), client, server)
}

/// What stock replies to an empty request, and for long did where it lacks nothing.
const BLANK: &str = "# timestamp 2026-11-21T02:53:53 errors 0\n";

/// A peer whose replies come as a function gives them.
struct Lossy<F>(F);

impl<F: FnMut(&Message) -> Message> Peer for Lossy<F> {
    fn hear(&mut self, request: &Message) -> Message {
        (self.0)(request)
    }
}

#[test]
fn what_was_made_here_is_pushed_in_one_round() {
    let mut client = holding("A").unsent("B C");
    let mut server = server("A", "i");
    let result = run(&push(), &mut client, &mut server).unwrap();
    assert_eq!((result.rounds, result.stats.files_sent), (1, 2));
    assert_eq!(server.all(), client.all());
    assert_eq!(client.waiting(), 0);
}

#[test]
fn what_the_server_lacks_of_what_is_announced_goes_too() {
    let mut client = holding("A B C");
    let mut server = server("A", "i");
    let result = run(&push(), &mut client, &mut server).unwrap();
    assert_eq!((result.rounds, result.stats.files_sent, result.stats.gimmes_received), (2, 2, 2));
    assert_eq!(server.all(), client.all());
}

#[test]
fn a_push_brings_nothing_here_and_a_pull_nothing_there() {
    let (mut client, mut peer) = (holding("A"), server("B", "i"));
    run(&push(), &mut client, &mut peer).unwrap();
    assert!(!client.holds("B") && peer.holds("A"));
    let (mut client, mut peer) = (holding("A").unsent("C"), server("B", "i"));
    run(&pull(), &mut client, &mut peer).unwrap();
    assert!(client.holds("B") && !peer.holds("A") && !peer.holds("C"));
    assert_eq!(client.waiting(), 1);
}

#[test]
fn a_sync_goes_both_ways_and_a_second_one_moves_nothing() {
    let mut client = holding("A C").unsent("D");
    let mut server = server("A B", "i");
    let result = run(&both(), &mut client, &mut server).unwrap();
    assert_eq!((result.stats.files_sent, result.stats.files_received), (2, 1));
    assert_eq!(server.all(), client.all());
    let result = converse(&mut session(&both(), 2), &mut client, &mut server).unwrap();
    assert_eq!((result.rounds, result.stats.files_sent, result.stats.files_received), (1, 0, 0));
}

#[test]
fn a_sync_with_nothing_new_needs_no_write_on_either_side() {
    let (mut client, mut server) = (holding("A B"), holding("A B").rights("nobody", "io"));
    for repo in [&mut client.repo, &mut server.repo] {
        repo.snapshot().unwrap().conn().execute_batch("PRAGMA query_only=ON").unwrap();
    }
    assert_eq!(converse(&mut Session::sync(both(), SEED), &mut client, &mut server).unwrap().rounds, 1);
}

/// A request exceeds its budget by one artifact at most, and only if it holds no other.
#[test]
fn a_budget_is_kept_and_everything_goes_all_the_same() {
    for (budget, rounds) in [(0, 6), (10, 6), (25, 3), (1000, 1)] {
        let mut client = holding("").unsent("A B C D E F").limited(|limits| limits.send_bytes = budget);
        let mut server = server("", "i");
        let mut most = 0;
        let mut peer = script(|_, request| {
            most = most.max(request.matches("artifact ").count());
            server.reply(request)
        });
        let result = run(&push(), &mut client, &mut peer).unwrap();
        assert_eq!((result.rounds, result.stats.files_sent), (rounds, 6), "{budget}");
        assert_eq!(most, 6_usize.div_ceil(rounds as usize), "{budget}");
        assert_eq!(client.waiting(), 0);
        assert_eq!(server.all(), client.all());
    }
}

/// 130.
#[test]
fn nothing_counts_as_sent_before_the_reply_is_in() {
    let mut client = holding("").unsent("A B");
    let mut lost = session(&push(), 1);
    let (faults, mut observer) = (crate::NoFaults, crate::NoObserver);
    let limits = Limits::default();
    let mut cx = cx(&limits, &faults, &mut observer);
    lost.next_request(&mut client.repo, &mut cx).unwrap();
    lost.abandon(&SyncError::Unfinished, &mut cx);
    assert_eq!(client.waiting(), 2);
    let mut failing = script(|_, _| "error login\\sfailed\n".to_owned());
    run(&push(), &mut client, &mut failing).unwrap_err();
    assert_eq!(client.waiting(), 2);
}

#[test]
fn what_the_peer_was_not_asked_for_counts_neither_as_sent_nor_as_wanted() {
    for lost in 1..=3 {
        let mut client = holding("").unsent("A B C").limited(|limits| limits.send_bytes = 10);
        let (mut server, mut requests) = (server("", "i"), 0);
        let mut peer = Lossy(|request: &Message| {
            requests += 1;
            if requests == lost { message(BLANK) } else { server.hear(request) }
        });
        let result = run(&push(), &mut client, &mut peer);
        if lost == 1 {
            let sent = result.unwrap().stats.files_sent;
            assert_eq!((requests, client.waiting(), sent), (4, 0, 3), "the first is made again");
        } else {
            assert!(matches!(result, Err(SyncError::Unanswered)), "{result:?}");
            assert_eq!((requests, client.waiting()), (lost, 4 - lost));
        }
        run(&push(), &mut client, &mut server).unwrap();
        assert_eq!(server.all(), client.all());
    }
}

#[test]
fn a_peer_that_says_nothing_is_asked_once_more() {
    let blank = BLANK.to_owned();
    let refusal = format!("error not\\sauthorized\\sto\\swrite\n{BLANK}");
    let has = |name: &str| {
        spelled(&format!("pragma server-version 22100 20230226 192424\nigot {{{name}}}\n{BLANK}"))
    };
    let (has_a, has_c) = (has("A"), has("C"));
    let runs = [
        // What a pull asks for is named by who has anything.
        (pull(), vec![&blank, &blank], false),
        (pull(), vec![&blank, &has_a], true),
        (push(), vec![&blank, &blank], true),
        (both(), vec![&blank, &blank], true),
        (both(), vec![&refusal, &blank, &blank], false),
        (both(), vec![&has_c, &blank], false),
    ];
    for (options, replies, is_well) in runs {
        let mut client = holding("").unsent("A").phantom("B");
        let mut left = replies.iter();
        let mut peer = Lossy(|_: &Message| message(left.next().unwrap()));
        let result = run(&options, &mut client, &mut peer);
        assert_eq!(result.is_ok(), is_well, "{options:?} {replies:?} {result:?}");
        assert_eq!(
            matches!(result, Err(SyncError::Unanswered)),
            !is_well,
            "{options:?} {replies:?} {result:?}"
        );
        assert_eq!(left.count(), 0, "{options:?} {replies:?}");
    }
}

/// Stock did not name its version for years, and says nothing where it lacks nothing.
#[test]
fn a_peer_that_names_no_version_may_say_nothing_once_it_answered() {
    let (mut client, mut round) = (holding("").unsent("A B").limited(|limits| limits.send_bytes = 10), 0);
    let mut peer = Lossy(|_: &Message| {
        round += 1;
        message(&if round == 1 { format!("gimme {}\n{BLANK}", id("B")) } else { BLANK.to_owned() })
    });
    assert_eq!(run(&push(), &mut client, &mut peer).unwrap().rounds, 2);
    assert_eq!(client.waiting(), 0);
}

/// 117.
#[test]
fn what_is_asked_for_again_is_not_sent_again() {
    let mut sent = 0;
    let mut server = script(|_, request| {
        sent += request.matches("artifact A").count();
        "gimme {A}\n".to_owned()
    });
    let result = run(&push(), &mut holding("A B"), &mut server).unwrap();
    assert_eq!((result.rounds, sent), (2, 1));
}

#[test]
fn what_is_not_here_or_not_for_the_peer_is_not_sent() {
    let mut client = holding("A").private("B").phantom("C").with("D").shunned("D");
    let mut requests = String::new();
    let mut server = script(|_, request| {
        requests.push_str(request);
        "gimme {B}\ngimme {C}\ngimme {D}\ngimme {E}\n".to_owned()
    });
    assert_eq!(run(&push(), &mut client, &mut server).unwrap().rounds, 1);
    for name in ["B", "C", "D", "E"] {
        assert!(!requests.contains(&spelled(&format!("{{{name}}}"))), "{name}: {requests}");
    }
}

#[test]
fn a_refused_push_is_an_error_and_the_pull_is_done_all_the_same() {
    for (rights, names) in [("o", "B"), ("o", "")] {
        let mut client = holding("A").unsent(names);
        let mut server = server("A C", rights);
        let error = run(&both(), &mut client, &mut server).unwrap_err();
        let SyncError::PushRefused { user, result, .. } = &error else { panic!("{error}") };
        let moved = (result.stats.files_received, result.stats.files_sent);
        assert_eq!((user.as_str(), moved), ("bob", (1, 0)));
        assert!(error.to_string().contains("capability i"), "{error}");
        assert!(client.holds("C"));
        assert_eq!(client.waiting(), names.len(), "what was not taken still waits");
    }
}

#[test]
fn a_refused_push_alone_is_an_error() {
    let mut client = holding("").unsent("A");
    let error = run(&push(), &mut client, &mut server("", "o")).unwrap_err();
    assert!(matches!(error, SyncError::PushRefused { .. }), "{error}");
    assert_eq!(client.waiting(), 1);
    let error = converse(&mut Session::sync(push(), SEED), &mut client, &mut server("", "")).unwrap_err();
    assert!(error.to_string().contains("takes no push of nobody"), "{error}");
}

#[test]
fn private_artifacts_go_only_where_they_were_asked_for_and_allowed() {
    for (private, rights, goes) in [(false, "iox", false), (true, "iox", true), (true, "io", false)] {
        let mut client = holding("A").private("B");
        let mut server = server("A", rights);
        let result = run(&SyncOptions { private, ..both() }, &mut client, &mut server);
        assert_eq!(server.holds("B"), goes, "{private} {rights}");
        assert_eq!(result.is_ok(), !private || goes, "{private} {rights}: {result:?}");
        if goes {
            check_private(&mut server, "B");
        }
    }
}

/// 126: stock would hide a public artifact of the same name for that.
#[test]
fn private_artifacts_are_not_named_before_the_peer_lets_us() {
    let mut client = holding("").private("B").unsent("A");
    let mut requests = Vec::new();
    let mut server = script(|_, request| {
        requests.push(request.to_owned());
        "error not\\sauthorized\\sto\\ssync\\sprivate\\scontent\n".to_owned()
    });
    run(&SyncOptions { private: true, ..push() }, &mut client, &mut server).unwrap_err();
    assert_eq!(requests.len(), 1);
    assert!(!requests[0].contains(&spelled("{B}")), "{}", requests[0]);
}

#[test]
fn with_verily_both_sides_announce_everything() {
    let listed = |verily: bool| {
        let mut client = holding("A B");
        client.sql("DELETE FROM unclustered");
        let mut requests = Vec::new();
        let mut server = script(|_, request| {
            requests.push(request.to_owned());
            String::new()
        });
        run(&SyncOptions { verily, ..both() }, &mut client, &mut server).unwrap();
        requests[0].matches("igot ").count()
    };
    assert_eq!((listed(false), listed(true)), (0, 2));
}

#[test]
fn what_is_private_at_the_server_and_in_a_cluster_here_becomes_public_there() {
    let mut client = holding("A B").clustered("A B");
    let mut server = server("", "i").private("A");
    run(&push(), &mut client, &mut server).unwrap();
    assert!(server.holds("B") && !server.keeps_private("A"));
}

#[test]
fn what_is_private_at_the_server_becomes_public_though_the_reply_to_the_cluster_that_lists_it_is_lost() {
    let mut server = server("", "i").private("A");
    let (faults, mut observer, limits) = (crate::NoFaults, crate::NoObserver, Limits::default());
    let mut first = holding("A B").clustered("A B");
    let mut cx = cx(&limits, &faults, &mut observer);
    let mut cut = session(&push(), 1);
    // What the server lacks, then the cluster.
    let request = cut.next_request(&mut first.repo, &mut cx).unwrap();
    let reply = server.hear(&request);
    cut.handle_reply(&mut first.repo, &reply, &mut cx).unwrap();
    let request = cut.next_request(&mut first.repo, &mut cx).unwrap();
    let reply = printed(&server.hear(&request));
    assert!(server.keeps_private("A") && reply.contains(&spelled("gimme {A}\n")), "{reply}");
    run(&push(), &mut holding("A B").clustered("A B").unsent("C"), &mut server).unwrap();
    assert!(!server.keeps_private("A"));
}

/// What both sides hold and both announce stands in the request alone.
#[test]
fn who_pushes_too_asks_for_clusters_early_only_if_the_peer_lacks_all_that_was_announced() {
    for (theirs, rounds) in [("A B", vec![]), ("B", vec![2])] {
        let (mut server, mut asked, mut number) = (server(theirs, "io"), Vec::new(), 0);
        let mut peer = script(|_, request| {
            number += 1;
            asked.extend(request.contains("pragma req-clusters\n").then_some(number));
            server.reply(request)
        });
        run(&both(), &mut holding("A"), &mut peer).unwrap();
        assert_eq!(asked, rounds, "{theirs}");
    }
}

/// Holds this many artifacts more, which a cluster lists.
fn clustered(client: Fixture, numbers: std::ops::Range<u32>) -> Fixture {
    let mut client =
        numbers.fold(client, |client, number| client.artifact(&number.to_string(), Privacy::Public));
    client.reply("pull {S} {P}\n");
    client
}

/// How many names each request of a push announces.
fn announced(client: &mut Fixture, server: &mut Fixture) -> Vec<usize> {
    let mut rounds = Vec::new();
    let mut peer = script(|_, request| {
        rounds.push(request.matches("igot ").count());
        server.reply(request)
    });
    run(&push(), client, &mut peer).unwrap();
    rounds
}

/// In the third request of a session that asks for or is asked for something, as stock does.
#[test]
fn clusters_are_named_when_the_peer_lacks_more_than_what_is_new() {
    let mut client = clustered(holding(""), 0..100);
    client.sql("DELETE FROM unclustered");
    let mut client = client.with("A B C").limited(|limits| limits.send_bytes = 1);
    let mut server = server("", "i");
    let rounds = announced(&mut client, &mut server);
    assert_eq!(rounds[..3], [3, 2, 2], "three, then two, then one and the cluster");
    assert_eq!(server.all(), client.all());
}

#[test]
fn clusters_are_named_as_soon_as_the_peer_asks_for_one() {
    let mut client = clustered(holding(""), 0..100);
    client.sql("DELETE FROM unclustered");
    let inner = client.all();
    let mut client = clustered(client, 100..200);
    let mut server = server("", "i");
    let rounds = announced(&mut client, &mut server);
    assert_eq!(rounds[..3], [1, 1, 0], "the cluster that is in none, and the other, which it does not list");
    assert!(inner.iter().all(|name| server.all().contains(name)));
}

/// As stock sends it: no word of content that is not there.
#[test]
fn the_later_time_of_a_deletion_goes_as_a_deletion() {
    let mut client = holding("");
    let (name, at) = (xfer::UvName::new("one").unwrap(), repo::UnixTime::from_seconds);
    let tx = client.repo.begin().unwrap();
    repo::unversioned::put(&tx, &name, b"x", at(100)).unwrap();
    repo::unversioned::remove(&tx, "one", at(200)).unwrap();
    tx.commit().unwrap();
    let mut given = Vec::new();
    let mut server = script(|round, request| {
        given.extend(request.lines().filter(|line| line.starts_with("uvfile ")).map(str::to_owned));
        if round == 1 { "pragma uv-push-ok\nuvigot one 150 - 0\n".to_owned() } else { String::new() }
    });
    run(&SyncOptions { unversioned: true, ..both() }, &mut client, &mut server).unwrap();
    assert_eq!(given, ["uvfile one 200 - 0 1"]);
}

#[test]
fn a_session_without_a_direction_is_a_mistake() {
    let error = run(&SyncOptions::default(), &mut holding("A"), &mut server("", "")).unwrap_err();
    assert!(matches!(error, SyncError::NothingToDo), "{error}");
}

#[test]
fn a_dry_run_tells_what_would_move_and_changes_nothing() {
    let cases = [
        (both(), false, &["B", "D"][..], &["C"][..]),
        (both(), true, &["B", "D", "E"], &["C", "F"]),
        (push(), false, &["B", "D"], &[]),
        (pull(), false, &[], &["C"]),
    ];
    for (options, private, send, receive) in cases {
        let mut client = holding("A B").unsent("D").private("E");
        let mut server = server("A C", "iox").private("F");
        let before = (client.all(), server.all());
        let options = SyncOptions { dry_run: true, private, ..options };
        let result = run(&options, &mut client, &mut server).unwrap();
        let names =
            |names: &[&str]| names.iter().map(|name| id(name)).collect::<std::collections::BTreeSet<_>>();
        let preview = result.preview.unwrap();
        assert_eq!(preview.send.into_iter().collect::<std::collections::BTreeSet<_>>(), names(send));
        assert_eq!(preview.receive.into_iter().collect::<std::collections::BTreeSet<_>>(), names(receive));
        assert_eq!((client.all(), server.all(), client.waiting()), (before.0, before.1, 1));
        assert_eq!(result.rounds, 1);
    }
}

#[test]
fn a_session_of_another_project_than_the_one_wanted_is_a_mistake() {
    for (wanted, good) in [(PROJECT, true), (SERVER, false)] {
        let options = SyncOptions { project_code: Some(wanted.to_owned()), ..pull() };
        let outcome = run(&options, &mut holding("A"), &mut server("A", "o"));
        assert_eq!(outcome.is_ok(), good, "{outcome:?}");
        let session =
            Session::clone_into(SyncOptions { project_code: Some(wanted.to_owned()), ..pull() }, SEED);
        let outcome = converse(&mut { session }, &mut fresh(), &mut holding("A"));
        assert_eq!(outcome.is_ok(), good, "{outcome:?}");
    }
}

#[test]
fn a_session_may_have_a_budget_and_a_name_of_its_own() {
    let options = SyncOptions { max_send: 10, server_code: Some("me".to_owned()), ..push() };
    let mut requests = Vec::new();
    let mut server = server("", "i");
    let mut peer = script(|_, request| {
        requests.push(request.to_owned());
        server.reply(request)
    });
    run(&options, &mut holding("").unsent("A B C"), &mut peer).unwrap();
    assert_eq!(requests.len(), 3);
    assert!(requests[0].contains(&format!("push me {PROJECT}\n")), "{}", requests[0]);
}

#[test]
fn a_server_that_asks_for_one_at_a_time_gets_all_beside_what_both_lack() {
    let mut client = holding("A N1 N2 N3").phantom("L1").phantom("L2");
    client.sql("DELETE FROM unclustered");
    let mut server = server("A", "io").limited(|limits| limits.reply_gimmes = 1);
    server = ["N1", "N2", "N3", "L1", "L2"].into_iter().fold(server, Fixture::phantom);
    let result = run(&both(), &mut client, &mut server).unwrap();
    assert_eq!(result.stats.files_sent, 3);
    assert!(["N1", "N2", "N3"].into_iter().all(|name| server.holds(name)));
}

/// Whatever it asks for first: it may have none of the shunned and private ones, and hears so.
#[test]
fn a_server_that_asks_for_few_at_a_time_gets_all_beside_what_may_not_go() {
    for (options, most) in [(push(), 1), (both(), 1), (push(), 2), (both(), 3)] {
        let mut client = holding("A N1 N2 S1 S2").shunned("S1").shunned("S2").private("P").phantom("L");
        client.sql("DELETE FROM unclustered");
        let mut server = server("A", "io").limited(|limits| limits.reply_gimmes = most);
        server = ["N1", "N2", "S1", "L", "S2", "P"].into_iter().fold(server, Fixture::phantom);
        let result = run(&options, &mut client, &mut server).unwrap();
        assert_eq!(result.stats.files_sent, 2, "{most} at a time, {options:?}");
        assert!(server.holds("N1") && server.holds("N2"));
    }
}

/// Of the rounds that are there for all, half may go by so.
#[test]
fn a_peer_that_asks_for_nothing_that_there_is_is_left_alone() {
    let mut number = 0;
    let mut peer = script(|_, _| {
        number += 1;
        format!("gimme {}\npragma x-more-gimmes\n", id(&format!("invented {number}")))
    });
    let result = run(&both(), &mut holding("A").limited(|limits| limits.rounds = 10), &mut peer).unwrap();
    assert_eq!(result.rounds, 5);
}

/// Stock does not say whether it wants more than it asks for.
#[test]
fn what_stock_did_not_come_to_ask_for_does_not_count_as_sent() {
    let mut client = holding("A S").shunned("S").unsent("N1 N2 N3").limited(|limits| limits.send_bytes = 1);
    let mut came = Vec::new();
    let mut server = script(|_, request| {
        came.extend(["N1", "N2", "N3"].into_iter().filter(|name| request.contains(&text(name))));
        "gimme {S}\n".to_owned()
    });
    run(&both(), &mut client, &mut server).unwrap();
    assert_eq!((came, client.waiting()), (vec!["N1", "N2", "N3"], 0));
}

/// It had lost it, and what it is a delta of comes with the reply that asks for it.
#[test]
fn what_is_whole_by_the_reply_that_asks_for_it_goes_too() {
    let (mut client, mut came) = (holding("A"), false);
    let mut server = script(|round, request| {
        came |= request.contains(&text("D"));
        match round {
            1 => delta_card("D", "B"),
            2 => file("B") + "gimme {D}\n",
            _ => String::new(),
        }
    });
    run(&both(), &mut client, &mut server).unwrap();
    assert!(client.holds("D") && came);
}

/// It asks once, and need not ask again for what it was not sent.
#[test]
fn what_is_whole_after_it_was_asked_for_in_vain_goes_too() {
    let (mut client, mut came) = (holding("A").delta("D", "B", Privacy::Public), 0);
    let mut server = script(|round, request| {
        came += u32::from(request.contains(&text("D")));
        match round {
            1 => spelled("gimme {D}\nigot {B}\nigot {E}\n"),
            2 => file("E") + &spelled("igot {B}\n"),
            3 => file("B"),
            _ => String::new(),
        }
    });
    run(&both(), &mut client, &mut server).unwrap();
    assert!(client.holds("D"));
    assert_eq!(came, 1);
}

#[test]
fn what_nobody_asked_for_yet_goes_beside_what_the_peer_cannot_have() {
    let mut client = holding("A S").shunned("S").unsent("N1 N2 N3").limited(|limits| limits.send_bytes = 1);
    let mut server = server("A", "io").limited(|limits| limits.reply_gimmes = 1).phantom("S");
    let result = run(&both(), &mut client, &mut server).unwrap();
    assert_eq!((result.stats.files_sent, client.waiting()), (3, 0));
    assert!(["N1", "N2", "N3"].into_iter().all(|name| server.holds(name)));
}

/// It got that meanwhile, and has room for one artifact.
#[test]
fn what_is_named_as_lacking_and_comes_leaves_the_others_their_turn() {
    let lacking = |names: &str| names.split(' ').fold(holding("A"), Fixture::phantom);
    let mut client = lacking("C D").shunned("F");
    let mut asked = Vec::new();
    let mut server = script(|round, request| {
        asked.push(gimmes(request).len());
        let postponed = spelled("igot {C}\nigot {D}\n");
        match round {
            1 => file("E") + &postponed + &spelled("gimme {F}\npragma x-more-gimmes\n"),
            2 => file("F") + &postponed + "pragma x-more-gimmes\n",
            _ => file("C") + &file("D"),
        }
    });
    run(&both(), &mut client, &mut server).unwrap();
    assert_eq!(asked, [2, 3, 2]);
    assert!(client.holds("C") && client.holds("D"));
}

/// It came here only after the peer had asked for it first.
#[test]
fn what_went_is_not_named_as_lacking() {
    let (mut client, mut requests) = (holding("A"), Vec::new());
    let mut server = script(|round, request| {
        requests.push(request.to_owned());
        match round {
            1 => spelled("gimme {L}\npragma x-more-gimmes\n"),
            2 => file("L") + &spelled("gimme {L}\npragma x-more-gimmes\n"),
            3 => spelled("gimme {M}\npragma x-more-gimmes\n"),
            _ => String::new(),
        }
    });
    run(&both(), &mut client, &mut server).unwrap();
    let told = |round: usize| gimmes(&requests[round - 1]);
    assert!(requests[2].contains(&text("L")));
    assert_eq!([told(2), told(4)], [[id("L").to_string()], [id("M").to_string()]]);
}
