//! What a session sends (reference: wire.md sections 5.4, 7 and 9).
//!
//! What was made here since the last push goes unasked. Everything else is announced, and sent when the peer asks
//! for it: once a session, however often it asks, and once more, whole, if it was a delta. Nothing counts as sent before
//! the reply is in, and private artifacts are not even named before the peer showed that it lets us.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use repo::outgoing::{List, Outgoing, Outlet};
use repo::{Presence, RepoError, Rid, Snapshot, Tx, blob, cluster, private, shun, unsent};
use xfer::card::{Igot, Privacy};
use xfer::{ArtifactId, Card};

use super::locking::Rest;
use super::reply::Reply;
use crate::outbox::{Asked, Form, Outbox};
use crate::{RoundStats, Site};

/// Stock servers that let us pull and not push say so in a message that begins so.
const PULL_ONLY: &str = "pull only ";
/// Names that a peer asks for in vain and is told so: twenty times what one reply of stock asks for.
const MOST_WITHHELD: usize = 10_000;

/// The pushing half of a session.
pub(super) struct Pushing {
    stance: Stance,
    /// Which artifacts are pushed.
    deepest: Privacy,
    /// Which the peer is known to take.
    granted: Privacy,
    /// What the peer asked for and was not sent.
    asked: BTreeSet<ArtifactId>,
    /// What was sent, with the reply in, and how. Of a delta the peer may have had no use.
    sent: BTreeMap<ArtifactId, Form>,
    /// What the peer said that it has, or sent.
    theirs: BTreeSet<Rid>,
    /// Whether the next request is the first one that may name private artifacts, and there are some.
    names_private: bool,
    /// What the peer asked for and does not get from here: it is lacking here too, or may not go, or went before. What went
    /// since, or the peer has, it does not ask for again.
    withheld: BTreeSet<ArtifactId>,
    /// What the last reply asked for, as far as that shows.
    wishes: Wishes,
    /// How it is sent.
    form: Form,
    /// What the last request holds.
    request: Request,
}

/// Whether we push.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stance {
    Off,
    On,
    /// The peer does not let us, in its words.
    Refused(String),
}

/// What a reply asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Wishes {
    /// All of it can be sent.
    #[default]
    Met,
    /// Some of it is withheld, and the peer may want others that it has not come to ask for.
    Unmet,
    /// The peer says that it wants others, and is to hear what it does not get, so that it asks for them.
    Cut,
    /// The same, and there is something that it has not heard yet.
    CutAnew,
}

#[derive(Debug, Default)]
struct Request {
    files: Vec<Sent>,
    /// Rows of `unsent` that it sends or announces.
    offered: Vec<Rid>,
    /// What it has no room for.
    rest: Option<Rid>,
    /// Whether it said nothing of a push: so its reply does not either.
    is_silent: bool,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    rid: Rid,
    id: ArtifactId,
    bytes: u64,
    form: Form,
}

/// What a request announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// What no cluster lists.
    New,
    /// What no cluster lists, and all clusters: for a peer that lacks older artifacts too.
    Clusters,
    /// Everything.
    All,
}

impl Request {
    /// Takes up artifacts, and says whether there was room for all.
    fn fill(
        &mut self,
        asked: Asked<'_>,
        outbox: &mut Outbox<'_>,
        cards: &mut Vec<Card>,
    ) -> Result<bool, RepoError> {
        outbox.towards_older(asked, &mut |outgoing, card| {
            let Some(card) = card else {
                self.rest = Some(outgoing.rid);
                return ControlFlow::Break(());
            };
            let bytes = card.payload_bytes() as u64;
            let is_delta = matches!(&card, Card::File(file) if file.delta_source.is_some());
            let form = if is_delta { Form::Delta } else { Form::Whole };
            self.files.push(Sent { rid: outgoing.rid, id: outgoing.id, bytes, form });
            cards.push(card);
            ControlFlow::Continue(())
        })?;
        Ok(self.rest.is_none())
    }
}

