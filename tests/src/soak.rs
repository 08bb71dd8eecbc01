//! A fleet of leaves at a broker, and what may happen to it: check-ins, kills, cuts and stalls of lines, a broker that
//! restarts or is away.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::leaf::{open_repository, until};
use crate::proxy::{Fault, Way};
use crate::rng::Rng;
use crate::{Frond, Leaf, Nats, Proxy, Scratch, sql};

/// How long a fleet may take to converge once nothing fails any more, and how long that is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
const MOST_PATIENCE: Duration = Duration::from_secs(120);

/// How long a check-in may take to all leaves while nothing fails: in the median, and at most.
const LATE: Duration = Duration::from_secs(1);
const MOST_LATE: Duration = Duration::from_secs(5);

/// Bytes that a leaf may have in memory.
const MOST_RESIDENT: u64 = 60_000_000;

/// Percent of a processor that a leaf may use at rest.
const MOST_BUSY: f64 = 1.0;

/// How long processor time is measured at rest.
const REST: Duration = Duration::from_secs(30);

/// Leaves, each with a copy of every repository and a line of its own to the broker.
#[derive(Debug)]
pub struct Fleet {
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

#[derive(Debug)]
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

    /// Makes its line bad until then.
    fn spoil(&mut self, fault: Fault, until: Instant) {
        self.line.suffer(fault);
        self.mended = Some(until);
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
    /// Starts so many leaves with so many repositories each.
    pub fn start(leaves: u64, repositories: u64, seed: u64) -> Self {
        let (frond, scratch, broker) = (Frond::new(), Scratch::new(), Nats::start());
        let repositories = usize::try_from(repositories).expect("a number of repositories");
        say(&format!("{leaves} leaves, {repositories} repositories each, seed {seed}"));
        let originals: Vec<PathBuf> =
            (0..repositories).map(|r| scratch.file(&format!("r{r}.fossil"))).collect();
        originals.iter().for_each(|file| open_repository(&frond, file));
        let servers: Vec<_> = originals.iter().map(|file| frond.server(file)).collect();
        let members = (0..leaves).map(|number| {
            let directory = scratch.dir(&format!("leaf-{number}"));
            let line = Proxy::start(SocketAddr::from(([127, 0, 0, 1], broker.port)));
            let mut text = format!(
                "admin = '0'\nsocket = 'leaf.sock'\nnats = 'nats://{}'\n[defaults]\nretry-cap = '10s'\n",
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
    pub fn rest(&mut self, when: &str) -> bool {
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
    pub fn tell_each(&self) -> bool {
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
    pub fn without_broker(&mut self, time: Duration) {
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
    pub fn time_one(&mut self) -> bool {
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
        times[2] <= LATE && times[4] <= MOST_LATE
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
        let said = crate::frond::run(command.args(parent).arg("-R").arg(&file).current_dir(&directory));
        assert_eq!(said.code, Some(0), "{said}");
        let hash = said.stdout.split_whitespace().last().expect("a check-in has a name").to_owned();
        self.made[repository].push(hash);
    }

    /// Lets random things happen.
    pub fn trouble(&mut self, time: Duration) {
        let end = Instant::now() + time;
        let (mut kills, mut cuts, mut stalls, mut restarts, mut told) = (0, 0, 0, 0, Instant::now());
        while Instant::now() < end {
            let member = self.rng.below(self.members.len());
            let (now, pause) = (Instant::now(), Duration::from_millis(1000 + self.rng.below(8000) as u64));
            match self.rng.below(100) {
                0..70 => {
                    let repository = self.rng.below(self.repositories);
                    self.commit(member, repository);
                }
                70..77 => {
                    self.members[member].spoil(Fault::Closed, now + pause);
                    cuts += 1;
                }
                77..82 => {
                    // From now on nothing comes, and nobody is told.
                    self.members[member].spoil(Fault::Stall(Way::Down, 0), now + pause);
                    stalls += 1;
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
                say(&format!(
                    "{} check-ins, {kills} kills, {cuts} cuts, {stalls} stalls, {restarts} restarts",
                    self.number
                ));
            }
        }
        say(&format!(
            "{} check-ins, {kills} kills, {cuts} cuts and {stalls} stalls of lines, {restarts} restarts of the broker",
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

    /// Mends everything, and waits until what was made is everywhere. Says whether that was soon.
    pub fn converge(&mut self, since: &str) -> bool {
        self.converges(since).is_some_and(|after| after <= PATIENCE)
    }

    /// The same; gives how long it took, if it came to it.
    pub fn converges(&mut self, since: &str) -> Option<Duration> {
        self.mend(Instant::now() + Duration::from_secs(3600));
        let begun = Instant::now();
        loop {
            let missing: u64 = self.missing();
            let after = begun.elapsed();
            if missing == 0 {
                say(&format!("converged {:.1} s after {since}", after.as_secs_f64()));
                return Some(after);
            }
            if after > MOST_PATIENCE {
                say(&format!("NOT CONVERGED: {missing} check-ins are missing after {} s", after.as_secs()));
                return None;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Says whether every repository is sound, and holds what all others hold.
    pub fn verify(&self) -> bool {
        let mut all_well = true;
        for repository in 0..self.repositories {
            let files = self.members.iter().map(|member| member.file(repository));
            let held: BTreeSet<BTreeSet<String>> = files.clone().map(|file| held(&file)).collect();
            if held.len() != 1 {
                say(&format!("NOT THE SAME: r{repository} has {} different contents", held.len()));
                all_well = false;
            }
            for file in files {
                let said = self.frond.try_run(["verify", "-R", &file.to_string_lossy()]);
                if said.code != Some(0) {
                    say(&format!("NOT SOUND: {said}"));
                    all_well = false;
                }
            }
        }
        let files = self.members.len() * self.repositories;
        say(&format!("{files} files verified, {} contents", self.repositories));
        all_well
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
fn lacks(file: &Path, hashes: &[&str]) -> u64 {
    let held = held(file);
    hashes.iter().filter(|hash| !held.contains(**hash)).count() as u64
}

/// The artifacts that a file holds. Lists of them are each repository's own.
fn held(file: &Path) -> BTreeSet<String> {
    let all = "SELECT uuid FROM blob WHERE size>=0 AND rid NOT IN (SELECT rid FROM tagxref WHERE tagid=7)";
    sql::column(file, all).into_iter().collect()
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
