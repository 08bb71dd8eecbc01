//! A repository of which every artifact was made here.

use std::path::Path;

use repo::checkin::{NewCheckin, NewFile, commit};
use repo::manifest::{
    Attachment, Control, ForumPost, Perm, TagCard, TagKind, Technote, TicketChange, TicketField, Wiki,
};
use repo::{Genesis, Repo, UnixTime, author, derived};
use rusqlite::Connection;
use xfer::ArtifactId;
use xfer::card::Privacy;

use crate::fossil::Fossil;

const START: i64 = 1_577_836_800;

fn hour(number: i64) -> UnixTime {
    UnixTime::from_seconds(START + 3600 * number)
}

fn file(name: &str, content: &str) -> NewFile {
    NewFile { name: name.into(), content: content.as_bytes().to_vec(), ..NewFile::default() }
}

/// A text that changes a little from one version to the next.
fn text(version: i64) -> String {
    (0..60)
        .map(|line| format!("line {line} of {}\n", if line == version % 60 { version } else { 0 }))
        .collect()
}

struct Maker {
    repo: Repo,
    checkins: Vec<ArtifactId>,
}

impl Maker {
    fn new(path: &Path) -> Self {
        let genesis = Genesis {
            project: "0123456789abcdef0123456789abcdef01234567".into(),
            server: "123456789abcdef0123456789abcdef012345678".into(),
            user: "alice".into(),
            now: hour(0),
            ..Genesis::default()
        };
        Self { repo: Repo::create(path, &genesis).unwrap(), checkins: Vec::new() }
    }

    fn checkin(&mut self, parent: Option<usize>, new: NewCheckin) -> ArtifactId {
        let number = self.checkins.len() as i64;
        let new = NewCheckin {
            parent: parent.map(|parent| self.checkins[parent]),
            comment: format!("change {number}, see [{}]", number + 1000).as_str().into(),
            user: "alice".into(),
            date: hour(number),
            ..new
        };
        let tx = self.repo.begin().unwrap();
        let id = commit(&tx, &new).unwrap();
        tx.commit().unwrap();
        self.checkins.push(id);
        id
    }

