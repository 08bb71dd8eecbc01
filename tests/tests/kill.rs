//! `kill -9` in the middle of a clone: what came and was verified stays, the next run goes on from there.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use frond_tests::corpus::{Extras, Shape};
use frond_tests::rng::Rng;
use frond_tests::{Fossil, Frond, Proxy, Scratch, compare, frond, shared, sql};

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
        let shape = Shape::of(2000);
        let original = scratch.copy(&shared::corpus(shape, shape.checkins, Extras::None), "original.fossil");
        sql::execute(&original, "REPLACE INTO config(name, value, mtime) VALUES('max-download', 400000, 0)");
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

    /// Nothing that is there passes for a finished clone.
    fn does_not_look_complete(&self, file: &Path) {
        if !file.exists() {
            return;
        }
        let path = file.to_string_lossy();
        let verified = self.frond.try_run(["verify", "-R", &path]);
        let complete = verified.code == Some(0);
        let has_all = complete && compare::artifacts(file) == compare::artifacts(&self.original);
        assert!(!complete || has_all, "half a clone passes for whole\n{verified}");
    }

    fn finish(&self, proxy: &Proxy, file: &Path) -> serde_json::Value {
        let words = ["clone", "--json", &proxy.url(), &file.to_string_lossy()];
        let said = self.frond.try_run(words);
        // The kill may have come when everything was done.
        if said.code != Some(0) {
            compare::artifact_lists_equal(file, &self.original);
            assert!(said.stderr.contains("exists"), "{said}");
            return serde_json::Value::Null;
        }
        frond::summary(&said)
    }
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
        if source.clone_for(&proxy, &file, clean.time.mul_f64(rng.unit())) {
            killed += 1;
            source.does_not_look_complete(&file);
        }
        let summary = source.finish(&proxy, &file);
        resumed += usize::from(summary["resumed"] == true);
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
    }
    source.finish(&proxy, &file);
    let (down, most) = (proxy.traffic().down, clean.bytes * 12 / 10 + kills * clean.largest_reply);
    assert!(down <= most, "{down} bytes came, {most} may after {kills} kills");
    source.frond.verify(&file);
    compare::is_whole_copy(&source.fossil, &file, &source.original);
}
