//! What `frond doctor` finds, each time with a thing that is really broken.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use frond_tests::leaf::{open_repository, until};
use frond_tests::nginx::certificate;
use frond_tests::process::free_port;
use frond_tests::{Frond, Leaf, Nats, Reply, Said, Scratch, Scripted, frond, sql};
use serde_json::Value;

struct Patient {
    frond: Frond,
    scratch: Scratch,
    file: PathBuf,
}

impl Patient {
    /// A repository that everybody may push to.
    fn new() -> Self {
        let (frond, scratch) = (Frond::new(), Scratch::new());
        let file = scratch.file("a.fossil");
        open_repository(&frond, &file);
        Self { frond, scratch, file }
    }

    /// Another of another project.
    fn stranger(&self) -> PathBuf {
        let file = self.scratch.file("stranger.fossil");
        open_repository(&self.frond, &file);
        file
    }

    fn doctor(&self, args: &[&str]) -> Said {
        self.frond.try_run(["doctor", "--json", "-R", &self.file.to_string_lossy()].iter().chain(args))
    }

    /// Has the doctor look; it must find this, at this level and in these words, and say what to do.
    #[track_caller]
    fn finds(&self, args: &[&str], level: &str, about: &str, words: &str) {
        find(&self.doctor(args), level, about, words);
    }

    /// The same with a configuration file.
    #[track_caller]
    fn finds_of(&self, config: &str, level: &str, about: &str, words: &str) {
        let config = self.scratch.write("leaf.toml", config);
        let said = self.frond.try_run(["doctor", "--json", "--config", &config.to_string_lossy()]);
        find(&said, level, about, words);
    }
}

#[track_caller]
fn find(said: &Said, level: &str, about: &str, words: &str) {
    let findings = findings(said);
    let found = findings.iter().find(|finding| {
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        text("level") == level && text("about").starts_with(about) && text("what").contains(words)
    });
    let found = found.unwrap_or_else(|| panic!("no {level} of {about:?} with {words:?}\n{said}"));
    assert_eq!(found["hint"].is_string(), level != "ok", "{found}");
    let has_error = findings.iter().any(|finding| finding["level"] == "error");
    assert_eq!(said.code, Some(if has_error { frond::FAILED } else { 0 }), "{said}");
}

#[track_caller]
fn findings(said: &Said) -> Vec<Value> {
    let lines = said.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut lines: Vec<Value> = lines.collect();
    let summary = lines.pop().unwrap_or_default();
    assert_eq!(summary["type"], "doctor", "{said}");
    let count = |level: &str| lines.iter().filter(|finding| finding["level"] == level).count();
    assert_eq!(summary["errors"], count("error"), "{said}");
    assert_eq!(summary["warnings"], count("warning"), "{said}");
    lines
}

#[test]
fn where_all_is_well_it_says_so_in_words_and_in_json() {
    let patient = Patient::new();
    let broker = Nats::start();
    let copy = patient.scratch.file("copy.fossil");
    let server = patient.frond.server(&patient.file);
    patient.frond.clone(&server.url(), &copy);
    let (url, nats) = (server.url(), broker.url());
    let args = ["-R", copy.to_str().unwrap(), "--peer", &url, "--nats", &nats];
    let said = patient.frond.try_run(["doctor", "--json"].iter().chain(&args));
    assert!(findings(&said).iter().all(|finding| finding["level"] == "ok"), "{said}");
    for (about, words) in [
        ("configuration", "repositories: 1, peers: 2"),
        ("leaf", "none runs"),
        ("repository copy", "its pages are sound"),
        ("repository copy", "MiB free"),
        ("broker", "1048576 bytes"),
        ("peer", "artifacts to send: 0, to receive: 0"),
    ] {
        find(&said, "ok", about, words);
    }
    let said = patient.frond.try_run(["doctor"].iter().chain(&args));
    assert!(said.code == Some(0) && said.stdout.ends_with("\nall is well\n"), "{said}");
}

