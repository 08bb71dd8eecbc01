//! The artifacts of one message, under its budget.
//!
//! The first artifact of a message is sent whatever its size. After that only what fits: so every message moves
//! something, and two large artifacts never share one. The budget is the smaller one of ours and of the
//! repository's own, which its settings say: `max-download` and `max-download-time` for a reply, `max-upload`
//! for a request.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use bytes::Bytes;
use repo::content::{Event, Shown};
use repo::outgoing::{Outgoing, Outlet, Source};
use repo::unversioned::{self, Entry, Version};
use repo::zlib::Codec;
use repo::{RepoError, Rid, Snapshot, UnixTime, config, content};
use xfer::card::{FileCard, Payload, Privacy, UvFile};
use xfer::{ArtifactId, Card, UvName};

use crate::{Buggify, Cx, Site};

/// A delta that is made for a message saves at least as much; else the artifact itself is sent.
const WORTH_BYTES: usize = 50;
/// Artifacts up to this size are not worth a delta.
const SMALL_BYTES: u32 = 100;
/// So many artifacts are expanded together.
const MOST_TOGETHER: usize = 5000;
/// Artifacts above this size are not worth the memory that making a delta takes.
const LARGE_BYTES: u32 = 8 << 20;

/// The budget of a request: no more than `most`.
pub(crate) fn request_bytes(snap: &Snapshot<'_>, most: u64) -> Result<u64, RepoError> {
    Ok(setting(snap, "max-upload")?.unwrap_or(u64::MAX).min(most))
}

/// Contents of unversioned files that were compared with their hashes, by these.
pub(crate) type UvContents = BTreeMap<ArtifactId, Bytes>;

/// Collects artifacts.
pub(crate) struct Outbox<'a> {
    snap: &'a Snapshot<'a>,
    outlet: Outlet<'a>,
    codec: Codec,
    budget: u64,
    clock: Option<&'a dyn Fn() -> UnixTime>,
    buggify: &'a dyn Buggify,
    deadline: UnixTime,
    bytes: u64,
    files: u64,
    uv_files: u64,
    settled: BTreeSet<Rid>,
    /// What may be seen by who asks.
    pub(crate) deepest: Privacy,
}

/// What is asked for, each once, and how it is to be sent.
pub(crate) type Asked<'i> = &'i mut dyn Iterator<Item = Result<(Outgoing, Form), RepoError>>;

/// Hears of an artifact, and of its card if there was room.
type Told<'t> = dyn FnMut(&Outgoing, Option<Card>) -> ControlFlow<()> + 't;

/// How an artifact gets into a card.
enum Way {
    /// In its stored form, which is a delta of the version before.
    Native,
    /// Whole, and too large to be held beside others.
    Alone,
    /// Expanded, with the version before if there is one to make a delta of.
    Expanded(Option<Outgoing>),
}

/// What is expanded together.
#[derive(Default)]
struct Part {
    /// Each with the version before it, if that is of use.
    wanted: Vec<(Rid, Option<Rid>)>,
    /// The same, as long as nobody was told of it.
    open: BTreeMap<Rid, (Outgoing, Option<Outgoing>)>,
    /// Bytes of the stored forms.
    bytes: u64,
}

impl Part {
    fn add(&mut self, outgoing: Outgoing, before: Option<Outgoing>) {
        self.bytes += u64::from(outgoing.frame_size);
        self.wanted.push((outgoing.rid, before.as_ref().map(|before| before.rid)));
        self.open.insert(outgoing.rid, (outgoing, before));
    }

    fn is_full(&self, enough: u64) -> bool {
        !self.open.is_empty() && (self.open.len() >= MOST_TOGETHER || self.bytes >= enough)
    }
}

/// What is to be done after a part was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// It is expanded, and the next one is taken.
    More,
    /// It is expanded; there is no other.
    End,
    /// Nobody wants to hear more.
    Nothing,
}

/// How artifacts are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// As deltas, where that saves something.
    #[default]
    Delta,
    /// As they are.
    Whole,
}

