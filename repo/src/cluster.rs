//! Clusters: artifacts that list others, so that a pull need not name each (reference: wire.md section 8.1).

use std::ops::Range;

use xfer::ArtifactId;
use xfer::card::Privacy;

use crate::content::{self, Incoming, Stored};
use crate::manifest::{self, Artifact};
use crate::{RepoError, Rid, Snapshot, Tx, UnixTime, ingest, tag, unclustered};

/// Fewer artifacts than this stay as they are.
const LEAST_MEMBERS: usize = 100;

/// A cluster has this many, or a few more if it is the last one.
const MEMBERS: usize = 800;

/// So many clusters that were made together are listed by one more. Each would be named in each round that moves nothing.
const MANY_CLUSTERS: usize = 20;

/// Makes clusters of what no cluster lists, if there is enough of it, and says how many.
pub fn create(tx: &Tx<'_>, now: UnixTime) -> Result<usize, RepoError> {
    let mut made = gather(tx, LEAST_MEMBERS)?;
    if made >= MANY_CLUSTERS {
        made += gather(tx, MANY_CLUSTERS)?;
    }
    ingest::settle(tx, now)?;
    Ok(made)
}

/// Makes clusters of at least so many members.
fn gather(tx: &Tx<'_>, least: usize) -> Result<usize, RepoError> {
    let members = unclustered::members(tx)?;
    let mut made = 0;
    for part in split(members.len(), least) {
        let ids: Vec<ArtifactId> = members[part.clone()].iter().map(|&(_, id)| id).collect();
        let text = manifest::write(&Artifact::Cluster(ids));
        let id = content::name(tx, &text)?;
        let stored = content::put(tx, &id, &Incoming::Whole(&text), Privacy::Public)?;
        if !matches!(stored, Stored::Accepted(_)) {
            // The very same cluster is shunned, or here and its members are unclustered all the same.
            continue;
        }
        for &(rid, _) in &members[part] {
            unclustered::remove(tx, rid)?;
        }
        made += 1;
    }
    Ok(made)
}

/// Whether [`create`] would make any.
pub fn are_due(snap: &Snapshot<'_>) -> Result<bool, RepoError> {
    Ok(unclustered::are_at_least(snap, LEAST_MEMBERS)? && unclustered::members(snap)?.len() >= LEAST_MEMBERS)
}

/// Whether an artifact that is here is a cluster.
pub fn is_one(snap: &Snapshot<'_>, rid: Rid) -> Result<bool, RepoError> {
    let mut statement = snap.conn().prepare_cached("SELECT 1 FROM tagxref WHERE rid=?1 AND tagid=?2")?;
    Ok(statement.exists(rusqlite::params![rid, tag::CLUSTER])?)
}

/// How many members go where; nowhere if there are fewer than `least`.
fn split(count: usize, least: usize) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = 0;
    if count < least {
        return parts;
    }
    while count - start > MEMBERS + LEAST_MEMBERS {
        parts.push(start..start + MEMBERS);
        start += MEMBERS;
    }
    parts.push(start..count);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, number, put, repo};

    #[test]
    fn members_are_split_as_stock_splits_them() {
        let cases: [(usize, &[usize]); 10] = [
            (0, &[]),
            (99, &[]),
            (100, &[100]),
            (850, &[850]),
            (900, &[900]),
            (901, &[800, 101]),
            (1000, &[800, 200]),
            (1700, &[800, 900]),
            (1701, &[800, 800, 101]),
            // Stock lists one of the two other clusters in the last, as it happens.
            (2000, &[800, 800, 400]),
        ];
        for (count, sizes) in cases {
            let parts: Vec<usize> = split(count, LEAST_MEMBERS).into_iter().map(|part| part.len()).collect();
            assert_eq!(parts, sizes, "{count}");
        }
    }

    #[test]
    fn members_leave_the_unclustered_and_the_clusters_enter() {
        let mut repo = repo();
        let tx = repo.begin().unwrap();
        for n in 0..950 {
            put(&tx, format!("artifact {n}").as_bytes()).unwrap();
        }
        ingest::settle(&tx, NOW).unwrap();
        assert_eq!(create(&tx, NOW).unwrap(), 2);
        assert_eq!(number(&tx, "SELECT count(*) FROM blob"), 952);
        assert_eq!(number(&tx, "SELECT count(*) FROM unclustered WHERE rid>950"), 2);
        assert_eq!(number(&tx, "SELECT count(*) FROM unclustered"), 2);
        assert_eq!(create(&tx, NOW).unwrap(), 0);
        tx.commit().unwrap();
    }

    #[test]
    fn many_clusters_made_together_are_listed_by_one_more() {
        for (artifacts, clusters, left) in [(19 * MEMBERS, 19, 19), (20 * MEMBERS, 21, 1)] {
            let mut repo = repo();
            let tx = repo.begin().unwrap();
            for n in 0..artifacts {
                put(&tx, format!("artifact {n}").as_bytes()).unwrap();
            }
            ingest::settle(&tx, NOW).unwrap();
            assert_eq!(create(&tx, NOW).unwrap(), clusters);
            assert_eq!(number(&tx, "SELECT count(*) FROM unclustered"), left);
            assert_eq!(create(&tx, NOW).unwrap(), 0);
            tx.commit().unwrap();
        }
    }

    #[test]
    fn what_cannot_be_sent_is_no_member() {
        let mut repo = repo();
        let tx = repo.begin().unwrap();
        for n in 0..99 {
            put(&tx, format!("artifact {n}").as_bytes()).unwrap();
        }
        let source = xfer::hash::sha3_256(b"not here");
        let delta = crate::delta::create(b"", b"waits");
        let incoming = Incoming::Delta { source: &source, delta: &delta };
        content::put(&tx, &xfer::hash::sha3_256(b"waits"), &incoming, Privacy::Public).unwrap();
        ingest::settle(&tx, NOW).unwrap();
        assert_eq!(create(&tx, NOW).unwrap(), 0);
    }

    /// How many are announced one by one after these were put in this order; what is private is put again, in public.
    #[track_caller]
    fn check_announced(order: [(&[u8], Privacy); 2], listed: &[u8]) {
        let mut repo = repo();
        let tx = repo.begin().unwrap();
        for (content, privacy) in order.into_iter().chain([(listed, Privacy::Public)]) {
            let id = xfer::hash::sha3_256(content);
            content::put(&tx, &id, &Incoming::Whole(content), privacy).unwrap();
            ingest::settle(&tx, NOW).unwrap();
        }
        assert_eq!(number(&tx, "SELECT count(*) FROM private"), 0);
        assert_eq!(number(&tx, "SELECT count(*) FROM unclustered"), 1, "the cluster alone");
        crate::rebuild::run(&tx, NOW, &mut |_| ()).unwrap();
        assert_eq!(number(&tx, "SELECT count(*) FROM unclustered"), 1);
        tx.commit().unwrap();
    }

    #[test]
    fn what_becomes_public_and_is_in_a_cluster_is_not_announced() {
        let listed = b"a secret, for a while";
        let cluster = manifest::write(&Artifact::Cluster(vec![xfer::hash::sha3_256(listed)]));
        check_announced([(listed, Privacy::Private), (&cluster, Privacy::Public)], listed);
        check_announced([(&cluster, Privacy::Public), (listed, Privacy::Private)], listed);
    }
}
