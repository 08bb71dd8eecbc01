//! What goes wrong for people: each time one clear line, an exit code of its own, and nothing lost.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use frond_tests::corpus::{Extras, PROJECT, Shape, by_stock};
use frond_tests::frond::{FAILED, LOCKED, NO_REPOSITORY, REFUSED, UNREACHABLE, USAGE};
use frond_tests::process::free_port;
use frond_tests::proxy::{Fault, Way};
use frond_tests::{Disk, Fossil, Frond, Proxy, Reply, Said, Scratch, Scripted, compare, frond, http, sql};

/// A small repository, and one that lacks its last check-ins.
struct Pair {
    fossil: Fossil,
    frond: Frond,
    scratch: Scratch,
    whole: PathBuf,
    stale: PathBuf,
}

impl Pair {
    fn new() -> Self {
        let (fossil, scratch) = (Fossil::new(), Scratch::new());
        let (whole, stale) = (scratch.file("whole.fossil"), scratch.file("stale.fossil"));
        let shape = Shape { checkins: 60, files: 30, seed: 5 };
        by_stock(&fossil, &whole, shape, 60, Extras::None);
        by_stock(&fossil, &stale, shape, 20, Extras::None);
        Self { fossil, frond: Frond::new(), scratch, whole, stale }
    }

    fn clone(&self, url: &str) -> Said {
        self.frond.try_run(["clone", url, &self.scratch.file("clone.fossil").to_string_lossy()])
    }

    fn pull(&self, url: &str, file: &Path) -> Said {
        self.frond.try_run([OsStr::new("pull"), url.as_ref(), "-R".as_ref(), file.as_os_str()])
    }

    fn pull_quietly(&self, url: &str, file: &Path) -> Said {
        self.frond.try_run([OsStr::new("pull"), "-q".as_ref(), url.as_ref(), "-R".as_ref(), file.as_os_str()])
    }

    /// A clone and a pull both fail like this, and the file stays as it was.
    #[track_caller]
    fn fails(&self, url: &str, code: i32, words: &[&str]) {
        let before = std::fs::read(&self.stale).unwrap();
        says(&self.pull(url, &self.stale), code, words);
        assert!(std::fs::read(&self.stale).unwrap() == before, "the file changed");
        says(&self.clone(url), code, words);
        self.no_clone_passes_for_whole();
    }

    #[track_caller]
    fn no_clone_passes_for_whole(&self) {
        let clone = self.scratch.file("clone.fossil");
        if clone.exists() {
            let path = clone.to_string_lossy();
            let info = self.frond.try_run(["verify", "-R", &path]);
            assert_ne!(info.code, Some(0), "a clone that failed passes for whole\n{info}");
        }
    }
}

/// One line on stderr, with these words, and this exit code.
#[track_caller]
fn says(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "{said}");
    assert_eq!(said.stderr.trim().lines().count(), 1, "one line\n{said}");
    let lower = said.stderr.to_lowercase();
    for word in words {
        assert!(lower.contains(&word.to_lowercase()), "no `{word}`\n{said}");
    }
    assert!(!lower.contains("panicked") && !lower.contains("error(") && !lower.contains("some("), "{said}");
}

/// Exactly this on stderr, and this exit code.
#[track_caller]
fn says_exactly(said: &Said, code: i32, line: &str) {
    assert_eq!(
        (said.code, said.stderr.as_str()),
        (Some(code), format!("frond: {line}\n").as_str()),
        "{said}"
    );
}

#[test]
fn no_such_host() {
    Pair::new().fails(
        "http://no-such-host.invalid/x",
        UNREACHABLE,
        &["no host is called no-such-host.invalid (", "); check the host name and the network"],
    );
}

#[test]
fn port_closed() {
    let address = format!("127.0.0.1:{}", free_port());
    Pair::new().fails(
        &format!("http://{address}/"),
        UNREACHABLE,
        &[
            &format!("cannot connect to {address}: connection refused"),
            "; check the port and that the server runs, then try again",
        ],
    );
}

