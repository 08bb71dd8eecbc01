//! What goes wrong for people: each time one clear line, an exit code of its own, and nothing lost.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use frond_tests::corpus::{Extras, PROJECT, Shape, by_stock};
use frond_tests::frond::{FAILED, LOCKED, NO_REPOSITORY, REFUSED, UNREACHABLE, USAGE};
use frond_tests::process::free_port;
use frond_tests::{Fossil, Frond, Reply, Said, Scratch, Scripted, Server, compare, frond, sql};

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
        ("gopher://host/x", "it does not begin with http:// or https://"),
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
    let other =
        "not a Fossil repository (its size is none that a repository has); name a Fossil repository file";
    let none = "no such file; check the name of the repository file";
    for (file, what) in [(&text, other), (&database, other), (&empty, other), (&missing, none)] {
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

/// Runs a shell script where file systems may be mounted that nobody else sees.
#[track_caller]
fn in_own_mounts(pair: &Pair, script: &str, server: &Server) -> Said {
    let is_root =
        std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if !is_root {
        command.arg("--map-root-user");
    }
    command.args(["sh", "-e", "-c", script]).current_dir(pair.scratch.path());
    command.env("FROND", frond::binary()).env("URL", server.url()).env("HOME", pair.scratch.path());
    pair.scratch.dir("small");
    let said = frond::run(&mut command);
    assert!(
        !said.stderr.contains("unshare:") && !said.stderr.contains("mount:"),
        "cannot mount a small disk\n{said}"
    );
    said
}

/// The exit codes that a script printed as `code N`, and its stderr.
fn codes(said: &Said) -> Vec<i32> {
    said.stdout
        .lines()
        .filter_map(|line| line.strip_prefix("code "))
        .filter_map(|code| code.parse().ok())
        .collect()
}

#[test]
fn disk_full() {
    let pair = Pair::new();
    let server = pair.fossil.server(&pair.whole);
    // A clone: the disk is too small, then large enough. What came is not lost.
    let script = "mount -t tmpfs -o size=300k tmpfs small\n\
        code=0; $FROND clone $URL small/clone.fossil >/dev/null || code=$?; echo code $code\n\
        code=0; $FROND verify -R small/clone.fossil >/dev/null 2>&1 || code=$?; echo code $code\n\
        mount -o remount,size=64m small\n\
        code=0; $FROND clone -q $URL small/clone.fossil >/dev/null || code=$?; echo code $code\n\
        cp small/clone.fossil clone.fossil";
    let said = in_own_mounts(&pair, script, &server);
    let codes_found = codes(&said);
    assert!(
        codes_found.len() == 3 && codes_found[0] == FAILED && codes_found[1] != 0 && codes_found[2] == 0,
        "{said}"
    );
    assert!(said.stderr.to_lowercase().contains("full") && said.stderr.trim().lines().count() == 1, "{said}");
    compare::is_whole_copy(&pair.fossil, &pair.scratch.file("clone.fossil"), &pair.whole);

    // A pull: the file stays as sound as it was, and the next pull goes on.
    let script = "mount -t tmpfs -o size=$((`wc -c <stale.fossil` / 1024 + 40))k tmpfs small\n\
        cp stale.fossil small/stale.fossil\n\
        code=0; $FROND pull $URL -R small/stale.fossil >/dev/null || code=$?; echo code $code\n\
        mount -o remount,size=64m small\n\
        cp small/stale.fossil after.fossil\n\
        code=0; $FROND pull -q $URL -R small/stale.fossil >/dev/null || code=$?; echo code $code\n\
        cp small/stale.fossil pulled.fossil";
    let said = in_own_mounts(&pair, script, &server);
    assert_eq!(codes(&said), [FAILED, 0], "{said}");
    assert!(said.stderr.to_lowercase().contains("full") && said.stderr.trim().lines().count() == 1, "{said}");
    let after = pair.scratch.file("after.fossil");
    pair.fossil.test_integrity(&after);
    compare::holds_all_of(&after, &pair.stale);
    compare::contents_equal(&pair.scratch.file("pulled.fossil"), &pair.whole);
}

#[test]
fn read_only_file() {
    let pair = Pair::new();
    let server = pair.fossil.server(&pair.whole);
    let script = "mount -t tmpfs -o size=64m tmpfs small\n\
        cp stale.fossil small/stale.fossil\n\
        mount -o remount,ro small\n\
        code=0; $FROND pull $URL -R small/stale.fossil >/dev/null || code=$?; echo code $code\n\
        code=0; $FROND timeline -R small/stale.fossil >/dev/null || code=$?; echo code $code\n\
        cmp stale.fossil small/stale.fossil";
    let said = in_own_mounts(&pair, script, &server);
    assert_eq!(codes(&said), [FAILED, 0], "{said}");
    // The last command of the script compared the files.
    says_exactly(
        &said,
        0,
        "small/stale.fossil: read-only; make the file and its directory writable, or work on a copy",
    );
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
