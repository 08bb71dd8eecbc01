//! Bugs that no other test shows not to be here.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use frond_tests::artifact::Cards;
use frond_tests::corpus::{Extras, PROJECT, Shape};
use frond_tests::frond::{count, summary};
use frond_tests::scripted::Request;
use frond_tests::{Fossil, Frond, Proxy, Reply, Scratch, Scripted, compare, http, shared, sql};
use xfer::hash::{sha1, sha3_256};

const VERSION: &str = "pragma client-version 22100 20230226 192424\n";
const END: &str = "pragma server-version 22100 20230226 192424\n# timestamp 2026-01-01T00:00:00 errors 0\n";
const SHAPE: Shape = Shape::of(300);

/// Both programs, and a place for files.
struct Site {
    fossil: Fossil,
    frond: Frond,
    scratch: Scratch,
}

impl Site {
    fn new() -> Self {
        Self { fossil: Fossil::new(), frond: Frond::new(), scratch: Scratch::new() }
    }

    /// So many check-ins of a history.
    fn corpus(&self, upto: usize, name: &str) -> PathBuf {
        self.scratch.copy(&shared::corpus(SHAPE, upto, Extras::None), name)
    }

    /// An empty repository of stock's.
    fn empty(&self, name: &str) -> PathBuf {
        let file = self.scratch.file(name);
        self.fossil.new_repository(&file, PROJECT);
        file
    }

    /// Checks in a directory that holds these files.
    fn import(&self, file: &Path, files: &[(&str, &str)]) {
        let dir = self.scratch.dir("tree");
        for (name, content) in files {
            std::fs::write(dir.join(name), content).unwrap();
        }
        let mut import = self.frond.command(["import", ".", "-m", "files", "-R", &file.to_string_lossy()]);
        let said = frond_tests::frond::run(import.current_dir(dir));
        assert_eq!(said.code, Some(0), "{said}");
    }

    /// Something that was made there and not sent.
    fn write_page(&self, file: &Path, name: &str) {
        let page = self.scratch.write("page.txt", format!("page {name}\n"));
        let (page, file) = (page.to_string_lossy(), file.to_string_lossy());
        self.fossil.output(["wiki", "create", name, &page, "--user", "dev", "-R", &file]);
    }
}

fn file(content: &[u8]) -> Vec<u8> {
    [format!("file {} {}\n", sha3_256(content), content.len()).as_bytes(), content].concat()
}

/// Text that does not compress well.
fn noise(lines: u32, seed: u32) -> String {
    (0..lines).map(|line| format!("{}\n", sha1(format!("{seed} {line}").as_bytes()))).collect()
}

/// Bytes of all that is stored.
fn stored(file: &Path) -> u64 {
    sql::number(file, "SELECT sum(length(content)+150) FROM blob").unsigned_abs()
}

pub(crate) fn stock_clones_in_as_few_requests_as_it_can() {
    let site = Site::new();
    let whole = site.corpus(300, "whole.fossil");
    let server = site.frond.server(&whole);
    let between = Proxy::start(server.address);
    site.fossil.clone(&between.url(), &site.scratch.file("copy.fossil"));
    let down = between.traffic().down;
    assert!(down < stored(&whole), "{down} bytes for {}", stored(&whole));
}

pub(crate) fn stock_clones_what_is_longer_than_a_buffer() {
    let site = Site::new();
    let whole = site.empty("whole.fossil");
    let texts = [noise(15_000, 1), noise(15_000, 2), noise(15_000, 3)];
    site.import(&whole, &[("a", &texts[0]), ("b", &texts[1]), ("c", &texts[2])]);
    let copy = site.scratch.file("copy.fossil");
    site.fossil.clone(&site.frond.server(&whole).url(), &copy);
    compare::is_whole_copy(&site.fossil, &copy, &whole);
}

/// Every request finds more than the one before.
pub(crate) fn a_clone_of_a_busy_server_ends() {
    let site = Site::new();
    let (whole, busy) = (site.corpus(300, "whole.fossil"), site.corpus(300, "busy.fossil"));
    sql::execute(&busy, "INSERT INTO config VALUES('max-download','20000',0)");
    let server = site.frond.server(&busy);
    let (copy, ended) = (site.scratch.file("copy.fossil"), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                site.write_page(&busy, &format!("Page{number}"));
            }
        });
        let summary =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| site.frond.clone(&server.url(), &copy)));
        ended.store(true, Ordering::SeqCst);
        assert!(count(&summary.unwrap(), "rounds") > 5);
    });
    compare::holds_all_of(&copy, &whole);
    site.frond.verify(&copy);
}

