//! Runs a fleet of leaves at a broker under random check-ins, kills, restarts of the broker and cuts of lines, then without
//! the broker for a minute, and says whether it converges, how soon, and what each leaf takes.
//!
//! `soak-fleet [--leaves N] [--repositories N] [--minutes N] [--away SECONDS] [--seed N]`. Exits 1 if what was made is not
//! everywhere 30 seconds after the last fault, a check-in while nothing fails takes more than a second to all (median of five), or a leaf takes more than 60 MB at any time or 1 % of a processor at rest.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use frond_tests::leaf::{open_repository, until};
use frond_tests::proxy::Fault;
use frond_tests::rng::Rng;
use frond_tests::{Frond, Leaf, Nats, Proxy, Scratch, sql};

const USAGE: &str =
    "usage: soak-fleet [--leaves N] [--repositories N] [--minutes N] [--away SECONDS] [--seed N]";

/// How long a fleet may take to converge once nothing fails any more.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a check-in may take to all leaves while nothing fails, in the median.
const MOST_LATE: Duration = Duration::from_secs(1);

/// Bytes that a leaf may have in memory.
const MOST_RESIDENT: u64 = 60_000_000;

/// Percent of a processor that a leaf may use at rest.
const MOST_BUSY: f64 = 1.0;

/// How long processor time is measured at rest.
const REST: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let (mut leaves, mut repositories, mut minutes, mut away, mut seed) = (20, 5, 10, 60, 1);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let number = words.next().and_then(|word| word.parse::<u64>().ok()).expect(USAGE);
        match word.as_str() {
            "--leaves" => leaves = number,
            "--repositories" => repositories = number,
            "--minutes" => minutes = number,
            "--away" => away = number,
            "--seed" => seed = number,
            other => panic!("{other}? {USAGE}"),
        }
    }
    let mut fleet = Fleet::start(leaves, repositories, seed);
    let mut all_well = fleet.rest("at rest, before");
    all_well &= fleet.time_one();
    fleet.trouble(Duration::from_secs(60 * minutes));
    all_well &= fleet.converge("the last fault");
    fleet.without_broker(Duration::from_secs(away));
    all_well &= fleet.converge("the broker came back");
    all_well &= fleet.rest("at rest, after");
    all_well &= fleet.tell_each();
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Leaves, each with a copy of every repository and a line of its own to the broker.
struct Fleet {
    frond: Frond,
    scratch: Scratch,
    broker: Nats,
    members: Vec<Member>,
    repositories: usize,
    rng: Rng,
    /// What was made, by repository.
    made: Vec<Vec<String>>,
    /// The first check-in of each.
    roots: Vec<String>,
    /// Leaves that have made something, with the repository.
    begun: BTreeSet<(usize, usize)>,
    number: u64,
}

struct Member {
    directory: PathBuf,
    line: Proxy,
    leaf: Option<Leaf>,
    /// When its line is good again, and when it is started again.
    mended: Option<Instant>,
    back: Option<Instant>,
    /// The most bytes in memory of all its processes, and percent of a processor when it was looked at last.
    peak: u64,
    busy: f64,
}

impl Member {
    fn file(&self, repository: usize) -> PathBuf {
        self.directory.join(format!("r{repository}.fossil"))
    }

    /// Looks at what it has in memory at most.
    fn look(&mut self) {
        let peak = self.leaf.as_ref().map_or(0, |leaf| memory(leaf.id(), "VmHWM:"));
        self.peak = self.peak.max(peak);
    }

    fn kill(&mut self) {
        self.look();
        self.leaf = None;
    }

    fn start(&mut self, frond: &Frond) {
        let config = self.directory.join("leaf.toml");
        self.leaf = Some(Leaf::start(frond, ["--config", &config.to_string_lossy()]));
    }
}

