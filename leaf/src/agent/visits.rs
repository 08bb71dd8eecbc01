//! A session at the meeting: with each peer that announced something, or else with whoever answers. One after another,
//! since the first brings as a rule what the others would; but nobody waits for a peer that is silent.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sync::nats::{News, PeerId};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{Instant, sleep_until};

use super::meeting::Meeting;
use super::session::{self, End, Errand, Tally};
use crate::exit::{Code, Failure};

/// Sessions at once.
const MOST: usize = 4;

/// When no round ends for so long, a session with whoever answers begins beside.
const SILENCE: Duration = Duration::from_secs(5);

/// When the last session began so long ago, one for news of another peer begins beside, however busy it is.
const TURN: Duration = Duration::from_secs(1);

/// Sessions with peers at the meeting, and what they came to so far.
struct Visits {
    errand: Errand,
    meeting: Arc<Meeting>,
    peer: usize,
    tally: Tally,
    under_way: JoinSet<Visit>,
    /// Who is asked by name just now.
    asked: BTreeSet<PeerId>,
    /// Rounds that had ended when that was looked at last, and since when it is so.
    rounds: (u32, Instant),
    /// When the last session began.
    begun: Instant,
    anyone: Anyone,
    /// News that nobody could be asked for whom they name.
    absent: Vec<News>,
    /// News of peers that are asked just now.
    waiting: Vec<News>,
    /// News that are to be tried again.
    again: Vec<News>,
    has_received: bool,
    /// What fails this session of the leaf.
    failure: Option<Failure>,
    /// What is to be told, and does not.
    trouble: Option<Failure>,
    is_over: bool,
    is_stopped: bool,
}

/// Whether whoever answers was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anyone {
    NeedNot,
    /// Who was asked by name did not give what it announced: others may have it.
    Should,
    Asked,
    /// And gave what it had.
    Answered,
}

/// A session that ended, and what it was for; none: for whatever is new.
struct Visit {
    news: Option<News>,
    end: Result<End, Failure>,
}

impl Errand {
    /// Runs such a session.
    pub(super) async fn visit(
        &self,
        meeting: &Arc<Meeting>,
        peer: usize,
        tally: &Tally,
    ) -> Result<End, Failure> {
        let opened = block_in_place(|| session::open(&self.repository));
        let mut repo =
            opened.inspect_err(|failure| self.tell_unbegun(&self.repository.peers[peer], failure))?;
        let mut visits = Visits::new(self.clone(), Arc::clone(meeting), peer, tally.clone());
        let first = block_in_place(|| meeting.next_heard(&mut repo));
        visits.begin(first);
        loop {
            if let Some(next) = block_in_place(|| visits.next(&mut repo)) {
                visits.begin(next);
                continue;
            }
            if visits.under_way.is_empty() {
                return visits.end();
            }
            let has_room = visits.under_way.len() < MOST && !visits.is_over;
            let (silent, is_silent) = (visits.rounds.1 + SILENCE, visits.is_silent());
            let (turn, is_turn) = (visits.begun + TURN, visits.is_turn());
            tokio::select! {
                Some(ended) = visits.under_way.join_next() => visits.ended(ended),
                () = sleep_until(silent), if has_room && !is_silent => {}
                () = sleep_until(turn), if has_room && !is_turn => {}
                () = meeting.hears(), if has_room && is_turn => {}
            }
        }
    }
}

impl Visits {
    fn new(errand: Errand, meeting: Arc<Meeting>, peer: usize, tally: Tally) -> Self {
        Self {
            errand,
            meeting,
            peer,
            tally,
            under_way: JoinSet::new(),
            asked: BTreeSet::new(),
            rounds: (0, Instant::now()),
            begun: Instant::now(),
            anyone: Anyone::NeedNot,
            absent: Vec::new(),
            waiting: Vec::new(),
            again: Vec::new(),
            has_received: false,
            failure: None,
            trouble: None,
            is_over: false,
            is_stopped: false,
        }
    }

    fn is_silent(&self) -> bool {
        self.rounds.1.elapsed() >= SILENCE
    }

    fn is_turn(&self) -> bool {
        self.begun.elapsed() >= TURN
    }

