//! The content of a reply: what was asked for, then the lists at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use repo::outgoing::{List, Outgoing};
use repo::{Presence, RepoError, Rid, Snapshot, blob};
use xfer::card::{CloneRequest, Igot, Privacy};
use xfer::{ArtifactId, Card, Pragma};

use super::orders::{Mode, Orders, Outcome};
use crate::outbox::{Form, Outbox};
use crate::session::{circles, inbox};
use crate::version::{PRIVATE_IGOT_SINCE, SHA3_SINCE};
use crate::{Cx, RoundStats, Site, SyncError, tables};

/// Artifacts that are looked up at once.
const PIECE: u32 = 500;
/// Artifacts that are sent unasked at [`Site::Unasked`].
const UNASKED: usize = 4;

/// A reply under way.
pub(super) struct Answer<'a, 'm> {
    snap: &'a Snapshot<'a>,
    orders: &'a mut Orders<'m>,
    outbox: Outbox<'a>,
    cards: Vec<Card>,
    stats: RoundStats,
}

/// Why content is not sent after all.
enum Stop {
    /// The text of the error card.
    Refusal(&'static str),
    Failure(SyncError),
}

impl<E: Into<SyncError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failure(error.into())
    }
}

impl<'a, 'm> Answer<'a, 'm> {
    pub(super) fn new(
        snap: &'a Snapshot<'a>,
        orders: &'a mut Orders<'m>,
        cx: &'a Cx<'_>,
    ) -> Result<Self, RepoError> {
        let mut outbox = Outbox::of_reply(snap, cx)?;
        outbox.deepest = orders.deepest;
        let stats = orders.stats;
        Ok(Self { snap, orders, outbox, cards: Vec::new(), stats })
    }

    /// Answers what was read. The timestamp is left to the caller.
    pub(super) fn run(mut self, cx: &Cx<'_>) -> Result<(Vec<Card>, RoundStats), SyncError> {
        self.settle_what_they_have()?;
        if self.orders.outcome == Outcome::Read {
            match self.send() {
                Ok(()) => {}
                Err(Stop::Refusal(text)) => {
                    self.cards.clear();
                    self.orders.refuse(text.to_owned());
                }
                Err(Stop::Failure(error)) => return Err(error),
            }
        }
        if self.orders.push == Mode::On {
            self.ask(cx)?;
        }
        self.announce()?;
        if self.orders.outcome == Outcome::Read {
            if self.orders.asks_for_tables() {
                self.cards.extend(tables::offer(self.snap)?);
            }
            let Orders { tables: heard, rows, .. } = &*self.orders;
            let flow = self.orders.table_flow();
            let said = tables::reply(self.snap, heard, rows, flow, self.outbox.room())?;
            self.cards.extend(said.cards);
            for table in said.compared.values() {
                self.stats.rows_sent += table.stats.sent;
                self.stats.rows_received += table.stats.received;
            }
            self.orders.compared = said.compared;
        }
        self.stats.files_sent = self.outbox.files();
        let mut cards = std::mem::take(&mut self.orders.notes);
        cards.append(&mut self.cards);
        cards.append(&mut self.orders.locks.answer(self.snap, cx.now)?);
        cards.append(&mut self.orders.links.answer(self.snap, cx.now)?);
        Ok((cards, self.stats))
    }

