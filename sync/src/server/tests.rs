//! Replies to requests, case by case. Numbers are those of the table of limits and edge cases.

mod configuration;
mod hints;
mod logins;
mod pushes;

use xfer::card::Privacy;

use super::*;
use crate::testing::{Fixture, check_reply, fresh, genesis, holding, message, over, signed, spelled, text};

const V: &str = "pragma client-version 22100 20230226 192424\n";

fn server_version() -> &'static str {
    "pragma server-version {V}\n"
}

#[test]
fn a_pull_is_told_what_is_in_no_cluster() {
    check_reply(holding("A B"), "pull {S} {P}\n", "igot {A}\nigot {B}\n");
}

#[test]
fn a_server_never_offers_what_it_cannot_or_must_not_send() {
    check_reply(holding("A").phantom("B"), "pull {S} {P}\n", "igot {A}\n");
    check_reply(holding("A").private("B"), "pull {S} {P}\n", "igot {A}\n");
    check_reply(holding("A B").shunned("B"), "pull {S} {P}\n", "igot {A}\n");
    check_reply(holding("A").delta("B", "C", Privacy::Public), "pull {S} {P}\n", "igot {A}\n");
}

/// 181.
#[test]
fn a_gimme_of_what_cannot_or_must_not_be_sent_gets_no_answer() {
    let gimme = format!("{V}pull {{S}} {{P}}\ngimme {{B}}\n");
    let expected = format!("{}igot {{A}}\n", server_version());
    check_reply(holding("A").phantom("B"), &gimme, &expected);
    check_reply(holding("A B").shunned("B"), &gimme, &expected);
    check_reply(holding("A").delta("B", "C", Privacy::Public), &gimme, &expected);
    check_reply(holding("A"), &gimme, &expected);
}

#[test]
fn the_version_is_told_to_who_told_theirs_in_full() {
    check_reply(holding(""), V, server_version());
    check_reply(holding(""), &V.repeat(2), &server_version().repeat(2)); // 49
    check_reply(holding(""), "pragma client-version 22100\n", ""); // 47
    check_reply(holding(""), "", ""); // 8
}

#[test]
fn a_gimme_is_answered_once_and_not_announced_as_well() {
    check_reply(
        holding("A B"),
        &format!("{V}pull {{S}} {{P}}\ngimme {{A}}\ngimme {{A}}\n"),
        &format!("{}file {{A}} 10\nartifact Aigot {{B}}\n", server_version()),
    );
}

/// 125.
#[test]
fn gimme_and_igot_before_pull_and_push_are_ignored() {
    check_reply(holding("A"), "gimme {A}\n", "");
    check_reply(holding("A"), "igot {A}\nigot {B}\n", "");
    check_reply(holding("A"), "gimme {A}\npull {S} {P}\n", "igot {A}\n");
}

/// 48.
#[test]
fn old_clients_are_refused_artifacts_with_long_names() {
    let refusal = "error Fossil\\sversion\\s2.0\\sor\\slater\\srequired.\n";
    check_reply(holding("A"), "pull {S} {P}\ngimme {A}\n", &format!("{refusal}igot {{A}}\n"));
    check_reply(holding("A"), "clone 3 1\n", refusal);
}

/// 45, 46 and the refusals of wire.md section 3.3.
#[test]
fn what_is_not_allowed_is_refused_in_the_words_of_stock() {
    let cases = [
        ("o", "pull {S} ABABABABABABABABABABABABABABABABABABABAB\n", "error wrong\\sproject\n"),
        ("o", "pull any abababababababababababababababababababab\n", ""),
        ("o", "push {S} 00abababababababababababababababababab00\n", "error wrong\\sproject\n"),
        ("g", "pull {S} {P}\n", "error not\\sauthorized\\sto\\sread\n"),
        ("o", "push {S} {P}\n", "error not\\sauthorized\\sto\\swrite\n"),
        ("o", "file {A} 10\nartifact A", "error not\\sauthorized\\sto\\swrite\n"),
        ("o", "pull {S} {P}\npush {S} {P}\n", "message pull\\sonly\\s-\\snot\\sauthorized\\sto\\spush\n"),
        ("o", "pull {S} {P}\npush {S} {P}\nfile {A} 10\nartifact A", "error not\\sauthorized\\sto\\swrite\n"),
        ("o", "clone 3 1\n", "push {S} {P}\nerror not\\sauthorized\\sto\\sclone\n"),
        ("io", "clone 3 1\n", "push {S} {P}\nerror not\\sauthorized\\sto\\sclone\n"),
        ("o", "pragma send-private\n", "error not\\sauthorized\\sto\\ssync\\sprivate\\scontent\n"),
        ("as", "pragma send-private\n", "error not\\sauthorized\\sto\\ssync\\sprivate\\scontent\n"),
        ("o", "config /config 0\n\n", "error not\\sauthorized\\sto\\spush\\sconfiguration\n"),
        ("g", "clone 3 0\n", "error invalid\\sclone\\ssequence\\snumber\n"),
    ];
    for (rights, request, expected) in cases {
        check_reply(holding("").rights("nobody", rights), request, expected);
    }
}

