//! Peers that are daemons: their sessions begin when the product's own schedule says. What they owe at the end is in `end`.

mod end;

use std::collections::BTreeMap;
use std::time::Duration;

use sync::schedule::{Action, Outcome, Pace, Schedule, Wake};

use super::{Event, Sim};
use crate::check::schedule::{News, Owed};
use crate::dice::{Dice, Turn};
use crate::model::Violation;
use crate::node::{Power, Stage};
use crate::plan::Level;
use crate::queue::Moment;
use crate::site::Site;
use crate::talk::{Kind, allowed};

/// All daemons that run.
#[derive(Debug, Default)]
pub(super) struct Keepers {
    daemons: BTreeMap<usize, Daemon>,
    /// Sessions that daemons began, by edge: each has a number of its own.
    begun: BTreeMap<usize, u64>,
    /// How sessions that have ended did so.
    ends: BTreeMap<u64, Outcome>,
    /// Commits that were announced, by peer.
    announced: BTreeMap<usize, u64>,
    /// Whether they are held up.
    are_asleep: bool,
    /// Whether, at the end, their schedules have to bring everything together.
    are_alone: bool,
}

#[derive(Debug)]
struct Daemon {
    /// The life of its peer that it belongs to.
    life: u32,
    schedule: Schedule,
    peers: Vec<Partner>,
    /// Commits here that its schedule knows of.
    seen: u64,
    is_to_look: bool,
    /// When it is to wake up next.
    planned: Option<Moment>,
}

#[derive(Debug)]
struct Partner {
    edge: usize,
    pace: Pace,
    owed: Owed,
    talk: Option<u64>,
    /// Sessions that failed since the faults ended; none once one went well.
    failed: Option<u32>,
    /// Whether one ended since.
    has_ended: bool,
    /// Sessions that went well since.
    well: usize,
}

impl Keepers {
    /// Whether their schedules alone brought everything together.
    pub(super) fn are_alone(&self) -> bool {
        self.are_alone
    }

    /// Notes how a session stands after a reply.
    pub(super) fn note(&mut self, talk: u64, end: Outcome) {
        if self.daemons.values().any(|daemon| daemon.peers.iter().any(|peer| peer.talk == Some(talk))) {
            self.ends.insert(talk, end);
        }
    }
}

impl Sim {
    pub(super) fn is_daemon_at_work(&self, at: usize) -> bool {
        self.plan.daemons.contains(&at) && self.nodes[at].stage == Stage::Whole
    }

    /// Looks at all daemons after something happened.
    pub(super) fn attend_daemons(&mut self) -> Result<(), Violation> {
        if self.plan.daemons.is_empty() {
            return Ok(());
        }
        // Between the time of faults and the end they are held up, so that all else comes to an end.
        self.keepers.are_asleep |= !self.side.is_settled && self.now > self.plan.span;
        if self.keepers.are_asleep {
            return Ok(());
        }
        for at in self.plan.daemons.clone() {
            self.attend(at)?;
        }
        self.announce();
        Ok(())
    }

    fn attend(&mut self, at: usize) -> Result<(), Violation> {
        let node = &self.nodes[at];
        let (life, commits) = (node.life, node.commits);
        let runs = node.power == Power::On && node.stage == Stage::Whole;
        self.keepers.daemons.retain(|&other, daemon| other != at || (runs && daemon.life == life));
        if !runs {
            return Ok(());
        }
        if !self.keepers.daemons.contains_key(&at) {
            let daemon = self.new_daemon(at);
            self.keepers.daemons.insert(at, daemon);
            self.wake(at, Wake::Tick)?;
        }
        while let Some((peer, outcome)) = self.next_end(at) {
            self.wake(at, Wake::Ended { peer, outcome })?;
        }
        let Some(daemon) = self.keepers.daemons.get_mut(&at) else { return Ok(()) };
        if daemon.seen != commits && !daemon.is_to_look {
            daemon.is_to_look = true;
            let after = Dice::of(self.plan.seed, "look", Turn { number: at as u64, part: commits, copy: 0 })
                .between(1, 1_000);
            self.queue.plan(self.now + after as Moment, Event::Wake { at, life, looks: true });
        }
        for (peer, standing) in daemon.peers.iter().zip(daemon.schedule.standings()) {
            peer.owed
                .check(self.now, standing.next)
                .map_err(|violation| placed(at, peer.edge, &violation))?;
        }
        Ok(())
    }

