//! What is to happen, and when what a seed decides beforehand does.

use xfer::ArtifactId;
use xfer::body::Body;

use super::Sim;
use super::crowds::Part;
use super::rivals::Rival;
use crate::dice::{Dice, Ratio, Turn};
use crate::feature::Feature;
use crate::plan::{Crowd, Edition, Fault};
use crate::queue::Moment;
use crate::script::Item;
use crate::talk::Soundness;

/// Something that is to happen.
pub(super) enum Event {
    /// A user of a peer does something.
    Act { number: u64, at: usize },
    /// A user does something beside artifacts and files.
    Side { feature: Feature, at: usize, number: u64 },
    /// A user writes a row that is on its way here.
    Rival(Rival),
    /// Users of two peers go on from one check-in at once, after it was tried in vain so often.
    Fork { number: u64, edge: usize, tries: u64 },
    /// A user who has both heads of a fork merges them, after nobody had both so often.
    Merge { number: u64, heads: [ArtifactId; 2], tries: u64 },
    /// Users of two peers write the same.
    Quarrel { number: u64, edge: usize },
    /// A user makes what two sessions are about to pull.
    Race(usize),
    /// A server loses what a cluster lists.
    Loss(usize),
    /// Users write many rows at once.
    Crowd(Crowd, Part),
    /// A user makes what is given to a server, and asked for there, one by one.
    Relay([usize; 2]),
    /// A user makes a table with long rows.
    Album(usize),
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
pub(super) struct Parcel {
    pub(super) talk: u64,
    pub(super) attempt: u32,
    /// Which of several that are the same, or the reply to which of them.
    pub(super) copy: u64,
    pub(super) edge: usize,
    /// When it was sent.
    pub(super) sent: Moment,
    /// Why it takes long.
    pub(super) held_up: Option<Fault>,
    /// None: the other side says that it failed.
    pub(super) body: Option<Body>,
    pub(super) soundness: Soundness,
}

impl Parcel {
    pub(super) fn turn(&self) -> Turn {
        Turn { number: self.talk, part: self.attempt.into(), copy: self.copy }
    }
}

/// Numbers of sessions that begin soon after another one of their client are from here on, below twice as many.
pub(super) const TWINS: u64 = 500_000;

impl Sim {
    pub(super) fn plan_actions(&mut self) {
        for number in (1..=self.plan.actions).filter(|&number| !self.script.lacks(&Item::Action(number))) {
            let mut dice = self.dice("action", number);
            let (when, at) = (self.moment(&mut dice), dice.place(self.nodes.len()));
            if !self.script.lacks(&Item::Peer(at as u64)) {
                self.queue.plan(when, Event::Act { number, at });
            }
        }
    }

    /// The first sessions go over one edge each.
    pub(super) fn plan_sessions(&mut self) {
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

    pub(super) fn plan_session(&mut self, number: u64, edge: usize, when: Moment) {
        if !self.script.lacks(&Item::Session(number)) && !self.plan.unused.contains(&edge) {
            self.queue.plan(when, Event::Begin { number, edge });
        }
    }

    /// Whether another session of the same client begins soon after this one, where two at once are a fault that is on.
    pub(super) fn has_twin(&self, number: u64) -> bool {
        self.plan.edition >= Edition::Third
            && self.is_on(Fault::Crowd)
            && self.dice("has a twin", number).hits(Ratio::new(1, 3))
    }

    pub(super) fn plan_visits(&mut self) {
        for number in (0..self.plan.visits()).filter(|&number| !self.script.lacks(&Item::Visit(number))) {
            let mut dice = self.dice("visit", number);
            let (when, at) = (self.moment(&mut dice), self.nodes.len() - 1);
            self.queue.plan(when, Event::Leave { number, at });
            self.queue.plan(when + dice.between(5_000, 20_000) as Moment, Event::Return(at));
        }
    }

    pub(super) fn plan_more_bulk(&mut self) {
        if self.plan.more_bulk > 0 {
            let mut dice = self.dice("more bulk", 1);
            let (when, at) = (self.moment(&mut dice), dice.place(self.nodes.len()));
            self.queue.plan(when, Event::Bulk(at));
        }
    }

    /// Tries something again a little later, where those whom it takes are not all at work; not for ever.
    pub(super) fn put_off(&mut self, event: Event) {
        if self.now < self.plan.span {
            self.queue.plan(self.now + 2_000, event);
        }
    }

    /// Some time while faults are on.
    pub(super) fn moment(&self, dice: &mut Dice) -> Moment {
        dice.below(self.plan.span as u64) as Moment
    }
}