/// 29, 34, 35, 37.
#[test]
fn unknown_cards_are_bad_commands_and_the_rest_is_still_answered() {
    let cases = [
        ("bogus a b\n", "error bad\\scommand:\\sbogus\\sa\\sb\n"),
        ("clone_seqno 3\n", "error bad\\scommand:\\sclone_seqno\n"),
        ("error x\n", "error bad\\scommand:\\serror\n"),
        ("message x\n", "error bad\\scommand:\\smessage\n"),
    ];
    for (card, expected) in cases {
        let request = format!("{V}{card}pull {{S}} {{P}}\n");
        check_reply(holding("A"), &request, &format!("{expected}igot {{A}}\n"));
    }
    let reply = holding("").reply(&format!("{}\n", "x".repeat(100_000)));
    assert!(reply.len() < 200, "{reply}");
}

#[test]
fn a_clone_of_version_3_gets_the_stored_form() {
    let reply = holding("A").reply(&format!("{V}clone 3 1\n"));
    let frame = repo::zlib::Codec::new().pack(text("A").as_bytes());
    let frame = String::from_utf8_lossy(&frame).into_owned();
    assert!(reply.contains(&spelled("cfile {A} 10 25\n")), "{reply}");
    assert!(reply.contains(&frame), "{reply}");
    assert!(reply.ends_with(&spelled("clone_seqno 0\npush {S} {P}\n")), "{reply}");
}

#[test]
fn a_clone_of_version_2_gets_file_cards_and_deltas_as_they_are_stored() {
    check_reply(
        holding("A"),
        &format!("{V}clone 2 1\n"),
        &format!("{}file {{A}} 10\nartifact Aclone_seqno 0\npush {{S}} {{P}}\n", server_version()),
    );
    let reply = holding("A").delta("B", "A", Privacy::Public).reply(&format!("{V}clone 2 2\n"));
    assert!(reply.contains(&spelled("file {B} {A} ")), "{reply}");
}

#[test]
fn a_clone_of_version_1_gets_every_name_and_then_what_it_asks_for() {
    check_reply(holding("A B"), "clone\n", "push {S} {P}\nigot {B}\nigot {A}\n");
    check_reply(
        holding("A B"),
        &format!("{V}clone\ngimme {{B}}\n"),
        &format!("{}push {{S}} {{P}}\nfile {{B}} 10\nartifact Bigot {{A}}\n", server_version()),
    );
}

#[test]
fn a_clone_past_the_end_is_done() {
    check_reply(holding("A"), "clone 3 1000\n", "clone_seqno 0\npush {S} {P}\n");
    check_reply(holding(""), "clone 3 1\n", "clone_seqno 0\npush {S} {P}\n");
}

#[test]
fn a_clone_passes_over_what_must_not_be_sent() {
    let server =
        holding("").phantom("A").private("B").with("C").shunned("C").delta("D", "E", Privacy::Public);
    check_reply(
        server,
        &format!("{V}clone 2 1\n"),
        &format!("{}clone_seqno 0\npush {{S}} {{P}}\n", server_version()),
    );
}

