//! Taking artifacts in.

use bytes::Bytes;
use rusqlite::params;
use rusqlite::types::{ToSqlOutput, ValueRef};
use xfer::ArtifactId;
use xfer::card::Privacy;
use xfer::hash::{sha1, sha3_256};

use super::{
    Incoming, Packed, Stored, apply, circle, delta_children, delta_source, get, size, stored_frame, unpack,
};
use crate::blob::{self, Hex};
use crate::config::{self, HashPolicy};
use crate::ingest::unsettled::{self, Written};
use crate::{Presence, RepoError, Rid, Snapshot, Tx, dangling, delta, private, shun, unsent};

/// A delta that arrives as such is kept as one, unless its source is itself this many steps away from a whole
/// artifact.
const DEEPEST_SOURCE: usize = 50;

/// Stores an incoming artifact and queues it for [`crate::ingest::settle`].
pub fn put(
    tx: &Tx<'_>,
    id: &ArtifactId,
    incoming: &Incoming<'_>,
    privacy: Privacy,
) -> Result<Stored, RepoError> {
    put_packed(tx, id, incoming, None, privacy)
}

/// The same, for an artifact or delta whose stored form was made already.
pub fn put_packed(
    tx: &Tx<'_>,
    id: &ArtifactId,
    incoming: &Incoming<'_>,
    packed: Option<Packed>,
    privacy: Privacy,
) -> Result<Stored, RepoError> {
    if shun::contains(tx, id)? || refused_by_policy(tx, id)? {
        return Ok(Stored::Refused);
    }
    // What waits has to be known before the phantom that it waits for is gone.
    dangling::with(tx, |_| ())?;
    let target = match blob::presence(tx, id)? {
        Presence::Unknown => Target::New,
        Presence::Phantom(_) if is_awaited(tx, id) => Target::Awaited,
        Presence::Phantom(rid) => Target::Phantom(rid),
        // Whole, or against something held, it need not wait any longer.
        Presence::Dangling(rid) if !waits(tx, incoming)? => Target::Dangling(rid),
        // Against something else, it may wait for something that comes.
        Presence::Dangling(rid) if may_reform(tx) && is_another_form(tx, id, rid, incoming)? => {
            Target::Dangling(rid)
        }
        // It waited until just now, and may turn out to be false.
        Presence::Held(rid)
            if is_unverified(tx, rid) && !waits(tx, incoming)? && is_another_form(tx, id, rid, incoming)? =>
        {
            Target::Dangling(rid)
        }
        Presence::Dangling(rid) | Presence::Held(rid) => {
            if privacy == Privacy::Public && private::contains(tx, rid)? && shows(tx, id, incoming)? {
                private::remove(tx, rid)?;
            }
            return Ok(Stored::AlreadyHeld(rid));
        }
    };
    if let Target::Phantom(_) | Target::Awaited = target
        && let Some(earlier) = circle::closed_by(tx, id, incoming)?
    {
        return Ok(Stored::Circular(earlier));
    }
    let form = Form::of(tx, id, incoming, packed, privacy)?;
    let rid = write(tx, id, &form, &target, privacy)?;
    match form.source {
        Some(source) if root_is_phantom(tx, source)? => {
            wait(tx, rid, source, &target)?;
            Ok(Stored::Dangling(rid))
        }
        _ => {
            release(tx, rid, &target)?;
            Ok(Stored::Accepted(rid))
        }
    }
}

/// Names new content as the file's hash policy has it. Content that is known under the other kind of name
/// keeps that, unless the policy forbids.
pub fn name(snap: &Snapshot<'_>, content: &[u8]) -> Result<ArtifactId, RepoError> {
    let (id, other) = match config::hash_policy(snap)? {
        HashPolicy::Sha1 | HashPolicy::Auto => (sha1(content), Some(sha3_256(content))),
        HashPolicy::Sha3 => (sha3_256(content), Some(sha1(content))),
        HashPolicy::Sha3Only | HashPolicy::ShunSha1 => (sha3_256(content), None),
    };
    match other {
        Some(other) if matches!(blob::presence(snap, &other)?, Presence::Held(_)) => {
            match blob::rid(snap, &id)? {
                None => Ok(other),
                Some(_) => Ok(id),
            }
        }
        _ => Ok(id),
    }
}

