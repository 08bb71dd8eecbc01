//! `frond table put` and `frond table rm`.

use clap::Args;
use repo::Snapshot;
use serde::Serialize;

use super::{Cells, no_such_row};
use crate::cli::Repository;
use crate::cli::clone::local_user;
use crate::cli::commit::known_user;
use crate::exit::{Code, Failure};
use crate::output::Output;

/// Write a row: columns that are not given are NULL
#[derive(Debug, Args)]
pub(super) struct Put {
    #[command(flatten)]
    cells: Cells,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    pub(super) repository: Repository,
}

/// Delete a row
#[derive(Debug, Args)]
pub(super) struct Rm {
    #[command(flatten)]
    key: Cells,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    pub(super) repository: Repository,
}

#[derive(Debug, Args)]
struct Who {
    /// Who writes: the name that the row is pushed under. By default the author that a
    /// check-in would have
    #[arg(long, value_name = "USER")]
    user: Option<String>,
}

impl Who {
    /// Who is no user here may still be one where the row is pushed to.
    fn name(self, snap: &Snapshot<'_>) -> Result<String, Failure> {
        if let Some(user) = self.user {
            return Ok(user);
        }
        Ok(known_user(snap)?.map_or_else(local_user, |user| user.to_string()))
    }
}

#[derive(Serialize)]
struct Answer {
    r#type: &'static str,
    table: String,
    changed: bool,
}

impl Put {
    pub(super) fn run(self, output: &Output) -> Result<Code, Failure> {
        let mut repo = self.repository.write()?;
        let tx = repo.begin()?;
        let (table, values) = self.cells.read(&tx)?;
        let mut writer = self.cells.writer(&tx)?;
        let user = self.who.name(&tx)?;
        let changed = writer.put(values, &user)?;
        writer.finish()?;
        tx.commit()?;
        output.answer(&Answer { r#type: "row-change", table: table.name.to_string(), changed }, String::new);
        Ok(Code::Ok)
    }
}

impl Rm {
    pub(super) fn run(self, output: &Output) -> Result<Code, Failure> {
        let mut repo = self.repository.write()?;
        let tx = repo.begin()?;
        let (table, key) = self.key.read(&tx)?;
        let mut writer = self.key.writer(&tx)?;
        let user = self.who.name(&tx)?;
        if !writer.remove(key, &user)? {
            return Err(no_such_row(&table.name));
        }
        writer.finish()?;
        tx.commit()?;
        output.answer(
            &Answer { r#type: "row-change", table: table.name.to_string(), changed: true },
            String::new,
        );
        Ok(Code::Ok)
    }
}
