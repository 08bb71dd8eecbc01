//! `frond pull [URL] -R FILE`.

use clap::Args;

use super::exchange::{Direction, Exchange};
use crate::exit::{Code, Failure};
use crate::output::Output;

/// Bring what is new from a server
#[derive(Debug, Args)]
pub(crate) struct Pull {
    #[command(flatten)]
    pub(super) exchange: Exchange,
}

impl Pull {
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        self.exchange.run(Direction::Pull, output)
    }
}
