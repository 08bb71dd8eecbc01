//! Check-in locks: a lock is told of truly, only who asks and may push gets one, and no second one gets it before the
//! first gave it up, was succeeded or ran out of time.

use repo::UnixTime;
use xfer::{Card, Message, Pragma};

use crate::beside::locks::{Lock, Locks};
use crate::model::Violation;
use crate::rights::{Letters, Right};

/// One request, as a server saw it.
pub struct Handled<'a> {
    /// What the server had before.
    pub before: &'a Locks,
    /// What it has now.
    pub now: &'a Locks,
    /// What was asked.
    pub request: &'a Message,
    /// What was answered.
    pub reply: &'a Message,
    /// What the client's user may do.
    pub letters: &'a Letters,
    /// Who logged in.
    pub user: Option<&'a str>,
    /// The clock of the server.
    pub time: UnixTime,
}

/// Nothing but a request changes locks.
pub fn check_still(before: &Locks, now: &Locks) -> Result<(), Violation> {
    if before.held == now.held {
        return Ok(());
    }
    fail(format!("locks changed, and nobody asked: {:?}, {:?}", before.held, now.held))
}

impl Handled<'_> {
    /// Looks at what became of the locks, and at what is told of them.
    pub fn check(&self) -> Result<(), Violation> {
        let checkins = self.before.held.keys().chain(self.now.held.keys());
        for checkin in checkins {
            let (held, holds) = (self.before.held.get(checkin), self.now.held.get(checkin));
            if held == holds {
                continue;
            }
            if let Some(held) = held
                && !self.is_over(checkin, held)
            {
                return fail(format!("{held:?} on {checkin} held, and gave way to {holds:?}"));
            }
            if let Some(lock) = holds
                && !self.is_asked(checkin, lock)
            {
                return fail(format!("{lock:?} on {checkin}, and nobody who may asked for it"));
            }
        }
        let is_refused = self.reply.cards.iter().any(|card| matches!(card, Card::Error(_)));
        if is_refused { Ok(()) } else { self.check_answer() }
    }

    /// What the census calls what became of locks: each kind once.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        let (before, now) = (&self.before.held, &self.now.held);
        let got = now.iter().any(|(checkin, lock)| before.get(checkin) != Some(lock));
        let given_up = before.iter().any(|(checkin, lock)| !now.contains_key(checkin) && self.gives_up(lock));
        [got.then_some("lock got"), given_up.then_some("lock given up")].into_iter().flatten()
    }

    /// Whether a lock ended, or was given up.
    fn is_over(&self, checkin: &str, lock: &Lock) -> bool {
        self.before.on(checkin, self.time).is_none()
            || self.now.succeeded.contains(checkin)
            || self.gives_up(lock)
    }

    /// Whether a lock is given up by who may.
    fn gives_up(&self, lock: &Lock) -> bool {
        let given_up =
            |card: &Card| matches!(card, Card::Pragma(Pragma::CiUnlock { client }) if *client == lock.client);
        self.letters.allow(Right::Write) && self.request.cards.iter().any(given_up)
    }

    fn is_asked(&self, checkin: &str, lock: &Lock) -> bool {
        let asks = self.asked().any(|(wanted, client)| wanted == checkin && *client == lock.client);
        asks && lock.login.as_deref() == self.user && lock.since == self.time.seconds()
    }

    /// What is asked for by who may.
    fn asked(&self) -> impl Iterator<Item = (String, &String)> {
        let may = self.letters.allow(Right::Write);
        self.request.cards.iter().filter(move |_| may).filter_map(|card| match card {
            Card::Pragma(Pragma::CiLock { checkin, client }) => Some((checkin.to_string(), client)),
            _ => None,
        })
    }

    fn check_answer(&self) -> Result<(), Violation> {
        let told = self.reply.cards.iter().filter_map(|card| match card {
            Card::Pragma(Pragma::CiLockFail { user, since }) => Some((user.clone(), *since)),
            _ => None,
        });
        let told: Vec<_> = told.collect();
        let mut truth = Vec::new();
        for (checkin, client) in self.asked() {
            match self.now.on(&checkin, self.time) {
                Some(lock) if lock.client == *client => {}
                Some(lock) => {
                    let user = lock.login.clone().unwrap_or_else(|| "nobody".to_owned());
                    truth.push((user, lock.since));
                }
                None if self.now.succeeded.contains(&checkin) || self.now.timeout <= 0 => {}
                None => return fail(format!("{client} asked for {checkin}, and nobody holds it")),
            }
        }
        if told == truth {
            Ok(())
        } else {
            fail(format!("locks of {truth:?} stand in the way, told are {told:?}"))
        }
    }
}

fn fail(text: String) -> Result<(), Violation> {
    Err(Violation::new("locks", text))
}