#[test]
fn not_a_url() {
    let pair = Pair::new();
    for (url, why) in [
        ("http://", "it names no host"),
        ("gopher://host/x", "it does not begin with http://, https://, nats://, tls://, ws:// or wss://"),
        ("http://host:99999/", "\"99999\" is no port"),
    ] {
        let line = format!(
            "{url:?} is no URL of a repository: {why}; write it as http://HOST/PATH, https://USER@HOST/PATH or \
             nats://HOST/PROJECT-CODE"
        );
        says_exactly(&pair.clone(url), USAGE, &line);
        says_exactly(&pair.pull(url, &pair.stale), USAGE, &line);
        assert!(!pair.scratch.file("clone.fossil").exists());
    }
}

#[test]
fn not_a_project_code() {
    let pair = Pair::new();
    for project in ["x", "0123456789abcdef", "g123456789abcdef0123456789abcdef01234567"] {
        let url = format!("nats://127.0.0.1/{project}");
        let line = format!(
            "{url:?} is no URL of a repository: {project:?} is no project code: 40 hex digits make one, see `frond info` \
             of a copy; write it as nats://HOST/PROJECT-CODE or nats://HOST/PROJECT-CODE?login=USER"
        );
        says_exactly(&pair.clone(&url), USAGE, &line);
        says_exactly(&pair.pull(&url, &pair.stale), USAGE, &line);
    }
}

#[test]
fn not_a_fossil_server() {
    let page = "<html><body><h1>404</h1>Nothing <i>here</i></body></html>";
    let headers = [("Content-Type", "text/html"), ("Content-Length", "57"), ("Connection", "close")];
    assert_eq!(page.len(), 57);
    let server = Scripted::start(move |_| Reply::http("404 Not Found", &headers, page));
    Pair::new().fails(&server.url(), NO_REPOSITORY, &["404"]);
    let server = Scripted::start(|_| Reply::Raw(b"220 mail.example.test ESMTP\r\n".to_vec()));
    Pair::new().fails(
        &server.url(),
        FAILED,
        &["127.0.0.1", "no fossil server", "no HTTP", "220 mail.example.test ESMTP"],
    );
}

#[test]
fn a_server_that_failed() {
    let reason = "the disk is full";
    let headers = [("Content-Type", "text/plain"), ("Content-Length", "16"), ("Connection", "close")];
    assert_eq!(reason.len(), 16);
    let server = Scripted::start(move |_| Reply::http("500 Oops", &headers, reason));
    Pair::new().fails(&server.url(), FAILED, &["500", reason, "server's", "tell whoever runs it"]);
    let server = Scripted::start(|_| Reply::typed("application/x-fossil", ""));
    Pair::new().fails(&server.url(), FAILED, &["empty reply", "server's", "tell whoever runs it"]);
    // Nothing said that this was the end of the reply: the connection broke.
    let server = Scripted::start(|_| Reply::http("200 OK", &[("Content-Type", "application/x-fossil")], ""));
    Pair::new().fails(&server.url(), UNREACHABLE, &["broke", "try again"]);
}

#[test]
fn a_request_longer_than_a_proxy_takes() {
    let page = "<html><head><title>413 Request Entity Too Large</title></head></html>";
    let headers = [("Content-Type", "text/html"), ("Connection", "close")];
    let server = Scripted::start(move |_| Reply::http("413 Request Entity Too Large", &headers, page));
    let words = ["413", "(the request has ", " bytes)", "before the server", "nginx: client_max_body_size"];
    Pair::new().fails(&server.url(), FAILED, &words);
}

/// Stock's words where its file was in use, or where its first two requests met.
#[test]
fn a_stock_server_whose_database_was_in_use() {
    let page = "<html><body><h1>Database error: database is locked: {BEGIN IMMEDIATE}</h1></body></html>";
    let server = Scripted::start(move |_| Reply::http("400 Bad Request", &[("Connection", "close")], page));
    Pair::new().fails(&server.url(), UNREACHABLE, &["database is locked", "in use by others: try again"]);
}

#[test]
fn a_request_that_came_to_stock_cut() {
    let pair = Pair::new();
    let server = pair.fossil.server(&pair.whole);
    let proxy = Proxy::start(server.address);
    proxy.suffer(Fault::HalfClosed(Way::Up, 250));
    let words =
        ["answers with http status 501: bad request: cgi content-length mismatch", "; try again later"];
    says(&pair.pull(&proxy.url(), &pair.stale), UNREACHABLE, &words);
}