#[test]
fn what_is_wrong_with_a_repository_is_found() {
    let patient = Patient::new();
    let about = "repository a";
    let future = "INSERT INTO event(type, mtime, objid) VALUES('ci', julianday('now', '+5 hours'), 99)";
    sql::execute(&patient.file, future);
    patient.finds(&[], "warning", about, "hours in the future");
    sql::execute(&patient.file, "DELETE FROM config WHERE name='project-code'");
    patient.finds(&[], "error", about, "no project code");
    sql::execute(&patient.file, "CREATE TABLE more AS SELECT randomblob(100000) AS x");
    let page = sql::number(&patient.file, "SELECT rootpage FROM sqlite_schema WHERE name='more'");
    let mut bytes = std::fs::read(&patient.file).unwrap();
    let start = (usize::try_from(page).unwrap() - 1) * 4096;
    bytes[start..start + 4096].fill(0xee);
    std::fs::write(&patient.file, &bytes).unwrap();
    patient.finds(&[], "error", about, "the file is damaged");
    std::fs::write(&patient.file, "to my aunt\n".repeat(9000)).unwrap();
    patient.finds(&[], "error", about, "a.fossil");
    std::fs::remove_file(&patient.file).unwrap();
    patient.finds(&[], "error", about, "no peer to clone it from");
    std::fs::write(&patient.file, "").unwrap();
    patient.finds(&[], "error", about, "a.fossil");
}

#[test]
fn what_is_wrong_with_a_broker_is_found() {
    let patient = Patient::new();
    let leafnodes = free_port();
    let broker =
        Nats::with(&format!("leafnodes {{ listen: \"127.0.0.1:{leafnodes}\" }}\nmax_payload: 1024\n"));
    patient.finds(&["--nats", &broker.url()], "warning", "broker", "1024 bytes");
    let wrong = format!("nats://127.0.0.1:{leafnodes}");
    patient.finds(&["--nats", &wrong], "error", "broker", "that for leaf nodes of the broker");
    let nobody = format!("nats://127.0.0.1:{}", free_port());
    patient.finds(&["--nats", &nobody], "error", "broker", "cannot connect");
    let alone =
        broker.project(&sql::column(&patient.file, "SELECT value FROM config WHERE name='project-code'")[0]);
    patient.finds(&["--peer", &alone], "error", "peer", "nobody answers");
    let closed = Nats::with("authorization { user: ann, password: secret }\n");
    patient.finds(&["--nats", &closed.url()], "error", "broker", "refuses");
    let deaf = Nats::with(
        "no_auth_user: leaf\nauthorization { users: [ { user: leaf, password: pw, permissions: {\n\
         subscribe: [\"_INBOX.>\"] } } ] }\n",
    );
    patient.finds(&["--nats", &deaf.url()], "error", "broker", "Permissions Violation for Subscription");
}

#[test]
fn what_is_wrong_with_a_peer_is_found() {
    let patient = Patient::new();
    let stranger = patient.stranger();
    let other = patient.frond.server(&stranger);
    patient.finds(&["--peer", &other.url()], "error", "peer", "wrong project");
    let nobody = format!("http://127.0.0.1:{}/", free_port());
    patient.finds(&["--peer", &nobody], "error", "peer", "cannot connect");
    let server = patient.frond.server(&patient.file);
    let copy =
        Patient { file: patient.scratch.file("copy.fossil"), scratch: Scratch::new(), frond: Frond::new() };
    copy.frond.clone(&server.url(), &copy.file);
    let bob = format!("http://bob@{}/", server.address);
    copy.finds(&["--peer", &bob], "error", "peer", "there is no password");
    let toml = |password: &str| {
        format!(
            "[[repository]]\nfile = {:?}\n[[repository.peer]]\nurl = {bob:?}\npassword = {password:?}\n",
            copy.file
        )
    };
    copy.finds_of(&toml("guess"), "error", "peer", "login failed");
    patient.frond.output(["user", "capabilities", "nobody", "go", "-R", &patient.file.to_string_lossy()]);
    copy.finds(&["--peer", &server.url()], "error", "peer", "capability i");
    copy.finds(&["--peer", &server.url(), "--no-push"], "ok", "peer", "lets us do what we want");
}

