//! One run: events in virtual time, first with faults, then without.

mod exchange;
mod mishap;
mod settle;

use std::collections::BTreeMap;

use repo::RepoError;
use repo::author::AuthorError;
use xfer::ArtifactId;
use xfer::body::Body;

use crate::check::content::{self, Maker};
use crate::check::rights::Came;
use crate::check::{clusters, kept, private, shunned};
use crate::dice::{Cup, Ratio};
use crate::known::Known;
use crate::model::{Model, Violation};
use crate::node::{Node, Power, Stage, Templates, name};
use crate::plan::{Fault, Level, Plan};
use crate::queue::{Moment, Queue};
use crate::shape::Shape;
use crate::talk::{Kind, Soundness, Talk, allowed};
use crate::trace::Trace;
use crate::work::Worker;

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The level.
    pub level: Level,
    /// The first rule that was broken.
    pub violation: Option<Violation>,
    /// What happened.
    pub trace: Trace,
    /// What there was.
    pub tally: Tally,
}

/// How much happened in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Sessions that ended well.
    pub succeeded: u64,
    /// Sessions that ended otherwise.
    pub failed: u64,
    /// Requests that were answered.
    pub requests: u64,
    /// Artifacts that were made.
    pub artifacts: u64,
    /// Clusters among them.
    pub clusters: u64,
    /// Faults that struck.
    pub faults: u64,
}

impl Tally {
    /// Adds what another run had.
    pub fn add(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.requests += other.requests;
        self.artifacts += other.artifacts;
        self.clusters += other.clusters;
        self.faults += other.faults;
    }
}

/// Runs a seed at a level, and keeps this many lines of its trace.
pub fn run(seed: u64, level: Level, templates: &Templates, kept: usize) -> Result<Outcome, RepoError> {
    let mut sim = Sim::new(Plan::draw(seed, level), templates, kept)?;
    let violation = sim.run().err();
    if let Some(violation) = &violation {
        sim.tell(&format!("VIOLATION {violation}"));
    }
    sim.tally.artifacts = sim.model.len() as u64;
    sim.tally.clusters = sim.model.clusters() as u64;
    Ok(Outcome { seed, level, violation, trace: sim.trace, tally: sim.tally })
}

/// Something that is to happen.
enum Event {
    /// A user does something.
    Act(usize),
    /// A session begins over an edge.
    Begin(usize),
    /// A request arrives.
    Request(Parcel),
    /// A reply arrives.
    Reply(Parcel),
    /// A client waited long enough.
    Timeout { talk: u64, attempt: u32 },
    /// A fault strikes a peer or an edge.
    Strike(Fault, usize),
    /// It is over.
    Heal(Fault, usize),
    /// A peer keeps a copy of its repository.
    BackUp(usize),
    /// A peer goes.
    Leave(usize),
    /// A peer comes.
    Return(usize),
}

/// A message on its way.
#[derive(Clone)]
struct Parcel {
    talk: u64,
    attempt: u32,
    edge: usize,
    /// None: the other side says that it failed.
    body: Option<Body>,
    soundness: Soundness,
}

struct Sim {
    plan: Plan,
    cup: Cup,
    queue: Queue<Event>,
    now: Moment,
    nodes: Vec<Node>,
    model: Model,
    talks: BTreeMap<u64, Talk>,
    begun: u64,
    acted: u64,
    /// One-way links that are down, and how often.
    down: BTreeMap<(usize, usize), u32>,
    trace: Trace,
    tally: Tally,
}

impl Sim {
    fn new(plan: Plan, templates: &Templates, kept: usize) -> Result<Self, RepoError> {
        let nodes = (0..plan.births.len()).map(|index| Node::new(&plan, index, templates));
        Ok(Self {
            nodes: nodes.collect::<Result<_, _>>()?,
            cup: Cup::new(plan.seed),
            queue: Queue::default(),
            now: 0,
            model: Model::default(),
            talks: BTreeMap::new(),
            begun: 0,
            acted: 0,
            down: BTreeMap::new(),
            trace: Trace::keeping(kept),
            tally: Tally::default(),
            plan,
        })
    }

