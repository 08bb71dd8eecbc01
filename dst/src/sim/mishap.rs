//! What goes wrong: on the way, in a peer, with a clock.

use super::{Event, Parcel, Sim, broken};
use crate::dice::{Ratio, Turn};
use crate::model::Violation;
use crate::node::{Power, Stage};
use crate::plan::{Edge, Edition, Fault, Level};
use crate::queue::Moment;
use crate::script::Item;
use crate::site::Site;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// After 90 days deletions are forgotten.
const HORIZON_MS: i64 = 90 * DAY_MS;

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Request,
    Reply,
}

impl Way {
    fn ends(self, edge: &Edge) -> (usize, usize) {
        match self {
            Self::Request => (edge.client, edge.server),
            Self::Reply => (edge.server, edge.client),
        }
    }

    pub(super) fn name(self) -> &'static str {
        self.pick("request", "reply")
    }

    pub(super) fn pick<T>(self, request: T, reply: T) -> T {
        match self {
            Self::Request => request,
            Self::Reply => reply,
        }
    }
}

impl Sim {
    /// Sends a message on its way, where anything may happen to it.
    pub(super) fn travel(&mut self, parcel: Parcel, way: Way) {
        let parcel = Parcel { sent: self.now, ..parcel };
        let (from, to) = way.ends(&self.plan.edges[parcel.edge]);
        if self.is_down(from, to) {
            let why = if self.is_down(to, from) { "link down" } else { "link down one way" };
            self.tally.faults += 1;
            self.census.note(why);
            self.tell(&format!("#{} lost from {from} to {to} ({why})", parcel.talk));
            return;
        }
        if let Some(hit) = self.hits(way.pick(Site::LoseRequest, Site::LoseReply), parcel.turn()) {
            self.census.note(way.pick("request lost", "reply lost"));
            self.tell(&format!("#{} lost from {from} to {to} ({hit})", parcel.talk));
            return;
        }
        let may_double = way == Way::Request || self.plan.edition == Edition::First;
        let site = way.pick(Site::DoubleRequest, Site::DoubleReply);
        if let Some(hit) = may_double.then(|| self.hits(site, parcel.turn())).flatten() {
            self.tell(&format!("#{} {} doubled ({hit})", parcel.talk, way.name()));
            if let Some(talk) = self.talks.get_mut(&parcel.talk) {
                talk.doubled.insert(parcel.attempt);
            }
            self.plan_arrival(Parcel { copy: parcel.copy + 1, ..parcel.clone() }, way);
        }
        let altered = self.bring_false_delta(&parcel, way).or_else(|| self.leave_project_out(&parcel, way));
        let parcel = altered.unwrap_or_else(|| self.damage(parcel, way));
        self.plan_arrival(parcel, way);
    }

    /// Whether a link is down in one direction.
    fn is_down(&self, from: usize, to: usize) -> bool {
        self.down.get(&(from, to)).is_some_and(|&down| down > 0)
    }

    fn plan_arrival(&mut self, mut parcel: Parcel, way: Way) {
        let turn = parcel.turn();
        // What takes a few seconds comes while the client still waits, or while it waits for what it asked next.
        let delay = self.hits(way.pick(Site::DelayRequest, Site::DelayReply), turn);
        let hit = delay.or_else(|| self.hits(way.pick(Site::ReorderRequest, Site::ReorderReply), turn));
        let longest = match (delay, hit) {
            (Some(_), _) => {
                parcel.held_up = Some(Fault::Delay);
                40_000
            }
            (None, Some(_)) => {
                parcel.held_up = Some(Fault::Reorder);
                12_000
            }
            (None, None) => 200,
        };
        let mut takes = self.dice(way.pick("request takes", "reply takes"), turn).between(1, longest);
        let is_slow = self.slow.get(&self.plan.edges[parcel.edge].server).is_some_and(|&times| times > 0);
        if way == Way::Reply && is_slow {
            self.census.note("reply by a slow peer");
            takes += self.dice("slow reply", turn).between(5_000, 40_000);
        }
        if let Some(hit) = hit {
            self.tell(&format!("#{} {} takes {takes} ms ({hit})", parcel.talk, way.name()));
        }
        let arrive = match way {
            Way::Request => Event::Request,
            Way::Reply => Event::Reply,
        };
        self.queue.plan(self.now + takes as Moment, arrive(parcel));
    }

    /// Counts what came of it that a request was held up or sent twice.
    pub(super) fn note_request(&mut self, parcel: &Parcel) {
        let server = self.plan.edges[parcel.edge].server;
        let is_awaited = self.talks.get(&parcel.talk).is_some_and(|talk| talk.attempt == parcel.attempt);
        if parcel.copy > 0 {
            self.census.note("request doubled");
        }
        let newest = self.heard.entry(server).or_default();
        let effect = match parcel.held_up {
            Some(Fault::Delay) if !is_awaited => Some("request late"),
            Some(Fault::Reorder) if *newest > parcel.sent => Some("request overtaken"),
            _ => None,
        };
        *newest = parcel.sent.max(*newest);
        effect.into_iter().for_each(|effect| self.census.note(effect));
    }

