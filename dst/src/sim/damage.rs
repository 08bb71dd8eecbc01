//! Messages that do not say what their sender did: they are cut short, a bit is wrong, a card is another one.

use bytes::Bytes;
use sync::CloneVersion;
use xfer::body::{Body, ContentType};

use super::forgery::{Forged, forge_card, forge_content, forge_delta, forge_nameless, forge_private};
use super::mishap::Way;
use super::{Event, Parcel, Sim};
use crate::plan::{Edition, Fault};
use crate::queue::Moment;
use crate::rights::Right;
use crate::script::Item;
use crate::site::Site;
use crate::talk::{Kind, Soundness};

impl Sim {
    /// Cuts a message short, or changes something in it.
    pub(super) fn damage(&mut self, parcel: Parcel, way: Way) -> Parcel {
        let Some(body) = parcel.body.as_ref().filter(|body| !body.bytes.is_empty()) else { return parcel };
        let cut = self.hits(way.pick(Site::CutRequest, Site::CutReply), parcel.turn());
        let flip = || self.hits(way.pick(Site::FlipRequest, Site::FlipReply), parcel.turn());
        let Some(hit) = cut.or_else(flip) else { return parcel };
        let cut = cut.is_some();
        if !cut && let Some(body) = self.forge(body, &parcel, way, hit) {
            return Parcel { body: Some(body), soundness: Soundness::Damaged, ..parcel };
        }
        let mut dice = self.dice(way.pick("damage of request", "damage of reply"), parcel.turn());
        let mut bytes = body.bytes.to_vec();
        let place = dice.place(bytes.len());
        let one_in = if way == Way::Request && self.answers_nothing(parcel.edge) { 2 } else { 8 };
        if cut && self.plan.edition != Edition::First && dice.below(one_in) == 0 {
            // No bytes at all are an empty message: that some were to come only the transport can know, and tells, but for stock's.
            self.census.note(way.pick("request cut to nothing", "reply cut to nothing"));
            self.tell(&format!("#{} {} cut to nothing ({hit})", parcel.talk, way.name()));
            return Parcel { body: None, soundness: Soundness::Damaged, ..parcel };
        }
        if cut {
            bytes.truncate(place.max(1));
        } else if body.content_type == ContentType::Compressed {
            bytes[place] ^= 1 << dice.below(8);
        } else {
            // Nothing but the transport protects the cards of an uncompressed reply. What it lets pass is cut short.
            bytes.truncate(place);
        }
        self.census.note(if cut { "message cut" } else { "message flipped" });
        let size = body.bytes.len();
        self.tell(&format!("#{} {} damaged at {place} of {size} ({hit})", parcel.talk, way.name()));
        let body = Body { content_type: body.content_type, bytes: Bytes::from(bytes) };
        Parcel { body: Some(body), soundness: Soundness::Damaged, ..parcel }
    }

    /// Perhaps has a reply bring a false delta without its source, which nobody sends for a while then: so it waits when the
    /// source comes in another session.
    pub(super) fn bring_false_delta(&mut self, parcel: &Parcel, way: Way) -> Option<Parcel> {
        let is_whole = parcel.soundness == Soundness::Sound && self.talks.contains_key(&parcel.talk);
        let may_be = way == Way::Reply && self.plan.edition >= Edition::Fourth && is_whole;
        // Stock passes on what waits, false or not.
        let has_stock = self.plan.stock.iter().any(Option::is_some);
        if !may_be || has_stock || !self.is_on(Site::FalseDelta.fault()) {
            return None;
        }
        let edge = self.plan.edges[parcel.edge].clone();
        let mut dice = self.dice("false delta", parcel.turn());
        let held = &self.nodes[edge.client].known.held;
        let body = forge_delta(parcel.body.as_ref()?, &edge, |id| held.contains_key(id), &mut dice)?;
        let hit = self.hits(Site::FalseDelta, parcel.turn())?;
        self.census.note("forged delta without its source");
        self.tell(&format!("#{} brings a false delta without its source ({hit})", parcel.talk));
        self.switch(Fault::LinkDown, parcel.edge, |down| down + 1);
        let until = self.now + dice.between(20_000, 80_000) as Moment;
        self.queue.plan(until, Event::Heal(Fault::LinkDown, parcel.edge));
        Some(Parcel { body: Some(body), soundness: Soundness::Damaged, ..parcel.clone() })
    }