    fn tell(&mut self, line: &str) {
        self.trace.add(self.now, line);
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
        self.prepare()?;
        while let Some((now, event)) = self.queue.pop() {
            self.now = self.now.max(now);
            self.happen(event)?;
        }
        self.settle()
    }

    /// Makes the first artifacts, and plans the rest.
    fn prepare(&mut self) -> Result<(), Violation> {
        self.act(0)?;
        if self.plan.bulk > 0 {
            self.bulk(0)?;
        }
        let nodes = self.nodes.len();
        let span = self.plan.span as u64;
        let dice = self.cup.at("schedule", 0);
        for edge in 0..self.plan.edges.len() {
            self.queue.plan(dice.below(1_000) as Moment, Event::Begin(edge));
        }
        for _ in 0..self.plan.actions {
            self.queue.plan(dice.below(span) as Moment, Event::Act(dice.place(nodes)));
        }
        for _ in 0..self.plan.sessions {
            let edge = dice.place(self.plan.edges.len());
            self.queue.plan(dice.below(span) as Moment, Event::Begin(edge));
        }
        if self.plan.shape == Shape::Visitor {
            for _ in 0..2 {
                let when = dice.below(span) as Moment;
                self.queue.plan(when, Event::Leave(nodes - 1));
                self.queue.plan(when + dice.between(5_000, 20_000) as Moment, Event::Return(nodes - 1));
            }
        }
        self.plan_strikes();
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Act(node) => self.act(node),
            Event::Begin(edge) => self.begin(edge),
            Event::Request(parcel) => self.request_arrives(&parcel),
            Event::Reply(parcel) => self.reply_arrives(&parcel),
            Event::Timeout { talk, attempt } => self.time_out(talk, attempt),
            Event::Strike(fault, place) => self.strike(fault, place),
            Event::Heal(fault, place) => self.heal(fault, place),
            Event::BackUp(node) => self.nodes[node].back_up().map_err(broken),
            Event::Leave(node) => {
                self.tell(&format!("peer {node} goes"));
                self.nodes[node].power = Power::Off;
                Ok(())
            }
            Event::Return(node) => self.restart(node),
        }
    }

    /// A user does something to a peer's repository.
    fn act(&mut self, at: usize) -> Result<(), Violation> {
        if self.nodes[at].power == Power::Off || self.nodes[at].stage == Stage::Unborn {
            return Ok(());
        }
        self.acted += 1;
        let strange = self.strange_name(at);
        let node = &mut self.nodes[at];
        let mut worker = Worker {
            now: node.time(self.now),
            user: &name(at),
            count: self.acted,
            large: node.limits.reply_bytes.min(20_000) + 500,
            dice: self.cup.at("work", at),
        };
        let done = match strange {
            Some(id) => worker.shun_name(&mut node.repo, &id),
            None => worker.act(&mut node.repo),
        };
        self.acted_on(at, done)
    }

    /// Now and then a name that this peer may never have heard of, to be shunned.
    fn strange_name(&mut self, at: usize) -> Option<ArtifactId> {
        let dice = self.cup.at("strange name", at);
        if dice.hits(Ratio::new(1, 25)) { self.model.some(dice.bits()) } else { None }
    }

    fn bulk(&mut self, at: usize) -> Result<(), Violation> {
        self.acted += 1;
        let (files, node) = (self.plan.bulk, &mut self.nodes[at]);
        let mut worker = Worker {
            now: node.time(self.now),
            user: &name(at),
            count: self.acted,
            large: 0,
            dice: self.cup.at("work", at),
        };
        let done = worker.bulk(&mut node.repo, files);
        self.acted_on(at, done)
    }

    fn acted_on(&mut self, at: usize, done: Result<String, AuthorError>) -> Result<(), Violation> {
        match done {
            Ok(what) => self.tell(&format!("peer {at} {what}")),
            // What there is to build on may be shunned, or not all here.
            Err(error @ (AuthorError::Shunned(_) | AuthorError::NoParent(_) | AuthorError::NoContent(_))) => {
                self.tell(&format!("peer {at} cannot: {error}"));
            }
            Err(AuthorError::Repo(error)) if self.is_excused(&error) => {
                self.tell(&format!("peer {at} fails: {error}"));
                return self.unchanged(at);
            }
            Err(error) => return Err(Violation::new("work", format!("peer {at}: {error}"))),
        }
        self.audit(at, Maker::User)?;
        let crash = self.plan.ratio(Fault::Crash);
        if self.cup.at("crash after work", at).hits(crash) { self.crash(at) } else { Ok(()) }
    }

    /// Whether a failure of a repository is one that a fault made.
    fn is_excused(&self, error: &RepoError) -> bool {
        matches!(error, RepoError::DiskFull { .. }) && self.plan.faults.contains_key(&Fault::DiskFull)
    }

    /// Looks at a repository after a commit. Gives what came from elsewhere.
    fn audit(&mut self, at: usize, maker: Maker) -> Result<Came, Violation> {
        let Self { nodes, model, .. } = self;
        let node = &mut nodes[at];
        let Some(before) = node.look().map_err(broken)? else { return Ok(Came::default()) };
        let place =
            |violation: Violation| Violation { text: format!("peer {at}: {}", violation.text), ..violation };
        let Node { repo, known, .. } = node;
        let artifacts = content::check(repo, &before, known, maker, model).map_err(place)?;
        kept::check(&before, known).map_err(place)?;
        shunned::check(&before, known).map_err(place)?;
        private::check(known, model).map_err(place)?;
        clusters::check(known, model).map_err(place)?;
        Ok(Came { artifacts, files: before.files != known.files })
    }

    /// A half-round that failed changed nothing.
    fn unchanged(&mut self, at: usize) -> Result<(), Violation> {
        let Some(before) = self.nodes[at].look().map_err(broken)? else { return Ok(()) };
        let now = &self.nodes[at].known;
        let same = |known: &Known| (known.held.clone(), known.private.clone(), known.files.clone());
        if same(&before) == same(now) {
            return Ok(());
        }
        Err(Violation::new("atomic", format!("peer {at}: a transaction that failed changed something")))
    }

    fn begin(&mut self, edge: usize) -> Result<(), Violation> {
        let (client, server) = (self.plan.edges[edge].client, self.plan.edges[edge].server);
        if self.nodes[client].power == Power::Off {
            return Ok(());
        }
        let busy = self.talks.values().any(|talk| self.plan.edges[talk.edge].client == client);
        let crowd = self.plan.ratio(Fault::Crowd);
        if busy && (self.nodes[client].stage == Stage::Unborn || !self.cup.at("crowd", client).hits(crowd)) {
            return Ok(());
        }
        let kind = match self.nodes[client].stage {
            Stage::Whole => Kind::Sync,
            Stage::Unborn
                if self.plan.edges.iter().position(|other| other.client == client) == Some(edge) =>
            {
                Kind::Clone
            }
            Stage::Unborn => return Ok(()),
        };
        let letters = self.nodes[server].letters(client, self.plan.edges[edge].login);
        let mut options = allowed(&self.plan.edges[edge], &letters);
        let dice = self.cup.at("options", edge);
        (options.pull, options.push) =
            *dice.pick(&[(true, true), (true, true), (true, false), (false, true)]);
        options.verily = dice.hits(Ratio::new(1, 8));
        // Some ask for what they may not have.
        options.private |= dice.hits(Ratio::new(1, 12));
        if kind == Kind::Clone {
            (options.pull, options.push, options.private) = (true, false, false);
        }
        let mut talk = Talk::new(edge, kind, options, self.cup.at("talk", edge));
        (talk.life, talk.server_life) = (self.nodes[client].life, self.nodes[server].life);
        talk.server_stage = self.nodes[server].stage;
        talk.commits = Some(self.nodes[client].commits);
        let id = self.begun;
        self.begun += 1;
        self.tell(&format!("#{id} {} of {client} with {server}", talk.name()));
        self.send_request(id, talk)
    }
}

/// The simulator's own use of a repository failed.
fn broken(error: RepoError) -> Violation {
    Violation::new("repository", error)
}
