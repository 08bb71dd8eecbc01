//! Artifacts that are announced and sent only where private content was asked for and allowed.

use xfer::ArtifactId;

use crate::blob::Name;
use crate::{RepoError, Rid, Snapshot, Tx, content, known, schema, tag};

/// Private artifacts that a cluster lists: they are announced by it should they become public.
pub(crate) const LISTED: &str =
    "CREATE TABLE IF NOT EXISTS fx_frond_listed(uuid TEXT PRIMARY KEY) WITHOUT ROWID";

/// Whether an artifact is private.
pub fn contains(snap: &Snapshot<'_>, rid: Rid) -> Result<bool, RepoError> {
    Ok(any(snap)? && snap.conn().prepare_cached("SELECT 1 FROM private WHERE rid=?1")?.exists([rid])?)
}

/// Whether there is any private artifact.
pub fn any(snap: &Snapshot<'_>) -> Result<bool, RepoError> {
    let find = || Ok(snap.conn().prepare_cached("SELECT 1 FROM private")?.exists([])?);
    known::ask(snap, |known| &mut known.any_private, find)
}

/// Makes an artifact private. Public artifacts that are stored as deltas of it are stored whole from now on.
pub fn add(tx: &Tx<'_>, rid: Rid) -> Result<(), RepoError> {
    let was_public = tx.prepared("INSERT OR IGNORE INTO private(rid) VALUES(?1)")?.execute([rid])? > 0;
    known::forget(tx);
    let was_announced = tx.prepared("DELETE FROM unclustered WHERE rid=?1")?.execute([rid])? > 0;
    if was_public && !was_announced {
        note_listed(tx, rid)?;
    }
    for child in content::public_children(tx, rid)? {
        content::store_whole(tx, child)?;
    }
    Ok(())
}

/// Notes that a cluster lists a private artifact.
pub(crate) fn note_listed(tx: &Tx<'_>, rid: Rid) -> Result<(), RepoError> {
    tx.conn().execute(LISTED, [])?;
    let sql = "INSERT OR IGNORE INTO fx_frond_listed SELECT uuid FROM blob WHERE rid=?1";
    tx.prepared(sql)?.execute([rid])?;
    Ok(())
}

/// What is private here, and listed by a cluster: somebody has it as public. Nothing where a cluster is private itself, and may
/// list what is private everywhere.
pub fn listed(snap: &Snapshot<'_>) -> Result<Vec<ArtifactId>, RepoError> {
    if !any(snap)? || !schema::has_table(snap, "fx_frond_listed")? {
        return Ok(Vec::new());
    }
    let mut statement = snap.conn().prepare_cached(
        "SELECT uuid FROM fx_frond_listed JOIN blob USING(uuid) JOIN private USING(rid)
         WHERE NOT EXISTS(SELECT 1 FROM private JOIN tagxref USING(rid) WHERE tagid=?1) ORDER BY uuid",
    )?;
    let names = statement.query_map([tag::CLUSTER], |row| row.get(0))?.map(|name| name.map(|Name(id)| id));
    Ok(names.collect::<Result<_, _>>()?)
}

/// Whether a cluster lists an artifact that was private until now. The note of it is gone then.
fn take_listed(tx: &Tx<'_>, rid: Rid) -> Result<bool, RepoError> {
    if !schema::has_table(tx, "fx_frond_listed")? {
        return Ok(false);
    }
    let sql = "DELETE FROM fx_frond_listed WHERE uuid=(SELECT uuid FROM blob WHERE rid=?1)";
    Ok(tx.prepared(sql)?.execute([rid])? > 0)
}

/// Makes an artifact public, and announces it from now on, unless a cluster does. Says whether it was private.
pub fn remove(tx: &Tx<'_>, rid: Rid) -> Result<bool, RepoError> {
    if !any(tx)? || tx.prepared("DELETE FROM private WHERE rid=?1")?.execute([rid])? == 0 {
        return Ok(false);
    }
    if !take_listed(tx, rid)? {
        tx.prepared("INSERT OR IGNORE INTO unclustered(rid) VALUES(?1)")?.execute([rid])?;
    }
    if let Some(source) = content::delta_source(tx, rid)?
        && contains(tx, source)?
    {
        content::store_whole(tx, rid)?;
    }
    Ok(true)
}
