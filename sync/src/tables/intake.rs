//! Definitions and rows that came.

use std::collections::{BTreeMap, BTreeSet};

use repo::table::{self, Authority, Definition, DefinitionError, Merged, Row, State, TableError, Writer};
use repo::{RepoError, Tx, UnixTime};
use xfer::table::{RowCard, Schema, TableCard};
use xfer::{ArtifactId, SqlName, hash};

use super::Heard;

/// What became of them.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    /// Rows that are held now.
    pub(crate) stored: BTreeMap<SqlName, u64>,
    /// Bytes of the rows that came, as JSON.
    pub(crate) bytes: u64,
    /// Rows that belong to somebody else than who sent them.
    pub(super) disputed: Vec<(SqlName, ArtifactId)>,
    /// Tables whose definition was refused.
    pub(super) blocked: BTreeSet<SqlName>,
    refused: BTreeMap<SqlName, Refused>,
}

/// Rows of one table that were refused.
#[derive(Debug)]
struct Refused {
    rows: u64,
    /// Why the first was.
    reason: String,
}

/// Takes in what a message brings. What can not be taken is told, and the rest is kept.
pub(crate) fn take_in<'a>(
    tx: &Tx<'_>,
    heard: &Heard<'_>,
    authority: impl Fn(&RowCard) -> Authority<'a>,
    now: UnixTime,
) -> Result<Intake, RepoError> {
    let mut intake = Intake::default();
    let mut writers = BTreeMap::new();
    for card in &heard.changes {
        let (name, outcome) = match card {
            TableCard::Schema(schema) => {
                // The writer knows the old columns.
                finish(writers.remove(&schema.table))?;
                (&schema.table, intake.define(tx, schema))
            }
            TableCard::Row(row) | TableCard::Delete(row) => {
                let state = if matches!(card, TableCard::Row(_)) { State::Live } else { State::Deleted };
                intake.bytes += row.json.len() as u64;
                (&row.table, intake.merge(tx, &mut writers, row, state, authority(row), now))
            }
            TableCard::Igot(_) | TableCard::Gimme(_) => continue,
        };
        match outcome {
            Ok(()) => {}
            Err(TableError::Repo(error)) => return Err(error),
            Err(error) => intake.refuse(name, &error),
        }
    }
    writers.into_values().try_for_each(Writer::finish)?;
    Ok(intake)
}

fn finish(writer: Option<Writer<'_, '_>>) -> Result<(), RepoError> {
    writer.map_or(Ok(()), Writer::finish)
}

/// Reads a definition.
pub(super) fn definition(schema: &Schema) -> Result<Definition, TableError> {
    let definition = Definition::parse(&schema.json);
    let canonical = |read: &Definition| schema.version == 1 && read.to_json().as_bytes() == &schema.json[..];
    match definition {
        Ok(definition) if canonical(&definition) && hash::sha1(&schema.json) == schema.hash => Ok(definition),
        other => {
            let reason =
                other.err().unwrap_or_else(|| DefinitionError::Json("not in its only form".to_owned()));
            Err(TableError::Definition { table: schema.table.clone(), reason })
        }
    }
}

impl Intake {
    /// What was refused, for people.
    pub(crate) fn complaints(&self) -> impl Iterator<Item = String> {
        self.refused.iter().map(|(name, refused)| match refused.rows {
            0 => refused.reason.clone(),
            1 => format!("table {name}: a row was refused: {}", refused.reason),
            rows => format!("table {name}: {rows} rows were refused, the first: {}", refused.reason),
        })
    }

    fn define(&mut self, tx: &Tx<'_>, schema: &Schema) -> Result<(), TableError> {
        let defined =
            definition(schema).and_then(|read| table::define(tx, &schema.table, &read, schema.mtime));
        if defined.is_err() {
            self.blocked.insert(schema.table.clone());
        }
        defined.map(|_| ())
    }

    fn merge<'t, 'r>(
        &mut self,
        tx: &'t Tx<'r>,
        writers: &mut BTreeMap<SqlName, Writer<'t, 'r>>,
        card: &RowCard,
        state: State,
        authority: Authority<'_>,
        now: UnixTime,
    ) -> Result<(), TableError> {
        if self.blocked.contains(&card.table) {
            return Ok(());
        }
        let writer = match writers.get_mut(&card.table) {
            Some(writer) => writer,
            None => writers.entry(card.table.clone()).or_insert(Writer::open(tx, &card.table, now)?),
        };
        let definition = &writer.table().definition;
        let row = Row::parse(definition, &card.key, state, card.mtime, card.owner.clone(), &card.json)?;
        match writer.merge(&row, authority) {
            Ok(Merged::Stored) => *self.stored.entry(card.table.clone()).or_default() += 1,
            Ok(Merged::Kept) => {}
            Err(error @ TableError::NotTheOwner(_)) => {
                let held = table::get(tx, writer.table(), &card.key)?;
                if held.is_some_and(|held| held.owner != row.owner) {
                    self.disputed.push((card.table.clone(), card.key));
                }
                return Err(error);
            }
            // After a full disk nothing of the transaction is there to be asked.
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn refuse(&mut self, name: &SqlName, error: &TableError) {
        let is_row = !self.blocked.contains(name);
        let refused = self.refused.entry(name.clone());
        refused.or_insert_with(|| Refused { rows: 0, reason: error.to_string() }).rows += u64::from(is_row);
    }
}
