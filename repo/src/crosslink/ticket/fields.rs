//! Columns of tickets, which a project chooses, and what changes put into them.

use std::collections::BTreeMap;

use rusqlite::hooks::AuthAction;
use rusqlite::params_from_iter;
use rusqlite::types::Value;

use crate::manifest::TicketChange;
use crate::{RepoError, Rid, Text, Tx, UnixTime, sandbox};

/// The columns of both tables.
pub(super) struct Columns {
    ticket: Vec<String>,
    changes: Vec<String>,
    /// What fields of a ticket have before any change sets them.
    defaults: BTreeMap<String, Text>,
}

impl Columns {
    pub(super) fn of(tx: &Tx<'_>) -> Result<Self, RepoError> {
        let of = |table: &str| -> Result<Vec<String>, RepoError> {
            let mut statement = tx.prepared("SELECT name FROM pragma_table_info(?1)")?;
            Ok(statement.query_map([table], |row| row.get(0))?.collect::<Result<_, _>>()?)
        };
        Ok(Self { ticket: of("ticket")?, changes: of("ticketchng")?, defaults: defaults(tx)? })
    }

    /// Whether single changes are recorded.
    pub(super) fn has_changes(&self) -> bool {
        self.changes.iter().any(|column| column == "tkt_id")
    }

    /// Whether tickets say when they were made.
    pub(super) fn has_creation(&self) -> bool {
        self.ticket.iter().any(|column| column == "tkt_ctime")
    }

    /// Columns of tickets that changes may set.
    fn is_field(&self, name: &str) -> bool {
        is_free(name) && self.ticket.iter().any(|column| column == name)
    }

    fn is_change_field(&self, name: &str) -> bool {
        is_free(name) && self.changes.iter().any(|column| column == name)
    }
}

/// Defaults of columns, where they are literals. They are SQL of the project's, so they are read apart.
fn defaults(tx: &Tx<'_>) -> Result<BTreeMap<String, Text>, RepoError> {
    let mut statement =
        tx.prepared("SELECT name, dflt_value FROM pragma_table_info('ticket') WHERE dflt_value NOT NULL")?;
    let said = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let said = said.collect::<Result<Vec<(String, String)>, _>>()?;
    let mut defaults = BTreeMap::new();
    if said.is_empty() {
        return Ok(defaults);
    }
    let sandbox = sandbox::open(|action| matches!(action, AuthAction::Select))?;
    for (name, literal) in said {
        let value = sandbox.query_row(&format!("SELECT CAST(({literal}) AS TEXT)"), [], |row| row.get(0));
        if let Ok(Some(value)) = value {
            defaults.insert(name, value);
        }
    }
    Ok(defaults)
}

fn is_free(name: &str) -> bool {
    !name.starts_with("tkt_") && !name.contains(' ')
}

/// A text in a field, and where it came from.
struct Piece {
    rid: Rid,
    time: UnixTime,
    text: Text,
    mimetype: Option<Text>,
}

/// A ticket after some of its changes.
pub(super) struct State<'a> {
    columns: &'a Columns,
    /// Fields that were set, with what made them.
    fields: BTreeMap<String, Vec<Piece>>,
    /// Remarks and other fields of single changes.
    remarks: Vec<Piece>,
    /// Changes that last set a field, for columns that record it.
    baselines: BTreeMap<String, Rid>,
}

impl<'a> State<'a> {
    pub(super) fn new(columns: &'a Columns) -> Self {
        Self { columns, fields: BTreeMap::new(), remarks: Vec::new(), baselines: BTreeMap::new() }
    }

