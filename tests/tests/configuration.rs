//! Configuration goes between stock and Frond, in both roles, and the rows end the same.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::path::{Path, PathBuf};

use frond_tests::frond::count;
use frond_tests::{Fossil, Frond, Scratch, compare, sql};

const PROJECT: &str = "abababababababababababababababababababab";

/// The rows that travel, without those that each file makes for itself.
const ROWS: [&str; 6] = [
    "SELECT quote(name)||' '||quote(value)||' '||mtime FROM config WHERE name IN ('project-name', 'css', 'header',
         'ticket-table', 'ticket-title-expr', 'walias:/a', 'interwiki:a', 'xfer-commit-script', 'ignore-glob')",
    "SELECT login||' '||quote(pw)||' '||quote(cap)||' '||quote(info)||' '||quote(photo)||' '||jx||' '||mtime
         FROM user WHERE login IN ('eve', 'O''Brien')",
    "SELECT uuid||' '||quote(scom)||' '||mtime FROM shun",
    "SELECT title||' '||quote(owner)||' '||quote(cols)||' '||quote(sqlcode)||' '||jx||' '||mtime FROM reportfmt
         WHERE mtime>2440588",
    "SELECT hash||' '||quote(content)||' '||mtime FROM concealed",
    "SELECT semail||' '||quote(suname)||' '||quote(sdigest)||' '||quote(ssub)||' '||sctime||' '||mtime
         FROM subscriber",
];

/// Two repositories of one project, of which the first has rows in every group.
struct Pair {
    scratch: Scratch,
    fossil: Fossil,
    frond: Frond,
    full: PathBuf,
    bare: PathBuf,
}

impl Pair {
    fn new() -> Self {
        let (scratch, fossil) = (Scratch::new(), Fossil::new());
        let (full, bare) = (scratch.file("full.fossil"), scratch.file("bare.fossil"));
        for file in [&full, &bare] {
            fossil.new_repository(file, PROJECT);
        }
        fill(&fossil, &scratch, &full);
        Self { scratch, fossil, frond: Frond::new(), full, bare }
    }

    #[track_caller]
    fn rows_equal(&self) {
        for query in ROWS {
            let (ours, theirs) = (rows(&self.full, query), rows(&self.bare, query));
            assert!(!ours.is_empty(), "{query}");
            assert_eq!(ours, theirs, "{query}");
        }
        let mood = "SELECT count(*) FROM pragma_table_info('ticket') WHERE name='mood'";
        assert_eq!(sql::number(&self.bare, mood), 1);
        compare::derived_tables_equal_after_stock_rebuild(&self.fossil, &self.full);
        self.fossil.test_integrity(&self.bare);
    }

    fn config(&self, words: &[&str]) -> String {
        self.frond.output([&["config"], words].concat())
    }
}

/// Gives a repository something of each group, by way of stock.
fn fill(fossil: &Fossil, scratch: &Scratch, file: &Path) {
    let table = "CREATE TABLE ticket(tkt_id INTEGER PRIMARY KEY, tkt_uuid TEXT UNIQUE, tkt_mtime DATE,
        tkt_ctime DATE, type TEXT, status TEXT, title TEXT, mood TEXT DEFAULT ''fine'');
        CREATE TABLE ticketchng(tkt_id INTEGER REFERENCES ticket, tkt_rid INTEGER REFERENCES blob, tkt_mtime DATE,
        tkt_user TEXT, mood TEXT);";
    let records = [
        ("/config", "1800000000 'project-name' value 'It''s a name'"),
        ("/config", "1800000001 'css' value 'body { }'"),
        ("/config", "1800000002 'header' value '<html>\n''quoted'' and é\n'"),
        ("/config", &format!("1800000003 'ticket-table' value '{table}'")),
        ("/config", "1800000004 'ticket-title-expr' value 'mood'"),
        ("/config", "1800000005 'walias:/a' value '/b'"),
        ("/config", "1800000006 'interwiki:a' value '{\"base\":\"http://h/\"}'"),
        ("/config", "1800000007 'xfer-commit-script' value '# nothing'"),
        ("/config", "1800000008 'ignore-glob' value '*.o'"),
        (
            "/user",
            "1800000009 'eve' pw '31f32f0602b42526ff5744f7c927e79e4795bc8f' cap 'v' info 'Eve' jx '{}'",
        ),
        ("/user", "1800000010 'O''Brien' pw 'x' cap '' info 'a\nb' photo X'00FF10' jx '{\"a\":1}'"),
        ("/shun", "1800000011 'dddddddddddddddddddddddddddddddddddddddd' scom 'why'"),
        ("/reportfmt", "1800000012 'Mine' owner 'eve' cols '#fff' sqlcode 'SELECT ''1''' jx '{}'"),
        ("/concealed", "1800000013 'abcdef' content 'eve@example.test'"),
        (
            "/subscriber",
            "1800000014 'eve@example.test' suname 'eve' sdigest 0 sdonotcall 0 ssub 'at' sctime 1800000000",
        ),
    ];
    let text: String =
        records.iter().map(|(name, record)| format!("config {name} {}\n{record}\n", record.len())).collect();
    let records = scratch.write("records.txt", text);
    fossil.output(["config", "merge", &records.to_string_lossy(), "-R", &file.to_string_lossy()]);
    let path = file.to_string_lossy();
    for words in [["title", "one", "mood"].as_slice(), &["title", "two", "status"]] {
        fossil.output([&["ticket", "add"], words, &["grim", "--quiet", "-R", &path]].concat());
    }
    // Stock keeps it for later.
    fossil.rebuild(file);
}

