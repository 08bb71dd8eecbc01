//! Artifacts and deltas from a peer: everything is verified before it counts.

use std::fmt::Write;

use frond_tests::scripted::Request;
use frond_tests::{Reply, sql};
use xfer::ArtifactId;

use crate::cards::{cfile, delta, file, name, named};
use crate::support::{ClientCase, END, Outcome, once, packed};

const SOURCE: &[u8] = b"The quick brown fox jumps over the lazy dog.\nLine two here.\n";
const TARGET: &[u8] = b"The quick brown fox leaps over the lazy dog.\nLine two here.\nAnd three.\n";
/// Made by stock: turns [`SOURCE`] into [`TARGET`].
const DELTA: &[u8] = b"17\nK@0,3:leaa@N,B:And three.\n3b8qtY;";

/// [`SOURCE`] and a delta for [`TARGET`] against it.
fn with_delta(bytes: &[u8]) -> Vec<u8> {
    [file(SOURCE), delta(&name(TARGET), &name(SOURCE), bytes)].concat()
}

/// A pull and a clone that bring these cards both fail for the reason in `words`, at the first reply, and the
/// artifact does not come in.
#[track_caller]
fn refused(case: &ClientCase<'_>, cards: &[u8], id: &ArtifactId, words: &str) {
    case.pull_once(cards).failed(words).lacks(id).rounds(1);
    case.clone_once(cards).failed(words).lacks(id).rounds(1);
}

/// A pull and a clone that bring these cards both go well, and the artifact comes in.
#[track_caller]
fn taken(case: &ClientCase<'_>, cards: &[u8], id: &ArtifactId) {
    case.pull_once(cards).went_well().holds(id).is_sound(case.bench);
    case.clone_once(cards).went_well().holds(id).is_sound(case.bench);
}

pub(crate) fn wrong_hash_in_a_pull(case: &ClientCase<'_>) {
    let id = name("what was promised\n");
    // What came before it in the same reply goes with it.
    let outcome = case.pull_once([file("good\n"), named(&id, b"what came\n")].concat());
    outcome.failed("content that hashes to").lacks(&id).lacks(&name("good\n")).is_sound(case.bench);
    let outcome = case.pull_once([file(SOURCE), delta(&id, &name(SOURCE), DELTA)].concat());
    outcome.failed("content that hashes to").lacks(&id).lacks(&name(SOURCE)).is_sound(case.bench);
}

pub(crate) fn wrong_hash_in_a_clone(case: &ClientCase<'_>) {
    let id = name("what was promised\n");
    for cards in [
        named(&id, b"what came\n"),
        [file(SOURCE), delta(&id, &name(SOURCE), DELTA)].concat(),
        cfile(&id, 10, &packed(b"what came\n")),
    ] {
        case.clone_once(cards).failed("content that hashes to").lacks(&id);
    }
}

/// The name decides: the right result counts, whatever the checksum says, and a wrong one does not.
pub(crate) fn bad_checksum(case: &ClientCase<'_>) {
    taken(case, &with_delta(DELTA), &name(TARGET));
    let bad = [&DELTA[..DELTA.len() - 7], b"111111;"].concat();
    taken(case, &with_delta(&bad), &name(TARGET));
    let other = name("another target");
    let cards = [file(SOURCE), delta(&other, &name(SOURCE), &bad)].concat();
    refused(case, &cards, &other, "content that hashes to");
}

pub(crate) fn header_lies(case: &ClientCase<'_>) {
    // 70, 72, 0 and 4095 for a target of 71 bytes.
    for size in ["16", "18", "0", "~~"] {
        let bad = [size.as_bytes(), &DELTA[2..]].concat();
        refused(case, &with_delta(&bad), &name(TARGET), "the delta says it makes");
    }
}