    /// Lets a change act.
    pub(super) fn apply(&mut self, rid: Rid, change: &TicketChange) {
        let mimetype = change.fields.iter().find(|field| field.name.as_bytes() == b"mimetype");
        let mimetype = mimetype.map(|field| field.value.clone());
        for field in &change.fields {
            let Ok(name) = std::str::from_utf8(field.name.as_bytes()) else { continue };
            let piece =
                || Piece { rid, time: change.date, text: field.value.clone(), mimetype: mimetype.clone() };
            if self.columns.is_change_field(name) {
                self.remarks.push(piece());
            }
            if !self.columns.is_field(name) {
                continue;
            }
            let pieces = self.fields.entry(name.to_owned()).or_default();
            if !field.append {
                pieces.clear();
                self.baselines.insert(format!("baseline for {name}"), rid);
            }
            pieces.push(piece());
        }
    }

    /// What a field has now.
    pub(super) fn value(&self, name: &str) -> Option<Text> {
        let is_replaced = self.baselines.contains_key(&format!("baseline for {name}"));
        let default = self.columns.defaults.get(name).filter(|_| !is_replaced);
        let Some(pieces) = self.fields.get(name) else { return default.cloned() };
        let texts = default.into_iter().chain(pieces.iter().map(|piece| &piece.text));
        Some(Text(texts.flat_map(Text::as_bytes).copied().collect()))
    }

    /// Every column that has something, but for those of all tickets.
    pub(super) fn values(&self) -> Vec<(&str, Value)> {
        let fields =
            self.fields.keys().filter_map(|name| Some((name.as_str(), text_value(self.value(name)?))));
        let baselines = self.baselines.iter().map(|(name, rid)| (name.as_str(), Value::Integer(rid.0)));
        fields
            .chain(baselines.filter(|(name, _)| self.columns.ticket.iter().any(|column| column == name)))
            .collect()
    }

    /// The texts that may mention something: of fields what is left, of changes everything.
    pub(super) fn mentions(&self) -> impl Iterator<Item = (Rid, UnixTime, &Text, Option<&Text>)> {
        let lasting = self.fields.iter().filter(|(name, _)| !self.columns.is_change_field(name));
        lasting
            .flat_map(|(_, pieces)| pieces)
            .chain(&self.remarks)
            .map(|piece| (piece.rid, piece.time, &piece.text, piece.mimetype.as_ref()))
    }

    /// Records a single change.
    pub(super) fn write_change(
        &self,
        tx: &Tx<'_>,
        id: i64,
        rid: Rid,
        change: &TicketChange,
    ) -> Result<(), RepoError> {
        if !self.columns.has_changes() {
            return Ok(());
        }
        let mut names: Vec<&str> = Vec::new();
        let mut values: Vec<Value> = Vec::new();
        let mut used = false;
        for column in &self.columns.changes {
            let given = change.fields.iter().find(|field| field.name.as_bytes() == column.as_bytes());
            let value = match column.as_str() {
                "tkt_id" => Some(id.into()),
                "tkt_mtime" => Some(change.date.julian_day().into()),
                "tkt_rid" => Some(rid.0.into()),
                "tkt_user" => Some(change.user.clone().map_or(Value::Null, text_value)),
                _ if !is_free(column) => None,
                _ => match given {
                    Some(field) => Some(text_value(field.value.clone())),
                    None => self.value(column).map(text_value),
                },
            };
            used |= given.is_some() || column == "tkt_rid" || column == "tkt_user";
            if let Some(value) = value {
                names.push(column);
                values.push(value);
            }
        }
        if used { insert(tx, "ticketchng", &names, values) } else { Ok(()) }
    }
}

fn text_value(text: Text) -> Value {
    match String::from_utf8(text.0) {
        Ok(text) => Value::Text(text),
        Err(error) => Value::Blob(error.into_bytes()),
    }
}

/// Inserts a row. Column names are the project's: they are quoted.
pub(super) fn insert(tx: &Tx<'_>, table: &str, names: &[&str], values: Vec<Value>) -> Result<(), RepoError> {
    let columns: Vec<String> =
        names.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
    let places: Vec<String> = (1..=names.len()).map(|place| format!("?{place}")).collect();
    let sql = format!("INSERT INTO {table}({}) VALUES({})", columns.join(","), places.join(","));
    tx.conn().prepare_cached(&sql)?.execute(params_from_iter(values))?;
    Ok(())
}
