//! The one way in for rows, ours and those of peers.

use xfer::{ArtifactId, SqlName};

use super::row::key_hash;
use super::{
    HORIZON_MS, MAX_AHEAD_MS, MAX_ROWS, MAX_VERDICTS, Part, Row, Rule, State, SyncedTable, TableError, Value,
    Values, Version, digest, find, store, value, verdict,
};
use crate::{RepoError, Snapshot, Tx, UnixTime};

/// Writes rows of one table, within a transaction. [`Writer::finish`] it.
#[must_use = "finish it, so that the digests are kept"]
pub struct Writer<'t, 'r> {
    tx: &'t Tx<'r>,
    table: SyncedTable,
    now: i64,
    changed: u64,
}

/// On whose word a row is taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority<'a> {
    /// A user's who is logged in: for rows of that user's own where the table's rule is about owners.
    User(&'a str),
    /// Nobody's in particular.
    Nobody,
    /// That of a user who may do everything: for rows of all users. Whose a row is that is held stays as it is: else
    /// what one server was told by another would be undone by those who ask it, and all of it begin anew.
    Administrator,
    /// That of a peer whom we believe whatever it says of owners: the server we pull from.
    Peer,
    /// The same, and it has decided whose row it is: what we have gives way if it is another user's, up to
    /// [`MAX_VERDICTS`] times.
    Verdict,
}

/// What became of a row that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merged {
    /// It is what is held now.
    Stored,
    /// What is held is newer, or the same; or it is a tombstone past the horizon, of a row that is not here.
    Kept,
}

impl<'t, 'r> Writer<'t, 'r> {
    /// Begins to write to a table. Tombstones past the horizon go.
    pub fn open(tx: &'t Tx<'r>, name: &SqlName, now: UnixTime) -> Result<Self, TableError> {
        let table = find(tx, name)?.ok_or_else(|| TableError::NoTable(name.clone()))?;
        let mut writer = Self { tx, table, now: now.0.max(0), changed: 0 };
        writer.expire()?;
        Ok(writer)
    }

    /// The table as it is now.
    pub fn table(&self) -> &SyncedTable {
        &self.table
    }

    /// Writes a row, for `user`. What is not in `values` is NULL. Says whether anything changed.
    pub fn put(&mut self, values: Values, user: &str) -> Result<bool, TableError> {
        let owner = (self.table.definition.rule() == Rule::Owner).then(|| user.to_owned());
        let row = Row { values, state: State::Live, mtime: self.now, owner };
        row.check(&self.table.definition)?;
        self.write_own(row, user)
    }

    /// Deletes the row with this key, for `user`. Says whether there was one.
    pub fn remove(&mut self, key: Values, user: &str) -> Result<bool, TableError> {
        value::check(&key, &self.table.definition, Part::Key)?;
        let held = store::get(self.tx, &self.table, &key_hash(&self.table.definition, &key))?;
        let Some(held) = held.filter(|held| held.state == State::Live) else { return Ok(false) };
        let row = Row { values: key, state: State::Deleted, mtime: self.now, owner: held.owner };
        self.write_own(row, user)
    }

    /// Takes in a row that came from a peer, if it is newer than what is held.
    pub fn merge(&mut self, row: &Row, authority: Authority<'_>) -> Result<Merged, TableError> {
        if row.mtime > self.now.saturating_add(MAX_AHEAD_MS) {
            return Err(TableError::TooFarAhead(row.mtime));
        }
        let key = row.key(&self.table.definition);
        self.allow(&key, row, authority)?;
        let held = store::version(self.tx, &self.table.name, &key)?;
        let version = row.version();
        let is_newer = held.is_none_or(|held| held < version);
        let gives_way =
            !is_newer && authority == Authority::Verdict && self.other_owner(&key, row)?.is_some();
        if !is_newer && !gives_way || held.is_none() && self.is_past(row) {
            return Ok(Merged::Kept);
        }
        if gives_way {
            self.give_way(&key)?;
        }
        self.write(&key, row, held)?;
        Ok(Merged::Stored)
    }

    /// Brings digests and counts up to date.
    pub fn finish(self) -> Result<(), RepoError> {
        if self.changed == 0 {
            return Ok(());
        }
        digest::refresh(self.tx, &self.table.name)?;
        self.tx
            .prepared("UPDATE fx_frond_table SET rows=?2 WHERE name=?1")?
            .execute((self.table.name.as_str(), self.table.rows as i64))?;
        Ok(())
    }

