//! Keeping older versions as deltas of newer ones.

use rusqlite::params;

use crate::{RepoError, Rid, Snapshot, Tx, content, delta, private};

/// Smaller artifacts are not worth it.
const LEAST_BYTES: usize = 50;

/// Stores `rid`, which is stored whole, as a delta of `source` if that saves a quarter of its size. Says whether
/// it did. Both must be held. A private artifact never becomes the source of a public one.
pub fn deltify(tx: &Tx<'_>, rid: Rid, source: Rid) -> Result<bool, RepoError> {
    if rid == source || content::delta_source(tx, rid)?.is_some() {
        return Ok(false);
    }
    if private::contains(tx, source)? && !private::contains(tx, rid)? {
        return Ok(false);
    }
    let target = content::get(tx, rid)?;
    let base = content::get(tx, source)?;
    if target.len() < LEAST_BYTES || base.len() < LEAST_BYTES {
        return Ok(false);
    }
    let delta = delta::create(&base, &target);
    if delta.len() > target.len() / 4 * 3 {
        return Ok(false);
    }
    if depends_on(tx, source, rid)? {
        content::store_whole(tx, source)?;
    }
    let frame = tx.memory().borrow_mut().codec.pack(&delta);
    tx.prepared("UPDATE blob SET content=?1 WHERE rid=?2")?.execute(params![frame, rid])?;
    tx.prepared("INSERT INTO delta(rid, srcid) VALUES(?1, ?2)")?.execute([rid, source])?;
    Ok(true)
}

/// Whether `rid` is expanded by way of `other`.
fn depends_on(snap: &Snapshot<'_>, rid: Rid, other: Rid) -> Result<bool, RepoError> {
    let mut at = rid;
    while let Some(source) = content::delta_source(snap, at)? {
        if source == other {
            return Ok(true);
        }
        at = source;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, hold, number, put, repo};
    use crate::{Presence, blob, ingest};

    fn version(number: usize) -> Vec<u8> {
        let lines =
            (0..100).map(|line| format!("line {} of the text\n", if line == 50 { number } else { line }));
        lines.collect::<String>().into_bytes()
    }

    #[test]
    fn an_older_version_becomes_a_delta_of_the_newer_one() {
        let mut repo = repo();
        let (old, new) = (hold(&mut repo, &version(1001)), hold(&mut repo, &version(1002)));
        let tx = repo.begin().unwrap();
        assert!(deltify(&tx, old, new).unwrap());
        assert!(!deltify(&tx, old, new).unwrap(), "it is one already");
        assert_eq!(content::delta_source(&tx, old).unwrap(), Some(new));
        assert_eq!(content::get(&tx, old).unwrap(), version(1001));
        tx.commit().unwrap();
        let snap = repo.snapshot().unwrap();
        assert_eq!(content::get(&snap, old).unwrap(), version(1001));
    }

    #[test]
    fn a_newer_version_that_was_a_delta_of_the_older_is_stored_whole() {
        let mut repo = repo();
        let rids: Vec<Rid> = (1000..1003).map(|number| hold(&mut repo, &version(number))).collect();
        let tx = repo.begin().unwrap();
        assert!(deltify(&tx, rids[2], rids[1]).unwrap());
        assert!(deltify(&tx, rids[1], rids[0]).unwrap());
        assert!(deltify(&tx, rids[0], rids[2]).unwrap());
        for (rid, number) in rids.iter().zip(1000..) {
            assert_eq!(content::get(&tx, *rid).unwrap(), version(number));
        }
        assert_eq!(number(&tx, "SELECT count(*) FROM delta"), 2);
        tx.commit().unwrap();
    }

    #[test]
    fn what_saves_nothing_or_would_tell_a_secret_stays_whole() {
        let mut repo = repo();
        let small = [hold(&mut repo, b"a small text"), hold(&mut repo, b"a small next")];
        let unlike = [hold(&mut repo, &version(1001)), hold(&mut repo, &[7; 2000])];
        let tx = repo.begin().unwrap();
        assert!(!deltify(&tx, small[0], small[1]).unwrap());
        assert!(!deltify(&tx, unlike[0], unlike[1]).unwrap());
        assert!(!deltify(&tx, small[0], small[0]).unwrap());
        put(&tx, &version(1002)).unwrap();
        ingest::settle(&tx, NOW).unwrap();
        let Presence::Held(secret) = blob::presence(&tx, &xfer::hash::sha3_256(&version(1002))).unwrap()
        else {
            panic!("not held")
        };
        private::add(&tx, secret).unwrap();
        assert!(!deltify(&tx, unlike[0], secret).unwrap());
        assert!(deltify(&tx, secret, unlike[0]).unwrap());
        tx.commit().unwrap();
    }
}