#[test]
fn whether_peers_let_a_repository_be_cloned_that_is_not_there_yet_is_tried() {
    let patient = Patient::new();
    let server = patient.frond.server(&patient.file);
    let copy =
        Patient { file: patient.scratch.file("copy.fossil"), scratch: Scratch::new(), frond: Frond::new() };
    let nobody = format!("http://127.0.0.1:{}/", free_port());
    copy.finds(&["--peer", &nobody], "error", "peer", "cannot connect");
    let to_be_cloned = "is not there yet; the leaf will clone it";
    copy.finds(&["--peer", &server.url()], "ok", "repository copy", to_be_cloned);
    copy.finds(&["--peer", &server.url()], "ok", "peer", "lets us clone project");
    copy.finds(&["--peer", &patient.file.to_string_lossy()], "ok", "peer", "lets us clone project");
    let file = patient.file.to_string_lossy().into_owned();
    let secret = patient.scratch.write("secret", "secret\n");
    let mut user = patient.frond.command(["user", "new", "bob", "--capabilities", "go", "-R", &file]);
    frond::run(user.env("FROND_NEW_PASSWORD_FILE", &secret));
    patient.frond.output(["user", "capabilities", "nobody", "", "-R", &file]);
    copy.finds(&["--peer", &server.url()], "error", "peer", "not authorized to clone");
    let bob = format!("http://bob@{}/", server.address);
    copy.finds(&["--peer", &bob], "error", "peer", "there is no password");
    for (password, level, words) in
        [("guess", "error", "login failed"), ("secret", "ok", "lets us clone project")]
    {
        let toml = format!(
            "[[repository]]\nfile = {:?}\n[[repository.peer]]\nurl = {bob:?}\npassword = {password:?}\n",
            copy.file
        );
        copy.finds_of(&toml, level, "peer", words);
    }
    let broker = Nats::start();
    copy.finds(&["--nats", &broker.url()], "error", "repository copy", "which project to ask the broker for");
    let project = sql::column(&patient.file, "SELECT value FROM config WHERE name='project-code'").remove(0);
    let at_broker = ["--nats", &broker.url(), "--project", &project];
    copy.finds(&at_broker, "ok", "peer", "nobody is there just now from whom");
    assert!(!copy.file.exists(), "the doctor changes nothing");
}

#[test]
fn who_is_refused_at_a_broker_is_told_by_the_doctor_and_by_a_check_of_the_leaf() {
    let patient = Patient::new();
    let broker = Nats::start();
    let copy = patient.scratch.file("copy.fossil");
    let server = patient.frond.server(&patient.file);
    patient.frond.output(["clone", "--once", &server.url(), &copy.to_string_lossy()]);
    drop(server);
    let at_broker = "peer nats://";
    let open = ["-R", copy.to_str().unwrap(), "--nats", &broker.url()];
    let asked = |args: &[&str]| patient.frond.try_run(["doctor", "--json"].iter().chain(args));
    find(&asked(&open), "ok", at_broker, "nobody else is there just now");
    let _first = Leaf::of(&patient.frond, &patient.file, &["--nats", &broker.url()]);
    until("it answers", || {
        let said = asked(&open);
        said.stdout.contains("lets us do what we want")
    });
    patient.frond.output(["user", "capabilities", "nobody", "", "-R", &patient.file.to_string_lossy()]);
    patient.scratch.write("sync.password", "a guess\n");
    let config = patient.scratch.write(
        "copy.toml",
        format!(
            "nats = '{}'\nnats-login = 'sync'\nnats-password-file = 'sync.password'\n\
             [[repository]]\nfile = 'copy.fossil'\n",
            broker.url()
        ),
    );
    let config = config.to_str().unwrap();
    let words = "login failed (user sync, the password from its nats-password-file, asked was peer";
    find(&asked(&["--config", config]), "error", at_broker, words);
    let leaf = Leaf::start(&patient.frond, ["--config", config]);
    let check = || patient.frond.try_run(["leaf", "status", "--check", "--config", config]);
    until("the leaf was refused", || check().stdout.contains("refused the last session"));
    assert_eq!(check().code, Some(frond::FAILED));
    find(&asked(&["--config", config]), "error", "leaf", "login failed");
    leaf.terminate();
}

