//! What `pull`, `push`, `sync` and `uv sync` share: one session with the server of a repository.

use std::time::Instant;

use clap::Args;
use repo::{Repo, branch};
use serde::Serialize;
use sync::client::ClientError;
use sync::{Preview, SyncError, SyncOptions, SyncResult};

use super::Repository;
use crate::exit::{Code, Failure};
use crate::network::{self, Beside, End, Network, Summary};
use crate::output::Output;
use crate::remote::Remote;

/// Options of one session.
#[derive(Debug, Args)]
pub(crate) struct Exchange {
    #[command(flatten)]
    pub(super) meeting: Meeting,
    /// Compare everything, not only what is new
    #[arg(long)]
    verily: bool,
    /// Change nothing on either side, only say what would move
    #[arg(short = 'n', long)]
    dry_run: bool,
    #[command(flatten)]
    beside: Beside,
}

/// A server, and the repository that it is to meet.
#[derive(Debug, Args)]
pub(crate) struct Meeting {
    /// The server's repository; by default the one of the last session
    #[arg(value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    pub(super) repository: Repository,
    #[command(flatten)]
    network: Network,
}

/// Which way artifacts go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Pull,
    Push,
    Both,
    /// Unversioned files both ways, and nothing else.
    Unversioned,
}

impl Exchange {
    pub(super) fn run(self, direction: Direction, output: &Output) -> Result<Code, Failure> {
        let options = SyncOptions {
            dry_run: self.dry_run,
            unversioned: self.beside.unversioned,
            private: self.beside.private,
            verily: self.verily,
            tables: true,
            ..SyncOptions::default()
        };
        self.meeting.run(direction, options, output)
    }
}

impl Meeting {
    /// Exchanges unversioned files, and nothing else.
    pub(super) fn unversioned(self, dry_run: bool, output: &Output) -> Result<Code, Failure> {
        let options = SyncOptions { unversioned: true, dry_run, ..SyncOptions::default() };
        self.run(Direction::Unversioned, options, output)
    }

    fn run(self, direction: Direction, options: SyncOptions, output: &Output) -> Result<Code, Failure> {
        let begun = Instant::now();
        let options = SyncOptions {
            pull: matches!(direction, Direction::Pull | Direction::Both),
            push: matches!(direction, Direction::Push | Direction::Both),
            ..options
        };
        let mut repo = self.open(&options)?;
        let before = branch::moment(&repo.snapshot()?)?;
        let (url, outcome) = self.session(&mut repo, options, output)?;
        let (result, end) = match &outcome {
            Ok(result) => (Some(result), End::Done),
            Err(ClientError::Sync(
                SyncError::PushRefused { result, .. } | SyncError::UnversionedRefused { result, .. },
            )) => (Some(&**result), End::Refused),
            Err(_) => (None, End::Refused),
        };
        match result {
            Some(SyncResult { preview: Some(preview), .. }) => show(preview, &url, output),
            Some(result) => {
                let mut summary = Summary::new(direction.name(), result, end, begun);
                summary.forks = branch::forks_since(&repo.snapshot()?, before)?;
                output.answer(&summary, || summary.text(&url));
                summary.warn_of_forks(output);
            }
            None => {}
        }
        let result = outcome.map_err(|error| url.failure(error))?;
        match result.refused_rows {
            0 => Ok(Code::Ok),
            rows => Err(Failure::new(
                Code::Partial,
                format!("rows of synced tables were refused: {rows}; everything else was done"),
                "a row is changed by its owner, or by who has capability a or s",
            )),
        }
    }
}

impl Meeting {
    /// One session with the server, whatever comes of it.
    pub(super) fn session(
        &self,
        repo: &mut Repo,
        options: SyncOptions,
        output: &Output,
    ) -> Result<(Remote, Result<SyncResult, ClientError>), Failure> {
        network::session(&self.network, self.url.as_deref(), repo, options, output)
    }

    /// Opens the repository for a session.
    pub(super) fn open(&self, options: &SyncOptions) -> Result<Repo, Failure> {
        let tell = |failure: &Failure| {
            network::unbegun(&self.repository.file, None, options.operation(), failure);
        };
        self.repository.write().inspect_err(tell)
    }
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Both => "sync",
            Self::Unversioned => "uv sync",
        }
    }
}

/// An artifact or an unversioned file that would move, or a table some rows of which would.
#[derive(Serialize)]
struct Move {
    r#type: &'static str,
    direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unversioned: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<String>,
}

/// What would move, all in all.
#[derive(Serialize)]
struct Moves {
    r#type: &'static str,
    artifacts_to_send: usize,
    artifacts_to_receive: usize,
    unversioned_to_send: usize,
    unversioned_to_receive: usize,
    tables_that_differ: usize,
}

fn show(preview: &Preview, url: &Remote, output: &Output) {
    let r#type = "move";
    for (direction, ids) in [("send", &preview.send), ("receive", &preview.receive)] {
        for id in ids {
            let line = Move { r#type, direction, hash: Some(id.to_string()), unversioned: None, table: None };
            output.answer(&line, || format!("{direction} {id}\n"));
        }
    }
    let files = [("send", &preview.unversioned_send), ("receive", &preview.unversioned_receive)];
    for (direction, names) in files {
        for name in names {
            let unversioned = Some(name.to_string());
            let line = Move { r#type, direction, hash: None, unversioned, table: None };
            output.answer(&line, || format!("{direction} unversioned {name}\n"));
        }
    }
    for name in &preview.tables {
        let (direction, table) = ("compare", Some(name.to_string()));
        let line = Move { r#type, direction, hash: None, unversioned: None, table };
        output.answer(&line, || format!("compare rows of table {name}\n"));
    }
    let moves = Moves {
        r#type: "dry-run",
        artifacts_to_send: preview.send.len(),
        artifacts_to_receive: preview.receive.len(),
        unversioned_to_send: preview.unversioned_send.len(),
        unversioned_to_receive: preview.unversioned_receive.len(),
        tables_that_differ: preview.tables.len(),
    };
    output.answer(&moves, || moves.text(url));
}

impl Moves {
    fn text(&self, url: &Remote) -> String {
        let (send, receive) = (self.artifacts_to_send, self.artifacts_to_receive);
        let artifacts = format!("Would send {send} and receive {receive} artifacts");
        let files = match (self.unversioned_to_send, self.unversioned_to_receive) {
            (0, 0) => String::new(),
            (send, receive) => format!(", send {send} and receive {receive} unversioned files"),
        };
        let tables = match self.tables_that_differ {
            0 => String::new(),
            tables => format!(", rows of {tables} tables"),
        };
        format!("{artifacts}{files}{tables}; remote: {}\n", url.host())
    }
}
