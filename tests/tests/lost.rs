//! What a file lost, and others wait for, comes back with one pull or push, whoever is at the other end.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use frond_tests::corpus::{Extras, Shape};
use frond_tests::frond::count;
use frond_tests::{Fossil, Frond, Scratch, Server, compare, shared, sql};
use serde_json::Value;

/// SQL for what others are deltas of: a whole check-in, one that is a delta itself, and a whole file.
const LOST: [&str; 3] = [
    "SELECT srcid FROM delta WHERE srcid NOT IN (SELECT rid FROM delta)
        AND srcid IN (SELECT objid FROM event WHERE type='ci') ORDER BY srcid DESC LIMIT 1",
    "SELECT srcid FROM delta WHERE srcid IN (SELECT rid FROM delta)
        AND srcid IN (SELECT objid FROM event WHERE type='ci') ORDER BY srcid LIMIT 1",
    "SELECT srcid FROM delta WHERE srcid NOT IN (SELECT rid FROM delta)
        AND srcid IN (SELECT fid FROM mlink) GROUP BY srcid ORDER BY count(*) DESC, srcid LIMIT 1",
];

/// Whose rebuild runs where something was lost.
#[derive(Clone, Copy, PartialEq)]
enum Rebuild {
    Frond,
    /// It writes down that what waits has 0 bytes.
    Stock,
}

struct Bench {
    fossil: Fossil,
    frond: Frond,
    scratch: Scratch,
    /// Has everything.
    whole: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let scratch = Scratch::new();
        let whole = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::None), "whole.fossil");
        Self { fossil: Fossil::new(), frond: Frond::new(), scratch, whole }
    }

    /// A copy without the content of one artifact.
    #[track_caller]
    fn without(&self, lost: &str, rebuild: Rebuild) -> PathBuf {
        let file = self.scratch.copy(&self.whole, "lost.fossil");
        let rid = sql::number(&file, lost);
        let deltas = sql::number(&file, "SELECT count(*) FROM delta");
        sql::execute(&file, &format!("DELETE FROM delta WHERE rid={rid}"));
        sql::execute(&file, &format!("UPDATE blob SET size=-1, content=NULL, rcvid=0 WHERE rid={rid}"));
        sql::execute(&file, &format!("INSERT INTO phantom VALUES({rid})"));
        let empty = "SELECT count(*) FROM blob WHERE size=0 AND length(content)>4";
        match rebuild {
            Rebuild::Frond => {
                drop(self.frond.output([OsStr::new("rebuild"), "-R".as_ref(), file.as_os_str()]));
            }
            Rebuild::Stock => self.fossil.rebuild(&file),
        }
        let verified = self.verified(&file);
        let number = |name: &str| verified[name].as_i64().unwrap();
        assert!(number("phantoms") == 1 && number("waiting") > 0 && deltas > 0, "{verified}");
        assert_eq!(sql::number(&file, empty) > 0, rebuild == Rebuild::Stock, "what waits has a size");
        file
    }

    /// What `verify` says, whatever it finds.
    #[track_caller]
    fn verified(&self, file: &Path) -> Value {
        let said =
            self.frond.try_run([OsStr::new("verify"), "--json".as_ref(), "-R".as_ref(), file.as_os_str()]);
        serde_json::from_str(said.stdout.lines().last().unwrap()).unwrap()
    }

    /// Nothing is lacking, and all is as it should be.
    #[track_caller]
    fn is_whole(&self, file: &Path) {
        let verified = self.verified(file);
        let number = |name: &str| verified[name].as_i64().unwrap();
        assert_eq!((number("phantoms"), number("waiting"), number("findings")), (0, 0, 0), "{verified}");
        compare::contents_equal(file, &self.whole);
        compare::are_sound(&self.fossil, [file]);
    }

    #[track_caller]
    fn comes_back_from(&self, server: &Server, rebuild: Rebuild) {
        for lost in LOST {
            let file = self.without(lost, rebuild);
            let summary = self.frond.pull(&server.url(), &file);
            assert!(count(&summary, "rounds") <= 5, "{summary}");
            self.is_whole(&file);
        }
    }
}

#[test]
fn what_others_wait_for_comes_back_from_frond() {
    let bench = Bench::new();
    bench.comes_back_from(&bench.frond.server(&bench.whole), Rebuild::Frond);
}

#[test]
fn what_others_wait_for_comes_back_from_stock() {
    let bench = Bench::new();
    bench.comes_back_from(&bench.fossil.server(&bench.whole), Rebuild::Frond);
}

#[test]
fn what_waited_when_stock_rebuilt_the_file_has_the_right_size_once_its_source_is_there() {
    let bench = Bench::new();
    bench.comes_back_from(&bench.frond.server(&bench.whole), Rebuild::Stock);
    bench.comes_back_from(&bench.fossil.server(&bench.whole), Rebuild::Stock);
}

#[test]
fn what_others_wait_for_on_a_server_comes_back_with_a_push() {
    let bench = Bench::new();
    for by_stock in [false, true] {
        for lost in LOST {
            let file = bench.without(lost, Rebuild::Frond);
            let server = bench.frond.server(&file);
            match by_stock {
                true => drop(bench.fossil.exchange("push", &server.url_as("dev", "pw"), &bench.whole)),
                false => drop(bench.frond.push(&server.url_as("dev", "pw"), &bench.whole)),
            }
            drop(server);
            bench.is_whole(&file);
        }
    }
}
