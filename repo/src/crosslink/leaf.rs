//! Leaf check-ins (reference: repo.md 6.10).

use std::collections::BTreeSet;

use crate::tag::Branches;
use crate::{RepoError, Rid, Snapshot, Tx};

/// Looks at the check-ins whose branch changed, at their parents, and at those whose children changed.
///
/// Stock lists a check-in only if it once had a branch, or if a child of it had.
pub(super) fn finish(tx: &Tx<'_>, touched: &BTreeSet<Rid>, branches: &Branches) -> Result<(), RepoError> {
    let branches = match branches {
        Branches::Now(branches) => branches,
        Branches::Ever(branches) => {
            tx.conn().execute("DELETE FROM leaf", [])?;
            branches
        }
    };
    let mut parents = BTreeSet::new();
    for &rid in branches {
        let mut statement = tx.conn().prepare_cached("SELECT pid FROM plink WHERE cid=?1")?;
        for parent in statement.query_map([rid], |row| row.get(0))? {
            parents.insert(parent?);
        }
    }
    for rid in branches | &parents {
        decide(tx, rid)?;
    }
    for &rid in touched {
        if !branches.contains(&rid) && !parents.contains(&rid) && ever_had_branch(tx, rid)? {
            decide(tx, rid)?;
        }
    }
    Ok(())
}

fn decide(tx: &Tx<'_>, rid: Rid) -> Result<(), RepoError> {
    let sql = match has_successor(tx, rid)? {
        true => "DELETE FROM leaf WHERE rid=?1",
        false => "INSERT OR IGNORE INTO leaf(rid) VALUES(?1)",
    };
    tx.conn().prepare_cached(sql)?.execute([rid])?;
    Ok(())
}

/// Whether a child is on the same branch. Without a branch is on trunk.
pub(crate) fn has_successor(snap: &Snapshot<'_>, rid: Rid) -> Result<bool, RepoError> {
    let mut statement = snap.conn().prepare_cached(
        "SELECT 1 FROM plink WHERE pid=?1
         AND coalesce((SELECT value FROM tagxref WHERE tagid=8 AND rid=?1), 'trunk')
           = coalesce((SELECT value FROM tagxref WHERE tagid=8 AND rid=plink.cid), 'trunk')",
    )?;
    Ok(statement.exists([rid])?)
}

fn ever_had_branch(tx: &Tx<'_>, rid: Rid) -> Result<bool, RepoError> {
    let mut statement = tx.conn().prepare_cached(
        "SELECT 1 WHERE EXISTS(SELECT 1 FROM tagxref WHERE tagid=8 AND rid=?1)
         OR EXISTS(SELECT 1 FROM leaf WHERE rid=?1)
         OR EXISTS(SELECT 1 FROM plink JOIN tagxref ON rid=cid WHERE pid=?1 AND tagid=8)",
    )?;
    Ok(statement.exists([rid])?)
}
