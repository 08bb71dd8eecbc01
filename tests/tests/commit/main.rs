//! Check-ins straight from files, and back into files: with stock on the same repository.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

mod autosync;
mod export;
mod refusals;
mod round_trips;
mod together;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use frond_tests::frond::{FAILED, LOCKED, PARTIAL, USAGE};
use frond_tests::{Fossil, Frond, Said, Scratch, compare, sql};
use serde_json::Value;

/// A repository that Frond made, whose only user is `admin`.
struct Site {
    fossil: Fossil,
    frond: Frond,
    scratch: Scratch,
    file: PathBuf,
}

/// A file or link on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    File(Vec<u8>),
    Executable(Vec<u8>),
    Link(String),
}

type Tree = BTreeMap<String, Node>;

impl Site {
    fn new() -> Self {
        let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
        let file = scratch.file("site.fossil");
        frond.output(["new", &file.to_string_lossy(), "-A", "admin"]);
        Self { fossil, frond, scratch, file }
    }

    /// Runs `frond` in a directory with `-R` the repository, whatever comes of it.
    #[track_caller]
    fn try_run(&self, dir: &Path, words: &[&str]) -> Said {
        let mut command = self.frond.command(words);
        frond_tests::frond::run(command.arg("-R").arg(&self.file).current_dir(dir))
    }

    /// The same, which must go well; gives the answer.
    #[track_caller]
    fn run(&self, dir: &Path, words: &[&str]) -> Value {
        let said = self.try_run(dir, &[words, &["--json"]].concat());
        assert_eq!(said.code, Some(0), "{said}");
        let last = said.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}\n{said}"))
    }

    /// Checks a whole directory in.
    #[track_caller]
    fn import(&self, dir: &Path) -> Value {
        self.run(dir, &["import", ".", "-m", "a whole tree"])
    }

    /// Checks a new text of one file in, on the main branch.
    #[track_caller]
    fn change(&self, name: &str, text: &str) -> Value {
        let dir = self.scratch.dir("changes");
        std::fs::write(dir.join(name), text).unwrap();
        self.run(&dir, &["commit", name, "-m", text])
    }

    /// Opens a checkout of the repository with stock.
    #[track_caller]
    fn open(&self, name: &str, checkin: &str) -> PathBuf {
        let dir = self.scratch.dir(name);
        self.fossil.output_in(&dir, ["open", &self.file.to_string_lossy(), checkin]);
        dir
    }

    fn set(&self, name: &str, value: &str) {
        sql::execute(
            &self.file,
            &format!("REPLACE INTO config(name, value, mtime) VALUES('{name}', '{value}', 0)"),
        );
    }

    /// Stock finds nothing wrong, nor would it derive other rows.
    #[track_caller]
    fn is_sound(&self) {
        self.fossil.test_integrity(&self.file);
        compare::derived_tables_equal_after_stock_rebuild(&self.fossil, &self.file);
        self.frond.verify(&self.file);
    }

    fn number(&self, sql: &str) -> i64 {
        sql::number(&self.file, sql)
    }

    /// A check-in as it was written down.
    #[track_caller]
    fn manifest(&self, answer: &Value) -> String {
        self.frond.output(["artifact", text(answer, "checkin"), "-R", &self.file.to_string_lossy()])
    }
}

#[track_caller]
fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap_or_else(|| panic!("no text {name} in {answer}"))
}

#[track_caller]
fn counts(answer: &Value) -> [u64; 3] {
    ["added", "edited", "deleted"].map(|name| frond_tests::frond::count(answer, name))
}

/// Makes a tree on disk.
fn write(dir: &Path, tree: &Tree) {
    for (name, node) in tree {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match node {
            Node::File(bytes) => std::fs::write(path, bytes).unwrap(),
            Node::Executable(bytes) => {
                std::fs::write(&path, bytes).unwrap();
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            }
            Node::Link(target) => std::os::unix::fs::symlink(target, path).unwrap(),
        }
    }
}

/// The tree on disk, without what stock keeps there.
fn read(dir: &Path) -> Tree {
    let (mut tree, mut pending) = (Tree::new(), vec![dir.to_owned()]);
    while let Some(at) = pending.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
            let kind = std::fs::symlink_metadata(&path).unwrap();
            if kind.is_dir() {
                pending.push(path);
            } else if kind.is_symlink() {
                tree.insert(name, Node::Link(std::fs::read_link(path).unwrap().to_str().unwrap().to_owned()));
            } else if kind.permissions().mode() & 0o100 != 0 {
                tree.insert(name, Node::Executable(std::fs::read(path).unwrap()));
            } else if name != ".fslckout" {
                tree.insert(name, Node::File(std::fs::read(path).unwrap()));
            }
        }
    }
    tree
}

/// A tree with all there is.
fn sample() -> Tree {
    let large: String = (0..3000).map(|line| format!("line {line} of a text\n")).collect();
    let file = |text: &str| Node::File(text.as_bytes().to_vec());
    Tree::from([
        ("readme.md".into(), file(&large)),
        ("empty".into(), file("")),
        ("run.sh".into(), Node::Executable(b"#!/bin/sh\n".to_vec())),
        ("a directory/with spaces.txt".into(), file("a b\n")),
        ("deep/er/and/deeper/é ü.txt".into(), file("no line end")),
        ("odd/[b]*?".into(), file("1")),
        ("odd/trail ".into(), file("2")),
        ("odd/new\nline".into(), file("3")),
        ("odd/-m".into(), file("4")),
        (".hidden".into(), file("dot")),
        ("bytes.bin".into(), Node::File((0..=255).collect())),
        ("link".into(), Node::Link("readme.md".into())),
        ("deep/dangling".into(), Node::Link("../no/such/file".into())),
        ("deep/up".into(), Node::Link("..".into())),
    ])
}
