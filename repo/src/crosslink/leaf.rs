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
        let mut statement = tx.prepared("SELECT pid FROM plink WHERE cid=?1")?;
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
    tx.prepared(sql)?.execute([rid])?;
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
    let mut statement = tx.prepared(
        "SELECT 1 WHERE EXISTS(SELECT 1 FROM tagxref WHERE tagid=8 AND rid=?1)
         OR EXISTS(SELECT 1 FROM leaf WHERE rid=?1)
         OR EXISTS(SELECT 1 FROM plink JOIN tagxref ON rid=cid WHERE pid=?1 AND tagid=8)",
    )?;
    Ok(statement.exists([rid])?)
}

#[cfg(test)]
mod tests {
    use md5::Digest as _;
    use xfer::hash::sha3_256;

    use crate::testing::{self, NOW};
    use crate::{Rid, rebuild, verify};

    /// A root, its child, and a control artifact with the card `T` that is given, each of a later day.
    fn history(sign_and_name: &str, value: &str) -> [Vec<u8>; 3] {
        let sealed = |cards: String| {
            let seal = faster_hex::hex_string(&md5::Md5::digest(cards.as_bytes()));
            format!("{cards}Z {seal}\n").into_bytes()
        };
        let root = sealed("C root\nD 2020-01-01T00:00:00\nT *branch * trunk\nT *sym-trunk *\nU u\n".into());
        let name = sha3_256(&root);
        let child = sealed(format!("C child\nD 2020-01-02T00:00:00\nP {name}\nU u\n"));
        let control = sealed(format!("D 2020-01-03T00:00:00\nT {sign_and_name} {name}{value}\nU u\n"));
        [root, child, control]
    }

    /// Rids are those of the order in `history`: its content comes in another.
    #[track_caller]
    fn check_order(sign_and_name: &str, value: &str, order: [usize; 3]) {
        let artifacts = history(sign_and_name, value);
        let mut repo = testing::repo();
        let tx = repo.begin().unwrap();
        for artifact in &artifacts {
            crate::blob::rid_or_phantom(&tx, &sha3_256(artifact), xfer::card::Privacy::Public).unwrap();
        }
        tx.commit().unwrap();
        for at in order {
            assert_eq!(testing::hold(&mut repo, &artifacts[at]), Rid(at as i64 + 1));
        }
        let findings = verify::all(&mut repo, NOW).unwrap().findings;
        assert!(findings.is_empty(), "{sign_and_name}{value} {order:?}: {findings:?}");
        let tx = repo.begin().unwrap();
        rebuild::run(&tx, NOW, &mut |_| ()).unwrap();
        assert_eq!(testing::number(&tx, "SELECT count(*) FROM leaf WHERE rid=2"), 1);
        tx.commit().unwrap();
    }

    #[test]
    fn a_check_in_that_lost_its_branch_before_it_came_is_a_leaf() {
        for (sign_and_name, value) in [("-branch", ""), ("+branch", " other"), ("*branch", " other")] {
            for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                check_order(sign_and_name, value, order);
            }
        }
    }
}
