//! Artifacts and deltas from a peer: everything is verified before it counts.

use std::fmt::Write;

use frond_tests::{Reply, sql};
use xfer::ArtifactId;

use crate::support::{ClientCase, TIMESTAMP, cfile, clone_tail, delta, file, name, named, once, packed};

const SOURCE: &[u8] = b"The quick brown fox jumps over the lazy dog.\nLine two here.\n";
const TARGET: &[u8] = b"The quick brown fox leaps over the lazy dog.\nLine two here.\nAnd three.\n";
/// Made by stock: turns [`SOURCE`] into [`TARGET`].
const DELTA: &[u8] = b"17\nK@0,3:leaa@N,B:And three.\n3b8qtY;";

/// [`SOURCE`] and a delta for [`TARGET`] against it.
fn with_delta(bytes: &[u8]) -> Vec<u8> {
    [file(SOURCE), delta(&name(TARGET), &name(SOURCE), bytes)].concat()
}

/// A pull and a clone that bring these cards both fail, and the artifact does not come in.
fn refused(case: &ClientCase<'_>, cards: &[u8], id: &ArtifactId) {
    case.pull_once(cards).failed().lacks(id);
    case.clone_once(cards).failed().lacks(id);
}

/// A pull and a clone that bring these cards both go well, and the artifact comes in.
fn taken(case: &ClientCase<'_>, cards: &[u8], id: &ArtifactId) {
    case.pull_once(cards).went_well().holds(id).is_sound(case.bench);
    case.clone_once(cards).went_well().holds(id).is_sound(case.bench);
}

pub(crate) fn wrong_hash_in_a_pull(case: &ClientCase<'_>) {
    let id = name("what was promised\n");
    case.pull_once([file("good\n"), named(&id, b"what came\n")].concat())
        .failed()
        .lacks(&id)
        .is_sound(case.bench);
    let wrong = delta(&id, &name(SOURCE), DELTA);
    case.pull_once([file(SOURCE), wrong].concat()).failed().lacks(&id).is_sound(case.bench);
}

pub(crate) fn wrong_hash_in_a_clone(case: &ClientCase<'_>) {
    let id = name("what was promised\n");
    case.clone_once(named(&id, b"what came\n")).failed().lacks(&id);
    case.clone_once([file(SOURCE), delta(&id, &name(SOURCE), DELTA)].concat()).failed().lacks(&id);
    let frame = packed(b"what came\n");
    case.clone_once(cfile(&id, 10, &frame)).failed().lacks(&id);
}

pub(crate) fn bad_checksum(case: &ClientCase<'_>) {
    // The name decides: the right result counts, whatever the checksum says.
    let bad = [&DELTA[..DELTA.len() - 7], b"111111;"].concat();
    let outcome = case.pull_once(with_delta(&bad));
    outcome.is_sane();
    if outcome.said.code != Some(0) {
        outcome.failed().lacks(&name(TARGET));
    }
    taken(case, &with_delta(DELTA), &name(TARGET));
}

pub(crate) fn header_lies(case: &ClientCase<'_>) {
    for size in ["16", "18", "0", "~~"] {
        let bad = [size.as_bytes(), &DELTA[2..]].concat();
        refused(case, &with_delta(&bad), &name(TARGET));
    }
}

pub(crate) fn no_size_line(case: &ClientCase<'_>) {
    refused(case, &with_delta(&DELTA[3..]), &name(TARGET));
    refused(case, &with_delta(b""), &name(TARGET));
    refused(case, &with_delta(b"17"), &name(TARGET));
}

pub(crate) fn copy_outside(case: &ClientCase<'_>) {
    for bad in [&b"17\n17@1,3b8qtY;"[..], b"17\n1@zz,3b8qtY;", b"17\n~~~~~~@~~~~~~,3b8qtY;"] {
        refused(case, &with_delta(bad), &name(TARGET));
    }
}

pub(crate) fn huge_header(case: &ClientCase<'_>) {
    // 2^30 and 2^31-1 in Fossil's digits.
    for size in ["10000", "1~~~~~"] {
        refused(case, &with_delta(format!("{size}\n1@0,0;").as_bytes()), &name(TARGET));
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
    refused(case, &[file(source.clone()), delta(&id, &name(&source), bomb.as_bytes())].concat(), &id);
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
        1 => Reply::cards([delta(&name(TARGET), &name(SOURCE), DELTA), TIMESTAMP.into()].concat()),
        2 => {
            assert!(request.text.contains(&format!("gimme {}\n", name(SOURCE))), "{}", request.text);
            Reply::cards([file(SOURCE), TIMESTAMP.into()].concat())
        }
        _ => Reply::cards(TIMESTAMP),
    });
    outcome.went_well().holds(&name(TARGET)).holds(&name(SOURCE)).is_sound(case.bench);
}

