//! One Fossil repository file: artifacts, deltas, derived tables.
//!
//! SQLite is the only I/O, calls block, time is passed in. [`Repo`] is the file; a [`Snapshot`] reads it,
//! and only a [`Tx`] changes it. Everything else is free functions in modules named for Fossil's terms, so
//! that a call names its layer: `content::get(&tx, rid)`.
//!
//! ```text
//!   repo, tx, schema        the file, transactions, tables; hold: one that is used again and again
//!   blob, content, delta    names, bytes, deltas
//!   ingest                  store -> expand -> verify -> link: the one way in for artifacts
//!   manifest                structural artifacts: parse and write
//!   checkin, author        making check-ins and other artifacts
//!   crosslink, tag          structural artifacts -> derived tables
//!   table                   rows that peers keep in step beside the artifacts
//!   rebuild, verify         derived tables anew; findings
//! ```

pub mod author;
pub mod blob;
pub mod branch;
mod cache;
pub mod census;
pub mod checkin;
pub mod cluster;
pub mod config;
pub mod configuration;
pub mod content;
pub mod crosslink;
mod dangling;
pub mod delta;
pub mod deltify;
pub mod derived;
pub mod error;
pub mod history;
mod hold;
pub mod ingest;
mod known;
mod lines;
pub mod link;
pub mod lock;
pub mod manifest;
pub mod markup;
pub mod outgoing;
pub mod partial;
pub mod private;
pub mod rebuild;
pub mod repo;
mod sandbox;
pub mod schema;
pub mod shun;
pub mod table;
pub mod tag;
#[cfg(test)]
mod testing;
pub mod text;
pub mod time;
pub mod tx;
pub mod unclustered;
pub mod unsent;
pub mod unversioned;
pub mod user;
pub mod verify;
pub mod wanted;
pub mod zlib;

pub use blob::{Presence, Rid};
pub use cache::CacheUse;
pub use error::RepoError;
pub use repo::{Genesis, Limits, Repo, write_back};
pub use text::Text;
pub use time::UnixTime;
pub use tx::{Origin, Snapshot, Tx};
