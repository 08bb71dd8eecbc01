//! Whatever the simulator can do happens in a few hundred runs: what never does is a hole that nobody sees.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::thread;

use dst::node::Templates;
use dst::plan::{Fault, Level};
use dst::script::Item;
use dst::sim::{self, Outcome};
use dst::site::Site;

/// Runs of each level. A run of a calm one is short, and has no faults.
const RUNS: [(Level, Range<u64>); 5] = [
    (Level::Calm, 0..200),
    (Level::Rough, 0..200),
    (Level::Hostile, 0..400),
    // What happens seldom.
    (Level::Rough, 600..650),
    (Level::Rough, 1000..1050),
];

/// All work, whoever does it.
const WORK: &str = "
    amend, attach to any, attachment, attachment of stock, branch, branch of stock, check-in, clock jump, clock jump of days, clock jump of hours, clock jump
    of months, close, cluster, cluster of clusters, all contents expanded, compared with a rebuild, compared with a rebuild without shuns, configuration pulled, configuration pushed, crash,
    content over a budget of 20,000 bytes, content over a budget that is shipped, content over the budget, crowd of rows ahead, crowd of rows apart, crowd of rows beside, daemon Announced, daemon Asked, daemon Changed, daemon Interval, daemon
    NetworkReturned, daemon Retry, daemon Start, daemons alone, deltify, delta of something shunned, died after a commit, died at
    work, died before a commit, died in a half-round, dry run, edit post, eight peers or more, empty content, examine, file of a check-in deleted, file of a check-in renamed,
    file put, file removed, file touched, forged delta without its source, forged
    clone, forged clone_seqno, forged comment, forged content, forged error, forged file, forged gimme, forged igot,
    forged message, forged pragma, forged private, forged project, forged pull, forged push, forged reqconfig, forged table, forged uvfile, forged uvgimme,
    forged uvigot, fork, fork across a partition, fork across peers, fork of stock, forum post, forum post of stock, link down, link down one way, like stock V221, like stock V229, lock given up, lock got, lock in the way, look around, merge, merge of a fork, merge of stock, message cut,
    message flipped, no room to write, noise, pack, pick, private
    check-in, quarrel over a file, quarrel over a file by a clock ahead, quarrel over rows, quarrel over rows by a clock ahead, race, rearrange, rebuild, relay, reply by a slow peer, reply cut to nothing, reply late, reply
    lost, reply overtaken, reply to nothing, request cut to nothing, request doubled, request late, request lost, request overtaken, rights
    changed, row album, row crowd, row define, row denied, row extend, row nothing, row put, row putmany, row
    quarrel, row quarrelled, row remove, row rival, row toolong, rounds of a session with faults around, setting changed, shun of stock before it comes, several clusters, shape Chain, shape Islands, shape Mesh, shape Ring, shape Star, shape Visitor, shun, tag, technote, technote of stock, the time of what was dated ahead came, ticket, ticket of stock, time
    was up, two peers, two sessions at once, user changed, verify, visit, went back to a backup, went on without deltas, went back to the beginning, wiki, write links
";

/// What happens at a level in this many of the runs at least.
const OFTEN: [(Level, &str, u64); 6] = [
    (Level::Rough, "fork across a partition", 30),
    (Level::Hostile, "fork across a partition", 20),
    (Level::Rough, "merge of a fork", 15),
    (Level::Rough, "merge", 12),
    (Level::Hostile, "merge of a fork", 2),
    (Level::Hostile, "merge", 6),
];

/// What happened in some runs.
#[derive(Default)]
struct Happened {
    often: BTreeMap<(Level, &'static str), u64>,
    work: BTreeSet<String>,
    sites: BTreeSet<Site>,
    faults: BTreeSet<Fault>,
}

impl Happened {
    fn add(&mut self, outcome: &Outcome) {
        self.work.extend(outcome.census.kinds().map(str::to_owned));
        for (level, kind, _) in OFTEN {
            let happened = level == outcome.level && outcome.census.count(kind) > 0;
            *self.often.entry((level, kind)).or_default() += u64::from(happened);
        }
        for item in &outcome.done {
            match *item {
                Item::Hit(site, _) => {
                    self.sites.insert(site);
                    self.faults.insert(site.fault());
                }
                Item::Strike(fault, _) => drop(self.faults.insert(fault)),
                _ => {}
            }
        }
    }

    fn join(mut self, other: Self) -> Self {
        self.work.extend(other.work);
        for (what, runs) in other.often {
            *self.often.entry(what).or_default() += runs;
        }
        self.sites.extend(other.sites);
        self.faults.extend(other.faults);
        self
    }
}

fn run(level: Level, seeds: Range<u64>) -> Happened {
    let (templates, mut happened) = (Templates::new().expect("repositories in memory"), Happened::default());
    seeds.for_each(|seed| happened.add(&sim::run(seed, level, &templates, 0).expect("a run")));
    happened
}

#[test]
fn every_fault_every_site_every_choice_and_every_kind_of_work_happens() {
    let threads = RUNS.map(|(level, seeds)| thread::spawn(move || run(level, seeds)));
    let runs = threads.into_iter().map(|thread| thread.join().expect("a thread"));
    let happened = runs.fold(Happened::default(), Happened::join);
    for (level, kind, least) in OFTEN {
        let runs = happened.often[&(level, kind)];
        assert!(runs >= least, "{kind} in {runs} {} runs", level.name());
    }
    let sites = Site::ALL.into_iter().filter(|site| *site != Site::DoubleReply);
    assert_eq!(happened.sites, sites.collect());
    assert_eq!(happened.faults, BTreeSet::from(Fault::ALL));
    let one_line = WORK.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut work: BTreeSet<String> = one_line.split(", ").map(str::to_owned).collect();
    work.extend(sync::Site::ALL.map(|site| format!("choice {site:?}")));
    let differ: Vec<&String> = happened.work.symmetric_difference(&work).collect();
    assert_eq!(differ, Vec::<&String>::new(), "of {:?}", happened.work);
}
