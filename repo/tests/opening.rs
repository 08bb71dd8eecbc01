//! What a user meets when a file cannot be made, opened or written.

#![allow(clippy::unwrap_used, reason = "in tests")]

use std::fs;
use std::path::{Path, PathBuf};

use repo::content::{Incoming, Stored};
use repo::error::Fault;
use repo::{Genesis, Limits, Origin, Repo, RepoError, Rid, UnixTime, blob, config, content, ingest};
use rusqlite::Connection;
use xfer::UvName;
use xfer::card::Privacy;
use xfer::hash::sha3_256;

const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn repository(&self) -> PathBuf {
        let path = self.path("a.fossil");
        Repo::create(&path, &Genesis { user: "alice".into(), now: NOW, ..Genesis::default() }).unwrap();
        path
    }
}

/// The error of an attempt, which names the file.
#[track_caller]
fn error_of<T>(path: &Path, result: Result<T, RepoError>) -> RepoError {
    let Err(error) = result else { panic!("it worked") };
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    error
}

#[test]
fn what_is_no_repository_is_told_from_what_is_not_there() {
    let scratch = Scratch::new();
    let path = scratch.path("none");
    assert!(matches!(error_of(&path, Repo::open(&path)), RepoError::NotFound { .. }));
    assert!(!path.exists());

    let other_database = scratch.path("other");
    Connection::open(&other_database)
        .unwrap()
        .execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES(zeroblob(90000))")
        .unwrap();
    let cases: [(&str, Vec<u8>); 4] = [
        ("empty", Vec::new()),
        ("text", b"not a database\n".repeat(4000)[..51_200].to_vec()),
        ("odd", fs::read(scratch.repository()).unwrap()[1..].to_vec()),
        ("small", fs::read(scratch.path("a.fossil")).unwrap()[..8192].to_vec()),
    ];
    for (name, bytes) in cases {
        fs::write(scratch.path(name), bytes).unwrap();
    }
    for name in ["empty", "text", "odd", "small", "other", ""] {
        let path = scratch.path(name);
        for result in [Repo::open(&path), Repo::open_read_only(&path)] {
            let error = error_of(&path, result);
            assert!(matches!(error, RepoError::NotARepository { .. }), "{name}: {error}");
            assert_eq!(error.fault(), Fault::File);
            assert!(!error.may_retry());
        }
    }
}

#[test]
fn a_damaged_file_is_said_to_be_damaged() {
    let scratch = Scratch::new();
    let path = scratch.repository();
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096..].fill(0x55);
    fs::write(&path, bytes).unwrap();
    let tried = Repo::open(&path)
        .and_then(|mut repo| config::get(&repo.snapshot()?, "rebuilt").map_err(|e| e.at(&path)));
    assert!(matches!(error_of(&path, tried), RepoError::Corrupt { .. }));
}

#[test]
fn nothing_is_overwritten() {
    let scratch = Scratch::new();
    let path = scratch.path("there");
    fs::write(&path, "precious").unwrap();
    assert!(matches!(
        error_of(&path, Repo::create(&path, &Genesis::default())),
        RepoError::AlreadyExists { .. }
    ));
    assert_eq!(fs::read(&path).unwrap(), b"precious");

    // What a crashed program left of another file of this name.
    let path = scratch.path("gone");
    let journal = scratch.path("gone-journal");
    fs::write(&journal, "precious").unwrap();
    assert!(matches!(
        error_of(&journal, Repo::create(&path, &Genesis::default())),
        RepoError::AlreadyExists { .. }
    ));
    assert!(!path.exists());
}

#[test]
fn a_file_in_a_missing_directory_is_not_made() {
    let scratch = Scratch::new();
    let path = scratch.path("none/a.fossil");
    assert!(matches!(error_of(&path, Repo::create(&path, &Genesis::default())), RepoError::NotFound { .. }));
}

