//! Synced tables by the command line: what is written is shown, what cannot be is told, and stock keeps it.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::path::PathBuf;

use frond_tests::frond::{FAILED, REFUSED, USAGE};
use frond_tests::{Fossil, Frond, Said, Scratch, Server, sql};
use serde_json::{Value, json};

/// A repository without tables.
struct Shelf {
    frond: Frond,
    _scratch: Scratch,
    file: PathBuf,
}

impl Shelf {
    fn new() -> Self {
        let (frond, scratch) = (Frond::new(), Scratch::new());
        let file = scratch.file("r.fossil");
        frond.output(["new", &file.to_string_lossy()]);
        Self { frond, _scratch: scratch, file }
    }

    /// With the table `peers`, whose key is `host`.
    fn with_peers(conflict: &str) -> Self {
        let shelf = Self::new();
        shelf.done(&format!("create peers --column host:text --column port:integer --column load:real --column id:blob --key host --conflict {conflict}"));
        shelf
    }

    /// A session; gives its summary.
    #[track_caller]
    fn exchange(&self, operation: &str) -> Value {
        self.exchange_with(operation, "")
    }

    /// A session with the server at `url`, or the remembered one.
    #[track_caller]
    fn exchange_with(&self, operation: &str, url: &str) -> Value {
        let file = self.file.to_string_lossy();
        let url = Some(url).filter(|url| !url.is_empty());
        let words = [operation, "--json"].into_iter().chain(url).chain(["-R", &file]);
        let answer = self.frond.output(words);
        serde_json::from_str(answer.lines().last().unwrap_or_default()).unwrap()
    }

    /// Runs `frond table` with words that have no blanks.
    fn run(&self, words: &str) -> Said {
        let file = self.file.to_string_lossy();
        self.frond.try_run(["table"].into_iter().chain(words.split(' ')).chain(["-R", &file]))
    }

    #[track_caller]
    fn done(&self, words: &str) -> String {
        let said = self.run(words);
        assert_eq!(said.code, Some(0), "{words}\n{said}");
        said.stdout
    }

    #[track_caller]
    fn fails(&self, words: &str, code: i32, expected: &str) {
        let said = self.run(words);
        assert_eq!(said.code, Some(code), "{words}\n{said}");
        assert!(said.stderr.contains(expected), "{words}\n{said}");
    }
}

#[test]
fn rows_are_written_shown_and_deleted() {
    let shelf = Shelf::with_peers("last-writer");
    assert_eq!(
        shelf.done("ls"),
        "peers: 0 rows, last-writer, host:text (key), id:blob, load:real, port:integer\n"
    );
    assert_eq!(shelf.done("put peers host=b port=-7 load=0.5 id=00ff"), "");
    shelf.done("put peers host=a=1");
    assert_eq!(shelf.done("dump peers"), "host=a=1\nhost=b id=00ff load=0.5 port=-7\n");
    shelf.done("put peers host=b port=8");
    assert_eq!(shelf.done("get peers host=b"), "host=b port=8\n");
    let row: Value = serde_json::from_str(&shelf.done("get peers host=b --json")).unwrap();
    assert_eq!(row["values"], json!({"host": "b", "port": 8}));
    assert_eq!((&row["type"], &row["table"], &row["owner"]), (&json!("row"), &json!("peers"), &Value::Null));
    shelf.done("rm peers host=b");
    shelf.fails("rm peers host=b", FAILED, "no such row");
    shelf.fails("get peers host=b", FAILED, "no such row");
    assert_eq!(shelf.done("dump peers --json").lines().count(), 1);
    let table: Value = serde_json::from_str(&shelf.done("ls --json")).unwrap();
    assert_eq!(
        (&table["name"], &table["rows"], &table["conflict"]),
        (&json!("peers"), &json!(1), &json!("last-writer"))
    );
    assert_eq!(table["columns"][0], json!({"name": "host", "type": "text", "key": true}));
}