impl<'a> Outbox<'a> {
    /// For a reply.
    pub(crate) fn of_reply(snap: &'a Snapshot<'a>, cx: &'a Cx<'_>) -> Result<Self, RepoError> {
        let bytes = setting(snap, "max-download")?.unwrap_or(u64::MAX).min(cx.limits.reply_bytes);
        let seconds = setting(snap, "max-download-time")?.unwrap_or(u64::MAX).max(1);
        let milliseconds = seconds.saturating_mul(1000).min(cx.limits.reply_ms);
        Ok(Self::new(snap, cx, bytes, milliseconds))
    }

    /// For a request of up to `most` bytes.
    pub(crate) fn of_request(snap: &'a Snapshot<'a>, most: u64, cx: &'a Cx<'_>) -> Result<Self, RepoError> {
        Ok(Self::new(snap, cx, request_bytes(snap, most)?, cx.limits.reply_ms))
    }

    fn new(snap: &'a Snapshot<'a>, cx: &'a Cx<'_>, budget: u64, milliseconds: u64) -> Self {
        let start = cx.clock.map_or(cx.now, |clock| clock());
        let span = i64::try_from(milliseconds).unwrap_or(i64::MAX);
        Self {
            snap,
            outlet: Outlet::new(snap),
            codec: Codec::new(),
            budget,
            clock: cx.clock,
            buggify: cx.buggify,
            deadline: UnixTime(start.0.saturating_add(span)),
            bytes: 0,
            files: 0,
            uv_files: 0,
            settled: BTreeSet::new(),
            deepest: Privacy::Public,
        }
    }

    /// Whether the rare choice is taken at a site.
    pub(crate) fn fires(&self, site: Site) -> bool {
        self.buggify.fires(site)
    }

    /// Bytes that are left of the budget.
    pub(crate) fn room(&self) -> u64 {
        self.budget.saturating_sub(self.bytes)
    }

