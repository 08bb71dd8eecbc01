//! `frond leaf`.

mod check;
mod reference;
mod status;
mod sync_now;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::agent;
use crate::agent::config::{self, Flags, Source, load};
use crate::exit::{Code, Failure};
use crate::network;
use crate::output::Output;

/// Keep repositories in step with their peers, and serve them, until a signal ends it
///
/// SIGUSR1: synchronize now. SIGHUP: read the configuration anew. SIGTERM: finish the rounds under way and end.
#[derive(Debug, Args)]
#[command(infer_subcommands = true)]
pub(crate) struct Leaf {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    what: Option<What>,
}

/// What to do instead.
#[derive(Debug, Subcommand)]
enum What {
    Check(Box<check::Check>),
    Status(status::Status),
    SyncNow(sync_now::SyncNow),
    #[command(hide = true)]
    Reference(reference::Reference),
}

impl Leaf {
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        match self.what {
            None => {
                refuse_nothing_to_do(&self.flags)?;
                let runtime = network::runtime(2)?;
                let done = runtime.block_on(agent::run(self.flags, output));
                // What still blocks then is past its time.
                runtime.shutdown_background();
                done
            }
            Some(What::Check(command)) => command.run(output),
            Some(What::Status(command)) => command.run(output),
            Some(What::SyncNow(command)) => command.run(output),
            Some(What::Reference(command)) => command.run(output),
        }
    }

    /// Whether it runs until a signal ends it.
    pub(super) fn is_daemon(&self) -> bool {
        self.what.is_none()
    }

    /// No file: errors of a leaf name the one that they are about.
    pub(super) fn file(&self) -> &Path {
        Path::new("")
    }
}

/// Refuses a repository of -R that is not there and never will be: there is nobody to clone it from.
fn refuse_nothing_to_do(flags: &Flags) -> Result<(), Failure> {
    let Some(file) = flags.source.repository.as_ref().filter(|file| !file.exists()) else { return Ok(()) };
    if load(flags)?.repositories.iter().any(|repository| !repository.peers.is_empty()) {
        return Ok(());
    }
    let what = format!("{}: is not there, and no peer to clone it from", file.display());
    Err(Failure::new(
        Code::NoRepository,
        what,
        "make it with `frond new`, or give --peer, or --nats with --project",
    ))
}

/// The socket of the leaf that is meant. A configuration that is wrong by now may still say where the leaf is that runs.
fn socket(source: &Source, output: &Output) -> Result<PathBuf, Failure> {
    if let Some(socket) = &source.socket {
        return Ok(socket.clone());
    }
    load(&Flags::of(source.clone())).map(|config| config.socket).or_else(|failure| {
        let socket = config::socket_of_broken(source).filter(|socket| socket.exists());
        let Some(socket) = socket else { return Err(failure) };
        output.warn(&format!("{}; {}", failure.what, failure.hint));
        Ok(socket)
    })
}