/// Serves a repository of which `bob` may pull and push, with the table `peers`.
fn hub(conflict: &str) -> (Shelf, Server) {
    let shelf = Shelf::with_peers(conflict);
    let file = shelf.file.to_string_lossy();
    Fossil::new().output(["user", "new", "bob", "", "bobpw", "-R", &file]);
    Fossil::new().output(["user", "capabilities", "bob", "gio", "-R", &file]);
    let server = shelf.frond.server(&shelf.file);
    (shelf, server)
}

#[test]
fn tables_travel_by_clone_pull_push_and_sync() {
    let (hub, server) = hub("last-writer");
    hub.done("put peers host=hub port=1 id=00ff load=0.25");
    let url = server.url_as("bob", "bobpw");
    let clones = ["one", "two"].map(|name| {
        let (frond, scratch) = (Frond::new(), Scratch::new());
        let file = scratch.file(name);
        frond.output(["clone", &url, &file.to_string_lossy()]);
        Shelf { frond, _scratch: scratch, file }
    });
    let [one, two] = &clones;
    assert_eq!(one.done("dump peers"), "host=hub id=00ff load=0.25 port=1\n");
    one.done("put peers host=one port=2");
    one.done("rm peers host=hub");
    let dry = |clone: &Shelf| {
        clone.frond.output([
            "sync",
            "-n",
            &server.url_as("bob", "bobpw"),
            "-R",
            &clone.file.to_string_lossy(),
        ])
    };
    let said = dry(one);
    assert!(said.contains("compare rows of table peers\n") && said.contains(", rows of 1 tables;"), "{said}");
    assert_eq!(hub.done("dump peers"), "host=hub id=00ff load=0.25 port=1\n");
    let summary = one.exchange("sync");
    assert!(!dry(one).contains("table"), "nothing differs any more");
    assert_eq!((&summary["rows_sent"], &summary["rows_received"]), (&json!(2), &json!(0)));
    two.done("put peers host=two port=3");
    let summary = two.exchange("pull");
    assert_eq!((&summary["rows_sent"], &summary["rows_received"]), (&json!(0), &json!(2)));
    assert_eq!(hub.done("dump peers"), "host=one port=2\n");
    let summary = two.exchange("push");
    assert_eq!((&summary["rows_sent"], &summary["rows_received"]), (&json!(1), &json!(0)));
    one.exchange("sync");
    for peer in [&hub, one, two] {
        assert_eq!(peer.done("dump peers"), "host=one port=2\nhost=two port=3\n");
    }
}

/// What did not travel is no success.
#[test]
fn a_row_that_the_server_refuses_is_an_error_when_everything_else_is_done() {
    let (hub, server) = hub("self");
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let url = server.url_as("bob", "bobpw");
    let file = scratch.file("copy");
    frond.output(["clone", &url, &file.to_string_lossy()]);
    let copy = Shelf { frond, _scratch: scratch, file };
    copy.done("put peers host=bob port=1 --user bob");
    copy.done("put peers host=eve port=2 --user eve");
    for _ in 0..2 {
        let said = copy.frond.try_exchange("sync", &url, &copy.file);
        assert_eq!(said.code, Some(3), "{said}");
        assert!(said.stdout.contains("\"rows_refused\":1,"), "{said}");
        assert!(said.stderr.contains("rows of synced tables were refused: 1"), "{said}");
    }
    assert_eq!(hub.done("dump peers"), "host=bob port=1\n");
}

/// Stock stops at a card that it does not know.
#[test]
fn t8_stock_works_against_a_repository_with_tables_and_is_sent_none() {
    let (hub, server) = hub("last-writer");
    hub.done("put peers host=hub port=1");
    let (fossil, scratch) = (Fossil::new(), Scratch::new());
    let url = server.url_as("bob", "bobpw");
    let clone = scratch.file("clone.fossil");
    for said in [fossil.clone(&url, &clone), fossil.exchange("sync", &url, &clone), fossil.pull(&url, &clone)]
    {
        let said = said.to_lowercase();
        assert!(!said.contains("error") && !said.contains("unknown command"), "{said}");
    }
    // The other way round: stock serves, and is told of tables in pragmas only.
    let stock = fossil.server(&clone);
    let summary = hub.exchange_with("pull", &stock.url());
    assert_eq!((&summary["rounds"], &summary["rows_sent"]), (&json!(1), &json!(0)));
}