pub(crate) fn no_size_line(case: &ClientCase<'_>) {
    for bad in [&DELTA[3..], b"", b"17", b"17 K@0,"] {
        let words = "the delta does not start with the size of its target";
        refused(case, &with_delta(bad), &name(TARGET), words);
    }
}

pub(crate) fn copy_outside(case: &ClientCase<'_>) {
    // Each makes 71 bytes, as it says; the source has 60.
    let all = digits(71);
    for copies in [
        format!("{all}@0,"),
        format!("{all}@{},", digits(1 << 31)),
        format!("{all}@{},", digits((1 << 32) - 1)),
        format!("{}@0,1@{},", digits(70 - 10), digits(60)) + &format!("{}@0,", digits(10)),
    ] {
        let bad = format!("{all}\n{copies}3b8qtY;");
        refused(case, &with_delta(bad.as_bytes()), &name(TARGET), "runs past the 60-byte source");
    }
}

pub(crate) fn huge_header(case: &ClientCase<'_>) {
    // Where the limit allows the size, its memory is not asked for before the commands were counted.
    case.may_reserve(800 << 20);
    for (size, words) in [
        (900_000_000, "the delta says it makes 900000000 bytes"),
        (1 << 30, "the delta makes 1073741824 bytes, the limit is"),
        ((1 << 31) - 1, "the delta makes 2147483647 bytes, the limit is"),
    ] {
        let bad = format!("{}\n1@0,0;", digits(size));
        refused(case, &with_delta(bad.as_bytes()), &name(TARGET), words);
    }
}

pub(crate) fn copy_bomb(case: &ClientCase<'_>) {
    // 2,000,000,000 bytes out of about 400 kB: more than any artifact here may have.
    let source = vec![b'x'; 50_000];
    let mut bomb = format!("{}\n", digits(2_000_000_000));
    for _ in 0..40_000 {
        write!(bomb, "{}@0,", digits(50_000)).unwrap();
    }
    bomb.push_str("0;");
    let id = name("never looked at");
    let cards = [file(source.clone()), delta(&id, &name(&source), bomb.as_bytes())].concat();
    refused(case, &cards, &id, "the delta makes 2000000000 bytes, the limit is");
}

/// A number in the digits of deltas.
fn digits(number: u64) -> String {
    const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
    let mut text = if number < 64 { String::new() } else { digits(number / 64) };
    text.push(char::from(DIGITS[(number % 64) as usize]));
    text
}

pub(crate) fn source_comes_later(case: &ClientCase<'_>) {
    // Within one reply, in the next one, and in the other order in a clone.
    let late = [delta(&name(TARGET), &name(SOURCE), DELTA), file(SOURCE)].concat();
    taken(case, &late, &name(TARGET));
    let outcome = case.pull(|request| match request.number {
        1 => Reply::cards([delta(&name(TARGET), &name(SOURCE), DELTA), END.into()].concat()),
        2 => {
            assert!(request.text.contains(&format!("gimme {}\n", name(SOURCE))), "{}", request.text);
            Reply::cards([file(SOURCE), END.into()].concat())
        }
        _ => Reply::cards(END),
    });
    outcome.went_well().holds(&name(TARGET)).holds(&name(SOURCE)).is_sound(case.bench);
}

pub(crate) fn source_never_comes(case: &ClientCase<'_>) {
    let cards = delta(&name(TARGET), &name(SOURCE), DELTA);
    // A pull keeps it for later, once its source was asked for, and then it itself; it is never taken for whole.
    let outcome = case.pull_once(cards.clone());
    outcome.went_well().lacks(&name(TARGET)).dangles(&name(TARGET)).rounds(3);
    assert!(outcome.requests[1].text.contains(&format!("gimme {}\n", name(SOURCE))));
    assert!(outcome.requests[2].text.contains(&format!("gimme {}\n", name(TARGET))));
    is_not_offered(case, &outcome);
    let words = "1 artifacts are deltas of artifacts that the peer does not send";
    case.clone_once(cards).failed(words).lacks(&name(TARGET));
}