    /// A daemon knows nothing of what was before.
    fn new_daemon(&self, at: usize) -> Daemon {
        let node = &self.nodes[at];
        let edges = self.plan.edges.iter().enumerate();
        let its = edges.filter(|(number, edge)| edge.client == at && !self.plan.unused.contains(number));
        let peers: Vec<Partner> = its
            .map(|(edge, _)| {
                let pace = draw_pace(self.plan.level, &mut self.dice("pace", edge as u64));
                let owed = Owed::new(pace.clone(), self.now);
                Partner { edge, pace, owed, talk: None, failed: Some(0), has_ended: false, well: 0 }
            })
            .collect();
        let paces = peers.iter().map(|peer| peer.pace.clone()).collect();
        let turn = Turn { number: at as u64, part: node.life.into(), copy: 0 };
        let schedule = Schedule::new(paces, self.dice("schedule", turn).bits(), time(self.now));
        Daemon { life: node.life, schedule, peers, seen: node.commits, is_to_look: false, planned: None }
    }

    /// A session of a daemon that is over, and how.
    fn next_end(&mut self, at: usize) -> Option<(usize, Outcome)> {
        let daemon = self.keepers.daemons.get_mut(&at)?;
        let is_over = |talk: u64| !self.talks.contains_key(&talk);
        let index = daemon.peers.iter().position(|peer| peer.talk.is_some_and(is_over))?;
        let talk = daemon.peers[index].talk.take()?;
        Some((index, self.keepers.ends.remove(&talk).unwrap_or(Outcome::Failed)))
    }

    /// Tells a schedule what happened, and does what it says.
    fn wake(&mut self, at: usize, wake: Wake) -> Result<(), Violation> {
        let now = self.now;
        let Some(daemon) = self.keepers.daemons.get_mut(&at) else { return Ok(()) };
        daemon.hears(wake, now);
        for action in daemon.schedule.on(wake, time(now)) {
            let Action::Begin { peer, reason } = action else { continue };
            let Some(daemon) = self.keepers.daemons.get_mut(&at) else { return Ok(()) };
            let partner = &mut daemon.peers[peer];
            let edge = partner.edge;
            partner.owed.begins(reason, now).map_err(|violation| placed(at, edge, &violation))?;
            let begun = self.keepers.begun.entry(edge).or_default();
            *begun += 1;
            let number = 1_000_000 * (edge as u64 + 1) + *begun;
            partner.talk = Some(number);
            let (pull, push) = (partner.pace.takes, partner.pace.gives);
            self.census.note(format!("daemon {reason:?}"));
            self.tell(&format!("daemon {at}: {reason:?}"));
            let letters = self.nodes[self.plan.edges[edge].server].letters(at, self.plan.edges[edge].login);
            let options = sync::SyncOptions { pull, push, ..allowed(&self.plan.edges[edge], &letters) };
            self.open(number, edge, Kind::Sync, options)?;
        }
        self.plan_wake(at);
        Ok(())
    }

    fn plan_wake(&mut self, at: usize) {
        let Some(daemon) = self.keepers.daemons.get_mut(&at) else { return };
        let Some(deadline) = daemon.schedule.next_deadline() else { return };
        let deadline = Moment::try_from(deadline.as_millis()).unwrap_or(Moment::MAX).max(self.now);
        if daemon.planned != Some(deadline) {
            daemon.planned = Some(deadline);
            self.queue.plan(deadline, Event::Wake { at, life: daemon.life, looks: false });
        }
    }

    pub(super) fn wake_up(&mut self, at: usize, life: u32, looks: bool) -> Result<(), Violation> {
        if self.keepers.are_asleep || self.nodes[at].power == Power::Off || self.nodes[at].life != life {
            return Ok(());
        }
        if !looks {
            return self.wake(at, Wake::Tick);
        }
        if let Some(daemon) = self.keepers.daemons.get_mut(&at) {
            (daemon.seen, daemon.is_to_look) = (self.nodes[at].commits, false);
        }
        self.wake(at, Wake::Changed)
    }