    /// The same of a reply.
    pub(super) fn note_reply(&mut self, parcel: &Parcel) {
        let server = self.plan.edges[parcel.edge].server;
        let is_awaited = self.talks.get(&parcel.talk).is_some_and(|talk| talk.attempt == parcel.attempt);
        let is_overtaken = self.heard.get(&server).is_some_and(|&newest| newest >= parcel.sent);
        match parcel.held_up {
            Some(Fault::Delay) if !is_awaited => self.census.note("reply late"),
            Some(Fault::Reorder) if is_awaited && is_overtaken => self.census.note("reply overtaken"),
            _ => {}
        }
    }

    /// Plans when what strikes by itself does so.
    pub(super) fn plan_strikes(&mut self) {
        let (nodes, edges, span) = (self.nodes.len(), self.plan.edges.len(), self.plan.span as u64);
        let faults: Vec<Fault> = self.plan.faults.keys().copied().collect();
        for fault in faults {
            let places = match fault {
                Fault::LinkDown | Fault::OneWay | Fault::Rights => edges,
                Fault::Slow if self.plan.edition >= Edition::Third => edges,
                Fault::Crash | Fault::DiskFull | Fault::ClockJump | Fault::Restore | Fault::Slow => nodes,
                _ => continue,
            };
            let site = format!("strikes of {fault:?}");
            for number in 0..self.plan.strikes(fault) {
                // Strike 0 has not the generator that decides how many there are.
                let mut dice = self.dice(&site, number + 1);
                let (when, place) = (dice.below(span) as Moment, dice.place(places));
                // A copy may be much older than a link is down.
                let longest = if fault == Fault::Restore { 45_000 } else { 15_000 };
                let until = when + dice.between(1_000, longest) as Moment;
                let (when, until) = match fault {
                    Fault::Restore => self.age_of_backup(number, (when, until)),
                    _ => (when, until),
                };
                let place = self.struck(fault, place);
                if self.script.lacks(&Item::Strike(fault, number)) {
                    continue;
                }
                let strike = Event::Strike { fault, number, place };
                if fault == Fault::Restore {
                    self.queue.plan(when, Event::BackUp(place));
                    self.queue.plan(until, strike);
                } else {
                    self.queue.plan(when, strike);
                    self.queue.plan(until, Event::Heal(fault, place));
                }
            }
        }
    }

    /// When a copy is made and comes back: some are as old as the run.
    fn age_of_backup(&self, number: u64, drawn: (Moment, Moment)) -> (Moment, Moment) {
        let mut dice = self.dice("age of a backup", number);
        if self.plan.edition < Edition::Third || dice.hits(Ratio::new(1, 2)) {
            return drawn;
        }
        let span = self.plan.span as u64;
        (dice.below(span / 12) as Moment, dice.between(span / 2, span) as Moment)
    }

    /// Whom a strike at this place is for. Only who is asked can be slow to answer.
    fn struck(&self, fault: Fault, place: usize) -> usize {
        if fault == Fault::Slow && self.plan.edition >= Edition::Third {
            self.plan.edges[place].server
        } else {
            place
        }
    }

    /// Counts a strike and tells of it, with the words that leave it out of a script.
    pub(super) fn struck_by(&mut self, fault: Fault, number: u64, place: usize) {
        let strike = Item::Strike(fault, number);
        self.tally.faults += 1;
        self.done.insert(strike);
        self.tell(&format!("{fault:?} strikes {place} ({strike})"));
    }

    pub(super) fn strike(&mut self, fault: Fault, number: u64, place: usize) -> Result<(), Violation> {
        self.struck_by(fault, number, place);
        let mut dice = self.dice(&format!("strength of {fault:?}"), number);
        match fault {
            Fault::LinkDown | Fault::OneWay => self.switch(fault, place, |down| down + 1),
            Fault::Crash => self.crash(place, dice.between(100, 10_000), None),
            Fault::DiskFull => self.nodes[place].limit_pages(Some(dice.below(6))).map_err(broken)?,
            Fault::ClockJump => {
                let longest = self.longest_jump(number);
                let by = dice.between(1, longest.unsigned_abs()) as i64;
                self.nodes[place].skew += if dice.below(2) == 0 { by } else { -by };
                self.census.note(match by {
                    by if by > HORIZON_MS => "clock jump of months",
                    by if by > DAY_MS => "clock jump of days",
                    by if by > HOUR_MS => "clock jump of hours",
                    _ => "clock jump",
                });
            }
            Fault::Slow => *self.slow.entry(place).or_default() += 1,
            Fault::Restore => return self.restore(place),
            Fault::Rights => {
                let letters = *dice.pick(&["gio", "gioxy", "go", "gioy"]);
                // Sometimes it is the right to clone alone that goes, or all others.
                let letters = match dice.below(6) {
                    0 if self.plan.edition != Edition::First => "io",
                    1 if self.plan.edition != Edition::First => "g",
                    _ => letters,
                };
                return self.change_rights(place, letters);
            }
            _ => {}
        }
        Ok(())
    }

