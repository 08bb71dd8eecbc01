//! `frond leaf sync-now`.

use clap::Args;

use super::socket;
use crate::agent::config::Source;
use crate::agent::control::{self, Request};
use crate::exit::{Code, Failure};
use crate::output::Output;

/// Have a running leaf synchronize now, and not wait for its time
#[derive(Debug, Args)]
pub(super) struct SyncNow {
    #[command(flatten)]
    source: Source,
    /// Only the repository of this name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Only with this peer, as the status shows it
    #[arg(long, value_name = "URL")]
    peer: Option<String>,
}

impl SyncNow {
    pub(super) fn run(self, output: &Output) -> Result<Code, Failure> {
        let request = Request::SyncNow { repository: self.name, peer: self.peer };
        let answer = control::ask(&socket(&self.source, output)?, &request)?;
        output.answer(&answer, || format!("Sessions asked for: {}\n", answer["sessions"]));
        Ok(Code::Ok)
    }
}
