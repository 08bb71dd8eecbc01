//! Several at once, and what the versions of stock do differently (section H).

use frond_tests::{Reply, http, sql};

use crate::cards::{file, name};
use crate::signing::signed;
use crate::support::{
    ClientCase, END, PULL, PUSH, ServerCase, VERSION, answered, once, pull_cards, refused_as, taken,
    turned_away,
};

const NEWS: &str = "something new\n";

fn of_bob<'a>(case: &ServerCase<'a>, rights: &str) -> ServerCase<'a> {
    ServerCase::of_bob(case.bench, rights)
}

/// A pull waits for nobody; a push waits with a bound, and may be made again.
pub(crate) fn writer_holds_the_file(case: &ServerCase<'_>) {
    let case = of_bob(case, "io");
    let writer = sql::open(&case.file);
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    answered(&case.by_bob(PULL));
    turned_away(&case.push(file(NEWS)), 503);
    writer.execute_batch("ROLLBACK").unwrap();
    assert!(!case.holds(&name(NEWS)));
    taken(&case.push(file(NEWS)));
    assert!(case.holds(&name(NEWS)));
}

/// As stock says it.
pub(crate) fn locked_server(case: &ClientCase<'_>) {
    let error = "error Database\\serror:\\sdatabase\\sis\\slocked:\\s{BEGIN\\sIMMEDIATE}\n";
    for command in ["pull", "push", "sync"] {
        let (path, id) = case.ahead();
        let outcome = case.session(&[command], "", path, move |_| Reply::cards(error));
        outcome.failed("Database error: database is locked");
        let waiting = sql::column(&outcome.file, "SELECT uuid FROM unsent JOIN blob USING(rid)");
        assert_eq!(waiting, [id.to_string()], "{command}");
    }
}

pub(crate) fn parallel_pushes(case: &ServerCase<'_>) {
    let case = of_bob(case, "io");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let case = (case.server.address, format!("pushed by {number}\n"));
            scope.spawn(move || {
                let request = signed("bob", [PUSH.as_bytes(), &file(&case.1)].concat());
                taken(&http::cards(case.0, "/", request));
            });
        }
    });
    for number in 0..8 {
        assert!(case.holds(&name(format!("pushed by {number}\n"))), "{number}");
    }
    assert_eq!(case.number("SELECT count(DISTINCT nonce) FROM rcvfrom WHERE nonce NOT NULL"), 8);
    case.is_sound();
}

pub(crate) fn no_timestamp(case: &ClientCase<'_>) {
    for command in ["pull", "sync", "push"] {
        let (path, id) = case.ahead();
        let outcome = case.session(&[command], "", path, |_| Reply::cards(file(NEWS)));
        outcome.failed("no timestamp at its end").lacks(&name(NEWS)).rounds(1);
        let waiting = sql::column(&outcome.file, "SELECT uuid FROM unsent JOIN blob USING(rid)");
        assert_eq!(waiting, [id.to_string()], "{command}");
    }
}

/// Times of servers decide nothing.
pub(crate) fn odd_clocks(case: &ClientCase<'_>) {
    for time in ["1970-01-01T00:00:00", "2099-12-31T23:59:59", "noon"] {
        let reply = [file(NEWS), format!("# timestamp {time} errors 0\n").into_bytes()].concat();
        let outcome = case.pull(move |request| match request.number {
            1 => Reply::cards(reply.clone()),
            _ => Reply::cards(END),
        });
        outcome.went_well().holds(&name(NEWS));
    }
}

pub(crate) fn error_card(case: &ClientCase<'_>) {
    for command in ["pull", "push", "sync"] {
        let outcome = case.session(&[command], "", case.copy(), once("error out\\sof\\sorder\n"));
        outcome.failed("refused: out of order").rounds(1);
    }
}

pub(crate) fn schema_of_the_future(case: &ClientCase<'_>) {
    let path = case.copy();
    sql::execute(&path, "UPDATE config SET value='2999-01-01 00:00' WHERE name='aux-schema'");
    case.pull_into(path, once(file(NEWS))).failed("2999-01-01 00:00").rounds(0);
}

pub(crate) fn schema_of_the_future_is_not_served(case: &ServerCase<'_>) {
    let outside = frond_tests::Scratch::new();
    let path = outside.copy(&case.bench.seed, "x.fossil");
    sql::execute(&path, "UPDATE config SET value='2999-01-01 00:00' WHERE name='aux-schema'");
    let said = case.bench.frond.try_run(["serve", &path.to_string_lossy(), "--listen", "127.0.0.1:0"]);
    assert!(said.code.is_some_and(|code| code != 0) && said.stderr.contains("2999-01-01 00:00"), "{said}");
}

/// Users and passwords are never copied with a file: a clone goes by the protocol.
pub(crate) fn clone_of_a_file(case: &ServerCase<'_>) {
    let copy = case.dir.file("copy.fossil");
    let seed = case.bench.seed.to_string_lossy();
    for address in [format!("file://{seed}"), format!("file:{seed}"), seed.to_string()] {
        let said = case.bench.frond.try_run(["clone", &address, &copy.to_string_lossy()]);
        assert_eq!(said.code, Some(2), "{said}");
        assert!(!copy.exists());
    }
    case.bench.frond.clone(&case.server.url(), &copy);
    assert_eq!(sql::number(&copy, "SELECT count(*) FROM user WHERE login='dev'"), 0);
}

pub(crate) fn local_requests(case: &ServerCase<'_>) {
    let case = of_bob(case, "");
    sql::execute(&case.file, "REPLACE INTO config VALUES('localauth', '0', 0)");
    refused_as(&case.cards(pull_cards()), "not\\sauthorized\\sto\\sread");
    refused_as(&case.cards(format!("{VERSION}{PUSH}# 5e3d\n")), "not\\sauthorized\\sto\\swrite");
}

pub(crate) fn catalog_without_pull(case: &ServerCase<'_>) {
    let text = case.cards(format!("{VERSION}pragma send-catalog\n# 5e3d\n")).text();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("pragma server-version "), "{text}");
    assert!(lines[1].starts_with("# timestamp "), "{text}");
    let text = case.cards(format!("{VERSION}{PULL}pragma send-catalog\n# 5e3d\n")).text();
    let all = case.number("SELECT count(*) FROM blob WHERE size>=0 AND rid NOT IN private");
    assert_eq!(text.lines().filter(|line| line.starts_with("igot ")).count() as i64, all);
}
