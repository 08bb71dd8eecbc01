//! The guard of a server: in memory, bounded, without a clock of its own.
//!
//! Failures are counted by address and by user. After five, a login of that address or user is not checked for a
//! second, after each further failure for twice as long: 64 seconds at most for an address, 4 for a user. A
//! quarter of an hour without a failure, and they are forgotten. What is not checked does not count, so nobody
//! makes another wait longer by asking more often.
//!
//! A stranger must not lock a user out. So the wait of a user is short, much shorter than that of the stranger's
//! address; and where a user logged in from an address within a day, neither counts there, until a login of this
//! user fails from there. An address that keeps failing earns no such trust.
//!
//! A loopback address is not counted: as a rule it is a web server before us, which stands for everyone. An IPv6
//! address counts as its /64 network, which one host may have all of.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use repo::UnixTime;
use xfer::{ArtifactId, hash};

use super::{Admission, Attempt, Freshness, Guard};

/// Failures that cost nothing.
const FREE_FAILURES: u32 = 5;

/// Longest wait of an address, in milliseconds.
const ADDRESS_WAIT_MS: i64 = 64_000;

/// Longest wait of a user.
const USER_WAIT_MS: i64 = 4_000;

/// Failures older than this are forgotten.
const FORGET_MS: i64 = 15 * 60_000;

/// How long a user is known at an address.
const TRUST_MS: i64 = 24 * 3_600_000;

/// How long a request is known.
const ANSWERED_MS: i64 = 24 * 3_600_000;

/// Addresses and users whose failures are kept, and pairs of them that are trusted. The oldest go first.
const KEPT: usize = 10_000;

/// Requests that are kept. About 100 bytes each.
const ANSWERED: usize = 65_536;

/// Slows down who guesses passwords, and refuses signed requests that come again. Shared by all that serve.
#[derive(Debug, Default)]
pub struct Doorkeeper {
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    failures: BTreeMap<ArtifactId, Failures>,
    /// Users and addresses they logged in from: when last.
    trusted: BTreeMap<ArtifactId, UnixTime>,
    answered: BTreeMap<ArtifactId, UnixTime>,
    /// The same, oldest first.
    order: VecDeque<ArtifactId>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: UnixTime,
    /// When a login was admitted whose outcome is not known.
    turn: Option<UnixTime>,
}

/// What failures of a login are counted under.
struct Keys {
    user: ArtifactId,
    address: Option<ArtifactId>,
    pair: Option<ArtifactId>,
}

impl Guard for Doorkeeper {
    fn admit(&self, attempt: &Attempt<'_>) -> Admission {
        let (keys, mut book, now) = (Keys::of(attempt), self.book(), attempt.now);
        let is_trusted = |pair| book.trusted.get(pair).is_some_and(|&since| age(since, now) < TRUST_MS);
        if keys.pair.as_ref().is_some_and(is_trusted) {
            return Admission::Granted;
        }
        let address = keys.address.map_or(0, |address| book.wait_ms(&address, ADDRESS_WAIT_MS, now));
        match address.max(book.wait_ms(&keys.user, USER_WAIT_MS, now)) {
            0 => {
                book.set_turn(&keys, Some(now));
                Admission::Granted
            }
            wait => Admission::Wait { seconds: wait.unsigned_abs().div_ceil(1000) },
        }
    }

    fn failed(&self, attempt: &Attempt<'_>) {
        let (keys, mut book) = (Keys::of(attempt), self.book());
        if let Some(pair) = keys.pair {
            book.trusted.remove(&pair);
        }
        for key in keys.address.into_iter().chain([keys.user]) {
            book.count(key, attempt.now);
        }
    }

    fn proved(&self, attempt: &Attempt<'_>) -> Freshness {
        let (keys, mut book, now) = (Keys::of(attempt), self.book(), attempt.now);
        if !book.answer(hash::sha1(format!("{} {}", attempt.nonce, attempt.user).as_bytes()), now) {
            return Freshness::Again;
        }
        book.set_turn(&keys, None);
        let is_quiet = keys.address.is_some_and(|address| book.failures_of(&address, now) < FREE_FAILURES);
        if let Some(pair) = keys.pair.filter(|_| is_quiet) {
            keep(&mut book.trusted, pair, now, TRUST_MS, now, |&since| since);
        }
        Freshness::First
    }
}