#[test]
fn what_is_wrong_with_a_server_behind_a_bridge_is_found() {
    let patient = Patient::new();
    let broker = Nats::start();
    let server = patient.frond.server(&patient.file);
    let bridge =
        |url: &str, more: &str| format!("nats = {:?}\n[[bridge]]\nurl = {url:?}\n{more}\n", broker.url());
    patient.finds_of(&bridge(&server.url(), ""), "ok", "bridge", "the server answers");
    let other = format!("project = '{}'", "ab".repeat(20));
    patient.finds_of(&bridge(&server.url(), &other), "error", "bridge", "and not abab");
    let nobody = format!("http://127.0.0.1:{}/", free_port());
    patient.finds_of(&bridge(&nobody, ""), "error", "bridge", "cannot connect");
}

#[test]
fn a_clock_that_differs_from_that_of_a_peer_is_found() {
    let patient = Patient::new();
    for (date, words) in [
        ("Fri, 01 Jan 2100 00:00:00 GMT", "behind the peer's"),
        ("Thu, 01 Jan 2026 00:00:00 GMT", "ahead of the peer's"),
    ] {
        let peer = Scripted::start(move |_| {
            let kind = ("Content-Type", "application/x-fossil-uncompressed");
            Reply::http("200 OK", &[kind, ("Content-Length", "4"), ("Date", date)], "# a\n")
        });
        patient.finds(&["--peer", &peer.url(), "--no-push"], "error", "peer", words);
    }
}

#[test]
fn what_others_may_read_or_pretend_is_found() {
    let patient = Patient::new();
    let file = format!("[[repository]]\nfile = {:?}\n", patient.file);
    let secret = format!("{file}[[repository.peer]]\nurl = 'http://bob:hush@127.0.0.1:{}/'\n", free_port());
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let config = patient.scratch.write("leaf.toml", "");
    mode(&config, 0o644);
    patient.finds_of(&secret, "warning", "configuration", "holds a password");
    mode(&config, 0o600);
    let said = patient.frond.try_run(["doctor", "--json", "--config", &config.to_string_lossy()]);
    assert!(!said.all().contains("holds a password") && !said.all().contains("hush"), "{said}");
    let wide = format!("trusted-proxies = ['0.0.0.0/0']\n{file}");
    patient.finds_of(&wide, "warning", "configuration", "everybody may say");
    let (chain, key) = (patient.scratch.file("chain.pem"), patient.scratch.file("key.pem"));
    certificate("localhost", &chain, &key);
    mode(&key, 0o644);
    let tls = format!("tls-certificate = {chain:?}\ntls-key = {key:?}\n{file}");
    patient.finds_of(&tls, "warning", "certificate", "others may read this key");
    patient.finds_of(&tls, "ok", "certificate", "fits its key");
    certificate("localhost", &chain, &patient.scratch.file("other.pem"));
    patient.finds_of(&tls, "error", "certificate", "cannot be used");
    patient.finds_of("lisen = 1\n", "error", "configuration", "unknown key");
}

#[test]
fn a_leaf_that_runs_is_asked_how_it_is() {
    let patient = Patient::new();
    let nobody = format!("http://127.0.0.1:{}/", free_port());
    let leaf = Leaf::of(&patient.frond, &patient.file, &["--peer", &nobody, "--within", "1h"]);
    until("it is open", || leaf.probe("/readyz").text().contains("no session went well yet"));
    patient.finds(&[], "warning", "leaf", "no session went well yet");
    leaf.terminate();
    let leaf = Leaf::of(&patient.frond, &patient.file, &[]);
    until("it is ready", || leaf.probe("/readyz").status == 200);
    patient.finds(&[], "ok", "leaf", "is ready");
}