pub(crate) fn a_clone_holds_the_same_bytes() {
    let site = Site::new();
    let whole = site.corpus(300, "whole.fossil");
    let bytes =
        |file: &Path| sql::column(file, "SELECT uuid||' '||size||' '||hex(content) FROM blob ORDER BY uuid");
    let expected = bytes(&whole);
    for (name, server) in [("stock", site.fossil.server(&whole)), ("frond", site.frond.server(&whole))] {
        let copy = site.scratch.file(&format!("{name}.fossil"));
        site.frond.clone(&server.url(), &copy);
        assert!(bytes(&copy) == expected, "other bytes than those of {name}");
    }
}

pub(crate) fn a_clone_is_about_as_long_as_what_is_stored() {
    let site = Site::new();
    let whole = site.corpus(300, "whole.fossil");
    for server in [site.fossil.server(&whole), site.frond.server(&whole)] {
        let copy = site.scratch.file("copy.fossil");
        let summary = site.frond.clone(&server.url(), &copy);
        let received = count(&summary, "bytes_received");
        assert!(received < stored(&whole), "{received} bytes for {}", stored(&whole));
        std::fs::remove_file(copy).unwrap();
    }
}

pub(crate) fn a_check_in_that_comes_before_its_files_can_be_opened() {
    let site = Site::new();
    let target = site.empty("target.fossil");
    let content = b"what comes later\n";
    let checkin =
        Cards::checkin("early", "2026-01-02T03:04:05", &format!("F later.txt {}\n", sha3_256(content)));
    let hash = sha3_256(&checkin).to_string();
    let script = Scripted::start(move |request| {
        let cards = match request.number {
            1 => [file(&checkin), format!("igot {}\n", sha3_256(content)).into_bytes()].concat(),
            2 => file(content),
            _ => Vec::new(),
        };
        Reply::cards([cards, END.into()].concat())
    });
    site.frond.pull(&script.url(), &target);
    let checkout = site.scratch.dir("checkout");
    site.fossil.output_in(&checkout, ["open", &target.to_string_lossy(), &hash]);
    assert_eq!(std::fs::read(checkout.join("later.txt")).unwrap(), content);
    compare::derived_tables_equal_after_stock_rebuild(&site.fossil, &target);
}

pub(crate) fn an_event_without_a_user_is_shown() {
    let site = Site::new();
    let target = site.corpus(200, "target.fossil");
    sql::execute(&target, "UPDATE event SET user=NULL, euser=NULL");
    let said = site.frond.output(["timeline", "-R", &target.to_string_lossy()]);
    let comment = "SELECT substr(coalesce(ecomment, comment), 1, 10) FROM event ORDER BY mtime DESC LIMIT 1";
    assert!(said.contains(&sql::column(&target, comment)[0]), "{said}");
    site.frond.output(["info", "-R", &target.to_string_lossy()]);
}

/// Transactions that changed a file without a write-ahead log, as SQLite counts them in its header.
fn transactions(file: &Path) -> u32 {
    let header = std::fs::read(file).unwrap();
    u32::from_be_bytes(header[24..28].try_into().unwrap())
}

pub(crate) fn a_pull_is_one_transaction_a_round() {
    let site = Site::new();
    let (whole, stale) = (site.corpus(300, "whole.fossil"), site.corpus(200, "stale.fossil"));
    let server = site.frond.server(&whole);
    let before = transactions(&stale);
    let summary = site.frond.pull(&server.url(), &stale);
    assert!(count(&summary, "artifacts_received") > 100, "{summary}");
    let made = u64::from(transactions(&stale) - before);
    // One more remembers the URL.
    assert!(made <= count(&summary, "rounds") + 1, "{made} transactions: {summary}");
}

pub(crate) fn many_clones_at_once_all_end() {
    let site = Site::new();
    let whole = site.corpus(300, "whole.fossil");
    let server = site.frond.server(&whole);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (frond, url) = (&site.frond, server.url());
            let copy = site.scratch.file(&format!("copy-{number}.fossil"));
            scope.spawn(move || frond.clone(&url, &copy));
        }
    });
    for number in 0..8 {
        compare::artifact_lists_equal(&site.scratch.file(&format!("copy-{number}.fossil")), &whole);
    }
}

