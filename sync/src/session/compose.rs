//! Requests (reference: wire.md sections 6.1 and 7).

use std::collections::BTreeSet;

use repo::{Repo, Snapshot, config, partial};
use xfer::card::{CloneRequest, Codes, Privacy};
use xfer::login::Secret;
use xfer::{ArtifactId, Card, Login, Message, Pragma};

use super::cloning::Phase;
use super::push::Scope;
use super::{Goal, LoginState, Session, inbox};
use crate::outbox::{self, Outbox};
use crate::version::ADVERTISED;
use crate::{Cx, Site, SyncError};

/// The round in which stock asks for clusters, and announces its own.
const CLUSTER_ROUND: u32 = 3;
/// The same where the first round shows that clusters are lacking.
const EARLY_ROUND: u32 = 2;

impl Session {
    pub(super) fn compose(&mut self, repo: &mut Repo, cx: &Cx<'_>) -> Result<Message, SyncError> {
        let snap = repo.snapshot()?;
        let mut cards = vec![Card::Pragma(Pragma::ClientVersion(ADVERTISED))];
        if self.options.private {
            cards.push(Card::Pragma(Pragma::SendPrivate));
        }
        cards.extend(self.purpose());
        if self.wants_catalog() {
            cards.push(Card::Pragma(Pragma::SendCatalog));
        }
        // In a preview nothing follows it: it asks for the right alone.
        if self.pushing.is_on() || (self.options.push && matches!(self.goal, Goal::Preview)) {
            cards.push(Card::Push(self.codes.clone()));
        }
        cards.append(&mut self.linking.compose(self.result.rounds));
        cards.extend(self.wanted.iter().map(Card::Gimme));
        if cx.fires(Site::AskedTwice) {
            cards.extend(self.wanted.iter().map(Card::Gimme));
        }
        self.told = self.withheld(&snap)?;
        cards.extend(self.told.iter().copied().map(Card::Gimme));
        if self.asks_for_clusters() {
            cards.push(Card::Pragma(Pragma::ReqClusters));
        }
        cards.append(&mut self.compose_configuration(&snap)?);
        let scope = self.scope(&snap)?;
        self.stats.files_sent = 0;
        let budget = self.send_bytes(cx);
        let mut room = outbox::request_bytes(&snap, budget)?;
        let unversioned = self.unversioned.is_on() && self.is_past_batches();
        if self.pushing.is_on() || unversioned {
            let mut outbox = Outbox::of_request(&snap, budget, cx)?;
            let named = match self.deepest() {
                Privacy::Public => BTreeSet::new(),
                Privacy::Private => self.wanted.iter().chain(self.promised.keys().copied()).collect(),
            };
            cards.append(&mut self.pushing.compose(&snap, &mut outbox, scope, &named, &mut self.stats)?);
            if unversioned {
                cards.append(&mut self.unversioned.compose(&snap, &mut outbox, &mut self.stats)?);
            }
            room = outbox.room();
        }
        cards.append(&mut self.compose_tables(&snap, room)?);
        cards.extend(self.locking.compose(self.result.rounds, self.pushing.rest()));
        cards.push(Card::Comment(format!(" {}", self.nonces.next()).into()));
        self.stats.gimmes_sent = (self.wanted.len() + self.told.len()) as u64;
        Ok(self.signed(Message { login: None, cards }))
    }

    /// Bytes of artifacts in this request. Who took one request is trusted with twice as much.
    pub(super) fn send_bytes(&self, cx: &Cx<'_>) -> u64 {
        let most = Some(self.options.max_send).filter(|&most| most != 0).unwrap_or(cx.limits.send_bytes);
        let doubled = self.result.rounds.saturating_sub(1).min(u64::BITS - 1);
        most.min(cx.limits.first_send_bytes.saturating_mul(1 << doubled))
    }

    /// What the peer is not to ask for again, where it wants more than it asks for at a time: else it would ask for these
    /// next, each time, and never for what it could get.
    fn withheld(&self, snap: &Snapshot<'_>) -> Result<Vec<ArtifactId>, SyncError> {
        let mut names = self.pushing.withheld(snap)?;
        if !names.is_empty() {
            let asked: BTreeSet<ArtifactId> = self.wanted.iter().collect();
            names.retain(|id| !asked.contains(id));
        }
        Ok(names)
    }

    /// The least private artifacts that this session does not want.
    pub(super) fn deepest(&self) -> Privacy {
        if self.options.private { Privacy::Private } else { Privacy::Public }
    }

    /// User and password, if both are given and the user is one who can log in.
    pub(super) fn credentials(&self) -> Option<(&str, &str)> {
        let user = self.options.user.as_deref().filter(|user| !user.is_empty() && *user != "anonymous")?;
        Some((user, self.options.password.as_deref().filter(|password| !password.is_empty())?))
    }

