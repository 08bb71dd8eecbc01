//! Logins that are remembered, as stock remembers them, and where else a password may come from.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::path::{Path, PathBuf};

use frond_tests::corpus::{Extras, Shape, by_stock};
use frond_tests::frond::REFUSED;
use frond_tests::terminal::Prompt::{Hidden, Open};
use frond_tests::{Fossil, Frond, Said, Scratch, Server, compare, frond, sql, terminal};

/// A password that is told from everything else, and that an address must encode.
const PASSWORD: &str = "gr8+Se cret%/@:";
const ENCODED: &str = "gr8%2bSe+cret%25%2f%40%3a";

/// A repository that only user `dev` may clone and pull, and a place for copies of it.
struct Closed {
    fossil: Fossil,
    frond: Frond,
    scratch: Scratch,
    whole: PathBuf,
}

impl Closed {
    fn new() -> Self {
        let (fossil, scratch) = (Fossil::new(), Scratch::new());
        let whole = scratch.file("whole.fossil");
        by_stock(&fossil, &whole, Shape { checkins: 20, files: 10, seed: 7 }, 20, Extras::None);
        let path = whole.to_string_lossy();
        fossil.output(["user", "capabilities", "nobody", "", "-R", &path]);
        fossil.output(["user", "password", "dev", PASSWORD, "-R", &path]);
        Self { fossil, frond: Frond::new(), scratch, whole }
    }

    fn servers(&self) -> [Server; 2] {
        [self.fossil.server(&self.whole), self.frond.server(&self.whole)]
    }

    /// Something that every copy lacks.
    fn grow(&self) {
        let page = self.scratch.write("page.txt", "what is new\n");
        let (page, path) = (page.to_string_lossy(), self.whole.to_string_lossy());
        self.fossil.try_run(["wiki", "create", "New", &page, "-R", &path]);
        self.fossil.try_run(["wiki", "commit", "New", &page, "-R", &path]);
    }

    fn clone(&self, args: &[&str], url: &str) -> PathBuf {
        let copy = self.scratch.file("copy.fossil");
        let _ = std::fs::remove_file(&copy);
        let path = copy.to_string_lossy();
        let said = self.frond.try_run([&["clone", "-A", "admin", url, &path], args].concat());
        assert_eq!(said.code, Some(0), "{said}");
        hides_the_password(&said.all());
        copy
    }

    fn pull(&self, args: &[&str], copy: &Path) -> Said {
        let said = self.frond.try_run([&["pull", "-R", &copy.to_string_lossy()], args].concat());
        hides_the_password(&said.all());
        said
    }

    /// Pulls by the file's memory alone.
    #[track_caller]
    fn pulls_alone(&self, copy: &Path) {
        self.grow();
        let said = self.pull(&["--json"], copy);
        assert!(frond::count(&frond::summary(&said), "artifacts_received") > 0, "{said}");
        compare::contents_equal(copy, &self.whole);
    }

    /// Stock pulls by the file's memory alone, without anybody to ask.
    #[track_caller]
    fn stock_pulls_alone(&self, copy: &Path) {
        self.grow();
        let said = self.fossil.output(["pull", "-R", &copy.to_string_lossy()]);
        assert!(!said.contains("received: 0\n"), "{said}");
        compare::contents_equal(copy, &self.whole);
    }
}

#[track_caller]
fn hides_the_password(text: &str) {
    assert!(!text.contains(PASSWORD) && !text.contains(ENCODED), "the password shows\n{text}");
}

fn as_dev(server: &Server) -> String {
    server.url_as("dev", ENCODED)
}

fn without_password(server: &Server) -> String {
    server.url().replace("http://", "http://dev@")
}

fn kept(copy: &Path) -> Vec<Vec<String>> {
    sql::rows(copy, "SELECT name, value FROM config WHERE name GLOB 'last-sync-*' ORDER BY name")
}

