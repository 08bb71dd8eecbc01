//! What a server makes of a push, and what a client pushes (the push halves of sections B, D and F, and private
//! artifacts of section G).

use frond_tests::scripted::Request;
use frond_tests::{Reply, compare, frond, sql};

use crate::cards::{cfile, delta, file, name, named};
use crate::signing::signed;
use crate::support::{
    ClientCase, END, PULL, ServerCase, VERSION, make_page, once, packed, refused, refused_as, taken,
};

const NEWS: &str = "something new\n";
const MORE: &str = "and more of it\n";
const CANNOT_SYNC_PRIVATE: &str = "not\\sauthorized\\sto\\ssync\\sprivate\\scontent";

fn of_bob<'a>(case: &ServerCase<'a>, rights: &str) -> ServerCase<'a> {
    ServerCase::of_bob(case.bench, rights)
}

pub(crate) fn line_feed_after_payload(case: &ServerCase<'_>) {
    let case = of_bob(case, "i");
    taken(&case.push([file(NEWS), b"\n".to_vec(), file(MORE)].concat()));
    assert!(case.holds(&name(NEWS)) && case.holds(&name(MORE)));
}

/// Every payload is followed by a card at once, and none is compressed (81).
pub(crate) fn what_is_pushed(case: &ClientCase<'_>) {
    let (path, id) = case.ahead();
    let outcome = case.session(&["push"], "", path, once(""));
    let text = &outcome.went_well().rounds(1).requests[0].text;
    let mut rest = text.as_str();
    let mut files = Vec::new();
    while let Some((card, tail)) = rest.split_once('\n') {
        let words: Vec<_> = card.split(' ').collect();
        assert!(["pragma", "push", "file", "igot", "#"].contains(&words[0]), "{card:?} in {text}");
        rest = tail;
        if words[0] == "file" {
            files.push(words[1].to_owned());
            rest = &tail[words[words.len() - 1].parse::<usize>().unwrap()..];
        }
    }
    assert_eq!((files, rest), (vec![id.to_string()], ""), "{text}");
}

pub(crate) fn upper_case_hash(case: &ServerCase<'_>) {
    let case = of_bob(case, "i");
    let upper = format!("file {} {}\n{NEWS}", name(NEWS).to_string().to_uppercase(), NEWS.len());
    refused(&case.push([file(MORE), upper.into_bytes()].concat()));
    assert!(!case.holds(&name(NEWS)) && !case.holds(&name(MORE)));
}

pub(crate) fn wrong_hash(case: &ServerCase<'_>) {
    let case = of_bob(case, "i");
    let (source, content) = case.bench.some_file();
    let patch = repo::delta::create(&content, b"something else\n");
    for (what, bad) in
        [("full", named(&name(NEWS), b"noise\n")), ("delta", delta(&name(NEWS), &source, &patch))]
    {
        let answer = case.push([file(MORE), bad].concat());
        refused(&answer);
        assert!(answer.text().contains(&name(NEWS).to_string()), "it is named: {answer:?}");
        assert!(!case.holds(&name(NEWS)) && !case.holds(&name(MORE)), "{what}");
    }
    case.is_sound();
}

pub(crate) fn cfile_is_stored_with_its_real_size(case: &ServerCase<'_>) {
    let case = of_bob(case, "i");
    let content = "many lines\n".repeat(500);
    let id = name(&content);
    taken(&case.push(cfile(&id, content.len(), &packed(content.as_bytes()))));
    let size = case.number(&format!("SELECT size FROM blob WHERE uuid='{id}'"));
    assert_eq!(size, content.len() as i64);
    case.is_sound();
}

/// It was sent once.
pub(crate) fn same_gimme_in_every_reply(case: &ClientCase<'_>) {
    let (path, id) = case.ahead();
    sql::execute(&path, "DELETE FROM unsent");
    let reply = format!("gimme {id}\n{END}");
    let outcome = case.session(&["push"], "", path, move |_| Reply::cards(reply.clone()));
    outcome.went_well().rounds(2);
    let sent = |request: &Request| request.text.contains(&format!("file {id} "));
    assert_eq!(outcome.requests.iter().map(sent).collect::<Vec<_>>(), [false, true]);
}

