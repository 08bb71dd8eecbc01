//! Check-ins: their place in history (reference: repo.md 6.1).

use bytes::Bytes;
use rusqlite::OptionalExtension;
use xfer::ArtifactId;

use super::event::Event;
use super::{Linker, backlink, event, listing, mlink, version};
use crate::manifest::{Artifact, Checkin, Direction};
use crate::tag;
use crate::{RepoError, Rid, Text, Tx, UnixTime, blob, config, manifest, schema};

/// Links a check-in, and the delta manifests that waited for it as their baseline.
pub(super) fn arrived(
    linker: &mut Linker,
    tx: &Tx<'_>,
    rid: Rid,
    content: &Bytes,
    checkin: &Checkin,
) -> Result<(), RepoError> {
    link(linker, tx, rid, content, checkin)?;
    for orphan in orphans(tx, rid)? {
        let Some(content) = listing::held(tx, orphan)? else { continue };
        if let Ok(Artifact::Checkin(checkin)) = manifest::parse(&content) {
            tx.prepared("DELETE FROM orphan WHERE rid=?1")?.execute([orphan])?;
            link(linker, tx, orphan, &content, &checkin)?;
        }
    }
    Ok(())
}

fn link(
    linker: &mut Linker,
    tx: &Tx<'_>,
    rid: Rid,
    content: &Bytes,
    checkin: &Checkin,
) -> Result<(), RepoError> {
    let source = crate::content::delta_source(tx, rid)?;
    let baseline = match &checkin.baseline {
        None => None,
        Some(id) => {
            let baseline = blob::rid_or_phantom(tx, id, mlink::privacy(tx, rid)?)?;
            let Some(baseline) = baseline else { return Ok(()) };
            // The list must be at hand for what is compared with it, linked or not.
            linker.files.listings.keep(rid, content, checkin, Some(baseline), source);
            if !is_baseline(linker, tx, baseline)? {
                return wait(tx, rid, baseline);
            }
            config::set(tx, "seen-delta-manifest", "1", checkin.date)?;
            Some(baseline)
        }
    };
    let primary = version::link(tx, rid, &checkin.parents, checkin.date, baseline)?;
    link_cherrypicks(tx, rid, checkin)?;
    event::write(
        tx,
        &Event {
            kind: "ci",
            rid,
            time: checkin.date,
            tag: None,
            user: checkin.user.as_ref(),
            comment: checkin.comment.as_ref(),
            brief: None,
        },
    )?;
    if let Some(comment) = &checkin.comment {
        backlink::add(tx, backlink::Source::Comment(rid), checkin.date, comment, None)?;
    }
    linker.state(tx, rid, &checkin.tags, checkin.date)?;
    if let Some(primary) = primary {
        linker.tags.inherit(rid, primary);
    }
    linker.fresh.insert(rid);
    linker.touch_neighbours(tx, rid)?;
    linker.files.listings.keep(rid, content, checkin, baseline, source);
    for compared in linker.files.arrived(tx, rid)? {
        // With its primary parent, a check-in begins to be compared with its other parents. Those of this batch have
        // been looked at.
        linker.touch_neighbours(tx, compared)?;
    }
    Ok(())
}

impl Linker {
    /// Has leaf and time of a check-in and its parents looked at.
    fn touch_neighbours(&mut self, tx: &Tx<'_>, rid: Rid) -> Result<(), RepoError> {
        let mut statement = tx.prepared(
            "SELECT pid FROM plink WHERE cid=?1
             UNION ALL SELECT parentid FROM cherrypick WHERE childid=?1 AND NOT isExclude",
        )?;
        let parents = statement.query_map([rid], |row| row.get(0))?.collect::<Result<Vec<Rid>, _>>()?;
        for touched in parents.into_iter().chain([rid]) {
            self.leaves.insert(touched);
            self.parents.insert(touched);
        }
        Ok(())
    }
}

/// Whether an artifact is a check-in that has come, be it linked or waiting for a baseline of its own.
fn is_baseline(linker: &Linker, tx: &Tx<'_>, rid: Rid) -> Result<bool, RepoError> {
    Ok(linker.files.listings.has(rid)
        || mlink::is_checkin(tx, rid)?
        || tx.prepared("SELECT 1 FROM orphan WHERE rid=?1")?.exists([rid])?)
}

fn wait(tx: &Tx<'_>, rid: Rid, baseline: Rid) -> Result<(), RepoError> {
    tx.prepared("REPLACE INTO orphan(rid, baseline) VALUES(?1, ?2)")?.execute((rid, baseline))?;
    Ok(())
}