#[track_caller]
fn rows(file: &Path, query: &str) -> Vec<String> {
    let mut rows: Vec<String> = sql::column(file, query).into_iter().collect();
    rows.sort();
    rows
}

#[test]
fn stock_pulls_everything_from_frond() {
    let pair = Pair::new();
    let server = pair.frond.server(&pair.full);
    let bare = pair.bare.to_string_lossy();
    pair.fossil.output(["config", "pull", "all", &server.url_as("dev", "pw"), "-R", &bare]);
    pair.rows_equal();
}

#[test]
fn stock_pushes_everything_to_frond() {
    let pair = Pair::new();
    let server = pair.frond.server(&pair.bare);
    let full = pair.full.to_string_lossy();
    pair.fossil.output(["config", "push", "all", &server.url_as("dev", "pw"), "-R", &full]);
    pair.rows_equal();
}

#[test]
fn frond_pulls_everything_from_stock_and_from_frond() {
    for of_stock in [true, false] {
        let pair = Pair::new();
        let server = if of_stock { pair.fossil.server(&pair.full) } else { pair.frond.server(&pair.full) };
        let url = server.url_as("dev", "pw");
        let bare = pair.bare.to_string_lossy();
        let said = pair.config(&["pull", "all", &url, "-R", &bare, "--once", "--json"]);
        let summary: serde_json::Value = serde_json::from_str(said.trim()).unwrap();
        assert!(count(&summary, "records_received") >= 15, "{summary}");
        pair.rows_equal();
        pair.frond.verify(&pair.bare);
        let again = pair.config(&["pull", "all", &url, "-R", &bare, "--once", "--json"]);
        let summary: serde_json::Value = serde_json::from_str(again.trim()).unwrap();
        assert_eq!(count(&summary, "records_received"), 0, "{summary}");
    }
}

#[test]
fn frond_pushes_everything_to_stock_and_to_frond() {
    for to_stock in [true, false] {
        let pair = Pair::new();
        let server = if to_stock { pair.fossil.server(&pair.bare) } else { pair.frond.server(&pair.bare) };
        let full = pair.full.to_string_lossy();
        pair.config(&["push", "all", &server.url_as("dev", "pw"), "-R", &full, "--once"]);
        pair.rows_equal();
    }
}

#[test]
fn stock_takes_a_file_that_frond_wrote_and_frond_one_of_stock() {
    let pair = Pair::new();
    let (full, bare) = (pair.full.to_string_lossy(), pair.bare.to_string_lossy());
    let (ours, theirs) = (pair.scratch.file("ours.txt"), pair.scratch.file("theirs.txt"));
    pair.config(&["export", "all", &ours.to_string_lossy(), "-R", &full]);
    pair.fossil.output(["config", "export", "all", &theirs.to_string_lossy(), "-R", &full]);
    let lines = |file: &Path| {
        let text = std::fs::read_to_string(file).unwrap();
        let mut lines: Vec<String> =
            text.lines().filter(|line| !line.starts_with("# ")).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines(&ours), lines(&theirs));
    pair.fossil.output(["config", "merge", &ours.to_string_lossy(), "-R", &bare]);
    pair.rows_equal();
    for how in ["merge", "import"] {
        let pair = Pair::new();
        pair.config(&[how, &theirs.to_string_lossy(), "-R", &pair.bare.to_string_lossy()]);
        sql::execute(&pair.full, "DELETE FROM user WHERE login='eve'");
        pair.config(&["merge", &ours.to_string_lossy(), "-R", &pair.full.to_string_lossy()]);
        pair.rows_equal();
    }
}

