//! Who may do what in one request (reference: wire.md sections 4.1, 4.3 and 4.5).

use repo::configuration::Authority;
use repo::{RepoError, Snapshot, config, user};
use xfer::Login;
use xfer::login::Secret;

/// What a request may do.
#[derive(Debug, Clone, Default)]
pub(super) struct Rights {
    letters: String,
}

/// Who logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Visitor {
    /// Row of the user; 0 for who gave a name that everybody may give.
    pub(super) uid: i64,
}

impl Visitor {
    /// Whether a secret was shown.
    pub(super) fn is_known(self) -> bool {
        self.uid != 0
    }
}

/// What sync asks a capability for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    Clone,
    Read,
    Write,
    Private,
    WriteUnversioned,
    /// To see the addresses that tickets hide.
    Addresses,
    Admin,
}

impl Rights {
    /// What everybody may do.
    pub(super) fn of_nobody(snap: &Snapshot<'_>) -> Result<Self, RepoError> {
        let mut rights = Self::default();
        if let Some(nobody) = user::find(snap, user::NOBODY)? {
            rights.add(snap, &nobody.capabilities)?;
        }
        Ok(rights)
    }

    /// Adds what the user of `login` may do. None if the login is not good.
    pub(super) fn log_in(
        &mut self,
        snap: &Snapshot<'_>,
        login: &Login,
    ) -> Result<Option<Visitor>, RepoError> {
        if !login.covers_message() {
            return Ok(None);
        }
        if !needs_secret(login) {
            return Ok(Some(Visitor { uid: 0 }));
        }
        if [user::DEVELOPER, user::READER].contains(&login.user.as_str()) {
            return Ok(None);
        }
        let Some(user) = user::find(snap, &login.user)? else { return Ok(None) };
        if !is_signed(snap, login, &user.password)? {
            return Ok(None);
        }
        self.add(snap, &user.capabilities)?;
        Ok(Some(Visitor { uid: user.uid }))
    }

    /// Whether a request may do something. `a` and `s` stand for everything but private
    /// artifacts and unversioned files.
    pub(super) fn allow(&self, right: Right) -> bool {
        let any_of = |letters: &str| self.letters.contains(|letter| letters.contains(letter));
        match right {
            Right::Clone => any_of("gas"),
            Right::Read => any_of("oias"),
            Right::Write => any_of("ias"),
            Right::Private => any_of("x"),
            Right::WriteUnversioned => any_of("y"),
            Right::Addresses => any_of("eas"),
            Right::Admin => any_of("as"),
        }
    }

    /// What an admin may do with users: who may not set up neither makes nor changes who may, and passes on only
    /// those rights that an admin lacks which are their own.
    pub(super) fn authority(&self) -> Authority {
        if self.letters.contains('s') {
            return Authority::full();
        }
        let withheld: String = "sxy".chars().filter(|&letter| !self.letters.contains(letter)).collect();
        Authority::without(&withheld)
    }

    fn add(&mut self, snap: &Snapshot<'_>, letters: &str) -> Result<(), RepoError> {
        self.letters.push_str(&user::expand(snap, letters)?);
        Ok(())
    }
}

/// Whether a login is good only with the secret of its user.
pub(super) fn needs_secret(login: &Login) -> bool {
    ![user::NOBODY, user::ANONYMOUS].contains(&login.user.as_str())
}

/// A password in clear is good for both forms of the secret; an empty one for none.
fn is_signed(snap: &Snapshot<'_>, login: &Login, stored: &str) -> Result<bool, RepoError> {
    if stored.is_empty() {
        return Ok(false);
    }
    if login.is_signed_with(&Secret::stored(stored)) {
        return Ok(true);
    }
    if stored.len() == 40 {
        return Ok(false);
    }
    let project = config::project_code(snap)?.unwrap_or_default();
    Ok(login.is_signed_with(&Secret::derive(&project, &login.user, stored)))
}