impl Fleet {
    fn start(leaves: u64, repositories: u64, seed: u64) -> Self {
        let (frond, scratch, broker) = (Frond::new(), Scratch::new(), Nats::start());
        let repositories = usize::try_from(repositories).expect(USAGE);
        say(&format!("{leaves} leaves, {repositories} repositories each, seed {seed}"));
        let originals: Vec<PathBuf> =
            (0..repositories).map(|r| scratch.file(&format!("r{r}.fossil"))).collect();
        originals.iter().for_each(|file| open_repository(&frond, file));
        let servers: Vec<_> = originals.iter().map(|file| frond.server(file)).collect();
        let members = (0..leaves).map(|number| {
            let directory = scratch.dir(&format!("leaf-{number}"));
            let line = Proxy::start(SocketAddr::from(([127, 0, 0, 1], broker.port)));
            let mut text = format!(
                "admin = '0'\nsocket = 'leaf.sock'\nnats = 'nats://{}'\n[defaults]\npoll = '10s'\nretry-cap = '10s'\n",
                line.address
            );
            for (repository, server) in servers.iter().enumerate() {
                let file = directory.join(format!("r{repository}.fossil"));
                let file = file.to_string_lossy();
                frond.output(["clone", "--once", &server.url(), &file, "-A", "ann"]);
                frond.output(["user", "capabilities", "nobody", "gio", "-R", &file]);
                text += &format!("[[repository]]\nfile = 'r{repository}.fossil'\n");
            }
            std::fs::write(directory.join("leaf.toml"), text).expect("a file");
            let mut member =
                Member { directory, line, leaf: None, mended: None, back: None, peak: 0, busy: 0.0 };
            member.start(&frond);
            member
        });
        let members = members.collect();
        let made = vec![Vec::new(); repositories];
        let first = "SELECT uuid FROM event JOIN blob ON objid=rid WHERE type='ci' ORDER BY mtime LIMIT 1";
        let roots = originals.iter().map(|file| sql::column(file, first)[0].clone()).collect();
        let begun = BTreeSet::new();
        let fleet = Self {
            members,
            made,
            roots,
            begun,
            frond,
            scratch,
            broker,
            repositories,
            rng: Rng::new(seed),
            number: 0,
        };
        fleet.until_ready();
        fleet
    }

    fn until_ready(&self) {
        for leaf in self.members.iter().filter_map(|member| member.leaf.as_ref()) {
            until("every leaf is ready", || leaf.probe("/readyz").status == 200);
        }
    }

    /// Says what the leaves take while nothing happens, and whether that is within bounds.
    fn rest(&mut self, when: &str) -> bool {
        std::thread::sleep(Duration::from_secs(15));
        let ids: Vec<u32> =
            self.members.iter().filter_map(|member| Some(member.leaf.as_ref()?.id())).collect();
        let before: Vec<u64> = ids.iter().map(|id| ticks(*id)).collect();
        std::thread::sleep(REST);
        for ((member, id), old) in self.members.iter_mut().zip(&ids).zip(before) {
            // A tick is a hundredth of a second wherever Linux runs.
            #[expect(clippy::cast_precision_loss, reason = "figures for people")]
            let busy = (ticks(*id) - old) as f64 / REST.as_secs_f64();
            member.busy = busy;
            member.look();
        }
        let mut busy: Vec<f64> = self.members.iter().map(|member| member.busy).collect();
        busy.sort_by(f64::total_cmp);
        let mut resident: Vec<u64> = ids.iter().map(|id| memory(*id, "VmRSS:") / 1_000_000).collect();
        resident.sort_unstable();
        let (middle, last) = (ids.len() / 2, ids.len() - 1);
        say(&format!(
            "{when}: processor {:.2} % (median), {:.2} % (most); resident {} MB (median), {} MB (most)",
            busy[middle], busy[last], resident[middle], resident[last]
        ));
        busy[last] <= MOST_BUSY
    }

    /// Says what each leaf took, and whether that is within bounds.
    fn tell_each(&self) -> bool {
        for (number, member) in self.members.iter().enumerate() {
            let now = member.leaf.as_ref().map_or(0, |leaf| memory(leaf.id(), "VmRSS:"));
            say(&format!(
                "leaf {number:>2}: processor {:.2} % at rest; resident {} MB, {} MB at most in all its lives",
                member.busy,
                now / 1_000_000,
                member.peak / 1_000_000
            ));
        }
        let most = self.members.iter().map(|member| member.peak).max().unwrap_or(0);
        say(&format!("resident at most: {} MB", most / 1_000_000));
        most <= MOST_RESIDENT
    }

    /// Takes the broker away for a time, in which check-ins are made everywhere.
    fn without_broker(&mut self, time: Duration) {
        self.broker.stop();
        let (end, before) = (Instant::now() + time, self.number);
        while Instant::now() < end {
            let (member, repository) =
                (self.rng.below(self.members.len()), self.rng.below(self.repositories));
            self.commit(member, repository);
            std::thread::sleep(Duration::from_secs(1).min(end.saturating_duration_since(Instant::now())));
        }
        self.broker.restart();
        say(&format!(
            "{} check-ins while the broker was away for {} s",
            self.number - before,
            time.as_secs()
        ));
    }

    /// Says how long one check-in takes to all, and whether that is soon enough.
    fn time_one(&mut self) -> bool {
        let mut times = Vec::new();
        for turn in 0..5 {
            let repository = turn % self.repositories;
            let begun = {
                self.commit(turn % self.members.len(), repository);
                Instant::now()
            };
            let hash = self.made[repository].last().expect("it was made").clone();
            until("the check-in is everywhere", || {
                self.members.iter().all(|member| lacks(&member.file(repository), &[&hash]) == 0)
            });
            times.push(begun.elapsed());
        }
        times.sort();
        say(&format!("a check-in is on all leaves after {:?} (median), {:?} (most)", times[2], times[4]));
        times[2] <= MOST_LATE
    }

