//! Clones.

use super::*;

#[test]
fn a_clone_ends_with_all_that_the_server_holds() {
    let mut server = holding("A B C").delta("D", "A", Privacy::Public);
    let mut client = fresh();
    let result = clone(&mut client, &mut server).unwrap();
    assert_eq!(client.all(), server.all());
    assert_eq!((result.rounds, result.stats.files_received, result.project.as_str()), (2, 4, PROJECT));
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
    assert!(requests[0].starts_with(&format!("{start}clone 3 1\n# ")), "{}", requests[0]);
    assert!(requests[1].starts_with(&format!("{start}clone 3 7\n# ")), "{}", requests[1]);
    assert!(
        requests[2].starts_with(&format!("{start}pull {} {PROJECT}\nreqconfig /all\n# ", "c".repeat(40))),
        "{}",
        requests[2]
    );
    let lines: Vec<usize> = requests.iter().map(|request| request.lines().count()).collect();
    assert_eq!(lines, [3, 3, 4]);
    assert_ne!(requests[0].lines().last(), requests[1].lines().last());
}

#[test]
fn a_clone_asks_first_for_the_version_that_was_chosen_and_gets_everything_by_any() {
    let cases = [
        (CloneVersion::V1, "\nclone\n"),
        (CloneVersion::V2, "\nclone 2 1\n"),
        (CloneVersion::V3, "\nclone 3 1\n"),
    ];
    for (version, asked) in cases {
        let (mut client, mut server) = (fresh(), holding("A B").delta("C", "A", Privacy::Public));
        let mut session = Session::clone_into(pull(), SEED).asking_for(version);
        let (faults, mut observer) = (crate::NoFaults, crate::NoObserver);
        let mut cx = cx(&client.limits, &faults, &mut observer);
        let first = printed(&session.next_request(&mut client.repo, &mut cx).unwrap());
        converse(&mut session, &mut client, &mut server).unwrap();
        assert!(first.contains(asked), "{version:?}: {first}");
        assert_eq!(client.all(), server.all(), "{version:?}");
    }
}

#[test]
fn a_clone_that_took_batches_goes_on_with_batches() {
    let mut server = holding("A B C D E").limited(|limits| limits.reply_bytes = 1);
    let mut client = fresh();
    step(&mut Session::clone_into(pull(), SEED), &mut client, &mut server).unwrap();
    let mut session = Session::clone_into(pull(), SEED).asking_for(CloneVersion::V1);
    let result = converse(&mut session, &mut client, &mut server).unwrap();
    assert!(result.resumed);
    assert_eq!(client.all(), server.all());
}

/// 63 and 156.
#[test]
fn a_clone_that_needs_a_login_logs_in_from_the_second_round_on() {
    let server = || holding("A B").rights("nobody", "").rights("bob", "go");
    let mut client = fresh();
    let mut session = Session::clone_into(bob(&pull()), SEED);
    converse(&mut session, &mut client, &mut server()).unwrap();
    assert_eq!(client.all(), server().all());
    assert_eq!(session.result().rounds, 3);

    let error = clone(&mut fresh(), &mut server()).unwrap_err();
    assert_eq!(error.to_string(), "the peer wants a user and a password: not authorized to clone");
    let wrong = SyncOptions { password: Some("wrong".to_owned()), ..bob(&pull()) };
    let error = converse(&mut Session::clone_into(wrong, SEED), &mut fresh(), &mut server()).unwrap_err();
    assert_eq!(error.to_string(), "the peer refused: login failed");
}

#[test]
fn a_clone_by_names_logs_in_where_nobody_may_clone_too() {
    let server = || holding("A B").private("C").rights("nobody", "").rights("bob", "gox");
    let clone = |options: SyncOptions, server: &mut Fixture| {
        let mut client = fresh();
        let mut session = Session::clone_into(options, SEED).asking_for(CloneVersion::V1);
        converse(&mut session, &mut client, server).map(|_| client.all().len())
    };
    assert_eq!(clone(bob(&pull()), &mut server()).unwrap(), 2);
    let private = SyncOptions { private: true, ..bob(&pull()) };
    assert_eq!(clone(private.clone(), &mut server()).unwrap(), 3);
    assert_eq!(clone(private, &mut server().rights("nobody", "go")).unwrap(), 3);
    let error = clone(pull(), &mut server()).unwrap_err();
    assert_eq!(error.to_string(), "the peer wants a user and a password: not authorized to clone");
    let wrong = SyncOptions { password: Some("wrong".to_owned()), ..bob(&pull()) };
    let error = clone(wrong, &mut server()).unwrap_err();
    assert_eq!(error.to_string(), "the peer refused: login failed");
    let error = clone(bob(&pull()), &mut server().rights("bob", "o")).unwrap_err();
    assert_eq!(error.to_string(), "the peer refused: not authorized to clone");
}