impl Pushing {
    pub(super) fn new(push: bool, deepest: Privacy) -> Self {
        Self {
            stance: if push { Stance::On } else { Stance::Off },
            deepest,
            granted: Privacy::Public,
            asked: BTreeSet::new(),
            sent: BTreeMap::new(),
            theirs: BTreeSet::new(),
            names_private: false,
            withheld: BTreeSet::new(),
            wishes: Wishes::Met,
            form: Form::default(),
            request: Request::default(),
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.stance == Stance::On
    }

    /// What the peer said when it refused.
    pub(super) fn refusal(&self) -> Option<&str> {
        if let Stance::Refused(said) = &self.stance { Some(said) } else { None }
    }

    /// Pushes no more.
    pub(super) fn give_up(&mut self, said: &str) {
        self.stance = Stance::Refused(said.to_owned());
        self.request = Request::default();
        self.asked.clear();
        (self.names_private, self.wishes) = (false, Wishes::Met);
    }

    /// Sends no deltas from here on. Says whether the last request has any.
    pub(super) fn expand(&mut self) -> bool {
        self.form = Form::Whole;
        self.request.files.iter().any(|file| file.form == Form::Delta)
    }

    /// What the peer is not to ask for again, if it wants more than it asked for. What came here meanwhile it may have.
    pub(super) fn withheld(&self, snap: &Snapshot<'_>) -> Result<Vec<ArtifactId>, RepoError> {
        let mut withheld = Vec::new();
        if !self.is_on() || !matches!(self.wishes, Wishes::Cut | Wishes::CutAnew) {
            return Ok(withheld);
        }
        for id in &self.withheld {
            if self.sent.contains_key(id) || !self.may_send(snap, id)? {
                withheld.push(*id);
            }
        }
        Ok(withheld)
    }

    /// Makes no further round only to say what is withheld.
    pub(super) fn say_no_more(&mut self) {
        if self.wishes == Wishes::CutAnew {
            self.wishes = Wishes::Cut;
        }
    }

    /// Whether the peer is to hear more.
    pub(super) fn has_more(&self) -> bool {
        let is_unmet = self.wishes != Wishes::Met;
        !self.asked.is_empty()
            || self.names_private
            || self.wishes == Wishes::CutAnew
            || (is_unmet && self.rest() == Rest::Some)
    }

    /// Whether the peer asked for a cluster, and is to get it.
    pub(super) fn is_asked_for_clusters(&self, snap: &Snapshot<'_>) -> Result<bool, RepoError> {
        for id in &self.asked {
            if let Some(rid) = blob::rid(snap, id)?
                && cluster::is_one(snap, rid)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether something that goes unasked, or was asked for, found no room in the last request.
    pub(super) fn rest(&self) -> Rest {
        if self.is_on() && self.request.rest.is_some() { Rest::Some } else { Rest::None }
    }

    /// The last request said nothing of a push.
    pub(super) fn was_silent(&mut self) {
        self.request = Request { is_silent: true, ..Request::default() };
    }

    /// Artifacts in the last request, and their bytes.
    pub(super) fn under_way(&self) -> (u64, u64) {
        let files = &self.request.files;
        (files.len() as u64, files.iter().map(|file| file.bytes).sum())
    }

    /// The artifacts and announcements of the next request. What the peer named, and a user made here since, `named`, is not told
    /// to be private: stock would hide from others what it has as public.
    pub(super) fn compose(
        &mut self,
        snap: &Snapshot<'_>,
        outbox: &mut Outbox<'_>,
        scope: Scope,
        named: &BTreeSet<ArtifactId>,
        stats: &mut RoundStats,
    ) -> Result<Vec<Card>, RepoError> {
        self.request = Request::default();
        if !self.is_on() {
            return Ok(Vec::new());
        }
        outbox.deepest = self.granted;
        for &rid in &self.theirs {
            outbox.settle(rid);
        }
        let mut cards = Vec::new();
        if self.answer(outbox, &mut cards)? && !outbox.fires(Site::NamesOnly) {
            self.send_unsent(snap, outbox, &mut cards)?;
        }
        stats.files_sent = cards.len() as u64;
        self.announce(outbox, scope, named, &mut cards)?;
        stats.igots_sent = cards.len() as u64 - stats.files_sent;
        self.request.offered = self.offered(snap)?;
        Ok(cards)
    }

    /// Sends what the peer asked for, the newest first. Says whether there is room for more.
    fn answer(&mut self, outbox: &mut Outbox<'_>, cards: &mut Vec<Card>) -> Result<bool, RepoError> {
        let mut asked = BTreeMap::new();
        for id in self.asked.clone() {
            let found = outbox.outlet().find(&id)?.filter(|found| found.privacy <= self.granted);
            let form = if self.sent.contains_key(&id) { Form::Whole } else { self.form };
            match found {
                Some(outgoing) => drop(asked.insert(outgoing.rid, (outgoing, form))),
                None => drop(self.asked.remove(&id)),
            }
        }
        self.request.fill(&mut asked.into_values().rev().map(Ok), outbox, cards)
    }

    /// Sends what was made here, the oldest first, as far as there is room: the rest is announced.
    fn send_unsent(
        &mut self,
        snap: &Snapshot<'_>,
        outbox: &mut Outbox<'_>,
        cards: &mut Vec<Card>,
    ) -> Result<(), RepoError> {
        let Self { sent, form, granted, request, .. } = self;
        let outlet = Outlet::new(snap);
        let mut unsent = unsent::all(snap)?;
        unsent.retain(|&rid| !outbox.is_settled(rid));
        let may_go = |found: &Outgoing| !sent.contains_key(&found.id) && found.privacy <= *granted;
        let mut unsent = unsent.into_iter().filter_map(|rid| {
            let found = outlet.at(rid).map(|found| found.filter(may_go)).transpose()?;
            Some(found.map(|outgoing| (outgoing, *form)))
        });
        request.fill(&mut unsent, outbox, cards).map(drop)
    }

    fn announce(
        &self,
        outbox: &Outbox<'_>,
        scope: Scope,
        named: &BTreeSet<ArtifactId>,
        cards: &mut Vec<Card>,
    ) -> Result<(), RepoError> {
        let is_hidden = |id: &ArtifactId, privacy| privacy == Privacy::Private && named.contains(id);
        let mut list = |list: List, privacy: Privacy| {
            outbox.outlet().list(list, |rid, id| {
                let is_known = outbox.is_settled(rid) || self.sent.contains_key(&id);
                if !is_known && !is_hidden(&id, privacy) {
                    cards.push(Card::Igot(Igot { id, privacy }));
                }
                ControlFlow::Continue(())
            })
        };
        match scope {
            Scope::New => list(List::Unclustered, Privacy::Public)?,
            Scope::All => list(List::Catalog, Privacy::Public)?,
            Scope::Clusters => {
                list(List::Unclustered, Privacy::Public)?;
                list(List::Clusters, Privacy::Public)?;
            }
        }
        if self.granted == Privacy::Private {
            list(List::Private, Privacy::Private)?;
        }
        Ok(())
    }

    fn offered(&self, snap: &Snapshot<'_>) -> Result<Vec<Rid>, RepoError> {
        let mut offered = Vec::new();
        for rid in unsent::all(snap)? {
            if self.granted == Privacy::Private || !private::contains(snap, rid)? {
                offered.push(rid);
            }
        }
        Ok(offered)
    }

    /// Reads what a reply without errors says of the last request. [`Pushing::delivered`] is to be written down.
    pub(super) fn hear(&mut self, snap: &Snapshot<'_>, reply: &Reply<'_>) -> Result<(), RepoError> {
        if !self.is_on() || self.request.is_silent {
            return Ok(());
        }
        if let Some(said) = refusal(reply) {
            self.give_up(said);
            return Ok(());
        }
        for file in &self.request.files {
            self.sent.insert(file.id, file.form);
            self.asked.remove(&file.id);
            self.withheld.remove(&file.id);
        }
        self.names_private = self.granted < self.deepest && private::any(snap)?;
        self.granted = self.deepest;
        let announced = reply.igots.iter().map(|igot| igot.id);
        for id in announced.chain(reply.files.iter().map(|file| file.id)) {
            self.withheld.remove(&id);
            if let Presence::Held(rid) = blob::presence(snap, &id)? {
                self.theirs.insert(rid);
            }
        }
        let known = self.withheld.len();
        let mut is_met = true;
        for &id in &reply.gimmes {
            let was_sent = self.sent.contains_key(&id);
            if self.sent.get(&id) != Some(&Form::Whole) && self.may_send(snap, &id)? {
                self.asked.insert(id);
                continue;
            }
            is_met &= was_sent;
            if self.withheld.len() < MOST_WITHHELD {
                self.withheld.insert(id);
            }
        }
        self.wishes = match (reply.wants_more, is_met) {
            (true, _) if self.withheld.len() > known => Wishes::CutAnew,
            (true, _) => Wishes::Cut,
            (false, true) => Wishes::Met,
            (false, false) => Wishes::Unmet,
        };
        Ok(())
    }

    /// Looks once more for what the peer asked for in vain, when what a reply brought is here: that may be among it, or what it
    /// waited for.
    pub(super) fn hear_again(&mut self, snap: &Snapshot<'_>, reply: &Reply<'_>) -> Result<(), RepoError> {
        if !self.is_on() {
            return Ok(());
        }
        // Who hears nothing of a push does not ask because of it.
        let just_asked = if self.request.is_silent { &[][..] } else { &reply.gimmes };
        let mut found = Vec::new();
        for id in just_asked.iter().chain(&self.withheld) {
            if !self.sent.contains_key(id) && self.may_send(snap, id)? {
                found.push(*id);
            }
        }
        self.asked.extend(found);
        Ok(())
    }

    fn may_send(&self, snap: &Snapshot<'_>, id: &ArtifactId) -> Result<bool, RepoError> {
        let Presence::Held(rid) = blob::presence(snap, id)? else { return Ok(false) };
        let public = self.granted == Privacy::Private || !private::contains(snap, rid)?;
        Ok(public && !shun::contains(snap, id)?)
    }

    /// Rows of `unsent` that the peer has now that its reply is in.
    pub(super) fn delivered(&self) -> Vec<Rid> {
        let sent = self.request.files.iter().map(|file| file.rid);
        let offered = self.request.offered.iter().copied();
        match (&self.stance, self.has_more()) {
            (Stance::On, true) => sent.collect(),
            (Stance::On, false) if self.wishes != Wishes::Met => {
                sent.chain(offered.filter(|rid| self.theirs.contains(rid))).collect()
            }
            // It was offered the others, and wants none of them.
            (Stance::On, false) => sent.chain(offered).collect(),
            (Stance::Off | Stance::Refused(_), _) => Vec::new(),
        }
    }
}

/// What a peer says that takes no push of who may pull.
pub(super) fn refusal<'r>(reply: &Reply<'r>) -> Option<&'r str> {
    reply.messages.iter().copied().find(|text| text.starts_with(PULL_ONLY))
}

/// Takes off `unsent` what was delivered.
pub(super) fn settle(tx: &Tx<'_>, delivered: &[Rid]) -> Result<(), RepoError> {
    delivered.iter().try_for_each(|&rid| unsent::remove(tx, rid))
}
