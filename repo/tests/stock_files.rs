//! Files made here are good for stock Fossil, and the other way round.

#![allow(clippy::unwrap_used, reason = "in tests")]

mod stock;

use std::collections::BTreeMap;
use std::path::Path;

use repo::content::{self, Incoming};
use repo::{Genesis, Presence, Repo, Rid, UnixTime, blob, cluster, ingest};
use rusqlite::Connection;
use stock::Stock;
use xfer::card::Privacy;
use xfer::hash::sha3_256;

const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

fn genesis() -> Genesis {
    Genesis {
        project: "d8a2890475e7bf98e6bcde61975ee4dc71542449".into(),
        server: "e878e0cd265beed9e4a3b7bc4cc66b6b6a32e1df".into(),
        user: "alice".into(),
        password: Some("alicepw".into()),
        public: "go".into(),
        now: NOW,
    }
}

fn made_here(stock: &Stock) -> Repo {
    Repo::create(&stock.path("ours.fossil"), &genesis()).expect("a new file")
}

/// Columns of every row, as text.
fn rows(conn: &Connection, sql: &str) -> Vec<Vec<String>> {
    let mut statement = conn.prepare(sql).expect("good SQL");
    let columns = statement.column_count();
    let text = |row: &rusqlite::Row<'_>| -> rusqlite::Result<Vec<String>> {
        (0..columns).map(|column| Ok(format!("{:?}", row.get_ref(column)?))).collect()
    };
    statement.query_map([], text).expect("rows").collect::<Result<_, _>>().expect("rows")
}

/// The statements that made each table and index, without comments and blanks.
fn schema(path: &Path) -> BTreeMap<String, String> {
    let conn = Connection::open(path).expect("a database");
    let mut statement = conn
        .prepare("SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL AND name<>'sqlite_stat1'")
        .expect("good SQL");
    let plain = |sql: String| {
        let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
        lines.flat_map(|line| line.chars().filter(|c| !c.is_whitespace())).collect::<String>()
    };
    statement
        .query_map([], |row| Ok((row.get(0)?, plain(row.get(1)?))))
        .expect("rows")
        .collect::<Result<_, _>>()
        .expect("rows")
}

#[test]
fn a_new_file_has_the_tables_and_rows_of_stock() {
    let stock = Stock::new();
    drop(made_here(&stock));
    stock.run(&["new", "theirs.fossil"]);
    let (ours, theirs) = (stock.path("ours.fossil"), stock.path("theirs.fossil"));
    assert_eq!(schema(&ours), schema(&theirs));
    let (ours, theirs) = (Connection::open(ours).unwrap(), Connection::open(theirs).unwrap());
    for sql in [
        "SELECT * FROM tag WHERE tagid<12",
        "SELECT login, info, jx FROM user",
        "SELECT name FROM config ORDER BY name",
        "SELECT name, value FROM config WHERE name NOT IN ('project-code','server-code','rebuilt') ORDER BY 1",
        "SELECT title, mtime FROM reportfmt",
        "PRAGMA application_id",
        "PRAGMA user_version",
        "PRAGMA page_size",
        "PRAGMA encoding",
        "PRAGMA journal_mode",
        "PRAGMA auto_vacuum",
    ] {
        assert_eq!(rows(&ours, sql), rows(&theirs, sql), "{sql}");
    }
}

#[test]
fn stock_works_with_a_new_file() {
    let stock = Stock::new();
    drop(made_here(&stock));
    let file = stock.path("ours.fossil");
    stock.assert_sound(&file);
    let info = stock.run(&["info", "-R", "ours.fossil"]);
    assert!(info.contains("d8a2890475e7bf98e6bcde61975ee4dc71542449"), "{info}");
    stock.run(&["timeline", "-R", "ours.fossil"]);
    stock.run(&["ticket", "list", "reports", "-R", "ours.fossil"]);
    stock.run(&["rebuild", "ours.fossil"]);
    stock.assert_sound(&file);
    let users = stock.run(&["user", "list", "-R", "ours.fossil"]);
    assert!(users.contains("alice") && users.contains("nobody"), "{users}");
}

