//! What a repository holds, read by SQL of the simulator's own, so that it is compared with what the product says.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CStr;

use bytes::Bytes;
use repo::zlib::Codec;
use repo::{Repo, RepoError, Snapshot};
use rusqlite::OptionalExtension as _;
use xfer::card::{Igot, Privacy};
use xfer::{ArtifactId, Card, Message};

use crate::check::wire::Leave;

/// A version of a file without history: its time in seconds, and the hash of its content; none if it is deleted.
pub type Version = (i64, Option<ArtifactId>);

/// What a repository held at some moment, after a commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// What is held, with its row, without what waits for its delta source.
    pub held: BTreeMap<ArtifactId, i64>,
    /// Names without content.
    pub phantoms: BTreeSet<ArtifactId>,
    /// What waits for its delta source.
    pub waiting: BTreeSet<ArtifactId>,
    /// What of it waits for something shunned, directly or not.
    pub barred: BTreeSet<ArtifactId>,
    /// Held or not, what is private.
    pub private: BTreeSet<ArtifactId>,
    /// What is announced one by one.
    pub unclustered: BTreeSet<ArtifactId>,
    /// What is to be pushed unasked.
    pub unsent: BTreeSet<ArtifactId>,
    /// What is shunned, held or not.
    pub shunned: BTreeSet<ArtifactId>,
    /// Unversioned files and tombstones.
    pub files: BTreeMap<String, Version>,
    /// Of those that are dated earlier than a peer said, which could not be believed: what it said.
    pub ahead: BTreeMap<String, i64>,
    /// What dates that could not be believed counted as, by name, content and what was said.
    pub counted: BTreeMap<(String, Option<ArtifactId>, i64), i64>,
    /// Whether the peer is like stock.
    pub is_stock: bool,
}

