//! Pulls.

use super::*;

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
    let phantoms =
        wanted::phantoms(&client.repo.snapshot().unwrap(), Privacy::Public, Hope::Missed, 9, |_| true)
            .unwrap();
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

/// 109: whoever may push can make as many names as they like.
#[test]
fn two_thousand_names_that_nobody_has_do_not_keep_what_is_new_from_coming() {
    let mut server = holding("A B");
    let cluster = server.forge_cluster(2000);
    let mut client = holding("A");
    let result = pulled(&mut client, &mut server).unwrap();
    assert_eq!((result.unavailable, client.all()), (2000, server.all()));
    assert!(result.rounds <= 6, "{result:?}");
    assert_eq!(client.all().iter().filter(|name| **name == cluster.to_string()).count(), 1);
    // And so later on, whether the news is announced or stands in a cluster of its own.
    let mut server = server.with("C");
    let result = pulled(&mut client, &mut server).unwrap();
    assert_eq!((result.unavailable, client.all()), (2000, server.all()));
    assert!(result.rounds <= 5, "{result:?}");
    let many: Vec<String> = (0..300).map(|number| format!("new{number}")).collect();
    let mut server = server.with(&many.join(" "));
    let result = pulled(&mut client, &mut server).unwrap();
    assert_eq!((result.unavailable, client.all()), (2000, server.all()));
    assert!(result.rounds <= 6, "{result:?}");
    // Once all were asked for, a few of them have their turn in each pull, in its first round.
    for _ in 0..2 {
        let result = pulled(&mut client, &mut server).unwrap();
        assert_eq!((result.rounds, result.unavailable, result.stats.gimmes_sent), (1, 2000, 200));
    }
}

#[test]
fn names_that_were_missed_have_their_turn_and_come_all_at_once_when_a_peer_has_them() {
    let mut client = holding("").limited(|limits| limits.gimmes = 2);
    let mut lacking = holding("").phantom("A");
    for name in ["B", "C", "D", "E", "F", "G"] {
        client = client.phantom(name);
    }
    assert_eq!(pulled(&mut client, &mut lacking).unwrap().unavailable, 6);
    let mut turns = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let mut peer = script(|_, request| {
            turns.extend(gimmes(request).into_iter().map(str::to_owned));
            lacking.reply(request)
        });
        assert_eq!(pulled(&mut client, &mut peer).unwrap().rounds, 1);
    }
    assert_eq!(turns.len(), 6, "two in each pull");
    let mut server = holding("B C D E F G");
    server.sql("DELETE FROM unclustered");
    assert_eq!(pulled(&mut client, &mut server).unwrap().unavailable, 0);
    assert_eq!(client.all(), server.all());
}

#[test]
fn what_was_missed_comes_all_at_once_though_the_first_of_it_waits_for_its_source() {
    let mut client = holding("").limited(|limits| limits.gimmes = 1);
    let names = ["B", "C", "D", "E"];
    client = names.into_iter().fold(client, Fixture::phantom);
    assert_eq!(pulled(&mut client, &mut holding("")).unwrap().unavailable, 4);
    let mut server = script(|_, request| {
        let card = |asked: &str| match names.into_iter().find(|name| id(name).to_string() == asked) {
            Some(name) => delta_card(name, "A"),
            None => file("A"),
        };
        gimmes(request).into_iter().map(card).collect()
    });
    assert_eq!(pulled(&mut client, &mut server).unwrap().unavailable, 0);
    assert_eq!(client.all(), holding("A B C D E").all());
}

#[test]
fn what_was_missed_comes_all_at_once_though_the_peer_gets_it_while_it_is_asked() {
    let mut client = holding("").limited(|limits| limits.gimmes = 1).phantom("B").phantom("C");
    assert_eq!(pulled(&mut client, &mut holding("")).unwrap().unavailable, 2);
    let mut first = None;
    let mut server = script(|_, request| match gimmes(request)[..] {
        // Not here yet.
        [name] if first.is_none() => {
            first = Some(name.to_owned());
            spelled("igot {D}\n")
        }
        [name] if id("D").to_string() == name => {
            format!("{}igot {}\n", file("D"), first.as_deref().unwrap_or_default())
        }
        ref names => {
            let is_asked = |known: &&str| names.contains(&&*id(known).to_string());
            ["B", "C"].into_iter().filter(is_asked).map(file).collect()
        }
    });
    assert_eq!(pulled(&mut client, &mut server).unwrap().unavailable, 0);
    assert_eq!(client.all(), holding("B C D").all());
}