/// Stores an artifact that was made here, to be pushed without being asked for. [`crate::ingest::settle`] has
/// to follow. None if its name is shunned.
pub fn add(tx: &Tx<'_>, content: &[u8], privacy: Privacy) -> Result<Option<(Rid, ArtifactId)>, RepoError> {
    let id = name(tx, content)?;
    match put(tx, &id, &Incoming::Whole(content), privacy)? {
        Stored::Accepted(rid) => {
            unsent::add(tx, rid)?;
            Ok(Some((rid, id)))
        }
        Stored::AlreadyHeld(rid) => Ok(Some((rid, id))),
        Stored::Refused => Ok(None),
        Stored::Dangling(_) | Stored::Circular(_) => unreachable!("a whole artifact waits for nothing"),
    }
}

/// Frames from this size on are written into their row in place.
const IN_PLACE_BYTES: usize = 1 << 20;

/// What the new content replaces.
enum Target {
    New,
    /// A rid without a row.
    Awaited,
    Phantom(Rid),
    Dangling(Rid),
}

/// What goes into `blob` and `delta`.
struct Form {
    source: Option<Rid>,
    frame: Bytes,
    size: i64,
    kept: Kept,
}

/// Whose memory a frame is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// That of the message, which stays until it is taken in.
    ByMessage,
    /// Its own.
    ByNobody,
}

impl Form {
    fn of(
        tx: &Tx<'_>,
        id: &ArtifactId,
        incoming: &Incoming<'_>,
        packed: Option<Packed>,
        privacy: Privacy,
    ) -> Result<Self, RepoError> {
        match *incoming {
            Incoming::Whole(content) => Self::whole(tx, id, content, packed),
            Incoming::Delta { source, delta } => {
                let source = source_rid(tx, id, source, privacy)?;
                if is_too_deep(tx, source)? || must_expand(tx, source, privacy)? {
                    return Self::expanded(tx, id, source, delta);
                }
                let limit = tx.memory().borrow().limits.artifact_bytes;
                delta::check(delta, limit).map_err(|reason| RepoError::BadDelta { id: *id, reason })?;
                let size =
                    delta::target_size(delta).map_err(|reason| RepoError::BadDelta { id: *id, reason })?;
                let frame = frame(tx, delta, packed);
                Ok(Self { source: Some(source), frame, size: size as i64, kept: Kept::ByNobody })
            }
            Incoming::Frame { source: None, frame, size } => {
                Ok(Self { source: None, frame: frame.clone(), size: size.into(), kept: Kept::ByMessage })
            }
            Incoming::Frame { source: Some(source), frame, size } => {
                let source = source_rid(tx, id, source, privacy)?;
                if must_expand(tx, source, privacy)? {
                    let delta = unpack(tx, id, frame)?;
                    return Self::expanded(tx, id, source, &delta);
                }
                Ok(Self {
                    source: Some(source),
                    frame: frame.clone(),
                    size: size.into(),
                    kept: Kept::ByMessage,
                })
            }
        }
    }

    fn whole(
        tx: &Tx<'_>,
        id: &ArtifactId,
        content: &[u8],
        packed: Option<Packed>,
    ) -> Result<Self, RepoError> {
        let limit = tx.memory().borrow().limits.artifact_bytes;
        if content.len() > limit {
            return Err(RepoError::TooLarge { id: *id, size: content.len(), limit });
        }
        let (frame, size) = (frame(tx, content, packed), content.len() as i64);
        Ok(Self { source: None, frame, size, kept: Kept::ByNobody })
    }

