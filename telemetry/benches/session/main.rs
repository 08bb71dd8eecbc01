//! What it costs to measure sessions, and what a collector costs that is of no use: the same sessions in one run, in turn.
//!
//! `cargo bench -p frond-telemetry [-- --times N]`. Each way of measuring is a process of its own, N times a new one, with both
//! ends of all sessions in it, over HTTP on loopback. Exits 1 if, whatever the collector does, sessions take over 3 % longer than where
//! nothing is measured and, where 3 % are less than that, over [`SHORTEST`] longer: of so many
//! of the processes that it is no chance. Exits 1 too if a command ends later than a server without a use may hold it up.

#![allow(clippy::unwrap_used, reason = "a benchmark ends where they do")]

#[expect(dead_code, reason = "tests look at what it kept")]
#[path = "../../tests/export/collector.rs"]
mod collector;
mod worker;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use frond_tests::corpus::by_frond;
use frond_tests::{Frond, Scratch, frond};

use self::collector::{Collector, Manner};
use self::worker::{PROCESSORS, Work};

/// How long a session may take, in sessions that nobody measures.
const SLOWEST: f64 = 1.03;

/// How many milliseconds longer any session may take: what is the same for each, however short it is. A session in which one
/// artifact moves takes so long that 3 % are more.
const SHORTEST: f64 = 0.1;

/// How much later a command may end for a collector that is of no use: what it waits for it, and a little.
const LATEST: f64 = 0.4;

/// How long exports may take once all is measured.
const REST: Duration = Duration::from_millis(500);

const CHECKINS: usize = 1000;
const USAGE: &str = "usage: cargo bench -p frond-telemetry -- [--times N]";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["work", name, file] => worker::run(name, file.as_ref()),
        [] => compare(11),
        ["--times", times] => compare(times.parse().expect(USAGE)),
        _ => panic!("{USAGE}"),
    }
}

/// A way of measuring, by its name and what the collector is like.
const WAYS: [(&str, Option<Manner>); 7] = [
    ("off", None),
    ("on, /metrics only", None),
    ("on", Some(Manner::Swallows)),
    ("on, collector away", None),
    ("on, it hangs", Some(Manner::Hangs)),
    ("on, it answers 500", Some(Manner::Fails)),
    ("off again", None),
];

fn compare(times: usize) -> ExitCode {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let file = scratch.file("corpus.fossil");
    let mut repo = by_frond::create(&file).expect("a repository");
    by_frond::add(&mut repo, 1, 60, CHECKINS).expect("check-ins");
    drop(repo);
    frond.output(["user", "capabilities", "nobody", "goi", "-R", &*file.to_string_lossy()]);
    let collectors: Vec<Option<Collector>> = WAYS.map(|(_, manner)| manner.map(Collector::start)).into();
    let variables: Vec<Vec<(&str, String)>> = WAYS
        .iter()
        .zip(&collectors)
        .map(|((name, _), collector)| variables(name, collector.as_ref()))
        .collect();
    let server = frond.server(&file);
    let url = server.url();
    let commanded = |set: &[(&str, String)]| {
        let begun = Instant::now();
        let mut command = frond.command(["pull", "-q", "--once", &url, "-R"]);
        let said = frond::run(command.arg(scratch.file("commanded.fossil")).envs(set.iter().cloned()));
        assert_eq!(said.code, Some(0), "{said}");
        begun.elapsed()
    };
    frond.clone(&url, &scratch.file("commanded.fossil"));

    let mut measured: Vec<Measured> = Work::ALL.map(|_| Measured::default()).into();
    for _ in 0..times {
        let mut workers: Vec<Worker> =
            WAYS.iter().zip(&variables).map(|((name, _), set)| Worker::start(name, &file, set)).collect();
        for (work, measured) in Work::ALL.into_iter().zip(&mut measured) {
            measured.measure(work, &mut workers);
        }
    }
    let mut is_good = true;
    for (work, measured) in Work::ALL.into_iter().zip(&measured) {
        is_good &= show(work.name(), work.sessions(), &measured.taken, &measured.spent);
    }
    let row = in_turn((times / 4).max(3), |way| commanded(&variables[way]));
    show("command `frond pull`, its end included", 1, &row, &[]);
    let ends: Vec<f64> =
        row.iter().map(|times| median(times.iter().map(Duration::as_secs_f64).collect())).collect();
    let latest = ends.iter().copied().fold(0.0, f64::max) - ends[0];
    say(&format!("\na command ends {latest:.3} s later at most"));
    is_good &= latest <= LATEST;
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the environment says of the collector.
fn variables(name: &str, collector: Option<&Collector>) -> Vec<(&'static str, String)> {
    let url = match (name, collector) {
        (_, Some(collector)) => collector.url.clone(),
        ("on, collector away", None) => "http://127.0.0.1:1".to_owned(),
        _ => return Vec::new(),
    };
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url),
        // Exported soon: spans 25 times as often as by default, metrics 12 times. A few short sessions are over before that:
        // what is exported of them is in the time of processors, and for the most part not in the time that they take.
        ("OTEL_BSP_SCHEDULE_DELAY", "200".to_owned()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "5000".to_owned()),
    ]
}

