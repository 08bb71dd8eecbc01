//! What a repository has beside artifacts and files, read by SQL of the simulator's own: only of the features that a
//! run has.

pub mod locks;
pub mod tables;

use std::collections::BTreeSet;

use repo::{Repo, RepoError};
use rusqlite::types::ValueRef;

use self::locks::Locks;
use self::tables::Tables;
use crate::feature::Feature;

/// What a repository had at some moment, after a commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beside {
    /// Synced tables.
    pub tables: Tables,
    /// Check-in locks.
    pub locks: Locks,
}

impl Beside {
    /// Reads a repository.
    pub fn read(repo: &mut Repo, features: &BTreeSet<Feature>) -> Result<Self, RepoError> {
        let mut beside = Self::default();
        let snap = repo.snapshot()?;
        if features.contains(&Feature::Tables) {
            beside.tables = tables::read(&snap)?;
        }
        if features.contains(&Feature::Locks) {
            beside.locks = locks::read(&snap)?;
        }
        Ok(beside)
    }
}

/// A value of SQL, so that two are told apart whatever they are.
pub fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(number) => format!("i{number}"),
        ValueRef::Real(number) => format!("r{:016x}", number.to_bits()),
        ValueRef::Text(text) => format!("t{}", String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => format!("b{bytes:?}"),
    }
}