    /// What is bound for `blob.content`: the frame, or the room for it. Binding copies, and making a row of it
    /// copies again.
    fn value(&self) -> ToSqlOutput<'_> {
        if self.frame.len() < IN_PLACE_BYTES {
            return ToSqlOutput::Borrowed(ValueRef::Blob(&self.frame));
        }
        ToSqlOutput::ZeroBlob(self.frame.len() as u64)
    }

    /// Writes the frame where [`Form::value`] made room for it.
    fn fill(&self, tx: &Tx<'_>, rid: Rid) -> Result<(), RepoError> {
        if self.frame.len() >= IN_PLACE_BYTES {
            let mut room = tx.conn().blob_open("main", "blob", "content", rid.0, false)?;
            room.write_at(&self.frame, 0)?;
        }
        Ok(())
    }

    fn expanded(tx: &Tx<'_>, id: &ArtifactId, source: Rid, delta: &[u8]) -> Result<Self, RepoError> {
        let source = get(tx, source)?;
        let content = apply(tx, id, &source, delta)?;
        Self::whole(tx, id, &content, None)
    }
}

/// The stored form of some bytes, made now if it was not.
fn frame(tx: &Tx<'_>, plain: &[u8], packed: Option<Packed>) -> Bytes {
    packed.map_or_else(|| tx.memory().borrow_mut().codec.pack(plain).into(), |Packed(frame)| frame)
}

/// The rid of a delta source, which becomes a phantom if it was unknown: even a shunned one, for which the
/// delta then waits without end.
fn source_rid(tx: &Tx<'_>, id: &ArtifactId, source: &ArtifactId, privacy: Privacy) -> Result<Rid, RepoError> {
    if source == id {
        return Err(RepoError::DeltaCycle { id: *id });
    }
    match blob::rid(tx, source)? {
        Some(rid) => Ok(rid),
        None => unsettled::await_source(tx, source, privacy),
    }
}

/// Whether what came is the content of an artifact that is here already. Only who shows the content of a private
/// artifact makes it public: its name alone may be known to many.
fn shows(tx: &Tx<'_>, id: &ArtifactId, incoming: &Incoming<'_>) -> Result<bool, RepoError> {
    if waits(tx, incoming)? {
        return Ok(false);
    }
    let expand = |source: &ArtifactId, delta: &[u8]| match blob::rid(tx, source)? {
        Some(source) => apply(tx, id, &get(tx, source)?, delta),
        None => unreachable!("{source} is held"),
    };
    let content = match *incoming {
        Incoming::Whole(content) => content.to_vec(),
        Incoming::Delta { source, delta } => expand(source, delta)?,
        Incoming::Frame { source: None, frame, .. } => unpack(tx, id, frame)?,
        Incoming::Frame { source: Some(source), frame, .. } => expand(source, &unpack(tx, id, frame)?)?,
    };
    let actual = if id.is_sha1() { sha1(&content) } else { sha3_256(&content) };
    if actual == *id { Ok(true) } else { Err(RepoError::WrongHash { id: *id, actual }) }
}

/// Whether an incoming artifact would have to wait for its delta source.
fn waits(tx: &Tx<'_>, incoming: &Incoming<'_>) -> Result<bool, RepoError> {
    let Some(source) = incoming.source() else { return Ok(false) };
    Ok(!matches!(blob::presence(tx, source)?, Presence::Held(_)))
}

/// Whether `rid` came before, as a delta whose source is here since this transaction.
fn is_unverified(tx: &Tx<'_>, rid: Rid) -> bool {
    tx.memory().borrow().unsettled.is_from_earlier(rid)
}

