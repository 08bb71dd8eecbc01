//! `frond man DIRECTORY`.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};

use super::Cli;
use crate::exit::{Code, Failure, from_io};
use crate::output::Output;

/// Write manual pages, one a command, into a directory
///
/// For example: frond man /usr/share/man/man1
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Where; it is made if need be
    #[arg(value_name = "DIRECTORY")]
    pub(super) directory: PathBuf,
}

impl Man {
    pub(crate) fn run(self, _: &Output) -> Result<Code, Failure> {
        let directory = &self.directory;
        let write = || {
            std::fs::create_dir_all(directory)?;
            clap_mangen::generate_to(Cli::command(), directory)
        };
        write().map_err(|error| from_io(directory, &error))?;
        Ok(Code::Ok)
    }
}