impl Doorkeeper {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn failures_of(&self, key: &ArtifactId, now: UnixTime) -> u32 {
        let recent = self.failures.get(key).filter(|failures| age(failures.last, now) < FORGET_MS);
        recent.map_or(0, |failures| failures.count)
    }

    /// How long a login under `key` still waits.
    fn wait_ms(&self, key: &ArtifactId, longest: i64, now: UnixTime) -> i64 {
        let Some(failures) = self.failures.get(key) else { return 0 };
        let Some(doublings) = self.failures_of(key, now).checked_sub(FREE_FAILURES) else { return 0 };
        let wait = (1000 << doublings.min(16)).min(longest);
        (wait - age(failures.turn.unwrap_or(failures.last), now)).max(0)
    }

    /// Sets the turn of a login: those that come while its outcome is not known wait as if it had failed.
    fn set_turn(&mut self, keys: &Keys, turn: Option<UnixTime>) {
        for key in keys.address.iter().chain([&keys.user]) {
            if let Some(failures) = self.failures.get_mut(key) {
                failures.turn = turn;
            }
        }
    }

    fn count(&mut self, key: ArtifactId, now: UnixTime) {
        let count = self.failures_of(&key, now).saturating_add(1);
        let failures = Failures { count, last: now, turn: None };
        keep(&mut self.failures, key, failures, FORGET_MS, now, |failures| failures.last);
    }

    /// Notes a request. Says whether it is the first of its kind.
    fn answer(&mut self, request: ArtifactId, now: UnixTime) -> bool {
        while let Some(oldest) = self.order.front() {
            let is_old = self.answered.get(oldest).is_none_or(|&since| age(since, now) >= ANSWERED_MS);
            if !is_old && self.order.len() < ANSWERED {
                break;
            }
            self.answered.remove(oldest);
            self.order.pop_front();
        }
        if self.answered.contains_key(&request) {
            return false;
        }
        self.answered.insert(request, now);
        self.order.push_back(request);
        true
    }
}

/// Enters something. If there are too many, what is too old goes; if that was nothing, the oldest.
fn keep<T>(
    map: &mut BTreeMap<ArtifactId, T>,
    key: ArtifactId,
    entry: T,
    life_ms: i64,
    now: UnixTime,
    time: impl Fn(&T) -> UnixTime,
) {
    map.insert(key, entry);
    if map.len() <= KEPT {
        return;
    }
    map.retain(|_, entry| age(time(entry), now) < life_ms);
    if map.len() <= KEPT {
        return;
    }
    let oldest = map.iter().min_by_key(|(_, entry)| time(entry)).map(|(key, _)| *key);
    oldest.and_then(|key| map.remove(&key));
}

/// In milliseconds; 0 if the clock was set back meanwhile.
fn age(since: UnixTime, now: UnixTime) -> i64 {
    now.0.saturating_sub(since.0).max(0)
}

impl Keys {
    fn of(attempt: &Attempt<'_>) -> Self {
        let user = format!("{}/{}", attempt.project, attempt.user);
        let address = attempt.peer.and_then(network);
        let key = |text: String| hash::sha1(text.as_bytes());
        Self {
            pair: address.as_ref().map(|address| key(format!("pair {address} {user}"))),
            address: address.map(|address| key(format!("address {address}"))),
            user: key(format!("user {user}")),
        }
    }
}

/// What failures of an address are counted under; none if it stands for everyone, or is no address.
fn network(peer: &str) -> Option<String> {
    match peer.parse::<IpAddr>().ok()?.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V4(address) => Some(address.to_string()),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Some(format!("{a:x}:{b:x}:{c:x}:{d:x}::/64"))
        }
    }
}

#[cfg(test)]
mod tests;
