//! Structural artifacts from a peer. What breaks a rule is plain content: kept, never an error.
//!
//! After each pull stock rebuilds a copy of the file, and its derived tables must be the same.

use frond_tests::Reply;
use frond_tests::artifact::Cards;

use crate::cards::{file, name, named};
use crate::support::{ClientCase, END, Outcome, once};

const DATE: &str = "2024-01-01T00:00:00.000";

/// What an artifact is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Structural,
    Plain,
}

use Kind::{Plain, Structural};

/// A check-in with F lines of one's own. The files it names are `x\n`.
fn checkin(files: &[&str]) -> Vec<u8> {
    let lines: String =
        files.iter().map(|name| format!("F {name} {}\n", crate::cards::name("x\n"))).collect();
    Cards::checkin("made\\sby\\shand", DATE, &lines)
}

/// Pulls one artifact, and says what it was taken for.
#[track_caller]
fn pull(case: &ClientCase<'_>, artifact: &[u8]) -> Outcome {
    let outcome = case.pull_once([file("x\n"), file(artifact)].concat());
    outcome.went_well().holds(&name(artifact));
    outcome
}

#[track_caller]
fn becomes(case: &ClientCase<'_>, artifact: &[u8], kind: Kind) -> Outcome {
    let outcome = pull(case, artifact);
    is(&outcome, artifact, kind);
    outcome.is_sound(case.bench);
    outcome
}

#[track_caller]
fn is(outcome: &Outcome, artifact: &[u8], kind: Kind) {
    let sql = format!("SELECT count(*) FROM event JOIN blob ON rid=objid WHERE uuid='{}'", name(artifact));
    let found = if outcome.number(&sql) > 0 { Structural } else { Plain };
    assert_eq!(found, kind, "{}", String::from_utf8_lossy(artifact));
}

pub(crate) fn bad_names(case: &ClientCase<'_>) {
    becomes(case, &checkin(&["a/b"]), Structural);
    for name in ["../x", "/x", "a//b", "a/./b", "a/../b", "a/", ".", ".."] {
        becomes(case, &checkin(&[name]), Plain);
    }
}

pub(crate) fn backslash(case: &ClientCase<'_>) {
    becomes(case, &checkin(&["a\\\\..\\\\b"]), Structural);
    becomes(case, &checkin(&[".git/hooks/x"]), Structural);
}

/// Stock cuts the name at the NUL; here the artifact is plain content. So no look at stock's rebuild.
pub(crate) fn nul_name(case: &ClientCase<'_>) {
    let artifact = checkin(&["a\\0b"]);
    let outcome = pull(case, &artifact);
    is(&outcome, &artifact, Plain);
    assert_eq!(outcome.number("SELECT count(*) FROM filename WHERE name='a' OR name LIKE 'a%b'"), 0);
    case.bench.fossil.test_integrity(&outcome.file);
}

pub(crate) fn reserved_names(case: &ClientCase<'_>) {
    for reserved in ["_FOSSIL_", ".fslckout", "a/_FOSSIL_", "_fossil_"] {
        let mut files = [reserved, "ok"];
        files.sort_unstable();
        let outcome = becomes(case, &checkin(&files), Structural);
        let linked = format!("SELECT count(*) FROM mlink JOIN filename USING(fnid) WHERE name='{reserved}'");
        assert_eq!(outcome.number(&linked), 0, "{reserved}");
    }
}

pub(crate) fn unsorted_files(case: &ClientCase<'_>) {
    becomes(case, &checkin(&["a", "a"]), Plain);
    becomes(case, &checkin(&["b", "a"]), Plain);
    becomes(case, &checkin(&["a", "b"]), Structural);
}

pub(crate) fn case_collision(case: &ClientCase<'_>) {
    becomes(case, &checkin(&["A.txt", "a.txt"]), Structural);
}

pub(crate) fn wrong_r_card(case: &ClientCase<'_>) {
    let files = format!("F a {}\nR {}\n", name("x\n"), "0".repeat(32));
    becomes(case, &Cards::checkin("wrong\\sR", DATE, &files), Structural);
}

pub(crate) fn wrong_z_card(case: &ClientCase<'_>) {
    let mut artifact = checkin(&["a"]);
    let digit = artifact.len() - 2;
    artifact[digit] = if artifact[digit] == b'0' { b'1' } else { b'0' };
    becomes(case, &artifact, Plain);
}

pub(crate) fn bad_layout(case: &ClientCase<'_>) {
    let good = String::from_utf8(checkin(&["a"])).unwrap();
    becomes(case, good.trim_end().as_bytes(), Plain);
    let cards = good.rsplit_once("Z ").unwrap().0;
    for bad in [cards.replace('\n', "\r\n"), cards.replace(' ', "\t"), cards.replace(' ', "  ")] {
        becomes(case, &Cards::seal(&bad), Plain);
    }
}