/// What sessions of one kind took, by how they are measured.
#[derive(Default)]
struct Measured {
    /// Of each set of processes, the median of their turns: what is chance in how a process is laid out, and its threads are
    /// spread, is the same in all its turns, and tells more than what is measured.
    taken: Vec<Vec<Duration>>,
    /// Time of processors, of all sets.
    spent: Vec<Duration>,
}

impl Measured {
    fn measure(&mut self, work: Work, workers: &mut [Worker]) {
        self.taken.resize(workers.len(), Vec::new());
        self.spent.resize(workers.len(), Duration::ZERO);
        let before: Vec<Duration> = workers.iter_mut().map(|worker| worker.ask(PROCESSORS)).collect();
        let row = in_turn(work.turns(), |way| workers[way].ask(work.name()));
        // Until all of it is exported.
        std::thread::sleep(REST);
        for (way, times) in row.into_iter().enumerate() {
            self.spent[way] += workers[way].ask(PROCESSORS) - before[way];
            let seconds = median(times.iter().map(Duration::as_secs_f64).collect());
            self.taken[way].push(Duration::from_secs_f64(seconds));
        }
    }
}

/// Runs all ways in turn, once to warm up and then so often, each time in another order, so that each comes after each other
/// equally often: what each way took.
fn in_turn(times: usize, mut run: impl FnMut(usize) -> Duration) -> Vec<Vec<Duration>> {
    let mut taken = vec![Vec::new(); WAYS.len()];
    for turn in 0..=times {
        for step in 0..WAYS.len() {
            let way = (turn + step * (1 + turn % (WAYS.len() - 1))) % WAYS.len();
            let took = run(way);
            if turn > 0 {
                taken[way].push(took);
            }
        }
    }
    taken
}

/// Whether sessions of so many processes take longer than they may as chance would bring in one run of twenty, if they took
/// just as long as they may. Of each: the time of a session, and that where nothing is measured, in milliseconds.
fn is_too_long(times: &[(f64, f64)]) -> bool {
    let too_long = times.iter().filter(|(one, off)| one - off > SHORTEST.max(off * (SLOWEST - 1.0)));
    let count = |times: usize| f64::from(u32::try_from(times).expect("not so many"));
    let all = count(times.len());
    count(too_long.count()) > all / 2.0 + 1.645 * all.sqrt() / 2.0
}

/// Shows the medians of what takes so many sessions, and the time of processors; gives whether no way of measuring
/// costs too much.
fn show(what: &str, sessions: u32, taken: &[Vec<Duration>], spent: &[Duration]) -> bool {
    say(&format!(
        "\n{what}: median, median of the ratios to \"off\" of the same turn, how much longer a session takes, ratio of \
         processor time"
    ));
    let milliseconds = |time: &Duration| time.as_secs_f64() * 1000.0 / f64::from(sessions);
    let unmeasured = [0, WAYS.len() - 1];
    let mean = |of: &dyn Fn(usize) -> f64| unmeasured.map(of).iter().sum::<f64>() / 2.0;
    let mut is_good = true;
    for (number, ((name, _), way)) in WAYS.iter().zip(taken).enumerate() {
        let pair = |(turn, one)| (milliseconds(one), mean(&|off| milliseconds(&taken[off][turn])));
        let times: Vec<(f64, f64)> = way.iter().enumerate().map(pair).collect();
        let ratio = median(times.iter().map(|(one, off)| one / off).collect());
        let longer = median(times.iter().map(|(one, off)| one - off).collect());
        let time = median(way.iter().map(milliseconds).collect());
        // It is told of workers, not of commands.
        let processor = spent.get(number).map_or_else(String::new, |one| {
            format!("{:>8.3}", one.as_secs_f64() / mean(&|off| spent[off].as_secs_f64()))
        });
        say(&format!("  {name:<22} {time:>9.3} ms {ratio:>8.3} {longer:>+9.3} ms {processor}"));
        // Nothing measured is there twice: it says how far to trust the rest.
        is_good &= unmeasured.contains(&number) || !is_too_long(&times);
    }
    is_good
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("stdout is there");
}

/// A process that runs sessions when it is told to.
struct Worker {
    /// What it works on.
    _scratch: Scratch,
    child: Child,
    ask: ChildStdin,
    answer: BufReader<ChildStdout>,
}

impl Worker {
    fn start(name: &str, corpus: &std::path::Path, set: &[(&str, String)]) -> Self {
        let scratch = Scratch::new();
        let file = scratch.copy(corpus, "served.fossil");
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["work", name]).arg(file).envs(set.iter().cloned());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a worker");
        let (ask, answer) = (child.stdin.take().expect("stdin"), child.stdout.take().expect("stdout"));
        Self { _scratch: scratch, child, ask, answer: BufReader::new(answer) }
    }

    /// Has it do something; gives the time that it tells.
    fn ask(&mut self, what: &str) -> Duration {
        writeln!(self.ask, "{what}").expect("the worker hears");
        let mut line = String::new();
        self.answer.read_line(&mut line).expect("the worker answers");
        Duration::from_nanos(line.trim().parse().expect("nanoseconds"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
