//! How often a row gave way to a peer's verdict on whose it is ([`super::Authority::Verdict`]).

use rusqlite::{OptionalExtension as _, params};
use xfer::{ArtifactId, SqlName};

use crate::schema::has_table;
use crate::{RepoError, Snapshot, Tx};

const CREATE: &str = "
CREATE TABLE IF NOT EXISTS fx_frond_table_verdict(
  name TEXT,
  key BLOB,                   -- hash of the key columns
  count INTEGER NOT NULL,
  PRIMARY KEY(name, key)
) WITHOUT ROWID;";

/// How often the row under this key did.
pub(super) fn count(snap: &Snapshot<'_>, name: &SqlName, key: &ArtifactId) -> Result<u32, RepoError> {
    if !has_table(snap, "fx_frond_table_verdict")? {
        return Ok(0);
    }
    let mut statement =
        snap.conn().prepare_cached("SELECT count FROM fx_frond_table_verdict WHERE name=?1 AND key=?2")?;
    let found = statement.query_row(params![name.as_str(), key.as_bytes()], |row| row.get(0));
    Ok(found.optional()?.unwrap_or(0))
}

/// Notes that it does once more.
pub(super) fn note(tx: &Tx<'_>, name: &SqlName, key: &ArtifactId) -> Result<(), RepoError> {
    tx.conn().execute_batch(CREATE)?;
    let sql = "INSERT INTO fx_frond_table_verdict(name, key, count) VALUES(?1, ?2, 1)
       ON CONFLICT DO UPDATE SET count=count+1";
    tx.prepared(sql)?.execute(params![name.as_str(), key.as_bytes()])?;
    Ok(())
}

/// Forgets those of rows that are gone.
pub(super) fn tidy(tx: &Tx<'_>, name: &SqlName) -> Result<(), RepoError> {
    if has_table(tx, "fx_frond_table_verdict")? {
        let gone = format!("name=?1 AND key NOT IN (SELECT fx_key FROM \"fx_x_{name}\")");
        tx.conn().execute(&format!("DELETE FROM fx_frond_table_verdict WHERE {gone}"), [name.as_str()])?;
    }
    Ok(())
}
