//! Cards and pragmas of synced tables.

use bytes::Bytes;

use super::{KeyPrefix, SqlName};
use crate::ArtifactId;

/// One card about a synced table. Only peers that said `pragma x-tables` are sent one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableCard {
    /// `schema TABLE VERSION HASH MTIME SIZE` with the definition.
    Schema(Schema),
    /// `xigot TABLE KEY MTIME HASH`: the sender holds this version of a row, or of its tombstone.
    Igot(RowIgot),
    /// `xgimme TABLE KEY`: send it.
    Gimme(RowGimme),
    /// `xrow TABLE KEY MTIME SIZE [OWNER]` with the row.
    Row(RowCard),
    /// `xdelete TABLE KEY MTIME SIZE [OWNER]` with the key: the row is deleted.
    Delete(RowCard),
}

/// `schema`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// Which table.
    pub table: SqlName,
    /// How the definition is written: 1.
    pub version: u32,
    /// SHA-1 of the definition.
    pub hash: ArtifactId,
    /// When it was last changed, in milliseconds since 1970.
    pub mtime: i64,
    /// Columns and conflict rule, as JSON.
    pub json: Bytes,
}

/// `xigot`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowIgot {
    /// Which table.
    pub table: SqlName,
    /// Hash of the row's key.
    pub key: ArtifactId,
    /// When it was written or deleted, in milliseconds since 1970.
    pub mtime: i64,
    /// Hash of the rest of it.
    pub hash: ArtifactId,
}

/// `xgimme`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowGimme {
    /// Which table.
    pub table: SqlName,
    /// Hash of the row's key.
    pub key: ArtifactId,
}

/// `xrow` and `xdelete`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowCard {
    /// Which table.
    pub table: SqlName,
    /// Hash of the row's key.
    pub key: ArtifactId,
    /// When it was written or deleted, in milliseconds since 1970.
    pub mtime: i64,
    /// Whose row it is, in a table where rows have owners. Not empty.
    pub owner: Option<String>,
    /// The row, or its key, as a JSON object.
    pub json: Bytes,
}

/// One pragma about synced tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TablePragma {
    /// `x-tables VERSION`: the sender knows these cards; 1 is what is written here. From a client it begins an
    /// exchange, and the hashes of all its tables go with it.
    Known(u32),
    /// `xtable-hash TABLE HASH`: definition and rows of a whole table.
    Hash {
        /// Which table.
        table: SqlName,
        /// Their hash; none (`-`) if there is no such table.
        hash: Option<ArtifactId>,
    },
    /// `xtable-node TABLE PREFIX HASH`: the rows whose key hash begins so.
    Node {
        /// Which table.
        table: SqlName,
        /// How the key hashes begin.
        prefix: KeyPrefix,
        /// Digest of the rows; none (`-`) if there are none.
        hash: Option<ArtifactId>,
    },
    /// `xtable-list TABLE PREFIX`: the `xigot` cards of this message name all rows whose key hash begins so.
    List {
        /// Which table.
        table: SqlName,
        /// How the key hashes begin.
        prefix: KeyPrefix,
    },
}

impl TableCard {
    pub(crate) fn payload_bytes(&self) -> usize {
        match self {
            Self::Schema(schema) => schema.json.len(),
            Self::Row(row) | Self::Delete(row) => row.json.len(),
            Self::Igot(_) | Self::Gimme(_) => 0,
        }
    }
}
