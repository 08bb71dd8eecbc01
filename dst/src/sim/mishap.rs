//! What goes wrong: on the way, in a peer, with a clock.

use bytes::Bytes;
use xfer::body::{Body, ContentType, pack, unpack};
use xfer::card::Payload;
use xfer::{Card, DecodeLimits, decode, encode};

use super::{Event, Parcel, Sim, broken};
use crate::model::Violation;
use crate::node::{Power, Stage};
use crate::plan::Fault;
use crate::queue::Moment;
use crate::talk::Soundness;

/// The message with another content under the name of its last artifact, if that is there as it is. No checksum of
/// the transport tells. A signed request stays as it is.
fn forge(body: &Body) -> Option<Body> {
    let limits = DecodeLimits::default();
    let mut message = decode(&unpack(body, &limits).ok()?, &limits).ok()?;
    let is_whole = |card: &&mut Card| matches!(card, Card::File(file) if file.delta_source.is_none());
    let Some(Card::File(file)) = message.cards.iter_mut().rev().find(is_whole) else { return None };
    let Payload::Plain(content) = &mut file.payload else { return None };
    *content = Bytes::from([&content[..], b"?"].concat());
    if message.login.is_some() {
        return None;
    }
    Some(pack(encode(&message), body.content_type))
}

impl Sim {
    /// Sends a message on its way, where anything may happen to it.
    pub(super) fn travel(&mut self, parcel: Parcel, arrive: fn(Parcel) -> Event) {
        let (client, server) = (self.plan.edges[parcel.edge].client, self.plan.edges[parcel.edge].server);
        let is_request = matches!(arrive(parcel.clone()), Event::Request(_));
        let (way, loss) = match is_request {
            true => ((client, server), Fault::LoseRequest),
            false => ((server, client), Fault::LoseReply),
        };
        let loss = self.plan.ratio(loss);
        let site = if is_request { "lose request" } else { "lose reply" };
        if self.down.get(&way).is_some_and(|&down| down > 0) || self.cup.at(site, parcel.edge).hits(loss) {
            self.tally.faults += 1;
            self.tell(&format!("#{} lost from {} to {}", parcel.talk, way.0, way.1));
            return;
        }
        let twice = self.plan.ratio(Fault::Duplicate);
        if self.cup.at("duplicate", parcel.edge).hits(twice) {
            self.tally.faults += 1;
            let when = self.arrival(parcel.edge);
            self.queue.plan(when, arrive(parcel.clone()));
        }
        let parcel = self.damage(parcel);
        let when = self.arrival(parcel.edge);
        self.queue.plan(when, arrive(parcel));
    }

    fn arrival(&mut self, edge: usize) -> Moment {
        let late = self.plan.ratio(Fault::Delay);
        let dice = self.cup.at("delay", edge);
        let longest = if dice.hits(late) { 40_000 } else { 200 };
        self.now + dice.between(1, longest) as Moment
    }

    /// Cuts a message short, or turns a bit of it over.
    fn damage(&mut self, parcel: Parcel) -> Parcel {
        let (cut, flip) = (self.plan.ratio(Fault::Truncate), self.plan.ratio(Fault::Flip));
        let dice = self.cup.at("damage", parcel.edge);
        let (cut, flip) = (dice.hits(cut), dice.hits(flip));
        let Some(body) = parcel.body.as_ref().filter(|body| !body.bytes.is_empty() && (cut || flip)) else {
            return parcel;
        };
        if !cut && let Some(body) = forge(body) {
            self.tally.faults += 1;
            self.tell(&format!("#{} forged", parcel.talk));
            return Parcel { body: Some(body), soundness: Soundness::Damaged, ..parcel };
        }
        let mut bytes = body.bytes.to_vec();
        let place = dice.place(bytes.len());
        if cut {
            bytes.truncate(place);
        } else if body.content_type == ContentType::Compressed {
            bytes[place] ^= 1 << dice.below(8);
        } else {
            // Nothing but the transport protects the cards of an uncompressed reply. What it lets pass is cut short.
            bytes.truncate(place);
        }
        self.tally.faults += 1;
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
                Fault::Crash | Fault::DiskFull | Fault::ClockJump | Fault::Restore => nodes,
                _ => continue,
            };
            let dice = self.cup.at("strikes", fault as usize);
            for _ in 0..dice.between(1, 3) {
                let (when, place) = (dice.below(span) as Moment, dice.place(places));
                let until = when + dice.between(1_000, 15_000) as Moment;
                if fault == Fault::Restore {
                    self.queue.plan(when, Event::BackUp(place));
                    self.queue.plan(until, Event::Strike(fault, place));
                } else {
                    self.queue.plan(when, Event::Strike(fault, place));
                    self.queue.plan(until, Event::Heal(fault, place));
                }
            }
        }
    }

    pub(super) fn strike(&mut self, fault: Fault, place: usize) -> Result<(), Violation> {
        self.tally.faults += 1;
        self.tell(&format!("{fault:?} strikes {place}"));
        match fault {
            Fault::LinkDown | Fault::OneWay => self.switch(fault, place, |down| down + 1),
            Fault::Crash => return self.crash(place),
            Fault::DiskFull => {
                let more = self.cup.at("disk", place).below(6);
                self.nodes[place].limit_pages(Some(more)).map_err(broken)?;
            }
            Fault::ClockJump => {
                let dice = self.cup.at("jump", place);
                let by = dice.between(1, 7_200_000) as i64;
                self.nodes[place].skew += if dice.below(2) == 0 { by } else { -by };
            }
            Fault::Restore => return self.restore(place),
            Fault::Rights => return self.change_rights(place),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn heal(&mut self, fault: Fault, place: usize) -> Result<(), Violation> {
        match fault {
            Fault::LinkDown | Fault::OneWay => self.switch(fault, place, |down| down.saturating_sub(1)),
            Fault::DiskFull => self.nodes[place].limit_pages(None).map_err(broken)?,
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

    /// A peer dies: what it was about to do is gone, what it committed is not.
    pub(super) fn crash(&mut self, at: usize) -> Result<(), Violation> {
        self.tally.faults += 1;
        self.tell(&format!("peer {at} crashes"));
        self.nodes[at].power = Power::Off;
        let pause = self.cup.at("pause", at).between(100, 10_000) as Moment;
        self.queue.plan(self.now + pause, Event::Return(at));
        Ok(())
    }

    pub(super) fn restart(&mut self, at: usize) -> Result<(), Violation> {
        self.tell(&format!("peer {at} starts"));
        let before = self.nodes[at].known.clone();
        self.nodes[at].restart().map_err(broken)?;
        self.nodes[at].look().map_err(broken)?;
        if self.nodes[at].known == before {
            return Ok(());
        }
        Err(Violation::new("crash", format!("peer {at} holds something else after a restart")))
    }

    fn restore(&mut self, at: usize) -> Result<(), Violation> {
        self.nodes[at].restore().map_err(broken)?;
        Ok(())
    }

    fn change_rights(&mut self, edge: usize) -> Result<(), Violation> {
        let (client, server) = (self.plan.edges[edge].client, self.plan.edges[edge].server);
        if self.nodes[server].stage == Stage::Unborn || self.nodes[server].power == Power::Off {
            return Ok(());
        }
        let letters = *self.cup.at("letters", edge).pick(&["gio", "gioxy", "go", "gioy"]);
        let time = self.nodes[server].time(self.now);
        match self.nodes[server].set_letters(client, letters, time) {
            Err(error) if !self.is_excused(&error) => Err(broken(error)),
            _ => Ok(()),
        }
    }
}
