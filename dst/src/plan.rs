//! What a seed decides before a run begins: who talks to whom, with which rights, under which limits, and which
//! faults are on at which ratio (a swarm: each seed has a selection of its own).

mod budget;
mod draw;
mod edition;
mod fault;
mod limits;

use std::collections::{BTreeMap, BTreeSet};

use sync::Limits;
use xfer::body::ContentType;

use crate::dice::{Dice, Ratio};
use crate::feature::Feature;
use crate::queue::Moment;
use crate::script::{Item, Script};
use crate::shape::Shape;
use crate::stock::Version;

pub use self::budget::Budgets;
pub(crate) use self::edition::Draws;
pub use self::edition::Edition;
pub use self::fault::Fault;
pub(crate) use self::fault::dashed;
pub use self::limits::unbounded;

/// How rough the world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing fails; sessions interleave. Most runs are small.
    Calm,
    /// A third of the faults, seldom.
    Rough,
    /// Most faults, often; extreme limits.
    Hostile,
}

impl Level {
    /// All levels.
    pub const ALL: [Self; 3] = [Self::Calm, Self::Rough, Self::Hostile];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Rough => "rough",
            Self::Hostile => "hostile",
        }
    }

    /// Reads what [`Level::name`] writes.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// One peer that is asked by another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Who asks.
    pub client: usize,
    /// Who answers.
    pub server: usize,
    /// Whether the client logs in.
    pub login: Login,
    /// Letters that the client's user has on the server at first.
    pub letters: &'static str,
    /// Whether private artifacts are exchanged.
    pub private: bool,
    /// Whether unversioned files are exchanged.
    pub unversioned: bool,
}

impl Edge {
    /// One whose client reads and writes what is public.
    fn usual(client: usize, server: usize) -> Self {
        let (login, letters) = (Login::Password, FULL[0]);
        Self { client, server, login, letters, private: false, unversioned: false }
    }

    fn is_usual(&self) -> bool {
        *self == Self::usual(self.client, self.server)
    }
}

/// How a client logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// Not at all.
    Nobody,
    /// With its password.
    Password,
    /// With a wrong one.
    Wrong,
}

/// How a peer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Birth {
    /// With an empty repository of the project.
    Empty,
    /// By a clone over its first edge.
    Clone,
}

/// Many rows that are written at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowd {
    /// The edge over which they go.
    pub edge: usize,
    /// Who writes which.
    pub kind: Crowding,
}

/// Who writes many rows, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crowding {
    /// Both ends, other ones, of two tables; a request has room for one thing.
    Apart,
    /// The server, most of them by a clock that is days ahead, and the client has none of that table; a reply has room for one
    /// row.
    Ahead,
    /// The server, beside rows that both have, nearly all by such a clock, of two tables; a request has room for one thing.
    Beside,
}

impl Crowding {
    const ALL: [Self; 3] = [Self::Apart, Self::Ahead, Self::Beside];
}

