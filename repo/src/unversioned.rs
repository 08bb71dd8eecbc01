//! Unversioned files: only the newest version of each is kept (reference: wire.md section 10).
//!
//! The table `unversioned` is stock's, made when the first file comes. A deletion leaves a row without hash, its
//! tombstone, so that the file does not come back from a peer. Which of two versions stays, [`status`] says; each
//! change made here is later than what it replaces, so that it stays everywhere.

mod ahead;
mod catalog;
mod rows;

use bytes::Bytes;
use rusqlite::params;
use xfer::card::{UvFile, UvIgot};
use xfer::{ArtifactId, UvName, hash};

pub use self::catalog::catalog_hash;
pub(crate) use self::rows::names;
pub use self::rows::{content, contents, find, list};
use crate::{RepoError, Snapshot, Text, Tx, UnixTime};

/// A row of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name. A file that stock made may have one that no peer accepts ([`UvName`]).
    pub name: Text,
    /// Which version it is.
    pub version: Version,
    /// Bytes of the content; 0 for a tombstone.
    pub size: u64,
}

/// What tells two versions of a file apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Seconds since 1970.
    pub mtime: i64,
    /// Hash of the content; none for a tombstone.
    pub hash: Option<ArtifactId>,
}

/// How a peer's version stands to the one here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nothing is known here of a file that the peer has, or had.
    Unknown,
    /// The peer's is to be taken.
    Take,
    /// The content is the same, the peer's time is to be taken.
    TakeTime,
    /// They are the same, or neither side would take the other's.
    Same,
    /// The content is the same, the peer should take the time from here.
    GiveTime,
    /// The peer should take the one from here.
    Give,
}

/// What became of a version that a peer sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is here now: content, tombstone, or time.
    Stored,
    /// What is here is as good or better, or it is the deletion of something unknown.
    Ignored,
    /// It would be taken, but came without content, which was too large for the sender, or is missing there.
    ContentMissing,
}

/// How far in the future a peer's time may lie. What claims to be later would win for ever, so it counts as this
/// late, here and at those that take it from here; of two such versions that of which the later time was said stays.
///
/// What was said of the version here is known as long as that stays, and nowhere else: others are told the time that it counts
/// as. What a time counted as when it was first said stays known until it can be believed: else two such versions of which each
/// comes by itself, and the other from peers between, would take each other's place until then. So peers may differ in what
/// is dated so far ahead, and nothing of it moves any more after a while; once the time of all is near they have the same.
pub const FUTURE_SECONDS: i64 = 86_400;

/// Compares the version here with a peer's. The later one wins; of two at one time that with the greater hash,
/// and content over a deletion.
pub fn status(snap: &Snapshot<'_>, name: &str, peer: &Version, now: UnixTime) -> Result<Status, RepoError> {
    let Some(here) = find(snap, name)?.map(|entry| entry.version) else { return Ok(Status::Unknown) };
    if capped(peer.mtime, now) == peer.mtime {
        return Ok(compare(&here, peer));
    }
    if here.hash == peer.hash {
        // Else the cap, which moves on with the time, would be taken again and again.
        return Ok(Status::Same);
    }
    Ok(match ahead::said(snap, name, &here)? {
        Some(said) if (said, here.hash) < (ahead::claimed(peer.mtime), peer.hash) => Status::Take,
        // Nor does the peer take what is dated earlier here; what is not, it does.
        Some(_) if compare(&here, peer) == Status::Give => Status::Give,
        Some(_) => Status::Same,
        // It was here before, and gave way.
        None if is_beyond(snap, name, &here, peer)? => Status::Same,
        // Of two that were made by clocks that were ahead, the later one stays.
        None => compare(&here, &Version { mtime: ahead::claimed(peer.mtime), ..*peer }),
    })
}