    fn commit(&mut self, member: usize, repository: usize) {
        self.number += 1;
        let file = self.members[member].file(repository);
        let (branch, root) = (format!("leaf-{member}"), &self.roots[repository]);
        let (name, directory) = (format!("{}.txt", self.number), self.scratch.dir("work"));
        std::fs::write(directory.join(&name), &name).expect("a file");
        // Each leaf has a branch of its own: nobody makes a fork.
        let begins = self.begun.insert((member, repository));
        let parent: &[&str] = if begins { &["--parent", root] } else { &[] };
        let mut command =
            self.frond.command(["commit", "--user", "ann", "-m", &name, &name, "--branch", &branch]);
        let said = frond_tests::frond::run(command.args(parent).arg("-R").arg(&file).current_dir(&directory));
        assert_eq!(said.code, Some(0), "{said}");
        let hash = said.stdout.split_whitespace().last().expect("a check-in has a name").to_owned();
        self.made[repository].push(hash);
    }

    /// Lets random things happen.
    fn trouble(&mut self, time: Duration) {
        let end = Instant::now() + time;
        let (mut kills, mut cuts, mut restarts, mut told) = (0, 0, 0, Instant::now());
        while Instant::now() < end {
            let member = self.rng.below(self.members.len());
            let (now, pause) = (Instant::now(), Duration::from_millis(1000 + self.rng.below(8000) as u64));
            match self.rng.below(100) {
                0..70 => {
                    let repository = self.rng.below(self.repositories);
                    self.commit(member, repository);
                }
                70..82 => {
                    let member = &mut self.members[member];
                    member.line.suffer(Fault::Closed);
                    member.mended = Some(now + pause);
                    cuts += 1;
                }
                82..96 => {
                    let member = &mut self.members[member];
                    if member.leaf.is_some() {
                        member.kill();
                        member.back = Some(now + pause);
                        kills += 1;
                    }
                }
                _ => {
                    self.broker.stop();
                    std::thread::sleep(pause / 4);
                    self.broker.restart();
                    restarts += 1;
                }
            }
            self.mend(Instant::now());
            std::thread::sleep(Duration::from_millis(200));
            if told.elapsed() > Duration::from_secs(60) {
                told = Instant::now();
                say(&format!("{} check-ins, {kills} kills, {cuts} cuts, {restarts} restarts", self.number));
            }
        }
        say(&format!(
            "{} check-ins, {kills} kills, {cuts} cuts, {restarts} restarts of the broker",
            self.number
        ));
    }

    /// Mends what has been broken for long enough.
    fn mend(&mut self, now: Instant) {
        for member in &mut self.members {
            if member.mended.is_some_and(|at| at <= now) {
                member.line.suffer(Fault::None);
                member.mended = None;
            }
            if member.back.is_some_and(|at| at <= now) {
                member.start(&self.frond);
                member.back = None;
            }
        }
    }

    /// Mends everything, and waits until what was made is everywhere.
    fn converge(&mut self, since: &str) -> bool {
        self.mend(Instant::now() + Duration::from_secs(3600));
        let begun = Instant::now();
        loop {
            let missing: u64 = self.missing();
            let after = begun.elapsed();
            if missing == 0 {
                say(&format!("converged {:.1} s after {since}", after.as_secs_f64()));
                return after <= PATIENCE;
            }
            if after > PATIENCE * 4 {
                say(&format!("NOT CONVERGED: {missing} check-ins are missing after {} s", after.as_secs()));
                return false;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn missing(&self) -> u64 {
        let each = self.members.iter().flat_map(|member| {
            self.made.iter().enumerate().map(|(repository, made)| {
                lacks(&member.file(repository), &made.iter().map(String::as_str).collect::<Vec<_>>())
            })
        });
        each.sum()
    }
}

/// How many of these artifacts a file does not hold.
fn lacks(file: &std::path::Path, hashes: &[&str]) -> u64 {
    let held: BTreeSet<String> =
        sql::column(file, "SELECT uuid FROM blob WHERE size>=0").into_iter().collect();
    hashes.iter().filter(|hash| !held.contains(**hash)).count() as u64
}

/// Hundredths of a second that a process was at work.
fn ticks(id: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let number = |at: usize| rest.split(' ').nth(at).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
    number(11) + number(12)
}

/// Bytes that a process has in memory: `VmRSS:`, or had at most: `VmHWM:`.
fn memory(id: u32, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
