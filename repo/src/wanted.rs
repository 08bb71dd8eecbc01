//! What this file knows of and lacks.

use std::collections::BTreeSet;

use xfer::ArtifactId;
use xfer::card::Privacy;

use crate::blob::Hex;
use crate::schema::has_table;
use crate::{Presence, RepoError, Snapshot, Tx, blob, content, dangling, private, shun};

/// Phantoms, the youngest first: whoever may push can make names that nobody has the content of, and these
/// must not stand before what is new. Shunned ones are left out: they would be thrown away.
macro_rules! phantoms {
    ($rest:literal) => {
        concat!(
            "SELECT b.uuid, EXISTS(SELECT 1 FROM private p WHERE p.rid=b.rid)
               FROM phantom x CROSS JOIN blob b ON b.rid=x.rid
              WHERE b.size<0 AND NOT EXISTS(SELECT 1 FROM shun s WHERE s.uuid=b.uuid) ",
            $rest
        )
    };
}

const ALL: &str = phantoms!("ORDER BY x.rid DESC");
const NEW: &str =
    phantoms!("AND NOT EXISTS(SELECT 1 FROM fx_frond_missed m WHERE m.uuid=b.uuid) ORDER BY x.rid DESC");
const MISSED: &str = "SELECT b.uuid, EXISTS(SELECT 1 FROM private p WHERE p.rid=b.rid)
  FROM fx_frond_missed m CROSS JOIN blob b ON b.uuid=m.uuid CROSS JOIN phantom x ON x.rid=b.rid
 WHERE b.size<0 AND NOT EXISTS(SELECT 1 FROM shun s WHERE s.uuid=b.uuid)
 ORDER BY m.turn, m.uuid";

const CREATE: &str = "CREATE TABLE IF NOT EXISTS fx_frond_missed(
  uuid TEXT PRIMARY KEY,
  turn INTEGER NOT NULL
) WITHOUT ROWID";

/// What is here meanwhile is missed no more.
const FORGET: &str = "WITH RECURSIVE waiting(rid) AS (
    SELECT d.rid FROM phantom p CROSS JOIN delta d ON d.srcid=p.rid
    UNION
    SELECT d.rid FROM waiting x CROSS JOIN delta d ON d.srcid=x.rid
  )
  DELETE FROM fx_frond_missed
   WHERE uuid NOT IN (SELECT b.uuid FROM phantom x CROSS JOIN blob b ON b.rid=x.rid)
     AND uuid NOT IN (SELECT b.uuid FROM waiting x CROSS JOIN blob b ON b.rid=x.rid)";

/// What may be expected of asking for a phantom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hope {
    /// No session asked for it in vain yet.
    New,
    /// The last session that asked for it got nothing ([`miss`]).
    Missed,
}

/// Deltas whose chain of sources ends in a phantom.
const DANGLING: &str = "WITH RECURSIVE dangling(rid) AS (
    SELECT d.rid FROM phantom p CROSS JOIN delta d ON d.srcid=p.rid
    UNION
    SELECT d.rid FROM dangling x CROSS JOIN delta d ON d.srcid=x.rid
  )
  SELECT count(*), min(b.uuid) FROM dangling x CROSS JOIN blob b ON b.rid=x.rid";

/// What waits, sources before what waits for them, and each time what its direct source is.
const WAITING: &str = "WITH RECURSIVE waiting(rid, srcid, depth) AS (
    SELECT d.rid, d.srcid, 1 FROM phantom p CROSS JOIN delta d ON d.srcid=p.rid
    UNION ALL
    SELECT d.rid, d.srcid, depth+1 FROM waiting x CROSS JOIN delta d ON d.srcid=x.rid
  )
  SELECT b.uuid,
         EXISTS(SELECT 1 FROM private p WHERE p.rid=b.rid),
         EXISTS(SELECT 1 FROM shun s WHERE s.uuid=b.uuid),
         s.uuid, s.size<0,
         EXISTS(SELECT 1 FROM private p WHERE p.rid=s.rid),
         EXISTS(SELECT 1 FROM shun x WHERE x.uuid=s.uuid)
    FROM waiting w CROSS JOIN blob b ON b.rid=w.rid CROSS JOIN blob s ON s.rid=w.srcid
   ORDER BY w.depth, w.rid DESC";

/// What waits for one phantom, that first which is farthest from it.
const WAITING_FOR: &str = "WITH RECURSIVE waiting(rid, depth) AS (
    SELECT d.rid, 1 FROM delta d WHERE d.srcid=?1
    UNION ALL
    SELECT d.rid, depth+1 FROM waiting x CROSS JOIN delta d ON d.srcid=x.rid
  )
  SELECT b.uuid, EXISTS(SELECT 1 FROM private p WHERE p.rid=b.rid)
    FROM waiting w CROSS JOIN blob b ON b.rid=w.rid
   WHERE NOT EXISTS(SELECT 1 FROM shun s WHERE s.uuid=b.uuid)
   ORDER BY w.depth DESC, w.rid";