pub(crate) fn many_unknown_igots(case: &ServerCase<'_>) {
    let case = of_bob(case, "i");
    let contents: Vec<_> = (0..620).map(|number| format!("content {number}\n")).collect();
    let igots: String = contents.iter().map(|content| format!("igot {}\n", name(content))).collect();
    let asked =
        |text: &str| text.lines().filter_map(|line| line.strip_prefix("gimme ")).map(str::to_owned).collect();
    let first: std::collections::BTreeSet<String> = asked(&case.push(igots).text());
    assert_eq!(first.len(), 500);
    let wanted = contents.iter().filter(|content| first.contains(&name(content).to_string()));
    let files: Vec<u8> = wanted.flat_map(file).collect();
    let second: std::collections::BTreeSet<String> = asked(&case.push(files).text());
    assert_eq!((second.len(), first.intersection(&second).count()), (120, 0));
}

pub(crate) fn igot_hides_and_publishes_nothing(case: &ServerCase<'_>) {
    let (public, private) = (name(NEWS), name(MORE));
    let case = of_bob(case, "iox");
    taken(&case.push([file(NEWS), b"private\n".to_vec(), file(MORE)].concat()));
    taken(&case.push(format!("pragma send-private\nigot {public} 1\nigot {private}\n")));
    let hidden = "SELECT uuid FROM private JOIN blob USING(rid)";
    assert_eq!(sql::column(&case.file, hidden), [private.to_string()]);
    let text = case.by_bob(PULL).text();
    assert!(text.contains(&format!("igot {public}\n")) && !text.contains(&private.to_string()), "{text}");
}

/// What the list of what is to be sent does not hold is announced, and sent when it is asked for.
pub(crate) fn unsent_was_cleared(case: &ServerCase<'_>) {
    let url = case.server.url_as("dev", "pw");
    for (unsent, rounds) in [("SELECT 1", 1), ("DELETE FROM unsent", 2)] {
        let path = case.dir.copy(&case.bench.seed, "ahead.fossil");
        let id = make_page(case.bench, &case.dir, &path, unsent);
        sql::execute(&path, unsent);
        let said = case.bench.frond.push(&url, &path);
        assert_eq!(frond::count(&said, "rounds"), rounds, "{unsent}: {said}");
        assert!(case.holds(&id));
        compare::holds_all_of(&case.file, &path);
    }
}

pub(crate) fn refused_push_stays_unsent(case: &ClientCase<'_>) {
    for refusal in
        ["error not\\sauthorized\\sto\\swrite\n", "message pull\\sonly\\s-\\snot\\sauthorized\\sto\\spush\n"]
    {
        for command in ["push", "sync"] {
            let (path, id) = case.ahead();
            let outcome = case.session(&[command], "bob:pw@", path, once(refusal));
            outcome.failed("takes no push of bob, who lacks capability i");
            let waiting = sql::column(&outcome.file, "SELECT uuid FROM unsent JOIN blob USING(rid)");
            assert_eq!(waiting, [id.to_string()], "{command} {refusal}");
        }
    }
}

/// Neither published nor kept: what follows it is.
pub(crate) fn private_without_the_right(case: &ServerCase<'_>) {
    for rights in ["i", "s", "a", "as"] {
        let case = of_bob(case, rights);
        let compressed = cfile(&name("third\n"), 6, &packed(b"third\n"));
        let cards =
            [b"private\n".to_vec(), file(NEWS), b"private\n".to_vec(), compressed, file(MORE)].concat();
        let text = case.push(cards).text();
        assert!(text.contains(&format!("error {CANNOT_SYNC_PRIVATE}\n")), "{rights}: {text}");
        let held = [NEWS, "third\n", MORE].map(|content| case.holds(&name(content)));
        assert_eq!(held, [false, false, true], "{rights}");
        case.is_sound();
    }
}

pub(crate) fn private_with_the_right(case: &ServerCase<'_>) {
    let case = of_bob(case, "iox");
    taken(&case.push([b"private\n".to_vec(), file(NEWS), file(MORE)].concat()));
    let hidden = "SELECT uuid FROM private JOIN blob USING(rid)";
    assert_eq!(sql::column(&case.file, hidden), [name(NEWS).to_string()]);
    let gimme = format!("gimme {}\n", name(NEWS));
    assert!(!case.by_bob(format!("{PULL}{gimme}")).text().contains("file "));
    let text = case.by_bob(format!("pragma send-private\n{PULL}{gimme}")).text();
    assert!(text.contains(&format!("private\nfile {} {}\n{NEWS}", name(NEWS), NEWS.len())), "{text}");
}