    /// What a client says it has, or sent, need not be announced to it. Stock says that it has the private artifacts
    /// it knows by name only, in the request that asks for them: what is asked for counts as missing.
    fn settle_what_they_have(&mut self) -> Result<(), RepoError> {
        let asked: BTreeSet<&ArtifactId> = self.orders.gimmes.iter().collect();
        let announced = self.orders.igots.iter().map(|igot| &igot.id).filter(|id| !asked.contains(id));
        for id in announced.chain(self.orders.files.iter().map(|file| &file.id)) {
            if let Presence::Held(rid) = blob::presence(self.snap, id)? {
                self.outbox.settle(rid);
            }
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), Stop> {
        match self.orders.clone {
            Some(CloneRequest::Batch { version, seqno }) => {
                let next = self.batch(version, seqno)?;
                self.cards.push(Card::CloneSeqno(next));
                self.cards.push(Card::Push(self.orders.ours.clone()));
            }
            Some(CloneRequest::Announce) => self.cards.push(Card::Push(self.orders.ours.clone())),
            None => {}
        }
        let records = self.orders.configuration.answer(self.snap, &self.orders.rights)?;
        self.stats.config_sent = records.len() as u64;
        self.cards.extend(records.into_iter().map(Card::Config));
        let mut asked = BTreeMap::new();
        for id in &self.orders.gimmes {
            let Some(outgoing) = self.outbox.outlet().find(id)? else { continue };
            if self.outbox.is_settled(outgoing.rid) || self.outbox.fires(Site::Unanswered) {
                continue;
            }
            if outgoing.privacy <= self.outbox.deepest {
                check_client(self.orders.client.0, &outgoing)?;
                asked.insert(outgoing.rid, outgoing);
                continue;
            }
            self.outbox.settle(outgoing.rid);
            if self.orders.client.1 >= PRIVATE_IGOT_SINCE {
                self.cards.push(Card::Igot(Igot::private(*id)));
                self.stats.igots_sent += 1;
            }
        }
        self.send_asked(asked)?;
        if self.orders.pull == Mode::On && self.outbox.fires(Site::Unasked) {
            self.send_unasked()?;
        }
        let Self { snap, orders, outbox, cards, stats } = self;
        Ok(orders.unversioned.answer(snap, outbox, cards, stats)?)
    }

    /// Answers the `gimme` cards. What finds no room is announced, so that the client asks again.
    fn send_asked(&mut self, asked: BTreeMap<Rid, Outgoing>) -> Result<(), Stop> {
        let mut postponed = Vec::new();
        let cards = &mut self.cards;
        let mut told = |outgoing: &Outgoing, card: Option<Card>| {
            match card {
                Some(card) => cards.push(card),
                None => postponed.push((outgoing.rid, Igot { id: outgoing.id, privacy: outgoing.privacy })),
            }
            ControlFlow::Continue(())
        };
        // Newest first.
        let asked = asked.into_values().rev();
        match self.orders.pull {
            Mode::On => self
                .outbox
                .towards_older(&mut asked.map(|outgoing| Ok((outgoing, Form::Delta))), &mut told)?,
            Mode::Off => {
                for outgoing in asked {
                    let card = self.outbox.native(&outgoing)?;
                    let _ = told(&outgoing, card);
                }
            }
        }
        for (rid, igot) in postponed {
            // Once is enough: the list at the end leaves it out.
            self.outbox.settle(rid);
            self.cards.push(Card::Igot(igot));
            self.stats.igots_sent += 1;
        }
        Ok(())
    }

    /// Sends the newest artifacts, as if the client had asked for them.
    fn send_unasked(&mut self) -> Result<(), Stop> {
        let mut newest = Vec::new();
        self.outbox.outlet().list(List::Catalog, |rid, _| {
            newest.push(rid);
            if newest.len() < UNASKED { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let mut unasked = Vec::new();
        for rid in newest {
            let Some(outgoing) = self.outbox.outlet().at(rid)? else { continue };
            check_client(self.orders.client.0, &outgoing)?;
            if !self.outbox.is_settled(rid) {
                unasked.push(outgoing);
            }
        }
        let mut unasked = unasked.into_iter().map(|outgoing| Ok((outgoing, Form::Delta)));
        Ok(self.outbox.towards_older(&mut unasked, &mut |_, card| {
            self.cards.extend(card);
            ControlFlow::Continue(())
        })?)
    }

    /// Sends artifacts from rid `seqno` on, and says where the next batch starts; 0 if there is none.
    ///
    /// Nothing is remembered: artifacts that come meanwhile have higher rids, so a clone of a busy server ends.
    fn batch(&mut self, version: u32, seqno: u32) -> Result<u32, Stop> {
        let mut from = Rid(i64::from(seqno));
        loop {
            let piece = self.outbox.outlet().piece(from, PIECE)?;
            for outgoing in &piece.artifacts {
                if !self.send_in_batch(version, outgoing)? {
                    // Rids beyond what the card can hold are out of reach for every client of this protocol.
                    return Ok(u32::try_from(outgoing.rid.0).unwrap_or(0));
                }
            }
            let Some(next) = piece.next else { return Ok(0) };
            from = next;
        }
    }

    /// Says whether there was room.
    fn send_in_batch(&mut self, version: u32, outgoing: &Outgoing) -> Result<bool, Stop> {
        if outgoing.privacy > self.outbox.deepest {
            return Ok(true);
        }
        check_client(self.orders.client.0, outgoing)?;
        let card = if version >= 3 { self.outbox.stored(outgoing)? } else { self.outbox.native(outgoing)? };
        let sent = card.is_some();
        self.cards.extend(card);
        Ok(sent)
    }

    /// Asks whoever pushes for what is missing here.
    fn ask(&mut self, cx: &Cx<'_>) -> Result<(), SyncError> {
        let Some(exhausted) = exhausted(self.orders, self.stats.files_received) else { return Ok(()) };
        // What came, and does not show that it is public, would come as it came.
        let came = self.orders.files.iter().map(|file| file.id);
        let lacks = self.orders.lacks.iter().chain(&exhausted).copied();
        let theirs: BTreeSet<ArtifactId> = lacks.chain(came).collect();
        let igots = self.orders.igots.iter().copied().filter(|igot| !exhausted.contains(&igot.id));
        let (igots, deepest) = (&igots.collect::<Vec<_>>(), self.orders.deepest);
        // One more shows that there are others.
        let (most, enough) = (cx.limits.reply_gimmes, cx.limits.reply_gimmes.saturating_add(1));
        let is_wanted = |id: &ArtifactId| !theirs.contains(id);
        let late = circles::choose(self.snap, self.orders.late.keys(), deepest, enough, is_wanted)?;
        let room = enough - late.len();
        let mut wanted = inbox::choose(self.snap, igots, deepest, room, room, is_wanted)?;
        wanted.add_waiting(self.snap, igots, room)?;
        wanted.add_listed(self.snap, room, is_wanted)?;
        let wanted = wanted.after(late);
        let gimmes: Vec<ArtifactId> = wanted.iter().take(most).collect();
        self.stats.gimmes_sent = gimmes.len() as u64;
        self.cards.extend(gimmes.iter().copied().map(Card::Gimme));
        if cx.fires(Site::AskedTwice) {
            self.cards.extend(gimmes.iter().copied().map(Card::Gimme));
        }
        if wanted.len() > most {
            self.cards.push(Card::Pragma(Pragma::MoreGimmes));
        }
        Ok(())
    }

    /// The lists at the end of a reply.
    fn announce(&mut self) -> Result<(), RepoError> {
        if self.orders.clusters == Mode::On && !self.outbox.fires(Site::ClustersUnknown) {
            self.announce_clusters()?;
        }
        // A clone by names hears all of them first; while it asks for them, only of what may have come meanwhile.
        let by_names = self.orders.clone == Some(CloneRequest::Announce);
        if by_names || self.orders.pull == Mode::On {
            let all = self.orders.catalog == Mode::On || by_names && self.orders.lacks.is_empty();
            if !all && !self.orders.lacks.is_empty() && self.outbox.fires(Site::ListLeftOut) {
                return Ok(());
            }
            self.announce_list(if all { List::Catalog } else { List::Unclustered })?;
            if self.outbox.deepest == Privacy::Private {
                self.announce_list(List::Private)?;
            }
        }
        Ok(())
    }

    fn announce_clusters(&mut self) -> Result<(), RepoError> {
        let before = self.cards.len();
        self.cards.push(Card::Comment(" sending-clusters".into()));
        self.announce_list(List::Clusters)?;
        if self.cards.len() == before + 1 {
            self.cards.pop();
        } else {
            self.cards.push(Card::Comment(" end-of-clusters".into()));
        }
        Ok(())
    }

    fn announce_list(&mut self, list: List) -> Result<(), RepoError> {
        let Self { outbox, cards, stats, .. } = self;
        let privacy = if list == List::Private { Privacy::Private } else { Privacy::Public };
        outbox.outlet().list(list, |rid, id| {
            if !outbox.is_settled(rid) || outbox.fires(Site::AnnouncedAgain) {
                cards.push(Card::Igot(Igot { id, privacy }));
                stats.igots_sent += 1;
            }
            ControlFlow::Continue(())
        })
    }
}

/// What a client was asked for without use, by all that a reply can know of it: what it sends as an empty file, it sends so as
/// often as it is asked. Of one that brings nothing new besides, that is all that it announces up to there, since it is asked in
/// the order of what it announces first. None: it did not announce what came to nothing, which is asked for last. Two names, each asked
/// for where the other had come to nothing, would keep stock busy for ever.
fn exhausted(orders: &Orders<'_>, new: u64) -> Option<BTreeSet<ArtifactId>> {
    let hollow = &orders.hollow;
    if hollow.is_empty() || new > 0 {
        return Some(hollow.clone());
    }
    let last = orders.igots.iter().rposition(|igot| hollow.contains(&igot.id))?;
    Some(orders.igots[..=last].iter().map(|igot| igot.id).chain(hollow.iter().copied()).collect())
}

fn check_client(version: u32, outgoing: &Outgoing) -> Result<(), Stop> {
    if version >= SHA3_SINCE || outgoing.id.is_sha1() {
        return Ok(());
    }
    Err(Stop::Refusal("Fossil version 2.0 or later required."))
}
