//! Real processes under kill -9, on bad lines, on full disks, and several on one file: afterwards nothing is lost and
//! both sides hold the same.
//!
//! Chance comes from a seed. Each run has a fresh one, from the clock, and prints the command that runs it again: of all
//! tests at first, of the one that failed at its end. `CHAOS_SEED=N` is the first, `CHAOS_ROUNDS=N` says how many, one
//! after the other.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "what fails here is the finding")]

mod disk;
mod fleet;
mod kills;
mod network;
mod one_file;
mod serving;
mod stock;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use frond_tests::corpus::{Extras, Shape};
use frond_tests::process::Running;
use frond_tests::proxy::Traffic;
use frond_tests::rng::Rng;
use frond_tests::{Fossil, Frond, Proxy, Said, Scratch, Server, compare, shared, sql};

const SHAPE: Shape = Shape { checkins: 120, files: 25, seed: 11 };
/// Check-ins that the side which is behind has.
const KNOWN: usize = 60;
/// Far beyond every time-out that is given here: who is not done then hangs.
const HANGS: Duration = Duration::from_secs(120);

/// A seed, and what comes of it.
struct Round {
    seed: u64,
    rng: Rng,
}

/// The rounds of this run; `theme` has chances of its own.
fn rounds(theme: u64) -> impl Iterator<Item = Round> {
    let first = first_seed();
    let seeds = first..first + number("CHAOS_ROUNDS").unwrap_or(1);
    seeds.map(move |seed| Round { seed, rng: Rng::new(seed ^ (theme << 56)) })
}

/// The first seed of this run, the same for all tests, and told once.
fn first_seed() -> u64 {
    static FIRST: OnceLock<u64> = OnceLock::new();
    *FIRST.get_or_init(|| {
        let first = number("CHAOS_SEED").unwrap_or_else(fresh_seed);
        // Not by a macro, whose output is shown of tests that fail only.
        let mut stderr = std::io::stderr().lock();
        writeln!(stderr, "again: {}", command(first, "")).unwrap();
        first
    })
}

/// A seed that no run had: milliseconds since 1970.
fn fresh_seed() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    since.as_millis().try_into().unwrap()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// What runs a seed again, in all tests or one of them.
fn command(seed: u64, test: &str) -> String {
    format!("CHAOS_SEED={seed} cargo test --release -p frond-tests --test chaos {test}").trim_end().to_owned()
}

impl Drop for Round {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let thread = std::thread::current();
            eprintln!("again: {}", command(self.seed, thread.name().unwrap_or_default()));
        }
    }
}

/// Whose program has a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Frond,
    Stock,
}

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Clone,
    Pull,
    Push,
    Sync,
}

const OPS: [Op; 4] = [Op::Clone, Op::Pull, Op::Push, Op::Sync];

impl Op {
    fn word(self) -> &'static str {
        match self {
            Self::Clone => "clone",
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Sync => "sync",
        }
    }

    /// Which of the files this client takes along with `-u`. Stock does so in clone and sync only.
    fn takes_unversioned(self, client: Who) -> bool {
        client == Who::Frond || matches!(self, Self::Clone | Self::Sync)
    }
}

/// Bytes of a request. Stock's client sends what no server takes, `uvigot`, where unversioned files do not fit.
fn most_up(client: Who) -> u32 {
    if client == Who::Frond { 40_000 } else { 1_000_000 }
}

/// A client's repository and a server's, which an operation is to bring together.
struct Site {
    fossil: Fossil,
    frond: Frond,
    scratch: Scratch,
    op: Op,
    client: Who,
    /// The client's; a clone has yet to make it.
    here: PathBuf,
    /// The server's.
    there: PathBuf,
    /// Public artifacts that were there before anything went wrong.
    began_with: BTreeSet<String>,
}

impl Site {
    /// Each side has what the other lacks, where the operation moves it; messages are small, so that there are many.
    #[track_caller]
    fn new(op: Op, client: Who) -> Self {
        let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
        let (ours, theirs) =
            if op == Op::Push { (Base::Whole, Base::Part) } else { (Base::Part, Base::Whole) };
        let there = scratch.copy(&side("there", theirs, op), "there.fossil");
        let here = match op {
            Op::Clone => scratch.file("here.fossil"),
            _ => scratch.copy(&side("here", ours, op), "here.fossil"),
        };
        let mut site = Self { fossil, frond, scratch, op, client, here, there, began_with: BTreeSet::new() };
        for file in site.files() {
            let up = most_up(client);
            let sql = format!("REPLACE INTO config(name, value, mtime) VALUES('max-upload', {up}, 0)");
            sql::execute(&file, &sql);
            site.began_with.append(&mut compare::artifacts(&file));
        }
        site
    }

