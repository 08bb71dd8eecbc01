//! Everything a Git stream cannot carry: wiki pages, technotes, tickets, attachments, tag changes, forum
//! posts, delta manifests, cherry-picks, signed artifacts, a private branch, unversioned files.

use std::ffi::OsStr;
use std::path::Path;

use xfer::ArtifactId;

use super::PROJECT;
use crate::artifact::Cards;
use crate::rng::Rng;
use crate::{Fossil, Scratch, sql};

/// Adds them all, by stock's own commands where there is one.
#[track_caller]
pub fn add(fossil: &Fossil, file: &Path) {
    let author = Author { fossil, file, scratch: Scratch::new() };
    author.pages();
    author.tickets();
    author.checkins();
    author.tags();
    author.crafted();
    author.private();
    author.unversioned();
}

struct Author<'a> {
    fossil: &'a Fossil,
    file: &'a Path,
    scratch: Scratch,
}

impl Author<'_> {
    #[track_caller]
    fn run(&self, words: &[&str]) -> String {
        let words = words.iter().map(OsStr::new).chain([OsStr::new("-R"), self.file.as_os_str()]);
        self.fossil.output_in(self.scratch.path(), words)
    }

    /// Runs in a checkout of the repository.
    #[track_caller]
    fn inside(&self, words: &[&str]) -> String {
        self.fossil.output_in(&self.scratch.dir("checkout"), words)
    }

    fn page(&self, text: &str) {
        self.scratch.write("page", text);
    }

    fn tip(&self) -> String {
        let sql =
            "SELECT uuid FROM event JOIN blob ON rid=objid WHERE type='ci' ORDER BY event.mtime DESC LIMIT 1";
        sql::column(self.file, sql).swap_remove(0)
    }

    fn pages(&self) {
        let tip = self.tip();
        for page in 0..8 {
            let name = format!("Page{page}");
            for revision in 0..3 {
                let line =
                    format!("# Page {page}\n\nrevision {revision}, see [{}] and [trunk]\n", &tip[..16]);
                self.page(&line.repeat(revision + 1));
                let what = if revision == 0 { "create" } else { "commit" };
                let kind = if page % 2 == 0 { "text/x-markdown" } else { "text/x-fossil-wiki" };
                self.run(&["wiki", what, &name, "page", "--mimetype", kind]);
            }
        }
        self.page("A note.\n");
        for note in 0..4 {
            let when = format!("2020-01-0{} 12:00:00", note + 1);
            let tags = format!("n{note}");
            self.run(&[
                "wiki",
                "create",
                &format!("note {note}"),
                "page",
                "-t",
                &when,
                "--technote-tags",
                &tags,
            ]);
        }
        self.page("A better note.\n");
        self.run(&["wiki", "commit", "note 1 again", "page", "-t", "2020-01-02 12:00:00"]);
        self.page("attached\n");
        self.run(&["attachment", "add", "Page1", "page"]);
        self.run(&["attachment", "add", "page", "-t", "2020-01-03 12:00:00"]);
    }

    fn tickets(&self) {
        let tip = self.tip();
        for ticket in 0..6 {
            let title = format!("ticket {ticket}");
            let comment = format!("seen in [{}]", &tip[..12]);
            let words = ["title", &title, "status", "Open", "type", "Code_Defect", "comment", &comment];
            self.run(&[&["ticket", "add"][..], &words].concat());
        }
        for id in sql::column(self.file, "SELECT tkt_uuid FROM ticket ORDER BY tkt_id LIMIT 3") {
            self.run(&["ticket", "set", &id, "status", "Fixed", "+comment", "and gone"]);
            self.run(&[
                "ticket",
                "set",
                &id,
                "icomment",
                "said so",
                "login",
                "dev",
                "mimetype",
                "text/plain",
            ]);
        }
    }

    fn checkins(&self) {
        let checkout = self.scratch.dir("checkout");
        let file = self.file.as_os_str();
        self.fossil.output_in(&checkout, [OsStr::new("open"), file]);
        let write = |name: &str, text: &str| std::fs::write(checkout.join(name), text).expect("cannot write");
        let commit = |words: &[&str]| {
            let usual = ["commit", "--hash", "--no-warnings", "--no-prompt", "-m"];
            self.inside(&[&usual[..], words].concat())
        };
        write("empty.txt", "");
        write("one.txt", &"a line that stays\n".repeat(40));
        self.inside(&["add", "empty.txt", "one.txt"]);
        commit(&["an empty file", "--tag", "with-empty", "--bgcolor", "#ffc0c0"]);
        let mut picked = String::new();
        for round in 0..3 {
            write("one.txt", &format!("{}round {round}\n", "a line that stays\n".repeat(40)));
            commit(&[&format!("delta manifest {round}"), "--delta"]);
            if round == 0 {
                picked = self.tip();
            }
        }
        self.inside(&["mv", "--hard", "one.txt", "two.txt"]);
        commit(&["a rename, on a side branch", "--branch", "side", "--branchcolor", "#c0c0ff"]);
        let side = self.tip();
        write("two.txt", "nothing stays\n");
        commit(&[&format!("fixes [{}]", &side[..10]), "--close"]);
        self.inside(&["update", "with-empty"]);
        write("empty.txt", "no longer\n");
        commit(&["on another branch", "--branch", "other"]);
        self.inside(&["merge", "--cherrypick", &picked]);
        commit(&["a cherry-pick"]);
        let cherry = self.tip();
        write("empty.txt", "no longer, and longer\n");
        commit(&["between"]);
        self.inside(&["merge", "--backout", &cherry]);
        commit(&["a back-out"]);
        self.inside(&["update", "trunk"]);
        self.inside(&["merge", "other"]);
        commit(&["a merge"]);
    }

    fn tags(&self) {
        let checkins = sql::column(
            self.file,
            "SELECT uuid FROM event JOIN blob ON rid=objid WHERE type='ci' ORDER BY event.mtime LIMIT 40",
        );
        self.run(&["tag", "add", "reviewed", "trunk", "yes"]);
        self.run(&["tag", "add", "--propagate", "audit", &checkins[10], "2026"]);
        self.run(&["tag", "cancel", "audit", &checkins[20]]);
        self.run(&["tag", "add", "--raw", "note", &checkins[3], "a note"]);
        self.run(&["amend", &checkins[30], "-m", "a better comment", "--author", "somebody"]);
        self.run(&["amend", &checkins[31], "--date", "2023-11-20 12:00:00", "--bgcolor", "#eeeeee"]);
        self.run(&["amend", &checkins[32], "--branch", "renamed", "--tag", "late"]);
        self.run(&["amend", "side", "--hide"]);
    }

    /// What stock has no command for: its own tool puts the bytes in, and a rebuild links them.
    fn crafted(&self) {
        let ticket = sql::column(self.file, "SELECT tkt_uuid FROM ticket ORDER BY tkt_id").swap_remove(0);
        let content = self.put(b"attached to a ticket\n");
        let first =
            format!("A shot.txt {ticket} {content}\nC an\\sattachment\nD 2024-01-01T00:00:01.000\nU dev\n");
        self.put(&Cards::seal(&first));
        self.put(&Cards::seal(&format!("A shot.txt {ticket}\nD 2024-01-01T00:00:02.000\nU dev\n")));
        let root = self.put(&Cards::seal(&Cards::post(
            "2024-02-01T00:00:00.000",
            "H A\\stitle\n",
            "the first post",
        )));
        let reply = format!("G {root}\nI {root}\n");
        let reply = self.put(&Cards::seal(&Cards::post("2024-02-01T00:00:01.000", &reply, "a reply")));
        let edit = format!("G {root}\nI {root}\nN text/plain\nP {reply}\n");
        self.put(&Cards::seal(&Cards::post("2024-02-01T00:00:02.000", &edit, "a better reply")));
        let tip = self.tip();
        let signed = Cards::seal(&format!("D 2024-03-01T00:00:00.000\nT +signed {tip}\nU dev\n"));
        self.put(&Cards::clear_sign(&signed));
        self.run(&["hash-policy", "sha1"]);
        self.put(b"content under a SHA-1 name\n");
        self.run(&["hash-policy", "sha3"]);
        self.inside(&["close", "--force"]);
        self.fossil.rebuild(self.file);
    }

    fn put(&self, content: &[u8]) -> ArtifactId {
        let path = self.scratch.write("content", content);
        self.inside(&["test-content-put", &path.to_string_lossy()]);
        xfer::hash::sha3_256(content)
    }

    fn private(&self) {
        let file = self.file.as_os_str();
        let checkout = self.scratch.dir("checkout");
        self.fossil.output_in(&checkout, [OsStr::new("open"), "--force".as_ref(), file]);
        std::fs::write(checkout.join("secret.txt"), "private\n").expect("cannot write");
        self.inside(&["add", "secret.txt"]);
        self.inside(&["commit", "--private", "-m", "a private check-in", "--no-warnings"]);
        self.inside(&["close", "--force"]);
    }

    fn unversioned(&self) {
        let mut rng = Rng::new(PROJECT.len() as u64);
        for at in 0..10 {
            self.scratch.write("page", rng.bytes(3000 * (at + 1)));
            self.run(&["uv", "add", "page", "--as", &format!("release/file-{at}.bin")]);
        }
        self.run(&["uv", "rm", "release/file-3.bin"]);
    }
}