#[test]
fn more_dead_names_than_a_session_asks_for_are_counted_all_the_same() {
    let mut server = holding("A B");
    server.forge_cluster(2000);
    let mut client = holding("A").limited(|limits| limits.idle_gimmes = 300);
    let result = pulled(&mut client, &mut server).unwrap();
    assert_eq!((result.rounds, result.unavailable, client.holds("B")), (5, 2000, true));
}

/// A phantom that is old here, and whose content the peer has got by now.
#[test]
fn an_old_name_that_is_announced_goes_before_all_others() {
    let mut client = holding("A").phantom("B").limited(|limits| limits.gimmes = 1);
    client.forge_cluster(2000);
    let mut server = holding("A B");
    let mut asked = Vec::new();
    let mut peer = script(|_, request| {
        asked.push(gimmes(request).contains(&id("B").to_string().as_str()));
        server.reply(request)
    });
    pulled(&mut client, &mut peer).unwrap();
    assert!(client.holds("B"));
    assert_eq!(asked[..2], [false, true]);
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
    let (faults, mut observer) = (crate::NoFaults, crate::NoObserver);
    let mut cx = cx(&client.limits, &faults, &mut observer);
    let mut session = Session::sync(pull(), SEED);
    session.next_request(&mut client.repo, &mut cx).unwrap();
    let error = session.handle_reply(&mut client.repo, &message(&file("B")), &mut cx).unwrap_err();
    assert_eq!(error.to_string(), "the peer's reply has no timestamp at its end: it failed midway");
    assert!(!client.holds("B"));
}