    /// The repositories that there are.
    fn files(&self) -> Vec<PathBuf> {
        [&self.here, &self.there].into_iter().filter(|file| file.exists()).cloned().collect()
    }

    /// Makes a check-in of a file, on a branch that begins with the first one; gives its name.
    #[track_caller]
    fn check_in(&self, file: &Path, branch: &str, text: &str) -> String {
        let said = self.try_check_in(file, branch, text);
        assert_eq!(said.code, Some(0), "{said}");
        checkin(&said)
    }

    #[track_caller]
    fn try_check_in(&self, file: &Path, branch: &str, text: &str) -> Said {
        check_in(&self.frond, &self.scratch, file, branch, text)
    }

    /// The client's command.
    fn command(&self, url: &str) -> Command {
        self.command_of(self.op, url)
    }

    fn command_of(&self, op: Op, url: &str) -> Command {
        let file = self.here.to_str().unwrap();
        let mut words = vec![op.word(), url];
        match (op, self.client) {
            (Op::Clone, Who::Frond) => words.extend([file, "-A", "admin"]),
            (Op::Clone, Who::Stock) => words.extend(["--no-open", file]),
            _ => words.extend(["-R", file]),
        }
        if op.takes_unversioned(self.client) {
            words.push("-u");
        }
        command_by(&self.fossil, &self.frond, self.client, words)
    }

    #[track_caller]
    fn serve(&self, who: Who) -> Server {
        serve(&self.fossil, &self.frond, who, &self.there)
    }

    /// What the operation says it did is done.
    #[track_caller]
    fn did_what_it_said(&self) {
        let (here, there) = (&self.here, &self.there);
        let (takes, gives) = (self.op != Op::Push, matches!(self.op, Op::Push | Op::Sync));
        for (is_so, to, from) in [(takes, here, there), (gives, there, here)] {
            if !is_so {
                continue;
            }
            compare::holds_all_of(to, from);
            if self.op.takes_unversioned(self.client) {
                let (to, from) = (compare::unversioned(to), compare::unversioned(from));
                assert!(to.is_superset(&from), "{from:?} were not brought, but {to:?}");
            }
        }
    }

    /// Brings both sides together over a good line, and checks everything that can be.
    #[track_caller]
    fn settles(&self, server: &Server) {
        self.syncs(server);
        self.is_settled();
    }

    #[track_caller]
    fn syncs(&self, server: &Server) {
        let said = ended(&mut self.command_of(Op::Sync, &server.url_as("dev", "pw")));
        assert_eq!(said.code, Some(0), "{said}");
    }

    #[track_caller]
    fn is_settled(&self) {
        let (here, there) = (&self.here, &self.there);
        compare::contents_equal(here, there);
        assert_eq!(compare::unversioned(here), compare::unversioned(there));
        for file in [here, there] {
            let kept = compare::artifacts(file);
            let lost: Vec<_> =
                self.began_with.difference(&kept).filter(|name| !is_cluster(here, there, name)).collect();
            assert!(lost.is_empty(), "{} lost {lost:?}", file.display());
            self.frond.verify(file);
            self.fossil.test_integrity(file);
        }
        compare::nothing_private_went(there, here);
        compare::nothing_private_went(here, there);
    }

    /// Nor would stock derive other rows on either side.
    #[track_caller]
    fn is_sound(&self) {
        compare::are_sound(&self.fossil, [&self.here, &self.there]);
    }

    /// Two Fronds exchanged rows too.
    #[track_caller]
    fn tables_agree(&self) {
        let dump =
            |file: &PathBuf| self.frond.output(["table", "dump", "hosts", "-R", file.to_str().unwrap()]);
        let rows = dump(&self.here);
        assert_eq!(rows, dump(&self.there));
        assert!(rows.contains("there-2"), "{rows}");
    }
}

/// How much of the history a side has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    Whole,
    Part,
}