/// Whether an incoming artifact has another form than the unverified delta at `rid`, and can replace it: what comes may be
/// sound where that is false.
fn is_another_form(
    tx: &Tx<'_>,
    id: &ArtifactId,
    rid: Rid,
    incoming: &Incoming<'_>,
) -> Result<bool, RepoError> {
    let Some(source) = incoming.source() else { return Ok(true) };
    let mut at = blob::rid(tx, source)?;
    if at == delta_source(tx, rid)? {
        let brought = match incoming {
            Incoming::Frame { frame, .. } => unpack(tx, id, frame)?,
            Incoming::Delta { delta, .. } | Incoming::Whole(delta) => delta.to_vec(),
        };
        let held = unpack(tx, id, &stored_frame(tx, rid)?);
        return Ok(held.map_or(true, |held| held != brought));
    }
    while let Some(source) = at {
        if source == rid {
            return Ok(false);
        }
        at = delta_source(tx, source)?;
    }
    Ok(true)
}

/// Whether the chain of `rid` ends in a phantom, be it `rid` itself.
pub(super) fn root_is_phantom(tx: &Tx<'_>, rid: Rid) -> Result<bool, RepoError> {
    let is_written = || tx.memory().borrow().unsettled.written(rid).is_some();
    Ok(dangling::with(tx, |dangling| dangling.contains(rid))? || !is_written() && size(tx, rid)?.is_none())
}

fn is_awaited(tx: &Tx<'_>, id: &ArtifactId) -> bool {
    tx.memory().borrow().unsettled.awaited(id).is_some()
}

fn may_reform(tx: &Tx<'_>) -> bool {
    tx.memory().borrow().unsettled.may_reform()
}

/// Whether a delta of `source` would be a public delta of a private artifact.
fn must_expand(tx: &Tx<'_>, source: Rid, privacy: Privacy) -> Result<bool, RepoError> {
    Ok(privacy == Privacy::Public && private::contains(tx, source)? && !root_is_phantom(tx, source)?)
}

fn is_too_deep(tx: &Tx<'_>, source: Rid) -> Result<bool, RepoError> {
    let mut at = source;
    for _ in 0..DEEPEST_SOURCE {
        match delta_source(tx, at)? {
            Some(up) => at = up,
            None => return Ok(false),
        }
    }
    Ok(!root_is_phantom(tx, source)?)
}

fn refused_by_policy(tx: &Tx<'_>, id: &ArtifactId) -> Result<bool, RepoError> {
    let policy = config::hash_policy(tx)?;
    if !id.is_sha1() && policy == HashPolicy::Auto {
        let now = tx.memory().borrow().origin.as_ref().map(|origin| origin.time).unwrap_or_default();
        config::set_hash_policy(tx, HashPolicy::Sha3, now)?;
    }
    Ok(id.is_sha1() && policy == HashPolicy::ShunSha1)
}

fn write(
    tx: &Tx<'_>,
    id: &ArtifactId,
    form: &Form,
    target: &Target,
    privacy: Privacy,
) -> Result<Rid, RepoError> {
    let rcvid = rcvid(tx)?;
    let rid =
        match *target {
            Target::New | Target::Awaited => {
                let rid = {
                    let unsettled = &mut tx.memory().borrow_mut().unsettled;
                    unsettled.came(id).or_else(|| unsettled.new_rid())
                };
                tx.prepared("INSERT INTO blob(rid, rcvid, size, uuid, content) VALUES(?1, ?2, ?3, ?4, ?5)")?
                    .execute(params![rid, rcvid, form.size, Hex::of(id), form.value()])?;
                let rid = Rid(tx.conn().last_insert_rowid());
                form.fill(tx, rid)?;
                tx.memory().borrow_mut().names.note(*id, rid);
                blob::list(tx, rid, privacy)?;
                rid
            }
            Target::Phantom(rid) | Target::Dangling(rid) => {
                tx.prepared("UPDATE blob SET rcvid=?1, size=?2, content=?3 WHERE rid=?4")?
                    .execute(params![rcvid, form.size, form.value(), rid])?;
                form.fill(tx, rid)?;
                tx.prepared("DELETE FROM phantom WHERE rid=?1")?.execute([rid])?;
                tx.prepared("DELETE FROM delta WHERE rid=?1")?.execute([rid])?;
                match (privacy, target) {
                    (Privacy::Public, _) => drop(private::remove(tx, rid)?),
                    // What is public stays so, whatever comes in its place.
                    (Privacy::Private, Target::Dangling(_)) => {}
                    (Privacy::Private, _) => private::add(tx, rid)?,
                }
                rid
            }
        };
    if let Some(source) = form.source {
        tx.prepared("INSERT INTO delta(rid, srcid) VALUES(?1, ?2)")?.execute([rid, source])?;
    }
    let Form { source, ref frame, size, kept } = *form;
    let frame = Some(frame).filter(|frame| kept == Kept::ByMessage && frame.len() < IN_PLACE_BYTES);
    let written = Written { id: *id, size, source, frame: frame.cloned() };
    tx.memory().borrow_mut().unsettled.wrote(rid, written);
    Ok(rid)
}

