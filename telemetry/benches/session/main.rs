//! What it costs to measure sessions, and what a collector costs that is of no use: the same sessions in one run, in turn.
//!
//! `cargo bench -p frond-telemetry [-- --times N]`. Each way of measuring is a process of its own, with both ends of all
//! sessions in it, over HTTP on loopback. Exits 1 if the median clone takes over 3 % longer than where nothing is measured,
//! whatever the collector does. The shortest sessions, half a millisecond with both ends, show what one costs at least.

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
use self::worker::Work;

/// How long a session may take, in sessions that nobody measures.
const SLOWEST: f64 = 1.03;

/// Between two ways: what the first still exports is not to hold up the second.
const REST: Duration = Duration::from_millis(300);

const CHECKINS: usize = 1000;
const USAGE: &str = "usage: cargo bench -p frond-telemetry -- [--times N]";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["work", name, file] => worker::run(name, file.as_ref()),
        [] => compare(15),
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
    let mut workers: Vec<Worker> = WAYS
        .iter()
        .zip(&variables)
        .map(|((name, _), set)| Worker::start(name, &scratch, &file, set))
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

    let mut rows = Vec::new();
    for work in Work::ALL {
        let before: Vec<f64> = workers.iter().map(Worker::processor_seconds).collect();
        let row = in_turn(times, |way| workers[way].measure(work));
        let spent: Vec<f64> =
            workers.iter().zip(before).map(|(worker, before)| worker.processor_seconds() - before).collect();
        rows.push(show(work.name(), &row, &spent));
    }
    let row = in_turn(times / 4, |way| commanded(&variables[way]));
    show("command `frond pull`, its end included", &row, &[]);
    // Nothing measured is there twice: it says how far to trust the rest.
    let worst = rows[0].iter().copied().fold(0.0, f64::max);
    say(&format!("\nslowest clone: {worst:.3} of one that nobody measures"));
    if worst > SLOWEST { ExitCode::FAILURE } else { ExitCode::SUCCESS }
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
        // Exported while it is measured, and not long after.
        ("OTEL_BSP_SCHEDULE_DELAY", "200".to_owned()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1000".to_owned()),
    ]
}

/// Runs all ways in turn, each time beginning with another, and once to warm up: the times of each way.
fn in_turn(times: usize, mut run: impl FnMut(usize) -> Duration) -> Vec<Vec<f64>> {
    let mut taken = vec![Vec::new(); WAYS.len()];
    for turn in 0..=times {
        for step in 0..WAYS.len() {
            let way = (turn + step) % WAYS.len();
            let time = run(way).as_secs_f64();
            std::thread::sleep(REST);
            if turn > 0 {
                taken[way].push(time);
            }
        }
    }
    taken
}

/// Shows the medians; gives those of the ratios of what is measured.
fn show(what: &str, taken: &[Vec<f64>], spent: &[f64]) -> Vec<f64> {
    say(&format!(
        "\n{what}: median, median of the ratios to \"off\" of the same turn, ratio of processor time"
    ));
    let mut ratios = Vec::new();
    for (index, ((name, _), times)) in WAYS.iter().zip(taken).enumerate() {
        let ratio = median(times.iter().zip(&taken[0]).map(|(time, off)| time / off).collect());
        let processor = spent.get(index).map_or(String::new(), |own| format!("{:>8.3}", own / spent[0]));
        say(&format!("  {name:<22} {:>9.3} ms {ratio:>8.3} {processor}", median(times.clone()) * 1000.0));
        ratios.push(ratio);
    }
    ratios[1..WAYS.len() - 1].to_vec()
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
    child: Child,
    ask: ChildStdin,
    answer: BufReader<ChildStdout>,
}

impl Worker {
    fn start(name: &str, scratch: &Scratch, corpus: &std::path::Path, set: &[(&str, String)]) -> Self {
        let file = scratch.copy(corpus, &format!("{}.fossil", name.replace([' ', ',', '/'], "-")));
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["work", name]).arg(file).envs(set.iter().cloned());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a worker");
        let (ask, answer) = (child.stdin.take().expect("stdin"), child.stdout.take().expect("stdout"));
        Self { child, ask, answer: BufReader::new(answer) }
    }

    fn measure(&mut self, work: Work) -> Duration {
        writeln!(self.ask, "{}", work.name()).expect("the worker hears");
        let mut line = String::new();
        self.answer.read_line(&mut line).expect("the worker answers");
        Duration::from_nanos(line.trim().parse().expect("nanoseconds"))
    }

    /// Of all its threads until now: user and system.
    fn processor_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        // Hundredths of a second (man proc: utime, stime).
        fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
