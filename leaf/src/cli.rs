//! The command line: one file a subcommand. Names and flags are Fossil's where Fossil has them.

mod artifact;
mod cat;
mod clone;
mod commit;
mod completions;
mod config;
mod doctor;
mod exchange;
mod export;
mod import;
mod info;
mod leaf;
mod ls;
mod man;
mod name;
mod new;
mod pull;
mod push;
mod rebuild;
mod serve;
mod sync;
mod table;
mod timeline;
mod user;
mod uv;
mod verify;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::exit::{Code, Failure};
use crate::measure::Kind;
use crate::output::Output;
use crate::waiting;

pub(crate) use self::clone::{first_user, first_user_but};

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
    /// Tell each round, or each request served, on stderr; twice for debug logs
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// How log lines on stderr are written
    #[arg(long, global = true, value_name = "FORM", env = "FROND_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogForm,
    /// Show no progress, notes or warnings; the answer stays
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogForm {
    /// For people
    Text,
    /// A JSON object a line
    Json,
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
        Ok(waiting::on(&self.file, || repo::Repo::open_read_only(&self.file))?)
    }

    /// Opens the file for reading and writing.
    fn write(&self) -> Result<repo::Repo, Failure> {
        Ok(waiting::on(&self.file, || {
            let mut repo = repo::Repo::open(&self.file)?;
            // Whoever writes to it now is waited for here, and not in the middle of the work.
            drop(repo.begin()?);
            Ok::<_, repo::RepoError>(repo)
        })?)
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Clone(clone::Clone),
    Pull(pull::Pull),
    Push(push::Push),
    Sync(sync::Sync),
    Uv(uv::Uv),
    Serve(serve::Serve),
    Leaf(Box<leaf::Leaf>),
    Doctor(Box<doctor::Doctor>),
    New(new::New),
    Info(info::Info),
    Timeline(timeline::Timeline),
    Ls(ls::Ls),
    Cat(cat::Cat),
    Artifact(artifact::Artifact),
    #[command(visible_alias = "ci")]
    Commit(commit::Commit),
    Import(import::Import),
    Export(export::Export),
    Verify(verify::Verify),
    Rebuild(rebuild::Rebuild),
    Table(table::Table),
    Config(config::Config),
    User(user::Users),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Command {
    /// What it is, for those who measure it.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Leaf(leaf) if leaf.is_daemon() => Kind::Leaf,
            Self::Serve(_) => Kind::Server,
            _ => Kind::Command,
        }
    }

    /// Does it. An error names the file that it is about.
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        let file = self.file().to_owned();
        self.dispatch(output).map_err(|failure| failure.at(&file))
    }

    fn file(&self) -> &Path {
        match self {
            Self::Clone(command) => &command.file,
            Self::Serve(command) => &command.path,
            Self::Leaf(command) => command.file(),
            Self::Doctor(_) | Self::Completions(_) => Path::new(""),
            Self::Man(command) => &command.directory,
            Self::New(command) => &command.file,
            Self::Pull(pull::Pull { exchange })
            | Self::Push(push::Push { exchange })
            | Self::Sync(sync::Sync { exchange }) => &exchange.meeting.repository.file,
            Self::Info(info::Info { repository, .. })
            | Self::Timeline(timeline::Timeline { repository, .. })
            | Self::Ls(ls::Ls { repository, .. })
            | Self::Cat(cat::Cat { repository, .. })
            | Self::Artifact(artifact::Artifact { repository, .. })
            | Self::Commit(commit::Commit { manner: commit::Manner { repository, .. }, .. })
            | Self::Import(import::Import { manner: commit::Manner { repository, .. }, .. })
            | Self::Export(export::Export { repository, .. })
            | Self::Verify(verify::Verify { repository, .. })
            | Self::Rebuild(rebuild::Rebuild { repository, .. }) => &repository.file,
            Self::Table(command) => &command.repository().file,
            Self::Uv(command) => &command.repository().file,
            Self::Config(command) => &command.repository().file,
            Self::User(command) => &command.repository().file,
        }
    }

    fn dispatch(self, output: &Output) -> Result<Code, Failure> {
        match self {
            Self::Clone(command) => command.run(output),
            Self::Pull(command) => command.run(output),
            Self::Push(command) => command.run(output),
            Self::Sync(command) => command.run(output),
            Self::Uv(command) => command.run(output),
            Self::Serve(command) => command.run(output),
            Self::Leaf(command) => command.run(output),
            Self::Doctor(command) => command.run(output),
            Self::Completions(command) => command.run(output),
            Self::Man(command) => command.run(output),
            Self::New(command) => command.run(output),
            Self::Info(command) => command.run(output),
            Self::Timeline(command) => command.run(output),
            Self::Ls(command) => command.run(output),
            Self::Cat(command) => command.run(output),
            Self::Artifact(command) => command.run(output),
            Self::Commit(command) => command.run(output),
            Self::Import(command) => command.run(output),
            Self::Export(command) => command.run(output),
            Self::Verify(command) => command.run(output),
            Self::Rebuild(command) => command.run(output),
            Self::Table(command) => command.run(output),
            Self::Config(command) => command.run(output),
            Self::User(command) => command.run(output),
        }
    }
}

/// Reads the command line. For `--help`, and on a mistake of who wants no JSON, the program ends here.
pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Cli, Failure> {
    let names = long_options(&Cli::command());
    let args: Vec<OsString> = args.map(|arg| double_dash(arg, &names)).collect();
    let wants_json = args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json");
    Cli::try_parse_from(args).or_else(|error| {
        if wants_json && error.use_stderr() {
            return Err(misuse(&error));
        }
        error.exit()
    })
}

/// What is wrong with the command line, without the usage that clap adds for people.
fn misuse(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let lines: Vec<&str> = first.lines().map(str::trim).collect();
    let what = lines.join(" ");
    let what = what.strip_prefix("error: ").unwrap_or(&what);
    Failure::new(Code::Usage, what, "see `frond --help`")
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
    fn a_mistake_of_who_wants_json_is_one_line() {
        let cases = [
            (&["frond", "info", "-json"][..], "<FILE>"),
            (&["frond", "--json", "frobnicate"], "frobnicate"),
            (&["frond", "timeline", "-R", "x", "-n", "many", "--json"], "many"),
        ];
        for (words, about) in cases {
            let failure = parse(words.iter().map(OsString::from)).unwrap_err();
            assert_eq!(failure.code, Code::Usage);
            assert!(failure.what.contains(about) && !failure.what.contains('\n'), "{}", failure.what);
            assert!(!failure.what.starts_with("error"), "{}", failure.what);
        }
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
