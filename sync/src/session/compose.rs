//! Requests (reference: wire.md sections 6.1 and 7).

use repo::{Repo, Snapshot, config, partial, wanted};
use xfer::card::{CloneRequest, Codes, Privacy};
use xfer::login::Secret;
use xfer::{Card, Login, Message, Pragma};

use super::cloning::Phase;
use super::{Goal, LoginState, Session, Step};
use crate::version::ADVERTISED;
use crate::{Cx, SyncError};

impl Session {
    pub(super) fn compose(&mut self, repo: &mut Repo, cx: &Cx<'_>) -> Result<Message, SyncError> {
        if self.step == Step::Fresh {
            self.prepare(&repo.snapshot()?, cx)?;
        }
        let mut cards = vec![Card::Pragma(Pragma::ClientVersion(ADVERTISED))];
        if self.options.private {
            cards.push(Card::Pragma(Pragma::SendPrivate));
        }
        cards.push(self.purpose());
        if self.options.verily && self.result.rounds == 1 && matches!(self.goal, Goal::Pull) {
            cards.push(Card::Pragma(Pragma::SendCatalog));
        }
        cards.extend(self.wanted.iter().copied().map(Card::Gimme));
        cards.push(Card::Comment(format!(" {}", self.nonces.next()).into()));
        self.stats.gimmes_sent = self.wanted.len() as u64;
        Ok(self.signed(Message { login: None, cards }))
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

    fn prepare(&mut self, snap: &Snapshot<'_>, cx: &Cx<'_>) -> Result<(), SyncError> {
        let server = config::server_code(snap)?.unwrap_or_else(|| "x".to_owned());
        let project = config::project_code(snap)?.unwrap_or_default();
        self.codes = Codes { server, project };
        let begun = partial::load(snap)?;
        match &mut self.goal {
            Goal::Pull if !self.options.pull => return Err(SyncError::NothingToDo),
            Goal::Pull if begun.is_some() => return Err(SyncError::UnfinishedClone),
            Goal::Pull if self.codes.project.is_empty() => return Err(SyncError::NoProject),
            Goal::Pull => {}
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
        self.wanted = wanted::phantoms(snap, self.deepest(), cx.limits.gimmes, |_| true)?;
        Ok(())
    }

    /// The card that says what the request is.
    fn purpose(&self) -> Card {
        match &self.goal {
            Goal::Pull => Card::Pull(self.codes.clone()),
            Goal::Clone(cloning) => match cloning.phase {
                Phase::Batch { seqno } => {
                    Card::Clone(CloneRequest::Batch { version: cloning.version, seqno })
                }
                Phase::Announce => Card::Clone(CloneRequest::Announce),
                Phase::Settle => Card::Pull(self.codes.clone()),
            },
        }
    }

    /// Logs in. The first round of a clone can not: the secret is made with the project code.
    fn signed(&mut self, mut message: Message) -> Message {
        self.login = LoginState::NotSent;
        let may = !self.codes.project.is_empty() || self.result.rounds > 1;
        let Some((user, password)) = self.credentials().filter(|_| may) else { return message };
        let secret = Secret::derive(&self.codes.project, user, password);
        message.login = Some(Login::sign(&message, user, &secret));
        self.login = LoginState::Sent;
        message
    }
}