/// A run, as far as it is decided beforehand.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// The level.
    pub level: Level,
    /// What the seed means.
    pub edition: Edition,
    /// Who talks to whom.
    pub shape: Shape,
    /// Pairs of peers that talk.
    pub edges: Vec<Edge>,
    /// Those of them that nobody uses, as the script leaves them out.
    pub unused: BTreeSet<usize>,
    /// How each peer begins.
    pub births: Vec<Birth>,
    /// Letters of who does not log in, by peer.
    pub nobody: Vec<&'static str>,
    /// Limits, by peer.
    pub limits: Vec<Limits>,
    /// Settings that bound messages, by peer.
    pub budgets: Vec<Budgets>,
    /// Milliseconds that pass each time that a peer looks at its clock within a half-round; none if it stands still.
    pub step: Option<u64>,
    /// How wrong the clocks are, in milliseconds, by peer.
    pub skews: Vec<i64>,
    /// Faults that are on.
    pub faults: BTreeMap<Fault, Ratio>,
    /// Parts of the product beside artifacts and files that the run has.
    pub features: BTreeSet<Feature>,
    /// Peers that are like stock, by peer.
    pub stock: Vec<Option<Version>>,
    /// Peers whose sessions begin when their schedule says.
    pub daemons: BTreeSet<usize>,
    /// Rare choices that peers make.
    pub choices: BTreeMap<sync::Site, Ratio>,
    /// Changes that users make.
    pub actions: u64,
    /// Sessions that begin while faults are on.
    pub sessions: u64,
    /// Files of one large check-in, in runs that are to have clusters.
    pub bulk: u64,
    /// Files of a second one, whose cluster names those before.
    pub more_bulk: u64,
    /// How often two peers go on from one check-in at once, while they cannot reach each other.
    pub forks: u64,
    /// How often two peers write the same rows, or the same file, at once, while they cannot reach each other.
    pub quarrels: u64,
    /// Whether they are the ends of a chain, and write the same file by clocks that are days ahead.
    pub are_makers_apart: bool,
    /// The edge over which two sessions at once pull the same, an artifact a reply.
    pub race: Option<usize>,
    /// The edge whose server loses a cluster and all that it lists, and whose client shuns some of that.
    pub loss: Option<usize>,
    /// Where many rows are written at once, and little fits into a message.
    pub crowd: Option<Crowd>,
    /// The edge over which a server gets what a cluster lists, an artifact a request, and one over which another client pulls that
    /// meanwhile.
    pub relay: Option<[usize; 2]>,
    /// The edge at one end of which a table is made, with long rows, as the disk at the other end is nearly full.
    pub album: Option<usize>,
    /// How requests are framed, and with them replies. What is not compressed is not protected from damage, so that
    /// only calm runs have it; most of them do: compressing takes a fifth of their time.
    pub framing: ContentType,
    /// How long faults are on, in milliseconds.
    pub span: Moment,
}

/// Letters of most who do not log in.
const GUEST: &str = "go";
/// Letters that let a client pull and push.
const FULL: [&str; 6] = ["gio", "gio", "gioy", "giox", "gioxy", "gv"];
impl Plan {
    /// What a script has: what its seed decides, without what is left out.
    pub fn of(script: &Script) -> Self {
        let mut plan = Self::draw(script.seed, script.level, script.edition);
        for item in &script.without {
            plan.leave_out(item);
        }
        plan
    }

    /// What of the plan can be left out. What happens later is in [`crate::sim::Outcome::done`].
    pub fn items(&self) -> Vec<Item> {
        let numbers = |count: usize| 0..count as u64;
        let at = |number: u64| number as usize;
        let peers = || numbers(self.births.len());
        let mut items: Vec<Item> = self.faults.keys().copied().map(Item::Fault).collect();
        items.extend(peers().filter(|&peer| self.is_busy(at(peer))).map(Item::Peer));
        items.extend(
            numbers(self.edges.len()).filter(|&edge| !self.unused.contains(&at(edge))).map(Item::Edge),
        );
        items.extend((self.bulk > 0).then_some(Item::Bulk));
        items.extend(peers().filter(|&peer| self.births[at(peer)] == Birth::Clone).map(Item::Clone));
        items.extend(peers().filter(|&peer| self.limits[at(peer)] != limits::usual()).map(Item::Limits));
        items.extend(peers().filter(|&peer| self.skews[at(peer)] != 0).map(Item::Skew));
        let has_budgets = |peer: &u64| self.budgets[at(*peer)] != Budgets::default();
        items.extend(peers().filter(has_budgets).map(Item::Budgets));
        items.extend(self.daemons.iter().map(|&peer| Item::Daemon(peer as u64)));
        items.extend(peers().filter(|&peer| self.nobody[at(peer)] != GUEST).map(Item::Guest));
        items.extend(
            numbers(self.edges.len()).filter(|&edge| !self.edges[at(edge)].is_usual()).map(Item::Rights),
        );
        items.extend(peers().filter(|&peer| self.stock[at(peer)].is_some()).map(Item::Stock));
        items.extend(self.features.iter().copied().map(Item::Feature));
        items.extend(self.choices.keys().copied().map(Item::Choice));
        items
    }

