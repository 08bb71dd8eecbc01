//! `kill -9` in the middle of a clone: what came and was verified stays, the next run goes on from there.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use frond_tests::corpus::{Extras, Shape};
use frond_tests::rng::Rng;
use frond_tests::{Fossil, Frond, Proxy, Scratch, compare, frond, shared, sql};
use serde_json::Value;

const KILLS: usize = 20;

/// A server whose replies are small, so that a clone takes many rounds, behind a proxy that counts.
struct Source {
    fossil: Fossil,
    frond: Frond,
    original: std::path::PathBuf,
    scratch: Scratch,
}

/// What a clone costs that nobody disturbs.
struct Clean {
    bytes: u64,
    largest_reply: u64,
    time: Duration,
}

impl Source {
    fn new() -> Self {
        let scratch = Scratch::new();
        let shape = Shape::of(500);
        let original = scratch.copy(&shared::corpus(shape, shape.checkins, Extras::None), "original.fossil");
        sql::execute(&original, "REPLACE INTO config(name, value, mtime) VALUES('max-download', 100000, 0)");
        Self { fossil: Fossil::new(), frond: Frond::new(), original, scratch }
    }

    fn clean(&self, proxy: &Proxy) -> Clean {
        let (file, start) = (self.scratch.file("clean.fossil"), Instant::now());
        let said = self.frond.try_run(["clone", "--json", &proxy.url(), &file.to_string_lossy()]);
        let rounds = frond::summary(&said)["rounds"].as_u64();
        assert!(rounds > Some(1), "{rounds:?} rounds: a kill would find nothing to go on from");
        let clean = Clean {
            bytes: proxy.traffic().down,
            largest_reply: proxy.largest_reply(),
            time: start.elapsed(),
        };
        compare::artifact_lists_equal(&file, &self.original);
        clean
    }

    /// Clones until it is done or the time is over, then kills. Says whether it was killed.
    fn clone_for(&self, proxy: &Proxy, file: &Path, time: Duration) -> bool {
        let mut command = self.frond.command(["clone", "-q", &proxy.url(), &file.to_string_lossy()]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        true
    }

    /// What a kill left: the file under its name is whole or is not there, and what the next clone goes on from
    /// says itself that it is unfinished, until it holds everything.
    fn left_by_a_kill(&self, file: &Path) -> Left {
        if file.exists() {
            self.frond.verify(file);
            compare::artifact_lists_equal(file, &self.original);
            return Left::Whole;
        }
        let work = sync::client::work_file(file).unwrap();
        if !work.exists() {
            return Left::Nothing;
        }
        // Looking in rolls the last round back, as the next clone does.
        if sql::rows(&work, "SELECT 1 FROM sqlite_schema WHERE name='config'").is_empty() {
            return Left::Nothing;
        }
        let words = [OsStr::new("info"), "--json".as_ref(), "-R".as_ref(), work.as_os_str()];
        let info: Value = serde_json::from_str(&self.frond.output(words)).unwrap();
        if info["project_code"].as_str().unwrap_or_default().is_empty() {
            assert_eq!(info["artifacts"], 0, "killed before the first reply: {info}");
            return Left::Nothing;
        }
        let holds_all = compare::artifacts(&work) == compare::artifacts(&self.original);
        assert!(info["whole"] == false || holds_all, "half a clone passes for whole: {info}");
        Left::Work
    }

    /// Clones to the end from what was left.
    fn finish(&self, proxy: &Proxy, file: &Path, left: Left) {
        let words = ["clone", "--json", &proxy.url(), &file.to_string_lossy()];
        let said = self.frond.try_run(words);
        if left == Left::Whole {
            assert!(said.code == Some(1) && said.stderr.contains("exists already"), "{said}");
            return;
        }
        assert_eq!(frond::summary(&said)["resumed"], left == Left::Work, "{said}");
    }
}

/// What a killed clone left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Nothing to go on from.
    Nothing,
    /// Something to go on from.
    Work,
    /// The finished file: the kill came when everything was done, or not at all.
    Whole,
}

#[test]
fn twenty_kills_at_random_moments_lose_nothing() {
    let source = Source::new();
    let server = source.fossil.server(&source.original);
    let proxy = Proxy::start(server.address);
    let clean = source.clean(&proxy);
    let mut rng = Rng::new(2026);
    let (mut killed, mut resumed) = (0, 0);
    for kill in 0..KILLS {
        let scratch = Scratch::new();
        let file = scratch.file("killed.fossil");
        proxy.reset();
        killed += usize::from(source.clone_for(&proxy, &file, clean.time.mul_f64(rng.unit())));
        let left = source.left_by_a_kill(&file);
        source.finish(&proxy, &file, left);
        resumed += usize::from(left == Left::Work);
        let (down, most) = (proxy.traffic().down, clean.bytes * 12 / 10 + clean.largest_reply);
        assert!(
            down <= most,
            "kill {kill}: {down} bytes came, {most} may ({} for a clean clone)",
            clean.bytes
        );
        source.frond.verify(&file);
        source.fossil.test_integrity(&file);
        compare::artifact_lists_equal(&file, &source.original);
        if kill % 5 == 0 {
            compare::derived_tables_equal_after_stock_rebuild(&source.fossil, &file);
        }
    }
    assert!(killed >= KILLS / 2, "only {killed} of {KILLS} clones were killed");
    assert!(resumed >= KILLS / 4, "only {resumed} of {killed} killed clones were resumed");
}

#[test]
fn a_clone_that_is_killed_again_and_again_gets_there() {
    let source = Source::new();
    let server = source.frond.server(&source.original);
    let proxy = Proxy::start(server.address);
    let clean = source.clean(&proxy);
    let file = source.scratch.file("killed.fossil");
    let (mut rng, mut kills) = (Rng::new(7), 0);
    proxy.reset();
    for _ in 0..12 {
        let share = 0.2 + 0.3 * rng.unit();
        if !source.clone_for(&proxy, &file, clean.time.mul_f64(share)) {
            break;
        }
        kills += 1;
        source.left_by_a_kill(&file);
    }
    let left = source.left_by_a_kill(&file);
    source.finish(&proxy, &file, left);
    let (down, most) = (proxy.traffic().down, clean.bytes * 12 / 10 + kills * clean.largest_reply);
    assert!(down <= most, "{down} bytes came, {most} may after {kills} kills");
    source.frond.verify(&file);
    compare::is_whole_copy(&source.fossil, &file, &source.original);
}
