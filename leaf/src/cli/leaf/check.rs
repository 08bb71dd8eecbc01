//! `frond leaf check`.

use clap::Args;

use crate::agent::config::{Flags, Shown, load_or_all_wrong};
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
        let config = load_or_all_wrong(&self.flags).map_err(|mut wrong| {
            // The last one ends the command, and is told by that.
            let last = wrong.split_off(wrong.len() - 1).remove(0);
            for failure in wrong {
                output.fail(&failure);
            }
            last
        })?;
        let shown = Shown::new(&config);
        output.answer(&shown, || shown.text());
        Ok(Code::Ok)
    }
}
