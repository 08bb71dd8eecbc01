//! What a running 2.29 lets pass, and what came of attacking stock from both sides (sections I and J).

use frond_tests::artifact::Cards;
use frond_tests::{Reply, http, sql};

use crate::cards::{delta, file, name};
use crate::signing::signed;
use crate::support::{ClientCase, END, PULL, PUSH, ServerCase, once, pull_cards, taken, turned_away};

const NEWS: &str = "something new\n";

pub(crate) fn no_content_type(case: &ServerCase<'_>) {
    let text = pull_cards();
    let length = text.len().to_string();
    for path in ["/xfer", "/"] {
        let answer = case.send(&format!("POST {path}"), &[("Content-Length", &length)], text.as_bytes());
        turned_away(&answer, 400);
    }
}

/// A source that nobody has, a delta of it, and what the delta makes of it.
fn delta_of_nothing() -> (String, Vec<u8>, String) {
    let source = "a source that comes later\n".repeat(20);
    let target = format!("{source}and one more line\n");
    let patch = repo::delta::create(source.as_bytes(), target.as_bytes());
    (source, patch, target)
}

pub(crate) fn dangling_delta(case: &ServerCase<'_>) {
    let case = ServerCase::of_bob(case.bench, "io");
    let (source, patch, target) = delta_of_nothing();
    let text = case.push(delta(&name(&target), &name(&source), &patch)).text();
    assert!(text.contains(&format!("gimme {}\n", name(&source))), "{text}");
    let asked = format!("{PULL}gimme {}\ngimme {}\n", name(&target), name(&source));
    let text = case.by_bob(asked).text();
    assert!(!text.contains(&name(&target).to_string()) && !text.contains("file "), "{text}");
    let text = case.by_bob(format!("{PULL}pragma send-catalog\n")).text();
    assert!(text.contains("igot ") && !text.contains(&name(&target).to_string()), "{text}");
    taken(&case.push(file(&source)));
    assert!(case.holds(&name(&target)));
    case.is_sound();
}

pub(crate) fn false_delta_whose_source_comes(case: &ServerCase<'_>) {
    let case = ServerCase::of_bob(case.bench, "io");
    let (source, patch, _) = delta_of_nothing();
    taken(&case.push(delta(&name(NEWS), &name(&source), &patch)));
    let text = case.push(file(&source)).text();
    assert!(text.contains(&format!("gimme {}\n", name(NEWS))) && !text.contains("error "), "{text}");
    assert!(case.holds(&name(&source)) && !case.holds(&name(NEWS)));
    let phantoms = "SELECT uuid FROM phantom JOIN blob USING(rid)";
    assert_eq!(sql::column(&case.file, phantoms), [name(NEWS).to_string()]);
    case.is_sound();
    taken(&case.push(file(NEWS)));
    assert!(case.holds(&name(NEWS)));
}

/// Nothing of a reply counts that is cut off at any byte.
pub(crate) fn cut_anywhere(case: &ClientCase<'_>) {
    let cards = [file(NEWS), END.into()].concat();
    let Reply::Raw(whole) = Reply::typed("application/x-fossil-uncompressed", &cards) else { panic!() };
    let (path, id) = case.ahead();
    for length in 0..whole.len() {
        let cut = whole[..length].to_vec();
        let outcome = case.session(&["sync"], "", path.clone(), move |_| Reply::Raw(cut.clone()));
        let said = &outcome.said;
        assert!(!matches!(said.code, Some(0 | 101) | None), "cut at {length}\n{said}");
        outcome.lacks(&name(NEWS));
        let waiting = sql::column(&outcome.file, "SELECT uuid FROM unsent JOIN blob USING(rid)");
        assert_eq!(waiting, [id.to_string()], "cut at {length}");
    }
    let outcome = case.session(&["sync"], "", path, move |_| Reply::Raw(whole.clone()));
    outcome.went_well().holds(&name(NEWS));
    assert_eq!(outcome.number("SELECT count(*) FROM unsent"), 0);
}

/// Nor does anything of a request that is cut off at any byte: nobody so much as writes to the file.
pub(crate) fn request_cut_anywhere(case: &ServerCase<'_>) {
    let case = ServerCase::of_bob(case.bench, "io");
    let cards = signed("bob", [PUSH.as_bytes(), &file(NEWS)].concat());
    let length = cards.len().to_string();
    let headers = [("Content-Type", "application/x-fossil-uncompressed"), ("Content-Length", &length)];
    let whole = http::request("POST /", &headers, &cards);
    let head = whole.len() - cards.len();
    // A number that is another one after every transaction of somebody else.
    let watch = sql::open(&case.file);
    let version = || watch.query_row("PRAGMA data_version", (), |row| row.get::<_, i64>(0)).unwrap();
    let before = version();
    for length in 0..whole.len() {
        let answer = http::send_and_hang_up(case.server.address, &whole[..length]);
        turned_away(&answer, if length < head { 0 } else { 408 });
        assert_eq!(version(), before, "cut at {length}");
    }
    assert!(!case.holds(&name(NEWS)));
    taken(&http::send(case.server.address, &whole));
    assert!(case.holds(&name(NEWS)) && version() != before);
    case.is_sound();
}

pub(crate) fn stalls(case: &ClientCase<'_>) {
    let Reply::Raw(whole) = Reply::typed("application/x-fossil-uncompressed", END) else { panic!() };
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        let cut = whole[..length].to_vec();
        let (path, id) = case.ahead();
        let words = ["sync", "--timeout", "1"];
        let outcome = case.session(&words, "", path, move |_| Reply::Stall(cut.clone()));
        outcome.failed("sent nothing more for 1 seconds");
        let waiting = sql::column(&outcome.file, "SELECT uuid FROM unsent JOIN blob USING(rid)");
        assert_eq!(waiting, [id.to_string()], "stalled at {length}");
    }
}

/// What came is kept, and the session ends.
pub(crate) fn endless_content(case: &ClientCase<'_>) {
    for command in ["pull", "sync"] {
        let outcome = case.session(&[command], "", case.ahead().0, |request| {
            let next = name(format!("content {}\n", request.number + 1));
            let content = file(format!("content {}\n", request.number));
            Reply::cards([content, format!("igot {next}\n{END}").into_bytes()].concat())
        });
        outcome.failed("no end after").holds(&name("content 1\n")).holds(&name("content 100\n"));
        outcome.is_sound(case.bench);
    }
}

/// A public artifact stays public, here and for everyone who asks.
pub(crate) fn private_tag(case: &ServerCase<'_>) {
    let case = ServerCase::of_bob(case.bench, "io");
    let tip = case.bench.tip();
    let control = Cards::seal(&format!("D 2026-01-02T03:04:05\nT +private {tip}\nU bob\n"));
    taken(&case.push(file(&control)));
    assert!(case.holds(&name(&control)));
    assert_eq!(case.number("SELECT count(*) FROM private"), 0);
    let text = case.by_bob(format!("{PULL}gimme {tip}\n")).text();
    assert!(text.contains(&format!("file {tip} ")), "{text}");
}

/// A new name in every reply to a sync is no reason to go on.
pub(crate) fn endless_names(case: &ClientCase<'_>) {
    let outcome = case.session(&["sync"], "", case.ahead().0, |request| {
        Reply::cards(format!("igot {}\n{END}", name(format!("invented {}", request.number))))
    });
    outcome.failed("3 rounds in a row brought nothing new");
    case.session(&["sync"], "", outcome.file, once("")).went_well();
}
