//! What peers do within a half-round: rare choices, and dying, between two of its transactions or within one, as when
//! their user is at work.

use std::collections::BTreeMap;

use repo::RepoError;

use super::{Sim, broken};
use crate::check::content::Maker;
use crate::check::rights::Came;
use crate::check::tables::Cause;
use crate::death::{MINES, MORE_MINES, MOST_MINES, Side, TRIPPED, Trap};
use crate::dice::Turn;
use crate::model::Violation;
use crate::node::name;
use crate::plan::Edition;
use crate::rare::Rare;
use crate::script::Item;
use crate::site::Site;

/// Where a half-round belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Place {
    /// The work of a user.
    #[default]
    Work,
    /// Looking after a repository.
    Upkeep,
    /// A client that composes a request.
    Request,
    /// A server that answers.
    Answer,
    /// A client that takes in a reply.
    Reply,
}

/// What a peer is about to do: an action, or its part in a message.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Errand {
    place: Place,
    turn: Turn,
    /// By how much the clock of who does it is ahead of that of the peer, in milliseconds.
    pub(super) ahead: i64,
}

impl Errand {
    /// The part of this place in an action, or in a message.
    pub(super) fn new(place: Place, turn: impl Into<Turn>) -> Self {
        Self { place, turn: turn.into(), ahead: 0 }
    }

    /// The same by a clock that is so many milliseconds ahead.
    pub(super) fn ahead(self, ahead: i64) -> Self {
        Self { ahead, ..self }
    }

    /// Names it: no other errand of a run has the same.
    pub(super) fn turn(self) -> Turn {
        const PLACES: u64 = 5;
        Turn { part: PLACES * self.turn.part + self.place as u64, ..self.turn }
    }
}

impl Sim {
    /// Names the half-round that a peer is about to do.
    fn half_round(&self, at: usize) -> Turn {
        if self.plan.edition >= Edition::Fourth {
            return self.errand.turn();
        }
        Turn { number: self.now.unsigned_abs(), part: at as u64, copy: 0 }
    }

    /// The rare choices of a peer in the half-round that follows.
    pub(super) fn rare(&self, at: usize) -> Rare {
        let none = BTreeMap::new();
        let choices = if self.side.is_settled { &none } else { &self.plan.choices };
        let rare = Rare::new(self.plan.seed, choices, self.half_round(at));
        match self.plan.step {
            Some(step) => rare.begun(self.nodes[at].time(self.now), step),
            None => rare,
        }
    }

    /// Counts the rare choices of a half-round.
    pub(super) fn note_choices(&mut self, rare: &Rare) {
        for site in rare.fired() {
            self.tally.choices += 1;
            self.census.note(format!("choice {site:?}"));
        }
    }

    /// Perhaps lets a peer die in the half-round, or the work, that follows. Commits are counted where it may, and where its disk
    /// is full. Says whether [`Sim::disarm`] has to follow.
    pub(super) fn arm(&mut self, at: usize) -> Result<bool, Violation> {
        let turn = self.half_round(at);
        self.nodes[at].sprung();
        let at_commit = (self.plan.edition >= Edition::Fourth).then(|| self.hits(Site::CrashAtCommit, turn));
        if let Some(hit) = at_commit.flatten() {
            self.tell(&format!("peer {at} is to die at a commit ({hit})"));
            let mut dice = self.dice("death at a commit", turn);
            let commits: &[u32] =
                if self.plan.edition < Edition::Fifth { &[1, 1, 1, 2] } else { &[1, 1, 1, 1, 1, 2, 2, 3] };
            let trap = Trap::new(*dice.pick(commits), *dice.pick(&[Side::Before, Side::After]));
            return self.nodes[at].lay(trap).map(|()| true).map_err(broken);
        }
        let is_mined = match self.hits(Site::CrashWithin, turn) {
            Some(hit) => self.mine(at, turn, hit)?,
            None => false,
        };
        let is_counted = is_mined || self.nodes[at].is_disk_full();
        if is_counted {
            self.nodes[at].lay(Trap::nowhere()).map_err(broken)?;
        }
        Ok(is_counted)
    }

    /// Lets a peer die at one of some writes.
    fn mine(&mut self, at: usize, turn: Turn, hit: Item) -> Result<bool, Violation> {
        self.tell(&format!("peer {at} is to die as it writes ({hit})"));
        let mut mines = vec![*self.dice("mine", turn).pick(&MINES)];
        if self.plan.edition != Edition::First {
            let mut dice = self.dice("more mines", turn);
            mines.extend((mines.len()..MOST_MINES).map(|_| *dice.pick(&MORE_MINES)));
        }
        self.nodes[at].arm(&mines).map_err(broken)
    }

    /// The half-round, or the work, is over.
    pub(super) fn disarm(&mut self, at: usize, armed: bool) -> Result<(), Violation> {
        if armed { self.nodes[at].disarm().map_err(broken) } else { Ok(()) }
    }

    /// Whether a half-round, or the work of a user, failed since the peer died. What was committed before that is looked
    /// at, and given.
    pub(super) fn dies_of(
        &mut self,
        at: usize,
        error: &RepoError,
        maker: Maker,
    ) -> Result<Option<Came>, Violation> {
        let is_undone = self.nodes[at].is_undone();
        let trap = self.nodes[at].sprung();
        if trap.is_none() && !error.to_string().contains(TRIPPED) {
            return Ok(None);
        }
        if is_undone {
            self.unchanged(at)?;
            self.unchanged_aside(at)?;
        }
        let came = self.audit(at, maker)?;
        if maker == Maker::User {
            self.audit_aside(at, Cause::User(&name(at)))?;
        }
        self.census.note(match (&trap, maker) {
            (Some(trap), _) => trap.name(),
            (None, Maker::User) => "died at work",
            (None, Maker::Peer) => "died in a half-round",
        });
        self.die(at);
        Ok(Some(came))
    }

    /// Whether a peer died at a commit, and all that it did until then went well.
    pub(super) fn died_at_commit(&mut self, at: usize) -> bool {
        let Some(trap) = self.nodes[at].sprung() else { return false };
        self.census.note(trap.name());
        self.die(at);
        true
    }

    fn die(&mut self, at: usize) {
        self.tell(&format!("peer {at} dies in the midst of it"));
        let pause = self.dice("pause after a half-round", self.half_round(at)).between(100, 10_000);
        self.crash(at, pause, None);
    }
}
