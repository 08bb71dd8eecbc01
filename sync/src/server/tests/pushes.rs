//! Replies to pushes. Numbers are those of the table of limits and edge cases.

use xfer::card::Privacy;

use crate::testing::{Fixture, check_reply, cx, holding, message, over, signed, spelled, text};
use crate::{Event, NoFaults, Observer, handle_sync};

const PUSH: &str = "push {S} {P}\n";

/// A server where `bob` may do so much.
fn of_bob(names: &str, rights: &str) -> Fixture {
    holding(names).rights("bob", rights)
}

/// A request of bob, which no other has the nonce of.
fn by_bob(cards: &str) -> String {
    signed(&format!("{cards}# {}\n", xfer::hash::sha1(cards.as_bytes())))
}

fn file(name: &str) -> String {
    spelled(&format!("file {{{name}}} 10\nartifact {name}"))
}

#[test]
fn what_is_pushed_is_kept_and_not_announced_back() {
    let mut server = of_bob("A", "i");
    let request = by_bob(&format!("pull {{S}} {{P}}\n{PUSH}{}igot {{C}}\n", file("B")));
    assert_eq!(server.reply(&request), spelled("gimme {C}\nigot {A}\n"));
    assert!(server.holds("B"));
    assert!(!server.holds("C"));
}

#[test]
fn what_is_pushed_tells_who_sent_it() {
    let mut server = of_bob("", "i");
    let request = by_bob(&format!("{PUSH}{}", file("A")));
    assert_eq!(server.reply(&request), "");
    let snap = server.repo.snapshot().unwrap();
    let sql =
        "SELECT login, length(nonce), count(*) FROM blob JOIN rcvfrom USING(rcvid) JOIN user USING(uid)";
    let row = snap.conn().query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    assert_eq!(row.unwrap(), ("bob".to_owned(), 40, 1));
}

#[test]
fn a_server_asks_for_what_it_lacks_and_the_client_does_not() {
    check_reply(of_bob("A", "i").phantom("B"), &by_bob(PUSH), "gimme {B}\n");
    check_reply(of_bob("A", "i").phantom("B"), &by_bob(&format!("{PUSH}gimme {{B}}\n")), "");
    check_reply(of_bob("A", "i"), &by_bob(&format!("{PUSH}igot {{A}}\nigot {{B}}\n")), "gimme {B}\n");
}

/// A client that cannot send what it is a delta of sends it whole. That of something shunned would come as before,
/// again and again.
#[test]
fn what_waits_here_and_is_announced_is_asked_for_but_not_as_a_delta_of_something_shunned() {
    let waiting = || of_bob("", "i").delta("B", "A", Privacy::Public);
    check_reply(waiting(), &by_bob(PUSH), "gimme {A}\n");
    check_reply(waiting(), &by_bob(&format!("{PUSH}igot {{B}}\n")), "gimme {A}\ngimme {B}\n");
    check_reply(waiting().shunned("A"), &by_bob(&format!("{PUSH}igot {{B}}\n")), "");
}

/// Artifacts that were taken, request by request.
struct Kept(Vec<u64>);

impl Observer for Kept {
    fn observe(&mut self, event: &Event<'_>) {
        if let Event::RequestHandled { stats, .. } = event {
            self.0.push(stats.files_received);
        }
    }
}

#[test]
fn the_observer_hears_what_was_taken() {
    let mut server = of_bob("", "i");
    let (faults, mut kept) = (NoFaults, Kept(Vec::new()));
    for cards in [format!("{PUSH}{}{}", file("A"), file("B")), format!("{PUSH}{}# again\n", file("A"))] {
        let request = message(&by_bob(&cards));
        handle_sync(&mut server.repo, &request, &mut cx(&server.limits, &faults, &mut kept)).unwrap();
    }
    assert_eq!(kept.0, [2, 0]);
}

