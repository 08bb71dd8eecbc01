//! How sessions end: well, with nothing left behind, or with an error that there is a reason for.

use std::collections::{BTreeMap, BTreeSet};

use repo::RepoError;
use sync::{Limits, SyncError};
use xfer::ArtifactId;

use super::halves::unreasonable;
use super::{Sim, broken};
use crate::answer::Answer;
use crate::check::completeness::{self, Client};
use crate::check::{budget, events, kept};
use crate::known::{self, Known};
use crate::model::Violation;
use crate::node::Stage;
use crate::plan::{self, Edge, Fault, Login};
use crate::rights::Right;
use crate::talk::{Kind, Soundness, Talk, is_refused};

/// Pieces of what a server says to who has not the right.
const DENIALS: [&str; 2] = ["not authorized", "login failed"];

impl Sim {
    pub(super) fn succeeded(&mut self, talk: &Talk) -> Result<(), Violation> {
        self.tally.succeeded += 1;
        let (rounds, unavailable) = (talk.session.result().rounds, talk.session.result().unavailable);
        let edge = self.plan.edges[talk.edge].clone();
        self.tell(&format!("{} of {} is done in {rounds}, lacks {unavailable}", talk.name(), edge.client));
        events::check(&talk.watch)?;
        if talk.kind == Kind::Clone {
            self.nodes[edge.client].stage = Stage::Whole;
            let before = self.nodes[edge.client].known.clone();
            self.nodes[edge.client].found(&self.plan, edge.client).map_err(broken)?;
            kept::check(&before, &self.nodes[edge.client].known)
                .map_err(|violation| violation.at(edge.client))?;
            self.restored_aside(edge.client)?;
        }
        if talk.options.dry_run {
            self.census.note("dry run");
            return Ok(());
        }
        let (missed, sources) = self.hopes(edge.client)?;
        let node = &self.nodes[edge.client];
        let client = Client {
            known: &node.known,
            is_alone: talk.commits == Some(node.commits),
            missed: &missed,
            sources: &sources,
            idle_rounds: node.limits.idle_rounds,
        };
        completeness::check(talk, &client, &self.nodes[edge.server].known)?;
        completeness::check_released(talk, &node.known, self.still(talk))?;
        if self.is_straight(talk) {
            budget::check_rounds(talk, &self.nodes[edge.client].known)?;
            self.census.note("rounds of a session with faults around");
        }
        if self.is_undisturbed(talk) {
            self.check_pair(talk.edge, talk.begun)?;
        }
        // A clone of nothing new changes something too: what it has, and the server no more, is still to be given.
        self.nodes[edge.client].commits += u64::from(talk.kind == Kind::Clone);
        Ok(())
    }

    /// Whether a session that moves rows both ways had both its ends for itself, and nothing that it heard was damaged.
    fn is_undisturbed(&self, talk: &Talk) -> bool {
        let Edge { client, server, .. } = self.plan.edges[talk.edge];
        let moves = talk.kind == Kind::Sync && talk.options.tables && talk.options.pull && talk.options.push;
        moves
            && !self.side.is_settled
            && !talk.chances.damaged
            && !self.is_on(Fault::ClockJump)
            && talk.server_returns == self.nodes[server].returns
            && talk.commits == Some(self.nodes[client].commits)
            && talk.server_commits == Some(self.nodes[server].commits)
    }

    /// Whether a session while faults are on had all its messages answered once, as they were sent, by peers that took no rare
    /// choice and did nothing else meanwhile.
    fn is_straight(&self, talk: &Talk) -> bool {
        let Edge { client, server, .. } = self.plan.edges[talk.edge];
        !self.side.is_settled
            && !talk.chances.damaged
            && !talk.is_rare
            && !talk.chances.answers.iter().any(|answer| answer.is_rare)
            && talk.attempt == talk.session.result().rounds
            && talk.server_returns == self.nodes[server].returns
            && talk.commits == Some(self.nodes[client].commits)
            && talk.server_commits == Some(self.nodes[server].commits)
    }

    /// Where a client lacks something: what it was refused before, and what its deltas wait for.
    fn hopes(&mut self, at: usize) -> Result<Hopes, Violation> {
        let node = &mut self.nodes[at];
        if node.known.phantoms.is_empty() && node.known.waiting.is_empty() {
            return Ok(Hopes::default());
        }
        let missed = known::missed(&mut node.repo).map_err(broken)?;
        Ok((missed, known::sources(&mut node.repo).map_err(broken)?))
    }

    /// What the server of a session holds; none if it went back to an earlier state meanwhile.
    fn still(&self, talk: &Talk) -> Option<&Known> {
        let server = &self.nodes[self.plan.edges[talk.edge].server];
        (server.returns == talk.server_returns).then_some(&server.known)
    }

    /// A session failed: is there a reason?
    pub(super) fn failed(&mut self, talk: &Talk, error: &SyncError) -> Result<(), Violation> {
        self.tally.failed += 1;
        self.tell(&format!("{} failed: {error}", talk.name()));
        events::check(&talk.watch)?;
        let client = self.plan.edges[talk.edge].client;
        if let SyncError::PushRefused { .. } = error {
            completeness::check_released(talk, &self.nodes[client].known, self.still(talk))?;
        }
        if self.has_reason(talk, error)? {
            return Ok(());
        }
        Err(unreasonable(talk, error))
    }