    fn in_tx<T>(&mut self, make: impl FnOnce(&repo::Tx<'_>) -> Result<T, author::AuthorError>) -> T {
        let tx = self.repo.begin().unwrap();
        let made = make(&tx).unwrap();
        tx.commit().unwrap();
        made
    }

    fn checkins(&mut self) {
        let files = vec![
            file("readme.md", &text(0)),
            file("src/a b.c", "int main;\n"),
            NewFile { perm: Perm::Executable, ..file("build", "#!/bin/sh\n") },
            NewFile { perm: Perm::Symlink, ..file("link", "readme.md") },
        ];
        self.checkin(None, NewCheckin { files, ..NewCheckin::default() });
        for version in 1..8 {
            let files = vec![
                file("readme.md", &text(version)),
                file(&format!("src/f{version}.c"), &text(version * 3)),
            ];
            self.checkin(Some(version as usize - 1), NewCheckin { files, ..NewCheckin::default() });
        }
        let side = NewCheckin {
            files: vec![NewFile { old_name: Some("src/f1.c".into()), ..file("lib/f1.c", &text(4)) }],
            deleted: vec!["src/f2.c".into()],
            branch: Some("side".into()),
            tags: vec!["v 1.0".into()],
            ..NewCheckin::default()
        };
        let side = self.checkin(Some(3), side);
        let merge = NewCheckin {
            files: vec![file("lib/f1.c", &text(4))],
            deleted: vec!["src/f1.c".into()],
            merged: vec![side],
            ..NewCheckin::default()
        };
        self.checkin(Some(7), merge);
        let secret = NewCheckin {
            files: vec![file("secret", &text(70))],
            branch: Some("secret".into()),
            privacy: Privacy::Private,
            ..NewCheckin::default()
        };
        self.checkin(Some(9), secret);
    }

    fn others(&mut self) {
        let user = || Some("alice".into());
        for version in 0..3 {
            let page = Wiki {
                comment: None,
                date: hour(30 + version),
                title: "A page".into(),
                mimetype: Some("text/x-markdown".into()),
                parents: Vec::new(),
                user: user(),
                text: format!("{}[link](abcd{version})\n", text(version)).as_str().into(),
            };
            self.in_tx(|tx| author::wiki(tx, page));
            let note = Technote {
                comment: Some("a note".into()),
                date: hour(40 + version),
                time: hour(5),
                technote: "aaaabbbbccccddddaaaabbbbccccddddaaaabbbb".to_owned(),
                mimetype: None,
                parents: Vec::new(),
                tags: Vec::new(),
                user: user(),
                text: text(version).as_str().into(),
            };
            self.in_tx(|tx| author::technote(tx, note));
            let field = |name: &str, value: &str| TicketField {
                name: name.trim_start_matches('+').into(),
                append: name.starts_with('+'),
                value: value.into(),
            };
            let change = TicketChange {
                date: hour(50 + version),
                fields: vec![field("title", "it fails"), field("+comment", "more"), field("status", "Open")],
                ticket: "0123456789abcdef0123456789abcdef01234567".to_owned(),
                user: user(),
            };
            self.in_tx(|tx| author::ticket(tx, change));
        }
        let attachment = Attachment {
            filename: "a picture.png".into(),
            target: "A page".into(),
            source: None,
            comment: Some("look".into()),
            date: hour(60),
            mimetype: None,
            user: user(),
        };
        self.in_tx(|tx| author::attach(tx, attachment, b"picture"));
        let target = Some(self.checkins[2]);
        let tag = |kind, name: &str, value: Option<&str>| TagCard {
            kind,
            name: name.into(),
            target,
            value: value.map(Into::into),
        };
        let tags = vec![
            tag(TagKind::Add, "sym-old", None),
            tag(TagKind::Propagate, "bgcolor", Some("#abcdef")),
            tag(TagKind::Add, "comment", Some("said better")),
        ];
        self.in_tx(|tx| author::tags(tx, Control { date: hour(70), tags, user: user() }));
        let post = |date, text: &str| ForumPost {
            date,
            root: None,
            title: Some("A thread".into()),
            in_reply_to: None,
            mimetype: None,
            parent: None,
            user: user(),
            text: text.into(),
        };
        let root = self.in_tx(|tx| author::post(tx, post(hour(80), &text(1))));
        let reply =
            ForumPost { root: Some(root), in_reply_to: Some(root), title: None, ..post(hour(81), "yes") };
        self.in_tx(|tx| author::post(tx, reply));
        let edit = ForumPost { parent: Some(root), root: Some(root), ..post(hour(82), &text(2)) };
        self.in_tx(|tx| author::post(tx, edit));
    }
}

fn derived_rows(path: &Path) -> derived::DerivedRows {
    derived::dump(&Connection::open(path).unwrap()).unwrap()
}

#[test]
fn stock_finds_nothing_wrong_and_rebuilds_the_same_rows() {
    let fossil = Fossil::new();
    let path = fossil.path("made.fossil");
    let mut maker = Maker::new(&path);
    maker.checkins();
    maker.others();
    drop(maker);

    let said = fossil.run(["test-integrity", "-R", "made.fossil", "--parse"]);
    assert!(said.contains(" 0 errors"), "{said}");
    let before = derived_rows(&path);
    let said = fossil.run(["rebuild", "made.fossil"]);
    assert!(!said.to_lowercase().contains("error"), "{said}");
    // A rebuild forgets what is unsent.
    let differences: Vec<_> = derived::compare(&before, &derived_rows(&path))
        .iter()
        .map(ToString::to_string)
        .filter(|row| !row.contains("unsent"))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn stock_checks_out_what_was_checked_in() {
    let fossil = Fossil::new();
    let path = fossil.path("made.fossil");
    let mut maker = Maker::new(&path);
    maker.checkins();
    drop(maker);

    let timeline = fossil.run(["timeline", "-R", "made.fossil", "-n", "0", "-t", "ci"]);
    assert!(timeline.contains("change 10") && timeline.contains("change 0"), "{timeline}");
    let tree = fossil.path("tree");
    std::fs::create_dir(&tree).unwrap();
    let said = fossil.run_in(&tree, ["open", "../made.fossil", "trunk"]);
    assert!(!said.contains("checksum"), "the R card is right: {said}");
    assert_eq!(std::fs::read_to_string(tree.join("readme.md")).unwrap(), text(7));
    assert_eq!(std::fs::read_to_string(tree.join("lib/f1.c")).unwrap(), text(4));
    assert!(!tree.join("src/f1.c").exists());
    let said = fossil.run_in(&tree, ["update", "v 1.0"]);
    assert!(tree.join("src/f3.c").exists() && !tree.join("src/f2.c").exists(), "{said}");
    let branches = fossil.run_in(&tree, ["branch", "list"]);
    assert!(branches.contains("side") && branches.contains("trunk"), "{branches}");
    std::fs::write(tree.join("readme.md"), "by stock\n").unwrap();
    let said = fossil.run_in(&tree, ["commit", "-m", "by stock", "--no-warnings"]);
    assert!(said.contains("New_Version"), "{said}");
}
