//! Sessions that a peer would keep going for ever, or end too early.

use frond_tests::corpus::PROJECT;
use frond_tests::{Reply, sql};

use crate::support::{ClientCase, TIMESTAMP, clone_tail, file, name, once};

pub(crate) fn igot_never_satisfied(case: &ClientCase<'_>) {
    let id = name("never sent");
    let outcome = case.pull_once(format!("igot {id}\n"));
    outcome.is_sane().lacks(&id);
    assert!((2..=5).contains(&outcome.requests.len()), "{} requests", outcome.requests.len());
    assert_eq!(outcome.number("SELECT count(*) FROM phantom"), 1, "it is asked for again another time");
    // The same promise in every reply is no reason to go on either.
    let promise = format!("igot {id}\n{TIMESTAMP}");
    let outcome = case.pull(move |_| Reply::cards(promise.clone()));
    outcome.is_sane();
    assert!(outcome.requests.len() <= 5, "{} requests", outcome.requests.len());
}

pub(crate) fn endless_igots(case: &ClientCase<'_>) {
    let outcome = case.pull(|request| {
        Reply::cards(format!("igot {}\n{TIMESTAMP}", name(format!("invented {}", request.number))))
    });
    outcome.failed();
    // New content in every reply ends too: a hundred rounds, and one more for every four artifacts.
    let outcome = case.pull(|request| {
        let content = format!("content {}", request.number);
        let next = name(format!("content {}", request.number + 1));
        Reply::cards([file(content), format!("igot {next}\n{TIMESTAMP}").into_bytes()].concat())
    });
    outcome.failed().is_sound(case.bench);
}

pub(crate) fn same_clone_reply(case: &ClientCase<'_>) {
    for seqno in ["0", "5"] {
        let reply = [file("the same\n"), clone_tail(seqno).into_bytes(), TIMESTAMP.into()].concat();
        let outcome = case.clone(move |_| Reply::cards(reply.clone()));
        outcome.is_sane();
        assert!(outcome.requests.len() <= 10, "{} requests", outcome.requests.len());
    }
}

pub(crate) fn seqno_stands_still(case: &ClientCase<'_>) {
    let outcome = case.clone(|request| {
        let content = format!("content {}\n", request.number);
        Reply::cards([file(content), clone_tail("7").into_bytes(), TIMESTAMP.into()].concat())
    });
    outcome.failed();
    assert!(outcome.requests.len() <= 10, "{} requests", outcome.requests.len());
    let outcome = case.clone(|request| {
        let (content, seqno) = (format!("content {}\n", request.number), 100 - request.number);
        Reply::cards([file(content), clone_tail(&seqno.to_string()).into_bytes(), TIMESTAMP.into()].concat())
    });
    outcome.failed();
    assert!(outcome.requests.len() <= 10, "{} requests", outcome.requests.len());
}

pub(crate) fn bad_seqno(case: &ClientCase<'_>) {
    for seqno in ["-1", "x", "2147483648", "4294967296", "1 2"] {
        case.clone(once([file("content\n"), clone_tail(seqno).into_bytes()].concat())).failed();
    }
}

pub(crate) fn no_push_card(case: &ClientCase<'_>) {
    case.clone(once([file("content\n"), b"clone_seqno 0\n".to_vec()].concat())).failed();
    case.clone(once(Vec::new())).failed();
}

pub(crate) fn bad_push_card(case: &ClientCase<'_>) {
    for code in ["xyz", "", &PROJECT[1..], "not-a-hash"] {
        let cards = [file("content\n"), format!("clone_seqno 0\npush 5e5e {code}\n").into_bytes()].concat();
        case.clone(once(cards)).failed();
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
