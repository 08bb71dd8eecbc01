//! What goes wrong: on the way, in a peer, with a clock.

use bytes::Bytes;
use repo::zlib::Codec;
use xfer::body::{Body, ContentType, pack, unpack};
use xfer::card::Payload;
use xfer::{Card, DecodeLimits, Secret, decode, encode};

use super::{Event, Parcel, Sim, broken};
use crate::dice::{Dice, Turn};
use crate::model::Violation;
use crate::node::{self, PROJECT, Power, Stage};
use crate::plan::{Edge, Fault};
use crate::queue::Moment;
use crate::script::Item;
use crate::site::Site;
use crate::talk::Soundness;

/// No artifact of the simulator is longer.
const MOST: usize = 1 << 30;

/// The message with a wrong bit in the content of one of its artifacts or files, be that a delta, or packed; none if there
/// is none. No checksum of the transport tells, and the login is good for it all the same: what is wrong went wrong at the
/// sender.
fn forge(body: &Body, edge: &Edge, dice: &mut Dice) -> Option<Body> {
    let limits = DecodeLimits::default();
    let mut message = decode(&unpack(body, &limits).ok()?, &limits).ok()?;
    let mut contents: Vec<Content<'_>> = message.cards.iter_mut().filter_map(Content::of).collect();
    if contents.is_empty() {
        return None;
    }
    let place = dice.place(contents.len());
    contents.swap_remove(place).change(dice)?;
    if let (Some(_), (Some(user), Some(password))) = (&message.login, node::credentials(edge)) {
        message.login = Some(xfer::Login::sign(&message, &user, &Secret::derive(PROJECT, &user, &password)));
    }
    Some(pack(encode(&message), body.content_type))
}

/// Bytes of a message that a hash is there for.
enum Content<'m> {
    Plain(&'m mut Bytes),
    Packed(&'m mut Bytes),
}

impl<'m> Content<'m> {
    fn of(card: &'m mut Card) -> Option<Self> {
        let (content, bytes) = match card {
            Card::File(file) => match &mut file.payload {
                Payload::Plain(bytes) => (Self::Plain as fn(_) -> _, bytes),
                Payload::Zlib { bytes, .. } => (Self::Packed as fn(_) -> _, bytes),
            },
            Card::UvFile(file) => (Self::Plain as fn(_) -> _, file.content.as_mut()?),
            _ => return None,
        };
        (!bytes.is_empty()).then(|| content(bytes))
    }

    fn change(self, dice: &mut Dice) -> Option<()> {
        let flip = |bytes: &mut Vec<u8>, dice: &mut Dice| {
            let place = dice.place(bytes.len().max(1));
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << dice.below(8);
            }
        };
        match self {
            Self::Plain(bytes) => {
                let mut content = bytes.to_vec();
                flip(&mut content, dice);
                *bytes = content.into();
            }
            Self::Packed(frame) => {
                let mut codec = Codec::new();
                let mut content = codec.unpack(frame, MOST).ok()?;
                flip(&mut content, dice);
                *frame = codec.pack(&content).into();
            }
        }
        Some(())
    }
}

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

    fn pick<T>(self, request: T, reply: T) -> T {
        match self {
            Self::Request => request,
            Self::Reply => reply,
        }
    }
}

impl Sim {
    /// Sends a message on its way, where anything may happen to it.
    pub(super) fn travel(&mut self, parcel: Parcel, way: Way) {
        let (from, to) = way.ends(&self.plan.edges[parcel.edge]);
        let is_down = self.down.get(&(from, to)).is_some_and(|&down| down > 0);
        if is_down || self.hits(way.pick(Site::LoseRequest, Site::LoseReply), parcel.turn()) {
            self.tally.faults += u64::from(is_down);
            self.tell(&format!("#{} lost from {from} to {to}", parcel.talk));
            return;
        }
        if self.hits(way.pick(Site::DoubleRequest, Site::DoubleReply), parcel.turn()) {
            self.plan_arrival(Parcel { copy: parcel.copy + 1, ..parcel.clone() }, way);
        }
        let parcel = self.damage(parcel, way);
        self.plan_arrival(parcel, way);
    }

    fn plan_arrival(&mut self, parcel: Parcel, way: Way) {
        let turn = parcel.turn();
        let is_late = self.hits(way.pick(Site::DelayRequest, Site::DelayReply), turn);
        // What takes a few seconds comes while the client still waits, or while it waits for what it asked next.
        let longest = match is_late {
            true => 40_000,
            false if self.hits(way.pick(Site::ReorderRequest, Site::ReorderReply), turn) => 12_000,
            false => 200,
        };
        let mut takes = self.dice(way.pick("request takes", "reply takes"), turn).between(1, longest);
        let is_slow = self.slow.get(&self.plan.edges[parcel.edge].server).is_some_and(|&times| times > 0);
        if way == Way::Reply && is_slow {
            takes += self.dice("slow reply", turn).between(5_000, 40_000);
        }
        let arrive = match way {
            Way::Request => Event::Request,
            Way::Reply => Event::Reply,
        };
        self.queue.plan(self.now + takes as Moment, arrive(parcel));
    }