/// 124.
#[test]
fn a_reply_asks_for_no_more_than_its_limit_and_first_for_what_is_announced() {
    let server = of_bob("", "i").phantom("C").limited(|limits| limits.reply_gimmes = 2);
    let request = by_bob(&format!("{PUSH}igot {{A}}\nigot {{B}}\nigot {{D}}\n"));
    check_reply(server, &request, "gimme {A}\ngimme {B}\npragma x-more-gimmes\n");
}

/// 170.
#[test]
fn what_is_announced_and_sent_in_one_request_is_not_asked_for() {
    check_reply(of_bob("", "i"), &by_bob(&format!("{PUSH}igot {{A}}\n{}", file("A"))), "");
}

/// 50, 125.
#[test]
fn files_need_a_push_that_was_allowed() {
    let cannot = "error not\\sauthorized\\sto\\swrite\n";
    for (rights, cards, expected, kept) in [
        ("i", file("B"), cannot, false),
        ("i", format!("{}{PUSH}", file("B")), cannot, false),
        ("o", format!("{PUSH}{}", file("B")), cannot, false),
        ("o", format!("pull {{S}} {{P}}\n{PUSH}{}", file("B")), &format!("{cannot}igot {{A}}\n"), false),
        ("a", format!("{PUSH}{}", file("B")), "", true),
        ("s", format!("{PUSH}{}", file("B")), "", true),
        ("ei", format!("{PUSH}{}", file("B")), "", true),
    ] {
        let mut server = of_bob("A", rights);
        assert_eq!(server.reply(&by_bob(&cards)), spelled(expected), "{rights} {cards}");
        assert_eq!(server.holds("B"), kept, "{rights} {cards}");
    }
}

/// 66.
#[test]
fn one_false_artifact_undoes_the_whole_request() {
    let mut server = of_bob("", "i");
    let request = by_bob(&format!("{PUSH}{}file {{B}} 5\nnoise", file("A")));
    let reply = server.reply(&request);
    assert!(reply.starts_with("error ") && reply.contains(&spelled("{B}")), "{reply}");
    assert!(!server.holds("A"));
}

/// 181: so stock sends what it has no content for, since it waits for its delta source. It repeats that as often as it
/// is asked.
#[test]
fn an_empty_file_under_another_name_counts_as_not_sent() {
    let mut server = of_bob("", "i");
    let request = by_bob(&format!("{PUSH}file {{A}} 0\n{}igot {{A}}\n", file("B")));
    assert_eq!(server.reply(&request), "");
    assert_eq!((server.holds("A"), server.holds("B")), (false, true));
    assert_eq!(server.reply(&by_bob(&format!("{PUSH}igot {{A}}\n"))), spelled("gimme {A}\n"));
}

/// Else stock, which has content for neither, would be asked for the one and the other by turns, for ever.
#[test]
fn who_sends_nothing_but_empty_files_is_asked_for_each_name_once() {
    let igots = "igot {A}\nigot {B}\nigot {C}\n";
    let asked = |push: &str, gimmes: &str| {
        check_reply(of_bob("", "i"), &by_bob(&format!("{PUSH}{push}{igots}")), gimmes);
    };
    asked("", "gimme {A}\ngimme {B}\ngimme {C}\n");
    asked("file {A} 0\n", "gimme {B}\ngimme {C}\n");
    asked("file {B} 0\n", "gimme {C}\n");
    asked("file {C} 0\nfile {A} 0\n", "");
    asked("file {D} 0\n", "");
    asked(&format!("file {{B}} 0\n{}", file("C")), "gimme {A}\n");
    let waiting = of_bob("", "i").delta("B", "A", Privacy::Public);
    check_reply(waiting, &by_bob(&format!("{PUSH}file {{B}} 0\nigot {{B}}\n")), "gimme {A}\n");
}

