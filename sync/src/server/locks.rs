//! Check-in locks (reference: wire.md section 5.6). Only who may push takes and gives up locks: stock asks nobody.

use repo::lock::{self, Lock};
use repo::{RepoError, Snapshot, Tx, UnixTime, config, user};
use xfer::{ArtifactId, Card, Pragma};

/// Locks that one request may ask for and give up. A commit takes one.
const MAX_STEPS: usize = 100;

/// Longest name of a checkout, in bytes. Stock's have 40 hex digits.
const MAX_CLIENT_BYTES: usize = 64;

/// What a request wants of locks.
#[derive(Debug, Default)]
pub(super) struct Locks<'m> {
    steps: Vec<Step<'m>>,
}

#[derive(Debug)]
enum Step<'m> {
    Acquire { checkin: ArtifactId, client: &'m str },
    Release { client: &'m str },
}

impl<'m> Locks<'m> {
    /// A commit onto `checkin` is about to be made.
    pub(super) fn acquire(&mut self, checkin: ArtifactId, client: &'m str) {
        self.step(client, Step::Acquire { checkin, client });
    }

    /// It was made, or will not be.
    pub(super) fn release(&mut self, client: &'m str) {
        self.step(client, Step::Release { client });
    }

    fn step(&mut self, client: &str, step: Step<'m>) {
        if client.len() <= MAX_CLIENT_BYTES && self.steps.len() < MAX_STEPS {
            self.steps.push(step);
        }
    }

    /// Whether [`Locks::settle`] would change anything. Stock checkouts give up their locks at every turn.
    pub(super) fn brings_news(
        &self,
        snap: &Snapshot<'_>,
        login: Option<&str>,
        now: UnixTime,
    ) -> Result<bool, RepoError> {
        for step in &self.steps {
            let news = match *step {
                Step::Acquire { checkin, client } => lock::is_free(snap, &wish(checkin, client, login, now))?,
                Step::Release { client } => lock::is_held_by(snap, client)?,
            };
            if news {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes and gives up locks.
    pub(super) fn settle(&self, tx: &Tx<'_>, login: Option<&str>, now: UnixTime) -> Result<(), RepoError> {
        self.steps.iter().try_for_each(|step| match *step {
            Step::Acquire { checkin, client } => lock::acquire(tx, &wish(checkin, client, login, now)),
            Step::Release { client } => lock::release(tx, client),
        })
    }

    /// Tells whose locks stand in the way, and what a commit should not be. Of a lock that nobody with a name
    /// holds `nobody` is told: stock clients pass over a card without a name.
    pub(super) fn answer(&self, snap: &Snapshot<'_>, now: UnixTime) -> Result<Vec<Card>, RepoError> {
        let mut cards = Vec::new();
        let acquire = |step: &Step<'m>| match *step {
            Step::Acquire { checkin, client } => Some((checkin, client)),
            Step::Release { .. } => None,
        };
        for (checkin, client) in self.steps.iter().filter_map(acquire) {
            if let Some(lock) = lock::on(snap, &checkin, now)?.filter(|lock| lock.client != client) {
                let user = lock.login.unwrap_or_else(|| user::NOBODY.to_owned());
                cards.push(Card::Pragma(Pragma::CiLockFail { user, since: lock.since.seconds() }));
            }
        }
        let asked = self.steps.iter().any(|step| acquire(step).is_some());
        if asked && config::switch(snap, "forbid-delta-manifests")? == Some(true) {
            cards.push(Card::Pragma(Pragma::AvoidDeltaManifests));
        }
        Ok(cards)
    }
}

fn wish(checkin: ArtifactId, client: &str, login: Option<&str>, now: UnixTime) -> Lock {
    Lock { checkin, login: login.map(str::to_owned), client: client.to_owned(), since: now }
}
