//! Unversioned files, with stock Fossil and Frond at either end.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::path::{Path, PathBuf};

use frond_tests::frond::{FAILED, USAGE, count, summary};
use frond_tests::{Fossil, Frond, Scratch, Server, corpus, sql};
use serde_json::Value;

type ServerOf = fn(&Pair, &Path) -> Server;

const STOCK: ServerOf = |pair, file| pair.fossil.server(file);
const FROND: ServerOf = |pair, file| pair.frond.server(file);

/// Two repositories of one project.
struct Pair {
    scratch: Scratch,
    fossil: Fossil,
    frond: Frond,
    here: PathBuf,
    there: PathBuf,
}

impl Pair {
    fn new() -> Self {
        let (scratch, fossil) = (Scratch::new(), Fossil::new());
        let (here, there) = (scratch.file("here.fossil"), scratch.file("there.fossil"));
        for file in [&here, &there] {
            fossil.new_repository(file, corpus::PROJECT);
            sql::execute(file, "UPDATE user SET cap='sy' WHERE login='dev'");
        }
        Self { scratch, fossil, frond: Frond::new(), here, there }
    }

    /// Adds a file with a time of its own.
    #[track_caller]
    fn add(&self, file: &Path, name: &str, content: &[u8], mtime: i64) {
        let path = self.scratch.write("added", content);
        let words = ["uv", "add", &path.to_string_lossy(), "--as", name, "-R", &file.to_string_lossy()]
            .map(str::to_owned);
        self.fossil.output(words);
        sql::execute(
            file,
            &format!(
                "UPDATE unversioned SET mtime={mtime} WHERE name='{name}'; DELETE FROM config WHERE name='uv-hash'"
            ),
        );
    }

    #[track_caller]
    fn delete(&self, file: &Path, name: &str, mtime: i64) {
        self.fossil.output(["uv", "rm", name, "-R", &file.to_string_lossy()]);
        sql::execute(
            file,
            &format!(
                "UPDATE unversioned SET mtime={mtime} WHERE name='{name}'; DELETE FROM config WHERE name='uv-hash'"
            ),
        );
    }

    #[track_caller]
    fn frond_syncs(&self, server: &Server) -> Value {
        let words = ["uv", "sync", "--json", &server.url_as("dev", "pw"), "-R", &self.here.to_string_lossy()]
            .map(str::to_owned);
        summary(&self.frond.try_run(words))
    }

    #[track_caller]
    fn stock_syncs(&self, server: &Server) -> String {
        self.fossil.output(["uv", "sync", &server.url_as("dev", "pw"), "-R", &self.here.to_string_lossy()])
    }
}

/// Names, times, hashes and sizes, tombstones among them.
fn rows(file: &Path) -> Vec<Vec<String>> {
    sql::rows(file, "SELECT name, mtime, hash, sz FROM unversioned ORDER BY name")
}

/// What stock says that the files hash to, with nothing remembered.
#[track_caller]
fn stock_hash(fossil: &Fossil, file: &Path) -> String {
    sql::execute(file, "DELETE FROM config WHERE name='uv-hash'");
    fossil.output(["uv", "hash", "-R", &file.to_string_lossy()]).trim().to_owned()
}