/// Whether a version that is dated too far ahead was heard of before, and what is here is later than it counted then.
fn is_beyond(snap: &Snapshot<'_>, name: &str, here: &Version, peer: &Version) -> Result<bool, RepoError> {
    let claimed = ahead::claimed(peer.mtime);
    let counted = ahead::counted(snap, name, peer.hash.as_ref(), claimed)?;
    let is_later = |counted: i64| (counted, peer.hash) <= (here.mtime, here.hash);
    Ok(here.mtime < claimed && counted.is_some_and(is_later))
}

/// The same, where the peer's time is believed.
fn compare(here: &Version, peer: &Version) -> Status {
    let is_same = here.hash == peer.hash;
    match here.mtime.cmp(&peer.mtime) {
        std::cmp::Ordering::Less if is_same => Status::TakeTime,
        std::cmp::Ordering::Equal if is_same => Status::Same,
        std::cmp::Ordering::Greater if is_same => Status::GiveTime,
        std::cmp::Ordering::Less => Status::Take,
        std::cmp::Ordering::Equal if here.hash < peer.hash => Status::Take,
        std::cmp::Ordering::Equal | std::cmp::Ordering::Greater => Status::Give,
    }
}

fn capped(mtime: i64, now: UnixTime) -> i64 {
    mtime.min(now.seconds().saturating_add(FUTURE_SECONDS))
}

/// Stores a file made here. Its time is `time`, or just after what it replaces.
pub fn put(tx: &Tx<'_>, name: &UvName, content: &[u8], time: UnixTime) -> Result<Entry, RepoError> {
    let id = crate::content::name(tx, content)?;
    let limit = tx.memory().borrow().limits.artifact_bytes;
    if content.len() > limit {
        return Err(RepoError::TooLarge { id, size: content.len(), limit });
    }
    let here = find(tx, name.as_str())?;
    let version = Version { mtime: later(here.as_ref(), time), hash: Some(id) };
    ahead::go_on(tx, here.as_ref(), &version)?;
    rows::write(tx, name, &version, content)?;
    Ok(Entry { name: Text::from(name.as_str()), version, size: content.len() as u64 })
}

/// Deletes a file: a tombstone remains. None if there is no such file, or it was deleted before.
pub fn remove(tx: &Tx<'_>, name: &str, time: UnixTime) -> Result<Option<Entry>, RepoError> {
    let Some(here) = find(tx, name)?.filter(|here| here.version.hash.is_some()) else { return Ok(None) };
    let version = Version { mtime: later(Some(&here), time), hash: None };
    ahead::go_on(tx, Some(&here), &version)?;
    rows::bury(tx, name, version.mtime)?;
    Ok(Some(Entry { version, size: 0, ..here }))
}

/// Gives a file a new time. None if there is no such file.
pub fn touch(tx: &Tx<'_>, name: &str, time: UnixTime) -> Result<Option<Entry>, RepoError> {
    let Some(here) = find(tx, name)?.filter(|here| here.version.hash.is_some()) else { return Ok(None) };
    let version = Version { mtime: later(Some(&here), time), ..here.version };
    ahead::go_on(tx, Some(&here), &version)?;
    rows::date(tx, name, version.mtime)?;
    Ok(Some(Entry { version, ..here }))
}

fn later(here: Option<&Entry>, time: UnixTime) -> i64 {
    let after = here.map_or(i64::MIN, |here| here.version.mtime.saturating_add(1));
    time.seconds().max(after)
}

/// Takes from a line of a peer's catalog what needs no content: a deletion, or a time. The status is the one
/// from before: what is [`Status::Unknown`] or [`Status::Take`] and has a hash is still to be asked for.
pub fn take_igot(tx: &Tx<'_>, igot: &UvIgot, now: UnixTime) -> Result<Status, RepoError> {
    let peer = Version { mtime: igot.mtime, hash: igot.hash };
    let status = status(tx, igot.name.as_str(), &peer, now)?;
    match (status, peer.hash) {
        (Status::Take, None) => {
            let version = believed(tx, &igot.name, &peer, now)?;
            rows::bury(tx, igot.name.as_str(), version.mtime)?;
        }
        (Status::TakeTime, _) => rows::date(tx, igot.name.as_str(), peer.mtime)?,
        _ => {}
    }
    Ok(status)
}