    /// Cuts a message short, or changes something in it.
    fn damage(&mut self, parcel: Parcel, way: Way) -> Parcel {
        let Some(body) = parcel.body.as_ref().filter(|body| !body.bytes.is_empty()) else { return parcel };
        let cut = self.hits(way.pick(Site::CutRequest, Site::CutReply), parcel.turn());
        if !cut && !self.hits(way.pick(Site::FlipRequest, Site::FlipReply), parcel.turn()) {
            return parcel;
        }
        let mut dice = self.dice(way.pick("forged request", "forged reply"), parcel.turn());
        if !cut && let Some(body) = forge(body, &self.plan.edges[parcel.edge], &mut dice) {
            self.tell(&format!("#{} forged", parcel.talk));
            return Parcel { body: Some(body), soundness: Soundness::Damaged, ..parcel };
        }
        let mut dice = self.dice(way.pick("damage of request", "damage of reply"), parcel.turn());
        let mut bytes = body.bytes.to_vec();
        let place = dice.place(bytes.len());
        if cut {
            // No bytes at all are an empty message: that some were to come only the transport can know, and tells.
            bytes.truncate(place.max(1));
        } else if body.content_type == ContentType::Compressed {
            bytes[place] ^= 1 << dice.below(8);
        } else {
            // Nothing but the transport protects the cards of an uncompressed reply. What it lets pass is cut short.
            bytes.truncate(place);
        }
        self.tell(&format!("#{} damaged at {place} of {}", parcel.talk, body.bytes.len()));
        let body = Body { content_type: body.content_type, bytes: Bytes::from(bytes) };
        Parcel { body: Some(body), soundness: Soundness::Damaged, ..parcel }
    }

    /// Plans when what strikes by itself does so.
    pub(super) fn plan_strikes(&mut self) {
        let (nodes, edges, span) = (self.nodes.len(), self.plan.edges.len(), self.plan.span as u64);
        let faults: Vec<Fault> = self.plan.faults.keys().copied().collect();
        for fault in faults {
            let places = match fault {
                Fault::LinkDown | Fault::OneWay | Fault::Rights => edges,
                Fault::Crash | Fault::DiskFull | Fault::ClockJump | Fault::Restore | Fault::Slow => nodes,
                _ => continue,
            };
            let site = format!("strikes of {fault:?}");
            for number in 0..self.dice(&site, 0).between(1, 3) {
                // Strike 0 has not the generator that decides how many there are.
                let mut dice = self.dice(&site, number + 1);
                let (when, place) = (dice.below(span) as Moment, dice.place(places));
                // A copy may be much older than a link is down.
                let longest = if fault == Fault::Restore { 45_000 } else { 15_000 };
                let until = when + dice.between(1_000, longest) as Moment;
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

    pub(super) fn strike(&mut self, fault: Fault, number: u64, place: usize) -> Result<(), Violation> {
        self.tally.faults += 1;
        self.done.insert(Item::Strike(fault, number));
        self.tell(&format!("{fault:?} strikes {place}"));
        let mut dice = self.dice(&format!("strength of {fault:?}"), number);
        match fault {
            Fault::LinkDown | Fault::OneWay => self.switch(fault, place, |down| down + 1),
            Fault::Crash => self.crash(place, dice.between(100, 10_000)),
            Fault::DiskFull => self.nodes[place].limit_pages(Some(dice.below(6))).map_err(broken)?,
            Fault::ClockJump => {
                let by = dice.between(1, 7_200_000) as i64;
                self.nodes[place].skew += if dice.below(2) == 0 { by } else { -by };
            }
            Fault::Slow => *self.slow.entry(place).or_default() += 1,
            Fault::Restore => return self.restore(place),
            Fault::Rights => {
                let letters = *dice.pick(&["gio", "gioxy", "go", "gioy"]);
                return self.change_rights(place, letters);
            }
            _ => {}
        }
        Ok(())
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

    fn switch(&mut self, fault: Fault, edge: usize, change: fn(u32) -> u32) {
        let (client, server) = (self.plan.edges[edge].client, self.plan.edges[edge].server);
        let ways: &[(usize, usize)] = match fault {
            Fault::LinkDown => &[(client, server), (server, client)],
            // Which way depends on the place alone, so that the same one comes up again.
            _ if edge.is_multiple_of(2) => &[(server, client)],
            _ => &[(client, server)],
        };
        for &way in ways {
            let down = self.down.entry(way).or_default();
            *down = change(*down);
        }
    }

    /// Says whether a peer dies here by chance.
    pub(super) fn may_crash(&mut self, site: Site, turn: Turn, at: usize) -> bool {
        let crashes = self.hits(site, turn);
        if crashes {
            let pause = self.dice(&format!("pause at {site:?}"), turn).between(100, 10_000);
            self.crash(at, pause);
        }
        crashes
    }

    /// A peer dies for a while: what it was about to do is gone, what it committed is not.
    pub(super) fn crash(&mut self, at: usize, pause: u64) {
        self.tell(&format!("peer {at} crashes"));
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
        self.nodes[at].restore().map_err(broken)?;
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
        match self.nodes[server].set_letters(client, letters, time) {
            Err(error) if !self.is_excused(&error) => Err(broken(error)),
            _ => self.restored_aside(server),
        }
    }
}
