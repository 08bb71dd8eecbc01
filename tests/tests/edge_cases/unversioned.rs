//! Unversioned files that are not as they should be (section G).

use frond_tests::{Reply, sql};
use xfer::hash::{sha1, sha3_256};

use crate::cards::{file, name};
use crate::support::{
    ClientCase, END, PULL, ServerCase, VERSION, clone_tail, once, refused, refused_as, taken,
};

/// A card that brings a file.
fn uvfile(name: &str, mtime: i64, content: &str) -> String {
    format!("uvfile {name} {mtime} {} {} 0\n{content}", sha1(content.as_bytes()), content.len())
}

/// Name, time, hash and size of every row.
fn rows(case: &ServerCase<'_>) -> Vec<[String; 4]> {
    let has_table = case.number("SELECT count(*) FROM sqlite_schema WHERE name='unversioned'");
    if has_table == 0 {
        return Vec::new();
    }
    let rows = sql::rows(&case.file, "SELECT name, mtime, hash, sz FROM unversioned ORDER BY name");
    rows.into_iter().map(|row| row.try_into().unwrap()).collect()
}

fn row(name: &str, mtime: i64, content: &str) -> [String; 4] {
    [name.to_owned(), mtime.to_string(), sha1(content.as_bytes()).to_string(), content.len().to_string()]
}

fn of_bob<'a>(case: &ServerCase<'a>, rights: &str) -> ServerCase<'a> {
    ServerCase::of_bob(case.bench, rights)
}

pub(crate) fn no_table_yet(case: &ServerCase<'_>) {
    let case = of_bob(case, "y");
    sql::execute(&case.file, "DROP TABLE IF EXISTS unversioned");
    taken(&case.by_bob(uvfile("a.txt", 100, "hi")));
    assert_eq!(rows(&case), [row("a.txt", 100, "hi")]);
}

pub(crate) fn no_content(case: &ServerCase<'_>) {
    let case = of_bob(case, "y");
    let hash = sha1(b"hi");
    // Content that was left out, of a file that nobody knows: nothing to keep.
    taken(&case.by_bob(format!("uvfile a.txt 100 {hash} 2 4\n")));
    assert_eq!(rows(&case), Vec::<[String; 4]>::new());
    refused(&case.by_bob(format!("uvfile a.txt 100 {hash} 0 0\n")));
    assert_eq!(rows(&case), Vec::<[String; 4]>::new());
    taken(&case.by_bob(uvfile("empty", 100, "")));
    assert_eq!(rows(&case), [row("empty", 100, "")]);
}

/// Stock says so since 2.29; what was brought before stays.
pub(crate) fn without_the_right(case: &ServerCase<'_>) {
    for rights in ["i", "s", "a", "io"] {
        let case = of_bob(case, rights);
        let answer =
            case.push([file("before\n"), uvfile("a.txt", 100, "hi").into_bytes(), file("after\n")].concat());
        refused_as(&answer, "Write\\spermissions\\sfor\\sunversioned\\sfiles\\smissing");
        assert_eq!(rows(&case), Vec::<[String; 4]>::new(), "{rights}");
        assert_eq!([case.holds(&name("before\n")), case.holds(&name("after\n"))], [true, false], "{rights}");
    }
}

pub(crate) fn which_version_stays(case: &ServerCase<'_>) {
    let (low, high) = if sha1(b"one") < sha1(b"two") { ("one", "two") } else { ("two", "one") };
    for (first, second, stays) in [
        ((200, "one"), (100, "two"), (200, "one")),
        ((100, "one"), (200, "two"), (200, "two")),
        ((100, low), (100, high), (100, high)),
        ((100, high), (100, low), (100, high)),
        ((100, "one"), (200, "one"), (200, "one")),
        ((200, "one"), (100, "one"), (200, "one")),
    ] {
        let case = of_bob(case, "y");
        for (mtime, content) in [first, second] {
            taken(&case.by_bob(uvfile("a.txt", mtime, content)));
        }
        assert_eq!(rows(&case), [row("a.txt", stays.0, stays.1)], "{first:?}, then {second:?}");
    }
}

pub(crate) fn far_future(case: &ServerCase<'_>) {
    let case = of_bob(case, "y");
    taken(&case.by_bob(uvfile("a.txt", i64::MAX, "from the future")));
    let ahead = case.number("SELECT mtime - CAST(strftime('%s', 'now') AS INTEGER) FROM unversioned");
    assert!((0..=86_400).contains(&ahead), "{ahead} seconds ahead of now");
}

