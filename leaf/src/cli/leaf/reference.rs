//! `frond leaf reference`: what README.md says of the configuration.

use clap::Args;

use crate::agent::config::reference;
use crate::exit::{Code, Failure};
use crate::output::Output;

/// Print the reference of the configuration
#[derive(Debug, Args)]
pub(super) struct Reference {}

impl Reference {
    #[expect(clippy::unnecessary_wraps, reason = "as every command")]
    pub(super) fn run(self, output: &Output) -> Result<Code, Failure> {
        let Self {} = self;
        output.text(&reference());
        Ok(Code::Ok)
    }
}