/// 123.
#[test]
fn a_reply_holds_one_artifact_however_small_its_budget() {
    let limited = || holding("A B C").limited(|limits| limits.reply_bytes = 1);
    check_reply(
        limited(),
        &format!("{V}clone 2 1\n"),
        &format!("{}file {{A}} 10\nartifact Aclone_seqno 2\npush {{S}} {{P}}\n", server_version()),
    );
    check_reply(
        limited(),
        &format!("{V}pull {{S}} {{P}}\ngimme {{B}}\ngimme {{A}}\ngimme {{C}}\n"),
        &format!("{}file {{C}} 10\nartifact Cigot {{B}}\nigot {{A}}\n", server_version()),
    );
}

#[test]
fn a_second_artifact_waits_if_it_does_not_fit_with_the_first() {
    check_reply(
        holding("A B C").limited(|limits| limits.reply_bytes = 25),
        &format!("{V}clone 2 1\n"),
        &format!(
            "{}file {{A}} 10\nartifact Afile {{B}} 10\nartifact Bclone_seqno 3\npush {{S}} {{P}}\n",
            server_version()
        ),
    );
}

#[test]
fn a_reply_takes_up_no_more_artifacts_when_its_time_is_over() {
    let mut server = holding("A B C").limited(|limits| limits.reply_ms = 10);
    let elapsed = std::cell::Cell::new(0);
    let clock = || {
        elapsed.set(elapsed.get() + 6);
        UnixTime(elapsed.get())
    };
    let (faults, mut observer) = (crate::NoFaults, crate::NoObserver);
    let mut cx = crate::testing::cx(&server.limits, &faults, &mut observer);
    cx.clock = Some(&clock);
    let reply = handle_sync(&mut server.repo, &message(&format!("{V}clone 2 1\n")), &mut cx).unwrap();
    assert!(reply.cards.contains(&Card::CloneSeqno(3)), "{reply:?}");
}

/// 123.
#[test]
fn a_repository_may_lower_the_budget_of_its_replies_and_not_raise_it() {
    let sent = |value: &str, limit: u64| {
        let mut server = holding("A B C").limited(|limits| limits.reply_bytes = limit);
        server.sql(&format!("INSERT INTO config(name, value) VALUES('max-download', {value})"));
        server.reply(&format!("{V}clone 2 1\n")).matches("file ").count()
    };
    for (value, limit, files) in [
        ("1", 1000, 1),
        ("'0'", 1000, 1),
        ("'25'", 1000, 2),
        ("'99999'", 25, 2),
        ("'-5'", 1000, 3),
        ("'many'", 1000, 3),
        ("NULL", 1000, 3),
    ] {
        assert_eq!(sent(value, limit), files, "{value} under {limit}");
    }
}

#[test]
fn a_repository_may_shorten_the_time_of_its_replies() {
    let next = |seconds: &str, step: i64| {
        let mut server = holding("A B C");
        server.sql(&format!("INSERT INTO config(name, value) VALUES('max-download-time', '{seconds}')"));
        let elapsed = std::cell::Cell::new(0);
        let clock = || {
            elapsed.set(elapsed.get() + step);
            UnixTime(elapsed.get())
        };
        let (faults, mut observer) = (crate::NoFaults, crate::NoObserver);
        let mut cx = crate::testing::cx(&server.limits, &faults, &mut observer);
        cx.clock = Some(&clock);
        let reply = handle_sync(&mut server.repo, &message(&format!("{V}clone 2 1\n")), &mut cx).unwrap();
        reply.cards.iter().find_map(|card| if let Card::CloneSeqno(next) = card { Some(*next) } else { None })
    };
    assert_eq!(next("1", 600), Some(3));
    assert_eq!(next("0", 600), Some(3), "a second at least");
    assert_eq!(next("10", 600), Some(0));
    assert_eq!(next("99", 20_000), Some(3), "no more than the server's own limit");
}

/// 169.
#[test]
fn a_clone_and_a_pull_in_one_request_are_both_answered() {
    check_reply(
        holding("A"),
        &format!("{V}clone 2 1\npull {{S}} {{P}}\n"),
        &format!("{}file {{A}} 10\nartifact Aclone_seqno 0\npush {{S}} {{P}}\n", server_version()),
    );
}

