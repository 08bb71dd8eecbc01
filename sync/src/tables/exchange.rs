//! What one side says of a part of a table: the same on both.

use std::collections::BTreeMap;

use repo::table::{self, BUCKET_ROWS, Row, State, SyncedTable, Version};
use repo::{RepoError, Snapshot};
use xfer::table::{RowCard, RowGimme, RowIgot, Schema, TableCard, TablePragma};
use xfer::{ArtifactId, Card, KeyPrefix, Pragma, SqlName, hash};

use super::Flow;

/// Bytes that a card takes besides its payload, about.
const CARD_BYTES: u64 = 160;

/// Cards about tables, up to a budget.
pub(super) struct Exchange<'a> {
    snap: &'a Snapshot<'a>,
    flow: Flow,
    room: u64,
    bytes: u64,
    pub(super) cards: Vec<Card>,
    /// Rows among them.
    pub(super) sent: Vec<(SqlName, ArtifactId)>,
    /// Rows asked for, and the version that the peer has.
    pub(super) asked: Vec<(SqlName, ArtifactId, Version)>,
}

/// Whether there was room for everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    All,
    /// Not for what comes after this key; for nothing if there is none.
    Cut(Option<ArtifactId>),
}

impl<'a> Exchange<'a> {
    pub(super) fn new(snap: &'a Snapshot<'a>, flow: Flow, room: u64) -> Self {
        Self {
            snap,
            flow,
            room: room.max(1),
            bytes: 0,
            cards: Vec::new(),
            sent: Vec::new(),
            asked: Vec::new(),
        }
    }

    /// Says which definition a table has.
    pub(super) fn schema(&mut self, table: &SyncedTable) {
        let json = table.definition.to_json();
        let hash = hash::sha1(json.as_bytes());
        let (name, mtime) = (table.name.clone(), table.mtime.max(0));
        self.card(TableCard::Schema(Schema { table: name, version: 1, hash, mtime, json: json.into() }));
    }

    /// Says how a part looks here to a peer where it has the digest `theirs`.
    pub(super) fn compare(
        &mut self,
        table: &SyncedTable,
        prefix: &KeyPrefix,
        theirs: Option<&ArtifactId>,
    ) -> Result<Fit, RepoError> {
        let ours = table::digest(self.snap, &table.name, prefix)?;
        match (ours, theirs) {
            (ours, theirs) if ours.as_ref() == theirs => Ok(Fit::All),
            (_, None) if self.flow.gives => self.answer(table, prefix, &BTreeMap::new(), None),
            (_, None) => Ok(Fit::All),
            _ => self.describe(table, prefix),
        }
    }

    /// Says how a part looks here to a peer where it looks otherwise, and is not empty.
    pub(super) fn describe(&mut self, table: &SyncedTable, prefix: &KeyPrefix) -> Result<Fit, RepoError> {
        if self.room == 0 {
            return Ok(Fit::Cut(None));
        }
        let rows = table::versions_under(self.snap, &table.name, prefix, BUCKET_ROWS + 1)?;
        if rows.is_empty() {
            if self.flow.takes {
                self.node(&table.name, prefix, None);
            }
        } else if rows.len() <= BUCKET_ROWS {
            let name = table.name.clone();
            self.pragma(TablePragma::List { table: name, prefix: prefix.clone() });
            for (key, Version { mtime, hash }) in rows {
                self.card(TableCard::Igot(RowIgot { table: table.name.clone(), key, mtime, hash }));
            }
        } else {
            for child in prefix.children() {
                let digest = table::digest(self.snap, &table.name, &child)?;
                self.node(&table.name, &child, digest);
            }
        }
        Ok(Fit::All)
    }

