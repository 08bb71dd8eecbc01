//! What somebody changed in synced tables by other means than a [`super::Writer`]: no peer would ever hear of it.

use rusqlite::params;
use xfer::{ArtifactId, KeyPrefix};

use super::{Row, SyncedTable, all, digest, keep, store, under, versions_under};
use crate::{RepoError, Snapshot, Tx, UnixTime};

/// Compares hashes, digests and counts with the rows. `found` is told of each that is wrong.
pub(crate) fn audit(snap: &Snapshot<'_>, found: &mut dyn FnMut(String)) -> Result<(), RepoError> {
    let tables = match all(snap) {
        Err(RepoError::Corrupt { reason, .. }) => {
            found(reason);
            return Ok(());
        }
        tables => tables?,
    };
    for table in tables {
        let name = &table.name;
        let changed = each_changed(snap, &table, &mut |_, row| {
            found(format!("synced table {name}: row {} was changed by other means", row.to_json()));
        });
        let rest = match changed {
            Ok(rows) if rows == table.rows => digests(snap, &table, found),
            Ok(rows) => {
                found(format!("synced table {name}: it should have {} rows, and has {rows}", table.rows));
                Ok(())
            }
            Err(error) => Err(error),
        };
        match rest {
            Err(RepoError::Corrupt { reason, .. }) => found(reason),
            outcome => outcome?,
        }
    }
    Ok(())
}

/// Takes what was changed by other means for written now, and brings digests and counts up to date. A table with
/// values that do not fit stays as it is.
pub(crate) fn mend(tx: &Tx<'_>, now: UnixTime) -> Result<(), RepoError> {
    let tables = match all(tx) {
        Err(RepoError::Corrupt { .. }) => return Ok(()),
        tables => tables?,
    };
    for table in tables {
        let mut changed = Vec::new();
        match each_changed(tx, &table, &mut |key, row| changed.push((key, row))) {
            Err(RepoError::Corrupt { .. }) => continue,
            rows => rows?,
        };
        for (recorded, mut row) in changed {
            store::forget(tx, &table.name, &recorded)?;
            row.mtime = now.0.max(row.mtime.saturating_add(1));
            store::put(tx, &table, &row.key(&table.definition), &row)?;
        }
        let rows = store::count(tx, &table.name)?;
        keep(tx, &table.name, &table.definition, table.mtime, rows)?;
        tx.conn().execute("DELETE FROM fx_frond_table_node WHERE name=?1", [table.name.as_str()])?;
        digest::refresh(tx, &table.name)?;
    }
    Ok(())
}

/// Rows that are not what their hashes say, with the key they are under. Gives the number of all rows.
fn each_changed(
    snap: &Snapshot<'_>,
    table: &SyncedTable,
    each: &mut dyn FnMut(ArtifactId, Row),
) -> Result<u64, RepoError> {
    let mut rows = 0;
    for prefix in KeyPrefix::default().children().flat_map(|half| half.children().collect::<Vec<_>>()) {
        let recorded = versions_under(snap, &table.name, &prefix, usize::MAX)?;
        let mut next = recorded.iter();
        under(snap, table, &prefix, None, &mut |key, row| {
            if let Some((recorded, version)) = next.next()
                && (*recorded, *version) != (key, row.version())
            {
                each(*recorded, row);
            }
            true
        })?;
        rows += recorded.len() as u64;
    }
    Ok(rows)
}

fn digests(snap: &Snapshot<'_>, table: &SyncedTable, found: &mut dyn FnMut(String)) -> Result<(), RepoError> {
    let mut statement =
        snap.conn().prepare("SELECT prefix, digest FROM fx_frond_table_node WHERE name=?1")?;
    let mut kept = statement.query(params![table.name.as_str()])?;
    while let Some(node) = kept.next()? {
        let (prefix, recorded): (String, [u8; 20]) = (node.get(0)?, node.get(1)?);
        let prefix: KeyPrefix = if prefix.is_empty() { "-" } else { &prefix }
            .parse()
            .map_err(|error| RepoError::corrupt(format!("synced table {}: {error}", table.name)))?;
        if digest::anew(snap, &table.name, &prefix)? != Some(ArtifactId::sha1(recorded)) {
            found(format!(
                "synced table {}: the digest of part {prefix} is not that of its rows",
                table.name
            ));
            break;
        }
    }
    Ok(())
}