    /// Whoever changed says so to the daemons that ask it, as far as they listen.
    fn announce(&mut self) {
        for at in 0..self.nodes.len() {
            let commits = self.nodes[at].commits;
            if self.keepers.announced.insert(at, commits).unwrap_or(0) == commits {
                continue;
            }
            for edge in 0..self.plan.edges.len() {
                let client = self.plan.edges[edge].client;
                let listens = self.dice("listens", edge as u64).below(3) > 0;
                if self.plan.edges[edge].server != at || !self.is_daemon_at_work(client) || !listens {
                    continue;
                }
                let turn = Turn { number: edge as u64, part: commits, copy: 0 };
                let is_down = self.down.get(&(at, client)).is_some_and(|&down| down > 0);
                if is_down {
                    continue;
                }
                if let Some(hit) = self.hits(Site::LoseAnnouncement, turn) {
                    self.tell(&format!("announcement of {at} to {client} lost ({hit})"));
                    continue;
                }
                let takes = self.dice("announcement takes", turn).between(1, 300) as Moment;
                self.queue.plan(self.now + takes, Event::Announced(edge));
            }
        }
    }

    pub(super) fn hear_announcement(&mut self, edge: usize) -> Result<(), Violation> {
        self.tell_daemon(edge, |peer| Wake::Announced(Some(peer)))
    }

    pub(super) fn ask_daemon(&mut self, edge: usize) -> Result<(), Violation> {
        self.tell_daemon(edge, |peer| Wake::SyncNow(Some(peer)))
    }

    /// A link is up again, which its client may notice.
    pub(super) fn network_returned(&mut self, edge: usize) -> Result<(), Violation> {
        if self.plan.daemons.is_empty() || self.dice("notices", self.now as u64).below(2) == 0 {
            return Ok(());
        }
        self.tell_daemon(edge, |_| Wake::NetworkReturned)
    }

    fn tell_daemon(&mut self, edge: usize, wake: fn(usize) -> Wake) -> Result<(), Violation> {
        let at = self.plan.edges[edge].client;
        let (life, power) = (self.nodes[at].life, self.nodes[at].power);
        let Some(daemon) = self.keepers.daemons.get(&at) else { return Ok(()) };
        if self.keepers.are_asleep || power == Power::Off || daemon.life != life {
            return Ok(());
        }
        let Some(peer) = daemon.peers.iter().position(|peer| peer.edge == edge) else { return Ok(()) };
        self.wake(at, wake(peer))
    }
}

impl Daemon {
    /// Tells what is owed of the same.
    fn hears(&mut self, wake: Wake, now: Moment) {
        let (which, news) = match wake {
            Wake::Changed => (None, News::Change),
            Wake::Announced(which) => (which, News::Announcement),
            Wake::SyncNow(which) => (which, News::Request),
            Wake::NetworkReturned => (None, News::Network),
            Wake::Ended { peer, outcome } => return self.ended(peer, outcome, now),
            Wake::Tick | Wake::Stopping => return,
        };
        let meant = |index: usize| which.is_none_or(|which| which == index);
        let peers = self.peers.iter_mut().enumerate().filter(|(index, _)| meant(*index));
        peers.for_each(|(_, peer)| peer.owed.hears(news, now));
    }

    fn ended(&mut self, which: usize, outcome: Outcome, now: Moment) {
        let has_news = outcome == Outcome::Done { received: true };
        for (index, peer) in self.peers.iter_mut().enumerate() {
            if index != which {
                if has_news {
                    peer.owed.hears(News::Change, now);
                }
                continue;
            }
            peer.owed.ends(outcome, now);
            peer.has_ended = true;
            let went_well = matches!(outcome, Outcome::Done { .. });
            peer.failed = peer.failed.filter(|_| !went_well).map(|failed| failed + 1);
            peer.well += usize::from(went_well);
        }
    }
}

/// In a calm run sessions are few.
fn draw_pace(level: Level, dice: &mut Dice) -> Pace {
    let seconds: &[Option<u64>] = match level {
        Level::Calm => &[None, Some(30), Some(60)],
        Level::Rough | Level::Hostile => &[None, Some(8), Some(20), Some(60)],
    };
    // A session needs a direction.
    let (gives, takes) =
        *dice.pick(&[(true, true), (true, true), (true, true), (true, false), (false, true)]);
    Pace {
        interval: dice.pick(seconds).map(Duration::from_secs),
        jitter_percent: *dice.pick(&[0, 10, 50]),
        settle: Duration::from_millis(*dice.pick(&[0, 50, 500])),
        retry: Duration::from_millis(*dice.pick(&[500, 1_000, 3_000])),
        retry_cap: Duration::from_secs(*dice.pick(&[4, 10, 30])),
        gives,
        takes,
    }
}

fn placed(at: usize, edge: usize, violation: &Violation) -> Violation {
    Violation::new(violation.invariant, format!("daemon {at}, edge {edge}: {}", violation.text))
}

fn time(now: Moment) -> Duration {
    Duration::from_millis(now.unsigned_abs())
}