fn orphans(tx: &Tx<'_>, baseline: Rid) -> Result<Vec<Rid>, RepoError> {
    let mut statement = tx.prepared("SELECT rid FROM orphan WHERE baseline=?1 ORDER BY rid")?;
    Ok(statement.query_map([baseline], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Cherry-picks of artifacts that are not known yet.
pub(crate) const WAITING: &str = "CREATE TABLE IF NOT EXISTS fx_frond_cherrypick(
  target TEXT, childid INTEGER, isExclude INTEGER, PRIMARY KEY(target, childid)
) WITHOUT ROWID";

/// Links cherry-picks. One of an unknown artifact gives no row and no phantom until the artifact is known:
/// it waits in a table that stock's rebuild leaves alone.
fn link_cherrypicks(tx: &Tx<'_>, rid: Rid, checkin: &Checkin) -> Result<(), RepoError> {
    for pick in &checkin.cherrypicks {
        let excluded = pick.direction == Direction::BackOut;
        if let Some(target) = blob::rid(tx, &pick.target)? {
            insert_cherrypick(tx, target, rid, excluded.into())?;
            continue;
        }
        tx.conn().execute_batch(WAITING)?;
        tx.prepared("REPLACE INTO fx_frond_cherrypick(target, childid, isExclude) VALUES(?1, ?2, ?3)")?
            .execute((pick.target.to_string(), rid, excluded))?;
    }
    Ok(())
}

fn insert_cherrypick(tx: &Tx<'_>, target: Rid, child: Rid, excluded: i64) -> Result<(), RepoError> {
    tx.prepared("REPLACE INTO cherrypick(parentid, childid, isExclude) VALUES(?1, ?2, ?3)")?
        .execute((target, child, excluded))?;
    Ok(())
}

/// Links the cherry-picks whose target has become known.
pub(super) fn complete_cherrypicks(linker: &mut Linker, tx: &Tx<'_>) -> Result<(), RepoError> {
    if !schema::has_table(tx, "fx_frond_cherrypick")? {
        return Ok(());
    }
    let mut statement = tx.prepared(
        "SELECT blob.rid, childid, isExclude, target FROM fx_frond_cherrypick JOIN blob ON uuid=target",
    )?;
    let read =
        |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, String>(3)?));
    let found: Vec<(Rid, Rid, i64, String)> = statement.query_map([], read)?.collect::<Result<_, _>>()?;
    for (target, child, excluded, name) in found {
        insert_cherrypick(tx, target, child, excluded)?;
        tx.prepared("DELETE FROM fx_frond_cherrypick WHERE target=?1 AND childid=?2")?
            .execute((name, child))?;
        linker.files.redo(child);
        linker.touch_neighbours(tx, child)?;
    }
    Ok(())
}

/// Gives check-ins the parents that `parent` tags name: those that tags have just named, and those that were
/// named before the check-in came.
pub(super) fn give_parents(
    linker: &mut Linker,
    tx: &Tx<'_>,
    named: Vec<(Rid, Text)>,
) -> Result<(), RepoError> {
    let mut statement = tx.prepared("SELECT rid, value FROM tagxref WHERE tagid=?1 AND tagtype=1")?;
    let live: Vec<(Rid, Option<Text>)> = statement
        .query_map([tag::PARENT], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut named = named;
    named.extend(
        live.into_iter()
            .filter(|(rid, _)| linker.fresh.contains(rid))
            .filter_map(|(rid, names)| Some((rid, names?))),
    );
    for (rid, names) in named {
        let Some(parents) = hashes(&names) else { continue };
        let Some((time, baseline)) = time_and_baseline(linker, tx, rid)? else { continue };
        linker.touch_neighbours(tx, rid)?;
        tx.prepared("DELETE FROM plink WHERE cid=?1")?.execute([rid])?;
        version::link(tx, rid, &parents, time, baseline)?;
        linker.touch_neighbours(tx, rid)?;
        linker.files.redo(rid);
    }
    Ok(())
}

/// Names separated by one space each; none if that is not what the text is.
fn hashes(text: &Text) -> Option<Vec<ArtifactId>> {
    text.as_bytes().split(|&byte| byte == b' ').map(|name| ArtifactId::from_hex(name).ok()).collect()
}

fn time_and_baseline(
    linker: &mut Linker,
    tx: &Tx<'_>,
    rid: Rid,
) -> Result<Option<(UnixTime, Option<Rid>)>, RepoError> {
    let time: Option<f64> = tx
        .prepared("SELECT omtime FROM event WHERE objid=?1 AND type='ci'")?
        .query_row([rid], |row| row.get(0))
        .optional()?;
    let Some(time) = time else { return Ok(None) };
    let listing = linker.files.listings.load(tx, rid)?;
    Ok(Some((UnixTime::from_julian_day(time), listing.and_then(|listing| listing.baseline))))
}
