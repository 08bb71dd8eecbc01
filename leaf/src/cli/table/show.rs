//! `frond table get`, `frond table ls` and `frond table dump`.

use std::collections::BTreeMap;

use clap::Args;
use repo::table::{self, Row, SyncedTable, Value};
use serde::Serialize;
use xfer::{SqlName, token};

use super::{Cells, find, no_such_row};
use crate::cli::Repository;
use crate::exit::{Code, Failure};
use crate::output::{Output, counted};

/// Show the row with this key
#[derive(Debug, Args)]
pub(super) struct Get {
    #[command(flatten)]
    key: Cells,
    #[command(flatten)]
    pub(super) repository: Repository,
}

/// List the tables
#[derive(Debug, Args)]
pub(super) struct Ls {
    #[command(flatten)]
    pub(super) repository: Repository,
}

/// Show every row of a table, in the order of its key
#[derive(Debug, Args)]
pub(super) struct Dump {
    /// Name of the table
    #[arg(value_name = "NAME")]
    name: SqlName,
    #[command(flatten)]
    pub(super) repository: Repository,
}

#[derive(Serialize)]
struct TableLine {
    r#type: &'static str,
    name: String,
    rows: u64,
    conflict: String,
    columns: Vec<ColumnLine>,
}

#[derive(Serialize)]
struct ColumnLine {
    name: String,
    r#type: String,
    key: bool,
}

#[derive(Serialize)]
struct RowLine<'a> {
    r#type: &'static str,
    table: &'a str,
    values: BTreeMap<&'a str, serde_json::Value>,
    mtime_ms: i64,
    owner: Option<&'a str>,
}

impl Get {
    pub(super) fn run(self, output: &Output) -> Result<Code, Failure> {
        let mut repo = self.repository.read()?;
        let snap = repo.snapshot()?;
        let (table, key) = self.key.read(&snap)?;
        let row = table::find_live(&snap, &table, &key)?.ok_or_else(|| no_such_row(&table.name))?;
        show(output, &table, &row);
        Ok(Code::Ok)
    }
}

impl Dump {
    pub(super) fn run(self, output: &Output) -> Result<Code, Failure> {
        let mut repo = self.repository.read()?;
        let snap = repo.snapshot()?;
        let table = find(&snap, &self.name)?;
        table::each_live(&snap, &table, &mut |row| show(output, &table, &row))?;
        Ok(Code::Ok)
    }
}

impl Ls {
    pub(super) fn run(self, output: &Output) -> Result<Code, Failure> {
        let mut repo = self.repository.read()?;
        let snap = repo.snapshot()?;
        for table in table::all(&snap)? {
            let columns = table.definition.columns().map(|column| ColumnLine {
                name: column.name.to_string(),
                r#type: column.kind.to_string(),
                key: table.definition.keys().contains(column),
            });
            let shown = TableLine {
                r#type: "table",
                name: table.name.to_string(),
                rows: table::count_live(&snap, &table)?,
                conflict: table.definition.rule().to_string(),
                columns: columns.collect(),
            };
            output.answer(&shown, || text_of_table(&shown));
        }
        Ok(Code::Ok)
    }
}

fn text_of_table(table: &TableLine) -> String {
    let columns: Vec<_> = table
        .columns
        .iter()
        .map(|column| format!("{}:{}{}", column.name, column.r#type, if column.key { " (key)" } else { "" }))
        .collect();
    format!("{}: {}, {}, {}", table.name, counted(table.rows, "row"), table.conflict, columns.join(", "))
}

/// A row as one line. In text, blanks and line feeds are escaped as in a card.
fn show(output: &Output, table: &SyncedTable, row: &Row) {
    let cells = || {
        let columns = table.definition.columns().map(|column| &column.name);
        columns.filter_map(|name| row.values.get(name).map(|value| (name.as_str(), value)))
    };
    let line = RowLine {
        r#type: "row",
        table: table.name.as_str(),
        values: cells().map(|(name, value)| (name, value.to_json())).collect(),
        mtime_ms: row.mtime,
        owner: row.owner.as_deref(),
    };
    output.answer(&line, || {
        cells().map(|(name, value)| format!("{name}={}", shown(value))).collect::<Vec<_>>().join(" ")
    });
}

fn shown(value: &Value) -> String {
    let text = match value.to_json() {
        serde_json::Value::String(text) => text,
        number => number.to_string(),
    };
    String::from_utf8_lossy(&token::escape(text.as_bytes())).into_owned()
}
