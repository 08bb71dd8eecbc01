//! `frond leaf`.

mod check;
mod reference;
mod status;
mod sync_now;

use std::path::Path;

use clap::{Args, Subcommand};

use crate::agent;
use crate::agent::config::{Flags, Source, load};
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

/// The socket of the leaf that is meant.
fn socket(source: &Source) -> Result<std::path::PathBuf, Failure> {
    match &source.socket {
        Some(socket) => Ok(socket.clone()),
        None => Ok(load(&Flags::of(source.clone()))?.socket),
    }
}