    /// Perhaps leaves out of the reply to a clone by names which project that is, which whoever refused it first had said.
    pub(super) fn leave_project_out(&mut self, parcel: &Parcel, way: Way) -> Option<Parcel> {
        let may_be = way == Way::Reply && self.plan.edition >= Edition::Seventh;
        if !may_be || parcel.soundness == Soundness::Damaged || !self.is_on(Site::NamelessReply.fault()) {
            return None;
        }
        let edge = self.plan.edges[parcel.edge].clone();
        let talk = self.talks.get(&parcel.talk)?;
        let is_by_names = talk.kind == Kind::Clone
            && talk.stock.is_none()
            && self.clone_version(parcel.talk, parcel.edge) == CloneVersion::V1;
        if !is_by_names || self.is_stock(edge.server) || self.may_all_clone(edge.server) {
            return None;
        }
        let body = forge_nameless(parcel.body.as_ref()?, &edge)?;
        let hit = self.hits(Site::NamelessReply, parcel.turn())?;
        self.census.note("forged project");
        self.tell(&format!("#{} forged: project ({hit})", parcel.talk));
        let talk = self.talks.get_mut(&parcel.talk)?;
        talk.soundness = Soundness::Damaged;
        Some(Parcel { body: Some(body), soundness: Soundness::Damaged, ..parcel.clone() })
    }

    /// Perhaps says something else in place of a message, which no checksum tells.
    fn forge(&mut self, body: &Body, parcel: &Parcel, way: Way, hit: Item) -> Option<Body> {
        let mut dice = self.dice(way.pick("forged request", "forged reply"), parcel.turn());
        let edge = self.plan.edges[parcel.edge].clone();
        // Stock believes what it reads, and keeps it.
        let is_stock =
            |at: &usize| self.plan.edition < Edition::Fourth || [edge.client, edge.server].contains(at);
        let has_stock = (0..self.nodes.len()).filter(is_stock).any(|at| self.plan.stock[at].is_some());
        let choice = if self.plan.edition == Edition::First || has_stock {
            0
        } else {
            self.dice(way.pick("kind of forged request", "kind of forged reply"), parcel.turn()).below(8)
        };
        let content = if choice < 3 { forge_content(body, &edge, &mut dice) } else { None };
        let may_be_nameless = choice >= 5 && way == Way::Reply && self.plan.edition >= Edition::Fourth;
        let nameless = may_be_nameless.then(|| forge_nameless(body, &edge)).flatten();
        // What is private is given to nobody else, be it so in truth or not: that is tried where it is refused.
        let may_be_private = !self.nodes[edge.server].letters(edge.client, edge.login).allow(Right::Private);
        let may_be_private = may_be_private && way == Way::Request && self.plan.edition >= Edition::Seventh;
        let private = (choice == 7 && may_be_private).then(|| forge_private(body, &edge)).flatten();
        let whole = [(content, "content"), (nameless, "project"), (private, "private")];
        let (forged, kind) = match whole.into_iter().find_map(|(body, kind)| body.map(|body| (body, kind))) {
            Some(forged) => forged,
            None if choice == 7 || self.plan.edition == Edition::First || has_stock => return None,
            None => {
                let Forged { body, kind, line } = forge_card(body, &edge, way, &mut dice)?;
                self.tell(&format!("#{} forged: {line} ({hit})", parcel.talk));
                (body, kind)
            }
        };
        self.census.note(format!("forged {kind}"));
        if ["content", "project", "private"].contains(&kind) {
            self.tell(&format!("#{} forged: {kind} ({hit})", parcel.talk));
        }
        if let Some(talk) = self.talks.get_mut(&parcel.talk).filter(|_| kind != "content") {
            // What is said wrongly in a request is answered wrongly.
            talk.soundness = Soundness::Damaged;
        }
        Some(forged)
    }
}