    /// Writes what is made here: always newer than what it replaces, whatever the clock says.
    fn write_own(&mut self, mut row: Row, user: &str) -> Result<bool, TableError> {
        let key = row.key(&self.table.definition);
        self.allow(&key, &row, Authority::User(user))?;
        let held = store::version(self.tx, &self.table.name, &key)?;
        if let Some(held) = held {
            if held.hash == row.version().hash {
                return Ok(false);
            }
            row.mtime = row.mtime.max(held.mtime.saturating_add(1));
        }
        self.write(&key, &row, held)?;
        Ok(true)
    }

    /// Whether the table's rule lets this row in.
    fn allow(&self, key: &ArtifactId, row: &Row, authority: Authority<'_>) -> Result<(), TableError> {
        let rule = self.table.definition.rule();
        if row.owner.is_some() != (rule == Rule::Owner) {
            return Err(TableError::OwnerMismatch);
        }
        let user = match authority {
            Authority::Administrator if rule == Rule::Owner => {
                let other = self.other_owner(key, row)?;
                return other.map_or(Ok(()), |owner| Err(TableError::NotTheOwner(owner)));
            }
            Authority::Administrator | Authority::Peer | Authority::Verdict => return Ok(()),
            Authority::User(user) => Some(user).filter(|user| !user.is_empty()),
            Authority::Nobody => None,
        };
        let owner = match rule {
            Rule::LastWriter => return Ok(()),
            Rule::Own => self.named_in_key(row),
            Rule::Owner => {
                let held = store::get(self.tx, &self.table, key)?.and_then(|held| held.owner);
                match held {
                    Some(held) if user != Some(held.as_str()) => Some(held),
                    _ => row.owner.clone(),
                }
            }
        };
        match (user, owner) {
            (None, _) => Err(TableError::NeedsLogin),
            (Some(user), Some(owner)) if user == owner => Ok(()),
            (Some(_), owner) => Err(TableError::NotTheOwner(owner.unwrap_or_default())),
        }
    }

    /// Whose the row is that is held, if it belongs to another user than this one.
    fn other_owner(&self, key: &ArtifactId, row: &Row) -> Result<Option<String>, RepoError> {
        let held = store::get(self.tx, &self.table, key)?.filter(|held| held.owner != row.owner);
        Ok(held.map(|held| held.owner.unwrap_or_default()))
    }

    /// Notes that what is held gives way to what is older.
    fn give_way(&self, key: &ArtifactId) -> Result<(), TableError> {
        if verdict::count(self.tx, &self.table.name, key)? >= MAX_VERDICTS {
            return Err(TableError::Contested);
        }
        Ok(verdict::note(self.tx, &self.table.name, key)?)
    }

    /// The user whose row it is where the rule is self.
    fn named_in_key(&self, row: &Row) -> Option<String> {
        match row.values.get(&self.table.definition.keys().first()?.name)? {
            Value::Text(user) => Some(user.clone()),
            _ => None,
        }
    }

    fn write(&mut self, key: &ArtifactId, row: &Row, held: Option<Version>) -> Result<(), TableError> {
        if held.is_none() {
            if self.table.rows >= MAX_ROWS {
                return Err(TableError::TooManyRows(self.table.name.clone()));
            }
            self.table.rows += 1;
        }
        store::put(self.tx, &self.table, key, row)?;
        self.touch(key)?;
        Ok(())
    }

    fn touch(&mut self, key: &ArtifactId) -> Result<(), RepoError> {
        self.changed += 1;
        digest::drop_path(self.tx, &self.table.name, key)
    }

    fn is_past(&self, row: &Row) -> bool {
        row.state == State::Deleted && row.mtime < self.now.saturating_sub(HORIZON_MS)
    }

    fn expire(&mut self) -> Result<(), RepoError> {
        let horizon = self.now.saturating_sub(HORIZON_MS);
        let due = store::tombstones_before(self.tx, &self.table.name, horizon, MAX_ROWS)?;
        for key in &due {
            store::forget(self.tx, &self.table.name, key)?;
            self.table.rows = self.table.rows.saturating_sub(1);
            self.touch(key)?;
        }
        if due.is_empty() { Ok(()) } else { verdict::tidy(self.tx, &self.table.name) }
    }
}

/// Whether a table has tombstones past the horizon, which the next [`Writer`] takes out.
pub fn are_tombstones_due(
    snap: &Snapshot<'_>,
    table: &SyncedTable,
    now: UnixTime,
) -> Result<bool, RepoError> {
    let horizon = now.0.saturating_sub(HORIZON_MS);
    Ok(!store::tombstones_before(snap, &table.name, horizon, 1)?.is_empty())
}