/// Something on the way loses what is in a request. Stock's reply is whole, and as short as where nothing is to be done.
#[test]
fn a_request_that_came_to_stock_empty() {
    let pair = Pair::new();
    sql::execute(&pair.whole, "UPDATE user SET cap='gio' WHERE login='nobody'");
    let ahead = pair.scratch.copy(&pair.whole, "ahead.fossil");
    sql::execute(&ahead, "REPLACE INTO config(name, value, mtime) VALUES('max-upload', 40000, 0)");
    for name in ["One", "Two", "Three"] {
        let (page, file) = (pair.scratch.write("page.txt", name.repeat(10_000)), ahead.to_string_lossy());
        pair.fossil.output(["wiki", "create", name, &page.to_string_lossy(), "-R", &file]);
    }
    for (word, client) in [("pull", &pair.stale), ("push", &ahead)] {
        let mut rounds = 0;
        loop {
            rounds += 1;
            let (here, there) =
                (pair.scratch.copy(client, "here.fossil"), pair.scratch.copy(&pair.whole, "there.fossil"));
            let server = pair.fossil.server(&there);
            let address = server.address;
            let relay = Scripted::start(move |request| {
                let text = if request.number == rounds { "" } else { &request.text };
                let answer = http::cards(address, "/", text);
                Reply::typed(answer.header("Content-Type").unwrap(), &answer.body)
            });
            let run = |url: &str| pair.frond.try_run([word, url, "-q", "-R", &here.to_string_lossy()]);
            let said = run(&relay.url());
            if relay.requests().len() < rounds {
                assert_eq!(said.code, Some(0), "{said}");
                break;
            }
            // The first is made again: of a server that says nothing at all is not known what it says else.
            if rounds == 1 {
                assert_eq!(said.code, Some(0), "{said}");
            } else {
                says(&said, UNREACHABLE, &["as if it had been asked nothing", "; try again"]);
                assert_eq!(run(&server.url()).code, Some(0));
            }
            let (to, from) = if word == "pull" { (&here, &there) } else { (&there, &here) };
            compare::holds_all_of(to, from);
        }
        assert!(rounds > 3, "{word} took {} rounds", rounds - 1);
    }
}

#[test]
fn https_to_a_port_without_tls_and_the_other_way_round() {
    let pair = Pair::new();
    let server = pair.frond.server(&pair.whole);
    let url = server.url().replacen("http:", "https:", 1);
    pair.fails(&url, FAILED, &["speaks http, not https", "write the address with http://"]);
    // What a port for TLS says to a request in clear: a fatal alert.
    let server = Scripted::start(|_| Reply::Raw(b"\x15\x03\x03\x00\x02\x02\x46".to_vec()));
    pair.fails(&server.url(), FAILED, &["speaks https, not http", "write the address with https://"]);
    for page in [
        "The plain HTTP request was sent to HTTPS port",
        "Client sent an HTTP request to an HTTPS server.",
        "Reason: You're speaking plain HTTP to an SSL-enabled server port.",
    ] {
        let server = Scripted::start(move |_| Reply::http("400 Bad Request", &[], page));
        pair.fails(&server.url(), FAILED, &["speaks https, not http", "write the address with https://"]);
    }
}

#[test]
fn html_reply() {
    let page = "<html><body>Please <b>log in</b> to the hotel network</body></html>";
    let server = Scripted::start(move |_| Reply::typed("text/html; charset=utf-8", page));
    Pair::new().fails(&server.url(), FAILED, &["hotel network"]);
}

#[test]
fn wrong_project_code() {
    let pair = Pair::new();
    let other = pair.scratch.file("other.fossil");
    pair.fossil.new_repository(&other, &PROJECT.replace('c', "d"));
    let before = std::fs::read(&pair.stale).unwrap();
    for server in [pair.fossil.server(&other), pair.frond.server(&other)] {
        says_exactly(
            &pair.pull(&server.url(), &pair.stale),
            FAILED,
            "the peer refused: wrong project; name the server of this project, or clone the other one",
        );
        assert!(std::fs::read(&pair.stale).unwrap() == before, "the file changed");
    }
}

