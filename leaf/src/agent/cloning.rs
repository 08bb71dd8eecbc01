//! A repository that is not there is cloned from its peers.

use std::fs;
use std::time::Duration;

use repo::user;
use sync::client::{self, ClientError, CloneOptions, FileError, Guest, Remember, Setting, work_file};
use sync::http::Password;
use sync::schedule::{Action, Outcome, Pace, Schedule, Wake};
use telemetry::within;
use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tokio::time::sleep_until;

use super::board::{Condition, Trouble};
use super::config::{Address, Peer, Secret};
use super::session::{self, Errand};
use super::wire::Wire;
use crate::chance;
use crate::cli::{first_user, first_user_but};
use crate::exit::{Code, Failure, from_io};
use crate::measure;

/// Tries with one peer that is reached badly before the next peer gets its turn, which has to begin anew.
const TRIES: u32 = 3;

impl Errand {
    /// Clones until the file is there, or the leaf is to stop. Peers get their turns in the order of the
    /// configuration; between two rounds of turns the waits grow. Says whether the file is there.
    pub(crate) async fn clone_until_there(&self, wakes: &mut mpsc::Receiver<Wake>, seed: u64) -> bool {
        let pace = Pace { interval: None, ..Pace::default() };
        let mut schedule = Schedule::new(vec![pace], seed, self.clock.now());
        let mut wake = Wake::Tick;
        while !self.repository.file.exists() {
            let begins = schedule
                .on(wake, self.clock.now())
                .iter()
                .any(|action| matches!(action, Action::Begin { .. }));
            if begins {
                let done = tokio::select! {
                    done = self.clone_from_any() => done,
                    () = self.stop.wait() => return false,
                };
                if done {
                    return true;
                }
                wake = Wake::Ended { peer: 0, outcome: Outcome::Failed };
                continue;
            }
            let deadline = schedule.next_deadline().unwrap_or(self.clock.now() + Duration::from_secs(1));
            wake = tokio::select! {
                () = sleep_until(self.clock.instant(deadline)) => Wake::Tick,
                Some(wake) = wakes.recv() => match wake {
                    // Which peer is meant makes no difference: all get their turns.
                    Wake::SyncNow(_) => Wake::SyncNow(None),
                    Wake::NetworkReturned => Wake::NetworkReturned,
                    _ => Wake::Tick,
                },
                () = self.stop.wait() => return false,
            };
        }
        true
    }

    async fn clone_from_any(&self) -> bool {
        let name = &self.repository.name;
        self.board.note(name, |known| known.state = Condition::Cloning);
        if self.repository.peers.is_empty() {
            self.clone_failed(&Failure::new(
                Code::NoRepository,
                format!("{}: is not there, and no peer to clone it from", self.repository.file.display()),
                "make it with `frond new`, or give a peer",
            ));
        }
        for peer in &self.repository.peers {
            for _ in 0..TRIES {
                match self.clone_from(peer).await {
                    Ok(()) => {
                        tracing::info!(repository = name, peer = %peer.address, "cloned");
                        self.board.note(name, |known| known.error = None);
                        return true;
                    }
                    Err(failure) => {
                        self.clone_failed(&failure);
                        if failure.code != Code::Network || !self.has_begun() {
                            break;
                        }
                    }
                }
            }
        }
        false
    }

    fn clone_failed(&self, failure: &Failure) {
        let trouble = Trouble::from(failure);
        self.board.note(&self.repository.name, |known| {
            if known.error.as_ref() != Some(&trouble) {
                tracing::warn!(
                    repository = known.name,
                    "cannot be cloned yet: {}; {}",
                    trouble.message,
                    trouble.hint
                );
            }
            known.error = Some(trouble);
        });
    }

    /// Whether there is something that a further try goes on from.
    fn has_begun(&self) -> bool {
        work_file(&self.repository.file).is_some_and(|file| file.exists())
    }

