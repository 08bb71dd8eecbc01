//! `frond table create NAME --column NAME:TYPE --key NAME --conflict RULE -R FILE`.

use clap::Args;
use repo::table::{self, Column, Defined, Definition, Rule, Type};
use serde::Serialize;
use xfer::SqlName;

use crate::cli::Repository;
use crate::exit::{Code, Failure};
use crate::output::Output;

/// Make a table, or add columns to it
#[derive(Debug, Args)]
pub(super) struct Create {
    /// Name of the table
    #[arg(value_name = "NAME")]
    name: SqlName,
    /// A column and its type: text, integer, real or blob
    #[arg(long = "column", value_name = "NAME:TYPE", required = true, value_parser = column)]
    columns: Vec<Column>,
    /// A column that tells rows apart; several make one key together
    #[arg(long = "key", value_name = "NAME", required = true)]
    keys: Vec<SqlName>,
    /// Who may change a row: last-writer (anyone; the newest stays), owner (who wrote it first), or self (whom the
    /// first key names)
    #[arg(long, value_name = "RULE", default_value = "last-writer", value_parser = rule)]
    conflict: Rule,
    #[command(flatten)]
    pub(super) repository: Repository,
}

#[derive(Serialize)]
struct Answer {
    r#type: &'static str,
    table: String,
    change: &'static str,
}

impl Create {
    pub(super) fn run(self, output: &Output) -> Result<Code, Failure> {
        let definition = Definition::new(self.columns, &self.keys, self.conflict).map_err(|error| {
            Failure::new(Code::Usage, error.to_string(), "see `frond table create --help`")
        })?;
        let mut repo = self.repository.write()?;
        let tx = repo.begin()?;
        let change = match table::define(&tx, &self.name, &definition, sync::client::now().0)? {
            Defined::Created => "created",
            Defined::Extended => "extended",
            Defined::Unchanged => "unchanged",
        };
        tx.commit()?;
        let answer = Answer { r#type: "table-change", table: self.name.to_string(), change };
        output.answer(&answer, || format!("table {} {change}", answer.table));
        Ok(Code::Ok)
    }
}

fn column(text: &str) -> Result<Column, String> {
    let (name, kind) = text.split_once(':').ok_or("write it as NAME:TYPE")?;
    let name = SqlName::new(name).map_err(|error| error.to_string())?;
    let kind = Type::ALL.into_iter().find(|known| known.to_string() == kind);
    Ok(Column { name, kind: kind.ok_or("a type is text, integer, real or blob")? })
}

fn rule(text: &str) -> Result<Rule, &'static str> {
    let rule = Rule::ALL.into_iter().find(|known| known.to_string() == text);
    rule.ok_or("a rule is last-writer, owner or self")
}
