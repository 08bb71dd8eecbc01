//! What a server could have given, and what rights were in force, at the moment when it answered.

use std::collections::BTreeSet;

use xfer::{ArtifactId, Card, Message};

use crate::check::wire::Leave;
use crate::known::Known;
use crate::node::Stage;
use crate::plan::Login;
use crate::rights::Letters;
use crate::talk::Soundness;

/// A server at the moment of its answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What the client might do.
    pub letters: Letters,
    /// What came of its login.
    pub login: Login,
    /// Whether the server may have who logs in wait, for logins that failed before.
    pub bars: bool,
    /// Whether the server had the project.
    pub stage: Stage,
    /// Whether the request was one for artifacts that the client may have.
    pub reads: Leave,
    /// Whether it asked for what is private, and may have that.
    pub private: Leave,
    /// What was asked for and passed over, as a rare choice.
    pub evaded: BTreeSet<ArtifactId>,
    /// Whether it took a rare choice.
    pub is_rare: bool,
    /// Whether the time for a reply may have been over before it held all that there was.
    pub is_out_of_time: bool,
    /// Of what the client lacked, what there was for it.
    pub open: BTreeSet<ArtifactId>,
}

impl Answer {
    /// Notes of what a client lacks, or asks for, what there is for it.
    pub fn hold_against<'n>(&mut self, known: &Known, names: impl Iterator<Item = &'n ArtifactId>) {
        let shows = |id: &&ArtifactId| self.private == Leave::Granted || !known.private.contains(*id);
        let has = |id: &&ArtifactId| known.held.contains_key(*id) && !known.shunned.contains(*id);
        if self.reads == Leave::Granted {
            self.open = names.filter(has).filter(shows).copied().collect();
        }
    }
}

/// What the answers of a session, taken together, could have brought.
#[derive(Debug, Default)]
pub struct Chances {
    /// What the request under way asks for.
    pub asking: BTreeSet<ArtifactId>,
    /// What of that it names only since the peer asked for it, and is not given it.
    pub withheld: BTreeSet<ArtifactId>,
    /// What was asked for in any request whose reply was taken in.
    pub asked: BTreeSet<ArtifactId>,
    /// What was asked for, and was there for the client when it was asked for last.
    pub had: BTreeSet<ArtifactId>,
    /// What was asked for in a round that was damaged on its way, or that the server passed over.
    pub spoilt: BTreeSet<ArtifactId>,
    /// The answers that were taken in, without what there was.
    pub answers: Vec<Answer>,
    /// What there was for the client when the server answered last, asked for or not.
    pub open: BTreeSet<ArtifactId>,
    /// Whether any round was damaged on its way.
    pub damaged: bool,
    /// What was asked for in vain, and was not announced then.
    pub absent: BTreeSet<ArtifactId>,
    /// What of that was announced afterwards, and was not asked for since.
    pub late: BTreeSet<ArtifactId>,
    /// Whether the request under way asks for anything, be it here by now: it may be made a second time, and another session have
    /// brought that meanwhile.
    pub is_asking: bool,
    /// Rounds in a row that asked for something and brought nothing.
    pub idle: u32,
}

impl Chances {
    /// Notes what a request asks for, but for what its sender holds. `wishes` are what the peer asked for.
    pub fn ask(&mut self, request: &Message, client: &Known, wishes: &BTreeSet<ArtifactId>) {
        self.is_asking = gimmes(request).next().is_some();
        self.asking = gimmes(request).filter(|id| !client.held.contains_key(id)).collect();
        // What the client wants too it asked for in vain before.
        let in_vain = |id: &ArtifactId| self.asked.contains(id) && !self.had.contains(id);
        let is_wanted = |id: &&ArtifactId| client.phantoms.contains(*id) && !in_vain(id);
        let wished = self.asking.intersection(wishes);
        self.withheld = wished.filter(|id| !is_wanted(id)).copied().collect();
    }

    /// Notes an answer, before its reply is taken in.
    pub fn hear(&mut self, mut answer: Answer, soundness: Soundness) {
        self.asked.extend(&self.asking);
        match soundness {
            Soundness::Damaged => {
                self.spoilt.extend(&self.asking);
                self.damaged = true;
            }
            Soundness::Sound => {
                // What finds no room is announced again, and may be gone when it is asked for once more.
                self.had.retain(|id| !self.asking.contains(id));
                let had = self.asking.intersection(&answer.open).filter(|id| !self.withheld.contains(*id));
                self.had.extend(had);
            }
        }
        self.spoilt.extend(self.asking.intersection(&answer.evaded));
        self.open = std::mem::take(&mut answer.open);
        self.answers.push(answer);
    }

    /// Notes what a reply that was taken in brings and announces.
    pub fn compare(&mut self, came: &BTreeSet<ArtifactId>, announced: &BTreeSet<ArtifactId>) {
        self.late.retain(|id| !self.asking.contains(id));
        let is_late = |id: &&ArtifactId| self.absent.contains(*id) && !self.asking.contains(*id);
        self.late.extend(announced.iter().filter(is_late));
        self.absent.retain(|id| !announced.contains(id));
        let is_absent = |id: &&ArtifactId| !came.contains(*id) && !announced.contains(*id);
        self.absent.extend(self.asking.iter().filter(is_absent));
    }

    /// Notes how many artifacts the round brought. `came` are those that were in it and are here: what was asked for and
    /// another session brought before counts as brought, too.
    pub fn brought(&mut self, artifacts: usize, came: impl IntoIterator<Item = ArtifactId>) {
        let is_answered = || came.into_iter().any(|id| self.asking.contains(&id));
        self.idle = match (artifacts, self.is_asking) {
            (0, false) => self.idle,
            (0, true) if !is_answered() => self.idle + 1,
            _ => 0,
        };
    }

    /// Whether some answer that was taken in was given to who might not do something.
    pub fn was_denied(&self, is_denied: impl Fn(&Answer) -> bool) -> bool {
        self.answers.iter().any(is_denied)
    }
}

/// What a message asks for.
pub fn gimmes(message: &Message) -> impl Iterator<Item = ArtifactId> + '_ {
    message.cards.iter().filter_map(|card| match card {
        Card::Gimme(id) => Some(*id),
        _ => None,
    })
}
