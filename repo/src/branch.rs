//! Branches: which one a check-in is on, and where they end (reference: repo.md 6.10).

use rusqlite::OptionalExtension as _;
use xfer::ArtifactId;

use crate::blob::Name;
use crate::{RepoError, Rid, Snapshot, Text, config};

/// A check-in that no other one on its branch goes on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// Its row.
    pub rid: Rid,
    /// Its name.
    pub id: ArtifactId,
    /// Whether it is marked as closed: nothing is to go on from it.
    pub is_closed: bool,
}

/// Open ends of one branch, where there is more than one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// Which branch.
    pub branch: Text,
    /// Its leaves that are not closed, newest first.
    pub ends: Vec<ArtifactId>,
}

/// A moment in the life of a repository file, by what it received until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(i64);

/// Open leaves by branch, newest first, and whether each came after a moment.
const OPEN: &str =
    "SELECT coalesce((SELECT x.value FROM tagxref x WHERE x.rid=l.rid AND x.tagid=8 AND x.tagtype>0), ?1),
        b.uuid, b.rcvid>?2
   FROM leaf l CROSS JOIN blob b ON b.rid=l.rid CROSS JOIN event e ON e.objid=l.rid
  WHERE NOT EXISTS(SELECT 1 FROM tagxref c WHERE c.rid=l.rid AND c.tagid=9 AND c.tagtype>0)
  ORDER BY 1, e.mtime DESC, l.rid DESC";

/// Newest first. Tags 8 and 9 are `branch` and `closed`; without a branch is on the main one.
const LEAVES: &str = "SELECT l.rid, b.uuid,
        EXISTS(SELECT 1 FROM tagxref c WHERE c.rid=l.rid AND c.tagid=9 AND c.tagtype>0)
   FROM leaf l CROSS JOIN blob b ON b.rid=l.rid CROSS JOIN event e ON e.objid=l.rid
  WHERE coalesce((SELECT x.value FROM tagxref x WHERE x.rid=l.rid AND x.tagid=8 AND x.tagtype>0), ?2)=?1
  ORDER BY e.mtime DESC, l.rid DESC";

/// Whether a check-in is followed by one on the same branch.
const CONTINUED: &str = "SELECT 1 FROM plink p WHERE p.pid=?1
    AND coalesce((SELECT x.value FROM tagxref x WHERE x.rid=p.pid AND x.tagid=8 AND x.tagtype>0), ?2)
      = coalesce((SELECT x.value FROM tagxref x WHERE x.rid=p.cid AND x.tagid=8 AND x.tagtype>0), ?2)";

/// The name of the main branch.
pub fn main(snap: &Snapshot<'_>) -> Result<Text, RepoError> {
    Ok(config::get(snap, "main-branch")?.as_deref().unwrap_or("trunk").into())
}

/// The branch of a check-in; none if no tag says.
pub fn of(snap: &Snapshot<'_>, checkin: Rid) -> Result<Option<Text>, RepoError> {
    let sql = "SELECT value FROM tagxref WHERE tagid=8 AND rid=?1 AND tagtype>0";
    let mut statement = snap.conn().prepare_cached(sql)?;
    Ok(statement.query_row([checkin], |row| row.get(0)).optional()?.flatten())
}

/// The leaves of a branch, closed ones too, newest first.
pub fn leaves(snap: &Snapshot<'_>, branch: &Text) -> Result<Vec<Leaf>, RepoError> {
    let mut statement = snap.conn().prepare_cached(LEAVES)?;
    let leaves = statement.query_map((branch, main(snap)?), |row| {
        Ok(Leaf { rid: row.get(0)?, id: row.get::<_, Name>(1)?.0, is_closed: row.get(2)? })
    })?;
    Ok(leaves.collect::<Result<_, _>>()?)
}

/// Now.
pub fn moment(snap: &Snapshot<'_>) -> Result<Moment, RepoError> {
    let last = "SELECT coalesce(max(rcvid), 0) FROM rcvfrom";
    Ok(Moment(snap.conn().query_row(last, [], |row| row.get(0))?))
}

/// Branches with more than one open end, one of which came after a moment.
pub fn forks_since(snap: &Snapshot<'_>, since: Moment) -> Result<Vec<Fork>, RepoError> {
    if moment(snap)? == since {
        return Ok(Vec::new());
    }
    let mut statement = snap.conn().prepare_cached(OPEN)?;
    let mut rows = statement.query((main(snap)?, since.0))?;
    let (mut forks, mut news): (Vec<Fork>, Vec<bool>) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let (branch, id, is_new): (Text, ArtifactId, bool) =
            (row.get(0)?, row.get::<_, Name>(1)?.0, row.get(2)?);
        match (forks.last_mut(), news.last_mut()) {
            (Some(fork), Some(has_new)) if fork.branch == branch => {
                fork.ends.push(id);
                *has_new |= is_new;
            }
            _ => {
                forks.push(Fork { branch, ends: vec![id] });
                news.push(is_new);
            }
        }
    }
    let both = forks.into_iter().zip(news);
    Ok(both.filter(|(fork, has_new)| *has_new && fork.ends.len() > 1).map(|(fork, _)| fork).collect())
}

