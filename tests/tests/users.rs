//! Users that Frond makes log in to stock, and the reverse.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use frond_tests::frond::run;
use frond_tests::process::Said;
use frond_tests::terminal::{self, Prompt};
use frond_tests::{Fossil, Frond, Scratch, sql};

const PROJECT: &str = "abababababababababababababababababababab";

struct Place {
    scratch: Scratch,
    fossil: Fossil,
    frond: Frond,
    file: PathBuf,
}

impl Place {
    /// A repository that nobody may read.
    fn new() -> Self {
        let (scratch, fossil) = (Scratch::new(), Fossil::new());
        let file = scratch.file("a.fossil");
        fossil.new_repository(&file, PROJECT);
        fossil.output(["user", "capabilities", "nobody", "", "-R", &file.to_string_lossy()]);
        Self { scratch, fossil, frond: Frond::new(), file }
    }

    fn path(&self) -> String {
        self.file.to_string_lossy().into_owned()
    }

    /// Runs `frond user` with something on stdin.
    #[track_caller]
    fn user(&self, words: &[&str], stdin: &str) -> Said {
        let path = self.path();
        let mut command = self.frond.command([&["user"], words, &["-R", &path]].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It need not read what it has no use for.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        Said::new(&command, &child.wait_with_output().unwrap())
    }

    #[track_caller]
    fn done(&self, words: &[&str], stdin: &str) -> String {
        let said = self.user(words, stdin);
        assert_eq!(said.code, Some(0), "{said}");
        assert!(stdin.is_empty() || !said.all().contains(stdin.trim()), "the password shows\n{said}");
        said.stdout
    }

    /// Both servers let the user clone with one password and not with another.
    #[track_caller]
    fn logs_in(&self, user: &str, password: &str) {
        for (name, server) in
            [("stock", self.fossil.server(&self.file)), ("frond", self.frond.server(&self.file))]
        {
            let copy = |kind: &str| self.scratch.file(&format!("{name}-{kind}-{user}-{password}.fossil"));
            self.frond.clone(&server.url_as(user, password), &copy("by-frond"));
            self.fossil.clone(&server.url_as(user, password), &copy("by-stock"));
            let wrong = copy("wrong");
            let refused =
                self.frond.try_run(["clone", &server.url_as(user, "wrong"), &wrong.to_string_lossy()]);
            assert_eq!(refused.code, Some(5), "{name} {refused}");
        }
    }
}

#[track_caller]
fn password(file: &Path, login: &str) -> String {
    sql::column(file, &format!("SELECT pw FROM user WHERE login='{login}'")).remove(0)
}

#[test]
fn a_user_of_frond_logs_in_everywhere_and_so_does_one_of_stock() {
    let place = Place::new();
    place.done(&["new", "bob", "--capabilities", "go", "--contact", "Bob B", "--password-stdin"], "bobpw\n");
    place.logs_in("bob", "bobpw");
    let path = place.path();
    place.fossil.output(["user", "new", "amy", "Amy A", "amypw", "-R", &path]);
    place.done(&["capabilities", "amy", "go"], "");
    place.logs_in("amy", "amypw");
    // Both write the same.
    place.fossil.output(["user", "new", "twin", "", "bobpw", "-R", &path]);
    let stocks = password(&place.file, "twin");
    place.done(&["password", "twin", "--password-stdin"], "bobpw\n");
    assert_eq!(password(&place.file, "twin"), stocks);
}

#[test]
fn a_changed_password_is_the_only_one_that_counts() {
    let place = Place::new();
    place.done(&["new", "bob", "--capabilities", "go", "--password-stdin"], "first\n");
    place.done(&["password", "bob", "--password-stdin"], "second word\r\nmore\n");
    assert_eq!(password(&place.file, "bob"), {
        let path = place.path();
        place.fossil.output(["user", "password", "bob", "second word", "-R", &path]);
        password(&place.file, "bob")
    });
}

#[test]
fn a_new_password_comes_from_a_file_or_the_terminal_too() {
    let place = Place::new();
    let path = place.path();
    let file = place.scratch.write("pw", "frompw\nmore\n");
    let mut command = place.frond.command(["user", "new", "bob", "--capabilities", "go", "-R", &path]);
    let said = frond_tests::frond::run(command.env("FROND_NEW_PASSWORD_FILE", &file));
    assert_eq!(said.code, Some(0), "{said}");
    place.logs_in("bob", "frompw");

    let change = || place.frond.command(["user", "password", "bob", "-R", &path]);
    let ask = [(Prompt::Hidden("New password of bob: "), "typed"), (Prompt::Hidden("again: "), "typed")];
    let screen = terminal::run(&change(), &ask);
    assert!(!screen.contains("typed"), "{screen}");
    place.logs_in("bob", "typed");
    let before = password(&place.file, "bob");
    let ask = [(Prompt::Hidden("New password of bob: "), "one"), (Prompt::Hidden("again: "), "other")];
    let screen = terminal::run(&change(), &ask);
    assert!(screen.contains("the two passwords differ"), "{screen}");
    assert_eq!(password(&place.file, "bob"), before);
}

/// 61.
#[test]
fn passwords_and_users_that_could_not_work_are_refused() {
    let place = Place::new();
    place.done(&["new", "bob", "--password-stdin"], "bobpw\n");
    let before = password(&place.file, "bob");
    let digits = "0123456789abcdef0123456789ABCDEF01234567";
    let cases: [(&[&str], &str, i32, &str); 11] = [
        (&["password", "bob", "--password-stdin"], "", 2, "first line is empty"),
        (&["password", "bob", "--password-stdin"], "\nx\n", 2, "first line is empty"),
        (&["password", "bob", "--password-stdin"], digits, 2, "40 hex digits"),
        (&["password", "bob"], "", 2, "no new password"),
        (&["password", "eve", "--password-stdin"], "x", 1, "no user \"eve\""),
        (&["password", "nobody", "--password-stdin"], "x", 2, "stands for a kind of users"),
        (&["new", "bob", "--password-stdin"], "x", 1, "exists already"),
        (&["new", "nobody", "--password-stdin"], "x", 1, "exists already"),
        (&["new", "", "--password-stdin"], "x", 2, "no name to log in with"),
        (&["new", "eve", "--capabilities", "a b", "--password-stdin"], "x", 2, "letters and digits"),
        (&["capabilities", "eve", "s"], "", 1, "no user \"eve\""),
    ];
    for (words, stdin, code, text) in cases {
        let said = place.user(words, stdin);
        assert_eq!(said.code, Some(code), "{words:?} {said}");
        assert!(said.stderr.contains(text), "{words:?} {said}");
    }
    assert_eq!(password(&place.file, "bob"), before);
    assert_eq!(sql::number(&place.file, "SELECT count(*) FROM user WHERE login='eve'"), 0);
}

#[test]
fn users_and_what_they_may_do_are_listed_without_their_passwords() {
    let place = Place::new();
    place.done(&["new", "bob", "--contact", "Bob B", "--password-stdin"], "bobpw\n");
    assert_eq!(place.done(&["capabilities", "bob"], ""), "u\n");
    assert_eq!(place.done(&["capabilities", "bob", "vx"], ""), "vx\n");
    assert_eq!(place.done(&["capabilities", "nobody", ""], ""), "\n");
    let path = place.path();
    let stocks = place.fossil.output(["user", "list", "-R", &path]);
    let listed = place.done(&["list"], "");
    let names = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
    };
    assert_eq!(names(&listed), names(&stocks));
    assert!(listed.contains("bob              vx               Bob B\n"), "{listed}");
    let json = place.done(&["list", "--json"], "");
    let bob = r#""type":"user","login":"bob","capabilities":"vx","contact":"Bob B","may_log_in":true"#;
    assert!(json.contains(bob), "{json}");
    assert!(!json.contains(&password(&place.file, "bob")), "{json}");
}

