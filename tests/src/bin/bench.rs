//! Compares Frond with stock Fossil, side by side in one run: pairs in turn, after a warm-up.
//!
//! `bench [--checkins N] [--pairs N]`. Exits 1 if the median clone of Frond takes longer than that of stock.

use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use frond_tests::corpus::{Extras, Shape};
use frond_tests::frond::run;
use frond_tests::{Fossil, Frond, Proxy, Scratch, Server, compare, frond, shared};

/// How long a clone may take, in clones of stock.
const SLOWEST_CLONE: f64 = 1.0;

const USAGE: &str = "usage: bench [--checkins N] [--pairs N]";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (mut checkins, mut pairs) = (2000, 7);
    while let Some(word) = words.next() {
        let number = words.next().and_then(|word| word.parse::<usize>().ok()).expect(USAGE);
        match word.as_str() {
            "--checkins" => checkins = number,
            "--pairs" => pairs = number,
            other => panic!("{other}? {USAGE}"),
        }
    }
    let bench = Bench::new(Shape::of(checkins), pairs);
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{:<34} {:>16} {:>16} {:>12}", "work", "Frond", "stock", "Frond/stock");
    let mut table = |row: Row| {
        let _ = writeln!(out, "{row}");
    };
    let clones = bench.clones();
    let is_slower = clones.ratio > SLOWEST_CLONE;
    table(clones);
    bench.no_op_pulls().into_iter().for_each(&mut table);
    table(bench.rebuilds());
    if is_slower { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What was measured of both.
struct Row {
    what: String,
    frond: String,
    stock: String,
    /// Frond's share of what stock takes.
    ratio: f64,
}

impl Row {
    fn times(what: &str, frond: Vec<Duration>, stock: Vec<Duration>) -> Self {
        let (frond, stock) = (median(frond).as_secs_f64() * 1000.0, median(stock).as_secs_f64() * 1000.0);
        let show = |time: f64| format!("{time:.1} ms");
        Self { what: what.to_owned(), frond: show(frond), stock: show(stock), ratio: frond / stock }
    }

    fn bytes(what: &str, frond: u64, stock: u64) -> Self {
        let show = |bytes: u64| format!("{bytes} bytes");
        Self {
            what: what.to_owned(),
            frond: show(frond),
            stock: show(stock),
            ratio: frond as f64 / stock as f64,
        }
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, frond, stock, ratio } = self;
        write!(f, "{what:<34} {frond:>16} {stock:>16} {ratio:>12.2}")
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

struct Bench {
    fossil: Fossil,
    frond: Frond,
    scratch: Scratch,
    pairs: usize,
    ours: std::path::PathBuf,
    theirs: std::path::PathBuf,
    our_server: Server,
    their_server: Server,
}

impl Bench {
    fn new(shape: Shape, pairs: usize) -> Self {
        let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
        let corpus = shared::corpus(shape, shape.checkins, Extras::None);
        let (ours, theirs) = (scratch.copy(&corpus, "ours.fossil"), scratch.copy(&corpus, "theirs.fossil"));
        let (our_server, their_server) = (frond.server(&ours), fossil.server(&theirs));
        Self { fossil, frond, scratch, pairs, ours, theirs, our_server, their_server }
    }

    /// Runs both in turn, the first time only to warm up.
    fn in_turn(
        &self,
        mut ours: impl FnMut() -> Duration,
        mut theirs: impl FnMut() -> Duration,
    ) -> (Vec<Duration>, Vec<Duration>) {
        ours();
        theirs();
        (0..self.pairs).map(|_| (ours(), theirs())).unzip()
    }

    fn clones(&self) -> Row {
        let copy = self.scratch.file("clone.fossil");
        let path = copy.to_string_lossy();
        let (frond, stock) = self.in_turn(
            || {
                let _ = std::fs::remove_file(&copy);
                timed(&mut self.frond.command(["clone", "-q", &self.our_server.url(), &path]))
            },
            || {
                let _ = std::fs::remove_file(&copy);
                let mut command = self.fossil.command_in(None);
                timed(command.args(["clone", "--no-open", &self.their_server.url(), &path]))
            },
        );
        compare::artifact_lists_equal(&copy, &self.theirs);
        compare::artifact_lists_equal(&copy, &self.ours);
        Row::times("clone, both ends", frond, stock)
    }

    fn no_op_pulls(&self) -> [Row; 3] {
        let (ours, theirs) = (self.scratch.file("our-clone.fossil"), self.scratch.file("their-clone.fossil"));
        self.frond.clone(&self.our_server.url(), &ours);
        self.fossil.clone(&self.their_server.url(), &theirs);
        let (our_path, their_path) = (ours.to_string_lossy(), theirs.to_string_lossy());
        let our_pull = |url: &str| timed(&mut self.frond.command(["pull", "-q", url, "-R", &our_path]));
        let their_pull =
            |url: &str| timed(self.fossil.command_in(None).args(["pull", url, "-R", &their_path]));
        let (frond, stock) =
            self.in_turn(|| our_pull(&self.our_server.url()), || their_pull(&self.their_server.url()));
        let (our_proxy, their_proxy) =
            (Proxy::start(self.our_server.address), Proxy::start(self.their_server.address));
        our_pull(&our_proxy.url());
        their_pull(&their_proxy.url());
        let (our, their) = (our_proxy.traffic(), their_proxy.traffic());
        [
            Row::times("second pull, both ends", frond, stock),
            Row::bytes("second pull, sent with HTTP", our.up, their.up),
            Row::bytes("second pull, received with HTTP", our.down, their.down),
        ]
    }

    fn rebuilds(&self) -> Row {
        let copy = |from: &Path| self.scratch.copy(from, "rebuild.fossil");
        let (frond, stock) = self.in_turn(
            || {
                let file = copy(&self.ours);
                timed(&mut self.frond.command(["rebuild", "-q", "-R", &file.to_string_lossy()]))
            },
            || {
                let file = copy(&self.theirs);
                timed(self.fossil.command_in(None).arg("rebuild").arg(file))
            },
        );
        Row::times("rebuild", frond, stock)
    }
}

/// How long a command takes, which must go well.
fn timed(command: &mut Command) -> Duration {
    frond::binary();
    let start = Instant::now();
    let said = run(command);
    let time = start.elapsed();
    assert_eq!(said.code, Some(0), "{said}");
    time
}
