//! Why a table or a row is refused.

use xfer::{ArtifactId, SqlName};

use super::{DefinitionError, MAX_ROW_BYTES, MAX_ROWS, MAX_TABLES, Type};
use crate::RepoError;

/// Says why. All but [`TableError::Repo`] are about what was asked for: the file is sound, and nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file failed.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// No such table.
    #[error("there is no synced table {0}")]
    NoTable(SqlName),
    /// Too many tables.
    #[error("a repository has at most {MAX_TABLES} synced tables")]
    TooManyTables,
    /// A definition that does not go with the one that is held.
    #[error("table {table}: {reason}")]
    Definition {
        /// Which.
        table: SqlName,
        /// Why.
        reason: DefinitionError,
    },
    /// A row that is not the JSON of a row.
    #[error("no row: {0}")]
    Json(String),
    /// A value for a column that the table does not have.
    #[error("the table has no column {0:?}")]
    UnknownColumn(String),
    /// Two values for a column.
    #[error("column {0} is given twice")]
    RepeatedColumn(SqlName),
    /// A value of another type than the column's.
    #[error("column {column} takes {wanted}")]
    WrongType {
        /// Which.
        column: SqlName,
        /// What it takes.
        wanted: Type,
    },
    /// A value beside the key, where a row is deleted or looked up.
    #[error("column {0} is no part of the key")]
    NotInKey(SqlName),
    /// A key without a value.
    #[error("column {0} is part of the key and must have a value")]
    NoKey(SqlName),
    /// A row under a hash that is not its key's.
    #[error("a row came under the hash of another key, {0}")]
    WrongKey(ArtifactId),
    /// Too long.
    #[error("the row has {0} bytes, the limit is {MAX_ROW_BYTES}")]
    RowTooLong(usize),
    /// Too many rows.
    #[error("table {0} has {MAX_ROWS} rows, and takes no more")]
    TooManyRows(SqlName),
    /// A clock that runs far ahead.
    #[error("the row is dated {0} ms after 1970, which is too far in the future")]
    TooFarAhead(i64),
    /// Another user's row.
    #[error("the row belongs to {0:?}")]
    NotTheOwner(String),
    /// Several servers say several users' of one row, time and again.
    #[error("servers disagree whose row it is")]
    Contested,
    /// An owner where there are none, or none where there must be one.
    #[error("a row names its owner exactly if the table's conflict rule is owner")]
    OwnerMismatch,
    /// Nobody in particular writes a row that must belong to somebody.
    #[error("only a user who is logged in may write to this table")]
    NeedsLogin,
}

impl From<rusqlite::Error> for TableError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Repo(error.into())
    }
}