#[test]
fn a_new_repository_gives_nobody_what_was_asked_for() {
    let place = Place::new();
    for (name, options, nobody) in [("shut", &[][..], ""), ("open", &["--public-read"][..], "go")] {
        let file = place.scratch.file(&format!("{name}.fossil"));
        let path = file.to_string_lossy().into_owned();
        place.frond.output([&["new", path.as_str()], options].concat());
        assert_eq!(sql::column(&file, "SELECT cap FROM user WHERE login='nobody'"), [nobody]);
        let server = place.frond.server(&file);
        let copy = place.scratch.file(&format!("{name}-copy.fossil"));
        let said = place.frond.try_run(["clone", &server.url(), &copy.to_string_lossy()]);
        assert_eq!(said.code == Some(0), !nobody.is_empty(), "{said}");
    }
}

#[test]
fn where_the_system_says_no_name_check_ins_are_of_the_first_user() {
    let (scratch, frond) = (Scratch::new(), Frond::new());
    let directory = scratch.dir("work");
    std::fs::write(directory.join("a.txt"), "text\n").unwrap();
    let unsaid = |words: &[&str]| {
        let mut command = frond.command(words);
        command.env_remove("USER").env_remove("LOGNAME").env_remove("USERNAME").current_dir(&directory);
        let said = run(&mut command);
        assert_eq!(said.code, Some(0), "{said}");
    };
    unsaid(&["new", "a.fossil"]);
    unsaid(&["commit", "-m", "first", "a.txt", "-R", "a.fossil"]);
    let file = directory.join("a.fossil");
    assert_eq!(sql::column(&file, "SELECT DISTINCT user FROM event WHERE type='ci'"), ["root"]);
    sql::execute(&file, "UPDATE user SET login='ann' WHERE login='root'");
    let words = ["commit", "-m", "second", "a.txt", "-R", "a.fossil"];
    let mut command = frond.command(words);
    let said = run(command.env("USER", "somebody").current_dir(&directory));
    assert_ne!(said.code, Some(0), "who is no user of the file is none: {said}");
}
