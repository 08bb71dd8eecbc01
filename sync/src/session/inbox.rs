//! Artifacts and announcements on their way in.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use repo::content::{self, Incoming, Packed, Stored};
use repo::error::Fault;
use repo::ingest::{self, Settled};
use repo::wanted::Hope;
use repo::{Presence, RepoError, Snapshot, Tx, UnixTime, blob, private, shun, wanted};
use xfer::card::{FileCard, Igot, Payload, Privacy};
use xfer::{ArtifactId, hash};

use crate::SyncError;

/// What the artifacts of one message came to.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    /// Artifacts that we did not have.
    pub(crate) new: u64,
    /// Their bytes, as they travelled.
    pub(crate) bytes: u64,
    /// Those of them that wait for their delta source, unless that came later in the message.
    pub(crate) waiting: BTreeSet<ArtifactId>,
    /// What came and was not kept, since it is a delta of something that waits for it: by that delta source.
    pub(crate) late: BTreeMap<ArtifactId, ArtifactId>,
    /// Artifacts that this file does not take: shunned, or named in a way it does not allow.
    pub(crate) refused: Vec<ArtifactId>,
    /// Names that the peer announced and that nobody had told us of.
    pub(crate) names: u64,
    /// What verifying and linking did.
    pub(crate) settled: Settled,
}

/// Stores, verifies and links artifacts. Private ones are dropped unless `deepest` is private.
///
/// Deltas that run in a circle are an error of the peer, unless something of the circle `is_older`: waits here since
/// before the peer said anything. What closes that counts as not come, as long as nothing else in the message breaks it.
pub(crate) fn store(
    tx: &Tx<'_>,
    files: &[&FileCard],
    deepest: Privacy,
    now: UnixTime,
    is_older: impl Fn(&ArtifactId) -> bool,
) -> Result<Intake, SyncError> {
    let mut intake = Intake::default();
    let mut late = BTreeMap::<ArtifactId, Vec<&FileCard>>::new();
    let files: Vec<&FileCard> = files.iter().copied().filter(|file| file.privacy <= deepest).collect();
    let plain = files.iter().map(|file| plain(tx, file)).collect::<Result<Vec<_>, _>>()?;
    content::packed_ahead(tx, &plain, |place, packed| {
        let file = files[place];
        if let Some(source) = intake.take(tx, file, packed, &is_older)? {
            late.entry(source).or_default().push(file);
        }
        Ok::<_, SyncError>(())
    })?;
    intake.take_late(tx, late, &is_older)?;
    intake.settled = ingest::settle(tx, now).map_err(blame)?;
    Ok(intake)
}

impl Intake {
    /// Stores an artifact. Names its delta source if it is not kept before that is here.
    fn take(
        &mut self,
        tx: &Tx<'_>,
        file: &FileCard,
        packed: Option<Packed>,
        is_older: impl Fn(&ArtifactId) -> bool,
    ) -> Result<Option<ArtifactId>, SyncError> {
        match content::put_packed(tx, &file.id, &incoming(file), packed, file.privacy).map_err(blame)? {
            stored @ (Stored::Accepted(_) | Stored::Dangling(_)) => {
                self.new += 1;
                self.bytes += payload_bytes(&file.payload);
                if let Stored::Dangling(_) = stored {
                    self.waiting.insert(file.id);
                }
                Ok(None)
            }
            Stored::AlreadyHeld(_) => Ok(match (file.delta_source, blob::presence(tx, &file.id)?) {
                (Some(source), Presence::Dangling(_)) => Some(source),
                _ => None,
            }),
            Stored::Circular(circle) if circle.iter().any(is_older) => Ok(file.delta_source),
            Stored::Circular(_) => Err(SyncError::BadArtifact(RepoError::DeltaCycle { id: file.id })),
            Stored::Refused => {
                self.refused.push(file.id);
                Ok(None)
            }
        }
    }

    /// Stores what was not kept before, by its delta source, as far as that is here now.
    fn take_late(
        &mut self,
        tx: &Tx<'_>,
        mut late: BTreeMap<ArtifactId, Vec<&FileCard>>,
        is_older: impl Fn(&ArtifactId) -> bool,
    ) -> Result<(), SyncError> {
        let is_held =
            |id: &ArtifactId| Ok::<_, RepoError>(matches!(blob::presence(tx, id)?, Presence::Held(_)));
        let mut here = Vec::new();
        for source in late.keys() {
            if is_held(source)? {
                here.push(*source);
            }
        }
        while let Some(source) = here.pop() {
            for file in late.remove(&source).unwrap_or_default() {
                if self.take(tx, file, None, &is_older)?.is_none() && is_held(&file.id)? {
                    here.push(file.id);
                }
            }
        }
        for (source, files) in late {
            if !matches!(blob::presence(tx, &source)?, Presence::Dangling(_)) {
                continue;
            }
            for file in files {
                if !is_held(&file.id)? {
                    self.late.insert(file.id, source);
                }
            }
        }
        Ok(())
    }
}

