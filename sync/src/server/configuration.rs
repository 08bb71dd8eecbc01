//! Configuration that a request asks for, or brings (reference: wire.md section 11). Who may do what with it is
//! judged card by card, like everything else; what is not given or not taken is passed over without an error.

use repo::configuration::{self, Group, Groups, Policy, Precedence, Taken};
use repo::{RepoError, Snapshot, Tx};
use xfer::Card;
use xfer::card::Config;

use super::rights::{Right, Rights};

/// The part of a request that is about configuration.
#[derive(Default)]
pub(super) struct Configuration<'m> {
    asked: Groups,
    brought: Vec<&'m Config>,
}

impl<'m> Configuration<'m> {
    /// Takes a `reqconfig` card. Users are for admins, addresses for those who may see them.
    pub(super) fn ask(&mut self, name: &str, rights: &Rights) {
        let Some(group) = name.strip_prefix('/').and_then(Group::of_name) else { return };
        if !rights.allow(Right::Read) {
            return;
        }
        let mut groups = Groups::from(group);
        if !rights.allow(Right::Admin) {
            groups = groups.without(Group::User).without(Group::Subscriber);
        }
        if !rights.allow(Right::Addresses) {
            groups = groups.without(Group::Email);
        }
        self.asked = self.asked.with(groups);
    }

    /// Takes a `config` card of an admin.
    pub(super) fn bring(&mut self, config: &'m Config) {
        self.brought.push(config);
    }

    pub(super) fn brings_any(&self) -> bool {
        !self.brought.is_empty()
    }

    /// Whether [`Self::take_in`] would change anything.
    pub(super) fn brings_news(&self, snap: &Snapshot<'_>, rights: &Rights) -> Result<bool, RepoError> {
        configuration::brings_news(snap, &self.brought, &policy(rights))
    }

    /// Merges what is brought.
    pub(super) fn take_in(&self, tx: &Tx<'_>, rights: &Rights) -> Result<Taken, RepoError> {
        configuration::take(tx, &self.brought, &policy(rights))
    }

    /// What is asked for.
    pub(super) fn answer(&self, snap: &Snapshot<'_>, rights: &Rights) -> Result<Vec<Config>, RepoError> {
        if self.asked.is_empty() {
            return Ok(Vec::new());
        }
        configuration::export(snap, self.asked, &rights.authority())
    }
}

fn policy(rights: &Rights) -> Policy {
    Policy { groups: Group::All.into(), authority: rights.authority(), precedence: Precedence::Later }
}

/// What whoever brought records is told of those that could not be taken.
pub(super) fn remarks(taken: &Taken) -> impl Iterator<Item = Card> + '_ {
    let remark = |names: &[String], why: &str| {
        (!names.is_empty()).then(|| Card::Message(format!("not taken, {why}: {}", names.join(", "))))
    };
    let denied = remark(&taken.denied, "as only a user with capability s may set up such users");
    denied.into_iter().chain(remark(&taken.unusable, "as it can not be used"))
}