#[test]
fn what_the_peer_named_is_not_told_to_it_as_private_when_a_user_makes_the_same() {
    let options = SyncOptions { private: true, push: true, ..pull() };
    for (named, told) in [("igot {B}\n", 0), ("igot {C}\n", 1)] {
        let (mut client, mut session) = (holding("A"), Session::sync(options.clone(), SEED));
        let reply = message(&(spelled(named) + "# timestamp 2027-01-15T08:00:00 errors 0\n"));
        for is_made in [false, true] {
            if is_made {
                client = client.private("B");
            }
            let (faults, mut observer) = (crate::NoFaults, crate::NoObserver);
            let mut cx = cx(&client.limits, &faults, &mut observer);
            let request = printed(&session.next_request(&mut client.repo, &mut cx).unwrap());
            let hidden = request.matches(&spelled("igot {B} 1\n")).count();
            assert_eq!(hidden, if is_made { told } else { 0 }, "{request}");
            session.handle_reply(&mut client.repo, &reply, &mut cx).unwrap();
        }
    }
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
    let (faults, mut observer) = (crate::NoFaults, crate::NoObserver);
    let mut cx = cx(&client.limits, &faults, &mut observer);
    assert_eq!(session.next_request(&mut client.repo, &mut cx).unwrap().login, None);
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

/// 127: who says that it is public shows its content.
#[test]
fn what_is_private_here_becomes_public_by_its_content_and_not_by_its_name() {
    let mut client = holding("B").private("A");
    let result = pulled(&mut client, &mut holding("A B")).unwrap();
    assert_eq!((result.rounds, result.unavailable, client.keeps_private("A")), (2, 0, false));

    let mut client = holding("B").private("A");
    let mut asked = Vec::new();
    let mut server = script(|_, request| {
        asked.push(gimmes(request).len());
        "igot {A}\n".to_owned()
    });
    let result = pulled(&mut client, &mut server).unwrap();
    assert_eq!((result.rounds, result.unavailable, client.keeps_private("A")), (2, 0, true));
    assert_eq!(asked, [0, 1]);
    let mut server = script(|_, _| "igot {A} 1\n".to_owned());
    let result = pulled(&mut client, &mut server).unwrap();
    assert_eq!((result.rounds, client.keeps_private("A")), (1, true));
}

#[test]
fn what_is_private_here_and_in_a_cluster_of_the_peer_becomes_public() {
    let mut client = holding("").private("A");
    let result = pulled(&mut client, &mut holding("A B").clustered("A B")).unwrap();
    assert_eq!((result.rounds, result.unavailable, client.keeps_private("A")), (3, 0, false));
}

#[test]
fn what_a_cluster_lists_and_only_we_have_in_private_is_asked_for_once_a_session() {
    let mut client = holding("").private("A");
    let mut servers = [holding("").clustered("A"), holding("B"), holding("B")];
    for (server, rounds) in servers.iter_mut().zip([3, 2, 1]) {
        let result = pulled(&mut client, server).unwrap();
        assert_eq!((result.rounds, result.unavailable, client.keeps_private("A")), (rounds, 0, true));
    }
}

#[test]
fn what_is_private_here_becomes_public_though_the_session_ended_with_the_cluster_that_lists_it() {
    let (mut client, mut server) = (holding("").private("A"), holding("A B").clustered("A B"));
    let mut cut = Session::sync(pull(), SEED);
    for _ in 0..2 {
        assert_eq!(step(&mut cut, &mut client, &mut server).unwrap(), Progress::Continue);
    }
    assert!(client.keeps_private("A"));
    pulled(&mut client, &mut server).unwrap();
    assert!(!client.keeps_private("A"));
}

/// Nobody is told of what a private cluster lists.
#[test]
fn what_a_private_cluster_lists_is_not_asked_for() {
    let mut client = holding("").private("A").clustered("A");
    client.sql("INSERT INTO private SELECT rid FROM blob WHERE rid NOT IN (SELECT rid FROM private)");
    let result = pulled(&mut client, &mut holding("A")).unwrap();
    assert_eq!((result.rounds, result.stats.gimmes_sent), (2, 1), "it is announced");
    let mut client = holding("").private("A").clustered("A");
    client.sql("INSERT INTO private SELECT rid FROM blob WHERE rid NOT IN (SELECT rid FROM private)");
    let result = pulled(&mut client, &mut holding("B")).unwrap();
    assert_eq!(result.stats.gimmes_sent, 1, "B alone");
}

/// 181: so stock sends what it has no content for, since it waits for its delta source.
#[test]
fn an_empty_file_under_another_name_counts_as_not_sent() {
    let mut client = holding("");
    let mut server = script(|_, request| match gimmes(request).len() {
        0 => "igot {A}\nigot {B}\n".to_owned(),
        _ => format!("file {{A}} 0\n{}igot {{A}}\n", file("B")),
    });
    let result = pulled(&mut client, &mut server).unwrap();
    assert_eq!((client.holds("A"), client.holds("B")), (false, true));
    assert_eq!((result.rounds, result.unavailable, result.first_unavailable), (2, 1, Some(id("A"))));
    pulled(&mut client, &mut holding("A")).unwrap();
    assert!(client.holds("A"));
}

/// 86, 88.
#[test]
fn shunned_artifacts_are_neither_asked_for_nor_kept() {
    let mut client = holding("A").shunned("B");
    let mut server = script(|_, request| {
        assert_eq!(gimmes(request).len(), 0);
        "igot {B}\n".to_owned() + &file("B")
    });
    let (faults, mut diary) = (crate::NoFaults, Diary::default());
    let mut cx = cx(&client.limits, &faults, &mut diary);
    let mut session = Session::sync(pull(), SEED);
    let request = session.next_request(&mut client.repo, &mut cx).unwrap();
    let reply = crate::testing::Peer::hear(&mut server, &request);
    assert_eq!(session.handle_reply(&mut client.repo, &reply, &mut cx).unwrap(), Progress::Done);
    assert_eq!(diary.0[2], format!("refused {}", id("B").short()));
    assert!(!client.holds("B"));
}

/// What was asked for in vain is a hint for later sessions. A clone that failed of it could not be begun again: it was whole.
#[test]
fn a_disk_that_is_full_when_all_is_there_is_no_failure() {
    let names: Vec<String> = (0..100).map(|number| format!("B{number}")).collect();
    let mut client = names.iter().fold(holding("A"), |client, name| client.phantom(name));
    let missed = |client: &mut Fixture| {
        let snap = client.repo.snapshot().unwrap();
        wanted::phantoms(&snap, Privacy::Public, Hope::Missed, 200, |_| true).unwrap().len()
    };
    client.sql("PRAGMA max_page_count=1");
    let result = pulled(&mut client, &mut holding("A")).unwrap();
    assert_eq!((result.unavailable, missed(&mut client)), (100, 0));
    client.sql("PRAGMA max_page_count=1000000");
    pulled(&mut client, &mut holding("A")).unwrap();
    assert_eq!(missed(&mut client), 100);
}

/// It is announced once, with more than there is room to ask for, and what is asked for beside it is not there.
#[test]
fn what_is_announced_and_was_asked_for_in_vain_before_is_not_forgotten() {
    let names = ["B", "C", "D", "E", "F", "G", "H", "I"];
    let mut client = ["W", "X", "Y", "Z"].into_iter().chain(names).fold(holding("A"), Fixture::phantom);
    pulled(&mut client, &mut holding("A")).unwrap();
    client.limits.gimmes = 2;
    // All are announced once; one is sent in each reply.
    let mut server = script(|round, request| {
        let asked = gimmes(request);
        let is_asked = |name: &&str| asked.contains(&&*id(name).to_string());
        let sent = names.into_iter().find(is_asked);
        let named = names.into_iter().filter(|name| sent != Some(*name) && (round == 1 || is_asked(name)));
        sent.map(file).into_iter().chain(named.map(|name| format!("igot {{{name}}}\n"))).collect()
    });
    pulled(&mut client, &mut server).unwrap();
    assert!(names.into_iter().all(|name| client.holds(name)));
}

/// It is announced with every reply, for ever.
#[test]
fn the_name_of_something_shunned_is_no_news() {
    let mut client = holding("A").shunned("B");
    for (name, names) in [("A", 0), ("B", 0), ("C", 1)] {
        let igot = xfer::card::Igot { id: id(name), privacy: Privacy::Public };
        let tx = client.repo.begin().unwrap();
        assert_eq!(inbox::is_news(&tx, &[&igot], Privacy::Public).unwrap(), names == 1, "{name}");
        assert_eq!(inbox::note(&tx, &[&igot], Privacy::Public).unwrap(), names, "{name}");
    }
}

#[test]
fn the_observer_hears_each_event_once() {
    let mut client = holding("A");
    let mut server = holding("A B");
    let (faults, mut diary) = (crate::NoFaults, Diary::default());
    let limits = Limits::default();
    let mut cx = cx(&limits, &faults, &mut diary);
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

#[test]
fn what_waits_for_something_that_the_peer_lacks_is_asked_for_itself() {
    let mut client = holding("").delta("B", "A", Privacy::Public).delta("C", "B", Privacy::Public);
    let result = pulled(&mut client, &mut holding("B")).unwrap();
    assert!(client.holds("B") && client.holds("C"));
    assert_eq!((result.unavailable, result.first_unavailable), (1, Some(id("A"))));
}

#[test]
fn what_waits_for_something_that_was_missed_before_is_asked_for_all_the_same() {
    let mut client = holding("").delta("B", "A", Privacy::Public);
    let result = pulled(&mut client, &mut holding("")).unwrap();
    assert_eq!(result.unavailable, 2);
    pulled(&mut client, &mut holding("B")).unwrap();
    assert!(client.holds("B"));
}

/// It is found out when its source comes.
#[test]
fn what_waited_since_an_earlier_session_and_is_false_is_asked_for_again() {
    let mut client = holding("").false_delta("B", "A");
    let result = pulled(&mut client, &mut holding("A B")).unwrap();
    assert!(client.holds("A") && client.holds("B"));
    assert_eq!(result.unavailable, 0);
}

/// It came with a wrong bit in an earlier session, say.
#[test]
fn a_false_delta_that_waits_gives_way_to_another_one_of_the_same_source() {
    let answers =
        [delta_card("B", "A") + &file("A"), file("A") + &delta_card("B", "A"), file("A") + &file("B")];
    for answer in answers {
        let mut client = holding("").false_delta("B", "A");
        let mut asked = Vec::new();
        let mut server = script(|_, request| {
            asked.extend(gimmes(request).into_iter().map(str::to_owned));
            answer.clone()
        });
        pulled(&mut client, &mut server).unwrap();
        assert!(client.holds("A") && client.holds("B"));
        assert_eq!(asked, [id("A").to_string()]);
    }
}

/// Nothing is found out of a delta whose source is not there either.
#[test]
fn a_delta_of_something_that_is_not_here_takes_no_place_of_one_that_can_be_verified() {
    for (client, holds) in
        [(holding("").delta("B", "A", Privacy::Public), true), (holding("").false_delta("B", "A"), false)]
    {
        let mut client = client;
        let mut server = script(|_, request| match gimmes(request).contains(&&*id("A").to_string()) {
            true => file("A") + &delta_card("B", "C"),
            false => String::new(),
        });
        pulled(&mut client, &mut server).unwrap();
        assert_eq!((client.holds("A"), client.holds("B")), (true, holds));
    }
}

#[test]
fn a_delta_of_something_that_is_shunned_here_counts_as_missing() {
    let mut client = holding("").shunned("A");
    let mut asked = Vec::new();
    let mut server = script(|_, request| {
        asked.push(gimmes(request).len());
        if gimmes(request).is_empty() { "igot {B}\n".to_owned() } else { delta_card("B", "A") }
    });
    for rounds in [3, 1] {
        let result = pulled(&mut client, &mut server).unwrap();
        assert_eq!((result.rounds, result.unavailable, result.first_unavailable), (rounds, 1, Some(id("B"))));
    }
    assert_eq!(asked, [0, 1, 1, 1]);
    pulled(&mut client, &mut holding("B")).unwrap();
    assert!(client.holds("B"));
}

/// What it is asked for comes meanwhile from elsewhere.
#[test]
fn what_finds_no_room_beside_something_that_is_here_already_is_asked_for_again() {
    let mut server = holding("A B").limited(|limits| limits.reply_bytes = 1);
    let mut client = holding("");
    let mut session = Session::sync(pull(), SEED);
    step(&mut session, &mut client, &mut server).unwrap();
    let mut client = client.with("B");
    let result = converse(&mut session, &mut client, &mut server).unwrap();
    assert_eq!((client.all(), result.unavailable), (server.all(), 0));
}

/// However long the chain: that the session gave up asking for it link by link is no reason to tell of less.
#[test]
fn all_that_waits_for_something_shunned_counts_as_lacking() {
    let chain = [("B", "A"), ("C", "B"), ("D", "C"), ("E", "D"), ("F", "E"), ("G", "F")];
    let mut client = holding("").shunned("A");
    for (name, source) in chain {
        client = client.delta(name, source, Privacy::Public);
    }
    let mut server = script(|_, request| match gimmes(request).first() {
        None => String::new(),
        Some(asked) => {
            let sent = chain.into_iter().find(|(name, _)| id(name).to_string() == *asked);
            sent.map_or_else(String::new, |(name, source)| delta_card(name, source))
        }
    });
    client.limits.gimmes = 1;
    assert_eq!(pulled(&mut client, &mut server).unwrap().unavailable, 6);
}

/// Two sessions at once: this one is behind for longer than a peer may send nothing new.
#[test]
fn what_another_session_brings_at_the_same_time_is_no_reason_to_give_up() {
    let names = ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8"];
    for privacy in [Privacy::Public, Privacy::Private] {
        let server = holding("").rights("bob", "ox").limited(|limits| limits.reply_bytes = 1);
        let mut server = names.iter().fold(server, |server, name| server.artifact(name, privacy));
        let mut client = holding("");
        let options = SyncOptions { private: privacy == Privacy::Private, ..bob(&pull()) };
        let mut session = Session::sync(options, SEED);
        step(&mut session, &mut client, &mut server).unwrap();
        // The server sends what the client asks for first.
        for _ in 0..5 {
            let (faults, mut observer, limits) = (crate::NoFaults, crate::NoObserver, client.limits.clone());
            let mut cx = cx(&limits, &faults, &mut observer);
            let request = session.next_request(&mut client.repo, &mut cx).unwrap();
            let asked = gimmes(&printed(&request)).first().map(|id| (*id).to_owned());
            let comes = names.into_iter().find(|name| Some(id(name).to_string()) == asked).unwrap();
            let reply = crate::testing::Peer::hear(&mut server, &request);
            client = client.artifact(comes, privacy);
            let progress = session.handle_reply(&mut client.repo, &reply, &mut cx).unwrap();
            assert_eq!(progress, Progress::Continue, "{privacy:?} {comes}");
        }
        let result = converse(&mut session, &mut client, &mut server).unwrap();
        assert_eq!((client.all(), result.unavailable), (server.all(), 0));
    }
}

#[test]
fn what_one_peer_lacked_is_asked_to_the_end_of_another_that_has_it() {
    let names: Vec<String> = (1..=8).map(|number| format!("B{number}")).collect();
    let client = holding("A").limited(|limits| limits.gimmes = 2);
    let mut client = names.iter().fold(client, |client, name| client.phantom(name));
    for _ in 0..2 {
        pulled(&mut client, &mut holding("A")).unwrap();
    }
    let mut server = holding(&format!("A {}", names.join(" "))).limited(|limits| limits.reply_bytes = 1);
    server.sql("DELETE FROM unclustered");
    let result = pulled(&mut client, &mut server).unwrap();
    assert_eq!((result.stats.files_received, result.unavailable), (8, 0));
}

/// Else the third round asks for them, as that of stock does: who pulls often does not come to it.
#[test]
fn clusters_are_asked_for_as_soon_as_the_peer_announces_nothing_that_is_known() {
    for (announced, round) in [("igot {B}\n", 2), ("igot {B}\nigot {C}\n", 2), ("igot {A}\nigot {B}\n", 3)] {
        let mut asked = Vec::new();
        let mut server = script(|number, request| {
            if request.contains("pragma req-clusters\n") {
                asked.push(number);
            }
            match number {
                1 => announced.to_owned(),
                2 => file("B") + "igot {D}\n",
                _ => String::new(),
            }
        });
        pulled(&mut holding("A"), &mut server).unwrap();
        assert_eq!(asked, [round], "{announced}");
    }
}