pub(crate) fn source_never_comes(case: &ClientCase<'_>) {
    let cards = delta(&name(TARGET), &name(SOURCE), DELTA);
    // A pull may keep it for later, and says so or not; it is never taken for whole.
    let outcome = case.pull_once(cards.clone());
    outcome.is_sane().lacks(&name(TARGET));
    assert!(outcome.requests.len() <= 5, "{} requests", outcome.requests.len());
    // Nor is it offered to others.
    let server = case.bench.frond.server(&outcome.file);
    let ask = format!("{}gimme {}\n# 1\n", crate::support::pull_cards(), name(TARGET));
    let text = frond_tests::http::cards(server.address, "/", ask).text();
    assert!(!text.contains(&name(TARGET).to_string()), "{text}");
    case.clone_once(cards).failed().lacks(&name(TARGET));
}

pub(crate) fn cycles(case: &ClientCase<'_>) {
    let (a, b) = (name("a"), name("b"));
    let itself = delta(&a, &a, DELTA);
    let each_other = [delta(&a, &b, DELTA), delta(&b, &a, DELTA)].concat();
    for cards in [itself, each_other] {
        let outcome = case.pull_once(cards.clone());
        outcome.is_sane().lacks(&a);
        assert!(outcome.requests.len() <= 5, "{} requests", outcome.requests.len());
        case.clone_once(cards).failed().lacks(&a);
    }
}

pub(crate) fn long_chain(case: &ClientCase<'_>) {
    let content = |number: usize| format!("a line that stays the same in all of them\nnumber {number}\n");
    let mut cards = file(content(0));
    for number in 1..5000 {
        let (before, now) = (content(number - 1), content(number));
        let bytes = repo::delta::create(before.as_bytes(), now.as_bytes());
        cards.extend(delta(&name(&now), &name(&before), &bytes));
    }
    let outcome = case.clone_once(cards.clone());
    outcome.went_well().holds(&name(content(4999)));
    assert!(case.pull_once(cards).went_well().number("SELECT count(*) FROM blob WHERE size>=0") > 5000);
}

pub(crate) fn source_is_shunned(case: &ClientCase<'_>) {
    let file = case.copy();
    let shun = format!("INSERT INTO shun(uuid, mtime) VALUES('{}', 0)", name(SOURCE));
    sql::execute(&file, &shun);
    let outcome = case.pull_into(file, once(with_delta(DELTA)));
    outcome.is_sane().lacks(&name(SOURCE)).lacks(&name(TARGET));
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
        let outcome = case.clone_once(cfile(&name(SOURCE), size, &packed(SOURCE)));
        outcome.is_sane();
        // Whatever it says, no wrong size is kept.
        if outcome.said.code == Some(0) {
            outcome.holds(&name(SOURCE)).is_sound(case.bench);
        } else {
            outcome.failed().lacks(&name(SOURCE));
        }
    }
    let cards = cfile(&name(SOURCE), SOURCE.len(), &packed(SOURCE));
    taken(case, &cards, &name(SOURCE));
    let delta = format!("cfile {} {} {} {}\n", name(TARGET), name(SOURCE), TARGET.len(), packed(DELTA).len());
    let cards = [cards, delta.into_bytes(), packed(DELTA)].concat();
    taken(case, &cards, &name(TARGET));
}

pub(crate) fn cfile_no_zlib(case: &ClientCase<'_>) {
    let frame = [&(SOURCE.len() as u32).to_be_bytes(), SOURCE].concat();
    for frame in [&frame[..], SOURCE, b"", b"abc"] {
        refused(case, &cfile(&name(SOURCE), SOURCE.len(), frame), &name(SOURCE));
    }
}

pub(crate) fn cfile_prefix_lies(case: &ClientCase<'_>) {
    for prefix in [5, 0x7fff_ffff, 0xffff_fff0] {
        let frame = crate::support::container(prefix, SOURCE);
        refused(case, &cfile(&name(SOURCE), SOURCE.len(), &frame), &name(SOURCE));
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
    outcome.is_sane().lacks(&sha1);
    assert!(outcome.requests.len() <= 5, "{} requests", outcome.requests.len());
    assert!(!clone_tail("0").is_empty());
}