pub(crate) fn nobody_may_do_anything_in_a_new_file() {
    let site = Site::new();
    for (name, options, rights) in [("closed", &[][..], ""), ("open", &["--public-read"][..], "go")] {
        let made = site.scratch.file(name);
        site.frond.output([&["new", "-A", "admin", &made.to_string_lossy()], options].concat());
        let cap = sql::column(&made, "SELECT cap FROM user WHERE login='nobody'");
        assert_eq!(cap, [rights]);
        let server = site.frond.server(&made);
        let project = sql::column(&made, "SELECT value FROM config WHERE name='project-code'").swap_remove(0);
        let refused = |cards: &str, words: &str| {
            let text = http::cards(server.address, "/", format!("{VERSION}{cards}# 1\n")).text();
            text.contains(&format!("error not\\sauthorized\\sto\\s{words}\n"))
        };
        let is_closed = rights.is_empty();
        assert_eq!(refused(&format!("pull 0000 {project}\n"), "read"), is_closed, "{name}");
        assert_eq!(refused("clone 3 1\n", "clone"), is_closed, "{name}");
        assert!(refused(&format!("push 0000 {project}\n"), "write"), "{name}");
    }
}

pub(crate) fn configuration_is_told_to_nobody_who_may_not_read() {
    let site = Site::new();
    let target = site.corpus(200, "target.fossil");
    sql::execute(
        &target,
        "UPDATE user SET cap='' WHERE login='nobody';
         REPLACE INTO config VALUES('last-sync-pw', 'cGFzc3dvcmQ', 1); REPLACE INTO config VALUES('css', 'secret', 1)",
    );
    let server = site.frond.server(&target);
    for group in ["/all", "/user", "/project", "/skin", "last-sync-pw", "css", "project-code"] {
        let text = http::cards(server.address, "/", format!("{VERSION}reqconfig {group}\n# 1\n")).text();
        assert!(text.contains("# timestamp ") && !text.contains("config "), "{group}: {text}");
    }
}

pub(crate) fn an_empty_password_is_none() {
    let site = Site::new();
    let made = site.scratch.file("made.fossil");
    site.frond.output(["new", "-A", "admin", &made.to_string_lossy()]);
    assert_eq!(sql::number(&made, "SELECT length(pw) FROM user WHERE login='admin'"), 40);
    sql::execute(&made, "INSERT INTO user(login, pw, cap) VALUES('eve', '', 's')");
    let server = site.frond.server(&made);
    let project = sql::column(&made, "SELECT value FROM config WHERE name='project-code'").swap_remove(0);
    for user in ["admin", "eve"] {
        let tail = format!("{VERSION}pull 0000 {project}\n# {user}\n");
        let nonce = sha1(tail.as_bytes());
        let login = format!("login {user} {nonce} {}\n", sha1(nonce.to_string().as_bytes()));
        let text = http::cards(server.address, "/", login + &tail).text();
        assert!(text.starts_with("error login\\sfailed\n"), "{user}: {text}");
    }
}

/// Stock keeps there until when the cookie of the browser is good.
pub(crate) fn a_user_who_logged_in_on_the_web_may_sync() {
    let site = Site::new();
    let whole = site.corpus(300, "whole.fossil");
    sql::execute(&whole, "UPDATE user SET cap='' WHERE login='nobody'");
    let server = site.frond.server(&whole);
    for expires in ["julianday('now')+300", "julianday('now')-300", "'2020-01-01 00:00:00'", "'junk'"] {
        let stale = site.corpus(200, "stale.fossil");
        sql::execute(
            &whole,
            &format!(
                "UPDATE user SET cookie='c00c1e', ipaddr='127.0.0.1', cexpire={expires} WHERE login='dev'"
            ),
        );
        let summary = site.frond.pull(&server.url_as("dev", "pw"), &stale);
        assert!(count(&summary, "artifacts_received") > 100, "{expires}: {summary}");
    }
}