/// The content of a file without history; none if it has none, or is not of the size that is stored beside it.
pub fn file(snap: &Snapshot<'_>, name: &str) -> Result<Option<Bytes>, RepoError> {
    let sql = "SELECT encoding, sz, content FROM unversioned WHERE name=?1";
    let mut statement = snap.conn().prepare_cached(sql)?;
    let (is_packed, size, stored): (bool, i64, Option<Vec<u8>>) =
        statement.query_row([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let content = match stored {
        Some(frame) if is_packed => Codec::new().unpack(&frame, size).ok().map(Bytes::from),
        stored => stored.map(Bytes::from),
    };
    Ok(content.filter(|content| content.len() == size))
}

const BLOBS: &str = "SELECT rid, uuid, size,
        rid IN private, rid IN unclustered, rid IN unsent
   FROM blob ORDER BY rid";

/// Whether anything waits: [`WAITING`] makes two tables of its own before it finds nothing, which is most of what it costs.
const ANY_WAITING: &str = "SELECT 1 FROM delta JOIN blob ON blob.rid=delta.srcid WHERE blob.size<0";

const WAITING: &str = "WITH RECURSIVE waiting(rid, barred) AS (
     SELECT delta.rid, blob.uuid IN (SELECT uuid FROM shun)
       FROM delta JOIN blob ON blob.rid=delta.srcid WHERE blob.size<0
     UNION
     SELECT delta.rid, waiting.barred OR blob.uuid IN (SELECT uuid FROM shun)
       FROM waiting JOIN blob USING(rid) JOIN delta ON delta.srcid=waiting.rid
   )
   SELECT uuid, barred FROM waiting JOIN blob USING(rid)";

const AHEAD: &str = "SELECT ahead.name, said FROM fx_frond_uv_ahead AS ahead
   JOIN unversioned ON unversioned.name=ahead.name
  WHERE unversioned.mtime=ahead.mtime AND unversioned.hash IS ahead.hash";

impl Known {
    /// Reads a repository.
    pub fn read(repo: &mut Repo) -> Result<Self, RepoError> {
        let mut known = Self::default();
        let snap = repo.snapshot()?;
        if snap.conn().prepare_cached(ANY_WAITING)?.exists([])? {
            known.read_waiting(&snap)?;
        }
        let mut statement = snap.conn().prepare_cached("SELECT uuid FROM shun")?;
        for name in statement.query_map([], |row| row.get::<_, String>(0))? {
            known.shunned.extend(id(&name?));
        }
        let mut statement = snap.conn().prepare_cached(BLOBS)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let Some(id) = id(row.get_ref(1)?.as_str().unwrap_or_default()) else { continue };
            if row.get::<_, i64>(2)? < 0 {
                known.phantoms.insert(id);
            } else if !known.waiting.contains(&id) {
                known.held.insert(id, row.get(0)?);
            }
            for (column, set) in
                [(3, &mut known.private), (4, &mut known.unclustered), (5, &mut known.unsent)]
            {
                if row.get(column)? {
                    set.insert(id);
                }
            }
        }
        if has_table(&snap, c"unversioned")? {
            known.read_files(&snap)?;
        }
        if has_table(&snap, c"fx_frond_uv_ahead")? {
            known.read_ahead(&snap)?;
        }
        if has_table(&snap, c"fx_frond_uv_counted")? {
            known.read_counted(&snap)?;
        }
        Ok(known)
    }

    fn read_waiting(&mut self, snap: &Snapshot<'_>) -> Result<(), RepoError> {
        let mut statement = snap.conn().prepare_cached(WAITING)?;
        for row in statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?)))? {
            let (name, barred) = row?;
            self.waiting.extend(id(&name));
            self.barred.extend(id(&name).filter(|_| barred));
        }
        Ok(())
    }

    fn read_files(&mut self, snap: &Snapshot<'_>) -> Result<(), RepoError> {
        let mut statement = snap.conn().prepare_cached("SELECT name, mtime, hash FROM unversioned")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let hash: Option<String> = row.get(2)?;
            self.files.insert(row.get(0)?, (row.get(1)?, hash.and_then(|hash| id(&hash))));
        }
        Ok(())
    }

    fn read_ahead(&mut self, snap: &Snapshot<'_>) -> Result<(), RepoError> {
        let mut statement = snap.conn().prepare_cached(AHEAD)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.ahead = rows.collect::<Result<_, _>>()?;
        Ok(())
    }

    fn read_counted(&mut self, snap: &Snapshot<'_>) -> Result<(), RepoError> {
        let sql = "SELECT name, hash, said, mtime FROM fx_frond_uv_counted";
        let mut statement = snap.conn().prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let hash = id(&row.get::<_, String>(1)?);
            self.counted.insert((row.get(0)?, hash, row.get(2)?), row.get(3)?);
        }
        Ok(())
    }

    /// Whether a version of a file of which the date is not believed came before, and gave way to what is here.
    pub fn gave_way(&self, name: &str, version: (i64, Option<ArtifactId>)) -> bool {
        let counted = self.counted.get(&(name.to_owned(), version.1, version.0));
        let is_later =
            |&counted: &i64| self.files.get(name).is_some_and(|here| (counted, version.1) <= *here);
        counted.is_some_and(is_later)
    }

    /// Whether nothing comes of what is different. What a peer like stock holds and shuns becomes private whenever a peer says
    /// so, and public whenever another one does: between two that do not agree that goes on for ever.
    pub fn is_as_good_as(&self, before: &Self) -> bool {
        let unmarked = |known: &Self| {
            let mut known = known.clone();
            for set in [&mut known.private, &mut known.unclustered] {
                set.retain(|id| !(known.shunned.contains(id) && known.held.contains_key(id)));
            }
            known
        };
        self.is_stock && unmarked(self) == unmarked(before)
    }

    /// Whether an artifact is held and may be seen by everybody.
    pub fn is_public(&self, id: &ArtifactId) -> bool {
        self.held.contains_key(id) && !self.private.contains(id)
    }

    /// Whether an artifact may go to everybody.
    pub fn gives(&self, id: &ArtifactId) -> bool {
        self.is_public(id) && !self.shunned.contains(id)
    }

    /// Artifacts that are known by name, or as a delta, and not held.
    pub fn lacks(&self) -> BTreeSet<ArtifactId> {
        self.phantoms.union(&self.waiting).copied().collect()
    }

    /// The first thing in which two moments differ.
    pub fn difference(&self, other: &Self) -> &'static str {
        let same = [
            (self.held == other.held, "held"),
            (self.phantoms == other.phantoms, "lacking"),
            (self.waiting == other.waiting && self.barred == other.barred, "waiting"),
            (self.private == other.private, "private"),
            (self.unclustered == other.unclustered, "in no cluster"),
            (self.unsent == other.unsent, "unsent"),
            (self.shunned == other.shunned, "shunned"),
        ];
        same.iter().find(|(same, _)| !same).map_or("in files", |(_, what)| what)
    }

    /// What is known of an artifact that is not held, or not for all to see.
    pub fn state(&self, id: &ArtifactId) -> &'static str {
        match (self.waiting.contains(id), self.phantoms.contains(id)) {
            _ if self.held.contains_key(id) => "which keeps it private",
            (true, _) => "where it waits for its delta source",
            (_, true) => "which lacks it",
            (false, false) => "which never heard of it",
        }
    }

    /// Whether an artifact is kept if it comes, as whatever delta it comes: it is not shunned, and does not wait for
    /// something that is. Peers that shun nothing send a delta of what is shunned here, again and again.
    pub fn takes(&self, id: &ArtifactId) -> bool {
        !self.shunned.contains(id) && !self.barred.contains(id)
    }

    /// The files that are there: no tombstones.
    pub fn live_files(&self) -> BTreeMap<&str, (i64, ArtifactId)> {
        let live = |(name, &(mtime, hash)): (_, &(i64, Option<ArtifactId>))| Some((name, (mtime, hash?)));
        self.files.iter().filter_map(|(name, version)| live((name.as_str(), version))).collect()
    }
}

