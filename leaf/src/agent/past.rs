//! What was, for people who look: the last sessions, and how the lag of each peer went. All of it is bounded.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use repo::UnixTime;
use serde::Serialize;
use sync::client::now;

use super::board::{Board, Report};

/// Sessions that are remembered.
const SESSIONS: usize = 50;

/// Time between two looks at the lags.
pub(crate) const EVERY: Duration = Duration::from_secs(5);

/// Looks that are remembered: an hour of them.
const LOOKS: usize = 720;

/// Peers whose lag is remembered.
const PEERS: usize = 200;

/// What was, shared by who writes it and who shows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Past {
    inner: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The last one first.
    sessions: VecDeque<Session>,
    lags: BTreeMap<Line, VecDeque<Look>>,
}

/// A session that ended.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Session {
    #[serde(skip)]
    pub(crate) ended: UnixTime,
    pub(crate) repository: String,
    pub(crate) peer: String,
    /// Why it began.
    pub(crate) reason: &'static str,
    /// What kind of trouble it met, if it met any.
    pub(crate) class: Option<&'static str>,
    pub(crate) rounds: u32,
    pub(crate) artifacts_sent: u64,
    pub(crate) artifacts_received: u64,
    pub(crate) bytes: u64,
    pub(crate) milliseconds: u64,
    /// How many such sessions there were in a row.
    pub(crate) times: u64,
}

/// A repository and a peer of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) repository: String,
    pub(crate) peer: String,
}

/// How long ago the last good session was at a time; none: there was none yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) at: UnixTime,
    pub(crate) lag_seconds: Option<u64>,
}

impl Session {
    fn says_the_same_as(&self, other: &Self) -> bool {
        let moved = |session: &Self| session.artifacts_sent + session.artifacts_received > 0;
        self.class == other.class && !moved(self) && !moved(other)
    }
}

impl Past {
    /// Remembers a session.
    pub(crate) fn remember(&self, mut session: Session) {
        let mut state = self.lock();
        let of_line = |old: &Session| (&old.repository, &old.peer) == (&session.repository, &session.peer);
        if let Some(at) = state.sessions.iter().position(of_line)
            && state.sessions[at].says_the_same_as(&session)
        {
            session.times = state.sessions.remove(at).map_or(1, |old| old.times.saturating_add(1));
        }
        state.sessions.truncate(SESSIONS - 1);
        state.sessions.push_front(session);
    }

    /// The last sessions, the last one first. Of those in a row in which nothing moved and which ended in the same way
    /// there is only the last.
    pub(crate) fn sessions(&self) -> Vec<Session> {
        self.lock().sessions.iter().cloned().collect()
    }

    /// How the lag of each peer went.
    pub(crate) fn lags(&self) -> Vec<(Line, Vec<Look>)> {
        self.lock().lags.iter().map(|(line, looks)| (line.clone(), looks.iter().copied().collect())).collect()
    }

    /// Looks at the lags now and then, for as long as the leaf lives.
    pub(crate) async fn watch(self, board: Board) {
        let mut ticks = tokio::time::interval(EVERY);
        loop {
            ticks.tick().await;
            self.look(&board.report(), now());
        }
    }

    /// Writes down the lags of a report. Peers that are gone from it are forgotten.
    fn look(&self, report: &Report, at: UnixTime) {
        let mut state = self.lock();
        let mut old = std::mem::take(&mut state.lags);
        for repository in &report.repositories {
            for peer in &repository.peers {
                if state.lags.len() == PEERS {
                    return;
                }
                let line = Line { repository: repository.name.clone(), peer: peer.known.url.clone() };
                let mut looks = old.remove(&line).unwrap_or_default();
                if looks.len() == LOOKS {
                    looks.pop_front();
                }
                looks.push_back(Look { at, lag_seconds: peer.lag_seconds });
                state.lags.insert(line, looks);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(rounds: u32) -> Session {
        Session {
            ended: UnixTime(0),
            repository: "a".into(),
            peer: "b".into(),
            reason: "start",
            class: None,
            rounds,
            artifacts_sent: 0,
            artifacts_received: 0,
            bytes: 0,
            milliseconds: 1,
            times: 1,
        }
    }

    #[test]
    fn only_the_last_sessions_are_remembered_and_the_last_comes_first() {
        let past = Past::default();
        (0..200).for_each(|rounds| past.remember(Session { artifacts_sent: 1, ..session(rounds) }));
        let rounds: Vec<u32> = past.sessions().iter().map(|session| session.rounds).collect();
        assert_eq!(rounds, (150..200).rev().collect::<Vec<_>>());
    }

    #[test]
    fn sessions_in_which_nothing_moves_are_counted() {
        let past = Past::default();
        let other = |peer: &str, class| Session { peer: peer.into(), class, ..session(1) };
        for (peer, class) in [("b", None), ("c", None), ("b", None), ("c", Some("network")), ("b", None)] {
            past.remember(other(peer, class));
        }
        let seen: Vec<_> =
            past.sessions().iter().map(|one| (one.peer.clone(), one.class, one.times)).collect();
        let expected = [("b", None, 3), ("c", Some("network"), 1), ("c", None, 1)];
        assert_eq!(seen, expected.map(|(peer, class, times)| (peer.to_owned(), class, times)));
    }
}