pub(crate) fn deletion(case: &ServerCase<'_>) {
    let case = of_bob(case, "y");
    taken(&case.by_bob("uvfile never-heard-of 100 - 0 1\n"));
    assert_eq!(rows(&case), Vec::<[String; 4]>::new());
    taken(&case.by_bob(uvfile("a.txt", 100, "hi")));
    taken(&case.by_bob("uvfile a.txt 200 - 0 1\n"));
    assert_eq!(rows(&case), [["a.txt", "200", "NULL", "0"].map(str::to_owned)]);
}

const BAD_NAMES: [&str; 8] = ["a\\b", "../a", "/a", "a//b", "a/./b", "a/", "\u{1f600}", "\u{e000}"];

pub(crate) fn bad_names(case: &ServerCase<'_>) {
    let case = of_bob(case, "oy");
    for name in BAD_NAMES {
        refused(&case.by_bob(uvfile(name, 100, "hi")));
        let text = case.by_bob(format!("uvgimme {name}\n")).text();
        assert!(text.starts_with("error bad\\scommand:\\suvgimme\\s"), "{name}: {text}");
    }
    refused(&case.by_bob(uvfile("a b", 100, "hi")));
    assert_eq!(rows(&case), Vec::<[String; 4]>::new());
}

pub(crate) fn bad_names_from_a_server(case: &ClientCase<'_>) {
    for name in BAD_NAMES {
        let hash = sha1(b"hi");
        let reply = format!("pragma uv-push-ok\nuvigot {name} 100 {hash} 2\n");
        let outcome = case.session(&["pull", "-u"], "", case.copy(), once(reply));
        outcome.failed("a card that has no place in a reply: uvigot");
    }
}

pub(crate) fn asking_without_the_right(case: &ServerCase<'_>) {
    for (rights, answered) in [("o", true), ("i", true), ("s", true), ("y", false), ("gx", false)] {
        let case = ServerCase::with(case.bench, |file| {
            crate::signing::add_user(file, "bob", rights);
            crate::signing::add_user(file, "eve", "y");
            sql::execute(file, "UPDATE user SET cap='' WHERE login='nobody'");
        });
        taken(&case.cards(crate::signing::signed("eve", uvfile("a.txt", 100, "hi"))));
        let text = case.by_bob("uvgimme a.txt\n").text();
        assert_eq!(text.contains("uvfile a.txt 100 "), answered, "{rights}: {text}");
        let catalog = format!("pragma uv-hash {}\n", sha1(b""));
        assert_eq!(case.by_bob(catalog).text().contains("uvigot a.txt 100 "), answered, "{rights}");
        let text = case.cards(format!("{VERSION}uvgimme a.txt\n# 5e3d\n")).text();
        assert!(!text.contains("uvfile"), "nobody: {text}");
    }
}

/// Unversioned files wait until the artifacts are through.
pub(crate) fn clone_in_batches(case: &ClientCase<'_>) {
    let hash = sha3_256(b"hi");
    let outcome = case.clone_as(&["-u"], "", move |request| {
        let asks = |card: &str| request.text.lines().any(|line| line.starts_with(card));
        let mut reply = Vec::new();
        if asks("clone 3 ") {
            let last = request.number == 3;
            reply.extend(file(format!("content {}\n", request.number)));
            reply.extend(clone_tail(if last { "0" } else { ["5", "9"][request.number - 1] }).into_bytes());
        }
        if asks("pragma uv-hash ") {
            reply.extend(format!("pragma uv-pull-only\nuvigot a.txt 100 {hash} 2\n").into_bytes());
        }
        if asks("uvgimme a.txt") {
            reply.extend(format!("uvfile a.txt 100 {hash} 2 0\nhi").into_bytes());
        }
        reply.extend(END.bytes());
        Reply::cards(reply)
    });
    outcome.went_well().holds(&name("content 1\n")).holds(&name("content 3\n"));
    assert_eq!(outcome.number("SELECT count(*) FROM unversioned WHERE name='a.txt' AND sz=2"), 1);
    let rounds = |card: &str| {
        let with = outcome.requests.iter().filter(|request| request.text.contains(card));
        with.map(|request| request.number).collect::<Vec<_>>()
    };
    assert_eq!(rounds("clone 3 "), [1, 2, 3]);
    let asked = rounds("uvgimme ");
    assert!(asked.len() == 1 && asked[0] > 3, "{asked:?}");
}

/// What a server says of it does not make a pull ask for more than it does without.
pub(crate) fn nothing_unasked(case: &ServerCase<'_>) {
    let case = of_bob(case, "oy");
    taken(&case.by_bob(uvfile("a.txt", 100, "hi")));
    assert!(!case.by_bob(PULL).text().contains("uv"), "a client that does not ask is told nothing");
}