/// Whether `id` is known here, its content cannot be had from this file, and would be kept if it came.
pub fn lacks(snap: &Snapshot<'_>, id: &ArtifactId) -> Result<bool, RepoError> {
    match blob::presence(snap, id)? {
        Presence::Phantom(_) | Presence::Dangling(_) => Ok(!shun::contains(snap, id)?),
        Presence::Unknown | Presence::Held(_) => Ok(false),
    }
}

/// Names up to `limit` phantoms that `asks_for` accepts: of the new ones the youngest first, of those that were
/// missed the one first that was asked for longest ago. Private ones only if `deepest` is private.
pub fn phantoms(
    snap: &Snapshot<'_>,
    deepest: Privacy,
    hope: Hope,
    limit: usize,
    mut asks_for: impl FnMut(&ArtifactId) -> bool,
) -> Result<Vec<ArtifactId>, RepoError> {
    let sql = match (hope, has_missed(snap)?) {
        (Hope::New, false) => ALL,
        (Hope::New, true) => NEW,
        (Hope::Missed, true) => MISSED,
        (Hope::Missed, false) => return Ok(Vec::new()),
    };
    let mut statement = snap.conn().prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut wanted = Vec::new();
    while wanted.len() < limit {
        let Some(row) = rows.next()? else { break };
        if row.get(1)? && deepest == Privacy::Public {
            continue;
        }
        // A name that is no name cannot be asked for; `verify` reports it.
        let Ok(id) = ArtifactId::from_hex(row.get_ref(0)?.as_bytes().unwrap_or_default()) else { continue };
        if asks_for(&id) {
            wanted.push(id);
        }
    }
    Ok(wanted)
}

/// Names up to `limit` artifacts that are not `is_gone` and wait for a delta source which hardly comes: that is
/// shunned, or private and not wanted, or `is_gone`, or was missed before. Another peer, or the same one, may send them in another
/// form. What waits for one of them has to wait for its turn.
pub fn stuck(
    snap: &Snapshot<'_>,
    deepest: Privacy,
    hope: Hope,
    limit: usize,
    is_gone: impl Fn(&ArtifactId) -> bool,
) -> Result<Vec<ArtifactId>, RepoError> {
    let mut stuck = Vec::new();
    if limit == 0 || dangling::with(snap, |dangling| dangling.is_empty())? {
        return Ok(stuck);
    }
    let mut hopeless = BTreeSet::new();
    let mut statement = snap.conn().prepare_cached(WAITING)?;
    let mut rows = statement.query([])?;
    while stuck.len() < limit {
        let Some(row) = rows.next()? else { break };
        let name = |column: usize| -> Result<Option<ArtifactId>, RepoError> {
            Ok(ArtifactId::from_hex(row.get_ref(column)?.as_bytes().unwrap_or_default()).ok())
        };
        let (Some(id), Some(source)) = (name(0)?, name(3)?) else { continue };
        let is_barred = |private: bool, shunned: bool| shunned || private && deepest == Privacy::Public;
        let is_phantom: bool = row.get(4)?;
        if is_phantom
            && (is_barred(row.get(5)?, row.get(6)?) || is_gone(&source) || is_missed(snap, &source)?)
        {
            hopeless.insert(source);
        }
        if !hopeless.contains(&source) {
            continue;
        }
        if is_barred(row.get(1)?, row.get(2)?) || is_gone(&id) {
            hopeless.insert(id);
        } else if is_missed(snap, &id)? == (hope == Hope::Missed) {
            stuck.push(id);
        }
    }
    Ok(stuck)
}

/// Names up to `limit` artifacts that `asks_for` accepts and that wait for the phantom `root`, through however many
/// deltas: that first which is farthest from it. In what a peer sends as deltas of one another that is what all others are
/// deltas of, most of the time.
pub fn waiting_for(
    snap: &Snapshot<'_>,
    root: &ArtifactId,
    deepest: Privacy,
    limit: usize,
    asks_for: impl Fn(&ArtifactId) -> bool,
) -> Result<Vec<ArtifactId>, RepoError> {
    let mut waiting = Vec::new();
    let Presence::Phantom(root) = blob::presence(snap, root)? else { return Ok(waiting) };
    let mut statement = snap.conn().prepare_cached(WAITING_FOR)?;
    let mut rows = statement.query([root])?;
    while waiting.len() < limit {
        let Some(row) = rows.next()? else { break };
        let Ok(id) = ArtifactId::from_hex(row.get_ref(0)?.as_bytes().unwrap_or_default()) else { continue };
        if asks_for(&id) && (deepest == Privacy::Private || !row.get(1)?) {
            waiting.push(id);
        }
    }
    Ok(waiting)
}

