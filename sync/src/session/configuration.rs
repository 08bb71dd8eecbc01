//! What a session asks for and brings of the configuration (reference: wire.md sections 6.1 and 11): one request
//! and its reply. A clone asks for everything as soon as it can log in.

use repo::configuration::{self, Authority, Group, Groups, Policy, Precedence, Taken};
use repo::{RepoError, Snapshot, Tx, config};
use xfer::Card;

use super::cloning::Phase;
use super::reply::Reply;
use super::{Goal, LoginState, Session, SyncOptions};

/// The part of a session that is about configuration.
pub(super) struct Configuring {
    pull: Option<Group>,
    push: Option<Group>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was asked for or brought yet, or in vain.
    Due,
    /// The last request did.
    Asked,
    /// The reply to it is in.
    Done,
}

impl Configuring {
    pub(super) fn new(options: &SyncOptions, goal: &Goal) -> Self {
        let (pull, push) = match goal {
            Goal::Sync { .. } => (options.config_pull, options.config_push),
            Goal::Preview => (None, None),
            Goal::Clone(_) => (Some(Group::All), None),
        };
        let state = if pull.is_none() && push.is_none() { State::Done } else { State::Due };
        Self { pull, push, state }
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }
}

impl Session {
    /// The cards of the next request that are about configuration.
    pub(super) fn compose_configuration(&mut self, snap: &Snapshot<'_>) -> Result<Vec<Card>, RepoError> {
        if self.configuring.is_done() || !self.may_configure() {
            return Ok(Vec::new());
        }
        self.configuring.state = State::Asked;
        let ask = |group: Group| Card::ReqConfig(format!("/{}", group.name()));
        let mut cards: Vec<Card> = self.configuring.pull.map(ask).into_iter().collect();
        if let Some(group) = self.configuring.push {
            let records = configuration::export(snap, group.into(), &Authority::full())?;
            self.stats.config_sent = records.len() as u64;
            cards.extend(records.into_iter().map(Card::Config));
        }
        Ok(cards)
    }

    /// Whether the reply brings configuration that was asked for and is new.
    pub(super) fn is_configured_anew(
        &self,
        snap: &Snapshot<'_>,
        reply: &Reply<'_>,
    ) -> Result<bool, RepoError> {
        configuration::brings_news(snap, &reply.configs, &self.policy())
    }

    /// Merges the configuration of a reply without errors. What was not asked for is passed over.
    ///
    /// In a clone the peer decides how artifacts are named, as far as it says so.
    pub(super) fn take_configuration(&mut self, tx: &Tx<'_>, reply: &Reply<'_>) -> Result<(), RepoError> {
        let policy = self.policy();
        if self.configuring.state == State::Asked && matches!(self.goal, Goal::Clone(_)) {
            config::unset(tx, "hash-policy")?;
        }
        let Taken { changed, unusable, .. } = configuration::take(tx, &reply.configs, &policy)?;
        self.stats.config_received = changed;
        self.result.unusable_settings.extend(unusable);
        self.conclude_configuration();
        Ok(())
    }

    /// Notes that the reply to what was asked is in.
    pub(super) fn conclude_configuration(&mut self) {
        if self.configuring.state == State::Asked {
            self.configuring.state = State::Done;
        }
    }

    /// The first request of a session may; a clone only once it knows the project, which logins are made with.
    fn may_configure(&self) -> bool {
        match &self.goal {
            Goal::Clone(cloning) => {
                !matches!(cloning.phase, Phase::Batch { .. }) && !self.codes.project.is_empty()
            }
            Goal::Sync { .. } | Goal::Preview => true,
        }
    }

    /// What is taken of a reply. Who clones without a login gets no users, whatever the peer sends: an honest one
    /// has none for them.
    fn policy(&self) -> Policy {
        let asked = match self.configuring.state {
            State::Asked => self.configuring.pull.map_or(Groups::NONE, Groups::from),
            State::Due | State::Done => Groups::NONE,
        };
        let is_known = self.login == LoginState::Sent || matches!(self.goal, Goal::Sync { .. });
        let groups = if is_known { asked } else { asked.without(Group::User).without(Group::Subscriber) };
        Policy { groups, authority: Authority::full(), precedence: Precedence::Later }
    }
}