/// A version of a peer as it is kept here.
fn believed(tx: &Tx<'_>, name: &UvName, peer: &Version, now: UnixTime) -> Result<Version, RepoError> {
    let latest = capped(peer.mtime, now);
    if latest == peer.mtime {
        return Ok(*peer);
    }
    let (name, said) = (name.as_str(), ahead::claimed(peer.mtime));
    let counted = ahead::counted(tx, name, peer.hash.as_ref(), said)?.unwrap_or(latest);
    let here = find(tx, name)?.map(|here| here.version);
    let mtime = match here {
        // Else who has what is here would give it back.
        Some(here)
            if (counted, peer.hash) <= (here.mtime, here.hash) && is_kept_down(tx, name, &here, now)? =>
        {
            here.mtime.saturating_add(1)
        }
        _ => counted,
    };
    let version = Version { mtime, ..*peer };
    ahead::forget(tx, latest)?;
    ahead::count(tx, name, &version, said)?;
    ahead::note(tx, name, &version, said)?;
    Ok(version)
}

/// Whether the time of what is here is one that peers believe, or nearly: it was not made here by a clock that was ahead.
fn is_kept_down(snap: &Snapshot<'_>, name: &str, here: &Version, now: UnixTime) -> Result<bool, RepoError> {
    Ok(capped(here.mtime, now) == here.mtime || ahead::said(snap, name, here)?.is_some())
}

/// Takes files from a peer, who must have the right to give them; says what became of each. Content that is not what
/// its hash says is an error.
pub fn take_files(tx: &Tx<'_>, files: &[&UvFile], now: UnixTime) -> Result<Vec<Taken>, RepoError> {
    check_all(files)?;
    files.iter().map(|file| take_file(tx, file, now)).collect()
}

/// Hashes the contents of all files: together, that is faster than one after the other.
fn check_all(files: &[&UvFile]) -> Result<(), RepoError> {
    let mut claims = Vec::with_capacity(files.len());
    for file in files {
        if let (Some(id), Some(content)) = (&hash_of(file), &file.content) {
            claims.push((*id, content));
        }
    }
    let contents: Vec<(&ArtifactId, &[u8])> = claims.iter().map(|(id, content)| (id, &content[..])).collect();
    for ((id, _), actual) in claims.iter().zip(hash::same_kinds(&contents)) {
        if actual != *id {
            return Err(RepoError::WrongHash { id: *id, actual });
        }
    }
    Ok(())
}

/// The hash that the content of a file is to have; none for a tombstone.
fn hash_of(file: &UvFile) -> Option<ArtifactId> {
    file.hash.filter(|_| file.flags & UvFile::DELETED == 0)
}

/// Takes a file whose content was checked.
fn take_file(tx: &Tx<'_>, file: &UvFile, now: UnixTime) -> Result<Taken, RepoError> {
    let hash = hash_of(file);
    let igot = UvIgot { name: file.name.clone(), mtime: file.mtime, hash, size: file.size };
    match (take_igot(tx, &igot, now)?, hash, &file.content) {
        (Status::Same | Status::GiveTime | Status::Give, ..) | (Status::Unknown, None, _) => {
            Ok(Taken::Ignored)
        }
        (Status::TakeTime, ..) | (Status::Take, None, _) => Ok(Taken::Stored),
        (Status::Unknown | Status::Take, Some(_), None) => Ok(Taken::ContentMissing),
        (Status::Unknown | Status::Take, Some(_), Some(content)) => {
            let version = believed(tx, &file.name, &Version { mtime: file.mtime, hash }, now)?;
            rows::write(tx, &file.name, &version, content)?;
            Ok(Taken::Stored)
        }
    }
}

#[cfg(test)]
mod tests;
