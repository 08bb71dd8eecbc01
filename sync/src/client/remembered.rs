//! What a repository keeps for the next sync: with whom, and as whom. Stock reads and writes the same.

use repo::{Repo, RepoError, Snapshot, UnixTime, config};
use xfer::login::Secret;

use super::obscured::{obscure, reveal};
use crate::{SyncOptions, Transport};

/// Where the address of the last sync is kept, with its user and without the password.
const URL: &str = "last-sync-url";

/// Where the password of that user is kept, obscured.
const PASSWORD: &str = "last-sync-pw";

/// What a repository is to know of a session, for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Remember {
    /// The address, as stock does: config `last-sync-url`.
    #[default]
    Address,
    /// The address and the login: config `last-sync-pw` too.
    Login {
        /// Any byte. It makes the obscured forms of one password differ.
        salt: u8,
    },
    /// Nothing: this once only.
    No,
}

/// The address that a repository was last synchronized with, if it was told to remember.
pub fn remembered_url(snap: &Snapshot<'_>) -> Result<Option<String>, RepoError> {
    let url = config::get(snap, URL)?;
    Ok(url.filter(|url| url != "off"))
}

/// The password kept for the user of [`remembered_url`], or the secret made of it, which does as well.
pub fn remembered_password(repo: &mut Repo) -> Result<Option<String>, RepoError> {
    let kept = config::get(&repo.snapshot()?, PASSWORD)?;
    Ok(kept.and_then(|kept| reveal(&kept)))
}

/// Keeps what `remember` says of a session that went well. Writes only what changes.
///
/// What is kept of the password is the secret made of it, as stock does when it pulls: it opens this project
/// alone.
pub(super) fn store<T: Transport>(
    repo: &mut Repo,
    transport: &T,
    session: &SyncOptions,
    remember: Remember,
    now: UnixTime,
) -> Result<(), RepoError> {
    let salt = match remember {
        Remember::No => return Ok(()),
        Remember::Address => None,
        Remember::Login { salt } => Some(salt),
    };
    let Some(url) = transport.lasting_url() else { return Ok(()) };
    let snap = repo.snapshot()?;
    let is_known = config::get(&snap, URL)?.as_deref() == Some(&url);
    let project = config::project_code(&snap)?.unwrap_or_default();
    let kept = config::get(&snap, PASSWORD)?.and_then(|kept| reveal(&kept)).filter(|_| is_known);
    drop(snap);
    let secret = |(user, password): (&String, &String)| Secret::derive(&project, user, password);
    let login = salt.zip(session.user.as_ref().zip(session.password.as_ref()).map(secret));
    let login = login.filter(|(_, secret)| kept.as_deref() != Some(secret.expose()));
    if is_known && login.is_none() {
        return Ok(());
    }
    let tx = repo.begin()?;
    config::set(&tx, URL, &url, now)?;
    match login {
        Some((salt, secret)) => config::set(&tx, PASSWORD, &obscure(secret.expose(), salt), now)?,
        // The password kept so far belongs to the old address.
        None => config::unset(&tx, PASSWORD)?,
    }
    tx.commit()
}

#[cfg(test)]
mod tests {
    use xfer::body::Body;

    use super::*;
    use crate::TransportError;
    use crate::testing::{PROJECT, genesis};

    struct At(&'static str);

    impl Transport for At {
        async fn exchange(&mut self, _: Body) -> Result<Body, TransportError> {
            Err(TransportError::Exhausted)
        }

        fn lasting_url(&self) -> Option<String> {
            Some(self.0.to_owned())
        }
    }

    fn login(user: &str, password: &str) -> SyncOptions {
        SyncOptions {
            user: Some(user.to_owned()),
            password: Some(password.to_owned()),
            ..SyncOptions::default()
        }
    }

    const BOB: &str = "http://bob@h/";
    const SALT: Remember = Remember::Login { salt: 7 };

    #[test]
    fn what_is_kept_follows_the_last_address_and_the_last_password_that_was_given() {
        let mut repo = Repo::in_memory(&genesis()).unwrap();
        let of = |user: &str, password| Some(Secret::derive(PROJECT, user, password).expose().to_owned());
        let steps = [
            (At(BOB), login("bob", "pw"), Remember::No, None, None),
            (At(BOB), login("bob", "pw"), Remember::Address, Some(BOB), None),
            (At(BOB), login("bob", "pw"), SALT, Some(BOB), of("bob", "pw")),
            (At(BOB), login("bob", "other"), Remember::Address, Some(BOB), of("bob", "pw")),
            (At(BOB), SyncOptions::default(), SALT, Some(BOB), of("bob", "pw")),
            (At(BOB), login("bob", "new"), SALT, Some(BOB), of("bob", "new")),
            (At("http://al@h/"), login("al", "pw"), SALT, Some("http://al@h/"), of("al", "pw")),
            (At("http://h/"), SyncOptions::default(), Remember::No, Some("http://al@h/"), of("al", "pw")),
            (At("http://h/"), SyncOptions::default(), SALT, Some("http://h/"), None),
        ];
        for (number, (at, session, remember, url, password)) in steps.into_iter().enumerate() {
            store(&mut repo, &at, &session, remember, UnixTime(0)).unwrap();
            assert_eq!(remembered_url(&repo.snapshot().unwrap()).unwrap().as_deref(), url, "step {number}");
            assert_eq!(remembered_password(&mut repo).unwrap(), password, "step {number}");
        }
    }

    #[test]
    fn the_password_itself_is_not_in_the_file() {
        let mut repo = Repo::in_memory(&genesis()).unwrap();
        store(&mut repo, &At(BOB), &login("bob", "correct horse"), SALT, UnixTime(0)).unwrap();
        let kept = config::get(&repo.snapshot().unwrap(), PASSWORD).unwrap().unwrap();
        assert!(kept.starts_with("07") && kept.len() == 82, "{kept}");
        assert_ne!(remembered_password(&mut repo).unwrap().as_deref(), Some("correct horse"));
    }
}