/// A byte that flips in the line before it hides the card that names the project.
#[test]
fn a_clone_by_names_ends_with_the_project_that_was_named_or_fails() {
    let refusal = "error not\\sauthorized\\sto\\sclone\npush {S} {P}\n";
    for (reply, named) in [("", None), ("igot {A}\n", None), (refusal, Some(PROJECT))] {
        let mut server = script(|round, request| match round {
            1 => reply.to_owned(),
            _ if request.contains("reqconfig") => "config /config 0\n\n".to_owned(),
            _ => String::new(),
        });
        let mut client = fresh();
        let mut session = Session::clone_into(bob(&pull()), SEED).asking_for(CloneVersion::V1);
        let end = converse(&mut session, &mut client, &mut server);
        let snap = client.repo.snapshot().unwrap();
        assert_eq!(repo::config::project_code(&snap).unwrap().as_deref(), named, "{reply}");
        match named {
            Some(_) => drop(end.unwrap()),
            None => assert!(matches!(end, Err(SyncError::NoProjectNamed)), "{end:?}"),
        }
    }
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

/// 109.
#[test]
fn two_thousand_names_that_nobody_has_do_not_stop_a_clone() {
    for reply_bytes in [5_000_000, 100] {
        let mut server = holding("A B").limited(|limits| limits.reply_bytes = reply_bytes);
        server.forge_cluster(2000);
        let mut server = server.with("C D E");
        let mut client = fresh();
        let result = clone(&mut client, &mut server).unwrap();
        assert_eq!((client.all(), result.unavailable), (server.all(), 2000));
        assert_eq!(unfinished(&mut client), None);
        assert!(result.rounds <= 7, "{result:?}");
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

#[test]
fn a_clone_goes_on_with_a_server_whose_deltas_run_the_other_way() {
    let mut client = fresh();
    let mut first = script(|_, _| delta_card("A", "B") + "clone_seqno 5\npush {S} {P}\n");
    step(&mut Session::clone_into(pull(), SEED), &mut client, &mut first).unwrap();
    let mut second = script(|_, request| match request.contains("clone 3") {
        true => delta_card("B", "A") + &format!("clone_seqno 0\npush {} {{P}}\n", "e".repeat(40)),
        false => format!("file {{A}} {}\n{}", text("A").len(), text("A")),
    });
    clone(&mut client, &mut second).unwrap();
    assert!(client.holds("A") && client.holds("B"));
}

/// 74, 75.
#[test]
fn a_clone_whose_deltas_never_get_their_source_is_not_whole() {
    let mut asked = Vec::new();
    let answer = |_, request: &str| {
        asked.extend(gimmes(request).into_iter().map(str::to_owned));
        if request.contains("clone 3") {
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
    assert_eq!(
        asked,
        ["B", "A", "C"].map(|name| id(name).to_string()),
        "the peer may have them in another form"
    );

    // The next attempt asks for the source, and for what waited anew: it may be no more a delta of that.
    let mut server = script(|_, request: &str| {
        assert!(!request.contains("clone"), "{request}");
        let names =
            ["A", "B", "C"].into_iter().filter(|name| gimmes(request).contains(&&*id(name).to_string()));
        names.map(file).collect()
    });
    clone(&mut client, &mut server).unwrap();
    assert!(client.holds("A") && client.holds("B") && client.holds("C"));
    assert_eq!(unfinished(&mut client), None);
}

/// It went back to an earlier state, say, and nobody else has the source.
#[test]
fn a_clone_that_goes_on_ends_without_what_the_server_has_no_more() {
    let mut client = fresh();
    let mut first = script(|_, request| match request.contains("clone 3") {
        true => delta_card("A", "B") + &file("C") + "clone_seqno 0\npush {S} {P}\n",
        false => String::new(),
    });
    clone(&mut client, &mut first).unwrap_err();
    let result = clone(&mut client, &mut holding("C")).unwrap();
    assert!(client.holds("C"));
    assert_eq!((result.unavailable, unfinished(&mut client)), (2, None));
}

#[test]
fn so_does_one_that_was_cut_short_between_two_batches() {
    let mut client = fresh();
    let mut first = script(|_, _| delta_card("A", "B") + "clone_seqno 5\npush {S} {P}\n");
    step(&mut Session::clone_into(pull(), SEED), &mut client, &mut first).unwrap();
    let result = clone(&mut client, &mut holding("C D E F G")).unwrap();
    assert!(client.holds("G"));
    assert_eq!((result.unavailable, unfinished(&mut client)), (2, None));
}

/// A server sends what a batch holds as it is stored, older versions as deltas of newer ones, and by name the other way
/// round.
#[test]
fn a_clone_goes_on_after_the_last_batch_with_deltas_that_run_the_other_way() {
    let mut client = fresh();
    let mut first = script(|_, request| match request.contains("clone 3") {
        true => delta_card("A", "B") + "clone_seqno 0\npush {S} {P}\n",
        false => String::new(),
    });
    clone(&mut client, &mut first).unwrap_err();
    let mut second = script(|_, request| match gimmes(request).contains(&&*id("A").to_string()) {
        true => file("A"),
        false => delta_card("B", "A"),
    });
    clone(&mut client, &mut second).unwrap();
    assert!(client.holds("A") && client.holds("B"));
}

/// The server went back to an earlier state, say, and has what came as a delta, but not its source.
#[test]
fn a_clone_asks_for_what_waits_where_the_source_is_no_more() {
    let mut server = script(|_, request| match gimmes(request) {
        _ if request.contains("clone 3") => delta_card("A", "B") + "clone_seqno 0\npush {S} {P}\n",
        asked if asked == [id("A").to_string()] => file("A"),
        _ => String::new(),
    });
    let mut client = fresh();
    clone(&mut client, &mut server).unwrap();
    assert!(client.holds("A"));
}

/// Somebody pushes to it, a delta first.
#[test]
fn a_clone_asks_again_for_a_source_that_comes_to_the_server_while_it_is_asked_for() {
    let announced = format!("igot {}\n", id("B"));
    let mut server = script(|round, request| match gimmes(request) {
        _ if request.contains("clone 3") => delta_card("A", "B") + "clone_seqno 0\npush {S} {P}\n",
        asked if asked == [id("A").to_string()] => delta_card("A", "B") + &announced,
        _ if round == 2 => String::new(),
        _ => file("B"),
    });
    let mut client = fresh();
    clone(&mut client, &mut server).unwrap();
    assert_eq!(client.all(), holding("A B").all());
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
    check_clone_fails(answer, "no end after 100 rounds, which moved 0 artifacts");
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

#[test]
fn a_clone_that_may_not_read_tells_of_all_that_it_lacks_and_not_only_of_what_it_asked_for() {
    let answer = |round, _: &str| match round {
        1 => spelled("igot {B}\nigot {C}\nigot {D}\nclone_seqno 0\npush {S} {P}\n") + &file("A"),
        _ => "error not\\sauthorized\\sto\\sread\n".to_owned(),
    };
    let mut client = fresh().limited(|limits| limits.gimmes = 1);
    assert_eq!(clone(&mut client, &mut script(answer)).unwrap().unavailable, 3);
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
    let error = converse(&mut Session::clone_into(private(), SEED), &mut client, &mut server()).unwrap_err();
    assert_eq!(error.to_string(), "the peer refused: not authorized to sync private content");
}

#[test]
fn a_wrong_password_does_not_pass_where_everyone_may_clone() {
    let server = || holding("A B").rights("nobody", "go").rights("bob", "go");
    let wrong = SyncOptions { password: Some("wrong".to_owned()), ..bob(&pull()) };
    let error = converse(&mut Session::clone_into(wrong, SEED), &mut fresh(), &mut server()).unwrap_err();
    assert_eq!(error.to_string(), "the peer refused: login failed");

    let mut client = fresh();
    converse(&mut Session::clone_into(bob(&pull()), SEED), &mut client, &mut server()).unwrap();
    assert_eq!(client.all(), server().all());
}

#[test]
fn a_request_whose_reply_was_lost_may_be_sent_again() {
    for lost in 1..=4 {
        let mut server = holding("A B C D E F").limited(|limits| limits.reply_bytes = 25);
        let mut client = fresh();
        let mut session = Session::clone_into(pull(), SEED);
        let (faults, mut observer) = (crate::NoFaults, crate::NoObserver);
        let limits = Limits::default();
        let mut cx = cx(&limits, &faults, &mut observer);
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
fn a_clone_fails_if_the_right_to_read_goes_before_the_unversioned_files_that_were_listed_have_come() {
    let listed = format!("pragma uv-pull-only\nuvigot one 150 {} 5\n", id("A"));
    for (second, is_whole) in [(String::new(), true), (listed, false)] {
        let mut server = script(|round, _| match round {
            1 => "clone_seqno 0\npush {S} {P}\n".to_owned() + &file("A"),
            2 => second.clone() + &spelled("igot {B}\n"),
            _ => "error not\\sauthorized\\sto\\sread\n".to_owned(),
        });
        let options = SyncOptions { unversioned: true, ..pull() };
        let result = converse(&mut Session::clone_into(options, SEED), &mut fresh(), &mut server);
        let error = result.map_err(|error| error.to_string()).err();
        assert_eq!(error.is_none(), is_whole, "{error:?}");
        assert!(error.is_none_or(|error| error.contains("not authorized to read")));
    }
}