pub(crate) fn a_time_of_0_and_a_tombstone_settle() {
    let site = Site::new();
    let (here, there) = (site.empty("here.fossil"), site.empty("there.fossil"));
    sql::execute(&there, "UPDATE user SET cap='sy' WHERE login='dev'");
    for (target, name) in [(&here, "oldest"), (&here, "gone"), (&there, "gone"), (&there, "other")] {
        let path = site.scratch.write("content", format!("content of {name}\n"));
        let (path, target) = (path.to_string_lossy(), target.to_string_lossy());
        site.frond.output(["uv", "add", &path, "--as", name, "-R", &target]);
    }
    sql::execute(
        &here,
        "UPDATE unversioned SET mtime=0 WHERE name='oldest'; DELETE FROM config WHERE name='uv-hash'",
    );
    site.frond.output(["uv", "rm", "gone", "-R", &there.to_string_lossy()]);
    let server = site.frond.server(&there);
    let exchange = || {
        let url = server.url_as("dev", "pw");
        let said =
            summary(&site.frond.try_run(["uv", "sync", "--json", &url, "-R", &here.to_string_lossy()]));
        ["rounds", "unversioned_sent", "unversioned_received"].map(|name| count(&said, name))
    };
    exchange();
    let rows =
        |target: &Path| sql::rows(target, "SELECT name, mtime, hash, sz FROM unversioned ORDER BY name");
    assert_eq!(rows(&here), rows(&there));
    let gone_and_oldest = "SELECT count(*) FROM unversioned WHERE (name='gone' AND hash IS NULL) OR mtime=0";
    assert_eq!(sql::number(&there, gone_and_oldest), 2);
    assert_eq!(exchange(), [1, 0, 0]);
}

pub(crate) fn stock_that_may_not_push_pulls_all_the_same() {
    let site = Site::new();
    let (whole, stale) = (site.corpus(300, "whole.fossil"), site.corpus(200, "stale.fossil"));
    sql::execute(&whole, "UPDATE user SET cap='o' WHERE login='dev'");
    site.write_page(&stale, "Mine");
    // What is sent unasked is an error to stock's server too.
    sql::execute(&stale, "DELETE FROM unsent");
    let server = site.frond.server(&whole);
    let said = site.fossil.exchange("sync", &server.url_as("dev", "pw"), &stale);
    assert!(!said.contains("Error"), "{said}");
    compare::holds_all_of(&stale, &whole);
    assert_eq!(sql::number(&whole, "SELECT count(*) FROM tag WHERE tagname='wiki-Mine'"), 0);
}

/// Two versions of a text take little more room than one.
pub(crate) fn a_push_sends_deltas() {
    let site = Site::new();
    let target = site.empty("target.fossil");
    let text = noise(2_000, 1);
    site.import(&target, &[("text", &text)]);
    site.import(&target, &[("text", &format!("{text}one more line\n"))]);
    let script = Scripted::start(|_| Reply::cards(END));
    site.frond.push(&script.url(), &target);
    let requests = script.requests();
    let sent: usize = requests.iter().map(|request| request.text.len()).sum();
    assert!(
        (text.len()..text.len() * 5 / 4).contains(&sent),
        "{sent} bytes for two versions of {}",
        text.len()
    );
}

pub(crate) fn a_pull_of_who_has_something_new_is_one_round() {
    let site = Site::new();
    let (whole, ahead) = (site.corpus(200, "whole.fossil"), site.corpus(200, "ahead.fossil"));
    site.write_page(&ahead, "Mine");
    for server in [site.fossil.server(&whole), site.frond.server(&whole)] {
        let summary = site.frond.pull(&server.url(), &ahead);
        assert_eq!(count(&summary, "rounds"), 1, "{summary}");
    }
    let script = Scripted::start(|_: &Request| Reply::cards(END));
    site.frond.pull(&script.url(), &ahead);
    let text = &script.requests()[0].text;
    assert!(!text.lines().any(|line| line.starts_with("igot ") || line.starts_with("file ")), "{text}");
}

#[track_caller]
fn nothing_is_marked_as_sent(script: impl Fn(&Request) -> Reply + Send + 'static, words: &str) {
    let site = Site::new();
    let ahead = site.corpus(200, "ahead.fossil");
    site.write_page(&ahead, "Mine");
    let waiting = "SELECT count(*) FROM unsent";
    let before = sql::number(&ahead, waiting);
    let server = Scripted::start(script);
    for command in ["push", "sync"] {
        let said = site.frond.try_exchange(command, &server.url(), &ahead);
        assert!(said.code.is_some_and(|code| code != 0), "{said}");
        assert!(said.stderr.contains(words), "{said}");
        assert_eq!(sql::number(&ahead, waiting), before);
    }
}

pub(crate) fn an_empty_reply_marks_nothing_as_sent() {
    nothing_is_marked_as_sent(|_| Reply::cards(""), "an empty reply");
    nothing_is_marked_as_sent(|_| Reply::cards("# nothing\n"), "no timestamp at its end");
}

pub(crate) fn a_reply_without_a_content_type_is_told() {
    let length = END.len().to_string();
    nothing_is_marked_as_sent(
        move |_| Reply::http("200 OK", &[("Content-Length", &length), ("Connection", "close")], END),
        "no content type",
    );
}
