//! `frond push [URL] -R FILE`.

use clap::Args;

use super::exchange::{Direction, Exchange};
use crate::exit::{Code, Failure};
use crate::output::Output;

/// Give a server what it lacks
#[derive(Debug, Args)]
pub(crate) struct Push {
    #[command(flatten)]
    pub(super) exchange: Exchange,
}

impl Push {
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        self.exchange.run(Direction::Push, output)
    }
}