#[test]
fn a_writer_waits_for_another_and_then_says_so() {
    let scratch = Scratch::new();
    let path = scratch.repository();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut repo = Repo::open(&path).unwrap();
    repo.set_limits(Limits { busy_timeout_ms: 20, ..Limits::default() }).unwrap();
    let error = error_of(&path, repo.begin());
    assert!(matches!(error, RepoError::Locked { .. }));
    assert!(error.may_retry());
    // A reader need not wait for it.
    config::get(&repo.snapshot().unwrap(), "rebuilt").unwrap();
    other.execute_batch("COMMIT").unwrap();
    repo.begin().unwrap().commit().unwrap();
}

#[test]
fn a_commit_that_a_reader_holds_up_changes_nothing() {
    let scratch = Scratch::new();
    let path = scratch.repository();
    let other = Connection::open(&path).unwrap();
    let mut repo = Repo::open(&path).unwrap();
    repo.set_limits(Limits { busy_timeout_ms: 20, ..Limits::default() }).unwrap();
    let tx = repo.begin().unwrap();
    config::set(&tx, "something", "1", NOW).unwrap();
    other.execute_batch("BEGIN; SELECT * FROM config").unwrap();
    assert!(matches!(error_of(&path, tx.commit()), RepoError::Locked { .. }));
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(config::get(&repo.snapshot().unwrap(), "something").unwrap(), None);
    let tx = repo.begin().unwrap();
    config::set(&tx, "something", "2", NOW).unwrap();
    tx.commit().unwrap();
}

#[test]
fn a_full_disk_is_told_and_changes_nothing() {
    let scratch = Scratch::new();
    let path = scratch.repository();
    let mut repo = Repo::open(&path).unwrap();
    let tx = repo.begin().unwrap();
    // Stands for a full disk: SQLite reports the same.
    tx.conn().query_row("PRAGMA max_page_count=1", [], |_| Ok(())).unwrap();
    let big = "x".repeat(1 << 20);
    let error = config::set(&tx, "big", &big, NOW).map_err(|error| error.at(&path));
    assert!(matches!(error_of(&path, error), RepoError::DiskFull { .. }));
    drop(tx);
    assert_eq!(config::get(&repo.snapshot().unwrap(), "big").unwrap(), None);
}

#[test]
fn a_reader_writes_nothing() {
    let scratch = Scratch::new();
    let path = scratch.repository();
    let mut repo = Repo::open_read_only(&path).unwrap();
    let tried = repo.begin().and_then(|tx| config::set(&tx, "a", "b", NOW).map_err(|error| error.at(&path)));
    assert!(matches!(error_of(&path, tried), RepoError::ReadOnly { .. }));
}

/// What is on the disk of a writer that is killed in the midst of a transaction.
fn killed_writer(scratch: &Scratch) -> PathBuf {
    let path = scratch.repository();
    let writer = Connection::open(&path).unwrap();
    writer
        .execute_batch(
            "PRAGMA cache_size=1; BEGIN IMMEDIATE; DELETE FROM config;
             WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<200)
             INSERT INTO config SELECT 'half done '||i, hex(randomblob(2000)), 0 FROM n",
        )
        .unwrap();
    let left = scratch.path("left.fossil");
    fs::copy(&path, &left).unwrap();
    fs::copy(scratch.path("a.fossil-journal"), scratch.path("left.fossil-journal")).unwrap();
    left
}