pub(crate) fn odd_dates(case: &ClientCase<'_>) {
    let dated = |date: &str| Cards::checkin("dated", date, "");
    becomes(case, &dated("9999-12-31T23:59:59"), Structural);
    for date in ["2022-02-30T25:99:00", "yesterday", "2024-13-01T00:00:00"] {
        becomes(case, &dated(date), Plain);
    }
}

pub(crate) fn unknown_parent(case: &ClientCase<'_>) {
    let parent = name("not here");
    let artifact =
        Cards::seal(&format!("C child\nD {DATE}\nF a {}\nP {parent}\nU dev\n", name("never sent\n")));
    let outcome = case.pull_once(file(&artifact));
    outcome.went_well().holds(&name(&artifact)).rounds(2);
    let phantoms = "SELECT uuid FROM phantom JOIN blob USING(rid)";
    let phantoms = frond_tests::sql::column(&outcome.file, phantoms);
    assert_eq!(phantoms, [parent.to_string()], "its files become phantoms when the parent comes");
    asked_for(&outcome, &parent.to_string());
    outcome.is_sound(case.bench);
}

pub(crate) fn unknown_baseline(case: &ClientCase<'_>) {
    let baseline = checkin(&["a", "b"]);
    let id = name(&baseline);
    let artifact = Cards::seal(&format!("B {id}\nC delta\nD {DATE}\nF b\nP {id}\nU dev\n"));
    // As long as the baseline is missing it waits.
    let outcome = case.pull_once([file("x\n"), file(&artifact)].concat());
    outcome.went_well().holds(&name(&artifact)).rounds(2);
    assert_eq!(outcome.number("SELECT count(*) FROM orphan"), 1);
    asked_for(&outcome, &id.to_string());
    outcome.is_sound(case.bench);
    // When it comes, both are linked.
    let outcome = case.pull_into(outcome.file, once(file(&baseline)));
    outcome.went_well().is_sound(case.bench);
    assert_eq!(outcome.number("SELECT count(*) FROM orphan"), 0);
    assert_eq!(outcome.number("SELECT count(*) FROM plink WHERE baseid IS NOT NULL"), 1);
}

#[track_caller]
fn asked_for(outcome: &Outcome, id: &str) {
    let gimme = format!("gimme {id}\n");
    let asked = outcome.requests.iter().any(|request| request.text.contains(&gimme));
    assert!(asked, "{id} was not asked for\n{}", outcome.said);
}

pub(crate) fn bad_baseline(case: &ClientCase<'_>) {
    let base = checkin(&["a"]);
    let delta = Cards::seal(&format!("B {}\nC one\nD {DATE}\nU dev\n", name(&base)));
    let on_delta = Cards::seal(&format!("B {}\nC two\nD {DATE}\nU dev\n", name(&delta)));
    let on_text = Cards::seal(&format!("B {}\nC three\nD {DATE}\nU dev\n", name("x\n")));
    let cards = [file("x\n"), file(&base), file(&delta), file(&on_delta), file(&on_text)].concat();
    let outcome = case.pull_once(cards);
    outcome.went_well().is_sound(case.bench);
    // Stock links a delta on a delta, by what F cards that has itself; what is no check-in is no baseline.
    assert_eq!(outcome.number("SELECT count(*) FROM event WHERE comment='two'"), 1);
    assert_eq!(outcome.number("SELECT count(*) FROM event WHERE comment='three'"), 0);
    assert_eq!(outcome.number("SELECT count(*) FROM event WHERE comment='one'"), 1);
}

pub(crate) fn hex_tag(case: &ClientCase<'_>) {
    let control = |tag: &str| Cards::seal(&format!("D {DATE}\nT +{tag} {} v\nU dev\n", case.bench.tip()));
    becomes(case, &control("abcdef"), Plain);
    becomes(case, &control("abcdefg"), Structural);
}

pub(crate) fn control_about_itself(case: &ClientCase<'_>) {
    becomes(case, &Cards::seal(&format!("D {DATE}\nT +mine *\nU dev\n")), Plain);
}

/// Stock's rebuild follows the tag; here a peer cannot hide what is public. So no look at it.
pub(crate) fn private_tag(case: &ClientCase<'_>) {
    let artifact = Cards::seal(&format!("D {DATE}\nT +private {}\nU dev\n", case.bench.tip()));
    let outcome = pull(case, &artifact);
    is(&outcome, &artifact, Structural);
    assert_eq!(outcome.number("SELECT count(*) FROM private"), 0);
}

pub(crate) fn parent_tag(case: &ClientCase<'_>) {
    let first = "SELECT uuid FROM event JOIN blob ON rid=objid WHERE type='ci' ORDER BY event.mtime LIMIT 1";
    let parent = frond_tests::sql::column(&case.bench.seed, first).swap_remove(0);
    becomes(
        case,
        &Cards::seal(&format!("D {DATE}\nT +parent {} {parent}\nU dev\n", case.bench.tip())),
        Structural,
    );
}

