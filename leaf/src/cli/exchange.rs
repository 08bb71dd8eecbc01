//! What `pull`, `push`, `sync` and `uv sync` share: one session with the server of a repository.

use std::time::Instant;

use clap::Args;
use serde::Serialize;
use sync::client::{self, ClientError};
use sync::http::{HttpTransport, Url};
use sync::{Preview, SyncError, SyncOptions};

use super::Repository;
use crate::exit::{Code, Failure};
use crate::network::{self, Beside, Network, Peer, Summary};
use crate::output::Output;

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
    pub(super) fn unversioned(self, output: &Output) -> Result<Code, Failure> {
        let options = SyncOptions { unversioned: true, ..SyncOptions::default() };
        self.run(Direction::Unversioned, options, output)
    }

    fn run(self, direction: Direction, options: SyncOptions, output: &Output) -> Result<Code, Failure> {
        let begun = Instant::now();
        let mut repo = self.repository.write()?;
        let Peer { url, login } = network::peer(self.url.as_deref(), &mut repo, output)?;
        let remember = self.network.remember(&login)?;
        let options = SyncOptions {
            pull: matches!(direction, Direction::Pull | Direction::Both),
            push: matches!(direction, Direction::Push | Direction::Both),
            user: login.user,
            password: login.password,
            ..options
        };
        let mut setting = network::setting(output)?;
        let mut transport = HttpTransport::new(url.clone(), self.network.http()?);
        let session = client::sync(&mut repo, &mut transport, options, remember, &mut setting);
        let (result, refusal) = match network::run(session)? {
            Ok(result) => (result, None),
            Err(ClientError::Sync(SyncError::PushRefused { said, user, result })) => {
                ((*result).clone(), Some(SyncError::PushRefused { said, user, result }))
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(preview) = &result.preview {
            show(preview, &url, output);
        } else {
            let summary = Summary::new(direction.name(), &result, false, begun);
            output.answer(&summary, || summary.text(&url));
        }
        refusal.map_or(Ok(Code::Ok), |refusal| Err(ClientError::Sync(refusal).into()))
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

/// An artifact that would move.
#[derive(Serialize)]
struct Move {
    r#type: &'static str,
    direction: &'static str,
    hash: String,
}

/// What would move, all in all.
#[derive(Serialize)]
struct Moves {
    r#type: &'static str,
    artifacts_to_send: usize,
    artifacts_to_receive: usize,
}

fn show(preview: &Preview, url: &Url, output: &Output) {
    for (direction, ids) in [("send", &preview.send), ("receive", &preview.receive)] {
        for id in ids {
            let hash = id.to_string();
            output.answer(&Move { r#type: "move", direction, hash }, || format!("{direction} {id}\n"));
        }
    }
    let (to_send, to_receive) = (preview.send.len(), preview.receive.len());
    let moves = Moves { r#type: "dry-run", artifacts_to_send: to_send, artifacts_to_receive: to_receive };
    output.answer(&moves, || {
        format!("Would send {to_send} and receive {to_receive} artifacts; remote: {}\n", url.host)
    });
}
