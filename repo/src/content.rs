//! The bytes of artifacts.

mod circle;
mod deltas;
mod packing;
mod store;
mod together;

use std::io::Read as _;

use bytes::Bytes;
use rusqlite::blob::Blob;
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension as _, params};
use xfer::ArtifactId;

pub use self::packing::{Packed, packed_ahead};
pub(crate) use self::store::rcvid;
pub use self::store::{add, name, put, put_packed};
pub use self::together::{Event, Shown, Visit, together};
use crate::blob::{self, PHANTOM_SIZE};
use crate::zlib::FrameError;
use crate::{RepoError, Rid, Snapshot, Tx, dangling, delta, private};

/// An artifact on its way in.
#[derive(Debug, Clone)]
pub enum Incoming<'a> {
    /// The artifact itself.
    Whole(&'a [u8]),
    /// A delta against another artifact.
    Delta {
        /// What it is a delta against.
        source: &'a ArtifactId,
        /// The delta.
        delta: &'a [u8],
    },
    /// The artifact or its delta in the form of `blob.content`, to be stored as it is.
    Frame {
        /// What it is a delta against, if it is one.
        source: Option<&'a ArtifactId>,
        /// Size prefix and zlib stream.
        frame: &'a Bytes,
        /// Size of the artifact after delta expansion, as the sender says. What counts is the real one.
        size: u32,
    },
}

impl<'a> Incoming<'a> {
    /// What it is a delta against, if it is one.
    fn source(&self) -> Option<&'a ArtifactId> {
        match *self {
            Incoming::Whole(_) => None,
            Incoming::Delta { source, .. } => Some(source),
            Incoming::Frame { source, .. } => source,
        }
    }
}

/// What became of an incoming artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// New, or it filled a phantom; [`crate::ingest::settle`] verifies and links it.
    Accepted(Rid),
    /// New, but its delta source is not here yet: it will be verified and linked when that arrives.
    Dangling(Rid),
    /// It was here already; the new bytes were not looked at.
    AlreadyHeld(Rid),
    /// Nothing was written: it came as a delta of something that waits for it. Of what so runs in a circle, these were here
    /// before this transaction; one of them has to come in another form first.
    Circular(Vec<ArtifactId>),
    /// Its name is shunned, or its kind of name is refused by the hash policy.
    Refused,
}

/// The whole artifact, expanded. Chains of any depth; every step bounded by the size limit of the file.
pub fn get(snap: &Snapshot<'_>, rid: Rid) -> Result<Bytes, RepoError> {
    let (mut content, steps) = climb(snap, rid)?;
    for rid in steps.into_iter().rev() {
        content = expand(snap, rid, Some(&content))?;
        snap.memory().borrow_mut().cache.put(rid, &content);
    }
    Ok(content)
}

/// The size of an artifact after expansion, in bytes; none for a phantom.
pub fn size(snap: &Snapshot<'_>, rid: Rid) -> Result<Option<u64>, RepoError> {
    let mut statement = snap.conn().prepare_cached("SELECT size FROM blob WHERE rid=?1")?;
    let size: Option<i64> = statement.query_row([rid], |row| row.get(0)).optional()?;
    Ok(size.and_then(|size| u64::try_from(size).ok()))
}

/// The artifact in the form it is stored in: size prefix and zlib stream of the artifact, or of its delta
/// against [`delta_source`].
pub fn stored_frame(snap: &Snapshot<'_>, rid: Rid) -> Result<Bytes, RepoError> {
    if let Some(frame) = with_frame(snap, rid, Bytes::copy_from_slice)? {
        return Ok(frame);
    }
    let mut blob = open_large(snap, rid)?;
    let mut frame = vec![0; blob.len()];
    blob.read_exact(&mut frame).map_err(|error| RepoError::io(&error))?;
    Ok(frame.into())
}

/// The same; none if it is large, or not here.
pub(crate) fn small_frame(snap: &Snapshot<'_>, rid: Rid) -> Result<Option<Bytes>, RepoError> {
    match with_frame(snap, rid, Bytes::copy_from_slice) {
        Err(RepoError::NoContent(_)) => Ok(None),
        read => read,
    }
}