/// [`TARGET`] is neither announced nor sent.
#[track_caller]
fn is_not_offered(case: &ClientCase<'_>, outcome: &Outcome) {
    let server = case.bench.frond.server(&outcome.file);
    let ask = format!("{}gimme {}\n# 1\n", crate::support::pull_cards(), name(TARGET));
    let answer = frond_tests::http::cards(server.address, "/", ask);
    crate::support::answered(&answer);
    assert!(!answer.text().contains(&name(TARGET).to_string()), "{answer:?}");
}

pub(crate) fn cycles(case: &ClientCase<'_>) {
    let (a, b, c) = (name("a"), name("b"), name("c"));
    let itself = delta(&a, &a, DELTA);
    let each_other = [delta(&a, &b, DELTA), delta(&b, &a, DELTA)].concat();
    let three = [delta(&a, &b, DELTA), delta(&c, &a, DELTA), delta(&b, &c, DELTA)].concat();
    for cards in [itself, each_other, three] {
        refused(case, &cards, &a, "is a delta of itself");
    }
    // Nor is one closed by a later reply.
    let script = move |request: &Request| {
        Reply::cards(match request.number {
            1 => [delta(&a, &b, DELTA), END.into()].concat(),
            _ => [delta(&b, &a, DELTA), END.into()].concat(),
        })
    };
    case.pull(script).failed("is a delta of itself").lacks(&a).dangles(&a).rounds(2);
}

pub(crate) fn long_chain(case: &ClientCase<'_>) {
    let content = |number: usize| format!("a line that stays the same in all of them\nnumber {number}\n");
    let mut cards = file(content(0));
    for number in 1..5000 {
        let (before, now) = (content(number - 1), content(number));
        let bytes = repo::delta::create(before.as_bytes(), now.as_bytes());
        cards.extend(delta(&name(&now), &name(&before), &bytes));
    }
    for outcome in [case.clone_once(cards.clone()), case.pull_once(cards)] {
        outcome.went_well().holds(&name(content(4999))).holds(&name(content(0)));
        let line = "a line that stays the same in all of them\nnumber 4999\n";
        let path = outcome.file.to_string_lossy();
        let artifact = ["artifact", &name(content(4999)).to_string(), "-R", &path];
        assert_eq!(case.bench.frond.output(artifact), line);
    }
}

pub(crate) fn source_is_shunned(case: &ClientCase<'_>) {
    let file = case.copy();
    let shun = format!("INSERT INTO shun(uuid, mtime) VALUES('{}', 0)", name(SOURCE));
    sql::execute(&file, &shun);
    let outcome = case.pull_into(file, once(with_delta(DELTA)));
    // As if the source never came: the delta is kept, waits, and is asked for as a whole; nobody is asked for what
    // is shunned.
    outcome.went_well().lacks(&name(SOURCE)).lacks(&name(TARGET)).dangles(&name(TARGET)).rounds(2);
    let asked = &outcome.requests[1].text;
    assert!(asked.contains(&format!("gimme {}\n", name(TARGET))), "{asked}");
    assert!(!asked.contains(&format!("gimme {}\n", name(SOURCE))), "{asked}");
    is_not_offered(case, &outcome);
}

pub(crate) fn empty_artifact(case: &ClientCase<'_>) {
    taken(case, &file(b""), &name(b""));
}

pub(crate) fn two_names(case: &ClientCase<'_>) {
    let sha1 = xfer::hash::sha1(SOURCE);
    let cards = [file(SOURCE), named(&sha1, SOURCE)].concat();
    taken(case, &cards, &sha1);
    case.pull_once(cards).went_well().holds(&sha1).holds(&name(SOURCE));
}