    /// A clock is a few hours wrong at most. Where all goes wrong it is sometimes another day, and seldom is what is forgotten
    /// after 90 days.
    fn longest_jump(&self, number: u64) -> i64 {
        if self.plan.edition == Edition::First || self.plan.level != Level::Hostile {
            return 2 * HOUR_MS;
        }
        match self.dice("length of a jump", number).below(12) {
            0 => 2 * HORIZON_MS,
            1..=4 => 3 * DAY_MS,
            _ => 2 * HOUR_MS,
        }
    }

    pub(super) fn heal(&mut self, fault: Fault, place: usize) -> Result<(), Violation> {
        match fault {
            Fault::LinkDown | Fault::OneWay => {
                self.switch(fault, place, |down| down.saturating_sub(1));
                return self.network_returned(place);
            }
            Fault::DiskFull => self.nodes[place].limit_pages(None).map_err(broken)?,
            Fault::Slow => *self.slow.entry(place).or_default() -= 1,
            _ => {}
        }
        Ok(())
    }

    pub(super) fn switch(&mut self, fault: Fault, edge: usize, change: fn(u32) -> u32) {
        let (client, server) = (self.plan.edges[edge].client, self.plan.edges[edge].server);
        let ways: &[(usize, usize)] = match fault {
            Fault::LinkDown => &[(client, server), (server, client)],
            _ if self.loses_replies(edge) => &[(server, client)],
            _ => &[(client, server)],
        };
        for &way in ways {
            let down = self.down.entry(way).or_default();
            *down = change(*down);
        }
    }

    /// Which way a link fails that fails one way. It depends on the place alone, so that the same one comes up again.
    fn loses_replies(&self, edge: usize) -> bool {
        if self.plan.edition == Edition::First {
            edge.is_multiple_of(2)
        } else {
            self.dice("way of a link", edge as u64).below(2) == 0
        }
    }

    /// Says whether a peer dies here by chance.
    pub(super) fn may_crash(&mut self, site: Site, turn: Turn, at: usize) -> bool {
        if self.died_at_commit(at) {
            return true;
        }
        let Some(hit) = self.hits(site, turn) else { return false };
        let pause = self.dice(&format!("pause at {site:?}"), turn).between(100, 10_000);
        self.crash(at, pause, Some(hit));
        true
    }

    /// A peer dies for a while: what it was about to do is gone, what it committed is not.
    pub(super) fn crash(&mut self, at: usize, pause: u64, hit: Option<Item>) {
        let why = hit.map_or_else(String::new, |hit| format!(" ({hit})"));
        self.tell(&format!("peer {at} crashes{why}"));
        if self.nodes[at].power == Power::On {
            self.census.note("crash");
        }
        self.nodes[at].power = Power::Off;
        self.queue.plan(self.now + pause as Moment, Event::Return(at));
    }

    pub(super) fn restart(&mut self, at: usize) -> Result<(), Violation> {
        self.tell(&format!("peer {at} starts"));
        let before = self.nodes[at].known.clone();
        self.nodes[at].restart().map_err(broken)?;
        self.nodes[at].look().map_err(broken)?;
        self.unchanged_aside(at)?;
        if self.nodes[at].known == before {
            return Ok(());
        }
        Err(Violation::new("crash", format!("peer {at} holds something else after a restart")))
    }

    fn restore(&mut self, at: usize) -> Result<(), Violation> {
        if self.nodes[at].restore().map_err(broken)? {
            self.census.note("went back to a backup");
        }
        self.restored_aside(at)
    }

    fn change_rights(&mut self, edge: usize, letters: &str) -> Result<(), Violation> {
        let (client, server) = (self.plan.edges[edge].client, self.plan.edges[edge].server);
        // What is private would leak where a right ends: stock makes it public then.
        let is_fixed = self.nodes[server].stock.is_some();
        if is_fixed || self.nodes[server].stage == Stage::Unborn || self.nodes[server].power == Power::Off {
            return Ok(());
        }
        let time = self.nodes[server].time(self.now);
        let login = self.plan.edges[edge].login;
        let before = self.nodes[server].letters(client, login);
        match self.nodes[server].set_letters(client, letters, time) {
            Err(error) if !self.is_excused(server, &error) => Err(broken(error)),
            Err(_) => self.restored_aside(server),
            Ok(()) => {
                self.restored_aside(server)?;
                if self.nodes[server].letters(client, login) != before {
                    self.census.note("rights changed");
                }
                Ok(())
            }
        }
    }
}