/// What an artifact is stored as a delta of.
pub fn delta_source(snap: &Snapshot<'_>, rid: Rid) -> Result<Option<Rid>, RepoError> {
    let mut statement = snap.conn().prepare_cached("SELECT srcid FROM delta WHERE rid=?1")?;
    Ok(statement.query_row([rid], |row| row.get(0)).optional()?)
}

/// What is stored as a delta of `rid`.
pub(crate) fn delta_children(tx: &Tx<'_>, rid: Rid) -> Result<Vec<Rid>, RepoError> {
    blob::rids(tx, "SELECT rid FROM delta WHERE srcid=?1 ORDER BY rid", [rid])
}

/// Public artifacts stored as deltas of `rid` that could be expanded.
pub(crate) fn public_children(tx: &Tx<'_>, rid: Rid) -> Result<Vec<Rid>, RepoError> {
    let mut children = Vec::new();
    for child in delta_children(tx, rid)? {
        let waits = dangling::with(tx, |dangling| dangling.contains(child))?;
        if !waits && size(tx, rid)?.is_some() && !private::contains(tx, child)? {
            children.push(child);
        }
    }
    Ok(children)
}

/// Stores an artifact whole that was stored as a delta. Nothing else about it changes. A dangling one is left
/// as it is.
pub(crate) fn store_whole(tx: &Tx<'_>, rid: Rid) -> Result<(), RepoError> {
    if store::root_is_phantom(tx, rid)? {
        return Ok(());
    }
    replace_whole(tx, rid, &get(tx, rid)?)
}

/// Stores `content`, which is that of the artifact, instead of its delta.
pub(crate) fn replace_whole(tx: &Tx<'_>, rid: Rid, content: &Bytes) -> Result<(), RepoError> {
    let frame = tx.memory().borrow_mut().codec.pack(content);
    tx.prepared("UPDATE blob SET content=?1 WHERE rid=?2")?.execute(params![frame, rid])?;
    tx.memory().borrow_mut().unsettled.rewrote(rid);
    tx.prepared("DELETE FROM delta WHERE rid=?1")?.execute([rid])?;
    Ok(())
}

/// Takes the content of an artifact away: a phantom remains.
pub(crate) fn make_phantom(tx: &Tx<'_>, rid: Rid) -> Result<(), RepoError> {
    tx.prepared("UPDATE blob SET rcvid=0, size=?1, content=NULL WHERE rid=?2")?
        .execute(params![PHANTOM_SIZE, rid])?;
    tx.prepared("DELETE FROM delta WHERE rid=?1")?.execute([rid])?;
    tx.prepared("INSERT OR IGNORE INTO phantom(rid) VALUES(?1)")?.execute([rid])?;
    let mut memory = tx.memory().borrow_mut();
    memory.cache.remove(rid);
    memory.unsettled.rewrote(rid);
    Ok(())
}

/// One step of expansion: the artifact from its stored form and the content of its delta source.
pub(crate) fn expand(snap: &Snapshot<'_>, rid: Rid, source: Option<&Bytes>) -> Result<Bytes, RepoError> {
    let stored = unpack_stored(snap, rid)?;
    match source {
        None => Ok(stored.into()),
        Some(source) => {
            let limit = snap.memory().borrow().limits.artifact_bytes;
            match delta::apply(source, &stored, limit) {
                Ok(content) => Ok(content.into()),
                Err(reason) => Err(RepoError::BadDelta { id: blob::id(snap, rid)?, reason }),
            }
        }
    }
}

/// The same of a stored form that was inflated before.
pub(crate) fn expand_inflated(
    snap: &Snapshot<'_>,
    id: &ArtifactId,
    inflated: Result<Vec<u8>, FrameError>,
    source: Option<&Bytes>,
) -> Result<Bytes, RepoError> {
    let stored = inflated.map_err(|reason| RepoError::BadFrame { id: *id, reason })?;
    match source {
        None => Ok(stored.into()),
        Some(source) => Ok(apply(snap, id, source, &stored)?.into()),
    }
}