/// All that waits for a delta source.
pub fn all_waiting(snap: &Snapshot<'_>) -> Result<BTreeSet<ArtifactId>, RepoError> {
    let rids = dangling::with(snap, |dangling| dangling.rids())?;
    rids.into_iter().map(|rid| blob::id(snap, rid)).collect()
}

/// How many artifacts wait for a delta source, directly or not, and are not `is_gone`. Shunned ones do not count, private
/// ones only if `deepest` is private.
pub fn waiting(
    snap: &Snapshot<'_>,
    deepest: Privacy,
    is_gone: impl Fn(&ArtifactId) -> bool,
) -> Result<u64, RepoError> {
    let mut count = 0;
    for rid in dangling::with(snap, |dangling| dangling.rids())? {
        let id = blob::id(snap, rid)?;
        let is_barred = || Ok::<_, RepoError>(deepest == Privacy::Public && private::contains(snap, rid)?);
        if !is_gone(&id) && !shun::contains(snap, &id)? && !is_barred()? {
            count += 1;
        }
    }
    Ok(count)
}

/// The phantom that an artifact waits for, through however many deltas; none if it waits for nothing, or that
/// would not be kept.
pub fn awaited(snap: &Snapshot<'_>, id: &ArtifactId) -> Result<Option<ArtifactId>, RepoError> {
    let Presence::Dangling(rid) = blob::presence(snap, id)? else { return Ok(None) };
    let root = blob::id(snap, dangling::with(snap, |dangling| dangling.root(rid))?)?;
    Ok(if lacks(snap, &root)? { Some(root) } else { None })
}

/// Which of these a session asked for in vain is not written down yet; all of them if more are known than one
/// session asks for again, so that each has its turn.
pub fn to_miss<'i>(
    snap: &Snapshot<'_>,
    ids: impl Iterator<Item = &'i ArtifactId>,
    turn: usize,
) -> Result<Vec<ArtifactId>, RepoError> {
    let mut missed = Vec::new();
    let mut known = 0_i64;
    if has_missed(snap)? {
        let mut count = snap.conn().prepare_cached("SELECT count(*) FROM fx_frond_missed")?;
        known = count.query_row([], |row| row.get(0))?;
    }
    for id in ids {
        let is_known = known > 0 && is_missed(snap, id)?;
        if lacks(snap, id)? && (!is_known || known > turn as i64) {
            missed.push(*id);
        }
    }
    Ok(missed)
}

/// Writes down that a session asked for these and got nothing: later ones ask for a few of them at a time, unless
/// they are announced. Forgets what has come meanwhile.
pub fn miss(tx: &Tx<'_>, ids: &[ArtifactId]) -> Result<(), RepoError> {
    if !has_missed(tx)? {
        tx.conn().execute(CREATE, [])?;
    }
    let mut last = tx.prepared("SELECT coalesce(max(turn), 0) FROM fx_frond_missed")?;
    let last: i64 = last.query_row([], |row| row.get(0))?;
    let mut insert = tx.prepared("REPLACE INTO fx_frond_missed(uuid, turn) VALUES(?1, ?2)")?;
    for id in ids {
        insert.execute((Hex::of(id), last.saturating_add(1)))?;
    }
    tx.prepared(FORGET)?.execute([])?;
    Ok(())
}

/// Gives up the deltas that wait for their source: of each a name remains, to be asked for. Those that one peer keeps may
/// run in a circle with those that another one sends.
pub fn drop_waiting(tx: &Tx<'_>) -> Result<(), RepoError> {
    for rid in dangling::with(tx, |dangling| dangling.rids())? {
        content::make_phantom(tx, rid)?;
    }
    dangling::forget(tx);
    Ok(())
}

/// Whether other sessions asked for an artifact in vain.
pub fn is_missed(snap: &Snapshot<'_>, id: &ArtifactId) -> Result<bool, RepoError> {
    if !has_missed(snap)? {
        return Ok(false);
    }
    let sql = "SELECT 1 FROM fx_frond_missed WHERE uuid=?1";
    Ok(snap.conn().prepare_cached(sql)?.exists([Hex::of(id)])?)
}

fn has_missed(snap: &Snapshot<'_>) -> Result<bool, RepoError> {
    has_table(snap, "fx_frond_missed")
}

/// How many deltas wait for a source that is not here, and the first of them by name.
pub fn dangling(snap: &Snapshot<'_>) -> Result<Option<(u64, ArtifactId)>, RepoError> {
    let mut statement = snap.conn().prepare_cached(DANGLING)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let count: i64 = row.get(0)?;
    let first = ArtifactId::from_hex(row.get_ref(1)?.as_bytes().unwrap_or_default()).ok();
    Ok(first.map(|id| (count.unsigned_abs(), id)))
}