#[test]
fn password_needed() {
    let pair = Pair::new();
    pair.fossil.output(["user", "capabilities", "nobody", "", "-R", &pair.whole.to_string_lossy()]);
    for server in [pair.fossil.server(&pair.whole), pair.frond.server(&pair.whole)] {
        pair.fails(&server.url(), REFUSED, &["authorized"]);
        let as_dev = server.url().replace("http://", "http://dev@");
        pair.fails(&as_dev, REFUSED, &["dev", "FROND_PASSWORD"]);
        let path = pair.stale.to_string_lossy();
        let mut pull = pair.frond.command(["pull", &as_dev, "-R", &path]);
        let said = frond::run(pull.env("FROND_PASSWORD", "hush"));
        says(&said, REFUSED, &["login failed"]);
        assert!(!said.all().contains("hush"), "the password shows\n{said}");
    }
}

#[test]
fn the_file_exists() {
    let pair = Pair::new();
    let server = pair.fossil.server(&pair.whole);
    let text = pair.scratch.write("clone.fossil", "a letter to my aunt\n");
    let name = text.to_string_lossy();
    let exists =
        format!("{name}: exists already; choose another name, or bring it up to date: frond pull -R {name}");
    says_exactly(&pair.clone(&server.url()), FAILED, &exists);
    assert_eq!(std::fs::read(&text).unwrap(), b"a letter to my aunt\n");
    // A repository that is no unfinished clone of that URL is somebody's work.
    let mine = pair.scratch.copy(&pair.stale, "clone.fossil");
    let before = std::fs::read(&mine).unwrap();
    says_exactly(&pair.clone(&server.url()), FAILED, &exists);
    assert!(std::fs::read(&mine).unwrap() == before, "the file changed");
    let said = pair.frond.try_run([OsStr::new("new"), mine.as_os_str()]);
    says_exactly(&said, FAILED, &format!("{name}: exists already; choose another name, or move it away"));
    assert!(std::fs::read(&mine).unwrap() == before, "the file changed");
}

#[test]
fn not_a_repository() {
    let pair = Pair::new();
    let server = pair.fossil.server(&pair.whole);
    let text = pair.scratch.write("letter.txt", "a letter to my aunt\n".repeat(2000));
    let database = pair.scratch.file("other.sqlite");
    rusqlite::Connection::open(&database).unwrap().execute_batch("CREATE TABLE t(x)").unwrap();
    let (missing, empty) = (pair.scratch.file("missing.fossil"), pair.scratch.write("empty.fossil", ""));
    let cut = pair.scratch.write("cut.fossil", &std::fs::read(&pair.whole).unwrap()[..20_001]);
    let other = "not a Fossil repository (it is no SQLite database); name a Fossil repository file";
    let short = "not a Fossil repository (it is a database that was cut off, or is too small for a repository); name a \
                 Fossil repository file";
    let none = "no such file; check the name of the repository file";
    let files = [(&text, other), (&database, short), (&cut, short), (&empty, other), (&missing, none)];
    for (file, what) in files {
        let before = std::fs::read(file).ok();
        let name = file.to_string_lossy();
        let line = format!("{name}: {what}");
        says_exactly(&pair.pull(&server.url(), file), NO_REPOSITORY, &line);
        for command in ["info", "timeline", "ls", "verify", "rebuild"] {
            let said = pair.frond.try_run([OsStr::new(command), "-R".as_ref(), file.as_os_str()]);
            says_exactly(&said, NO_REPOSITORY, &line);
        }
        let said = pair.frond.try_run([
            OsStr::new("serve"),
            file.as_os_str(),
            "--listen".as_ref(),
            "127.0.0.1:0".as_ref(),
        ]);
        says_exactly(&said, NO_REPOSITORY, &line);
        assert!(std::fs::read(file).ok() == before, "{name} changed");
    }
}