#[test]
fn a_catalog_is_everything_public_and_needs_a_pull() {
    let mut server = holding("A B").private("C");
    server.sql("DELETE FROM unclustered");
    assert_eq!(server.reply("pull {S} {P}\n"), "");
    assert_eq!(server.reply("pull {S} {P}\npragma send-catalog\n"), spelled("igot {B}\nigot {A}\n"));
    assert_eq!(server.reply("pragma send-catalog\n"), ""); // 171
}

/// 128.
#[test]
fn a_private_artifact_is_hinted_at_to_those_who_name_it_and_may_not_have_it() {
    let gimme = "pull {S} {P}\ngimme {A}\n";
    check_reply(holding("").private("A"), gimme, "");
    check_reply(
        holding("").private("A"),
        &format!("{V}{gimme}"),
        &format!("{}igot {{A}} 1\n", server_version()),
    );
}

#[test]
fn private_artifacts_are_announced_and_sent_to_those_who_may_see_them() {
    let server = || holding("B").private("A").rights("nobody", "gox");
    check_reply(server(), "pragma send-private\npull {S} {P}\n", "igot {B}\nigot {A} 1\n");
    check_reply(
        server(),
        &format!("{V}pragma send-private\npull {{S}} {{P}}\ngimme {{A}}\n"),
        &format!("{}private\nfile {{A}} 10\nartifact Aigot {{B}}\n", server_version()),
    );
    check_reply(
        server(),
        &format!("{V}pragma send-private\nclone 2 2\n"),
        &format!("{}private\nfile {{A}} 10\nartifact Aclone_seqno 0\npush {{S}} {{P}}\n", server_version()),
    );
}

#[test]
fn a_public_delta_of_a_private_source_goes_as_full_text() {
    // No repository that we keep has such a delta; stock may have left one.
    let mut server = holding("A").delta("B", "A", Privacy::Public);
    server.sql("INSERT INTO private SELECT rid FROM blob WHERE rid=1");
    let whole = format!("{}file {{B}} 10\nartifact B", server_version());
    for kind in ["2", "3"] {
        let reply = server.reply(&format!("{V}clone {kind} 1\n"));
        assert_eq!(reply, spelled(&format!("{whole}clone_seqno 0\npush {{S}} {{P}}\n")));
    }
}

/// 50 to 59.
#[test]
fn a_login_adds_rights_to_those_of_nobody() {
    let request = signed("pull {S} {P}\n# 1\n");
    let server = |rights: &str| holding("A").rights("nobody", "").rights("bob", rights);
    let refused = "error not\\sauthorized\\sto\\sread\n";
    for (rights, expected) in [
        ("o", "igot {A}\n"),
        ("i", "igot {A}\n"),
        ("v", "igot {A}\n"),
        ("u", refused),
        ("g", refused),
        ("", refused),
    ] {
        check_reply(server(rights).rights("developer", "ei").rights("reader", "kptw"), &request, expected);
    }
}

#[test]
fn a_login_that_is_not_good_ends_the_request() {
    let failed = "error login\\sfailed\n";
    let good = signed("pull {S} {P}\n# 1\n");
    let server = || holding("A").rights("bob", "o");
    check_reply(server(), &good, "igot {A}\n");
    check_reply(server(), &format!("{good}# more\n"), failed);
    check_reply(server(), &good.replace("login bob", "login rob"), failed);
    check_reply(holding("A"), &good, failed);
    check_reply(server().rights("developer", "o"), &good.replace("login bob", "login developer"), failed);
    check_reply(server(), &good.replace("login bob", "login nobody"), "igot {A}\n");
    check_reply(server(), &good.replace("login bob", "login anonymous"), "igot {A}\n");
    check_reply(server(), &format!("{}# more\n", good.replace("login bob", "login nobody")), failed);

    let mut empty = server();
    empty.sql("UPDATE user SET pw='' WHERE login='bob'");
    assert_eq!(empty.reply(&good), failed);
    let mut clear = server();
    clear.sql("UPDATE user SET pw='correct horse' WHERE login='bob'");
    assert_eq!(clear.reply(&good), spelled("igot {A}\n"));
}

