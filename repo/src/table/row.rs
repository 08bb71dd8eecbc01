//! One row, and which of two versions of it is newer.

use xfer::{ArtifactId, hash};

use super::value::{check, from_json, push_bytes, push_framed, to_json};
use super::{Definition, MAX_ROW_BYTES, Part, TableError, Values};

/// A row, or the tombstone of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What is not NULL; of a tombstone the key alone.
    pub values: Values,
    /// Whether it is a tombstone.
    pub state: State,
    /// When it was written or deleted, in milliseconds since 1970.
    pub mtime: i64,
    /// Who wrote it first, in a table with conflict rule owner; none in the others.
    pub owner: Option<String>,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is there.
    Live,
    /// It was deleted.
    Deleted,
}

/// What tells two contents of a row apart. The greater one stays, on every peer: the newer; of two that are
/// equally old the one with the greater hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// As in [`Row`].
    pub mtime: i64,
    /// SHA-1 of everything else that a row has.
    pub hash: ArtifactId,
}

impl Row {
    /// Reads a row from the payload of a card; `key` is what the card says its key hashes to.
    pub fn parse(
        definition: &Definition,
        key: &ArtifactId,
        state: State,
        mtime: i64,
        owner: Option<String>,
        json: &[u8],
    ) -> Result<Self, TableError> {
        if json.len() > MAX_ROW_BYTES {
            return Err(TableError::RowTooLong(json.len()));
        }
        let values = from_json(json, definition, state.part())?;
        let row = Self { values, state, mtime, owner };
        if row.key(definition) != *key {
            return Err(TableError::WrongKey(*key));
        }
        Ok(row)
    }

    /// Checks a row that is made here.
    pub(super) fn check(&self, definition: &Definition) -> Result<(), TableError> {
        check(&self.values, definition, self.state.part())?;
        match self.to_json().len() {
            bytes if bytes > MAX_ROW_BYTES => Err(TableError::RowTooLong(bytes)),
            _ => Ok(()),
        }
    }

    /// The values as a JSON object.
    pub fn to_json(&self) -> String {
        to_json(&self.values)
    }

    /// Names the row within its table: SHA-1 of its key.
    pub fn key(&self, definition: &Definition) -> ArtifactId {
        key_hash(definition, &self.values)
    }

    /// Which version of the row this is.
    pub fn version(&self) -> Version {
        let mut bytes = vec![match self.state {
            State::Live => b'l',
            State::Deleted => b'd',
        }];
        push_framed(self.owner.as_deref().unwrap_or_default().as_bytes(), &mut bytes);
        push_bytes(&self.values, &mut bytes);
        Version { mtime: self.mtime, hash: hash::sha1(&bytes) }
    }
}

/// The hash of the key that `values` hold.
pub(super) fn key_hash(definition: &Definition, values: &Values) -> ArtifactId {
    let mut key = values.clone();
    key.retain(|name, _| definition.keys().iter().any(|column| column.name == *name));
    let mut bytes = Vec::new();
    push_bytes(&key, &mut bytes);
    hash::sha1(&bytes)
}

impl State {
    fn part(self) -> Part {
        match self {
            Self::Live => Part::Row,
            Self::Deleted => Part::Key,
        }
    }
}
