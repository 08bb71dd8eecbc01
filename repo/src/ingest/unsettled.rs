//! What was put and not settled yet.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use xfer::ArtifactId;
use xfer::card::Privacy;

use super::Arrival;
use crate::{RepoError, Rid, Tx, blob};

/// Delta sources that are awaited without a row. What comes beyond them gets one.
const MOST_AWAITED: usize = 20_000;

/// Deltas that wait and take another form, of one message. The rest stays as it was.
const MOST_REFORMED: usize = 100;

/// Beyond this rid SQLite is left to find those that are free.
const FARTHEST: i64 = i64::MAX / 2;

/// What was put since the last call of [`super::settle`].
#[derive(Default)]
pub(crate) struct Unsettled {
    /// What can be expanded now.
    queue: BTreeMap<Rid, Arrival>,
    /// What was put and waits for its delta source.
    waiting: BTreeSet<Rid>,
    /// How the rows were written of which this is known.
    written: BTreeMap<Rid, Written>,
    /// Rows that were written anew since, by whoever stores whole what was a delta.
    rewritten: BTreeSet<Rid>,
    /// Deltas that waited and wait in another form now.
    reformed: usize,
    /// Steps that were taken along circles.
    steps: usize,
    awaited: Awaited,
}

/// A row as it was written, so that nobody has to read it.
pub(crate) struct Written {
    pub(crate) id: ArtifactId,
    /// `blob.size`.
    pub(crate) size: i64,
    pub(crate) source: Option<Rid>,
    /// `blob.content`, if it came in that form and is not large.
    pub(crate) frame: Option<Bytes>,
}

/// Public delta sources that nobody knew, and that may come soon: most come in the same message. Each has a rid,
/// and its row is written when it comes.
#[derive(Default)]
struct Awaited {
    rids: BTreeMap<ArtifactId, Rid>,
    /// The highest rid in use, as long as there are any.
    last: i64,
}

impl Unsettled {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.waiting.is_empty() && self.awaited.rids.is_empty()
    }

    /// `rid` was put, and can be expanded.
    pub(crate) fn arrived(&mut self, rid: Rid) {
        self.waiting.remove(&rid);
        self.queue.insert(rid, Arrival::Now);
    }

    /// `rid` was put, and cannot be expanded.
    pub(crate) fn waits(&mut self, rid: Rid) {
        self.waiting.insert(rid);
    }

    /// Whether `rid` was put before, can be expanded now, and was not yet.
    pub(crate) fn is_from_earlier(&self, rid: Rid) -> bool {
        self.queue.get(&rid) == Some(&Arrival::Earlier)
    }

    /// `rid` was put at some time, and can be expanded now.
    pub(crate) fn released(&mut self, rid: Rid) {
        let arrival = if self.waiting.remove(&rid) { Arrival::Now } else { Arrival::Earlier };
        self.queue.insert(rid, arrival);
    }

    /// What can be expanded now, in the order of rids.
    pub(super) fn queue(&self) -> &BTreeMap<Rid, Arrival> {
        &self.queue
    }

    pub(crate) fn waiting(&self) -> &BTreeSet<Rid> {
        &self.waiting
    }

    pub(crate) fn wrote(&mut self, rid: Rid, written: Written) {
        self.written.insert(rid, written);
    }

    /// The row is another one now.
    pub(crate) fn rewrote(&mut self, rid: Rid) {
        self.written.remove(&rid);
        self.rewritten.insert(rid);
    }

    /// Whether the row became another one since it was put, or since [`super::settle`] began.
    pub(crate) fn was_rewritten(&self, rid: Rid) -> bool {
        self.rewritten.contains(&rid)
    }

    pub(crate) fn written(&self, rid: Rid) -> Option<&Written> {
        self.written.get(&rid)
    }

    /// What is expanded from now on is read as it is.
    pub(crate) fn forget_rewritten(&mut self) {
        self.rewritten.clear();
    }

    /// Whether one more delta that waits may take another form and wait on. Each has all that waits looked at.
    pub(crate) fn may_reform(&self) -> bool {
        self.reformed < MOST_REFORMED
    }

    pub(crate) fn reformed(&mut self) {
        self.reformed += 1;
    }

    /// Takes one more step along a circle, unless as many as `most` were taken.
    pub(crate) fn may_step(&mut self, most: usize) -> bool {
        self.steps += 1;
        self.steps <= most
    }

    /// The rid of an artifact that is awaited, and has no row.
    pub(crate) fn awaited(&self, id: &ArtifactId) -> Option<Rid> {
        self.awaited.rids.get(id).copied()
    }

    /// An artifact is awaited no longer: whoever calls this writes its row.
    pub(crate) fn came(&mut self, id: &ArtifactId) -> Option<Rid> {
        self.awaited.rids.remove(id)
    }

    /// The rid of a new row. None: the one that SQLite gives, which does not know of those that are awaited.
    pub(crate) fn new_rid(&mut self) -> Option<Rid> {
        if self.awaited.rids.is_empty() {
            return None;
        }
        self.awaited.last += 1;
        Some(Rid(self.awaited.last))
    }
}

