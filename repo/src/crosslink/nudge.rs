//! Keeps parents before their children in the timeline where clocks disagree by less than two seconds
//! (reference: repo.md 6.1.6).
//!
//! The parent moves, and with it its own parents if they come too close. What moves depends on the chain of
//! too-close pairs alone, so the chains through what a batch touches are computed anew as a whole.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::OptionalExtension;

use crate::{RepoError, Rid, Tx, UnixTime};

/// Parents younger than their child by this much or more have a wrong clock: they stay.
const WINDOW_MS: i64 = 2000;
/// Where a parent moves to, before its child.
const STEP_MS: i64 = 25;
/// Links of a chain that are seen.
const ROUNDS: usize = 30;

/// A parent and the one child that it must precede.
struct Pair {
    child: Rid,
    parent_time: UnixTime,
    child_time: UnixTime,
}

/// Moves the parents among these, and what hangs on them.
pub(super) fn finish(tx: &Tx<'_>, touched: &BTreeSet<Rid>) -> Result<(), RepoError> {
    let mut pairs: BTreeMap<Rid, Option<Pair>> = BTreeMap::new();
    let mut open: Vec<Rid> = touched.iter().copied().collect();
    while let Some(rid) = open.pop() {
        if pairs.contains_key(&rid) {
            continue;
        }
        let pair = pair(tx, rid)?;
        if let Some(pair) = &pair {
            open.push(pair.child);
        }
        if pair.is_some() || touched.contains(&rid) {
            open.extend(close_parents(tx, rid)?);
        }
        pairs.insert(rid, pair);
    }
    let moved = settle(&pairs);
    for (&rid, pair) in &pairs {
        // Without a pair it stands where the artifact or a tag says.
        let time = match (moved.get(&rid), pair) {
            (Some(&time), _) => time,
            (None, _) => match time(tx, rid)? {
                Some(time) => time,
                None => continue,
            },
        };
        place(tx, rid, time)?;
    }
    Ok(())
}

/// The times that parents end at.
fn settle(pairs: &BTreeMap<Rid, Option<Pair>>) -> BTreeMap<Rid, UnixTime> {
    let mut now: BTreeMap<Rid, (i64, Option<i64>, Rid)> = pairs
        .iter()
        .filter_map(|(&rid, pair)| {
            let pair = pair.as_ref()?;
            Some((rid, (pair.parent_time.0, Some(pair.child_time.0), pair.child)))
        })
        .collect();
    for _ in 0..ROUNDS {
        let mut changed = false;
        for (parent, child, _) in now.values_mut() {
            if let Some(child) = *child
                && *parent >= child
                && *parent < child + WINDOW_MS
            {
                *parent = child - STEP_MS;
                changed = true;
            }
        }
        if !changed {
            break;
        }
        let parents: BTreeMap<Rid, i64> = now.iter().map(|(&rid, &(parent, _, _))| (rid, parent)).collect();
        for (_, child_time, child) in now.values_mut() {
            *child_time = parents.get(child).copied();
        }
    }
    now.into_iter().map(|(rid, (parent, _, _))| (rid, UnixTime(parent))).collect()
}

/// The child that a check-in must precede: of those it is compared with that are too old, the one with the
/// highest rid.
fn pair(tx: &Tx<'_>, parent: Rid) -> Result<Option<Pair>, RepoError> {
    let Some(parent_time) = time(tx, parent)? else { return Ok(None) };
    let mut statement = tx.prepared(
        "SELECT cid, omtime FROM (
           SELECT cid FROM plink WHERE pid=?1
           UNION SELECT childid FROM cherrypick WHERE parentid=?1 AND NOT isExclude)
         JOIN event ON objid=cid AND type='ci' WHERE omtime<?2 ORDER BY cid DESC",
    )?;
    let before = UnixTime(parent_time.0.saturating_add(WINDOW_MS)).julian_day();
    let mut rows = statement.query((parent, before))?;
    while let Some(row) = rows.next()? {
        let child: Rid = row.get(0)?;
        if is_compared(tx, child)? {
            let child_time = UnixTime::from_julian_day(row.get(1)?);
            return Ok(Some(Pair { child, parent_time, child_time }));
        }
    }
    Ok(None)
}

/// Whether the primary parent of a check-in is here: without it nothing is compared.
fn is_compared(tx: &Tx<'_>, child: Rid) -> Result<bool, RepoError> {
    let mut statement =
        tx.prepared("SELECT 1 FROM plink JOIN event ON objid=pid AND type='ci' WHERE cid=?1 AND isprim")?;
    Ok(statement.exists([child])?)
}

/// The parents that may have to precede a check-in.
fn close_parents(tx: &Tx<'_>, child: Rid) -> Result<Vec<Rid>, RepoError> {
    let Some(time) = time(tx, child)? else { return Ok(Vec::new()) };
    let mut statement = tx.prepared(
        "SELECT pid FROM (
           SELECT pid FROM plink WHERE cid=?1
           UNION SELECT parentid AS pid FROM cherrypick WHERE childid=?1 AND NOT isExclude)
         JOIN event ON objid=pid AND type='ci' WHERE omtime>?2",
    )?;
    let after = UnixTime(time.0.saturating_sub(WINDOW_MS)).julian_day();
    Ok(statement.query_map((child, after), |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// The time in the artifact of a check-in.
fn time(tx: &Tx<'_>, rid: Rid) -> Result<Option<UnixTime>, RepoError> {
    let mut statement = tx.prepared("SELECT omtime FROM event WHERE objid=?1 AND type='ci'")?;
    let time = statement.query_row([rid], |row| row.get(0)).optional()?;
    Ok(time.map(UnixTime::from_julian_day))
}

/// Puts a check-in at a time, unless a tag does.
fn place(tx: &Tx<'_>, rid: Rid, time: UnixTime) -> Result<(), RepoError> {
    tx.prepared(
        "UPDATE event SET mtime=?2 WHERE objid=?1 AND type='ci' AND mtime IS NOT ?2
             AND NOT EXISTS(SELECT 1 FROM tagxref WHERE tagid=4 AND rid=?1 AND srcid>0)",
    )?
    .execute((rid, time.julian_day()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(times: &[i64]) -> Vec<i64> {
        let pairs = times
            .windows(2)
            .enumerate()
            .map(|(at, pair)| {
                let at = at as i64;
                let close = pair[1] < pair[0] + WINDOW_MS;
                let pair = Pair {
                    child: Rid(at + 1),
                    parent_time: UnixTime(pair[0]),
                    child_time: UnixTime(pair[1]),
                };
                (Rid(at), close.then_some(pair))
            })
            .collect();
        settle(&pairs).into_values().map(|time| time.0).collect()
    }

    #[test]
    fn a_chain_of_one_time_spreads_backwards() {
        assert_eq!(settled(&[0, 0, 0, 0]), [-75, -50, -25]);
    }

    #[test]
    fn clocks_that_differ_by_two_seconds_are_left_alone() {
        assert_eq!(settled(&[2000, 0]), [2000]);
        assert_eq!(settled(&[1999, 0]), [-25]);
        assert_eq!(settled(&[-1, 0]), [-1]);
    }

    #[test]
    fn no_more_than_thirty_links_are_seen() {
        assert_eq!(settled(&[0; 50])[..3], [-750, -750, -750]);
    }
}
