//! `frond sync [URL] -R FILE`.

use clap::Args;

use super::exchange::{Direction, Exchange};
use crate::exit::{Code, Failure};
use crate::output::Output;

/// Pull and push at once
#[derive(Debug, Args)]
pub(crate) struct Sync {
    #[command(flatten)]
    pub(super) exchange: Exchange,
}

impl Sync {
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        self.exchange.run(Direction::Both, output)
    }
}
