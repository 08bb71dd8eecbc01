//! What is run: a seed at a level, and what of it is left out. Whatever is left out leaves the rest as it was, so that
//! a run that fails can be made smaller item by item. As a text it is a file that a person can read and change.

mod text;

use std::collections::BTreeSet;
use std::fmt;

use crate::dice::Turn;
use crate::feature::Feature;
use crate::plan::{Edition, Fault, Level, Plan};
use crate::rare;
use crate::site::Site;

pub use text::{ScriptError, line_of};

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Decides what happens.
    pub seed: u64,
    /// How rough the world is.
    pub level: Level,
    /// What the seed means.
    pub edition: Edition,
    /// How closely repositories are looked at; it changes nothing of what happens.
    pub scrutiny: Scrutiny,
    /// What does not happen.
    pub without: BTreeSet<Item>,
    /// A rule for trials: `planted` is broken when all of these happened. Empty: there is no such rule.
    pub planted: BTreeSet<Item>,
    /// What it came to when it was written.
    pub expected: Option<Expected>,
}

/// After which commits all of a repository is looked at, and not only what is new in it: whatever it holds is expanded, and its
/// derived tables are compared with a rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scrutiny {
    /// After some that are drawn: that is as many seeds a second as can be.
    #[default]
    Sampled,
    /// After every one.
    Thorough,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The rule that it broke.
    pub invariant: String,
    /// The hash of its trace; another version of the product or of the simulator has another.
    pub hash: u64,
}

/// Something that can be left out of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// A kind of fault.
    Fault(Fault),
    /// A peer talks with nobody.
    Peer(u64),
    /// Nobody talks over an edge.
    Edge(u64),
    /// The large check-in at the beginning.
    Bulk,
    /// A peer begins with a clone; without, with an empty repository.
    Clone(u64),
    /// A peer has unusual limits.
    Limits(u64),
    /// A peer's settings bound its messages.
    Budgets(u64),
    /// The clock of a peer is wrong.
    Skew(u64),
    /// A peer may ask for more or less than most, or others may ask it for more or less; without, all may read.
    Guest(u64),
    /// The user of a client has more or less rights than to read and write, logs in in another way, or has more exchanged.
    Rights(u64),
    /// A peer is like stock.
    Stock(u64),
    /// Parts of the product beside artifacts and files.
    Feature(Feature),
    /// A kind of rare choices.
    Choice(sync::Site),
    /// A peer is a daemon; without, its sessions begin when the seed says.
    Daemon(u64),
    /// A visitor goes and comes back.
    Visit(u64),
    /// Two peers do not reach each other for a while in which they write the same, or go on from one check-in.
    Parting(u64),
    /// A fault strikes a peer or an edge at a certain time.
    Strike(Fault, u64),
    /// A session.
    Session(u64),
    /// A session changes nothing; without, it does all that it would.
    DryRun(u64),
    /// A user does something.
    Action(u64),
    /// A fault hits by chance.
    Hit(Site, Turn),
    /// The time after the faults, in which everything has to come together.
    End,
}

impl Script {
    /// All that a seed has, in the newest edition.
    pub fn new(seed: u64, level: Level) -> Self {
        Self {
            seed,
            level,
            edition: Edition::default(),
            scrutiny: Scrutiny::default(),
            without: BTreeSet::new(),
            planted: BTreeSet::new(),
            expected: None,
        }
    }

    /// The same in another edition.
    pub fn of_edition(self, edition: Edition) -> Self {
        Self { edition, ..self }
    }

    /// The same, looked at in another way.
    pub fn under(self, scrutiny: Scrutiny) -> Self {
        Self { scrutiny, ..self }
    }

    /// Whether something is not to happen.
    pub fn lacks(&self, item: &Item) -> bool {
        self.without.contains(item)
    }

    /// The first item that the seed does not have at all, with the numbers that there are: the script was written for
    /// another version of the simulator, or by hand. What comes of what happens in a run has any number.
    pub fn unknown(&self) -> Option<(Item, String)> {
        let plan = Plan::draw(self.seed, self.level, self.edition);
        let mut items = self.without.iter().chain(&self.planted);
        items.find_map(|item| Some((*item, allowed(&plan, item)?)))
    }
}

/// The numbers that there are in place of one that a plan does not have.
fn allowed(plan: &Plan, item: &Item) -> Option<String> {
    let below = |number: u64, count: u64| (number >= count).then(|| numbers(count));
    match *item {
        Item::Peer(peer)
        | Item::Clone(peer)
        | Item::Limits(peer)
        | Item::Budgets(peer)
        | Item::Skew(peer)
        | Item::Guest(peer)
        | Item::Stock(peer)
        | Item::Daemon(peer) => below(peer, plan.births.len() as u64),
        Item::Edge(edge) | Item::Rights(edge) => below(edge, plan.edges.len() as u64),
        Item::Visit(visit) => below(visit, plan.visits()),
        Item::Action(action) if action < DERIVED => {
            below(action, plan.actions + 1).map(|numbers| format!("{numbers}, and from {DERIVED} on"))
        }
        Item::Session(session) if session < DERIVED => {
            let planned = plan.edges.len() as u64 + plan.sessions;
            below(session, planned).map(|numbers| format!("{numbers}, and from {DERIVED} on"))
        }
        Item::Fault(_)
        | Item::Bulk
        | Item::Feature(_)
        | Item::Choice(_)
        | Item::Parting(_)
        | Item::Strike(..)
        | Item::Session(_)
        | Item::DryRun(_)
        | Item::Action(_)
        | Item::Hit(..)
        | Item::End => None,
    }
}

/// Actions and sessions with such numbers come of something else than the plan's own count.
pub(crate) const DERIVED: u64 = 499;

fn numbers(count: u64) -> String {
    count.checked_sub(1).map_or_else(|| "none".to_owned(), |last| format!("0 to {last}"))
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::Bulk | Self::End => f.write_str(&kind),
            Self::Feature(feature) => write!(f, "{kind} {}", feature.name()),
            Self::Choice(site) => write!(f, "{kind} {}", rare::name(*site)),
            Self::Fault(fault) => write!(f, "{kind} {}", fault.name()),
            Self::Hit(_, turn) => write!(f, "{kind} {turn}"),
            Self::Peer(number)
            | Self::Edge(number)
            | Self::Clone(number)
            | Self::Limits(number)
            | Self::Budgets(number)
            | Self::Skew(number)
            | Self::Guest(number)
            | Self::Rights(number)
            | Self::Stock(number)
            | Self::DryRun(number)
            | Self::Daemon(number)
            | Self::Visit(number)
            | Self::Parting(number)
            | Self::Strike(_, number)
            | Self::Session(number)
            | Self::Action(number) => write!(f, "{kind} {number}"),
        }
    }
}