/// Whether there is a table, as SQLite knows of a database that nobody else has open: a query would read all of the schema.
pub(crate) fn has_table(snap: &Snapshot<'_>, name: &CStr) -> Result<bool, RepoError> {
    Ok(snap.conn().table_exists(Some(rusqlite::MAIN_DB), name)?)
}

/// Names that were asked for in vain, as a repository notes them for later sessions.
pub fn missed(repo: &mut Repo) -> Result<BTreeSet<ArtifactId>, RepoError> {
    let snap = repo.snapshot()?;
    if !has_table(&snap, c"fx_frond_missed")? {
        return Ok(BTreeSet::new());
    }
    let mut statement = snap.conn().prepare_cached("SELECT uuid FROM fx_frond_missed")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    Ok(names.collect::<Result<Vec<_>, _>>()?.iter().filter_map(|name| id(name)).collect())
}

/// What the content of each delta that cannot be expanded yet is to be made from.
pub fn sources(repo: &mut Repo) -> Result<BTreeMap<ArtifactId, ArtifactId>, RepoError> {
    let snap = repo.snapshot()?;
    let sql = "SELECT b.uuid, s.uuid FROM delta d JOIN blob b ON b.rid=d.rid JOIN blob s ON s.rid=d.srcid";
    let mut statement = snap.conn().prepare_cached(sql)?;
    let pairs = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let pairs = pairs.collect::<Result<Vec<_>, _>>()?;
    Ok(pairs.iter().filter_map(|(name, source)| Some((id(name)?, id(source)?))).collect())
}

/// Sizes of artifacts that a reply puts off for want of room: those that were asked for and are only named, and that
/// with which a clone is to go on.
pub fn put_off(
    repo: &mut Repo,
    reply: &Message,
    asked: &BTreeSet<ArtifactId>,
    private: Leave,
) -> Result<Vec<u64>, RepoError> {
    let is_sent =
        |id: &ArtifactId| reply.cards.iter().any(|card| matches!(card, Card::File(file) if file.id == *id));
    let is_open = |igot: &Igot| igot.privacy == Privacy::Public || private == Leave::Granted;
    let snap = repo.snapshot()?;
    let mut named = snap.conn().prepare_cached("SELECT size FROM blob WHERE uuid=?1")?;
    let sql = "SELECT max(size, length(content)) FROM blob WHERE rid=?1 AND size>=0 AND rid NOT IN private
        AND uuid NOT IN (SELECT uuid FROM shun)";
    let mut next = snap.conn().prepare_cached(sql)?;
    let mut sizes = Vec::new();
    for card in &reply.cards {
        let size: Option<i64> = match card {
            Card::Igot(igot) if asked.contains(&igot.id) && is_open(igot) && !is_sent(&igot.id) => {
                named.query_row([igot.id.to_string()], |row| row.get(0)).optional()?
            }
            Card::CloneSeqno(rid) if *rid > 0 => {
                next.query_row([i64::from(*rid)], |row| row.get(0)).optional()?
            }
            _ => None,
        };
        sizes.extend(size.and_then(|size| u64::try_from(size).ok()));
    }
    Ok(sizes)
}

fn id(name: &str) -> Option<ArtifactId> {
    ArtifactId::from_hex(name.as_bytes()).ok()
}
