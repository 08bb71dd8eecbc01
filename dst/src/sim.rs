//! One run: events in virtual time, first with faults, then without.

mod bounds;
mod configuring;
mod daemon;
mod damage;
mod disfavour;
mod ending;
mod exchange;
mod forgery;
mod forks;
mod loss;
mod mishap;
mod quarrels;
mod race;
mod rivals;
mod settle;
mod side;
mod stock;
mod within;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use repo::author::AuthorError;
use repo::{Repo, RepoError};
use sync::{CheckinLock, CloneVersion, SyncOptions};
use xfer::ArtifactId;
use xfer::body::Body;

use self::daemon::Keepers;
use self::rivals::Rival;
use self::side::Side;
use self::within::{Errand, Place};
use crate::census::Census;
use crate::check::content::{self, Maker};
use crate::check::rights::Came;
use crate::check::{clusters, derived, kept, meant, private, shunned, upkeep};
use crate::dice::{Dice, Ratio, Turn};
use crate::feature::Feature;
use crate::meant::Meant;
use crate::model::{Model, Violation};
use crate::node::{Node, Power, Stage, Templates, name};
use crate::plan::{Edition, Fault, Level, Plan};
use crate::queue::{Moment, Queue};
use crate::script::{Item, Script};
use crate::shape::Shape;
use crate::site::Site;
use crate::talk::{Kind, Soundness, Talk, allowed};
use crate::trace::Trace;
use crate::work::Worker;
use crate::work::upkeep::Sound;

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
    /// What work there was.
    pub census: Census,
    /// What was decided beforehand.
    pub plan: Plan,
    /// What happened that can be left out, beside what is in the plan.
    pub done: BTreeSet<Item>,
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
    /// Rare choices that peers took.
    pub choices: u64,
    /// Messages that peers like stock took in.
    pub stock: u64,
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
        self.choices += other.choices;
        self.stock += other.stock;
    }
}

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
        nodes.into_iter().for_each(|node| templates.give_back(node.model, node.repo));
    }
    Ok(Outcome { seed: script.seed, level: script.level, violation, trace, tally, census, plan, done })
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text").to_owned()
}

/// Something that is to happen.
enum Event {
    /// A user of a peer does something.
    Act { number: u64, at: usize },
    /// A user does something beside artifacts and files.
    Side { feature: Feature, at: usize, number: u64 },
    /// A user writes a row that is on its way here.
    Rival(Rival),
    /// Users of two peers go on from one check-in at once.
    Fork { number: u64, edge: usize },
    /// Users of two peers write the same.
    Quarrel { number: u64, edge: usize },
    /// A user makes what two sessions are about to pull.
    Race(usize),
    /// A server loses what a cluster lists.
    Loss(usize),
    /// A user checks in many files.
    Bulk(usize),
    /// A session begins over an edge.
    Begin { number: u64, edge: usize },
    /// A request arrives.
    Request(Parcel),
    /// A reply arrives.
    Reply(Parcel),
    /// A client waited long enough.
    Timeout { talk: u64, attempt: u32 },
    /// A daemon's schedule wants to be asked, or it looks whether its file changed.
    Wake { at: usize, life: u32, looks: bool },
    /// A daemon hears that there is something new at the other end of an edge.
    Announced(usize),
    /// A fault strikes a peer or an edge.
    Strike { fault: Fault, number: u64, place: usize },
    /// It is over.
    Heal(Fault, usize),
    /// A peer keeps a copy of its repository.
    BackUp(usize),
    /// A peer goes.
    Leave { number: u64, at: usize },
    /// A peer comes.
    Return(usize),
}

/// A message on its way.
#[derive(Clone)]
struct Parcel {
    talk: u64,
    attempt: u32,
    /// Which of several that are the same, or the reply to which of them.
    copy: u64,
    edge: usize,
    /// When it was sent.
    sent: Moment,
    /// Why it takes long.
    held_up: Option<Fault>,
    /// None: the other side says that it failed.
    body: Option<Body>,
    soundness: Soundness,
}

impl Parcel {
    fn turn(&self) -> Turn {
        Turn { number: self.talk, part: self.attempt.into(), copy: self.copy }
    }
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
    trace: Trace,
    tally: Tally,
}