/// 127: stock takes the word of who knows its name.
#[test]
fn what_is_private_here_and_announced_as_public_is_asked_for_and_public_once_it_came() {
    let server = || of_bob("", "i").private("A");
    check_reply(server(), &by_bob(&format!("{PUSH}igot {{A}} 1\n")), "");
    check_reply(server().shunned("A"), &by_bob(&format!("{PUSH}igot {{A}}\n")), "");
    let mut server = server();
    assert_eq!(server.reply(&by_bob(&format!("{PUSH}igot {{A}}\n"))), spelled("gimme {A}\n"));
    assert_eq!(server.reply(&by_bob("pull {S} {P}\n")), "", "it is private still");
    let waits = by_bob(&format!("{PUSH}igot {{A}}\nfile {{A}} {{N}} 3\nx:;"));
    assert_eq!(server.reply(&waits), "", "it would come so again");
    assert_eq!(server.reply(&by_bob(&format!("{PUSH}{}", file("A")))), "");
    assert_eq!(server.reply(&by_bob("pull {S} {P}\n# again\n")), spelled("igot {A}\n"));
}

/// 168: what comes before a card that is refused stands, as in stock.
#[test]
fn a_refusal_leaves_what_came_before_it() {
    let mut server = of_bob("", "i");
    let request = by_bob(&format!("{PUSH}{}config /config 0\n\n", file("A")));
    assert_eq!(server.reply(&request), "error not\\sauthorized\\sto\\spush\\sconfiguration\n");
    assert!(server.holds("A"));
}

/// 59.
#[test]
fn a_request_sent_twice_stores_nothing_new_under_its_nonce() {
    let mut server = of_bob("", "i");
    let request = by_bob(&format!("{PUSH}{}", file("A")));
    assert_eq!(server.reply(&request), "");
    assert_eq!(server.reply(&request), "", "all of it is here");
    server.sql("DELETE FROM blob");
    let reply = server.reply(&request);
    assert!(reply.starts_with("error ") && reply.contains("nonce"), "{reply}");
    assert!(!server.holds("A"));
}

/// 131, 134: stock stores such a file for all to see.
#[test]
fn a_private_artifact_of_who_may_push_none_is_dropped() {
    let refusal = "error not\\sauthorized\\sto\\ssync\\sprivate\\scontent\n";
    for (rights, expected, list) in
        [("i", refusal, &["B"][..]), ("as", refusal, &["B"]), ("ix", "", &["A", "B"])]
    {
        let mut server = of_bob("", rights);
        let request = by_bob(&format!("{PUSH}private\n{}{}", file("A"), file("B")));
        assert_eq!(server.reply(&request), expected, "{rights}");
        for name in ["A", "B"] {
            assert_eq!(server.holds(name), list.contains(&name), "{rights} {name}");
        }
    }
    let mut server = of_bob("", "ix");
    server.reply(&by_bob(&format!("{PUSH}private\n{}", file("A"))));
    assert_eq!(server.reply("pull {S} {P}\n"), "", "it is private here too");
}

/// 126, 127, 128.
#[test]
fn an_igot_neither_hides_nor_publishes() {
    let mut server = of_bob("A", "ix").private("B");
    let request = by_bob(&format!("{PUSH}igot {{A}} 1\nigot {{B}}\n"));
    assert_eq!(server.reply(&request), spelled("gimme {B}\n"));
    assert_eq!(server.reply("pull {S} {P}\n"), spelled("igot {A}\n"));
}

#[test]
fn a_private_igot_makes_a_phantom_only_for_who_may_send_it() {
    for (rights, expected) in [("i", ""), ("ix", "gimme {A}\n")] {
        let request = by_bob(&format!("pragma send-private\n{PUSH}igot {{A}} 1\n"));
        let mut server = of_bob("", rights);
        let reply = server.reply(&request);
        assert_eq!(
            reply.replace("error not\\sauthorized\\sto\\ssync\\sprivate\\scontent\n", ""),
            spelled(expected)
        );
        assert_eq!(server.reply(&by_bob(&format!("{PUSH}# again\n"))), "", "not asked of the public");
    }
}

/// 74.
#[test]
fn a_delta_whose_source_is_missing_waits_and_its_source_is_asked_for() {
    let delta = repo::delta::create(b"artifact A", b"artifact B");
    let delta = String::from_utf8(delta).unwrap();
    let mut server = of_bob("", "io");
    let card = format!("file {{B}} {{A}} {}\n{delta}", delta.len());
    assert_eq!(server.reply(&by_bob(&format!("{PUSH}{card}"))), spelled("gimme {A}\n"));
    assert!(!server.holds("B"));
    assert_eq!(server.reply(&by_bob(&format!("{PUSH}{}", file("A")))), "");
    assert!(server.holds("B"));
}

