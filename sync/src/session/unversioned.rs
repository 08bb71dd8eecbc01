//! Unversioned files (reference: wire.md sections 9 and 10.4).
//!
//! The first request says what our files hash to. A peer whose files hash to something else lists them; then each
//! side is sent what the other has a later version of. What is asked for and does not come, twice in a row, is
//! given up.

use std::collections::{BTreeMap, BTreeSet};

use repo::unversioned::{self, Entry, Status, Taken, Version};
use repo::{Snapshot, Tx, UnixTime};
use xfer::card::{UvFile, UvIgot};
use xfer::{Card, Pragma, UvName};

use super::SyncOptions;
use super::inbox::blame;
use super::reply::{Reply, UvMode};
use crate::outbox::{Outbox, UvContents};
use crate::{RoundStats, SyncError};

/// Rounds in a row that may bring none of the files that they ask for.
const IDLE_ROUNDS: u32 = 2;

/// Unversioned files of a session.
pub(super) struct Unversioned {
    direction: Direction,
    stage: Stage,
    /// What is asked for.
    wanted: BTreeSet<UvName>,
    /// What the peer is to get, and whether it needs the content.
    owed: BTreeMap<UvName, Owed>,
    /// Those of them in the last request, in order.
    under_way: Vec<UvName>,
    /// What was read for the next request.
    at_hand: UvContents,
    /// Files that the last round moved, and their bytes.
    moved: (u64, u64),
    /// Files that the peer should get, and does not take.
    refused: usize,
    idle: u32,
}

/// Which way files go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Direction {
    pull: bool,
    push: bool,
}