    pub(super) fn has_reason(&mut self, talk: &Talk, error: &SyncError) -> Result<bool, Violation> {
        let client = self.plan.edges[talk.edge].client;
        let is_denied = |answer: &Answer| {
            answer.login == Login::Wrong || is_refused(&talk.options, talk.kind, &answer.letters)
        };
        let last = talk.chances.answers.last();
        let denied = last.is_some_and(is_denied);
        let no_files = last.is_some_and(|answer| !answer.letters.allow(Right::WriteFiles));
        // A clone of which the right to read went in its midst, with files that were listed and have not come.
        let is_short =
            !talk.files.is_empty() && last.is_some_and(|answer| !answer.letters.allow(Right::Read));
        let unborn = last.is_some_and(|answer| answer.stage == Stage::Unborn);
        // What was said wrongly in one round may have its consequences in a later one.
        let damaged = talk.soundness == Soundness::Damaged || talk.chances.damaged;
        Ok(match error {
            SyncError::Repo(error) => self.is_excused(client, error),
            SyncError::Refused(text) | SyncError::PasswordNeeded(text) => {
                (denied && DENIALS.iter().any(|denial| text.contains(denial)))
                    || (no_files && text.contains("Write permissions for unversioned files"))
                    || (is_short && text.contains("not authorized to read"))
                    || (text.contains("too many failed logins") && last.is_some_and(|answer| answer.bars))
                    || (text.contains("this login was used before") && talk.is_doubled())
                    || (unborn && (text.contains("unfinished clone") || text.contains("no project code")))
                    || damaged
            }
            SyncError::PushRefused { .. } => {
                // It may have been said in an earlier round.
                talk.chances.damaged
                    || talk
                        .chances
                        .was_denied(|answer| is_denied(answer) || !answer.letters.allow(Right::Write))
            }
            SyncError::UnversionedRefused { .. } => {
                talk.chances.damaged
                    || talk.chances.was_denied(|answer| !answer.letters.allow(Right::WriteFiles))
            }
            SyncError::UnresolvedDeltas { .. } => {
                let (_, sources) = self.hopes(client)?;
                completeness::waits_in_vain(talk, &self.nodes[client].known, &sources)
            }
            // One that names more and more, and gives nothing of it, is taken for a dishonest one.
            SyncError::Idle { .. } if !talk.chances.spoilt.is_empty() => true,
            SyncError::TooMuch { .. } => self.has_its_fill(talk),
            SyncError::TooManyRounds { rounds, .. } => {
                self.is_out_of(client, *rounds, |limits| limits.rounds) || self.is_cut(talk) || damaged
            }
            SyncError::Idle { rounds } => {
                self.is_out_of(client, *rounds, |limits| limits.idle_rounds) || damaged
            }
            // Of the reply that came last, whatever came before.
            SyncError::Decode(_)
            | SyncError::WebPage(_)
            | SyncError::UnexpectedCard(_)
            | SyncError::Unfinished
            | SyncError::Unanswered
            | SyncError::NoProjectNamed
            | SyncError::NoCloneSeqno => talk.soundness == Soundness::Damaged,
            // What came before its server went back to a backup was a delta of what is now a delta of it.
            SyncError::BadArtifact(RepoError::DeltaCycle { .. }) => damaged || self.still(talk).is_none(),
            // An earlier reply may have named the other one, or brought a false delta that waits for this one.
            SyncError::BadArtifact(_)
            | SyncError::CloneSeqno { .. }
            | SyncError::WrongProject { .. }
            | SyncError::OtherServer { .. } => damaged,
            // The others are mistakes of who calls, and nobody does that here.
            _ => false,
        })
    }

    /// Whether a session had all its rounds, and would have had some left but for replies that ended as their time was up: a server
    /// that has time for an artifact a reply is taken for one that drips them.
    pub(super) fn is_cut(&self, talk: &Talk) -> bool {
        let limits = &self.nodes[self.plan.edges[talk.edge].client].limits;
        let in_time = talk.chances.answers.iter().filter(|answer| !answer.is_out_of_time).count();
        talk.stock.is_none()
            && talk.session.result().rounds >= limits.rounds
            && in_time < limits.rounds as usize
    }

    /// Whether a bound of a peer is so small that it ends sessions with which nothing is wrong.
    fn is_bounded(&self, at: usize, bound: impl Fn(&Limits) -> u64) -> bool {
        let limits = &self.nodes[at].limits;
        bound(limits) < bound(&plan::unbounded(limits))
    }

    /// Whether these are all the rounds that a peer allows, and so few that they end sessions with which nothing is wrong.
    fn is_out_of(&self, at: usize, rounds: u32, bound: impl Fn(&Limits) -> u32) -> bool {
        rounds >= bound(&self.nodes[at].limits) && self.is_bounded(at, |limits| bound(limits).into())
    }

    /// Whether a session moved more than its client takes in one that is so bounded.
    fn has_its_fill(&self, talk: &Talk) -> bool {
        let client = self.plan.edges[talk.edge].client;
        let limits = &self.nodes[client].limits;
        self.is_bounded(client, |limits| limits.session_artifacts)
            && talk.traffic.things > limits.session_artifacts
            || self.is_bounded(client, |limits| limits.session_bytes)
                && talk.traffic.bytes > limits.session_bytes
    }
}

/// Names that others were asked for in vain, and of what is kept as a delta that cannot be expanded yet, the source.
type Hopes = (BTreeSet<ArtifactId>, BTreeMap<ArtifactId, ArtifactId>);