#[test]
fn a_clone_that_is_refused_for_its_password_leaves_nothing() {
    let closed = Closed::new();
    for server in closed.servers() {
        let directory = closed.scratch.dir("refused");
        let mut command = closed.frond.command(["clone", &format!("http://dev@{}/", server.address)]);
        command.arg(directory.join("copy.fossil")).env("FROND_PASSWORD", "a guess");
        let said = frond::run(&mut command);
        assert_eq!(said.code, Some(REFUSED), "{said}");
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0, "{said}");
    }
}

#[test]
fn a_login_given_to_a_clone_serves_later_pulls_of_frond_and_of_stock() {
    let closed = Closed::new();
    for server in closed.servers() {
        let copy = closed.clone(&[], &as_dev(&server));
        closed.pulls_alone(&copy);
        closed.stock_pulls_alone(&copy);
        closed.pulls_alone(&copy);
        assert_eq!(
            sql::column(&copy, "SELECT value FROM config WHERE name='last-sync-url'"),
            [without_password(&server)]
        );
        let bytes = std::fs::read(&copy).unwrap();
        hides_the_password(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_clone_whose_private_part_is_refused_is_taken_up_without_it() {
    for nobody in ["", "g", "go"] {
        let closed = Closed::new();
        let path = closed.whole.to_string_lossy();
        closed.fossil.output(["user", "capabilities", "nobody", nobody, "-R", &path]);
        closed.fossil.output(["user", "capabilities", "dev", "gio", "-R", &path]);
        for server in closed.servers() {
            let (url, copy) = (as_dev(&server), closed.scratch.file("copy.fossil"));
            let _ = std::fs::remove_file(&copy);
            let clone = |args: &[&str]| {
                let words = ["clone", "-A", "admin", &url, &copy.to_string_lossy()];
                closed.frond.try_run([&words, args].concat())
            };
            for _ in 0..2 {
                let said = clone(&["--private"]);
                assert_eq!(said.code, Some(REFUSED), "{said}");
                assert!(said.stderr.contains("--private"), "{said}");
            }
            let said = clone(&[]);
            assert_eq!(said.code, Some(0), "{said}");
            compare::contents_equal(&copy, &closed.whole);
            assert_eq!(sql::column(&copy, "SELECT name FROM config WHERE name GLOB 'frond-clone*'").len(), 0);
        }
    }
}

#[test]
fn a_login_that_stock_remembers_serves_frond() {
    let closed = Closed::new();
    for server in closed.servers() {
        let copy = closed.scratch.file("by-stock.fossil");
        let _ = std::fs::remove_file(&copy);
        let mut clone = closed.fossil.command_in(None);
        clone.args(["clone", "--no-open", "-A", "admin", &as_dev(&server)]).arg(&copy);
        terminal::run(&clone, &[(Open("remember password (Y/n)?"), "y")]);
        closed.pulls_alone(&copy);
        closed.stock_pulls_alone(&copy);
        closed.pulls_alone(&copy);
    }
}

#[test]
fn a_login_given_once_or_by_the_environment_is_not_remembered() {
    let closed = Closed::new();
    let server = closed.fossil.server(&closed.whole);
    let copy = closed.clone(&["--once"], &as_dev(&server));
    assert_eq!(kept(&copy), Vec::<Vec<String>>::new());

    let url = without_password(&server);
    let file = closed.scratch.write("password", format!("{PASSWORD}\nsecond line\n"));
    for (name, value) in [("FROND_PASSWORD", PASSWORD), ("FROND_PASSWORD_FILE", &file.to_string_lossy())] {
        let mut command = closed.frond.command(["pull", "-R", &copy.to_string_lossy(), &url]);
        let said = frond::run(command.env(name, value));
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said}");
        hides_the_password(&said.all());
        assert_eq!(kept(&copy), [["last-sync-url".to_owned(), url.clone()]]);
        let alone = closed.pull(&[], &copy);
        assert_eq!(alone.code, Some(REFUSED), "{alone}");
        assert!(alone.stderr.contains("FROND_PASSWORD"), "{alone}");
    }
}

#[test]
fn a_remembered_login_stays_until_the_address_is_another_one() {
    let closed = Closed::new();
    let server = closed.fossil.server(&closed.whole);
    let copy = closed.clone(&[], &as_dev(&server));
    let before = kept(&copy);
    assert_eq!(before.len(), 2, "{before:?}");
    let url = without_password(&server);
    for args in [&[][..], &[url.as_str()], &["--once", &url]] {
        let said = closed.pull(args, &copy);
        assert_eq!(said.code, Some(0), "{said}");
        assert_eq!(kept(&copy), before, "{said}");
    }
    // What is refused is not remembered.
    let said = closed.pull(&[&server.url_as("dev", "wrong")], &copy);
    assert_eq!(said.code, Some(REFUSED), "{said}");
    assert_eq!(kept(&copy), before);
    // Another server must not get it.
    let open = closed.scratch.copy(&closed.whole, "open.fossil");
    closed.fossil.output(["user", "capabilities", "nobody", "gjorz", "-R", &open.to_string_lossy()]);
    let other = closed.fossil.server(&open);
    let said = closed.pull(&[&other.url()], &copy);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(kept(&copy), [["last-sync-url".to_owned(), other.url()]]);
}

#[test]
fn a_password_that_nobody_gave_is_asked_for_on_a_terminal_and_remembered() {
    let closed = Closed::new();
    let server = closed.frond.server(&closed.whole);
    let copy = closed.scratch.file("copy.fossil");
    let path = copy.to_string_lossy().into_owned();
    let clone = ["clone", "-A", "admin", &without_password(&server), &path];
    let shown = terminal::run(&closed.frond.command(clone), &[(Hidden("Password of dev"), PASSWORD)]);
    hides_the_password(&shown);
    assert!(!shown.contains("warning"), "{shown}");
    closed.pulls_alone(&copy);
    closed.stock_pulls_alone(&copy);
}

#[test]
fn ctrl_c_at_the_prompt_ends_the_command_and_nothing_is_made() {
    let closed = Closed::new();
    let server = closed.frond.server(&closed.whole);
    let copy = closed.scratch.file("copy.fossil");
    let clone = ["clone", &without_password(&server), &copy.to_string_lossy()];
    // The echo is back afterwards: `stty` says so.
    let mut shell = std::process::Command::new("sh");
    shell.arg("-c").arg(r#""$@"; echo code $?; stty -a"#).arg("sh").arg(frond::binary()).args(clone);
    let shown = terminal::run(&shell, &[(Hidden("Password of dev"), "\u{3}")]);
    assert!(shown.contains("code 130") && shown.contains(" echo "), "{shown}");
    assert!(!copy.exists());
}

#[test]
fn a_password_on_the_command_line_is_warned_of_once() {
    let closed = Closed::new();
    let server = closed.frond.server(&closed.whole);
    let copy = closed.clone(&[], &as_dev(&server));
    let loud = closed.pull(&[&as_dev(&server)], &copy);
    let warnings = |said: &Said| said.stderr.lines().filter(|line| line.contains("warning")).count();
    assert_eq!((loud.code, warnings(&loud)), (Some(0), 1), "{loud}");
    assert!(loud.stderr.contains("other users"), "{loud}");
    let said = closed.pull(&["--json", &as_dev(&server)], &copy);
    assert_eq!((said.code, warnings(&said)), (Some(0), 1), "{said}");
    for args in [&["-q", &as_dev(&server)][..], &[without_password(&server).as_str()], &[]] {
        let said = closed.pull(args, &copy);
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said}");
    }
}

#[test]
fn no_log_shows_the_password() {
    let closed = Closed::new();
    let server = closed.fossil.server(&closed.whole);
    let copy = closed.clone(&["-vv"], &as_dev(&server));
    let mut command = closed.frond.command(["pull", "-vv", "-R", &copy.to_string_lossy(), &as_dev(&server)]);
    let said = frond::run(command.env("RUST_LOG", "trace"));
    assert_eq!(said.code, Some(0), "{said}");
    hides_the_password(&said.all());
}
