//! Sessions that a peer would keep going for ever, or end too early.

use frond_tests::corpus::PROJECT;
use frond_tests::scripted::Request;
use frond_tests::{Reply, sql};

use crate::cards::{file, name};
use crate::support::{ClientCase, END, Outcome, clone_tail, once};

pub(crate) fn igot_never_satisfied(case: &ClientCase<'_>) {
    let id = name("never sent");
    let outcome = case.pull_once(format!("igot {id}\n"));
    outcome.went_well().lacks(&id).rounds(2);
    assert_eq!(outcome.number("SELECT count(*) FROM phantom"), 1, "it is asked for again another time");
    // The same promise in every reply is no reason to go on either.
    let promise = format!("igot {id}\n{END}");
    case.pull(move |_| Reply::cards(promise.clone())).went_well().lacks(&id).rounds(2);
}

pub(crate) fn endless_igots(case: &ClientCase<'_>) {
    let outcome = case.pull(|request| {
        Reply::cards(format!("igot {}\n{END}", name(format!("invented {}", request.number))))
    });
    outcome.failed("3 rounds in a row brought nothing new").rounds(4);
    // New content in every reply ends too: a hundred rounds, and one more for every four artifacts.
    let outcome = case.pull(|request| {
        let content = format!("content {}", request.number);
        let next = name(format!("content {}", request.number + 1));
        Reply::cards([file(content), format!("igot {next}\n{END}").into_bytes()].concat())
    });
    outcome.failed("no end after").is_sound(case.bench);
    assert!(outcome.requests.len() >= 100, "{} requests", outcome.requests.len());
}

pub(crate) fn same_clone_reply(case: &ClientCase<'_>) {
    // Whole with the first reply: only the configuration is still asked for.
    let whole = [file("the same\n"), clone_tail("0").into_bytes(), END.into()].concat();
    let script = move |_: &Request| Reply::cards(whole.clone());
    case.clone(script).went_well().holds(&name("the same\n")).rounds(2);
    // Something is missing, so it is asked for; what comes instead is no reason to ask again.
    let promise = format!("igot {}\n", name("never sent"));
    let reply = [file("the same\n"), promise.into(), clone_tail("0").into_bytes(), END.into()].concat();
    let outcome = case.clone(move |_| Reply::cards(reply.clone()));
    outcome.went_well().holds(&name("the same\n")).rounds(2);
    // With new content in every reply there is a bound all the same.
    let outcome = case.clone(|request| {
        let content = file(format!("content {}\n", request.number));
        let promise = format!("igot {}\n", name("never sent"));
        Reply::cards([content, promise.into(), clone_tail("0").into_bytes(), END.into()].concat())
    });
    outcome.failed("no end after").holds(&name("content 1\n")).holds(&name("content 100\n"));
}

pub(crate) fn seqno_stands_still(case: &ClientCase<'_>) {
    let outcome = case.clone(|request| {
        let content = format!("content {}\n", request.number);
        Reply::cards([file(content), clone_tail("7").into_bytes(), END.into()].concat())
    });
    outcome.failed("clone_seqno does not rise: asked from 7, told to go on from 7").rounds(2);
    outcome.holds(&name("content 1\n")).lacks(&name("content 2\n"));
    let outcome = case.clone(|request| {
        let (content, seqno) = (format!("content {}\n", request.number), 100 - request.number);
        Reply::cards([file(content), clone_tail(&seqno.to_string()).into_bytes(), END.into()].concat())
    });
    outcome.failed("clone_seqno does not rise: asked from 99, told to go on from 98").rounds(2);
    // The same from the start.
    let outcome = clone_with(case, "1");
    outcome.failed("clone_seqno does not rise: asked from 1, told to go on from 1").rounds(1);
}

/// A clone whose first reply brings a file and this cursor.
fn clone_with(case: &ClientCase<'_>, seqno: &str) -> Outcome {
    case.clone(once([file("content\n"), clone_tail(seqno).into_bytes()].concat()))
}

pub(crate) fn bad_seqno(case: &ClientCase<'_>) {
    for (seqno, words) in [
        ("-1", "a number that is not all digits"),
        ("x", "a number that is not all digits"),
        ("2147483648", "a number over 2147483647"),
        ("4294967298", "a number over 2147483647"),
        ("1 2", "a card that has no place in a reply: clone_seqno 1 2"),
    ] {
        clone_with(case, seqno).failed(words).lacks(&name("content\n")).rounds(1);
    }
}

pub(crate) fn no_push_card(case: &ClientCase<'_>) {
    let words = "clone reply does not name its project";
    case.clone(once([file("content\n"), b"clone_seqno 0\n".to_vec()].concat())).failed(words).rounds(1);
    case.clone(once(Vec::new())).failed(words).rounds(1);
}

pub(crate) fn bad_push_card(case: &ClientCase<'_>) {
    for code in ["xyz", "", &PROJECT[1..], "not-a-hash"] {
        let cards = [file("content\n"), format!("clone_seqno 0\npush 5e5e {code}\n").into_bytes()].concat();
        case.clone(once(cards)).failed(&format!("a card that has no place in a reply: push 5e5e {code}"));
    }
}

pub(crate) fn public_stays_public(case: &ClientCase<'_>) {
    let (id, _) = case.bench.some_file();
    let outcome = case.pull_once(format!("igot {id} 1\n"));
    assert_eq!(outcome.went_well().number("SELECT count(*) FROM private"), 0);
}

pub(crate) fn private_stays_private(case: &ClientCase<'_>) {
    let (id, _) = case.bench.some_file();
    let path = case.copy();
    sql::execute(&path, &format!("INSERT INTO private SELECT rid FROM blob WHERE uuid='{id}'"));
    let outcome = case.pull_into(path, once(format!("igot {id}\n")));
    assert_eq!(outcome.went_well().number("SELECT count(*) FROM private"), 1);
}

pub(crate) fn unasked_file(case: &ClientCase<'_>) {
    let outcome = case.pull_once(file("nobody asked\n"));
    outcome.went_well().holds(&name("nobody asked\n")).is_sound(case.bench);
}