pub(crate) fn bad_clusters(case: &ClientCase<'_>) {
    let mut names = [name("x\n"), name("y\n")];
    names.sort_unstable();
    let [low, high] = names;
    for members in [[high, low], [low, low]] {
        let artifact = Cards::cluster(&members);
        let outcome = becomes(case, &artifact, Plain);
        assert_eq!(outcome.number("SELECT count(*) FROM tagxref WHERE tagid=7"), clusters_before(case));
    }
}

fn clusters_before(case: &ClientCase<'_>) -> i64 {
    frond_tests::sql::number(&case.bench.seed, "SELECT count(*) FROM tagxref WHERE tagid=7")
}

pub(crate) fn cluster_of_real_names(case: &ClientCase<'_>) {
    let names = frond_tests::sql::column(
        &case.bench.seed,
        "SELECT uuid FROM blob WHERE size>=0 ORDER BY uuid LIMIT 5",
    );
    let artifact = Cards::cluster(&names);
    let outcome = pull(case, &artifact);
    outcome.is_sound(case.bench);
    // Nothing is lost: a pull from it still learns of every artifact, through the cluster.
    let served = case.bench.frond.server(&outcome.file);
    let text = frond_tests::http::cards(served.address, "/", crate::support::pull_cards()).text();
    assert!(text.contains(&format!("igot {}\n", name(&artifact))), "{text}");
}

pub(crate) fn cluster_of_invented_names(case: &ClientCase<'_>) {
    let mut names: Vec<_> = (0..2_000).map(|number| name(format!("invented {number}"))).collect();
    names.sort_unstable();
    let outcome = case.pull_once(file(Cards::cluster(&names)));
    outcome.went_well().rounds(3);
    assert!(outcome.said.stderr.contains("artifacts=2000"), "{}", outcome.said);
    asked_for(&outcome, &names[0].to_string());
    outcome.is_sound(case.bench);
    // They stay without content, and do not keep what is new from coming.
    let new = "new\n";
    let igot = format!("igot {}\n", name(new));
    let outcome = case.pull_into(outcome.file, move |request| match request.number {
        1 => Reply::cards([igot.as_bytes(), END.as_bytes()].concat()),
        2 => Reply::cards([file(new), END.into()].concat()),
        _ => Reply::cards(END),
    });
    outcome.went_well().holds(&name(new)).rounds(2);
    // Later pulls ask for a few of them in their first round, in turn, and that is all.
    let outcome = case.pull_into(outcome.file, |_| Reply::cards(END));
    outcome.went_well().rounds(1);
    assert_eq!(outcome.requests[0].text.matches("gimme ").count(), 200);
    // A clone, too, is whole without them.
    let outcome = case.clone_once(file(Cards::cluster(&names)));
    outcome.went_well().holds(&name(Cards::cluster(&names))).rounds(3);
}

/// It is bounded as any artifact is, and taken within the memory that one of its size may take.
pub(crate) fn large_cluster(case: &ClientCase<'_>) {
    const MEMBERS: i64 = 1_000_000;
    let names: Vec<_> = (0..MEMBERS).map(|number| format!("{number:064x}")).collect();
    let artifact = Cards::cluster(&names);
    let id = xfer::hash::sha1(&artifact);
    case.brings(&artifact);
    let outcome = case.pull_once(named(&id, &artifact));
    outcome.went_well().holds(&id).rounds(4);
    assert_eq!(outcome.number("SELECT count(*) FROM phantom"), MEMBERS);
    assert!(outcome.said.stderr.contains("artifacts=1000000"), "{}", outcome.said);
}

pub(crate) fn empty_forum_post(case: &ClientCase<'_>) {
    becomes(case, &Cards::seal(&Cards::post(DATE, "", "text")), Plain);
    becomes(case, &Cards::seal(&Cards::post(DATE, "H title\n", "text")), Structural);
}

pub(crate) fn unknown_ticket_column(case: &ClientCase<'_>) {
    let ticket = "ab".repeat(20);
    let fields = "J no_such_column 1\nJ status Open\nJ x\"y;--drop 2\n";
    becomes(case, &Cards::seal(&format!("D {DATE}\n{fields}K {ticket}\nU dev\n")), Structural);
}

pub(crate) fn signed(case: &ClientCase<'_>) {
    becomes(case, &Cards::clear_sign(&checkin(&["a"])), Structural);
    // Stock of the oldest version supported takes this form for plain content.
    let (before, after) = ("-----BEGIN SSH SIGNED MESSAGE-----\n\n", "-----BEGIN SSH SIGNATURE-----\nAA==\n");
    let artifact = [before.as_bytes(), &checkin(&["a"]), after.as_bytes()].concat();
    is(&pull(case, &artifact), &artifact, Structural);
}