fn unpack_stored(snap: &Snapshot<'_>, rid: Rid) -> Result<Vec<u8>, RepoError> {
    let mut memory = snap.memory().borrow_mut();
    let limit = memory.limits.artifact_bytes;
    let unpacked = match with_frame(snap, rid, |frame| memory.codec.unpack(frame, limit))? {
        Some(unpacked) => unpacked,
        None => {
            let mut blob = open_large(snap, rid)?;
            let length = blob.len();
            memory.codec.unpack_from(&mut blob, length, limit).map_err(|error| RepoError::io(&error))?
        }
    };
    drop(memory);
    match unpacked {
        Ok(stored) => Ok(stored),
        Err(reason) => Err(RepoError::BadFrame { id: blob::id(snap, rid)?, reason }),
    }
}

/// Goes up the chain of `rid` to what is whole or in the cache: its content, and the way back down.
fn climb(snap: &Snapshot<'_>, rid: Rid) -> Result<(Bytes, Vec<Rid>), RepoError> {
    let mut steps = Vec::new();
    let mut at = rid;
    // Looks back at a place that moves on ever more rarely, which ends any cycle.
    let (mut mark, mut patience) = (rid, 1_usize);
    loop {
        if let Some(content) = snap.memory().borrow_mut().cache.get(at) {
            return Ok((content, steps));
        }
        let Some(source) = delta_source(snap, at)? else {
            let content = expand(snap, at, None)?;
            snap.memory().borrow_mut().cache.put(at, &content);
            return Ok((content, steps));
        };
        steps.push(at);
        at = source;
        if at == mark {
            return Err(RepoError::DeltaCycle { id: blob::id(snap, rid)? });
        }
        if steps.len() == patience {
            (mark, patience) = (at, patience.saturating_mul(2));
        }
    }
}

/// A stored form of so many bytes is read in parts.
const LARGE_FRAME: usize = 1 << 20;

/// The stored form of an artifact, to be read in parts.
fn open_large<'r>(snap: &Snapshot<'r>, rid: Rid) -> Result<Blob<'r>, RepoError> {
    Ok(snap.conn().blob_open(rusqlite::MAIN_DB, c"blob", c"content", rid.0, true)?)
}

/// Looks at the stored form of an artifact; none if it is large.
fn with_frame<T>(
    snap: &Snapshot<'_>,
    rid: Rid,
    with: impl FnOnce(&[u8]) -> T,
) -> Result<Option<T>, RepoError> {
    let mut statement = snap.conn().prepare_cached(
        "SELECT length(content)>?2, CASE WHEN length(content)>?2 THEN NULL ELSE content END
           FROM blob WHERE rid=?1 AND size>=0",
    )?;
    let mut rows = statement.query(params![rid, LARGE_FRAME as i64])?;
    let row = rows.next()?.ok_or(RepoError::NoContent(rid))?;
    if row.get::<_, Option<bool>>(0)? == Some(true) {
        return Ok(None);
    }
    match row.get_ref(1)? {
        ValueRef::Blob(frame) | ValueRef::Text(frame) => Ok(Some(with(frame))),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => Err(RepoError::NoContent(rid)),
    }
}

/// The bytes in a container that came under the name `id`.
pub(crate) fn unpack(snap: &Snapshot<'_>, id: &ArtifactId, frame: &[u8]) -> Result<Vec<u8>, RepoError> {
    let mut memory = snap.memory().borrow_mut();
    let limit = memory.limits.artifact_bytes;
    memory.codec.unpack(frame, limit).map_err(|reason| RepoError::BadFrame { id: *id, reason })
}

/// The target of a delta that came under the name `id`.
pub(crate) fn apply(
    snap: &Snapshot<'_>,
    id: &ArtifactId,
    source: &[u8],
    delta: &[u8],
) -> Result<Vec<u8>, RepoError> {
    let limit = snap.memory().borrow().limits.artifact_bytes;
    delta::apply(source, delta, limit).map_err(|reason| RepoError::BadDelta { id: *id, reason })
}

#[cfg(test)]
mod tests;