/// Whether a check-in is followed by one on its branch, so that another child there would be a fork.
pub fn is_continued(snap: &Snapshot<'_>, checkin: Rid) -> Result<bool, RepoError> {
    Ok(snap.conn().prepare_cached(CONTINUED)?.exists((checkin, main(snap)?))?)
}

/// Whether a check-in is marked as closed.
pub fn is_closed(snap: &Snapshot<'_>, checkin: Rid) -> Result<bool, RepoError> {
    let sql = "SELECT 1 FROM tagxref WHERE tagid=9 AND rid=?1 AND tagtype>0";
    Ok(snap.conn().prepare_cached(sql)?.exists([checkin])?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkin::{NewCheckin, commit};
    use crate::manifest::{Control, TagCard, TagKind};
    use crate::testing::repo;
    use crate::{Tx, UnixTime, author, blob};

    fn make(tx: &Tx<'_>, parent: Option<ArtifactId>, branch: Option<&str>, seconds: i64) -> ArtifactId {
        let new = NewCheckin {
            parent,
            branch: branch.map(Text::from),
            comment: "x".into(),
            user: "alice".into(),
            date: UnixTime::from_seconds(seconds),
            ..NewCheckin::default()
        };
        commit(tx, &new).unwrap()
    }

    fn ids(leaves: &[Leaf]) -> Vec<ArtifactId> {
        leaves.iter().map(|leaf| leaf.id).collect()
    }

    #[test]
    fn a_branch_ends_where_nothing_on_it_follows() {
        let mut repo = repo();
        let tx = repo.begin().unwrap();
        let root = make(&tx, None, None, 1);
        let rid = |id: &ArtifactId| blob::rid(&tx, id).unwrap().unwrap();
        let side = make(&tx, Some(root), Some("side"), 2);
        assert!(!is_continued(&tx, rid(&root)).unwrap(), "only on another branch");
        assert_eq!(ids(&leaves(&tx, &"trunk".into()).unwrap()), [root]);
        let (one, other) = (make(&tx, Some(root), None, 3), make(&tx, Some(root), None, 4));
        assert!(is_continued(&tx, rid(&root)).unwrap());
        assert_eq!(ids(&leaves(&tx, &"trunk".into()).unwrap()), [other, one]);
        assert_eq!(ids(&leaves(&tx, &"side".into()).unwrap()), [side]);
        assert_eq!(leaves(&tx, &"none".into()).unwrap(), []);
        assert_eq!(of(&tx, rid(&side)).unwrap(), Some("side".into()));
        tx.commit().unwrap();
    }

    #[test]
    fn a_fork_is_told_once_it_is_there_and_not_again() {
        let mut repo = repo();
        let tx = repo.begin().unwrap();
        let root = make(&tx, None, None, 1);
        let (one, _) = (make(&tx, Some(root), None, 2), make(&tx, Some(root), Some("side"), 3));
        let none = moment(&tx).unwrap();
        assert_eq!(forks_since(&tx, Moment(0)).unwrap(), []);
        tx.commit().unwrap();
        let tx = repo.begin().unwrap();
        let other = make(&tx, Some(root), None, 4);
        let trunk = Fork { branch: "trunk".into(), ends: vec![other, one] };
        assert_eq!(forks_since(&tx, none).unwrap(), [trunk]);
        let now = moment(&tx).unwrap();
        tx.commit().unwrap();
        let tx = repo.begin().unwrap();
        make(&tx, Some(root), Some("other"), 5);
        assert_eq!(forks_since(&tx, now).unwrap(), [], "it was there before");
        tx.commit().unwrap();
    }

    #[test]
    fn a_closed_leaf_says_so() {
        let mut repo = repo();
        let tx = repo.begin().unwrap();
        let root = make(&tx, None, None, 1);
        let closed = TagCard { kind: TagKind::Add, name: "closed".into(), target: Some(root), value: None };
        let (date, user) = (UnixTime::from_seconds(2), Some("alice".into()));
        author::tags(&tx, Control { date, tags: vec![closed], user }).unwrap();
        let leaves = leaves(&tx, &"trunk".into()).unwrap();
        assert!(leaves[0].is_closed && is_closed(&tx, leaves[0].rid).unwrap());
        tx.commit().unwrap();
    }
}