/// A side as it is before anything is exchanged, made once: rows and an unversioned file of its own, and a check-in
/// where both sides give.
#[track_caller]
fn side(side: &str, base: Base, op: Op) -> PathBuf {
    let gives = op == Op::Sync;
    shared::once(&format!("chaos-1-{side}-{base:?}-{gives}.fossil"), |file| {
        let (frond, scratch) = (Frond::new(), Scratch::new());
        let corpus = match base {
            Base::Whole => shared::corpus(SHAPE, SHAPE.checkins, Extras::All),
            Base::Part => shared::corpus(SHAPE, KNOWN, Extras::None),
        };
        std::fs::copy(corpus, file).unwrap();
        sql::execute(
            file,
            "REPLACE INTO config(name, value, mtime) VALUES('max-download', 60000, 0);
             UPDATE user SET cap='sy' WHERE login='dev'",
        );
        let name = file.to_str().unwrap();
        let run = |words: &[&str]| frond.output([words, &["-R", name]].concat());
        let columns = ["--column", "name:text", "--column", "load:integer", "--key", "name"];
        run(&[&["table", "create", "hosts", "--conflict", "last-writer"][..], &columns].concat());
        for row in 0..3 {
            run(&["table", "put", "hosts", &format!("name={side}-{row}"), "load=1", "--user", "dev"]);
        }
        let note = scratch.write(side, Rng::new(7).bytes(20_000));
        run(&["uv", "add", note.to_str().unwrap(), "--as", &format!("notes/{side}")]);
        if gives {
            let said = check_in(&frond, &scratch, file, side, side);
            assert_eq!(said.code, Some(0), "{said}");
        }
    })
}

/// Makes a check-in of one file, on a branch of its own, which begins with the first one.
#[track_caller]
fn check_in(frond: &Frond, scratch: &Scratch, file: &Path, branch: &str, text: &str) -> Said {
    let dir = scratch.dir(&format!("work-{branch}"));
    let name = format!("{branch}.txt");
    std::fs::write(dir.join(&name), format!("{text}\n")).unwrap();
    let known = format!("SELECT count(*) FROM tagxref WHERE tagid=8 AND value='{branch}'");
    let begins = sql::number(file, &known) == 0;
    let mut command =
        frond.command(["commit", &name, "-m", text, "--branch", branch, "--json", "--user", "dev"]);
    command.arg("-R").arg(file).args(if begins { &["--parent", "trunk"][..] } else { &[] });
    ended(command.current_dir(dir))
}

/// What an operation moves if nobody disturbs it, and the bytes that the receiving file has then.
struct Clean {
    traffic: Traffic,
    file_bytes: u64,
}

/// Measured once for each operation and client.
fn clean(op: Op, client: Who) -> &'static Clean {
    static MEASURED: [[OnceLock<Clean>; 4]; 2] = [const { [const { OnceLock::new() }; 4] }; 2];
    let at = OPS.iter().position(|other| *other == op).unwrap();
    MEASURED[usize::from(client == Who::Frond)][at].get_or_init(|| {
        let site = Site::new(op, client);
        let server = site.serve(Who::Frond);
        let proxy = Proxy::start(server.address);
        let said = ended(&mut site.command(&proxy.url_as("dev", "pw")));
        assert_eq!(said.code, Some(0), "{said}");
        site.did_what_it_said();
        server.terminate();
        let file = if op == Op::Push { &site.there } else { &site.here };
        let clean = Clean { traffic: proxy.traffic(), file_bytes: std::fs::metadata(file).unwrap().len() };
        assert!(clean.traffic.turns > 3, "{:?}: too few rounds to be disturbed in", clean.traffic);
        clean
    })
}

/// Each side may have made its own lists; they need not travel.
fn is_cluster(here: &Path, there: &Path, name: &str) -> bool {
    [here, there].into_iter().any(|file| compare::clusters(file).contains(name))
}

#[track_caller]
fn serve(fossil: &Fossil, frond: &Frond, who: Who, file: &Path) -> Server {
    match who {
        Who::Frond => frond.server(file),
        Who::Stock => fossil.server(file),
    }
}

/// The same words as a command of either.
fn command_by<'a>(
    fossil: &Fossil,
    frond: &Frond,
    who: Who,
    words: impl IntoIterator<Item = &'a str>,
) -> Command {
    match who {
        Who::Frond => frond.command(words),
        Who::Stock => {
            let mut command = fossil.command_in(None);
            command.args(words);
            command
        }
    }
}

/// Runs a command, which must not hang.
#[track_caller]
fn ended(command: &mut Command) -> Said {
    Running::start(command).end(HANGS)
}

/// The name of the check-in that a command made.
#[track_caller]
fn checkin(said: &Said) -> String {
    let answer: serde_json::Value = serde_json::from_str(said.stdout.lines().last().unwrap()).unwrap();
    answer["checkin"].as_str().unwrap().to_owned()
}

/// One line that says what went wrong, and this exit code.
#[track_caller]
fn says_clearly(said: &Said, code: i32) {
    assert_eq!(said.code, Some(code), "{said}");
    let lines: Vec<&str> = said
        .stderr
        .lines()
        .filter(|line| line.starts_with("frond: ") && !line.contains("warning: "))
        .collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(!said.stderr.contains("panicked") && lines[0].contains("; "), "{said}");
}
