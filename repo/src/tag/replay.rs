//! All that was ever said about one tag, applied anew.
//!
//! `tagxref` has only what holds. What was overruled or came too late is kept in `fx_frond_tag`, a table that
//! stock's rebuild leaves alone, so that a late arrival with a low rid can be given the place that a rebuild
//! gives it. Where the table lacks something, because stock itself linked it, only such late cases suffer.

use std::collections::BTreeSet;

use super::batch::{Branches, Item, Order, Walk, What, children};
use super::{BRANCH, Statement, TagId, kind};
use crate::manifest::TagKind;
use crate::{RepoError, Rid, Tx, UnixTime, blob, schema};

/// Where they are kept.
pub(crate) const SHADOWS: &str = "CREATE TABLE IF NOT EXISTS fx_frond_tag(
  rid INTEGER, tagname TEXT, srcid INTEGER, tagtype INTEGER, value TEXT, mtime REAL, PRIMARY KEY(rid, tagname, srcid)
) WITHOUT ROWID";

/// Statements that do not hold.
pub(super) struct Shadows {
    exist: bool,
}

/// What a replay changed.
pub(super) struct Replayed {
    pub(super) changed: BTreeSet<Rid>,
    /// All artifacts that ever had a branch, if the tag is that.
    pub(super) branches: Option<BTreeSet<Rid>>,
}

impl Shadows {
    pub(super) fn of(tx: &Tx<'_>) -> Result<Self, RepoError> {
        Ok(Self { exist: schema::has_table(tx, "fx_frond_tag")? })
    }

    pub(super) fn remember(&mut self, tx: &Tx<'_>, statement: &Statement) -> Result<(), RepoError> {
        if !self.exist {
            tx.conn().execute_batch(SHADOWS)?;
            self.exist = true;
        }
        let mut insert = tx.prepared(
            "INSERT OR IGNORE INTO fx_frond_tag(rid, tagname, srcid, tagtype, value, mtime)
             SELECT ?1, tagname, ?3, ?4, ?5, ?6 FROM tag WHERE tagid=?2",
        )?;
        let Statement { target, tag, kind, value, source, time } = statement;
        insert.execute((target, tag, source, *kind as i64, value, time.julian_day()))?;
        Ok(())
    }

    /// Whether there are any for a tag of an artifact.
    pub(super) fn any(&self, tx: &Tx<'_>, rid: Rid, tag: TagId) -> Result<bool, RepoError> {
        if !self.exist {
            return Ok(false);
        }
        let mut statement = tx.prepared(
            "SELECT 1 FROM fx_frond_tag WHERE rid=?1 AND tagname=(SELECT tagname FROM tag WHERE tagid=?2)",
        )?;
        Ok(statement.exists((rid, tag))?)
    }

    /// Whether anything that is known about a tag propagates it, or did.
    pub(super) fn was_propagated(&self, tx: &Tx<'_>, tag: TagId) -> Result<bool, RepoError> {
        let sql = "SELECT 1 FROM tagxref WHERE tagid=?1 AND tagtype=2";
        if tx.prepared(sql)?.exists([tag])? {
            return Ok(true);
        }
        if !self.exist {
            return Ok(false);
        }
        let sql =
            "SELECT 1 FROM fx_frond_tag WHERE tagtype=2 AND tagname=(SELECT tagname FROM tag WHERE tagid=?1)";
        Ok(tx.prepared(sql)?.exists([tag])?)
    }

    /// Takes out all statements about a tag.
    fn take(&self, tx: &Tx<'_>, tag: TagId) -> Result<Vec<Statement>, RepoError> {
        if !self.exist {
            return Ok(Vec::new());
        }
        take(
            tx,
            tag,
            "SELECT rid, tagtype, value, srcid, mtime FROM fx_frond_tag
             WHERE tagname=(SELECT tagname FROM tag WHERE tagid=?1)",
            "DELETE FROM fx_frond_tag WHERE tagname=(SELECT tagname FROM tag WHERE tagid=?1)",
        )
    }
}

/// Decides about a tag anew, from all statements about it in the order of rids.
pub(super) fn replay(tx: &Tx<'_>, tag: TagId) -> Result<Replayed, RepoError> {
    let mut had = tx.prepared("SELECT rid FROM tagxref WHERE tagid=?1")?;
    let mut changed: BTreeSet<Rid> = had.query_map([tag], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut statements = Shadows::of(tx)?.take(tx, tag)?;
    statements.extend(take(
        tx,
        tag,
        "SELECT rid, tagtype, value, srcid, mtime FROM tagxref WHERE tagid=?1 AND srcid>0",
        "DELETE FROM tagxref WHERE tagid=?1",
    )?);
    let mut walk = Walk::new(tx, items(tx, statements)?, Order::Replay(tag))?;
    walk.run(tx)?;
    let Walk { nodes, outcome, .. } = walk;
    changed.extend(nodes.write(tx)?.into_iter().map(|(rid, _)| rid));
    let branches = match outcome.branches {
        Branches::Now(branches) | Branches::Ever(branches) if tag == BRANCH => Some(branches),
        Branches::Now(_) | Branches::Ever(_) => None,
    };
    Ok(Replayed { changed, branches })
}

fn take(tx: &Tx<'_>, tag: TagId, select: &str, delete: &str) -> Result<Vec<Statement>, RepoError> {
    let mut statement = tx.conn().prepare_cached(select)?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Statement {
            target: row.get(0)?,
            tag,
            kind: kind(row.get(1)?),
            value: row.get(2)?,
            source: row.get(3)?,
            time: UnixTime::from_julian_day(row.get::<_, Option<f64>>(4)?.unwrap_or(0.0)),
        })
    };
    let found = statement.query_map([tag], read)?.collect::<Result<_, _>>()?;
    tx.conn().prepare_cached(delete)?.execute([tag])?;
    Ok(found)
}

/// The statements, and the inheritance of every artifact that they can reach.
fn items(tx: &Tx<'_>, statements: Vec<Statement>) -> Result<Vec<Item>, RepoError> {
    let mut open: Vec<Rid> =
        statements.iter().filter(|said| said.kind == TagKind::Propagate).map(|said| said.target).collect();
    let mut seen = BTreeSet::new();
    // Cards of one artifact stand in the order of their signs, then of their targets, itself first.
    let mut cards = Vec::with_capacity(statements.len());
    for said in statements {
        let target = if said.target == said.source { None } else { Some(blob::id(tx, said.target)?) };
        cards.push(((said.source, said.kind.sign(), target), said));
    }
    cards.sort_by_key(|(key, _)| *key);
    let mut items: Vec<Item> = cards
        .into_iter()
        .enumerate()
        .map(|(place, (_, said))| Item { at: (said.source, place), what: What::State(said) })
        .collect();
    while let Some(parent) = open.pop() {
        if !seen.insert(parent) {
            continue;
        }
        for child in children(tx, parent)? {
            items.push(Item { at: (child, usize::MAX), what: What::Inherit { child, parent } });
            open.push(child);
        }
    }
    Ok(items)
}
