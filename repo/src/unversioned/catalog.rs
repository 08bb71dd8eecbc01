//! The hash by which two peers see that they hold the same files (reference: wire.md section 10.1).

use std::fmt::Write as _;

use xfer::ArtifactId;
use xfer::hash::sha1;

use super::rows::has_table;
use crate::{RepoError, Snapshot, Tx, config};

/// Bookkeeping of stock: the hash, for as long as nothing changes.
const CONFIG: &str = "uv-hash";

/// The hash of all files; tombstones are no part of it.
pub fn catalog_hash(snap: &Snapshot<'_>) -> Result<ArtifactId, RepoError> {
    if let Some(known) = config::get(snap, CONFIG)?
        && let Ok(known) = ArtifactId::from_hex(known.as_bytes())
    {
        return Ok(known);
    }
    let mut text = String::new();
    if has_table(snap)? {
        // SQLite writes the times, as it does for stock: what is no time to it is nothing.
        let mut statement = snap.conn().prepare_cached(
            "SELECT CAST(name AS TEXT), coalesce(datetime(mtime, 'unixepoch'), ''), CAST(hash AS TEXT)
               FROM unversioned WHERE hash NOT NULL ORDER BY name",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (name, time, hash): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            // Writing to a text does not fail.
            let _ = writeln!(text, "{name} {time} {hash}");
        }
    }
    Ok(sha1(text.as_bytes()))
}

/// Has the hash computed anew.
pub(super) fn forget_hash(tx: &Tx<'_>) -> Result<(), RepoError> {
    config::unset(tx, CONFIG)
}
