//! Many names at once.
//!
//! A name that is soon after the one before it in the file's index is found by going along that, which costs a twentieth of
//! looking for it by itself. So are those of a cluster that was made together with others, as its maker had sorted them.

use std::cmp::Ordering;

use rusqlite::Rows;
use rusqlite::types::ValueRef;
use xfer::ArtifactId;

use super::{Hex, Rid};
use crate::{RepoError, Snapshot};

const FROM: &str = "SELECT uuid, rid FROM blob WHERE uuid>=?1 ORDER BY uuid";

/// A name that is not found after so many rows is looked for by itself, which costs about twice as much as they did.
const STEPS: u32 = 8;

/// The rids of names, in their order, and none for a name that the file does not know. Best if they are sorted.
pub fn rids_of(snap: &Snapshot<'_>, ids: &[ArtifactId]) -> Result<Vec<Option<Rid>>, RepoError> {
    let mut statement = snap.conn().prepare_cached(FROM)?;
    let mut found = Vec::with_capacity(ids.len());
    while let Some(first) = ids.get(found.len()) {
        let rows = statement.query([Hex::of(first)])?;
        let before = found.len();
        go_along(rows, &ids[before..], &mut found)?;
        if found.len() == before {
            // The index of this file is in another order.
            found.push(super::rid(snap, first)?);
        }
    }
    let memory = snap.memory().borrow();
    for (id, rid) in ids.iter().zip(&mut found) {
        *rid = rid.or_else(|| memory.unsettled.awaited(id));
    }
    Ok(found)
}

/// Finds the first of these names, where the rows begin, and those after it as long as each is at most some rows further.
fn go_along(mut rows: Rows<'_>, ids: &[ArtifactId], found: &mut Vec<Option<Rid>>) -> Result<(), RepoError> {
    let mut row = rows.next()?;
    for (place, id) in ids.iter().enumerate() {
        if place > 0 && *id < ids[place - 1] {
            return Ok(());
        }
        let name = Hex::of(id);
        let mut steps = 0;
        let rid = loop {
            let Some(here) = row else { break None };
            // What is no text comes after all names.
            let ValueRef::Text(known) = here.get_ref(0)? else { break None };
            match known.cmp(name.digits()) {
                Ordering::Equal => break Some(here.get(1)?),
                Ordering::Greater => break None,
                Ordering::Less if steps == STEPS => return Ok(()),
                Ordering::Less => {
                    steps += 1;
                    row = rows.next()?;
                }
            }
        };
        found.push(rid);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use xfer::card::Privacy;
    use xfer::hash::{sha1, sha3_256};

    use super::*;
    use crate::blob;
    use crate::testing::repo;

    fn id(number: u32) -> ArtifactId {
        let text = number.to_be_bytes();
        if number.is_multiple_of(3) { sha1(&text) } else { sha3_256(&text) }
    }

    #[track_caller]
    fn check(known: &[u32], asked: &[ArtifactId]) {
        let mut repo = repo();
        let tx = repo.begin().unwrap();
        for &number in known {
            blob::rid_or_phantom(&tx, &id(number), Privacy::Public).unwrap().unwrap();
        }
        let expected: Vec<Option<Rid>> = asked.iter().map(|id| blob::rid(&tx, id).unwrap()).collect();
        assert_eq!(rids_of(&tx, asked).unwrap(), expected);
    }

    #[test]
    fn many_names_are_found_as_each_by_itself() {
        let sorted = |numbers: &[u32]| {
            let mut ids: Vec<ArtifactId> = numbers.iter().copied().map(id).collect();
            ids.sort_unstable();
            ids
        };
        let all: Vec<u32> = (0..300).collect();
        let some: Vec<u32> = (0..300).step_by(7).collect();
        let few: Vec<u32> = (0..300).step_by(50).collect();
        for known in [&all, &some, &few, &Vec::new()] {
            for asked in [&all, &some, &few, &Vec::new()] {
                check(known, &sorted(asked));
                let mut backwards = sorted(asked);
                backwards.reverse();
                check(known, &backwards);
            }
        }
        let twice = [sorted(&all), sorted(&all)].concat();
        check(&some, &twice);
        check(&all, &[id(1), id(1), id(1)]);
    }

    #[test]
    fn rows_that_have_no_name_are_passed_over() {
        let mut repo = repo();
        let tx = repo.begin().unwrap();
        let known = blob::rid_or_phantom(&tx, &id(1), Privacy::Public).unwrap();
        for uuid in [
            "zeroblob(64)",
            "randomblob(64)",
            "printf('%064d', 7)",
            "printf('%40s', 'z')",
            "hex(zeroblob(32))",
        ] {
            let sql = format!("INSERT INTO blob(rcvid, size, uuid) VALUES(0, -1, {uuid})");
            tx.conn().execute(&sql, []).unwrap();
        }
        let mut ids: Vec<ArtifactId> = (0..40).map(id).collect();
        ids.sort_unstable();
        let found = rids_of(&tx, &ids).unwrap();
        for (id, rid) in ids.iter().zip(found) {
            assert_eq!(rid, known.filter(|_| *id == self::id(1)), "{id}");
        }
    }

    #[test]
    fn an_index_in_another_order_ends_no_search() {
        let mut repo = repo();
        let tx = repo.begin().unwrap();
        tx.conn()
            .execute_batch("DROP TABLE blob; CREATE TABLE blob(rid INTEGER PRIMARY KEY, size, uuid COLLATE NOCASE UNIQUE)")
            .unwrap();
        let asked: ArtifactId = "a".repeat(40).parse().unwrap();
        for number in 0..20 {
            let uuid = format!("A{}{number:02}", "B".repeat(37));
            tx.conn().execute("INSERT INTO blob(size, uuid) VALUES(-1, ?1)", [uuid]).unwrap();
        }
        assert_eq!(rids_of(&tx, &[asked, id(1)]).unwrap(), [None, None]);
    }
}
