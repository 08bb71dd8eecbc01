//! One run: events in virtual time, first with faults, then without.

mod albums;
mod audit;
mod begin;
mod bounds;
mod configuring;
mod crowds;
mod daemon;
mod damage;
mod disfavour;
mod ending;
mod event;
mod exchange;
mod forgery;
mod forks;
mod halves;
mod later;
mod loss;
mod mishap;
mod outcome;
mod quarrels;
mod race;
mod relays;
mod rivals;
mod settle;
mod side;
mod stock;
mod within;
mod working;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use repo::RepoError;
use xfer::ArtifactId;

use self::daemon::Keepers;
use self::event::{Event, Parcel};
pub use self::outcome::{Outcome, Tally};
use self::side::Side;
use self::within::Errand;
use crate::census::Census;
use crate::dice::{Dice, Turn};
use crate::meant::Meant;
use crate::model::{Model, Violation};
use crate::node::{Node, Power, Templates};
use crate::plan::{Fault, Level, Plan};
use crate::queue::{Moment, Queue};
use crate::script::{Item, Script};
use crate::site::Site;
use crate::talk::Talk;
use crate::trace::Trace;

/// Runs a seed at a level, and keeps this many lines of its trace.
pub fn run(seed: u64, level: Level, templates: &Templates, kept: usize) -> Result<Outcome, RepoError> {
    play(&Script::new(seed, level), templates, kept)
}

/// Runs a script, and keeps this many lines of its trace. A panic breaks a rule too.
pub fn play(script: &Script, templates: &Templates, kept: usize) -> Result<Outcome, RepoError> {
    let mut sim = Sim::new(script.clone(), templates, kept)?;
    let end = catch_unwind(AssertUnwindSafe(|| sim.run()));
    let violation = end.unwrap_or_else(|panic| Err(Violation::new("panic", said(&*panic)))).err();
    if let Some(violation) = &violation {
        sim.tell(&format!("VIOLATION {violation}"));
    }
    sim.tally.artifacts = sim.model.len() as u64;
    sim.tally.clusters = sim.model.clusters() as u64;
    let several = usize::from(sim.plan.makes_several_clusters() && sim.model.clusters() > 1);
    for (kind, count) in [
        ("cluster", sim.model.clusters()),
        ("several clusters", several),
        ("cluster of clusters", sim.model.nested_clusters()),
    ] {
        (0..count).for_each(|_| sim.census.note(kind));
    }
    let Sim { plan, trace, tally, census, done, nodes, .. } = sim;
    // What a run left that broke down is in no order that one can rely on.
    if violation.is_none() {
        nodes.into_iter().for_each(|node| templates.give_back(node.model, &plan, node.repo));
    }
    let Script { seed, level, scrutiny, .. } = *script;
    Ok(Outcome { seed, level, scrutiny, violation, trace, tally, census, plan, done })
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text").to_owned()
}

struct Sim {
    script: Script,
    plan: Plan,
    queue: Queue<Event>,
    now: Moment,
    nodes: Vec<Node>,
    model: Model,
    /// What the user is about to do who is at work; nothing while nobody is.
    meant: Meant,
    talks: BTreeMap<u64, Talk>,
    done: BTreeSet<Item>,
    side: Side,
    keepers: Keepers,
    census: Census,
    /// When the last pass over all edges began.
    passed: Moment,
    /// One-way links that are down, and how often.
    down: BTreeMap<(usize, usize), u32>,
    /// Names under which peers like stock sent an empty file over an edge; at the end, in the last round over it.
    hollow: BTreeMap<usize, BTreeSet<ArtifactId>>,
    /// Requests that peers like stock answered, by their bytes.
    answered: BTreeMap<usize, BTreeSet<u64>>,
    /// Edges over which a peer like stock got a delta of what it shuns, in the last session over them.
    barred: BTreeSet<usize>,
    /// Edges from a peer like stock whose last session failed at the end, because of such a file or delta.
    tripping: BTreeSet<usize>,
    /// Peers that answer slowly, and for how many reasons.
    slow: BTreeMap<usize, u32>,
    /// When the newest request was sent that a peer has heard.
    heard: BTreeMap<usize, Moment>,
    /// What is under way: the draws of a half-round depend on it.
    errand: Errand,
    /// How often all have come together: sessions differ from those before, logins above all.
    gatherings: u64,
    trace: Trace,
    tally: Tally,
}

/// No run has as many: the largest ones have some ten thousand.
const MOST_EVENTS: u64 = 1_000_000;

impl Sim {
    fn new(script: Script, templates: &Templates, kept: usize) -> Result<Self, RepoError> {
        let plan = Plan::of(&script);
        let nodes = (0..plan.births.len()).map(|index| Node::new(&plan, index, templates));
        Ok(Self {
            nodes: nodes.collect::<Result<_, _>>()?,
            queue: Queue::default(),
            now: 0,
            model: Model::default(),
            meant: Meant::default(),
            talks: BTreeMap::new(),
            done: BTreeSet::new(),
            side: Side::default(),
            keepers: Keepers::default(),
            census: Census::default(),
            passed: 0,
            down: BTreeMap::new(),
            hollow: BTreeMap::new(),
            answered: BTreeMap::new(),
            barred: BTreeSet::new(),
            tripping: BTreeSet::new(),
            slow: BTreeMap::new(),
            heard: BTreeMap::new(),
            errand: Errand::default(),
            gatherings: 0,
            trace: Trace::keeping(kept),
            tally: Tally::default(),
            plan,
            script,
        })
    }

