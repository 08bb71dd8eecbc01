//! What a repository has beside artifacts and files, read by SQL of the simulator's own: only of the features that a
//! run has.

pub mod locks;
pub mod records;
pub mod tables;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use repo::{Repo, RepoError};
use rusqlite::types::ValueRef;

use self::locks::Locks;
use self::records::Records;
use self::tables::Tables;
use crate::feature::Feature;

/// What a repository had at some moment, after a commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beside {
    /// Synced tables.
    pub tables: Tables,
    /// Check-in locks.
    pub locks: Locks,
    /// Settings, users and the like.
    pub records: Records,
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
        if features.contains(&Feature::Configuration) || features.contains(&Feature::Users) {
            beside.records = records::read(&snap)?;
        }
        Ok(beside)
    }
}

/// A value of SQL, so that two are told apart whatever they are.
pub fn shown(value: ValueRef<'_>) -> String {
    let mut text = String::new();
    show(value, &mut text);
    text
}

/// Adds what [`shown`] gives.
fn show(value: ValueRef<'_>, text: &mut String) {
    let _ = match value {
        ValueRef::Null => write!(text, "null"),
        ValueRef::Integer(number) => write!(text, "i{number}"),
        ValueRef::Real(number) => write!(text, "r{:016x}", number.to_bits()),
        ValueRef::Text(bytes) => {
            text.push('t');
            text.push_str(&String::from_utf8_lossy(bytes));
            Ok(())
        }
        ValueRef::Blob(bytes) => {
            text.push('b');
            text.extend(bytes.iter().map(|&byte| char::from(byte)));
            Ok(())
        }
    };
}
