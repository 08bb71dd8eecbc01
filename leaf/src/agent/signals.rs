//! The signals that a leaf hears.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Code, Failure};
use crate::network;

/// What a signal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// SIGINT or SIGTERM: end.
    End,
    /// SIGHUP: read the configuration anew.
    Reload,
    /// SIGUSR1: synchronize with everybody now.
    SyncNow,
}

/// All of them.
pub(crate) struct Signals {
    end: network::Signals,
    reload: Signal,
    sync_now: Signal,
}

impl Signals {
    /// From now on they end nothing by themselves.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let cannot = |error: std::io::Error| {
            Failure::new(Code::Failed, format!("cannot listen for signals: {error}"), "try again")
        };
        Ok(Self {
            end: network::Signals::listen().map_err(cannot)?,
            reload: signal(SignalKind::hangup()).map_err(cannot)?,
            sync_now: signal(SignalKind::user_defined1()).map_err(cannot)?,
        })
    }

    /// Waits for the next.
    pub(crate) async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.end.next() => Heard::End,
            _ = self.reload.recv() => Heard::Reload,
            _ = self.sync_now.recv() => Heard::SyncNow,
        }
    }

    /// Waits for one that ends the leaf; gives the exit code that it stands for.
    pub(crate) async fn last(&mut self) -> Code {
        self.end.next().await
    }
}