/// Numbers of sessions that begin soon after another one of their client are from here on, below twice as many.
const TWINS: u64 = 500_000;

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
            barred: BTreeSet::new(),
            tripping: BTreeSet::new(),
            slow: BTreeMap::new(),
            heard: BTreeMap::new(),
            errand: Errand::default(),
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

    /// Whether a fault hits at a site this time.
    fn hits(&mut self, site: Site, turn: Turn) -> bool {
        let ratio = site.ratio(self.plan.ratio(site.fault()));
        let hit = Item::Hit(site, turn);
        if !self.is_on(site.fault())
            || !self.dice(&format!("{site:?}"), turn).hits(ratio)
            || self.script.lacks(&hit)
        {
            return false;
        }
        self.tally.faults += 1;
        self.done.insert(hit);
        true
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
        self.census.note(format!("shape {:?}", self.plan.shape));
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
        self.plan_forks();
        self.plan_quarrels();
        self.plan_race();
        self.plan_more_bulk();
        self.plan_sessions();
        self.plan_visits();
        self.plan_side()?;
        self.plan_strikes();
        Ok(())
    }

    fn plan_actions(&mut self) {
        for number in (1..=self.plan.actions).filter(|&number| !self.script.lacks(&Item::Action(number))) {
            let mut dice = self.dice("action", number);
            let (when, at) = (self.moment(&mut dice), dice.place(self.nodes.len()));
            if !self.script.lacks(&Item::Peer(at as u64)) {
                self.queue.plan(when, Event::Act { number, at });
            }
        }
    }

    /// The first sessions go over one edge each.
    fn plan_sessions(&mut self) {
        let edges = self.plan.edges.len();
        for number in 0..edges as u64 + self.plan.sessions {
            let mut dice = self.dice("session", number);
            let (when, edge) = match number < edges as u64 {
                true => (dice.below(1_000) as Moment, number as usize),
                false => (self.moment(&mut dice), dice.place(edges)),
            };
            self.plan_session(number, edge, when);
            if self.has_twin(number) {
                let mut dice = self.dice("twin of a session", number);
                let client = self.plan.edges[edge].client;
                let others: Vec<usize> =
                    (0..edges).filter(|&at| self.plan.edges[at].client == client).collect();
                let (later, edge) = (dice.below(2_000) as Moment, *dice.pick(&others));
                self.plan_session(TWINS + number, edge, when + later);
            }
        }
    }

    fn plan_session(&mut self, number: u64, edge: usize, when: Moment) {
        if !self.script.lacks(&Item::Session(number)) && !self.plan.unused.contains(&edge) {
            self.queue.plan(when, Event::Begin { number, edge });
        }
    }

    /// Whether another session of the same client begins soon after this one, where two at once are a fault that is on.
    fn has_twin(&self, number: u64) -> bool {
        self.plan.edition >= Edition::Third
            && self.is_on(Fault::Crowd)
            && self.dice("has a twin", number).hits(Ratio::new(1, 3))
    }

    fn plan_visits(&mut self) {
        let visits = if self.plan.shape == Shape::Visitor { 2 } else { 0 };
        for number in (0..visits).filter(|&number| !self.script.lacks(&Item::Visit(number))) {
            let mut dice = self.dice("visit", number);
            let (when, at) = (self.moment(&mut dice), self.nodes.len() - 1);
            self.queue.plan(when, Event::Leave { number, at });
            self.queue.plan(when + dice.between(5_000, 20_000) as Moment, Event::Return(at));
        }
    }

    /// Some time while faults are on.
    fn moment(&self, dice: &mut Dice) -> Moment {
        dice.below(self.plan.span as u64) as Moment
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
            Event::Fork { number, edge } => self.fork(number, edge),
            Event::Race(edge) => self.race(edge),
            Event::Loss(edge) => self.lose(edge),
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
                self.done.insert(Item::Visit(number));
                self.census.note("visit");
                self.tell(&format!("peer {at} goes"));
                self.nodes[at].power = Power::Off;
                Ok(())
            }
            Event::Return(node) => self.restart(node),
        }
    }

    /// A user does something to a peer's repository.
    fn act(&mut self, number: u64, at: usize) -> Result<(), Violation> {
        if self.nodes[at].power == Power::Off || self.nodes[at].stage == Stage::Unborn {
            return Ok(());
        }
        self.done.insert(Item::Action(number));
        if self.is_stock(at) {
            return self.act_as_stock(number, at);
        }
        let strange = self.strange_name(number);
        let chore = self.dice("chore", number).hits(Ratio::new(1, 6));
        self.work(number, at, |mut worker, repo| match strange {
            Some(id) => worker.shun_name(repo, &id),
            None if chore => worker.chore(repo),
            None => worker.act(repo),
        })?;
        let keeps = self.dice("is kept up", 0).hits(Ratio::new(1, 10));
        if keeps && self.dice("upkeep", number).hits(Ratio::new(1, 3)) {
            self.keep_up(number, at)
        } else {
            Ok(())
        }
    }

    /// An owner looks after a peer's repository.
    fn keep_up(&mut self, number: u64, at: usize) -> Result<(), Violation> {
        if self.nodes[at].power == Power::Off {
            return Ok(());
        }
        let mut dice = self.dice("work of upkeep", number);
        self.errand = Errand::new(Place::Upkeep, number);
        let armed = self.arm(at)?;
        let node = &mut self.nodes[at];
        let before = node.known.clone();
        let sound = if before.shunned.is_empty() { Sound::All } else { Sound::Artifacts };
        let mut worker = Worker {
            now: node.time(self.now),
            user: &name(at),
            count: number,
            large: 0,
            dice: &mut dice,
            edition: self.plan.edition,
            census: &mut self.census,
            meant: &mut Meant::default(),
        };
        let done = worker.keep_up(&mut node.repo, sound);
        self.disarm(at, armed)?;
        let kept = match done {
            Ok(kept) => kept,
            Err(AuthorError::Repo(error)) if self.dies_of(at, &error, Maker::User)? => return Ok(()),
            Err(AuthorError::Repo(error)) if self.is_excused(at, &error) => {
                self.tell(&format!("peer {at} fails: {error}"));
                return self.unchanged(at);
            }
            Err(error) => return Err(Violation::new("upkeep", format!("peer {at}: {error}"))),
        };
        self.tell(&format!("peer {at} does {}", kept.what));
        self.audit(at, Maker::User)?;
        self.audit_meant(at, &[])?;
        upkeep::check(&kept, &before, &self.nodes[at].known).map_err(|violation| violation.at(at))
    }

    /// Now and then a name that this peer may never have heard of, to be shunned.
    fn strange_name(&self, number: u64) -> Option<ArtifactId> {
        let mut dice = self.dice("strange name", number);
        if dice.hits(Ratio::new(1, 25)) { self.model.some(dice.bits()) } else { None }
    }

    fn bulk(&mut self, at: usize) -> Result<(), Violation> {
        let (number, files) = (self.plan.actions + 1, self.plan.bulk);
        self.work(number, at, |mut worker, repo| worker.bulk(repo, 0..files))
    }

    fn plan_more_bulk(&mut self) {
        if self.plan.more_bulk > 0 {
            let mut dice = self.dice("more bulk", 1);
            let (when, at) = (self.moment(&mut dice), dice.place(self.nodes.len()));
            self.queue.plan(when, Event::Bulk(at));
        }
    }

    fn bulk_again(&mut self, at: usize) -> Result<(), Violation> {
        if self.is_stock(at) || self.nodes[at].power == Power::Off || self.nodes[at].stage == Stage::Unborn {
            return Ok(());
        }
        let (number, first) = (self.plan.actions + 2, self.plan.bulk);
        let files = first..first + self.plan.more_bulk;
        self.work(number, at, |mut worker, repo| worker.bulk(repo, files))
    }

    fn work(
        &mut self,
        number: u64,
        at: usize,
        job: impl FnOnce(Worker<'_>, &mut Repo) -> Result<String, AuthorError>,
    ) -> Result<(), Violation> {
        let mut dice = self.dice("work", number);
        self.errand = Errand::new(Place::Work, number);
        let (armed, large) = (self.arm(at)?, self.large(at));
        let node = &mut self.nodes[at];
        let worker = Worker {
            now: node.time(self.now),
            user: &name(at),
            count: number,
            large,
            dice: &mut dice,
            edition: self.plan.edition,
            census: &mut self.census,
            meant: &mut self.meant,
        };
        let done = job(worker, &mut node.repo);
        self.disarm(at, armed)?;
        let acted = self.acted_on(number, at, done);
        self.meant = Meant::default();
        acted
    }

    fn acted_on(
        &mut self,
        number: u64,
        at: usize,
        done: Result<String, AuthorError>,
    ) -> Result<(), Violation> {
        match done {
            Ok(what) => self.tell(&format!("peer {at} {what}")),
            // What there is to build on may be shunned, or not all here.
            Err(error @ (AuthorError::Shunned(_) | AuthorError::NoParent(_) | AuthorError::NoContent(_))) => {
                self.tell(&format!("peer {at} cannot: {error}"));
                self.meant = Meant::default();
            }
            Err(AuthorError::Repo(error)) if self.dies_of(at, &error, Maker::User)? => return Ok(()),
            Err(AuthorError::Repo(error)) if self.is_excused(at, &error) => {
                self.tell(&format!("peer {at} fails: {error}"));
                return self.unchanged(at);
            }
            Err(error) => return Err(Violation::new("work", format!("peer {at}: {error}"))),
        }
        let before = self.nodes[at].known.clone();
        self.audit(at, Maker::User)?;
        let Node { repo, known, .. } = &mut self.nodes[at];
        meant::check(repo, &before, known, &self.meant).map_err(|violation| violation.at(at))?;
        self.audit_meant(at, &[])?;
        self.may_crash(Site::CrashAfterWork, number.into(), at);
        Ok(())
    }

    /// Whether a failure of a repository is one that a fault made: its own disk is full at this moment.
    fn is_excused(&mut self, at: usize, error: &RepoError) -> bool {
        let is_excused = matches!(error, RepoError::DiskFull { .. }) && self.nodes[at].is_disk_full();
        if is_excused {
            self.census.note("no room to write");
        }
        is_excused
    }

    /// Looks at a repository after a commit. Gives what came from elsewhere.
    fn audit(&mut self, at: usize, maker: Maker) -> Result<Came, Violation> {
        let Some(before) = self.nodes[at].look().map_err(broken)? else { return Ok(Came::default()) };
        if self.is_stock(at) {
            return self.audit_stock(at, &before, maker);
        }
        let Self { nodes, model, meant, .. } = self;
        let node = &mut nodes[at];
        let place = |violation: Violation| violation.at(at);
        let Node { repo, known, .. } = node;
        let artifacts = content::check(repo, &before, known, maker, meant, model).map_err(place)?;
        kept::check(&before, known).map_err(place)?;
        shunned::check(&before, known).map_err(place)?;
        private::check(known, model).map_err(place)?;
        clusters::check(known, model).map_err(place)?;
        let came = Came::between(&before, known, artifacts);
        self.audit_derived(at)?;
        Ok(came)
    }

    /// In some runs derived tables are compared with a rebuild after every commit: it takes longer than all the rest.
    fn audit_derived(&mut self, at: usize) -> Result<(), Violation> {
        let chance = Ratio::new(1, if self.plan.level == Level::Calm { 192 } else { 24 });
        let is_drawn = self.dice("derived after every commit", 0).hits(chance);
        let node = &mut self.nodes[at];
        if !is_drawn || !node.known.shunned.is_empty() {
            return Ok(());
        }
        let time = node.time(self.now);
        match derived::check_unchanged(&mut node.repo, time) {
            Err(derived::Wrong::Failed(error)) if self.is_excused(at, &error) => Ok(()),
            outcome => outcome.map_err(|wrong| Violation::new("derived", format!("peer {at}: {wrong}"))),
        }
    }

    /// A half-round that failed changed nothing.
    fn unchanged(&mut self, at: usize) -> Result<(), Violation> {
        let Some(before) = self.nodes[at].look().map_err(broken)? else { return Ok(()) };
        let what = before.difference(&self.nodes[at].known);
        Err(Violation::new("atomic", format!("peer {at}: a transaction that failed changed what is {what}")))
    }

    fn begin(&mut self, number: u64, edge: usize) -> Result<(), Violation> {
        let (client, server) = (self.plan.edges[edge].client, self.plan.edges[edge].server);
        if self.nodes[client].power == Power::Off {
            return Ok(());
        }
        if self.is_daemon_at_work(client) {
            self.done.insert(Item::Session(number));
            return self.ask_daemon(edge);
        }
        let busy = self.talks.values().any(|talk| self.plan.edges[talk.edge].client == client);
        let is_twin = (TWINS..2 * TWINS).contains(&number);
        let may_crowd = |sim: &mut Self| is_twin || sim.hits(Site::Crowd, number.into());
        if busy && (self.nodes[client].stage == Stage::Unborn || !may_crowd(self)) {
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
        let mut dice = self.dice("options", number);
        (options.pull, options.push) =
            *dice.pick(&[(true, true), (true, true), (true, false), (false, true)]);
        options.verily = dice.hits(Ratio::new(1, 8));
        // Some ask for what they may not have.
        options.private |= dice.hits(Ratio::new(1, 12));
        if kind == Kind::Clone {
            (options.pull, options.push, options.private) = (true, false, false);
        }
        self.done.insert(Item::Session(number));
        if busy {
            self.census.note("two sessions at once");
        }
        self.open(number, edge, kind, options)
    }

    /// Begins a session.
    fn open(
        &mut self,
        number: u64,
        edge: usize,
        kind: Kind,
        mut options: SyncOptions,
    ) -> Result<(), Violation> {
        let (client, server) = (self.plan.edges[edge].client, self.plan.edges[edge].server);
        self.choose_extras(number, client, &mut options).map_err(broken)?;
        self.add_aside(number.into(), edge, &mut options)?;
        let both_frond = !self.is_stock(client) && !self.is_stock(server);
        let has_direction = options.pull || options.push;
        options.dry_run = kind == Kind::Sync
            && has_direction
            && both_frond
            && !self.side.is_settled
            && self.dice("dry run", number).hits(Ratio::new(1, 12))
            && !self.script.lacks(&Item::DryRun(number));
        if options.dry_run {
            self.done.insert(Item::DryRun(number));
        }
        let mut talk = Talk::new(edge, kind, options, &mut self.dice("talk", number));
        if both_frond {
            talk = talk.ask_for(self.clone_version(number));
        }
        (talk.life, talk.server_returns) = (self.nodes[client].life, self.nodes[server].returns);
        talk.begun = self.now;
        talk.commits = Some(self.nodes[client].commits);
        talk.server_commits = Some(self.nodes[server].commits);
        talk.stock = self.stock_session(&talk, number.into());
        if talk.stock.is_some() {
            // Stock asks nothing twice.
            talk.patience = 0;
        }
        self.tell(&format!("#{number} {} of {client} with {server}", talk.name()));
        self.send_request(number, talk)
    }
}

impl Sim {
    /// Most clones are of the newest kind.
    fn clone_version(&self, number: u64) -> CloneVersion {
        match self.dice("clone version", number).below(6) {
            0 => CloneVersion::V1,
            1 => CloneVersion::V2,
            _ => CloneVersion::V3,
        }
    }

    /// Some sessions tell where their peer is served, ask for such places, or come before or after a commit.
    fn choose_extras(
        &mut self,
        number: u64,
        client: usize,
        options: &mut SyncOptions,
    ) -> Result<(), RepoError> {
        let mut dice = self.dice("extras", number);
        let mut some = || dice.hits(Ratio::new(1, 6));
        options.client_url = some().then(|| format!("http://{}.example:8080/", name(client)));
        options.links = some();
        let (locks, unlocks) = (some(), some());
        let checkout = format!("{client:040x}");
        if locks && let Some(parent) = self.nodes[client].newest_checkin()? {
            options.ci_lock = Some(CheckinLock { parent, client: checkout.clone() });
        }
        options.ci_unlock = unlocks.then_some(checkout);
        Ok(())
    }
}

/// The simulator's own use of a repository failed.
fn broken(error: RepoError) -> Violation {
    Violation::new("repository", error)
}