/// Every case of wire.md section 10.3, and what both sides hold in the end.
#[track_caller]
fn set_out(pair: &Pair) {
    for (file, name, content, mtime) in [
        (&pair.here, "only-here", "here", 100),
        (&pair.there, "only-there", "there", 100),
        (&pair.here, "newer-here", "new", 200),
        (&pair.there, "newer-here", "old", 100),
        (&pair.here, "dir/newer-there", "old", 100),
        (&pair.there, "dir/newer-there", "new", 200),
        (&pair.here, "time-here", "same", 200),
        (&pair.there, "time-here", "same", 100),
        (&pair.here, "time-there", "same", 100),
        (&pair.there, "time-there", "same", 200),
        (&pair.here, "tie", "one", 100),
        (&pair.there, "tie", "two", 100),
        (&pair.here, "same", "same", 100),
        (&pair.there, "same", "same", 100),
        (&pair.here, "gone-here", "x", 100),
        (&pair.there, "gone-here", "x", 100),
        (&pair.here, "gone-there", "x", 100),
        (&pair.there, "gone-there", "x", 100),
        (&pair.here, "back", "again", 300),
        (&pair.there, "back", "x", 100),
        (&pair.here, "empty", "", 100),
    ] {
        pair.add(file, name, content.as_bytes(), mtime);
    }
    pair.delete(&pair.here, "gone-here", 200);
    pair.delete(&pair.there, "gone-there", 200);
    pair.delete(&pair.there, "back", 200);
    let big: Vec<u8> =
        (0..600_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    pair.add(&pair.here, "big", &big, 100);
}

#[track_caller]
fn check_settled(pair: &Pair) {
    assert_eq!(rows(&pair.here), rows(&pair.there));
    assert_eq!(stock_hash(&pair.fossil, &pair.here), stock_hash(&pair.fossil, &pair.there));
    for (name, content) in [
        ("only-here", "here"),
        ("only-there", "there"),
        ("newer-here", "new"),
        ("dir/newer-there", "new"),
        ("back", "again"),
        ("empty", ""),
    ] {
        for file in [&pair.here, &pair.there] {
            let file = file.to_string_lossy();
            assert_eq!(pair.fossil.output(["uv", "cat", name, "-R", &file]), content, "{name}");
            assert_eq!(pair.frond.output(["uv", "cat", name, "-R", &file]), content, "{name}");
        }
    }
    let gone = "SELECT count(*) FROM unversioned WHERE hash IS NULL";
    assert_eq!(sql::number(&pair.here, gone), 2);
    for file in [&pair.here, &pair.there] {
        let frond = pair.frond.output(["uv", "hash", "-R", &file.to_string_lossy()]);
        assert_eq!(frond.trim(), stock_hash(&pair.fossil, file));
        pair.fossil.test_integrity(file);
    }
}

#[test]
fn frond_and_a_server_end_with_the_same_files() {
    for server_of in [STOCK, FROND] {
        let pair = Pair::new();
        set_out(&pair);
        let server = server_of(&pair, &pair.there);
        let first = pair.frond_syncs(&server);
        assert_eq!(count(&first, "artifacts_sent") + count(&first, "artifacts_received"), 0, "{first}");
        check_settled(&pair);
        let again = pair.frond_syncs(&server);
        let moved = ["rounds", "unversioned_sent", "unversioned_received"].map(|name| count(&again, name));
        assert_eq!(moved, [1, 0, 0], "{again}");
    }
}

#[test]
fn stock_and_frond_as_its_server_end_with_the_same_files() {
    let pair = Pair::new();
    set_out(&pair);
    let server = FROND(&pair, &pair.there);
    pair.stock_syncs(&server);
    check_settled(&pair);
}

/// Of each direction, only that.
#[test]
fn a_pull_takes_and_a_push_gives() {
    for server_of in [STOCK, FROND] {
        for (command, here, there) in [("pull", 2, 1), ("push", 1, 2), ("sync", 2, 2)] {
            let pair = Pair::new();
            pair.add(&pair.here, "a", b"a", 100);
            pair.add(&pair.there, "b", b"b", 100);
            let server = server_of(&pair, &pair.there);
            let url = server.url_as("dev", "pw");
            pair.frond.output([command, "-u", &url, "-R", &pair.here.to_string_lossy()]);
            assert_eq!((rows(&pair.here).len(), rows(&pair.there).len()), (here, there), "{command}");
            let without = Pair::new();
            without.add(&without.there, "b", b"b", 100);
            let server = server_of(&without, &without.there);
            without.frond.output([
                command,
                &server.url_as("dev", "pw"),
                "-R",
                &without.here.to_string_lossy(),
            ]);
            let table = "SELECT count(*) FROM sqlite_schema WHERE name='unversioned'";
            assert_eq!(sql::number(&without.here, table), 0, "{command} without -u");
        }
    }
}

#[test]
fn a_clone_brings_unversioned_files_if_asked_to() {
    for server_of in [STOCK, FROND] {
        let pair = Pair::new();
        set_out(&pair);
        let server = server_of(&pair, &pair.here);
        let copy = pair.scratch.file("copy.fossil");
        let url = server.url_as("dev", "pw");
        pair.frond.output(["clone", "-u", &url, &copy.to_string_lossy()]);
        let live = |file: &Path| rows(file).into_iter().filter(|row| row[2] != "NULL").collect::<Vec<_>>();
        assert_eq!(live(&copy), live(&pair.here));
        assert_eq!(stock_hash(&pair.fossil, &copy), stock_hash(&pair.fossil, &pair.here));
    }
}

/// 134, 137, 142.
#[test]
fn rights_decide_who_gives_and_who_takes() {
    for (rights, gives, takes) in
        [("oy", true, true), ("o", false, true), ("s", false, true), ("y", false, false)]
    {
        let pair = Pair::new();
        pair.add(&pair.here, "a", b"a", 100);
        pair.add(&pair.there, "b", b"b", 100);
        sql::execute(
            &pair.there,
            &format!(
                "UPDATE user SET cap='{rights}' WHERE login='dev'; UPDATE user SET cap='' WHERE login='nobody'"
            ),
        );
        let server = FROND(&pair, &pair.there);
        let here = pair.here.to_string_lossy().into_owned();
        let dry = pair.frond.try_run(["uv", "sync", "-n", &server.url_as("dev", "pw"), "-R", &here]);
        let said = pair.frond.try_run(["uv", "sync", &server.url_as("dev", "pw"), "-R", &here]);
        for said in [&said, &dry] {
            assert_eq!(said.code, Some(if gives || !takes { 0 } else { 5 }), "{rights}: {said}");
            let told = said.stderr.contains("takes no unversioned files of dev, who lacks capability y");
            assert_eq!(told, takes && !gives, "{rights}: {said}");
        }
        assert_eq!(dry.stdout.contains("receive unversioned b\n"), takes, "{rights}: {dry}");
        assert_eq!(dry.stdout.contains("send unversioned a\n"), gives, "{rights}: {dry}");
        assert_eq!((rows(&pair.there).len() == 2, rows(&pair.here).len() == 2), (gives, takes), "{rights}");
    }
}

#[test]
fn what_frond_keeps_stock_reads_and_the_reverse() {
    let pair = Pair::new();
    let path = pair.scratch.write("notes.txt", "notes\n".repeat(1000));
    let (frond, here) = (&pair.frond, pair.here.to_string_lossy().into_owned());
    frond.output(["uv", "add", &path.to_string_lossy(), "--as", "docs/notes.txt", "-R", &here]);
    assert_eq!(pair.fossil.output(["uv", "cat", "docs/notes.txt", "-R", &here]), "notes\n".repeat(1000));
    let out = pair.scratch.file("out.txt");
    frond.output(["uv", "export", "docs/notes.txt", &out.to_string_lossy(), "-R", &here]);
    assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(&path).unwrap());
    // What is there and differs is not lost.
    let export = |more: &[&str]| {
        let words = ["uv", "export", "docs/notes.txt", &*out.to_string_lossy(), "-R", &here];
        frond.try_run(words.iter().chain(more))
    };
    assert_eq!(export(&[]).code, Some(0), "it is the same");
    std::fs::write(&out, "mine").unwrap();
    let said = export(&[]);
    assert!(said.code == Some(FAILED) && said.stderr.contains("would be lost"), "{said}");
    assert_eq!(std::fs::read(&out).unwrap(), b"mine");
    assert_eq!(export(&["--force"]).code, Some(0));
    assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(&path).unwrap());
    assert!(frond.output(["uv", "ls", "-R", &here]).contains("docs/notes.txt"));
    frond.output(["uv", "rm", "docs/notes.txt", "-R", &here]);
    assert_eq!(pair.fossil.output(["uv", "list", "-R", &here]), "");
    for words in [["uv", "cat", "docs/notes.txt", "-R", &here], ["uv", "rm", "nothing", "-R", &here]] {
        let said = frond.try_run(words);
        assert_eq!(said.code, Some(FAILED), "{said}");
    }
    let said = frond.try_run(["uv", "add", &path.to_string_lossy(), "--as", "a b", "-R", &here]);
    assert_eq!(said.code, Some(USAGE), "{said}");
}