/// The client may have dropped what it waits for here, or never sent it.
#[test]
fn what_waits_here_for_a_delta_of_itself_is_asked_for_in_another_form() {
    let delta = |name: &str, source: &str| {
        let delta = repo::delta::create(text(source).as_bytes(), text(name).as_bytes());
        spelled(&format!(
            "file {{{name}}} {{{source}}} {}\n{}",
            delta.len(),
            String::from_utf8(delta).unwrap()
        ))
    };
    let waiting = || of_bob("", "i").delta("B", "C", Privacy::Public).delta("A", "B", Privacy::Public);
    let mut server = waiting();
    let first = by_bob(&format!("{PUSH}{}{}", delta("C", "A"), file("K")));
    assert_eq!(server.reply(&first), spelled("gimme {A}\ngimme {B}\n"), "that first which others wait with");
    assert!(server.holds("K") && !server.holds("C"), "the rest is kept");
    assert_eq!(server.reply(&by_bob(&format!("{PUSH}{}", file("A")))), spelled("gimme {C}\n"));
    assert_eq!(server.reply(&by_bob(&format!("{PUSH}{}", delta("C", "A")))), "");
    assert!(["A", "B", "C"].iter().all(|name| server.holds(name)));

    // A circle goes round, and nothing is lost by it.
    let mut server = waiting();
    let (before, circle) = (server.all(), delta("C", "A") + &delta("B", "A") + &delta("A", "C"));
    assert_eq!(server.reply(&by_bob(&format!("{PUSH}{circle}"))), "");
    assert_eq!(server.reply(&by_bob(&format!("{PUSH}{}{}", delta("C", "A"), file("A")))), "");
    assert_eq!(server.all().len(), before.len() + 1);
    assert!(["A", "B", "C"].iter().all(|name| server.holds(name)));

    // What is wholly of one request is an error of its sender.
    let mut server = of_bob("", "i");
    let reply = server.reply(&by_bob(&format!("{PUSH}{}{}", delta("A", "B"), delta("B", "A"))));
    assert!(reply.starts_with("error ") && reply.contains("itself"), "{reply}");
}

/// 86, 88.
#[test]
fn what_this_file_refuses_is_dropped_in_silence_and_not_asked_for() {
    let mut server = of_bob("", "i").shunned("A");
    assert_eq!(server.reply(&by_bob(&format!("{PUSH}{}igot {{A}}\n", file("A")))), "");
    assert!(!server.holds("A"));
}

#[test]
fn a_file_that_cannot_be_written_takes_no_push_and_still_answers_a_pull() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.fossil");
    drop(
        over(repo::Repo::create(&path, &crate::testing::genesis()).unwrap()).with("A").rights("nobody", "io"),
    );
    let mut server = over(repo::Repo::open_read_only(&path).unwrap());
    let message = "message pull\\sonly\\s-\\sthis\\srepository\\scan\\sonly\\sbe\\sread\\shere\n";
    let reply = server.reply(&format!("pull {{S}} {{P}}\n{PUSH}igot {{B}}\n"));
    assert_eq!(reply, spelled(&format!("{message}igot {{A}}\n")));
    let reply = server.reply(&format!("{PUSH}{}", file("B")));
    assert!(reply.starts_with("error not\\sauthorized\\sto\\swrite:"), "{reply}");
}

#[test]
fn a_push_of_nothing_new_waits_for_no_writer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.fossil");
    let repo = repo::Repo::create(&path, &crate::testing::genesis()).unwrap();
    let mut server = over(repo).with("A").rights("nobody", "io");
    let mut other = repo::Repo::open(&path).unwrap();
    let _writing = other.begin().unwrap();
    assert_eq!(server.reply(&format!("{PUSH}igot {{A}}\n")), "");
}