/// Whether this is how stock says that it has not got the content of an artifact: an empty file under its name, in
/// place of a delta that waits for its source. Nobody who has the content sends that.
pub(crate) fn is_hollow(file: &FileCard) -> bool {
    matches!(&file.payload, Payload::Plain(bytes) if bytes.is_empty())
        && file.delta_source.is_none()
        && !hash::names(&file.id, b"")
}

/// Whether [`note`] would change anything.
pub(crate) fn is_news(snap: &Snapshot<'_>, igots: &[&Igot], deepest: Privacy) -> Result<bool, SyncError> {
    for igot in igots.iter().filter(|igot| igot.privacy <= deepest) {
        match blob::presence(snap, &igot.id)? {
            Presence::Unknown if !shun::contains(snap, &igot.id)? => return Ok(true),
            Presence::Phantom(rid) if igot.privacy == Privacy::Public && private::contains(snap, rid)? => {
                return Ok(true);
            }
            _ => {}
        }
    }
    Ok(false)
}

/// Makes phantoms of what the peer announced and we lack. Who knows the name of an artifact that we hold as
/// private has not shown that it is public: only its content, sent as public, does, so that is asked for
/// ([`choose`]). What is public stays so, whatever the peer says. Returns how many names were not known here and are kept.
pub(crate) fn note(tx: &Tx<'_>, igots: &[&Igot], deepest: Privacy) -> Result<u64, SyncError> {
    let mut names = 0;
    for igot in igots.iter().filter(|igot| igot.privacy <= deepest) {
        match blob::presence(tx, &igot.id)? {
            Presence::Unknown => {
                names += u64::from(blob::rid_or_phantom(tx, &igot.id, igot.privacy)?.is_some());
            }
            Presence::Phantom(rid) => {
                if igot.privacy == Privacy::Public {
                    private::remove(tx, rid)?;
                }
            }
            Presence::Dangling(_) | Presence::Held(_) => {}
        }
    }
    Ok(names)
}

/// What to ask for.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    /// What the peer announced, and what nobody was asked for yet.
    pub(crate) promising: Vec<ArtifactId>,
    /// What was asked for in vain before.
    pub(crate) missed: Vec<ArtifactId>,
}

impl Choice {
    /// Puts others before all of it.
    pub(crate) fn after(mut self, mut first: Vec<ArtifactId>) -> Self {
        let known: BTreeSet<ArtifactId> = first.iter().copied().collect();
        self.promising.retain(|id| !known.contains(id));
        first.append(&mut self.promising);
        self.promising = first;
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.promising.len() + self.missed.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = ArtifactId> + '_ {
        self.promising.iter().chain(&self.missed).copied()
    }
}

/// Names what is lacking here and `is_wanted`: first what the peer announced, then other phantoms, the youngest
/// first, then those that were asked for in vain before, up to `missed` of them. What the peer announces as public and is
/// private here counts as lacking: so it becomes public, and who asks learns nothing of what is private here.
pub(crate) fn choose(
    snap: &Snapshot<'_>,
    igots: &[&Igot],
    deepest: Privacy,
    limit: usize,
    missed: usize,
    is_wanted: impl Fn(&ArtifactId) -> bool,
) -> Result<Choice, RepoError> {
    let (mut promising, mut known) = (Vec::new(), BTreeSet::new());
    for igot in igots.iter().filter(|igot| igot.privacy <= deepest) {
        if promising.len() == limit {
            break;
        }
        let lacks = match blob::presence(snap, &igot.id)? {
            Presence::Phantom(_) => wanted::lacks(snap, &igot.id)?,
            Presence::Held(_) => igot.privacy == Privacy::Public && is_kept_private(snap, &igot.id)?,
            Presence::Unknown | Presence::Dangling(_) => false,
        };
        if lacks && is_wanted(&igot.id) && known.insert(igot.id) {
            promising.push(igot.id);
        }
    }
    let others = |hope: Hope, most: usize| {
        wanted::phantoms(snap, deepest, hope, most, |id| is_wanted(id) && !known.contains(id))
    };
    promising.append(&mut others(Hope::New, limit - promising.len())?);
    let missed = others(Hope::Missed, missed.min(limit - promising.len()))?;
    Ok(Choice { promising, missed })
}

