//! The command line: one file a subcommand. Names and flags are Fossil's where Fossil has them.

mod artifact;
mod cat;
mod clone;
mod exchange;
mod info;
mod ls;
mod new;
mod pull;
mod push;
mod rebuild;
mod serve;
mod sync;
mod table;
mod timeline;
mod verify;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::exit::{Code, Failure};
use crate::output::Output;

/// Clones, pulls and serves Fossil repositories.
#[derive(Debug, Parser)]
#[command(name = "frond", version, infer_subcommands = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Answer in JSON, an object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Show no progress and only errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

/// The repository that a command is about.
#[derive(Debug, Args)]
pub(crate) struct Repository {
    /// The repository file
    #[arg(short = 'R', long = "repository", value_name = "FILE")]
    pub(crate) file: PathBuf,
}

impl Repository {
    /// Opens the file for reading.
    fn read(&self) -> Result<repo::Repo, Failure> {
        Ok(repo::Repo::open_read_only(&self.file)?)
    }

    /// Opens the file for reading and writing.
    fn write(&self) -> Result<repo::Repo, Failure> {
        Ok(repo::Repo::open(&self.file)?)
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Clone(clone::Clone),
    Pull(pull::Pull),
    Push(push::Push),
    Sync(sync::Sync),
    Serve(serve::Serve),
    New(new::New),
    Info(info::Info),
    Timeline(timeline::Timeline),
    Ls(ls::Ls),
    Cat(cat::Cat),
    Artifact(artifact::Artifact),
    Verify(verify::Verify),
    Rebuild(rebuild::Rebuild),
    Table(table::Table),
}

impl Command {
    /// Does it. An error names the file that it is about.
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        let file = self.file().to_owned();
        self.dispatch(output).map_err(|failure| failure.at(&file))
    }

    fn file(&self) -> &Path {
        match self {
            Self::Clone(command) => &command.file,
            Self::Serve(command) => &command.path,
            Self::New(command) => &command.file,
            Self::Pull(pull::Pull { exchange })
            | Self::Push(push::Push { exchange })
            | Self::Sync(sync::Sync { exchange }) => &exchange.repository.file,
            Self::Info(info::Info { repository, .. })
            | Self::Timeline(timeline::Timeline { repository, .. })
            | Self::Ls(ls::Ls { repository, .. })
            | Self::Cat(cat::Cat { repository, .. })
            | Self::Artifact(artifact::Artifact { repository, .. })
            | Self::Verify(verify::Verify { repository, .. })
            | Self::Rebuild(rebuild::Rebuild { repository, .. }) => &repository.file,
            Self::Table(command) => &command.repository().file,
        }
    }

    fn dispatch(self, output: &Output) -> Result<Code, Failure> {
        match self {
            Self::Clone(command) => command.run(output),
            Self::Pull(command) => command.run(output),
            Self::Push(command) => command.run(output),
            Self::Sync(command) => command.run(output),
            Self::Serve(command) => command.run(output),
            Self::New(command) => command.run(output),
            Self::Info(command) => command.run(output),
            Self::Timeline(command) => command.run(output),
            Self::Ls(command) => command.run(output),
            Self::Cat(command) => command.run(output),
            Self::Artifact(command) => command.run(output),
            Self::Verify(command) => command.run(output),
            Self::Rebuild(command) => command.run(output),
            Self::Table(command) => command.run(output),
        }
    }
}

/// Reads the command line; on a mistake, or for `--help`, the program ends here.
pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Cli {
    let names = long_options(&Cli::command());
    Cli::parse_from(args.map(|arg| double_dash(arg, &names)))
}

/// Fossil takes `-json` for `--json`; so do we, for every long option there is.
fn double_dash(arg: OsString, names: &[String]) -> OsString {
    let Some(text) = arg.to_str().and_then(|text| text.strip_prefix('-')) else { return arg };
    let name = text.split('=').next().unwrap_or_default();
    if names.iter().any(|known| known == name) { format!("--{text}").into() } else { arg }
}

fn long_options(command: &clap::Command) -> Vec<String> {
    let own = command.get_arguments().filter_map(clap::Arg::get_long).map(str::to_owned);
    let inner = command.get_subcommands().flat_map(long_options);
    own.chain(["help".to_owned(), "version".to_owned()]).chain(inner).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_is_a_command_too() {
        for words in [&["frond", "help"][..], &["frond", "help", "clone"]] {
            let shown = Cli::try_parse_from(words).unwrap_err();
            assert_eq!(shown.kind(), clap::error::ErrorKind::DisplayHelp, "{words:?}");
        }
    }

    #[test]
    fn a_long_option_may_have_one_dash_as_in_fossil() {
        let cases = [
            ("-json", "--json"),
            ("-repository=x", "--repository=x"),
            ("-R", "-R"),
            ("-vv", "-vv"),
            ("-", "-"),
            ("-1", "-1"),
        ];
        let names = long_options(&Cli::command());
        for (given, meant) in cases {
            assert_eq!(double_dash(given.into(), &names), OsString::from(meant));
        }
    }
}
