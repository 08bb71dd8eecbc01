//! Synced tables: rows that Frond peers keep in step beside the artifacts. No stock peer sees any of this but
//! pragmas, which it ignores.

mod card;
mod key_prefix;
mod sql_name;

pub use card::{RowCard, RowGimme, RowIgot, Schema, TableCard, TablePragma};
pub use key_prefix::{KeyPrefix, KeyPrefixError};
pub use sql_name::{SqlName, SqlNameError};