    /// Says which digest a part has here, to a peer where it has another, so that the peer lists it. Of nothing too there
    /// is a digest then: to who has nothing rows are sent unasked.
    pub(super) fn name(&mut self, table: &SyncedTable, prefix: &KeyPrefix) -> Result<Fit, RepoError> {
        if self.room == 0 {
            return Ok(Fit::Cut(None));
        }
        let ours = table::digest(self.snap, &table.name, prefix)?.unwrap_or_else(|| hash::sha1(b""));
        self.node(&table.name, prefix, Some(ours));
        Ok(Fit::All)
    }

    /// Asks for what is older here than in a list of rows that the peer has.
    pub(super) fn ask(
        &mut self,
        table: &SyncedTable,
        theirs: &BTreeMap<ArtifactId, Version>,
    ) -> Result<Fit, RepoError> {
        for (key, version) in theirs {
            if self.gimme(table, *key, *version)? != Fit::All {
                return Ok(Fit::Cut(None));
            }
        }
        Ok(Fit::All)
    }

    /// Answers a list of all rows that the peer has of a part with what is newer here, from the row after `after`
    /// on.
    pub(super) fn answer(
        &mut self,
        table: &SyncedTable,
        prefix: &KeyPrefix,
        theirs: &BTreeMap<ArtifactId, Version>,
        after: Option<ArtifactId>,
    ) -> Result<Fit, RepoError> {
        if !self.flow.gives {
            return Ok(Fit::All);
        }
        let (snap, mut last, mut fit) = (self.snap, after, Fit::All);
        table::under(snap, table, prefix, after.as_ref(), &mut |key, row| {
            if theirs.get(&key).is_none_or(|theirs| *theirs < row.version()) {
                if self.room == 0 {
                    fit = Fit::Cut(last);
                    return false;
                }
                self.row(&table.name, key, row);
            }
            last = Some(key);
            true
        })?;
        Ok(fit)
    }

    /// Sends the row under a key, if there is one.
    pub(super) fn send(&mut self, table: &SyncedTable, key: &ArtifactId) -> Result<Fit, RepoError> {
        if self.room == 0 {
            return Ok(Fit::Cut(None));
        }
        if let Some(row) = table::get(self.snap, table, key)? {
            self.row(&table.name, *key, row);
        }
        Ok(Fit::All)
    }

    /// Asks for a row, unless this version of it, or a newer one, is here.
    pub(super) fn gimme(
        &mut self,
        table: &SyncedTable,
        key: ArtifactId,
        version: Version,
    ) -> Result<Fit, RepoError> {
        let held = table::version(self.snap, &table.name, &key)?;
        if !self.flow.takes || held.is_some_and(|held| held >= version) {
            return Ok(Fit::All);
        }
        if self.room == 0 {
            return Ok(Fit::Cut(None));
        }
        self.card(TableCard::Gimme(RowGimme { table: table.name.clone(), key }));
        self.asked.push((table.name.clone(), key, version));
        Ok(Fit::All)
    }

    /// Says which digest a part has here.
    pub(super) fn node(&mut self, name: &SqlName, prefix: &KeyPrefix, hash: Option<ArtifactId>) {
        self.pragma(TablePragma::Node { table: name.clone(), prefix: prefix.clone(), hash });
    }

    pub(super) fn pragma(&mut self, pragma: TablePragma) {
        self.push(Card::Pragma(Pragma::Table(pragma)));
    }

    /// Bytes of all cards, about.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn row(&mut self, name: &SqlName, key: ArtifactId, row: Row) {
        self.sent.push((name.clone(), key));
        let json = row.to_json().into();
        let card = RowCard { table: name.clone(), key, mtime: row.mtime, owner: row.owner, json };
        self.card(match row.state {
            State::Live => TableCard::Row(card),
            State::Deleted => TableCard::Delete(card),
        });
    }

    fn card(&mut self, card: TableCard) {
        self.push(Card::Table(card));
    }

    fn push(&mut self, card: Card) {
        let bytes = CARD_BYTES + card.payload_bytes() as u64;
        self.room = self.room.saturating_sub(bytes);
        self.bytes += bytes;
        self.cards.push(card);
    }
}