#[test]
fn repository_locked_by_another_process() {
    let pair = Pair::new();
    let server = pair.fossil.server(&pair.whole);
    let lock = sql::open(&pair.stale);
    lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let said = pair.pull(&server.url(), &pair.stale);
    let (note, error) = said.stderr.split_once('\n').unwrap();
    let own = format!("(process {})", std::process::id());
    for word in ["stale.fossil", "in use by", &own, "waiting up to 15 seconds"] {
        assert!(note.contains(word), "no {word}\n{said}");
    }
    says(&Said { stderr: error.to_owned(), ..said }, LOCKED, &["stale.fossil"]);
    says(&pair.pull_quietly(&server.url(), &pair.stale), LOCKED, &["stale.fossil"]);
    lock.execute_batch("ROLLBACK").unwrap();
    frond::summary(&pair.frond.try_run([
        "pull",
        "--json",
        &server.url(),
        "-R",
        &pair.stale.to_string_lossy(),
    ]));
    compare::contents_equal(&pair.stale, &pair.whole);
}

#[test]
fn read_only_file() {
    let pair = Pair::new();
    let server = pair.fossil.server(&pair.whole);
    let disk = Disk::of(&pair.scratch, 64 * 1024);
    let file = disk.take(&pair.stale, "stale.fossil");
    disk.remount("ro");
    let path = file.to_string_lossy();
    let run = |words: &[&str]| disk.run(&pair.frond.command(words));
    let line = format!("{path}: read-only; make the file and its directory writable, or work on a copy");
    says_exactly(&run(&["pull", &server.url(), "-R", &path]), FAILED, &line);
    assert_eq!(run(&["timeline", "-R", &path]).code, Some(0));
    let after = pair.scratch.file("after.fossil");
    disk.give("stale.fossil", &after);
    assert!(std::fs::read(after).unwrap() == std::fs::read(&pair.stale).unwrap(), "the file changed");
}

#[test]
fn no_such_repository_at_a_server() {
    let pair = Pair::new();
    let server = pair.frond.server(pair.scratch.path());
    pair.fails(&format!("{}nosuch", server.url()), NO_REPOSITORY, &["404", "no such repository"]);
}

#[test]
fn a_directory_that_is_not_there() {
    let pair = Pair::new();
    let server = pair.fossil.server(&pair.whole);
    let file = pair.scratch.path().join("nodir/new.fossil");
    let path = file.to_string_lossy();
    for words in [&["new", &path][..], &["clone", &server.url(), &path]] {
        says(&pair.frond.try_run(words), FAILED, &["nodir/new.fossil", "make the directory first"]);
    }
}

#[test]
fn a_first_user_without_a_name() {
    let pair = Pair::new();
    let file = pair.scratch.file("new.fossil");
    for words in [&["new", "-A", ""][..], &["new", "-A", " "], &["clone", "-A", "", "http://h/"]] {
        let said = pair.frond.try_run([words, &[&file.to_string_lossy()]].concat());
        says(&said, USAGE, &["no name of a user", "-A USER"]);
        assert!(!file.exists(), "{said}");
    }
}

#[test]
fn names_that_mean_nothing_or_too_much() {
    let pair = Pair::new();
    let path = pair.whole.to_string_lossy();
    let say = |command: &str, name: &str| pair.frond.try_run([command, name, "-R", &path]);
    for (command, kind) in [("ls", "check-in"), ("artifact", "artifact")] {
        says(&say(command, "zzz"), FAILED, &[&format!("no {kind} is called \"zzz\"")]);
        says(&say(command, "3f9"), FAILED, &["\"3f9\" is too short for the hash", "give 4 digits or more"]);
    }
    let twins = "SELECT substr(uuid,1,4) FROM blob GROUP BY 1 HAVING count(*)=2 ORDER BY 1 LIMIT 1";
    sql::execute(
        &pair.whole,
        "INSERT INTO blob(uuid,size,content) SELECT substr(uuid,1,12)||'00000000'||substr(uuid,21),size,content \
         FROM blob ORDER BY rid LIMIT 1",
    );
    let prefix = sql::column(&pair.whole, twins).remove(0);
    let names = format!("SELECT substr(uuid,1,16) FROM blob WHERE uuid GLOB '{prefix}*' ORDER BY uuid");
    let names = sql::column(&pair.whole, &names);
    assert_eq!(names.len(), 2);
    let listed = format!("several artifacts begin with \"{prefix}\": {}", names.join(", "));
    says(&say("artifact", &prefix), FAILED, &[&listed, "give more digits"]);
}