/// What of the announced found no room in a choice of up to `limit`, and would be forgotten: what was asked for in vain before
/// comes after all else.
pub(crate) fn left_over(
    snap: &Snapshot<'_>,
    igots: &[&Igot],
    choice: &Choice,
    limit: usize,
    is_wanted: impl Fn(&ArtifactId) -> bool,
) -> Result<BTreeMap<ArtifactId, Privacy>, RepoError> {
    let mut left = BTreeMap::new();
    if choice.len() < limit {
        return Ok(left);
    }
    let chosen: BTreeSet<ArtifactId> = choice.iter().collect();
    for &&Igot { id, privacy } in igots {
        let may_come = !chosen.contains(&id) && is_wanted(&id);
        if may_come && wanted::is_missed(snap, &id)? && wanted::lacks(snap, &id)? {
            left.insert(id, privacy);
        }
    }
    Ok(left)
}

/// Whether an artifact is held here as private, and not shunned.
pub(crate) fn is_kept_private(snap: &Snapshot<'_>, id: &ArtifactId) -> Result<bool, RepoError> {
    let Presence::Held(rid) = blob::presence(snap, id)? else { return Ok(false) };
    Ok(private::contains(snap, rid)? && !shun::contains(snap, id)?)
}

/// Names what is_wanted and waits for something that hardly comes: after all else, since it may come as it came before.
pub(crate) fn choose_stuck(
    snap: &Snapshot<'_>,
    deepest: Privacy,
    limit: usize,
    is_wanted: impl Fn(&ArtifactId) -> bool,
) -> Result<Choice, RepoError> {
    let stuck = |hope: Hope, most: usize| wanted::stuck(snap, deepest, hope, most, |id| !is_wanted(id));
    let promising = stuck(Hope::New, limit)?;
    let missed = stuck(Hope::Missed, limit - promising.len())?;
    Ok(Choice { promising, missed })
}

impl Choice {
    /// Adds what is private here, and is announced by a cluster alone.
    pub(crate) fn add_listed(
        &mut self,
        snap: &Snapshot<'_>,
        limit: usize,
        is_wanted: impl Fn(&ArtifactId) -> bool,
    ) -> Result<(), RepoError> {
        let known: BTreeSet<ArtifactId> = self.iter().collect();
        for id in private::listed(snap)?.into_iter().filter(|id| is_wanted(id) && !known.contains(id)) {
            if self.len() >= limit {
                break;
            }
            if is_kept_private(snap, &id)? {
                self.promising.push(id);
            }
        }
        Ok(())
    }

    /// Adds what the peer announces and what waits here for something that may come: if the peer lacks that, it
    /// sends the other in another form. What waits for something that is not kept would come in the same form.
    pub(crate) fn add_waiting(
        &mut self,
        snap: &Snapshot<'_>,
        igots: &[&Igot],
        limit: usize,
    ) -> Result<(), RepoError> {
        let mut known: BTreeSet<ArtifactId> = self.iter().collect();
        for igot in igots.iter().filter(|igot| igot.privacy == Privacy::Public) {
            if self.len() >= limit {
                break;
            }
            let is_waiting = wanted::awaited(snap, &igot.id)?.is_some() && wanted::lacks(snap, &igot.id)?;
            // The peer may announce it twice.
            if is_waiting && known.insert(igot.id) {
                self.promising.push(igot.id);
            }
        }
        Ok(())
    }
}

fn incoming(file: &FileCard) -> Incoming<'_> {
    match (&file.payload, &file.delta_source) {
        (Payload::Plain(bytes), None) => Incoming::Whole(bytes),
        (Payload::Plain(delta), Some(source)) => Incoming::Delta { source, delta },
        (Payload::Zlib { size, bytes }, source) => {
            Incoming::Frame { source: source.as_ref(), frame: bytes, size: *size }
        }
    }
}

/// What of a file has to be packed to be stored: nothing if it came packed, or is here already.
fn plain(snap: &Snapshot<'_>, file: &FileCard) -> Result<Option<Bytes>, RepoError> {
    let Payload::Plain(bytes) = &file.payload else { return Ok(None) };
    Ok(match blob::presence(snap, &file.id)? {
        Presence::Unknown | Presence::Phantom(_) => Some(bytes.clone()),
        Presence::Dangling(_) | Presence::Held(_) => None,
    })
}

fn payload_bytes(payload: &Payload) -> u64 {
    match payload {
        Payload::Plain(bytes) | Payload::Zlib { bytes, .. } => bytes.len() as u64,
    }
}

/// Tells the peer's bad artifacts from our own troubles.
pub(crate) fn blame(error: RepoError) -> SyncError {
    match error.fault() {
        Fault::Sender => SyncError::BadArtifact(error),
        Fault::File | Fault::Machine => SyncError::Repo(error),
    }
}