#[test]
fn cards_of_what_is_not_served_yet_are_passed_over() {
    let request = "pragma uv-hash da39a3ee5e6b4b0d3255bfef95601890afd80709\nuvgimme x\ncookie x\n\
        pragma ci-lock {A} cccccccccccccccccccccccccccccccccccccccc\npragma req-links\npragma made-up\n";
    check_reply(holding("A"), request, "");
}

/// 159.
#[test]
fn clusters_are_named_only_to_those_who_may_read() {
    check_reply(holding("A"), "pragma req-clusters\n", "");
    check_reply(holding("A").rights("nobody", "g"), "pragma req-clusters\n", "");
}

fn hundred() -> Fixture {
    with_hundred(holding(""))
}

fn with_hundred(server: Fixture) -> Fixture {
    (0..100).fold(server, |server, number| server.artifact(&number.to_string(), Privacy::Public))
}

/// 155, 172.
#[test]
fn a_pull_makes_clusters_when_enough_is_in_none() {
    let mut server = hundred();
    let reply = server.reply("pull {S} {P}\n");
    assert_eq!(reply.lines().count(), 1, "{reply}");
    assert_eq!(server.reply("pull {S} {P}\n"), reply);
    assert_eq!(server.all().len(), 101);
    assert_eq!(server.reply("pragma req-clusters\n"), "", "the only cluster is in none itself");
    server.sql("DELETE FROM unclustered");
    let expected = format!("# sending-clusters\n{reply}# end-of-clusters\n");
    assert_eq!(server.reply("pragma req-clusters\n"), expected);
}

#[test]
fn clusters_are_made_for_nobody_who_may_not_pull() {
    for request in ["pull {S} 00abababababababababababababababababab00\n", "clone 3 1\n", "pull {S} {P}\n"] {
        let mut server = hundred().rights("nobody", "");
        server.reply(request);
        assert_eq!(server.all().len(), 100);
    }
}

/// 155.
#[test]
fn a_file_that_cannot_be_written_is_served_without_new_clusters() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.fossil");
    drop(with_hundred(over(Repo::create(&path, &genesis()).unwrap())));
    let mut server = over(Repo::open_read_only(&path).unwrap());
    assert_eq!(server.reply("pull {S} {P}\n").lines().count(), 100);
}

#[test]
fn an_unfinished_clone_is_not_served() {
    let mut server = holding("A");
    let tx = server.repo.begin().unwrap();
    partial::save(&tx, &partial::Partial::default()).unwrap();
    tx.commit().unwrap();
    let expected = "error this\\srepository\\sis\\san\\sunfinished\\sclone:\\stry\\sagain\\slater\n";
    for request in ["clone 3 1\n", "pull {S} {P}\n"] {
        assert_eq!(server.reply(request), expected);
    }
}

#[test]
fn a_file_without_a_project_is_not_served() {
    let mut server = fresh().rights("nobody", "gio");
    let expected = "error this\\srepository\\shas\\sno\\sproject\\scode\\syet:\\stry\\sagain\\slater\n";
    for request in ["clone 3 1\n", "pull {S} {P}\n"] {
        assert_eq!(server.reply(request), expected);
    }
}

#[test]
fn only_a_batch_clone_of_version_3_changes_the_framing_of_the_reply() {
    let framed = |request: &str| reply_content_type(&message(request), ContentType::Compressed);
    assert_eq!(framed("clone 3 1\n"), ContentType::Uncompressed);
    assert_eq!(framed("clone 4 1\n"), ContentType::Uncompressed);
    for request in ["clone 2 1\n", "clone\n", "pull {S} {P}\n", ""] {
        assert_eq!(framed(request), ContentType::Compressed);
    }
}

#[test]
fn the_observer_hears_of_each_request() {
    let mut server = holding("A");
    let (faults, mut diary) = (crate::NoFaults, crate::testing::Diary::default());
    let mut cx = crate::testing::cx(&server.limits, &faults, &mut diary);
    handle_sync(&mut server.repo, &message(&format!("{V}clone 3 1\n")), &mut cx).unwrap();
    handle_sync(&mut server.repo, &message(&format!("{V}pull {{S}} {}\n", "0".repeat(40))), &mut cx).unwrap();
    assert_eq!(diary.0, ["clone request", "handled, 1 sent", "pull request", "refused: wrong project"]);
}
