//! `frond table create|put|get|rm|ls|dump`.

mod create;
mod show;
mod write;

use clap::{Args, Subcommand};
use repo::table::{self, SyncedTable, TableError, Value, Values};
use repo::{Snapshot, Tx};
use xfer::SqlName;

use super::Repository;
use crate::exit::{Code, Failure};
use crate::output::Output;

/// Keep rows of data in step with other repositories
#[derive(Debug, Args)]
pub(crate) struct Table {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Create(create::Create),
    Put(write::Put),
    Get(show::Get),
    Rm(write::Rm),
    Ls(show::Ls),
    Dump(show::Dump),
}

impl Table {
    pub(crate) fn repository(&self) -> &Repository {
        match &self.action {
            Action::Create(create::Create { repository, .. })
            | Action::Put(write::Put { repository, .. })
            | Action::Get(show::Get { repository, .. })
            | Action::Rm(write::Rm { repository, .. })
            | Action::Ls(show::Ls { repository, .. })
            | Action::Dump(show::Dump { repository, .. }) => repository,
        }
    }

    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        match self.action {
            Action::Create(action) => action.run(output),
            Action::Put(action) => action.run(output),
            Action::Get(action) => action.run(output),
            Action::Rm(action) => action.run(output),
            Action::Ls(action) => action.run(output),
            Action::Dump(action) => action.run(output),
        }
    }
}

/// The table of a command, and the values it was given.
#[derive(Debug, Args)]
struct Cells {
    /// Name of the table
    #[arg(value_name = "NAME")]
    name: SqlName,
    /// What columns hold: text as it is, numbers in decimal, bytes in hex digits
    #[arg(value_name = "COLUMN=VALUE", required = true, value_parser = pair)]
    cells: Vec<(SqlName, String)>,
}

impl Cells {
    /// Finds the table, and reads the values as its columns want them.
    fn read(&self, snap: &Snapshot<'_>) -> Result<(SyncedTable, Values), Failure> {
        let table = find(snap, &self.name)?;
        let mut values = Values::new();
        for (name, text) in &self.cells {
            let known = table.definition.columns().find(|column| column.name == *name);
            let column = known.ok_or_else(|| TableError::UnknownColumn(name.to_string()))?;
            let value = Value::parse(text, column.kind)
                .ok_or_else(|| TableError::WrongType { column: name.clone(), wanted: column.kind })?;
            if values.insert(name.clone(), value).is_some() {
                return Err(TableError::RepeatedColumn(name.clone()).into());
            }
        }
        Ok((table, values))
    }

    /// Begins to write to the table.
    fn writer<'t, 'r>(&self, tx: &'t Tx<'r>) -> Result<table::Writer<'t, 'r>, Failure> {
        Ok(table::Writer::open(tx, &self.name, sync::client::now())?)
    }
}

fn pair(text: &str) -> Result<(SqlName, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as COLUMN=VALUE")?;
    let name = SqlName::new(name).map_err(|error| error.to_string())?;
    Ok((name, value.to_owned()))
}

fn find(snap: &Snapshot<'_>, name: &SqlName) -> Result<SyncedTable, Failure> {
    table::find(snap, name)?.ok_or_else(|| TableError::NoTable(name.clone()).into())
}

fn no_such_row(name: &SqlName) -> Failure {
    Failure::new(Code::Failed, format!("table {name} has no such row"), "see `frond table dump`")
}

impl From<TableError> for Failure {
    fn from(error: TableError) -> Self {
        let what = error.to_string();
        let (code, hint) = match error {
            TableError::Repo(error) => return error.into(),
            TableError::NotTheOwner(_)
            | TableError::NeedsLogin
            | TableError::OwnerMismatch
            | TableError::Contested => {
                (Code::Refused, "only its owner may change it; say who you are with --user")
            }
            TableError::NoTable(_) => {
                (Code::Failed, "see `frond table ls`, or make it with `frond table create`")
            }
            TableError::TooManyTables | TableError::TooManyRows(_) => {
                (Code::Failed, "delete what is not needed")
            }
            TableError::TooFarAhead(_) => (Code::Failed, "check the clock"),
            TableError::Definition { .. } => {
                (Code::Failed, "only columns can be added to a table; choose another name for another table")
            }
            TableError::Json(_)
            | TableError::UnknownColumn(_)
            | TableError::RepeatedColumn(_)
            | TableError::WrongType { .. }
            | TableError::NotInKey(_)
            | TableError::NoKey(_)
            | TableError::WrongKey(_)
            | TableError::RowTooLong(_) => (Code::Usage, "see the columns with `frond table ls`"),
        };
        Self::new(code, what, hint)
    }
}