    /// Whether there are so many files that one cluster is not enough.
    pub fn makes_several_clusters(&self) -> bool {
        self.bulk > SEVERAL_CLUSTERS
    }

    /// How often the visitor goes and comes back.
    pub fn visits(&self) -> u64 {
        if self.shape == Shape::Visitor { 2 } else { 0 }
    }

    /// How often a fault strikes.
    pub fn ratio(&self, fault: Fault) -> Ratio {
        self.faults.get(&fault).copied().unwrap_or(Ratio::NEVER)
    }

    /// How many strikes of a fault are drawn; none of one that hits by chance.
    pub fn strikes(&self, fault: Fault) -> u64 {
        if !fault.has_its_time() || !self.faults.contains_key(&fault) {
            return 0;
        }
        Dice::of(self.seed, &format!("strikes of {fault:?}"), 0).between(1, 3)
    }

    /// Whether a peer has anybody to talk with.
    fn is_busy(&self, peer: usize) -> bool {
        let edges = self.edges.iter().enumerate();
        let mut used = edges.filter(|(edge, _)| !self.unused.contains(edge));
        used.any(|(_, edge)| edge.client == peer || edge.server == peer)
    }

    fn leave_out(&mut self, item: &Item) {
        match *item {
            Item::Fault(fault) => {
                self.faults.remove(&fault);
                self.race = self.race.filter(|_| fault != Fault::Crowd);
                self.loss = self.loss.filter(|_| fault != Fault::Restore);
                self.album = self.album.filter(|_| fault != Fault::DiskFull);
            }
            Item::Peer(peer) => {
                let peer = peer as usize;
                let edges = self.edges.iter().enumerate();
                let its = edges.filter(|(_, edge)| edge.client == peer || edge.server == peer);
                self.unused.extend(its.map(|(edge, _)| edge));
            }
            Item::Edge(edge) => drop(self.unused.insert(edge as usize)),
            Item::Bulk => (self.bulk, self.more_bulk) = (0, 0),
            Item::Clone(peer) => set(&mut self.births, peer, Birth::Empty),
            Item::Limits(peer) => set(&mut self.limits, peer, limits::usual()),
            Item::Budgets(peer) => set(&mut self.budgets, peer, Budgets::default()),
            Item::Skew(peer) => set(&mut self.skews, peer, 0),
            Item::Daemon(peer) => drop(self.daemons.remove(&(peer as usize))),
            Item::Guest(peer) => set(&mut self.nobody, peer, GUEST),
            Item::Rights(edge) => {
                if let Some(edge) = self.edges.get_mut(edge as usize) {
                    *edge = Edge::usual(edge.client, edge.server);
                }
            }
            Item::Stock(peer) => set(&mut self.stock, peer, None),
            Item::Feature(feature) => {
                self.features.remove(&feature);
                self.crowd = self.crowd.filter(|_| feature != Feature::Tables);
                self.album = self.album.filter(|_| feature != Feature::Tables);
            }
            Item::Choice(site) => drop(self.choices.remove(&site)),
            // These are left out when they would happen.
            Item::Visit(_)
            | Item::Parting(_)
            | Item::Strike(..)
            | Item::Session(_)
            | Item::DryRun(_)
            | Item::Action(_)
            | Item::Hit(..)
            | Item::End => {}
        }
    }
}

fn set<T>(places: &mut [T], peer: u64, value: T) {
    if let Some(place) = places.get_mut(peer as usize) {
        *place = value;
    }
}

/// More names make more than one cluster: one has 800, or up to a hundred more if it is the last one.
const SEVERAL_CLUSTERS: u64 = 900;