impl Direction {
    /// The way of the artifacts; both ways if these go none.
    pub(super) fn of(options: &SyncOptions) -> Self {
        let alone = !options.pull && !options.push;
        Self { pull: options.pull || alone, push: options.push || alone }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No session of unversioned files.
    Off,
    /// The hash is to be sent.
    Ask,
    /// It was sent.
    Asked,
    /// The peer answered.
    Answered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed {
    Time,
    Content,
}

impl Unversioned {
    pub(super) fn new(is_wanted: bool, direction: Direction) -> Self {
        Self {
            direction,
            stage: if is_wanted { Stage::Ask } else { Stage::Off },
            wanted: BTreeSet::new(),
            owed: BTreeMap::new(),
            under_way: Vec::new(),
            at_hand: UvContents::new(),
            moved: (0, 0),
            refused: 0,
            idle: 0,
        }
    }

    /// Whether there is nothing more to exchange.
    pub(super) fn is_done(&self) -> bool {
        let asked = matches!(self.stage, Stage::Off | Stage::Answered);
        asked && self.wanted.is_empty() && self.owed.is_empty()
    }

    /// Whether files that the peer announced have not come.
    pub(super) fn is_short(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Files that the peer should get, and does not take.
    pub(super) fn refused(&self) -> usize {
        self.refused
    }

    /// What would be given and what taken, by name.
    pub(super) fn preview(&self) -> (Vec<UvName>, Vec<UvName>) {
        (self.owed.keys().cloned().collect(), self.wanted.iter().cloned().collect())
    }

    pub(super) fn is_on(&self) -> bool {
        self.stage != Stage::Off
    }

    /// Files that the last round moved, and their bytes.
    pub(super) fn moved(&self) -> (u64, u64) {
        self.moved
    }

    /// The cards of the next request.
    pub(super) fn compose(
        &mut self,
        snap: &Snapshot<'_>,
        outbox: &mut Outbox<'_>,
        stats: &mut RoundStats,
    ) -> Result<Vec<Card>, SyncError> {
        let mut cards = Vec::new();
        self.under_way.clear();
        self.moved = (0, 0);
        match self.stage {
            Stage::Off => return Ok(cards),
            Stage::Ask | Stage::Asked => {
                self.stage = Stage::Asked;
                cards.push(Card::Pragma(Pragma::UvHash(unversioned::catalog_hash(snap)?)));
            }
            Stage::Answered => {}
        }
        stats.uv_gimmes_sent = self.wanted.len() as u64;
        cards.extend(self.wanted.iter().cloned().map(Card::UvGimme));
        let mut files = Vec::new();
        for (name, owed) in self.owed.clone() {
            // Another process may have deleted the row.
            let Some(entry) = unversioned::find(snap, name.as_str())? else {
                self.owed.remove(&name);
                continue;
            };
            match owed {
                Owed::Time => cards.push(Card::UvFile(outbox.unversioned_time(&name, &entry))),
                Owed::Content if outbox.takes(&entry) => {
                    self.moved.1 += entry.size;
                    files.push((name.clone(), entry));
                }
                Owed::Content => break,
            }
            self.moved.0 += 1;
            self.under_way.push(name);
        }
        // What is not sent now is read again in its turn.
        let mut at_hand = std::mem::take(&mut self.at_hand);
        cards.extend(outbox.unversioned(&files, &mut at_hand)?.into_iter().map(Card::UvFile));
        stats.uv_files_sent = self.under_way.len() as u64;
        Ok(cards)
    }

    /// Whether the next request is to have contents that are not at hand.
    pub(super) fn has_to_read(&self) -> bool {
        self.at_hand.is_empty() && self.next().next().is_some()
    }

    /// The files whose contents come after those in the last request.
    fn next(&self) -> impl Iterator<Item = &UvName> {
        let next = self.owed.iter().filter(|(name, _)| self.under_way.binary_search(name).is_err());
        next.filter(|(_, owed)| **owed == Owed::Content).map(|(name, _)| name)
    }

    /// Reads contents for the next request: files of so many bytes together, and one at least.
    pub(super) fn read_ahead(&mut self, snap: &Snapshot<'_>, most: u64) -> Result<(), SyncError> {
        let (mut ids, mut names, mut bytes) = (Vec::new(), Vec::new(), 0_u64);
        for name in self.next() {
            let Some(entry) = unversioned::find(snap, name.as_str())? else { continue };
            let Some(id) = entry.version.hash else { continue };
            bytes = bytes.saturating_add(entry.size);
            if bytes > most && !names.is_empty() {
                break;
            }
            ids.push(id);
            names.push(name.as_str());
        }
        let contents = unversioned::contents(snap, &names)?;
        self.at_hand =
            ids.into_iter().zip(contents).filter_map(|(id, content)| Some((id, content?))).collect();
        Ok(())
    }

    /// Whether a reply without errors brings anything to write down.
    pub(super) fn brings_news(&self, reply: &Reply<'_>) -> bool {
        self.stage != Stage::Off && (!reply.uv_files.is_empty() || !reply.uv_igots.is_empty())
    }

    /// Takes in a reply without errors. Says how many files it brought.
    pub(super) fn hear(
        &mut self,
        snap: &Snapshot<'_>,
        tx: Option<&Tx<'_>>,
        reply: &Reply<'_>,
        now: UnixTime,
    ) -> Result<u64, SyncError> {
        if !matches!(self.stage, Stage::Asked | Stage::Answered) {
            return Ok(0);
        }
        self.stage = Stage::Answered;
        for name in std::mem::take(&mut self.under_way) {
            self.owed.remove(&name);
        }
        let came = match tx {
            Some(tx) => self.take_files(tx, reply, now)?,
            None => 0,
        };
        // A reply that is full of artifacts has no room for others.
        self.give_up(came + reply.files.len() as u64);
        if let Some(mode) = reply.uv_mode {
            self.read_catalog(snap, tx, &reply.uv_igots, mode, now)?;
        }
        Ok(came)
    }

    /// Takes what was asked for, and nothing else.
    fn take_files(&mut self, tx: &Tx<'_>, reply: &Reply<'_>, now: UnixTime) -> Result<u64, SyncError> {
        let wanted: Vec<&UvFile> =
            reply.uv_files.iter().copied().filter(|file| self.wanted.remove(&file.name)).collect();
        let taken = unversioned::take_files(tx, &wanted, now).map_err(blame)?;
        let stored = wanted.iter().zip(taken).filter(|(_, taken)| *taken == Taken::Stored);
        let (count, bytes) =
            stored.fold((0, 0), |(count, bytes), (file, _)| (count + 1, bytes + u64::from(file.size)));
        self.moved = (self.moved.0 + count, self.moved.1 + bytes);
        Ok(count)
    }

    fn give_up(&mut self, came: u64) {
        self.idle = if came > 0 || self.wanted.is_empty() { 0 } else { self.idle + 1 };
        if self.idle >= IDLE_ROUNDS {
            self.wanted.clear();
        }
    }

    fn read_catalog(
        &mut self,
        snap: &Snapshot<'_>,
        tx: Option<&Tx<'_>>,
        igots: &[&UvIgot],
        mode: UvMode,
        now: UnixTime,
    ) -> Result<(), SyncError> {
        let gives = self.direction.push;
        let mut theirs = BTreeSet::new();
        for &igot in igots {
            theirs.insert(igot.name.as_str());
            match (self.status(snap, tx, igot, now)?, igot.hash) {
                (Status::Unknown | Status::Take, Some(_)) if self.direction.pull => {
                    self.wanted.insert(igot.name.clone());
                }
                (Status::GiveTime, _) if gives => drop(self.owed.insert(igot.name.clone(), Owed::Time)),
                (Status::Give, _) if gives => drop(self.owed.insert(igot.name.clone(), Owed::Content)),
                _ => {}
            }
        }
        if gives {
            for Entry { name, version, .. } in unversioned::list(snap)? {
                let name = name.to_str_lossy();
                if version.hash.is_none() || theirs.contains(&*name) {
                    continue;
                }
                // One that no peer takes stays here.
                if let Ok(name) = UvName::new(name) {
                    self.owed.insert(name, Owed::Content);
                }
            }
        }
        if mode == UvMode::PullOnly {
            self.refused = std::mem::take(&mut self.owed).len();
        }
        Ok(())
    }

    /// How the peer's version stands to ours, before what needs no content was taken from it.
    fn status(
        &self,
        snap: &Snapshot<'_>,
        tx: Option<&Tx<'_>>,
        igot: &UvIgot,
        now: UnixTime,
    ) -> Result<Status, SyncError> {
        if let Some(tx) = tx.filter(|_| self.direction.pull) {
            return Ok(unversioned::take_igot(tx, igot, now)?);
        }
        let theirs = Version { mtime: igot.mtime, hash: igot.hash };
        Ok(unversioned::status(snap, igot.name.as_str(), &theirs, now)?)
    }
}