#[test]
fn a_reader_undoes_what_a_killed_writer_left_and_writes_nothing_else() {
    let scratch = Scratch::new();
    let path = killed_writer(&scratch);
    let before = fs::read(&path).unwrap();
    let mut repo = Repo::open_read_only(&path).unwrap();
    assert_ne!(fs::read(&path).unwrap(), before, "something was half done");
    assert!(!scratch.path("left.fossil-journal").exists());
    let half_done = "SELECT count(*) FROM config WHERE name GLOB 'half done*'";
    let count = |repo: &mut Repo, sql: &str| -> i64 {
        repo.snapshot().unwrap().conn().query_row(sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count(&mut repo, half_done), 0);
    assert_eq!(count(&mut repo, "SELECT count(*) FROM config WHERE name='rebuilt'"), 1);
    let tried = repo.begin().and_then(|tx| config::set(&tx, "a", "b", NOW).map_err(|error| error.at(&path)));
    assert!(matches!(error_of(&path, tried), RepoError::ReadOnly { .. }));
}

#[test]
fn a_dropped_transaction_never_happened() {
    let scratch = Scratch::new();
    let path = scratch.repository();
    let mut repo = Repo::open(&path).unwrap();
    config::set(&repo.begin().unwrap(), "a", "b", NOW).unwrap();
    assert_eq!(config::get(&repo.snapshot().unwrap(), "a").unwrap(), None);
}

#[test]
fn the_journal_mode_of_a_file_stays() {
    let scratch = Scratch::new();
    let path = scratch.repository();
    let mode = |path: &Path| -> String {
        Connection::open(path).unwrap().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(mode(&path), "delete");
    Connection::open(&path).unwrap().query_row("PRAGMA journal_mode=WAL", [], |_| Ok(())).unwrap();
    let mut repo = Repo::open(&path).unwrap();
    let tx = repo.begin().unwrap();
    config::set(&tx, "a", "b", NOW).unwrap();
    tx.commit().unwrap();
    assert_eq!(mode(&path), "wal");
}

#[test]
fn what_another_process_changed_is_seen() {
    let scratch = Scratch::new();
    let path = scratch.repository();
    let mut repo = Repo::open(&path).unwrap();
    let hold = |repo: &mut Repo, text: &[u8]| -> Rid {
        let tx = repo.begin().unwrap();
        let id = sha3_256(text);
        content::put(&tx, &id, &Incoming::Whole(text), Privacy::Public).unwrap();
        ingest::settle(&tx, NOW).unwrap();
        let rid = blob::rid(&tx, &id).unwrap().unwrap();
        tx.commit().unwrap();
        rid
    };
    let rid = hold(&mut repo, b"first");
    assert_eq!(content::get(&repo.snapshot().unwrap(), rid).unwrap(), "first");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("DELETE FROM blob").unwrap();
    drop(other);
    // The same row for another artifact.
    assert_eq!(hold(&mut Repo::open(&path).unwrap(), b"second"), rid);
    assert_eq!(content::get(&repo.snapshot().unwrap(), rid).unwrap(), "second");
}

#[test]
fn what_a_repository_starts_from_is_shown_without_its_password() {
    let genesis = Genesis { password: Some("hunter2".into()), ..Genesis::default() };
    assert!(!format!("{genesis:?}").contains("hunter2"));
}

#[test]
fn a_nonce_is_used_once() {
    let scratch = Scratch::new();
    let mut repo = Repo::open(&scratch.repository()).unwrap();
    let origin = |nonce: &str| Origin {
        uid: 1,
        nonce: Some(nonce.to_owned()),
        ip: Some("127.0.0.1".to_owned()),
        time: NOW,
    };
    let attempt = |repo: &mut Repo, nonce: &str, text: &[u8]| -> Result<Stored, RepoError> {
        let tx = repo.begin()?;
        tx.set_origin(origin(nonce));
        let stored = content::put(&tx, &sha3_256(text), &Incoming::Whole(text), Privacy::Public)?;
        ingest::settle(&tx, NOW)?;
        tx.commit()?;
        Ok(stored)
    };
    assert!(matches!(attempt(&mut repo, "n1", b"a"), Ok(Stored::Accepted(_))));
    // A replay that brings nothing new does no harm.
    assert!(matches!(attempt(&mut repo, "n1", b"a"), Ok(Stored::AlreadyHeld(_))));
    assert!(matches!(attempt(&mut repo, "n1", b"b"), Err(RepoError::NonceReused { nonce }) if nonce == "n1"));
    assert!(matches!(attempt(&mut repo, "n2", b"b"), Ok(Stored::Accepted(_))));
    let snap = repo.snapshot().unwrap();
    let mut statement = snap
        .conn()
        .prepare("SELECT nonce || ' ' || uid || ' ' || ipaddr || ' ' || datetime(rcvfrom.mtime) FROM blob JOIN rcvfrom USING(rcvid)")
        .unwrap();
    let rows: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows, ["n1 1 127.0.0.1 2023-11-14 22:13:20", "n2 1 127.0.0.1 2023-11-14 22:13:20"]);
}

#[test]
fn a_shared_file_becomes_whole_by_itself_again_even_if_who_shared_it_was_killed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.fossil");
    let mode = |path: &Path| -> String {
        Connection::open(path).unwrap().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap()
    };
    drop(Repo::create(&path, &Genesis::default()).unwrap());
    let mut repo = Repo::open(&path).unwrap();
    assert!(repo.share());
    // Killed: nobody unshares.
    drop(repo);
    assert_eq!(mode(&path), "wal");
    let mut next = Repo::open(&path).unwrap();
    assert!(next.share());
    assert!(next.unshare());
    drop(next);
    assert_eq!(mode(&path), "delete");
    // What the owner of the file chose stays.
    Connection::open(&path).unwrap().query_row("PRAGMA journal_mode=WAL", [], |_| Ok(())).unwrap();
    assert!(!Repo::open(&path).unwrap().share());
    assert_eq!(mode(&path), "wal");
}

