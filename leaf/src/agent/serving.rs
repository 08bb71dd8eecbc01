//! Serves the repositories of the leaf over HTTP, with the server that `frond serve` has.

use std::net::{SocketAddr, TcpListener as StdListener};

use sync::http::serve::{self, Repos, ServeOptions, XferService};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::config::Config;
use super::stop::{self, Stopper};
use crate::exit::{Code, Failure};

/// The port, which stays when the configuration is read anew.
pub(crate) struct Port {
    listener: StdListener,
    pub(crate) at: SocketAddr,
    asked: SocketAddr,
}

/// The server of one configuration.
pub(crate) struct Server {
    stopper: Stopper,
    task: JoinHandle<()>,
}

impl Port {
    /// Takes it.
    pub(crate) fn take(asked: SocketAddr) -> Result<Self, Failure> {
        let cannot = |error: std::io::Error| {
            let what = format!("cannot listen on {asked}: {error}");
            Failure::new(Code::Failed, what, "choose another address or port with --listen")
        };
        let listener = StdListener::bind(asked).map_err(cannot)?;
        listener.set_nonblocking(true).map_err(cannot)?;
        let at = listener.local_addr().map_err(cannot)?;
        Ok(Self { listener, at, asked })
    }

    /// Whether it is the one that a configuration asks for.
    pub(crate) fn is_for(&self, asked: Option<SocketAddr>) -> bool {
        asked == Some(self.asked)
    }

    /// Serves the repositories of a configuration there.
    pub(crate) fn serve(&self, config: &Config) -> Result<Server, Failure> {
        let cannot = |error: std::io::Error| {
            Failure::new(Code::Failed, format!("cannot listen on {}: {error}", self.at), "try again")
        };
        let listener = TcpListener::from_std(self.listener.try_clone().map_err(cannot)?).map_err(cannot)?;
        let files =
            config.repositories.iter().map(|repository| (repository.name.clone(), repository.file.clone()));
        let options = ServeOptions {
            base_path: config.base_path.clone(),
            drain_timeout: config.drain,
            ..ServeOptions::default()
        };
        let service = XferService::new(Repos::named(files), options);
        let (stopper, stop) = stop::pair();
        let task = tokio::spawn(async move { serve::run(listener, service, stop.wait()).await });
        Ok(Server { stopper, task })
    }
}

impl Server {
    /// Takes no further connection, and waits until what was begun is answered.
    pub(crate) async fn stop(self) {
        self.stopper.stop();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the server ended in an unforeseen way");
        }
    }
}
