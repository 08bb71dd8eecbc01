//! `frond leaf check`.

use clap::Args;

use crate::agent::config::{Flags, Shown, load};
use crate::exit::{Code, Failure};
use crate::output::Output;

/// Check the configuration and explain what it means; secrets are not shown
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    flags: Flags,
}

impl Check {
    pub(super) fn run(self, output: &Output) -> Result<Code, Failure> {
        let shown = Shown::new(&load(&self.flags)?);
        output.answer(&shown, || shown.text());
        Ok(Code::Ok)
    }
}