/// The skin and the name come to everyone; users, as they should, to none who does not log in.
#[test]
fn a_clone_brings_the_configuration_in_every_pairing() {
    let pair = Pair::new();
    let shown =
        "SELECT name||value FROM config WHERE name IN ('project-name', 'css', 'ticket-table', 'hash-policy')";
    sql::execute(&pair.full, "UPDATE config SET value='3' WHERE name='hash-policy'");
    let expected = rows(&pair.full, shown);
    for of_stock in [true, false] {
        let server = if of_stock { pair.fossil.server(&pair.full) } else { pair.frond.server(&pair.full) };
        for by_stock in [true, false] {
            let copy = pair.scratch.file(&format!("copy-{of_stock}-{by_stock}.fossil"));
            if by_stock {
                pair.fossil.clone(&server.url(), &copy);
            } else {
                pair.frond.clone(&server.url(), &copy);
                pair.frond.verify(&copy);
            }
            assert_eq!(rows(&copy, shown), expected, "{of_stock} {by_stock}");
            assert_eq!(rows(&copy, "SELECT login FROM user WHERE login IN ('eve', 'dev')"), [""; 0]);
            compare::is_whole_copy(&pair.fossil, &copy, &pair.full);
            let moods = rows(&copy, "SELECT title||' '||mood||' '||coalesce(status, '') FROM ticket");
            assert_eq!(moods, ["one grim ", "two fine grim"]);
        }
    }
}

/// Who logs in as an admin gets the users too, but not a password of the server's for the clone's own user.
#[test]
fn a_clone_by_an_admin_brings_the_users_and_keeps_its_own_password() {
    let pair = Pair::new();
    for of_stock in [true, false] {
        let server = if of_stock { pair.fossil.server(&pair.full) } else { pair.frond.server(&pair.full) };
        let copy = pair.scratch.file(&format!("copy-{of_stock}.fossil"));
        pair.frond.clone(&server.url_as("dev", "pw"), &copy);
        let of = |login: &str, file: &Path| rows(file, &format!("SELECT pw FROM user WHERE login='{login}'"));
        assert_eq!(of("eve", &copy), of("eve", &pair.full));
        assert_ne!(of("dev", &copy), of("dev", &pair.full));
    }
}

/// 146, as stock does not do it.
#[test]
fn an_admin_who_may_not_set_up_does_not_become_who_may() {
    let pair = Pair::new();
    let bare = pair.bare.to_string_lossy();
    pair.fossil.output(["user", "capabilities", "dev", "a", "-R", &bare]);
    let full = pair.full.to_string_lossy();
    pair.fossil.output(["user", "capabilities", "dev", "s", "-R", &full]);
    sql::execute(&pair.full, "UPDATE user SET mtime=1900000000 WHERE login='dev'");
    pair.fossil.output(["user", "capabilities", "eve", "s", "-R", &full]);
    let server = pair.frond.server(&pair.bare);
    let url = server.url_as("dev", "pw");
    let said = pair.config(&["push", "user", &url, "-R", &full, "--once", "--json"]);
    assert!(said.contains("not taken") && said.contains("dev") && said.contains("eve"), "{said}");
    let rights = "SELECT login||' '||cap FROM user WHERE login IN ('dev', 'eve', 'O''Brien')";
    assert_eq!(rows(&pair.bare, rights), ["O'Brien ", "dev a"]);
}

#[test]
fn a_refused_push_of_configuration_is_an_error() {
    let pair = Pair::new();
    let path = pair.full.to_string_lossy();
    for server in [pair.frond.server(&pair.bare), pair.fossil.server(&pair.bare)] {
        let refused = pair.frond.try_run(["config", "push", "skin", &server.url(), "-R", &path]);
        assert_eq!(refused.code, Some(5), "{refused}");
    }
    let unknown = pair.frond.try_run(["config", "pull", "nothing", "-R", &path]);
    assert_eq!(unknown.code, Some(2), "{unknown}");
}

#[test]
fn a_pull_of_configuration_that_the_server_does_not_give_says_so() {
    let pair = Pair::new();
    let path = pair.bare.to_string_lossy();
    for server in [pair.frond.server(&pair.full), pair.fossil.server(&pair.full)] {
        let pull = |url: &str| pair.frond.try_run(["config", "pull", "user", url, "-R", &path]);
        let said = pull(&server.url());
        assert_eq!((said.code, said.stderr.contains("gave nothing of user")), (Some(0), true), "{said}");
        // Again, when there is nothing new: it was given all the same.
        for _ in 0..2 {
            let said = pull(&server.url_as("dev", "pw"));
            assert_eq!((said.code, said.stderr.contains("gave nothing")), (Some(0), false), "{said}");
        }
    }
}

/// S6: stock writes the end of a web session as a julian day; it is not the end of the user.
#[test]
fn who_was_on_the_web_pages_may_still_sync() {
    let pair = Pair::new();
    for expiry in ["2440000.5", "'2020-01-01 00:00:00'"] {
        sql::execute(&pair.full, &format!("UPDATE user SET cookie='x', cexpire={expiry} WHERE login='dev'"));
        for server in [pair.frond.server(&pair.full), pair.fossil.server(&pair.full)] {
            let summary = pair.frond.pull(&server.url_as("dev", "pw"), &pair.bare);
            assert!(count(&summary, "rounds") >= 1, "{summary}");
        }
    }
}