#[test]
fn what_cannot_be_is_told() {
    let shelf = Shelf::with_peers("last-writer");
    let cases = [
        ("put peers host=a port=x", USAGE, "column port takes integer"),
        ("put peers host=a port=9223372036854775808", USAGE, "column port takes integer"),
        ("put peers host=a load=nan", USAGE, "column load takes real"),
        ("put peers host=a id=0", USAGE, "column id takes blob"),
        ("put peers host=a host=b", USAGE, "column host is given twice"),
        ("put peers host=a colour=red", USAGE, "no column \"colour\""),
        ("put peers port=1", USAGE, "column host is part of the key"),
        ("put peers host", USAGE, "COLUMN=VALUE"),
        ("get peers host=a port=1", USAGE, "column port is no part of the key"),
        ("put other a=1", FAILED, "there is no synced table other"),
        ("dump other", FAILED, "there is no synced table other"),
        ("create Peers --column a:text --key a", USAGE, "only a-z"),
        ("create fx_a --column a:text --key a", USAGE, "reserved"),
        ("create a --column a:varchar --key a", USAGE, "text, integer, real or blob"),
        ("create a --column a:text --key b", USAGE, "the key b is no column"),
        ("create a --column a:text --key a --conflict any", USAGE, "last-writer, owner or self"),
        ("create a --column a:integer --key a --conflict self", USAGE, "holds the user"),
        ("create peers --column host:text --key host --conflict owner", FAILED, "the conflict rules differ"),
        (
            "create peers --column host:text --column port:text --key host",
            FAILED,
            "column port is integer here",
        ),
    ];
    for (words, code, expected) in cases {
        shelf.fails(words, code, expected);
    }
    assert_eq!(shelf.done("dump peers"), "");
    assert_eq!(
        shelf.done("create peers --column host:text --column note:text --key host"),
        "table peers extended\n"
    );
    shelf.done("put peers host=a note=x");
    assert_eq!(shelf.done("dump peers"), "host=a note=x\n");
}

#[test]
fn rows_belong_to_whom_the_rule_says() {
    let shelf = Shelf::with_peers("owner");
    shelf.done("put peers host=a port=1 --user alice");
    shelf.fails("put peers host=a port=2 --user bob", REFUSED, "belongs to \"alice\"");
    shelf.fails("rm peers host=a --user bob", REFUSED, "belongs to \"alice\"");
    shelf.done("put peers host=a port=2 --user alice");
    let row: Value = serde_json::from_str(&shelf.done("get peers host=a --json")).unwrap();
    assert_eq!((&row["values"]["port"], &row["owner"]), (&json!(2), &json!("alice")));

    let shelf = Shelf::with_peers("self");
    shelf.done("put peers host=alice --user alice");
    shelf.fails("put peers host=alice port=1 --user bob", REFUSED, "belongs to \"alice\"");
}

#[test]
fn a_rebuild_by_stock_or_by_frond_keeps_the_tables() {
    let (shelf, fossil) = (Shelf::with_peers("owner"), Fossil::new());
    for host in ["a", "b", "c"] {
        shelf.done(&format!("put peers host={host} port=1 id=0001 --user alice"));
    }
    shelf.done("rm peers host=c --user alice");
    let queries = [
        "SELECT hex(fx_key), hex(fx_hash), hex(id), * FROM fx_x_peers",
        "SELECT * FROM fx_frond_table",
        "SELECT hex(digest), * FROM fx_frond_table_node",
    ];
    let dump = || queries.map(|query| sql::rows(&shelf.file, query));
    let before = dump();
    assert_eq!(before[0].len(), 3);
    let file = shelf.file.to_string_lossy();
    fossil.output(["rebuild", &file]);
    assert_eq!(dump(), before);
    fossil.output(["rebuild", "--vacuum", "--deanalyze", &file]);
    shelf.frond.output(["rebuild", "-R", &file]);
    assert_eq!(dump(), before);
    shelf.frond.output(["verify", "-R", &file]);
    assert_eq!(shelf.done("dump peers"), "host=a id=0001 port=1\nhost=b id=0001 port=1\n");
}