    async fn clone_from(&self, peer: &Peer) -> Result<(), Failure> {
        match self.try_clone(peer).await? {
            // What an earlier peer gave does not help here, and that peer had its turn.
            Err(ClientError::File(FileError::OtherSource { file, .. })) => {
                block_in_place(|| fs::remove_file(&file)).map_err(|error| from_io(&file, &error))?;
                Ok(self.try_clone(peer).await??)
            }
            // It came to be there meanwhile: whoever made it did our work.
            Err(ClientError::File(FileError::Exists(_))) => Ok(()),
            other => Ok(other?),
        }
    }

    async fn try_clone(&self, peer: &Peer) -> Result<Result<(), ClientError>, Failure> {
        let address = peer.address.to_string();
        let prepared = self.prepare(peer).inspect_err(|failure| {
            measure::unbegun(&self.repository.name, &address, peer.address.place(), "clone", failure);
        });
        let (mut wire, options) = prepared?;
        let mut setting = Setting::new()?;
        let (observer, span) = measure::session(&self.repository.name, &address, peer.address.place());
        setting.observer = observer;
        let cloned = client::clone(&self.repository.file, &mut wire, options, &mut setting);
        match within(span, cloned).await {
            Err(error @ ClientError::Sync(_)) => Err(session::told_of_login(error.into(), peer, wire.peer())),
            other => Ok(other.map(drop)),
        }
    }

    fn prepare(&self, peer: &Peer) -> Result<(Wire, CloneOptions), Failure> {
        let meeting = self.meeting.as_deref().map(|meeting| (meeting, None));
        let wire = Wire::new(peer, &self.http, None, meeting, self.stop.clone(), &self.rates)?;
        let password: Option<&Password> = match &peer.password {
            Secret::Found { password, .. } => Some(password),
            Secret::None => None,
        };
        if password.is_none() && session::needs_password(peer) {
            return Err(session::no_password(&peer.address));
        }
        let (login, password) = wire.login(peer, password);
        let guest = guest(&self.repository.peers);
        let admin = self.first_user(guest.as_ref(), login.as_deref())?;
        let options = CloneOptions {
            session: sync::SyncOptions {
                user: login,
                password,
                push: false,
                pull: true,
                ..session::options(peer)
            },
            source: match &peer.address {
                Address::Remote(remote) => remote.source(),
                Address::File(_) | Address::Meeting { .. } => peer.address.to_string(),
            },
            remember: Remember::No,
            server: chance::code()?,
            admin,
            // Nobody is told: who wants to log in sets one.
            admin_password: chance::password()?,
            guest,
            ..CloneOptions::default()
        };
        Ok((wire, options))
    }

    /// Who is the first user of the new file: never the one as whom all leaves log in to each other, who would
    /// get every right.
    fn first_user(&self, guest: Option<&Guest>, login: Option<&str>) -> Result<String, Failure> {
        let wanted = self.repository.admin_user.as_deref();
        let shared = guest.map(|guest| guest.login.as_str());
        if wanted.is_some() && wanted == shared {
            let what = format!(
                "admin-user {:?} is nats-login too: every leaf would have all rights here",
                wanted.unwrap_or_default()
            );
            return Err(Failure::new(Code::Usage, what, "name another admin-user, or leave it out"));
        }
        let of_peer = login.filter(|user| !user::is_special(user));
        match (wanted.or(of_peer.filter(|user| Some(*user) != shared)), shared) {
            (None, Some(shared)) => first_user(Some(first_user_but(shared))),
            (user, _) => first_user(user.map(str::to_owned)),
        }
    }
}

/// Who logs in to this copy from the others at the broker: as this leaf logs in to theirs.
fn guest(peers: &[Peer]) -> Option<Guest> {
    let peer = peers.iter().find(|peer| matches!(peer.address, Address::Meeting { .. }))?;
    let Secret::Found { password: Password(password), .. } = &peer.password else { return None };
    let login = peer.address.user().filter(|user| !user::is_special(user))?;
    let more = [(peer.private, 'x'), (peer.unversioned, 'y')];
    let more = more.into_iter().filter_map(|(is_wanted, letter)| is_wanted.then_some(letter));
    let capabilities = "gio".chars().chain(more).collect();
    Some(Guest { login: login.to_owned(), password: password.clone(), capabilities })
}