/// The payload of what is not wanted is passed over as a whole.
pub(crate) fn private_that_nobody_asked_for(case: &ClientCase<'_>) {
    let secret = cfile(&name(NEWS), NEWS.len(), &packed(NEWS.as_bytes()));
    let outcome = case.pull_once([b"private\n".to_vec(), secret, file(MORE)].concat());
    outcome.went_well().lacks(&name(NEWS)).holds(&name(MORE));
    assert_eq!(outcome.number("SELECT count(*) FROM private"), 0);
}

/// Where everybody may clone, the first round does not log in, and so brings nothing private.
pub(crate) fn private_clone(case: &ServerCase<'_>) {
    let case = ServerCase::with(case.bench, |file| {
        sql::execute(file, "UPDATE user SET cap='sx' WHERE login='dev'");
    });
    let secret = [crate::support::PUSH.as_bytes(), b"private\n", &file(NEWS)].concat();
    taken(&case.cards(signed("dev", secret)));
    for (options, expected) in [(&["--private"][..], 1), (&[], 0)] {
        let copy = case.dir.file(&format!("copy-{expected}.fossil"));
        let url = case.server.url_as("dev", "pw");
        let path = copy.to_string_lossy();
        case.bench.frond.output([&["clone"], options, &[&url, &path]].concat());
        let count = format!("SELECT count(*) FROM private JOIN blob USING(rid) WHERE uuid='{}'", name(NEWS));
        assert_eq!(sql::number(&copy, &count), expected);
        let held = format!("SELECT count(*) FROM blob WHERE size>=0 AND uuid='{}'", name(NEWS));
        assert_eq!(sql::number(&copy, &held), expected);
    }
}

/// Nothing of a request is kept that cannot be read to its end.
pub(crate) fn good_file_then_a_malformed_one(case: &ServerCase<'_>) {
    let case = of_bob(case, "i");
    refused(&case.push([file(NEWS), b"file zzz 3\nabc".to_vec()].concat()));
    assert!(!case.holds(&name(NEWS)));
    // A card that is no card at all is another matter.
    let answer = case.push([file(MORE), b"frobnicate\n".to_vec()].concat());
    refused_as(&answer, "bad\\scommand:\\sfrobnicate");
    assert!(case.holds(&name(MORE)));
}

pub(crate) fn igot_of_what_follows(case: &ServerCase<'_>) {
    let case = of_bob(case, "i");
    let igot = format!("igot {}\n", name(NEWS));
    let answer = case.push([igot.as_bytes(), &file(NEWS)].concat());
    taken(&answer);
    assert!(!answer.text().contains("gimme ") && case.holds(&name(NEWS)), "{answer:?}");
    let other = format!("igot {}\n", name(MORE));
    let text = case.push(&other).text();
    assert!(text.contains(&format!("gimme {}\n", name(MORE))), "{text}");
}

pub(crate) fn who_may_push_and_not_clone(case: &ServerCase<'_>) {
    let case = of_bob(case, "i");
    taken(&case.push(file(NEWS)));
    assert!(case.holds(&name(NEWS)));
    let text = case.by_bob(PULL).text();
    assert!(text.contains(&format!("igot {}\n", name(NEWS))) && !text.contains("error "), "{text}");
    let text = case.by_bob("clone 3 1\n").text();
    assert!(text.contains("error not\\sauthorized\\sto\\sclone\n") && !text.contains("cfile "), "{text}");
}

pub(crate) fn rights_of_anonymous(case: &ServerCase<'_>) {
    let case = of_bob(case, "");
    sql::execute(&case.file, "UPDATE user SET cap='giosxy' WHERE login='anonymous'");
    refused_as(&case.by_bob(PULL), "not\\sauthorized\\sto\\sread");
    refused_as(&case.push(file(NEWS)), "not\\sauthorized\\sto\\swrite");
    let text = case.by_bob("clone 3 1\n").text();
    assert!(text.contains("error not\\sauthorized\\sto\\sclone\n"), "{text}");
    refused_as(&case.cards(format!("{VERSION}{PULL}# 5e3d\n")), "not\\sauthorized\\sto\\sread");
}