/// Notes that `rid` waits for the root of `source`.
fn wait(tx: &Tx<'_>, rid: Rid, source: Rid, target: &Target) -> Result<(), RepoError> {
    if let Target::Dangling(_) = target {
        // What waited for it took the short way to its former root. Only what is a phantom is found to be waited for.
        unsettled::await_no_longer(tx)?;
        dangling::forget(tx);
        tx.memory().borrow_mut().unsettled.reformed();
    }
    dangling::with(tx, |dangling| dangling.insert(rid, source))?;
    tx.memory().borrow_mut().unsettled.waits(rid);
    Ok(())
}

/// Queues `rid`, and everything that waited for it, to be verified.
fn release(tx: &Tx<'_>, rid: Rid, target: &Target) -> Result<(), RepoError> {
    tx.memory().borrow_mut().unsettled.arrived(rid);
    match target {
        Target::New => return Ok(()),
        Target::Dangling(_) => drop(dangling::with(tx, |dangling| dangling.remove(rid))?),
        Target::Phantom(_) | Target::Awaited => {}
    }
    let mut released = vec![rid];
    while let Some(source) = released.pop() {
        for child in delta_children(tx, source)? {
            if dangling::with(tx, |dangling| dangling.remove(child))? {
                tx.memory().borrow_mut().unsettled.released(child);
                released.push(child);
            }
        }
    }
    Ok(())
}

/// The row of `rcvfrom` for this transaction's origin.
pub(crate) fn rcvid(tx: &Tx<'_>) -> Result<i64, RepoError> {
    let mut memory = tx.memory().borrow_mut();
    if let Some(rcvid) = memory.rcvid {
        return Ok(rcvid);
    }
    let Some(origin) = &memory.origin else { return Ok(0) };
    let inserted = tx
        .prepared("INSERT INTO rcvfrom(uid, mtime, nonce, ipaddr) VALUES(?1, ?2, ?3, ?4)")?
        .execute(params![origin.uid, origin.time.julian_day(), origin.nonce, origin.ip]);
    match (inserted, &origin.nonce) {
        (Ok(_), _) => {}
        (Err(error), Some(nonce))
            if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) =>
        {
            return Err(RepoError::NonceReused { nonce: nonce.clone() });
        }
        (Err(error), _) => return Err(error.into()),
    }
    memory.rcvid = Some(tx.conn().last_insert_rowid());
    Ok(tx.conn().last_insert_rowid())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{hold, repo};

    /// Bytes that hardly compress.
    fn noise(size: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..size).map(|_| next()).collect()
    }

    #[test]
    fn large_artifacts_are_written_in_place_and_fill_phantoms_too() {
        let content = noise(IN_PLACE_BYTES + 1);
        for known in [false, true] {
            let mut repo = repo();
            if known {
                let tx = repo.begin().unwrap();
                blob::rid_or_phantom(&tx, &sha3_256(&content), Privacy::Public).unwrap();
                tx.commit().unwrap();
            }
            let rid = hold(&mut repo, &content);
            assert!(get(&repo.snapshot().unwrap(), rid).unwrap() == content);
        }
    }
}
