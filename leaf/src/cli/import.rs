//! `frond import DIRECTORY -R FILE`.

use std::path::PathBuf;

use clap::Args;

use super::commit::{Gone, Manner, Work};
use crate::exit::{Code, Failure};
use crate::output::Output;

/// Make a check-in of a whole directory
///
/// What is not in it is not in the check-in either. Left out are: what the setting `ignore-glob` names, unless it
/// was checked in before; the repository itself; and what Fossil and other version control systems keep for themselves.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The directory that stands for the root of the tree
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
    #[command(flatten)]
    pub(super) manner: Manner,
}

impl Import {
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        let work = Work {
            base: self.directory,
            paths: vec![PathBuf::from(".")],
            gone: Gone::Deleted,
            windows: self.manner.windows(),
        };
        self.manner.make(&work, output)
    }
}
