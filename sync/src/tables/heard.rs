//! What one message says about synced tables.

use std::collections::{BTreeMap, BTreeSet};

use repo::table::Version;
use xfer::table::{RowGimme, TableCard, TablePragma};
use xfer::{ArtifactId, KeyPrefix, SqlName};

use super::VERSION;

/// Digests, lists, and `xgimme` cards that are taken of one message; what comes after them is passed over.
const MAX_LINES: usize = 10_000;
/// `xigot` cards that are taken of one message.
const MAX_IGOTS: usize = 32 * MAX_LINES;

/// The cards and pragmas, sorted by what they are for.
#[derive(Debug, Default)]
pub(crate) struct Heard<'m> {
    /// Whether the peer said that it knows these cards.
    pub(super) is_known: bool,
    /// Of whole tables.
    pub(super) hashes: BTreeMap<&'m SqlName, Option<ArtifactId>>,
    /// Of parts of tables.
    pub(super) nodes: Vec<(&'m SqlName, &'m KeyPrefix, Option<ArtifactId>)>,
    /// Parts whose rows are all among `igots`.
    pub(super) lists: Vec<(&'m SqlName, &'m KeyPrefix)>,
    /// The same, to find what is listed already.
    listed: BTreeSet<(&'m SqlName, &'m str)>,
    pub(super) igots: BTreeMap<&'m SqlName, BTreeMap<ArtifactId, Version>>,
    pub(super) gimmes: Vec<&'m RowGimme>,
    /// Definitions and rows, in their order.
    pub(super) changes: Vec<&'m TableCard>,
    igot_count: usize,
}

impl<'m> Heard<'m> {
    /// Tables that a server says it holds otherwise, or not at all: in answer to the hashes of whole tables.
    pub(crate) fn differing(&self) -> BTreeSet<SqlName> {
        let defined = self.changes.iter().filter_map(|card| match card {
            TableCard::Schema(schema) => Some(&schema.table),
            _ => None,
        });
        let lacking = self.hashes.iter().filter(|(_, hash)| hash.is_none()).map(|(name, _)| *name);
        defined.chain(lacking).cloned().collect()
    }

    /// Whether it brings rows of a part of a table.
    pub(super) fn brings_rows_under(&self, name: &SqlName, prefix: &KeyPrefix) -> bool {
        self.rows().any(|(table, key)| table == *name && key.to_string().starts_with(prefix.as_str()))
    }

    /// Takes a card.
    pub(crate) fn card(&mut self, card: &'m TableCard) {
        match card {
            TableCard::Schema(_) | TableCard::Row(_) | TableCard::Delete(_) => self.changes.push(card),
            TableCard::Gimme(gimme) if self.gimmes.len() < MAX_LINES => self.gimmes.push(gimme),
            TableCard::Igot(igot) if self.igot_count < MAX_IGOTS => {
                self.igot_count += 1;
                let version = Version { mtime: igot.mtime, hash: igot.hash };
                self.igots.entry(&igot.table).or_default().insert(igot.key, version);
            }
            TableCard::Gimme(_) | TableCard::Igot(_) => {}
        }
    }

    /// Takes a pragma.
    pub(crate) fn pragma(&mut self, pragma: &'m TablePragma) {
        match pragma {
            TablePragma::Known(version) => self.is_known |= *version >= VERSION,
            TablePragma::Hash { table, hash } if self.hashes.len() < MAX_LINES => {
                self.hashes.insert(table, *hash);
            }
            TablePragma::Node { table, prefix, hash } if self.nodes.len() < MAX_LINES => {
                self.nodes.push((table, prefix, *hash));
            }
            TablePragma::List { table, prefix }
                if self.lists.len() < MAX_LINES && !self.is_listed(table, prefix) =>
            {
                self.lists.push((table, prefix));
                self.listed.insert((table, prefix.as_str()));
            }
            TablePragma::Hash { .. } | TablePragma::Node { .. } | TablePragma::List { .. } => {}
        }
    }

    /// Whether a part, or one that it belongs to, is listed already: each is answered once.
    fn is_listed(&self, table: &SqlName, prefix: &KeyPrefix) -> bool {
        prefixes(prefix.as_str()).any(|prefix| self.listed.contains(&(table, prefix)))
    }

    /// Whether a client begins to compare tables.
    pub(crate) fn begins(&self) -> bool {
        self.is_known
    }

    /// Whether it brings definitions or rows.
    pub(crate) fn brings_rows(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Rows that it brings, by table and key.
    pub(super) fn rows(&self) -> impl Iterator<Item = (SqlName, ArtifactId)> + '_ {
        self.changes.iter().filter_map(|card| match card {
            TableCard::Row(row) | TableCard::Delete(row) => Some((row.table.clone(), row.key)),
            TableCard::Schema(_) | TableCard::Igot(_) | TableCard::Gimme(_) => None,
        })
    }

    /// The versions that are listed of a part.
    pub(super) fn listed(&self, table: &SqlName, prefix: &KeyPrefix) -> BTreeMap<ArtifactId, Version> {
        let Some(igots) = self.igots.get(table) else { return BTreeMap::new() };
        let (first, last) = prefix.range();
        let range = ArtifactId::sha1(first)..=ArtifactId::sha1(last);
        igots.range(range).map(|(key, version)| (*key, *version)).collect()
    }
}

/// The digits of the parts that a part or a key belongs to, the whole table first and itself last.
pub(super) fn prefixes(digits: &str) -> impl Iterator<Item = &str> {
    (0..=digits.len()).map(|length| &digits[..length])
}
