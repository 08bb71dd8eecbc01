//! `frond config pull|push|export|import|merge`.

mod exchange;
mod file;

use clap::{Args, Subcommand};
use repo::configuration::Group;

use super::Repository;
use crate::exit::{Code, Failure};
use crate::output::Output;

/// Exchange settings, users and the like with a server or a file
///
/// They go in groups, which are those of Fossil: project, skin, css, ticket, user, email, shun, xfer, alias,
/// subscriber, interwiki, all.
#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Pull(exchange::Pull),
    Push(exchange::Push),
    Export(file::Export),
    Import(file::Import),
    Merge(file::Merge),
}

impl Config {
    pub(crate) fn repository(&self) -> &Repository {
        match &self.action {
            Action::Pull(exchange::Pull { exchange }) | Action::Push(exchange::Push { exchange }) => {
                &exchange.meeting.repository
            }
            Action::Export(file::Export { repository, .. })
            | Action::Import(file::Import { repository, .. })
            | Action::Merge(file::Merge { repository, .. }) => repository,
        }
    }

    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        match self.action {
            Action::Pull(action) => action.run(output),
            Action::Push(action) => action.run(output),
            Action::Export(action) => action.run(output),
            Action::Import(action) => action.run(output),
            Action::Merge(action) => action.run(output),
        }
    }
}

/// Reads the name of a group.
fn group(name: &str) -> Result<Group, String> {
    Group::of_name(name).ok_or_else(|| {
        let names: Vec<&str> = Group::every().map(Group::name).collect();
        format!("there is no such group; the groups are {}", names.join(", "))
    })
}

/// Says which settings could not be taken.
pub(crate) fn warn_of_unusable(settings: &[String], output: &Output) {
    if !settings.is_empty() {
        output.warn(&format!("not taken, as it can not be used: {}", settings.join(", ")));
    }
}