    pub(super) fn prepare(&mut self, snap: &Snapshot<'_>, cx: &Cx<'_>) -> Result<(), SyncError> {
        let server = match &self.options.server_code {
            Some(named) => named.clone(),
            None => config::server_code(snap)?.unwrap_or_else(|| "x".to_owned()),
        };
        let project = config::project_code(snap)?.unwrap_or_default();
        self.codes = Codes { server, project };
        self.check_project()?;
        let begun = partial::load(snap)?;
        match &mut self.goal {
            Goal::Sync { .. } | Goal::Preview
                if !self.options.has_direction()
                    && !self.options.unversioned
                    && self.configuring.is_done() =>
            {
                return Err(SyncError::NothingToDo);
            }
            Goal::Sync { .. } | Goal::Preview if begun.is_some() => return Err(SyncError::UnfinishedClone),
            Goal::Sync { .. } | Goal::Preview if self.codes.project.is_empty() => {
                return Err(SyncError::NoProject);
            }
            Goal::Sync { pull: false } | Goal::Preview => return Ok(()),
            Goal::Sync { pull: true } => {}
            Goal::Clone(cloning) => {
                self.codes.project =
                    begun.as_ref().and_then(|begun| begun.project.clone()).unwrap_or_default();
                cloning.begin(begun.as_ref(), snap)?;
                self.result.resumed = cloning.is_resumed();
                if cloning.phase != Phase::Settle {
                    return Ok(());
                }
            }
        }
        let most = cx.limits.gimmes;
        self.wanted = inbox::choose(snap, &[], self.deepest(), most, most, |_| true)?;
        self.wanted.add_listed(snap, most, |_| true)?;
        if self.wanted.is_empty() {
            self.wanted = inbox::choose_stuck(snap, self.deepest(), most, |_| true)?;
        }
        Ok(())
    }

    /// Compares the project with the one there is to be. A clone learns its project later.
    pub(super) fn check_project(&self) -> Result<(), SyncError> {
        match &self.options.project_code {
            Some(wanted) if !self.codes.project.is_empty() && *wanted != self.codes.project => {
                Err(SyncError::OtherProject { wanted: wanted.clone(), here: self.codes.project.clone() })
            }
            _ => Ok(()),
        }
    }

    /// The card that says what is wanted.
    fn purpose(&self) -> Option<Card> {
        Some(match &self.goal {
            Goal::Sync { pull: false } => return None,
            Goal::Preview if !self.options.has_direction() => return None,
            Goal::Sync { pull: true } | Goal::Preview => Card::Pull(self.codes.clone()),
            Goal::Clone(cloning) => match cloning.phase {
                Phase::Batch { seqno } => {
                    Card::Clone(CloneRequest::Batch { version: cloning.version, seqno })
                }
                Phase::Announce => Card::Clone(CloneRequest::Announce),
                Phase::Settle => Card::Pull(self.codes.clone()),
            },
        })
    }

    /// Whether the request may ask for more than artifacts: what does not fit beside a batch of a clone would be
    /// asked for with each batch anew.
    fn is_past_batches(&self) -> bool {
        match &self.goal {
            Goal::Sync { .. } | Goal::Preview => true,
            Goal::Clone(cloning) => cloning.phase == Phase::Settle,
        }
    }

    /// Whether the peer is to announce everything it holds.
    fn wants_catalog(&self) -> bool {
        let thorough = self.options.verily && self.result.rounds == 1 && self.goal.is_pull();
        thorough || matches!(self.goal, Goal::Preview)
    }

    /// From the third round on something is missing on one side, perhaps more than what is new: then clusters that
    /// are in clusters themselves are named too, once. Where the peer knew nothing but what is new here they are missing
    /// for sure: it takes clusters made since the last session to leave nothing that both know.
    fn asks_for_clusters(&mut self) -> bool {
        let round = self.result.rounds;
        let asks = !self.wanted.is_empty() && self.clusters_are_due(round);
        self.asked_early |= asks && round == EARLY_ROUND;
        asks
    }

    /// Whether a request that asks for artifacts, and is the one of this round, asks for clusters too.
    pub(super) fn clusters_are_due(&self, round: u32) -> bool {
        self.goal.is_pull()
            && match round {
                EARLY_ROUND => self.is_far_behind,
                CLUSTER_ROUND => !self.asked_early,
                _ => false,
            }
    }

    /// What the request announces. Who asks for a cluster hears of all of them at once, since it may lack those in it too.
    fn scope(&mut self, snap: &Snapshot<'_>) -> Result<Scope, SyncError> {
        if self.result.rounds == EARLY_ROUND {
            self.named_clusters = self.pushing.is_asked_for_clusters(snap)?;
        }
        Ok(match self.result.rounds {
            1 if self.options.verily => Scope::All,
            EARLY_ROUND if self.named_clusters => Scope::Clusters,
            CLUSTER_ROUND if self.pushing.has_more() && !self.named_clusters => Scope::Clusters,
            _ => Scope::New,
        })
    }

    /// Logs in. The first round of a clone can not: the secret is made with the project code.
    pub(super) fn signed(&mut self, mut message: Message) -> Message {
        self.login = LoginState::NotSent;
        let may = !self.codes.project.is_empty() || self.result.rounds > 1;
        let Some((user, password)) = self.credentials().filter(|_| may) else { return message };
        let secret = Secret::derive(&self.codes.project, user, password);
        message.login = Some(Login::sign(&message, user, &secret));
        self.login = LoginState::Sent;
        message
    }
}
