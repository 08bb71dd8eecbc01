//! What may leave this file, in the form in which it is stored.
//!
//! Nothing here inflates. Phantoms, shunned artifacts and deltas that wait for their source are never listed:
//! we must not promise what we cannot send.

use std::ops::ControlFlow;

use bytes::Bytes;
use xfer::ArtifactId;
use xfer::card::Privacy;

use crate::{RepoError, Rid, Snapshot, dangling};

/// An artifact that can be sent, and how it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where it is.
    pub rid: Rid,
    /// What it is called.
    pub id: ArtifactId,
    /// Bytes after delta expansion.
    pub size: u32,
    /// Bytes of its stored form, see [`frame`].
    pub frame_size: u32,
    /// Who may see it.
    pub privacy: Privacy,
    /// What its stored form is a delta against; none if it is stored whole.
    pub source: Option<Source>,
}

/// What came last of all that everybody may have. It tells who lacks something, and nothing more.
pub fn newest(snap: &Snapshot<'_>) -> Result<Option<ArtifactId>, RepoError> {
    let mut statement = snap.conn().prepare_cached(
        "SELECT uuid FROM blob WHERE size>=0 AND rid NOT IN (SELECT rid FROM private)
         AND uuid NOT IN (SELECT uuid FROM shun) ORDER BY rid DESC LIMIT 1",
    )?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(ArtifactId::from_hex(row.get_ref(0)?.as_bytes().unwrap_or_default()).ok())
}

/// A piece of the list of all that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// By rid.
    pub artifacts: Vec<Outgoing>,
    /// Where the next piece starts; none if this one is past the end.
    pub next: Option<Rid>,
}

/// The source of a stored delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Where it is.
    pub rid: Rid,
    /// What it is called.
    pub id: ArtifactId,
    /// Who may see it. A delta gives away what its source holds.
    pub privacy: Privacy,
    /// Whether it can be sent itself; a shunned one can not.
    pub sendable: bool,
}

/// Looks up what can be sent from one view of the file.
pub struct Outlet<'s> {
    snap: &'s Snapshot<'s>,
}

/// `length(content)` does not read the content.
macro_rules! columns {
    ($rest:literal) => {
        concat!(
            "SELECT b.rid, b.uuid, b.size, length(b.content),
                    EXISTS(SELECT 1 FROM private p WHERE p.rid=b.rid),
                    d.srcid, s.uuid,
                    EXISTS(SELECT 1 FROM private p WHERE p.rid=d.srcid),
                    EXISTS(SELECT 1 FROM shun x WHERE x.uuid=s.uuid)
               FROM blob b
               LEFT JOIN delta d ON d.rid=b.rid
               LEFT JOIN blob s ON s.rid=d.srcid
              WHERE b.size>=0 AND NOT EXISTS(SELECT 1 FROM shun x WHERE x.uuid=b.uuid) AND ",
            $rest
        )
    };
}

const FIND: &str = columns!("b.uuid=?1");
const FIND_RID: &str = columns!("b.rid=?1");
const WALK: &str = columns!("b.rid>=?1 ORDER BY b.rid LIMIT ?2");

/// Phantoms are members of `unclustered` too.
const UNCLUSTERED: &str = "SELECT b.rid, b.uuid FROM unclustered u CROSS JOIN blob b ON b.rid=u.rid
 WHERE b.size>=0
   AND NOT EXISTS(SELECT 1 FROM private p WHERE p.rid=b.rid)
   AND NOT EXISTS(SELECT 1 FROM shun x WHERE x.uuid=b.uuid)
 ORDER BY b.rid";

const CATALOG: &str = "SELECT b.rid, b.uuid FROM blob b
 WHERE b.size>=0
   AND NOT EXISTS(SELECT 1 FROM private p WHERE p.rid=b.rid)
   AND NOT EXISTS(SELECT 1 FROM shun x WHERE x.uuid=b.uuid)
 ORDER BY b.rid DESC";

const PRIVATE: &str = "SELECT b.rid, b.uuid FROM private p CROSS JOIN blob b ON b.rid=p.rid
 WHERE b.size>=0 AND NOT EXISTS(SELECT 1 FROM shun x WHERE x.uuid=b.uuid)
 ORDER BY b.rid";

/// Clusters are found by their tag, whose id is 7 in every repository.
const CLUSTERS: &str = "SELECT b.rid, b.uuid FROM tagxref t CROSS JOIN blob b ON b.rid=t.rid
 WHERE t.tagid=7 AND b.size>=0
   AND NOT EXISTS(SELECT 1 FROM unclustered u WHERE u.rid=b.rid)
   AND NOT EXISTS(SELECT 1 FROM private p WHERE p.rid=b.rid)
   AND NOT EXISTS(SELECT 1 FROM shun x WHERE x.uuid=b.uuid)
 ORDER BY b.rid";

/// The primary parent of a check-in: its name is part of the check-in's content.
const PARENT: &str = "SELECT pid FROM plink WHERE cid=?1 AND isprim";

/// What a file's content replaced when it first appeared, and when that was.
const REPLACED: &str = "SELECT m.pid, e.mtime FROM mlink m CROSS JOIN event e ON e.objid=m.mid
 WHERE m.fid=?1 ORDER BY e.mtime, m.pid LIMIT 1";

/// Whether a file's content appeared before a time.
const APPEARED_BEFORE: &str = "SELECT 1 FROM mlink m CROSS JOIN event e ON e.objid=m.mid
 WHERE m.fid=?1 AND e.mtime<?2";

/// A list of names to announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// Public, in no known cluster: what a pull is told.
    Unclustered,
    /// Everything public, newest rid first.
    Catalog,
    /// Everything private.
    Private,
    /// Public clusters that are in a cluster themselves.
    Clusters,
}