pub(crate) fn cfile_wrong_size(case: &ClientCase<'_>) {
    for size in [SOURCE.len() - 1, SOURCE.len() + 1, 0, 0x7fff_ffff] {
        // Whatever it says, what counts is the expansion: stock finds the right size in the file.
        let cards = cfile(&name(SOURCE), size, &packed(SOURCE));
        taken(case, &cards, &name(SOURCE));
        let sql = format!("SELECT size FROM blob WHERE uuid='{}'", name(SOURCE));
        assert_eq!(case.clone_once(cards).number(&sql), SOURCE.len() as i64, "{size}");
    }
    let cards = cfile(&name(SOURCE), SOURCE.len(), &packed(SOURCE));
    taken(case, &cards, &name(SOURCE));
    let delta = format!("cfile {} {} {} {}\n", name(TARGET), name(SOURCE), TARGET.len(), packed(DELTA).len());
    let cards = [cards, delta.into_bytes(), packed(DELTA)].concat();
    taken(case, &cards, &name(TARGET));
}

pub(crate) fn cfile_no_zlib(case: &ClientCase<'_>) {
    let frame = [&(SOURCE.len() as u32).to_be_bytes(), SOURCE].concat();
    for (frame, words) in [
        (&frame[..], "its compressed form is no zlib stream"),
        (SOURCE, "its compressed form declares 1416127776 bytes, the limit is"),
        (b"", "its compressed form 0 bytes are too few"),
        (b"abc", "its compressed form 3 bytes are too few"),
    ] {
        refused(case, &cfile(&name(SOURCE), SOURCE.len(), frame), &name(SOURCE), words);
    }
}

pub(crate) fn cfile_prefix_lies(case: &ClientCase<'_>) {
    case.may_reserve(800 << 20);
    for (prefix, words) in [
        (5, "its compressed form declares 5 bytes and does not inflate to as many"),
        (900_000_000, "its compressed form declares 900000000 bytes and does not inflate to as many"),
        (0x7fff_ffff, "its compressed form declares 2147483647 bytes, the limit is"),
        (0xffff_fff0, "its compressed form declares 4294967280 bytes, the limit is"),
    ] {
        let frame = crate::support::container(prefix, SOURCE);
        refused(case, &cfile(&name(SOURCE), SOURCE.len(), &frame), &name(SOURCE), words);
    }
}

pub(crate) fn already_there(case: &ClientCase<'_>) {
    let (id, content) = case.bench.some_file();
    let before = sql::number(&case.bench.seed, "SELECT count(*) FROM blob");
    let outcome = case.pull_once(named(&id, &content));
    assert_eq!(outcome.went_well().holds(&id).number("SELECT count(*) FROM blob"), before);
}

pub(crate) fn shunned_file(case: &ClientCase<'_>) {
    let path = case.copy();
    sql::execute(&path, &format!("INSERT INTO shun(uuid, mtime) VALUES('{}', 0)", name(SOURCE)));
    let cards = [file(SOURCE), file("another\n"), format!("igot {}\n", name(SOURCE)).into_bytes()].concat();
    let outcome = case.pull_into(path, once(cards));
    outcome.went_well().lacks(&name(SOURCE)).holds(&name("another\n"));
    let asked = outcome.requests.iter().any(|request| request.text.contains(&name(SOURCE).to_string()));
    assert!(!asked, "a shunned artifact is never asked for");
    assert_eq!(outcome.number("SELECT count(*) FROM phantom"), 0);
}

pub(crate) fn policy_shuns_sha1(case: &ClientCase<'_>) {
    let path = case.copy();
    sql::execute(&path, "REPLACE INTO config(name, value, mtime) VALUES('hash-policy', 4, 0)");
    let sha1 = xfer::hash::sha1(SOURCE);
    let outcome =
        case.pull_into(path, once([named(&sha1, SOURCE), format!("igot {sha1}\n").into_bytes()].concat()));
    // The sender is not told. Its promise has the artifact asked for once, and no more.
    outcome.went_well().lacks(&sha1).rounds(2);
}