    pub(crate) fn outlet(&self) -> &Outlet<'a> {
        &self.outlet
    }

    /// How many artifacts this message holds.
    pub(crate) fn files(&self) -> u64 {
        self.files
    }

    /// Notes that the peer needs to hear no more of an artifact.
    pub(crate) fn settle(&mut self, rid: Rid) {
        self.settled.insert(rid);
    }

    /// Whether the peer needs to hear no more of an artifact: it has it, or is sent it.
    pub(crate) fn is_settled(&self, rid: Rid) -> bool {
        self.settled.contains(&rid)
    }

    /// The stored form as a `cfile` card, with nothing inflated; the artifact itself where its delta would
    /// give away its source. None if there is no room left.
    pub(crate) fn stored(&mut self, outgoing: &Outgoing) -> Result<Option<Card>, RepoError> {
        let source = self.usable_source(outgoing);
        if source.is_none() && outgoing.source.is_some() {
            return self.whole(outgoing);
        }
        if !self.has_room(u64::from(outgoing.frame_size)) {
            return Ok(None);
        }
        let bytes = self.outlet.frame(outgoing.rid)?;
        let payload = Payload::Zlib { size: outgoing.size, bytes };
        Ok(Some(self.card(outgoing, source.map(|source| source.id), payload)))
    }

    /// A `file` card of the stored delta; of the artifact if it is stored whole. None if there is no room left.
    pub(crate) fn native(&mut self, outgoing: &Outgoing) -> Result<Option<Card>, RepoError> {
        let Some(source) = self.usable_source(outgoing) else { return self.whole(outgoing) };
        if !self.has_room(u64::from(outgoing.frame_size)) {
            return Ok(None);
        }
        let frame = self.outlet.frame(outgoing.rid)?;
        let declared = frame.first_chunk().map_or(0, |size| u32::from_be_bytes(*size));
        if !self.has_room(u64::from(declared)) {
            return Ok(None);
        }
        let unsound = |reason| RepoError::BadFrame { id: outgoing.id, reason };
        let delta = self.codec.unpack(&frame, declared as usize).map_err(unsound)?;
        Ok(Some(self.card(outgoing, Some(source.id), Payload::Plain(delta.into()))))
    }

    /// Makes `file` cards of deltas against the versions before, or of the artifacts themselves. `told` hears of each with
    /// its card, or without if there is no room left, and may break. As many as may fill the message are taken from `asked`
    /// at a time, and expanded together; so they are told of in about its order.
    ///
    /// A peer that lacks the source asks for it in a later request. So that it never meets a cycle, all
    /// deltas of all pulls go one way, towards older versions; most stored ones go the other way.
    pub(crate) fn towards_older(&mut self, asked: Asked<'_>, told: &mut Told<'_>) -> Result<(), RepoError> {
        loop {
            let (part, next) = self.take_part(asked, told)?;
            if next == Next::Nothing || self.expand(part, told)?.is_break() || next == Next::End {
                return Ok(());
            }
        }
    }

    /// Takes from `asked` what may fill the message and has to be expanded first; what does not is told of at once.
    fn take_part(&mut self, asked: Asked<'_>, told: &mut Told<'_>) -> Result<(Part, Next), RepoError> {
        // Most get shorter as deltas.
        let (enough, mut part) = (self.budget.saturating_mul(4), Part::default());
        while !part.is_full(enough) {
            let Some(next) = asked.next() else { return Ok((part, Next::End)) };
            let (outgoing, form) = next?;
            let way = if self.has_room(1) { Some(self.way(&outgoing, form)?) } else { None };
            let card = match way {
                None => None,
                Some(Way::Native) => self.native(&outgoing)?,
                Some(Way::Alone) => self.whole(&outgoing)?,
                Some(Way::Expanded(before)) => {
                    part.add(outgoing, before);
                    continue;
                }
            };
            if told(&outgoing, card).is_break() {
                return Ok((part, Next::Nothing));
            }
        }
        Ok((part, Next::More))
    }

    /// Sends a part with the versions before, or tells of what finds no room.
    fn expand(&mut self, part: Part, told: &mut Told<'_>) -> Result<ControlFlow<()>, RepoError> {
        let Part { wanted, mut open, .. } = part;
        let mut flow = ControlFlow::Continue(());
        content::together(self.snap, &wanted, &mut |event| {
            let Shown { rid, content, delta } = match event {
                Event::Shown(shown) => shown,
                Event::Step { ready } => {
                    let is_late = (ready > 0 || !self.is_empty()) && self.is_time_up();
                    return Ok(if is_late { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
                }
            };
            // It was ready in time.
            if !self.fits(1) {
                return Ok(ControlFlow::Break(()));
            }
            let Some((outgoing, before)) = open.remove(&rid) else { return Ok(ControlFlow::Continue(())) };
            let delta = before.map(|before| before.id).zip(delta);
            flow = told(&outgoing, self.expanded(&outgoing, content, delta));
            Ok(flow)
        })?;
        for (outgoing, _) in open.into_values().rev() {
            if flow.is_continue() {
                flow = told(&outgoing, None);
            }
        }
        Ok(flow)
    }

    /// How an artifact is sent to who may lack the version before.
    fn way(&self, outgoing: &Outgoing, form: Form) -> Result<Way, RepoError> {
        if outgoing.size > LARGE_BYTES {
            return Ok(Way::Alone);
        }
        if form == Form::Whole || outgoing.size <= SMALL_BYTES {
            return Ok(Way::Expanded(None));
        }
        let deepest = outgoing.privacy.min(self.deepest);
        let usable = |before: &Outgoing| before.privacy <= deepest && before.size <= LARGE_BYTES;
        let before = self.outlet.version_before(outgoing.rid)?.filter(usable);
        let is_source = |before: &Outgoing| outgoing.source.is_some_and(|source| source.rid == before.rid);
        Ok(if before.as_ref().is_some_and(is_source) { Way::Native } else { Way::Expanded(before) })
    }

    /// The delta from a source, if that saves something; else the artifact. None if there is no room left.
    fn expanded(
        &mut self,
        outgoing: &Outgoing,
        content: &Bytes,
        delta: Option<(ArtifactId, Vec<u8>)>,
    ) -> Option<Card> {
        let worth = |delta: &(ArtifactId, Vec<u8>)| {
            delta.1.len() + WORTH_BYTES <= content.len() && !self.fires(Site::Whole)
        };
        let (source, bytes) = match delta.filter(worth) {
            Some((id, delta)) => (Some(id), delta.into()),
            None => (None, content.clone()),
        };
        self.fits(bytes.len() as u64).then(|| self.card(outgoing, source, Payload::Plain(bytes)))
    }

    /// Whether there is room for an unversioned file, which is then one of those for [`Outbox::unversioned`].
    pub(crate) fn takes(&mut self, entry: &Entry) -> bool {
        if entry.version.hash.is_none() {
            return true;
        }
        let has_room = self.has_room(entry.size);
        if has_room {
            self.bytes = self.bytes.saturating_add(entry.size);
            self.uv_files += 1;
        }
        has_room
    }

    /// Unversioned files with their contents, which are taken from those at hand or read; or their deletions.
    pub(crate) fn unversioned(
        &self,
        files: &[(UvName, Entry)],
        at_hand: &mut UvContents,
    ) -> Result<Vec<UvFile>, RepoError> {
        let at_hand: Vec<Option<Bytes>> =
            files.iter().map(|(_, entry)| at_hand.remove(&entry.version.hash?)).collect();
        let lacking = files.iter().zip(&at_hand).filter(|(_, content)| content.is_none());
        let names: Vec<&str> = lacking.map(|((name, _), _)| name.as_str()).collect();
        let mut read = unversioned::contents(self.snap, &names)?.into_iter();
        let contents = at_hand.into_iter().map(|content| content.or_else(|| read.next().flatten()));
        let card = |((name, entry), content): (&(UvName, Entry), Option<Bytes>)| {
            let (name, Version { mtime, hash }) = (name.clone(), entry.version);
            let flags = if hash.is_none() { UvFile::DELETED } else { 0 };
            let size = u32::try_from(content.as_ref().map_or(0, Bytes::len)).expect("rows have fewer bytes");
            UvFile { name, mtime, hash, size, flags, content }
        };
        let has_content = |file: &UvFile| file.hash.is_none() || file.content.is_some();
        Ok(files.iter().zip(contents).map(card).filter(has_content).collect())
    }

    /// The time of an unversioned file, for a peer that has its content, or deleted it too.
    pub(crate) fn unversioned_time(&self, name: &UvName, entry: &Entry) -> UvFile {
        let Version { mtime, hash } = entry.version;
        let size = u32::try_from(entry.size).unwrap_or(u32::MAX);
        let flags = if hash.is_none() { UvFile::DELETED } else { UvFile::OMITTED };
        UvFile { name: name.clone(), mtime, hash, size, flags, content: None }
    }

    fn whole(&mut self, outgoing: &Outgoing) -> Result<Option<Card>, RepoError> {
        if !self.has_room(u64::from(outgoing.size)) {
            return Ok(None);
        }
        let bytes = content::get(self.snap, outgoing.rid)?;
        Ok(Some(self.card(outgoing, None, Payload::Plain(bytes))))
    }

    /// The source of the stored delta, if whoever sees the artifact may see that too.
    fn usable_source<'o>(&self, outgoing: &'o Outgoing) -> Option<&'o Source> {
        let deepest = outgoing.privacy.min(self.deepest);
        let usable = |source: &&Source| source.sendable && source.privacy <= deepest;
        outgoing.source.as_ref().filter(usable).filter(|_| !self.fires(Site::Whole))
    }

    /// Whether there is room for so many bytes, and time to take them up.
    fn has_room(&self, bytes: u64) -> bool {
        self.fits(bytes) && (self.is_empty() || !self.is_time_up())
    }

    /// Whether there is room for so many bytes, be it late.
    fn fits(&self, bytes: u64) -> bool {
        self.is_empty() || (self.bytes.saturating_add(bytes) <= self.budget && !self.fires(Site::Full))
    }

    fn is_empty(&self) -> bool {
        self.files + self.uv_files == 0
    }

    /// Whether this message is to take up no more, if it has something.
    fn is_time_up(&self) -> bool {
        self.clock.is_some_and(|clock| clock() >= self.deadline)
    }

    fn card(&mut self, outgoing: &Outgoing, delta_source: Option<ArtifactId>, payload: Payload) -> Card {
        let (Payload::Plain(bytes) | Payload::Zlib { bytes, .. }) = &payload;
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        self.files += 1;
        self.settled.insert(outgoing.rid);
        Card::File(FileCard { id: outgoing.id, delta_source, payload, privacy: outgoing.privacy })
    }
}

/// A setting of the repository that is a number. What is none counts as not set.
fn setting(snap: &Snapshot<'_>, name: &str) -> Result<Option<u64>, RepoError> {
    Ok(config::get(snap, name)?.and_then(|value| value.trim().parse().ok()))
}

#[cfg(test)]
mod tests;