    /// What the next session is for, if one is to begin now.
    fn next(&mut self, repo: &mut repo::Repo) -> Option<Option<News>> {
        if self.under_way.len() >= MOST || self.is_over {
            return None;
        }
        let ended = self.tally.total().0;
        if ended != self.rounds.0 {
            self.rounds = (ended, Instant::now());
        }
        let is_free = self.under_way.is_empty() || self.is_silent();
        // Beside a peer that announced something and is silent, whoever answers is asked for what is new.
        let is_beside = !self.under_way.is_empty() && self.anyone == Anyone::NeedNot;
        if is_free && (self.anyone == Anyone::Should || is_beside) {
            return Some(None);
        }
        if is_free || self.is_turn() { self.next_of_another(repo) } else { None }
    }

    /// The next news of a peer that is not asked just now.
    fn next_of_another(&mut self, repo: &mut repo::Repo) -> Option<Option<News>> {
        loop {
            let news = self.meeting.next_heard(repo)?;
            let is_asked = |peer: &PeerId| self.asked.contains(peer);
            if !news.announcement.peer.as_ref().is_some_and(is_asked) {
                return Some(Some(news));
            }
            // Another session with it would be no faster than the one under way.
            self.waiting.push(news);
        }
    }

    fn begin(&mut self, news: Option<News>) {
        self.begun = Instant::now();
        self.rounds.1 = self.begun;
        let named = news.as_ref().and_then(|news| news.announcement.peer.clone());
        if named.is_none() && self.anyone != Anyone::Answered {
            self.anyone = Anyone::Asked;
        }
        self.asked.extend(named.clone());
        let (errand, peer, tally) = (self.errand.clone(), self.peer, self.tally.clone());
        self.under_way.spawn(async move {
            let end = errand.exchange_with(&errand.repository.peers[peer], named, &tally).await;
            Visit { news, end }
        });
    }

    fn ended(&mut self, ended: Result<Visit, tokio::task::JoinError>) {
        let Visit { news, end } = match ended {
            Ok(visit) => visit,
            Err(error) => {
                let what = format!("a session failed in an unforeseen way: {error}");
                self.failure = Some(Failure::new(Code::Failed, what, "look into the log"));
                return;
            }
        };
        let named = news.as_ref().and_then(|news| news.announcement.peer.as_ref());
        let is_named = named.is_some_and(|peer| self.asked.remove(peer));
        for news in std::mem::take(&mut self.waiting).into_iter().rev() {
            self.meeting.hear_again(news);
        }
        match end {
            Ok(End::Done { received, refused }) => {
                self.has_received |= received;
                self.trouble = refused.or(self.trouble.take());
                self.meeting.has_dealt_with(news.map(|news| news.receipt));
                if !is_named {
                    self.anyone = Anyone::Answered;
                }
            }
            Ok(End::Stopped) => {
                self.again.extend(news);
                (self.is_over, self.is_stopped) = (true, true);
            }
            Ok(End::Absent(_)) if is_named => {
                self.absent.extend(news);
                self.should_ask_anyone();
            }
            Err(failure) if is_named => {
                self.should_ask_anyone();
                if session::may_pass(failure.code) {
                    self.again.extend(news);
                    self.failure = Some(failure);
                } else {
                    // Another try brings no more.
                    self.meeting.has_dealt_with(news.map(|news| news.receipt));
                    self.trouble = Some(failure);
                }
            }
            Ok(End::Absent(failure) | End::Failed(failure)) | Err(failure) => {
                self.again.extend(news);
                if self.anyone == Anyone::Answered {
                    self.trouble = Some(failure);
                } else {
                    (self.failure, self.is_over) = (Some(failure), true);
                }
            }
        }
    }

    fn should_ask_anyone(&mut self) {
        if self.anyone == Anyone::NeedNot {
            self.anyone = Anyone::Should;
        }
    }

    fn end(self) -> Result<End, Failure> {
        for news in self.absent {
            match self.anyone {
                // Who has what is gone now announces it when it is back.
                Anyone::Answered => self.meeting.has_dealt_with(Some(news.receipt)),
                _ => self.meeting.hear_again(news),
            }
        }
        // The latest of each peer first: it stands for those before.
        self.again.into_iter().chain(self.waiting).rev().for_each(|news| self.meeting.hear_again(news));
        match self.failure {
            _ if self.is_stopped => Ok(End::Stopped),
            Some(failure) => Err(failure),
            None => Ok(End::Done { received: self.has_received, refused: self.trouble }),
        }
    }
}
