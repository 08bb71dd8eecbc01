//! `frond pull [URL] -R FILE`.

use std::time::Instant;

use clap::Args;
use sync::SyncOptions;
use sync::client;
use sync::http::HttpTransport;

use super::Repository;
use crate::exit::{Code, Failure};
use crate::network::{self, Network, Peer, Summary};
use crate::output::Output;

/// Bring what is new from a server
#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// The server's repository; by default the one of the last clone or pull
    #[arg(value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    pub(super) repository: Repository,
    /// Compare everything, not only what is new to the server
    #[arg(long)]
    verily: bool,
    #[command(flatten)]
    network: Network,
}

impl Pull {
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        let begun = Instant::now();
        let mut repo = self.repository.write()?;
        let Peer { url, login } = network::peer(self.url.as_deref(), &mut repo, output)?;
        let remember = self.network.remember(&login)?;
        let options = SyncOptions {
            pull: true,
            user: login.user,
            password: login.password,
            private: self.network.private,
            verily: self.verily,
            ..SyncOptions::default()
        };
        let mut setting = network::setting(output)?;
        let mut transport = HttpTransport::new(url.clone(), self.network.http()?);
        let session = client::sync(&mut repo, &mut transport, options, remember, &mut setting);
        let result = network::run(session)??;
        let summary = Summary::new("pull", &result, false, begun);
        output.answer(&summary, || summary.text(&url));
        Ok(Code::Ok)
    }
}