impl List {
    fn sql(self) -> &'static str {
        match self {
            Self::Unclustered => UNCLUSTERED,
            Self::Catalog => CATALOG,
            Self::Private => PRIVATE,
            Self::Clusters => CLUSTERS,
        }
    }
}

impl<'s> Outlet<'s> {
    /// Opens one view of the file for sending.
    pub fn new(snap: &'s Snapshot<'s>) -> Self {
        Self { snap }
    }

    /// Looks up one artifact; none if it is unknown or can not be sent.
    pub fn find(&self, id: &ArtifactId) -> Result<Option<Outgoing>, RepoError> {
        let mut statement = self.snap.conn().prepare_cached(FIND)?;
        let mut rows = statement.query([id.to_string()])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        self.outgoing(row)
    }

    /// Looks up one artifact by where it is; none if it can not be sent.
    pub fn at(&self, rid: Rid) -> Result<Option<Outgoing>, RepoError> {
        let mut statement = self.snap.conn().prepare_cached(FIND_RID)?;
        let mut rows = statement.query([rid.0])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        self.outgoing(row)
    }

    /// The version that a check-in or the content of a file was made from; none if it can not be sent.
    ///
    /// This order never changes and has no cycles, unlike that of stored deltas taken together with any other.
    pub fn version_before(&self, rid: Rid) -> Result<Option<Outgoing>, RepoError> {
        let before = self.parent(rid)?.map_or_else(|| self.replaced(rid), |parent| Ok(Some(parent)))?;
        before.map_or(Ok(None), |before| self.at(Rid(before)))
    }

    fn parent(&self, rid: Rid) -> Result<Option<i64>, RepoError> {
        let mut statement = self.snap.conn().prepare_cached(PARENT)?;
        let mut rows = statement.query([rid.0])?;
        Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
    }

    fn replaced(&self, rid: Rid) -> Result<Option<i64>, RepoError> {
        let mut statement = self.snap.conn().prepare_cached(REPLACED)?;
        let mut rows = statement.query([rid.0])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let (before, time): (i64, f64) = (row.get(0)?, row.get(1)?);
        let earlier = self.snap.conn().prepare_cached(APPEARED_BEFORE)?.exists((before, time))?;
        Ok(earlier.then_some(before))
    }

    /// Lists what can be sent from `first` on, by rid: a piece of up to `rows` rows.
    pub fn piece(&self, first: Rid, rows: u32) -> Result<Piece, RepoError> {
        let mut statement = self.snap.conn().prepare_cached(WALK)?;
        let mut rows = statement.query((first.0, rows))?;
        let mut piece = Piece { artifacts: Vec::new(), next: None };
        while let Some(row) = rows.next()? {
            let rid: i64 = row.get(0)?;
            piece.next = rid.checked_add(1).map(Rid);
            piece.artifacts.extend(self.outgoing(row)?);
        }
        Ok(piece)
    }

    /// Visits the names of a list until `visit` breaks.
    pub fn list(
        &self,
        list: List,
        mut visit: impl FnMut(Rid, ArtifactId) -> ControlFlow<()>,
    ) -> Result<(), RepoError> {
        let mut statement = self.snap.conn().prepare_cached(list.sql())?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let rid: i64 = row.get(0)?;
            let name = row.get_ref(1)?.as_bytes().unwrap_or_default();
            let Ok(id) = ArtifactId::from_hex(name) else { continue };
            if !self.waits(rid)? && visit(Rid(rid), id).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The stored form of an artifact: 4-byte size and zlib stream, of the artifact or of its delta.
    pub fn frame(&self, rid: Rid) -> Result<Bytes, RepoError> {
        let mut statement = self.snap.conn().prepare_cached("SELECT content FROM blob WHERE rid=?1")?;
        let mut rows = statement.query([rid.0])?;
        let row = rows.next()?.ok_or(RepoError::NoContent(rid))?;
        let content = row.get_ref(0)?.as_blob().map_err(|_| RepoError::NoContent(rid))?;
        Ok(Bytes::copy_from_slice(content))
    }

    /// Whether its chain of delta sources ends in a phantom.
    fn waits(&self, rid: i64) -> Result<bool, RepoError> {
        dangling::with(self.snap, |dangling| dangling.contains(Rid(rid)))
    }

    fn outgoing(&self, row: &rusqlite::Row<'_>) -> Result<Option<Outgoing>, RepoError> {
        let rid: i64 = row.get(0)?;
        let Ok(id) = ArtifactId::from_hex(row.get_ref(1)?.as_bytes().unwrap_or_default()) else {
            return Ok(None);
        };
        if self.waits(rid)? {
            return Ok(None);
        }
        let frame_size: Option<u32> = row.get(3)?;
        let source: Option<i64> = row.get(5)?;
        let source = source.map(|source| source_of(row, source)).transpose()?;
        Ok(Some(Outgoing {
            rid: Rid(rid),
            id,
            size: row.get(2)?,
            frame_size: frame_size.unwrap_or(0),
            privacy: privacy(row.get(4)?),
            source,
        }))
    }
}

fn source_of(row: &rusqlite::Row<'_>, rid: i64) -> Result<Source, RepoError> {
    let Ok(id) = ArtifactId::from_hex(row.get_ref(6)?.as_bytes().unwrap_or_default()) else {
        return Err(RepoError::NoContent(Rid(rid)));
    };
    let shunned: bool = row.get(8)?;
    Ok(Source { rid: Rid(rid), id, privacy: privacy(row.get(7)?), sendable: !shunned })
}

fn privacy(is_private: bool) -> Privacy {
    if is_private { Privacy::Private } else { Privacy::Public }
}
