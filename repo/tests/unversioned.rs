//! Unversioned files in one file that stock and Frond change by turns.
//!
//! Needs the program `fossil`, 2.21 or newer.

#![allow(clippy::unwrap_used, reason = "in tests")]

mod stock;

use std::path::Path;

use repo::{Genesis, Repo, UnixTime, unversioned};
use rusqlite::Connection;
use stock::Stock;
use xfer::UvName;

const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

/// The same as a stock time.
const STOCK_NOW: &str = "2023-11-14 22:13:20";

fn made(stock: &Stock) -> Repo {
    let genesis = Genesis {
        project: "d8a2890475e7bf98e6bcde61975ee4dc71542449".into(),
        server: "e878e0cd265beed9e4a3b7bc4cc66b6b6a32e1df".into(),
        user: "alice".into(),
        now: NOW,
        ..Genesis::default()
    };
    Repo::create(&stock.path("u.fossil"), &genesis).unwrap()
}

fn uv(stock: &Stock, args: &[&str]) -> String {
    stock.run(&[&["uv"], args, &["-R", "u.fossil"]].concat())
}

fn put(repo: &mut Repo, name: &str, content: &[u8]) {
    let tx = repo.begin().unwrap();
    unversioned::put(&tx, &UvName::new(name).unwrap(), content, NOW).unwrap();
    tx.commit().unwrap();
}

fn remove(repo: &mut Repo, name: &str) {
    let tx = repo.begin().unwrap();
    unversioned::remove(&tx, name, UnixTime::from_seconds(NOW.seconds() + 1)).unwrap().unwrap();
    tx.commit().unwrap();
}

fn catalog_hash(repo: &mut Repo) -> String {
    unversioned::catalog_hash(&repo.snapshot().unwrap()).unwrap().to_string()
}

/// Contents that are kept in different ways.
fn files() -> [(&'static str, Vec<u8>); 4] {
    // What does not deflate, and what does.
    let noise = (0..3000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    [
        ("empty", Vec::new()),
        ("dir/noise.bin", noise),
        ("text.txt", b"a line\n".repeat(400)),
        ("Gr\u{fc}n", b"x".to_vec()),
    ]
}

/// Every row but for local numbers; containers, which may be deflated in other ways, by their kind.
fn rows(file: &Path) -> Vec<String> {
    let conn = Connection::open(file).unwrap();
    let mut statement = conn
        .prepare(
            "SELECT name||' '||mtime||' '||ifnull(hash,'-')||' '||sz||' '||encoding||' '||typeof(content)||' '
                 ||CASE encoding WHEN 0 THEN ifnull(hex(content),'') ELSE hex(substr(content,1,5)) END
                 ||typeof(mtime)||typeof(sz)
               FROM unversioned ORDER BY name",
        )
        .unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn stock_reads_lists_and_deletes_what_was_put_here() {
    let stock = Stock::new();
    let mut repo = made(&stock);
    for (name, content) in files() {
        put(&mut repo, name, &content);
    }
    remove(&mut repo, "empty");
    let listed: Vec<String> = uv(&stock, &["ls"]).lines().map(str::to_owned).collect();
    assert_eq!(listed, ["Gr\u{fc}n", "dir/noise.bin", "text.txt"]);
    assert_eq!(uv(&stock, &["hash"]).trim(), catalog_hash(&mut repo));
    for (name, content) in &files()[1..] {
        uv(&stock, &["export", name, "out"]);
        assert_eq!(&std::fs::read(stock.path("out")).unwrap(), content, "{name}");
    }
    uv(&stock, &["rm", "text.txt"]);
    let entry = unversioned::find(&repo.snapshot().unwrap(), "text.txt").unwrap().unwrap();
    assert_eq!((entry.version.hash, entry.size), (None, 0));
    assert_eq!(uv(&stock, &["hash"]).trim(), catalog_hash(&mut repo));
    stock.assert_sound(&stock.path("u.fossil"));
}

#[test]
fn what_stock_added_is_read_here() {
    let stock = Stock::new();
    let mut repo = made(&stock);
    for (name, content) in files() {
        std::fs::write(stock.path("in"), content).unwrap();
        uv(&stock, &["add", "in", "--as", name, "--mtime", STOCK_NOW]);
    }
    uv(&stock, &["rm", "empty"]);
    let snap = repo.snapshot().unwrap();
    for (name, content) in &files()[1..] {
        assert_eq!(&unversioned::content(&snap, name).unwrap().unwrap(), content, "{name}");
        assert_eq!(unversioned::find(&snap, name).unwrap().unwrap().version.mtime, NOW.seconds());
    }
    assert_eq!(unversioned::content(&snap, "empty").unwrap(), None);
    assert_eq!(unversioned::list(&snap).unwrap().len(), 4);
    drop(snap);
    assert_eq!(uv(&stock, &["hash"]).trim(), catalog_hash(&mut repo));
}

#[test]
fn the_rows_are_those_of_stock() {
    let (ours, stocks) = (Stock::new(), Stock::new());
    let mut repo = made(&ours);
    drop(made(&stocks));
    for (name, content) in files() {
        put(&mut repo, name, &content);
        std::fs::write(stocks.path("in"), content).unwrap();
        uv(&stocks, &["add", "in", "--as", name, "--mtime", STOCK_NOW]);
    }
    remove(&mut repo, "empty");
    uv(&stocks, &["rm", "empty", "--mtime", "2023-11-14 22:13:21"]);
    assert_eq!(rows(&ours.path("u.fossil")), rows(&stocks.path("u.fossil")));
    let schema = |stock: &Stock| -> String {
        let conn = Connection::open(stock.path("u.fossil")).unwrap();
        let sql = "SELECT sql FROM sqlite_schema WHERE name='unversioned'";
        conn.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap().replace("repository.", "")
    };
    assert_eq!(schema(&ours), schema(&stocks));
    assert_eq!(uv(&stocks, &["hash"]).trim(), catalog_hash(&mut repo));
}

#[test]
fn a_rebuild_keeps_them() {
    let stock = Stock::new();
    let mut repo = made(&stock);
    put(&mut repo, "a", b"1");
    let tx = repo.begin().unwrap();
    repo::rebuild::run(&tx, NOW, &mut |_| ()).unwrap();
    tx.commit().unwrap();
    stock.run(&["rebuild", "u.fossil"]);
    assert_eq!(unversioned::content(&repo.snapshot().unwrap(), "a").unwrap().unwrap(), "1");
}
