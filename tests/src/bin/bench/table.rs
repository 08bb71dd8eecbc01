//! What is printed.

use std::fmt::{self, Display};
use std::process::Command;
use std::sync::OnceLock;

use frond_tests::Fossil;

use crate::ends::{Bench, Observed, Turn, Verb, Work};

/// The machine, and the head of the table.
pub(crate) fn head() -> String {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let named = |name: &str, text: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
        line.map_or("unknown".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let memory = named("MemTotal", &read("/proc/meminfo"));
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let system = named("Linux", &read("/proc/version").replacen("Linux version ", "Linux:", 1));
    let system = system.split_whitespace().next().unwrap_or_default().to_owned();
    let stock = Fossil::new().output(["version"]);
    format!(
        "Frond beside stock Fossil: `make bench`.\n\n\
         Machine: {count} processors, {}{}; {memory} of memory; Linux {system}.\n\
         Stock: {}. Medians of pairs in turn, after one to warm up if there are several. *Times as fast* is the median of stock's wall \
         time divided by Frond's, pair by pair; in brackets what is aimed at, and what might be. Every cell has Frond \
         first, then stock. Processor time is that of client and server; memory, rounds and bytes (with HTTP) are from \
         another turn, through a proxy, after which what is to be there is looked for. The last column is Frond's commit.\n\n\
         | work | seconds | times as fast | CPU seconds | of them server | MB client | MB server | rounds | kB | pairs | at |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
        named("model name", &cpus),
        vectors(&named("flags", &cpus)),
        stock.trim(),
    )
}

/// Which vector registers there are.
fn vectors(flags: &str) -> &'static str {
    let has = |wanted: &str| flags.split_whitespace().any(|flag| flag == wanted);
    match (has("avx512f"), has("avx2")) {
        (true, _) => " with AVX-512",
        (false, true) => " with AVX2",
        (false, false) => "",
    }
}

/// The commit that is measured, with a `+` if files differ from it.
pub(crate) fn commit() -> &'static str {
    static COMMIT: OnceLock<String> = OnceLock::new();
    COMMIT.get_or_init(|| {
        let mut git = Command::new("git");
        git.args(["describe", "--always", "--dirty=+", "--abbrev=7", "--exclude=*"]);
        let said = git.output().ok().filter(|said| said.status.success());
        said.map_or("-".to_owned(), |said| String::from_utf8_lossy(&said.stdout).trim().to_owned())
    })
}

/// What was measured of some work, by side.
pub(crate) struct Row {
    pub(crate) work: Work,
    turns: Vec<[Turn; 2]>,
    observed: [Observed; 2],
}

impl Row {
    /// Does it in pairs, and once more to see what time does not tell.
    pub(crate) fn measure(bench: &Bench, work: &Work) -> Self {
        // By turns the one and the other goes first.
        let pair = |number: usize| match number % 2 {
            0 => [bench.turn(work, 0), bench.turn(work, 1)],
            _ => {
                let theirs = bench.turn(work, 1);
                [bench.turn(work, 0), theirs]
            }
        };
        if bench.pairs > 1 {
            pair(0);
        }
        let turns = (0..bench.pairs).map(pair).collect();
        let observed = [bench.observe(work, 0), bench.observe(work, 1)];
        Self { work: work.clone(), turns, observed }
    }

    /// Stock's time divided by ours.
    pub(crate) fn times_as_fast(&self) -> f64 {
        median(self.turns.iter().map(|[ours, theirs]| theirs.client.wall / ours.client.wall))
    }

    /// Medians of both sides.
    fn of(&self, what: impl Fn(&Turn) -> f64) -> [f64; 2] {
        [0, 1].map(|side| median(self.turns.iter().map(|pair| what(&pair[side]))))
    }

    /// Our processor seconds, client and server.
    pub(crate) fn our_cpu(&self) -> f64 {
        self.of(|turn| turn.client.cpu + turn.server_cpu)[0]
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (work, times) = (&self.work, self.work.times as f64);
        let show =
            |values: [f64; 2], digits: usize| format!("{:.digits$} / {:.digits$}", values[0], values[1]);
        let seen = |what: fn(&Observed) -> u64, unit: u64| {
            let [ours, theirs] = [0, 1].map(|side| what(&self.observed[side]) / unit);
            if ours + theirs == 0 { "-".to_owned() } else { format!("{ours} / {theirs}") }
        };
        let travelled = self.observed.each_ref().map(|observed| observed.travelled as f64 / 1000.0);
        let small = travelled.iter().any(|&kilobytes| kilobytes < 100.0);
        let digits = if work.verb != Verb::Clone && times > 1.0 { 4 } else { 2 };
        // The system counts hundredths of a second: short processes are over before.
        let cpu = |what: fn(&Turn) -> f64| match work.times {
            1 => show(self.of(what), 2),
            _ => "-".to_owned(),
        };
        writeln!(
            f,
            "| {} | {} | **{:.1}** ({}, {}) | {} | {} | {} | {} | {} | {} | {} | {} |",
            work.name,
            show(self.of(|turn| turn.client.wall / times), digits),
            self.times_as_fast(),
            work.target.0,
            work.target.1,
            cpu(|turn| turn.client.cpu + turn.server_cpu),
            cpu(|turn| turn.server_cpu),
            seen(|observed| observed.client_bytes, 1 << 20),
            seen(|observed| observed.server_bytes, 1 << 20),
            seen(|observed| observed.rounds, 1),
            if travelled == [0.0; 2] { "-".to_owned() } else { show(travelled, if small { 2 } else { 0 }) },
            self.turns.len(),
            commit(),
        )
    }
}

pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
