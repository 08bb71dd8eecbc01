//! Answers on the broker for a server that is reached over HTTP alone, so that leaves who know only the broker reach it.

use std::sync::Arc;
use std::time::Duration;

use sync::http::HttpOptions;
use sync::nats::{Connection, Hub, HubError, HubOptions, NatsServeOptions, NatsServer};
use tokio::time::sleep;

use super::board::{Board, Condition, Trouble};
use super::config::{self, RequestBytes};
use super::stop::Stop;
use crate::exit::Failure;
use crate::measure;

/// Time between tries to learn what the server has, or to be heard of on the broker.
const TRY_EVERY: Duration = Duration::from_secs(5);

/// One server, and how it is answered for.
pub(crate) struct Bridge {
    pub(crate) config: config::Bridge,
    pub(crate) connection: Connection,
    pub(crate) prefix: String,
    pub(crate) http: HttpOptions,
    pub(crate) board: Board,
    pub(crate) stop: Stop,
    pub(crate) drain: Duration,
    pub(crate) request_bytes: RequestBytes,
}

impl Bridge {
    /// Answers until the leaf is to stop, and then what has come.
    pub(crate) async fn run(self) {
        let hub = self.hub();
        let Some(project) = self.project(&hub).await else { return };
        let options = NatsServeOptions {
            prefix: self.prefix.clone(),
            peer: self.config.name.clone(),
            ..NatsServeOptions::default()
        };
        loop {
            let hubs = [(hub.clone(), project.clone())];
            let opened = tokio::select! {
                opened = NatsServer::bridge(&self.connection, hubs, &options, self.drain) => opened,
                () = self.stop.wait() => return,
            };
            let ended = match opened {
                Ok(server) => {
                    self.note(|known| (known.state, known.error) = (Condition::Open, None));
                    server.run(self.stop.wait()).await.map_err(Failure::from)
                }
                Err(error) => Err(Failure::from(error)),
            };
            let Err(failure) = ended else { return };
            self.note(|known| known.state = Condition::Opening);
            self.troubled(&failure);
            if !self.pause().await {
                return;
            }
        }
    }

    fn hub(&self) -> Hub {
        let (board, url) = (self.board.clone(), self.config.url.to_string());
        let (timeout, name) = (self.config.timeout, url.clone());
        let http = HttpOptions {
            idle_timeout: timeout,
            connect_timeout: self.http.connect_timeout.min(timeout),
            exchange_timeout: timeout * 30,
            ..self.http.clone()
        };
        let observer = Arc::new(move |handed: &sync::nats::Handed<'_>| {
            let trouble = handed.error.map(|error| Trouble::from(&Failure::from(error.clone())));
            board.note_bridge(&url, |known| {
                known.requests += 1;
                known.failed_requests += u64::from(trouble.is_some());
                known.bytes_sent += handed.sent as u64;
                known.bytes_received += handed.received as u64;
                known.tell(trouble);
            });
        });
        Hub::new(
            self.config.url.clone(),
            HubOptions {
                http,
                observer: Some(observer),
                requests: measure::requests(move |_| Some(name.clone())),
                turned_away: measure::turned_away(),
                request_bytes: self.request_bytes.0,
                ..HubOptions::default()
            },
        )
    }

    /// The project of the server, however long it takes to learn it. None: the leaf is to stop.
    async fn project(&self, hub: &Hub) -> Option<String> {
        let peer = self.config.name.clone().or_else(|| hub.peer().ok());
        self.note(|known| known.peer = peer.map(|peer| peer.to_string()));
        let project = match &self.config.project {
            Some(project) => project.clone(),
            None => self.learnt(hub).await?,
        };
        self.note(|known| known.project_code = Some(project.clone()));
        Some(project)
    }

    async fn learnt(&self, hub: &Hub) -> Option<String> {
        loop {
            let asked = tokio::select! {
                asked = hub.project() => asked,
                () = self.stop.wait() => return None,
            };
            match asked {
                Ok(project) => return Some(project),
                // The observer wrote that down.
                Err(HubError::Transport(_)) => {}
                Err(error) => self.troubled(&Failure::from(error)),
            }
            if !self.pause().await {
                return None;
            }
        }
    }

    /// Says whether the leaf goes on.
    async fn pause(&self) -> bool {
        tokio::select! {
            () = sleep(TRY_EVERY) => true,
            () = self.stop.wait() => false,
        }
    }

    fn troubled(&self, failure: &Failure) {
        self.note(|known| known.tell(Some(Trouble::from(failure))));
    }

    fn note(&self, change: impl FnOnce(&mut super::board::Bridge)) {
        self.board.note_bridge(&self.config.url.to_string(), change);
    }
}