    fn tell(&mut self, line: &str) {
        self.trace.add(self.now, line);
    }

    /// The generator of a site for one turn.
    fn dice(&self, site: &str, turn: impl Into<Turn>) -> Dice {
        Dice::of(self.plan.seed, site, turn)
    }

    /// Whether a kind of faults may still hit: at the end none does.
    fn is_on(&self, fault: Fault) -> bool {
        !self.side.is_settled && self.plan.faults.contains_key(&fault)
    }

    /// If a fault hits at a site this time: the item that leaves it out of a script, for the line of the trace that tells of it.
    fn hits(&mut self, site: Site, turn: Turn) -> Option<Item> {
        let ratio = site.ratio(self.plan.ratio(site.fault()));
        let hit = Item::Hit(site, turn);
        if !self.is_on(site.fault())
            || !self.dice(&format!("{site:?}"), turn).hits(ratio)
            || self.script.lacks(&hit)
        {
            return None;
        }
        self.tally.faults += 1;
        self.done.insert(hit);
        Some(hit)
    }

    /// The rule for trials.
    fn check_planted(&self) -> Result<(), Violation> {
        let planted = &self.script.planted;
        if planted.is_empty() || !planted.is_subset(&self.done) {
            return Ok(());
        }
        Err(Violation::new("planted", "all that it takes happened"))
    }

    fn run(&mut self) -> Result<(), Violation> {
        self.tell(&format!(
            "seed {} {}: {:?} of {} peers, faults {:?}",
            self.plan.seed,
            self.plan.level.name(),
            self.plan.shape,
            self.nodes.len(),
            self.plan.faults.keys().collect::<Vec<_>>()
        ));
        let nodes = self.nodes.len();
        if self.plan.shape.is_made_of(nodes) {
            self.census.note(format!("shape {:?}", self.plan.shape));
        }
        match nodes {
            2 => self.census.note("two peers"),
            8.. => self.census.note("eight peers or more"),
            _ => {}
        }
        self.prepare()?;
        let mut events = 0;
        while let Some((now, event)) = self.queue.pop() {
            events += 1;
            if events > MOST_EVENTS {
                return Err(Violation::new("liveness", "there is no end of what happens"));
            }
            self.now = self.now.max(now);
            self.happen(event)?;
        }
        self.check_planted()?;
        if self.script.lacks(&Item::End) {
            return Ok(());
        }
        self.settle()?;
        self.done.insert(Item::End);
        self.check_planted()
    }

    /// Makes the first artifacts, and plans the rest.
    fn prepare(&mut self) -> Result<(), Violation> {
        for at in 0..self.nodes.len() {
            self.restored_aside(at)?;
        }
        self.plan_loss()?;
        if !self.script.lacks(&Item::Action(0)) {
            self.act(0, 0)?;
        }
        if self.plan.bulk > 0 && !self.is_stock(0) {
            self.bulk(0)?;
        }
        self.plan_actions();
        self.plan_forks()?;
        self.plan_quarrels();
        self.plan_race();
        self.plan_crowd();
        self.plan_relay();
        self.plan_album();
        self.plan_more_bulk();
        self.plan_sessions();
        self.plan_visits();
        self.plan_side()?;
        self.plan_strikes();
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        self.happen_alone(event)?;
        self.attend_daemons()
    }

    fn happen_alone(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Wake { at, life, looks } => self.wake_up(at, life, looks),
            Event::Announced(edge) => self.hear_announcement(edge),
            Event::Act { number, at } => self.act(number, at),
            Event::Fork { number, edge, tries } => self.fork(number, edge, tries),
            Event::Merge { number, heads, tries } => self.merge(number, heads, tries),
            Event::Race(edge) => self.race(edge),
            Event::Loss(edge) => self.lose(edge),
            Event::Crowd(crowd, part) => self.crowd(crowd, part),
            Event::Relay(edges) => self.relay(edges),
            Event::Album(edge) => self.album(edge),
            Event::Quarrel { number, edge } => self.quarrel(number, edge),
            Event::Bulk(at) => self.bulk_again(at),
            Event::Begin { number, edge } => self.begin(number, edge),
            Event::Side { feature, at, number } => self.act_aside(feature, at, number),
            Event::Rival(rival) => self.write_too(&rival),
            Event::Request(parcel) => self.request_arrives(&parcel),
            Event::Reply(parcel) => self.reply_arrives(&parcel),
            Event::Timeout { talk, attempt } => self.time_out(talk, attempt),
            Event::Strike { fault, number, place } => self.strike(fault, number, place),
            Event::Heal(fault, place) => self.heal(fault, place),
            Event::BackUp(node) => self.nodes[node].back_up().map_err(broken),
            Event::Leave { number, at } => {
                let visit = Item::Visit(number);
                self.done.insert(visit);
                if self.nodes[at].power == Power::On {
                    self.census.note("visit");
                }
                self.tell(&format!("peer {at} goes ({visit})"));
                self.nodes[at].power = Power::Off;
                Ok(())
            }
            Event::Return(node) => self.restart(node),
        }
    }
}

/// The simulator's own use of a repository failed.
fn broken(error: RepoError) -> Violation {
    Violation::new("repository", error)
}