#[test]
fn stock_reads_what_was_stored_here() {
    let stock = Stock::new();
    let mut repo = made_here(&stock);
    let texts: Vec<String> = (0..150)
        .map(|n| (0..100).map(|line| format!("line {} of {n}\n", line * 150 / (n + 1))).collect())
        .collect();
    let tx = repo.begin().unwrap();
    for (n, text) in texts.iter().enumerate() {
        let text = text.as_bytes();
        let id = sha3_256(text);
        if n % 10 == 0 {
            content::put(&tx, &id, &Incoming::Whole(text), Privacy::Public).unwrap();
            continue;
        }
        let source = texts[n - 1].as_bytes();
        let delta = repo::delta::create(source, text);
        let incoming = Incoming::Delta { source: &sha3_256(source), delta: &delta };
        content::put(&tx, &id, &incoming, Privacy::Public).unwrap();
    }
    ingest::settle(&tx, NOW).unwrap();
    assert_eq!(cluster::create(&tx, NOW).unwrap(), 1);
    tx.commit().unwrap();
    drop(repo);
    let file = stock.path("ours.fossil");
    stock.assert_sound(&file);
    for text in [&texts[0], &texts[9], &texts[149]] {
        let name = sha3_256(text.as_bytes()).to_string();
        assert_eq!(stock.run(&["artifact", &name, "-R", "ours.fossil"]), *text);
    }
    stock.run(&["rebuild", "ours.fossil"]);
    stock.assert_sound(&file);
}

#[test]
fn what_stock_stored_is_read_here() {
    let stock = Stock::new();
    stock.run(&["new", "theirs.fossil"]);
    stock.run(&["open", "--force", "theirs.fossil"]);
    for n in 0..12 {
        // Every version has another size: within one second stock does not look closer.
        let line = |line: usize| if line == 9 * n { "changed".repeat(n + 1) } else { line.to_string() };
        let text: String = (0..200).map(|number| line(number) + "\n").collect();
        std::fs::write(stock.path("a.txt"), text).unwrap();
        if n == 0 {
            stock.run(&["add", "a.txt"]);
        }
        stock.run(&["commit", "-m", "next", "--no-warnings"]);
    }
    let mut repo = Repo::open(&stock.path("theirs.fossil")).unwrap();
    let snap = repo.snapshot().unwrap();
    let count: i64 = snap.conn().query_row("SELECT max(rid) FROM blob", [], |row| row.get(0)).unwrap();
    let deltas: i64 = snap.conn().query_row("SELECT count(*) FROM delta", [], |row| row.get(0)).unwrap();
    assert!(deltas >= 11, "stock made only {deltas} deltas");
    for rid in (1..=count).map(Rid) {
        let id = blob::id(&snap, rid).unwrap();
        assert_eq!(blob::presence(&snap, &id).unwrap(), Presence::Held(rid));
        let content = content::get(&snap, rid).unwrap();
        assert_eq!(sha3_256(&content), id);
        assert_eq!(content::size(&snap, rid).unwrap(), Some(content.len() as u64));
    }
}

#[test]
fn deltas_are_about_as_short_as_those_of_stock() {
    let stock = Stock::new();
    let (mut ours, mut theirs) = (0, 0);
    for seed in 0..24_u32 {
        let (source, target) = edited(seed);
        std::fs::write(stock.path("source"), &source).unwrap();
        std::fs::write(stock.path("target"), &target).unwrap();
        stock.run(&["test-delta-create", "source", "target", "delta"]);
        let delta = std::fs::read(stock.path("delta")).unwrap();
        assert_eq!(repo::delta::apply(&source, &delta, 1 << 20).unwrap(), target);
        assert!(repo::delta::checksum_fits(&delta, &target).unwrap());
        theirs += delta.len();

        let made = repo::delta::create(&source, &target);
        ours += made.len();
        std::fs::write(stock.path("delta"), &made).unwrap();
        stock.run(&["test-delta-apply", "source", "delta", "applied"]);
        assert_eq!(std::fs::read(stock.path("applied")).unwrap(), target);
    }
    assert!(ours * 100 <= theirs * 115, "{ours} bytes here, {theirs} bytes by stock");
}

/// A text of lines, and the same with some lines changed, moved, added and removed.
fn edited(seed: u32) -> (Vec<u8>, Vec<u8>) {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = move |below: u32| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state % below
    };
    let words = ["let", "mut", "the", "of", "return", "if", "else", "{", "}", "value", "name", "index", "0"];
    let line = |next: &mut dyn FnMut(u32) -> u32| -> String {
        let indent = " ".repeat(4 * next(4) as usize);
        let words: Vec<&str> = (0..1 + next(9)).map(|_| words[next(words.len() as u32) as usize]).collect();
        format!("{indent}{}\n", words.join(" "))
    };
    let source: Vec<String> = (0..50 + 20 * seed).map(|_| line(&mut next)).collect();
    let mut target = source.clone();
    for _ in 0..1 + seed / 2 {
        let at = next(target.len() as u32) as usize;
        match next(4) {
            0 => target[at] = line(&mut next),
            1 => drop(target.remove(at)),
            2 => target.insert(at, line(&mut next)),
            _ => {
                let moved = target.split_off(at);
                target.splice(0..0, moved);
            }
        }
    }
    (source.concat().into_bytes(), target.concat().into_bytes())
}
