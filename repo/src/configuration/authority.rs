//! Who may bring and see what of users. An admin who may not set up must not become, or make, who may.

use super::{Kind, Record};
use crate::{RepoError, Snapshot, user};

/// On whose behalf records are taken in or given out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Authority {
    /// Capabilities that are beyond them.
    withheld: String,
}

impl Authority {
    /// Who may do everything: the owner of the file, a user with `s`.
    pub fn full() -> Self {
        Self::default()
    }

    /// Who may do everything but what these letters stand for.
    pub fn without(letters: &str) -> Self {
        Self { withheld: letters.to_owned() }
    }

    /// Whether a record changes nobody who may do more, and lets nobody do more.
    pub(super) fn covers(&self, snap: &Snapshot<'_>, record: &Record) -> Result<bool, RepoError> {
        if self.withheld.is_empty() || record.kind != Kind::User {
            return Ok(true);
        }
        let login = String::from_utf8_lossy(&record.key);
        let before = user::find(snap, &login)?.map(|user| user.capabilities).unwrap_or_default();
        let after = record.text("cap").unwrap_or_default();
        Ok(self.allows(snap, &before)? && self.allows(snap, &after)?)
    }

    /// Whether capabilities stay within those of this authority.
    pub(super) fn allows(&self, snap: &Snapshot<'_>, capabilities: &str) -> Result<bool, RepoError> {
        let rights = user::expand(snap, capabilities)?;
        Ok(!rights.contains(|letter| self.withheld.contains(letter)))
    }
}
