//! Names in the cards of synced tables, which only Frond peers exchange.

mod key_prefix;
mod sql_name;

pub use key_prefix::KeyPrefix;
pub use sql_name::{SqlName, SqlNameError};
