//! `frond uv add|cat|ls|rm|export|hash|sync`.

mod read;
mod write;

use clap::{Args, Subcommand};
use xfer::UvName;

use super::Repository;
use super::exchange::Meeting;
use crate::exit::{Code, Failure};
use crate::output::Output;

/// Keep files of which only the newest version matters
#[derive(Debug, Args)]
#[command(visible_alias = "unversioned")]
pub(crate) struct Uv {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Add(write::Add),
    Cat(read::Cat),
    #[command(visible_alias = "list")]
    Ls(read::Ls),
    #[command(visible_aliases = ["remove", "delete"])]
    Rm(write::Rm),
    Export(read::Export),
    Hash(read::Hash),
    Sync(Sync),
}

/// Exchange unversioned files, and nothing else, with a server
#[derive(Debug, Args)]
struct Sync {
    #[command(flatten)]
    meeting: Meeting,
    /// Change nothing on either side, only say what would move
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl Uv {
    pub(crate) fn repository(&self) -> &Repository {
        match &self.action {
            Action::Add(write::Add { repository, .. })
            | Action::Cat(read::Cat { repository, .. })
            | Action::Ls(read::Ls { repository, .. })
            | Action::Rm(write::Rm { repository, .. })
            | Action::Export(read::Export { repository, .. })
            | Action::Hash(read::Hash { repository, .. })
            | Action::Sync(Sync { meeting: Meeting { repository, .. }, .. }) => repository,
        }
    }

    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        match self.action {
            Action::Add(action) => action.run(output),
            Action::Cat(action) => action.run(output),
            Action::Ls(action) => action.run(output),
            Action::Rm(action) => action.run(output),
            Action::Export(action) => action.run(output),
            Action::Hash(action) => action.run(output),
            Action::Sync(action) => action.meeting.unversioned(action.dry_run, output),
        }
    }
}

/// Checks a name.
fn name(text: &str) -> Result<UvName, Failure> {
    UvName::new(text).map_err(|error| {
        let hint = "choose another one with --as: a relative path without blanks or backslashes";
        Failure::new(Code::Usage, format!("{text:?}: {error}"), hint)
    })
}

fn no_such_file(name: &str) -> Failure {
    Failure::new(Code::Failed, format!("no unversioned file is called {name:?}"), "see `frond uv ls`")
}