/// The rid of a delta source that is not known yet. It becomes a phantom unless it comes before
/// [`super::settle`].
pub(crate) fn await_source(tx: &Tx<'_>, id: &ArtifactId, privacy: Privacy) -> Result<Rid, RepoError> {
    let count = tx.memory().borrow().unsettled.awaited.rids.len();
    if privacy == Privacy::Private || count >= MOST_AWAITED {
        return blob::insert_phantom(tx, id, privacy);
    }
    if count == 0 {
        let mut last = tx.prepared("SELECT max(rid) FROM blob")?;
        let last: Option<i64> = last.query_row([], |row| row.get(0))?;
        tx.memory().borrow_mut().unsettled.awaited.last = last.unwrap_or(0);
    }
    if tx.memory().borrow().unsettled.awaited.last >= FARTHEST {
        return blob::insert_phantom(tx, id, privacy);
    }
    let awaited = &mut tx.memory().borrow_mut().unsettled.awaited;
    awaited.last += 1;
    awaited.rids.insert(*id, Rid(awaited.last));
    Ok(Rid(awaited.last))
}

/// Makes phantoms of what is still awaited.
pub(crate) fn await_no_longer(tx: &Tx<'_>) -> Result<(), RepoError> {
    let awaited = std::mem::take(&mut tx.memory().borrow_mut().unsettled.awaited.rids);
    awaited
        .iter()
        .try_for_each(|(id, &rid)| blob::write_phantom(tx, id, Some(rid), Privacy::Public).map(drop))
}

#[cfg(test)]
mod tests {
    use xfer::hash::sha3_256;

    use super::*;
    use crate::testing::{NOW, number, put, put_delta, repo};
    use crate::{Presence, ingest};

    const TEXTS: [&[u8]; 3] =
        [b"a text of some length, 1", b"a text of some length, 2", b"a text of some length, 3"];

    #[test]
    fn a_source_that_comes_in_time_is_never_a_phantom() {
        let mut repo = repo();
        let tx = repo.begin().unwrap();
        put_delta(&tx, TEXTS[1], TEXTS[0]).unwrap();
        put(&tx, b"something else").unwrap();
        assert_eq!(number(&tx, "SELECT min(rid) FROM blob"), 2, "1 is that of the source");
        assert_eq!(blob::presence(&tx, &sha3_256(TEXTS[1])).unwrap(), Presence::Phantom(Rid(1)));
        put_delta(&tx, TEXTS[2], TEXTS[1]).unwrap();
        put(&tx, TEXTS[2]).unwrap();
        assert_eq!(number(&tx, "SELECT count(*) FROM phantom"), 0);
        ingest::settle(&tx, NOW).unwrap();
        assert_eq!(number(&tx, "SELECT count(*) FROM delta WHERE (rid, srcid) IN ((2, 1), (1, 4))"), 2);
        assert_eq!(number(&tx, "SELECT count(*) FROM unclustered"), 4);
        tx.commit().unwrap();
    }

    #[test]
    fn a_source_that_does_not_come_is_a_phantom_with_its_rid() {
        let mut repo = repo();
        let tx = repo.begin().unwrap();
        put_delta(&tx, TEXTS[1], TEXTS[0]).unwrap();
        put(&tx, b"something else").unwrap();
        ingest::settle(&tx, NOW).unwrap();
        assert_eq!(number(&tx, "SELECT rid FROM phantom JOIN blob USING(rid) WHERE size<0"), 1);
        assert_eq!(blob::presence(&tx, &sha3_256(TEXTS[0])).unwrap(), Presence::Dangling(Rid(2)));
        put(&tx, TEXTS[1]).unwrap();
        ingest::settle(&tx, NOW).unwrap();
        assert_eq!(blob::presence(&tx, &sha3_256(TEXTS[0])).unwrap(), Presence::Held(Rid(2)));
        tx.commit().unwrap();
    }

    #[test]
    fn deltas_of_each_other_are_refused_before_either_has_a_row_that_lasts() {
        let mut repo = repo();
        let tx = repo.begin().unwrap();
        put_delta(&tx, TEXTS[1], TEXTS[0]).unwrap();
        assert!(matches!(put_delta(&tx, TEXTS[0], TEXTS[1]), Err(RepoError::DeltaCycle { .. })));
    }

    #[test]
    fn where_rids_end_sqlite_finds_free_ones() {
        let mut repo = repo();
        let tx = repo.begin().unwrap();
        tx.conn()
            .execute_batch(&format!(
                "INSERT INTO blob(rid, rcvid, size, uuid, content) VALUES({}, 0, -1, '{}', NULL)",
                i64::MAX,
                sha3_256(TEXTS[2])
            ))
            .unwrap();
        put_delta(&tx, TEXTS[1], TEXTS[0]).unwrap();
        put(&tx, TEXTS[1]).unwrap();
        assert_eq!(ingest::settle(&tx, NOW).unwrap().verified, 2);
        tx.commit().unwrap();
    }
}
