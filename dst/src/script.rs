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

pub use text::{ScriptError, line_of, planted};

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

    /// The first item that the seed does not have at all, with those of its kind that there are: the script was written for
    /// another version of the simulator, or by hand. What comes of what happens in a run has any number.
    pub fn unknown(&self) -> Option<(Item, String)> {
        let plan = Plan::draw(self.seed, self.level, self.edition);
        let mut items = self.without.iter().chain(&self.planted);
        items.find_map(|item| Some((*item, allowed(&plan, item)?)))
    }
}

/// The items of a kind that there are in place of one that a plan does not have.
fn allowed(plan: &Plan, item: &Item) -> Option<String> {
    let below = |number: u64, count: u64| (number >= count).then(|| numbers(count));
    match *item {
        Item::Peer(peer) => below(peer, plan.births.len() as u64),
        Item::Edge(edge) => below(edge, plan.edges.len() as u64),
        Item::Fault(_)
        | Item::Bulk
        | Item::Clone(_)
        | Item::Limits(_)
        | Item::Budgets(_)
        | Item::Skew(_)
        | Item::Guest(_)
        | Item::Rights(_)
        | Item::Stock(_)
        | Item::Feature(_)
        | Item::Choice(_)
        | Item::Daemon(_) => other_than(item, &plan.items()),
        Item::Strike(fault, _) => other_than(item, &strikes(plan, fault)),
        Item::Visit(visit) => below(visit, plan.visits()),
        Item::Action(action) if action < DERIVED => {
            below(action, plan.actions + 1).map(|numbers| format!("{numbers}, and from {DERIVED} on"))
        }
        Item::Session(session) | Item::DryRun(session) if session < DERIVED => {
            let planned = plan.edges.len() as u64 + plan.sessions;
            below(session, planned).map(|numbers| format!("{numbers}, and from {DERIVED} on"))
        }
        Item::Hit(site, _) if !plan.faults.contains_key(&site.fault()) => {
            Some(format!("none: fault {} is off", site.fault().name()))
        }
        Item::Session(_)
        | Item::DryRun(_)
        | Item::Action(_)
        | Item::Parting(_)
        | Item::Hit(..)
        | Item::End => None,
    }
}

/// All strikes of a fault.
fn strikes(plan: &Plan, fault: Fault) -> Vec<Item> {
    let is_on_purpose = match fault {
        Fault::Restore => plan.loss.is_some(),
        Fault::DiskFull => plan.album.is_some(),
        _ => false,
    };
    let on_purpose = is_on_purpose.then_some(STRIKE_ON_PURPOSE);
    (0..plan.strikes(fault)).chain(on_purpose).map(|number| Item::Strike(fault, number)).collect()
}

/// Those of the same kind, if the item is none of them.
fn other_than(item: &Item, items: &[Item]) -> Option<String> {
    let kind = item.kind();
    let name = |other: &Item| other.to_string()[kind.len()..].trim_start().to_owned();
    let names: Vec<String> = items.iter().filter(|other| other.kind() == kind).map(name).collect();
    let told = || if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    (!items.contains(item)).then(told)
}

/// Actions and sessions with such numbers come of something else than the plan's own count.
pub(crate) const DERIVED: u64 = 499;

/// The strike that something else brings about than the time that was drawn.
pub(crate) const STRIKE_ON_PURPOSE: u64 = 100;

fn numbers(count: u64) -> String {
    count.checked_sub(1).map_or_else(|| "none".to_owned(), |last| format!("0 to {last}"))
}

impl Item {
    /// Whether it has its moment in a run, at which it happens; else it is part of the plan.
    pub fn happens(&self) -> bool {
        match self {
            Self::Visit(_)
            | Self::Parting(_)
            | Self::Strike(..)
            | Self::Session(_)
            | Self::DryRun(_)
            | Self::Action(_)
            | Self::Hit(..)
            | Self::End => true,
            Self::Fault(_)
            | Self::Peer(_)
            | Self::Edge(_)
            | Self::Bulk
            | Self::Clone(_)
            | Self::Limits(_)
            | Self::Budgets(_)
            | Self::Skew(_)
            | Self::Guest(_)
            | Self::Rights(_)
            | Self::Stock(_)
            | Self::Feature(_)
            | Self::Choice(_)
            | Self::Daemon(_) => false,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Templates;
    use crate::sim;

    #[test]
    fn what_a_seed_does_not_have_is_told_with_what_it_has() {
        let cases = [
            ("fault delay", "truncate, flip, crash, "),
            ("choice full", "announced-again, unanswered, clusters-later"),
            ("feature locks", "none"),
            ("bulk", "none"),
            ("peer 3", "0 to 2"),
            ("edge 3", "0 to 2"),
            ("clone 1", "2"),
            ("limits 0", "2"),
            ("budgets 0", "none"),
            ("skew 2", "1"),
            ("guest 2", "0, 1"),
            ("rights 7", "0, 1, 2"),
            ("stock 0", "none"),
            ("daemon 1", "none"),
            ("visit 0", "none"),
            ("session 15", "0 to 14, and from 499 on"),
            ("dry-run 15", "0 to 14, and from 499 on"),
            ("action 10", "0 to 9, and from 499 on"),
            ("strike crash 3", "0"),
            ("strike restore 0", "none"),
            ("strike disk-full 100", "0"),
            ("hit lose-reply 1.1", "none: fault lose-reply is off"),
        ];
        for (item, has) in cases {
            for word in ["without", "planted"] {
                let text = format!("frond-dst script 1\nseed 2\nlevel rough\nedition 1\n{word} {item}\n");
                let Ok(script) = text.parse::<Script>() else {
                    assert_eq!(word, "planted", "{item}");
                    continue;
                };
                let (unknown, allowed) = script.unknown().expect(item);
                assert_eq!(unknown.to_string(), item);
                assert!(allowed.starts_with(has), "{item}: {allowed}");
            }
        }
    }

    #[test]
    fn whatever_a_run_has_can_be_left_out() {
        let templates = Templates::new().expect("repositories in memory");
        let editions = Edition::ALL.into_iter().zip(0..);
        for (edition, seed) in editions.chain([1, 2, 3, 95].map(|seed| (Edition::default(), seed))) {
            for level in Level::ALL {
                let script = Script::new(seed, level).of_edition(edition);
                let outcome = sim::play(&script, &templates, 0).expect("a run");
                let planted = outcome.done.clone();
                let without = planted.iter().copied().chain(outcome.plan.items()).collect();
                let all = Script { without, planted, ..script };
                assert_eq!(all.unknown(), None, "seed {seed}, {level:?}, {edition:?}");
                assert!(all.planted.iter().all(Item::happens));
                assert_eq!(all.text("").parse(), Ok(all));
            }
        }
    }

    #[test]
    fn leaving_something_out_adds_nothing_that_could_be_left_out() {
        for (seed, level) in (0..60).flat_map(|seed| Level::ALL.map(|level| (seed, level))) {
            let whole = Script::new(seed, level);
            let items: BTreeSet<Item> = Plan::of(&whole).items().into_iter().collect();
            for &item in &items {
                let less = Plan::of(&Script { without: [item].into(), ..whole.clone() });
                let left: BTreeSet<Item> = less.items().into_iter().collect();
                assert!(left.is_subset(&items), "seed {seed}, {level:?}, without {item}: {left:?}");
            }
        }
    }
}