#[test]
fn a_file_made_in_a_hurry_does_not_wait_for_the_disk_until_it_is_calm() {
    let scratch = Scratch::new();
    let path = scratch.repository();
    let mut repo = Repo::open(&path).unwrap();
    let waits = |repo: &mut Repo| -> i64 {
        let snap = repo.snapshot().unwrap();
        snap.conn().query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap()
    };
    let (off, full) = (0, 2);
    assert_eq!(waits(&mut repo), full);
    repo.hurry().unwrap();
    assert_eq!(waits(&mut repo), off);
    let tx = repo.begin().unwrap();
    config::set(&tx, "noted", "1", NOW).unwrap();
    tx.commit().unwrap();
    repo.calm().unwrap();
    assert_eq!(waits(&mut repo), full);
    let alone = scratch.path("alone");
    fs::copy(&path, &alone).unwrap();
    let noted = config::get(&Repo::open(&alone).unwrap().snapshot().unwrap(), "noted").unwrap();
    assert_eq!(noted.as_deref(), Some("1"));
}

/// Commits a file without history of so many bytes, which take as many in the repository.
fn commit_file(repo: &mut Repo, name: &str, bytes: usize) {
    let digest = |n: usize| sha3_256(format!("{name} {n}").as_bytes()).as_bytes().to_vec();
    let noise: Vec<u8> = (0..bytes / 32).flat_map(digest).collect();
    let tx = repo.begin().unwrap();
    repo::unversioned::put(&tx, &UvName::new(name).unwrap(), &noise, NOW).unwrap();
    tx.commit().unwrap();
}

#[test]
fn a_log_is_written_back_when_its_owner_says_so_and_before_it_takes_much_room() {
    let scratch = Scratch::new();
    let path = scratch.repository();
    let bytes_of = |file: &Path| fs::metadata(file).unwrap().len();
    let mut repo = Repo::open(&path).unwrap();
    repo.put_off_write_back();
    assert!(repo.share());
    let before = bytes_of(&path);
    commit_file(&mut repo, "small", 100_000);
    assert!(!repo.take_write_back_due());
    commit_file(&mut repo, "large", 5_000_000);
    assert!(repo.take_write_back_due());
    assert_eq!(bytes_of(&path), before);
    assert!(!repo.take_write_back_due(), "it was said once");
    repo::write_back(&path).unwrap();
    assert!(bytes_of(&path) > 5_000_000);
    // Who never says so has a log of 8,000 pages of 4 KiB and one commit at most, not all of 100 MB.
    for n in 0..20 {
        commit_file(&mut repo, &format!("file-{n}"), 5_000_000);
    }
    assert!(bytes_of(&scratch.path("a.fossil-wal")) < 45_000_000);
    assert!(bytes_of(&path) > 60_000_000);
}
