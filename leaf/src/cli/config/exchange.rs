//! Configuration from and to a server.

use clap::Args;
use repo::configuration::Group;
use serde::Serialize;
use sync::SyncOptions;

use super::super::exchange::Meeting;
use super::{group, warn_of_unusable};
use crate::exit::{Code, Failure};
use crate::output::Output;

/// Get a group from a server, where it is newer there
#[derive(Debug, Args)]
pub(super) struct Pull {
    #[command(flatten)]
    pub(super) exchange: Exchange,
}

/// Give a server a group, where it is newer here
///
/// The user needs capability a or s there; with a alone, users who may set up are left as they are.
#[derive(Debug, Args)]
pub(super) struct Push {
    #[command(flatten)]
    pub(super) exchange: Exchange,
}

impl Pull {
    pub(super) fn run(self, output: &Output) -> Result<Code, Failure> {
        let options = SyncOptions { config_pull: Some(self.exchange.group), ..SyncOptions::default() };
        self.exchange.run("config-pull", options, output)
    }
}

impl Push {
    pub(super) fn run(self, output: &Output) -> Result<Code, Failure> {
        let options = SyncOptions { config_push: Some(self.exchange.group), ..SyncOptions::default() };
        self.exchange.run("config-push", options, output)
    }
}

#[derive(Debug, Args)]
pub(super) struct Exchange {
    /// What to exchange: project, skin, ..., all
    #[arg(value_name = "GROUP", value_parser = group)]
    group: Group,
    #[command(flatten)]
    pub(super) meeting: Meeting,
}

#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    operation: &'static str,
    group: &'static str,
    rounds: u32,
    records_sent: u64,
    records_received: u64,
    messages: Vec<String>,
}

impl Exchange {
    fn run(self, operation: &'static str, options: SyncOptions, output: &Output) -> Result<Code, Failure> {
        let asks = options.config_pull.is_some();
        let mut repo = self.meeting.open(&options)?;
        let (url, outcome) = self.meeting.session(&mut repo, options, output)?;
        let result = outcome?;
        warn_of_unusable(&result.unusable_settings, output);
        if asks && result.config_offered == 0 {
            let name = self.group.name();
            output.warn(&format!(
                "the server gave nothing of {name}: it has nothing, or this login may not have it"
            ));
        }
        let summary = Summary {
            r#type: "summary",
            operation,
            group: self.group.name(),
            rounds: result.rounds,
            records_sent: result.stats.config_sent,
            records_received: result.stats.config_received,
            messages: result.messages,
        };
        output.answer(&summary, || {
            format!(
                "Records sent: {}  new from there: {}  remote: {}\n",
                summary.records_sent,
                summary.records_received,
                url.host()
            )
        });
        Ok(Code::Ok)
    }
}
