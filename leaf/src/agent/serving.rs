//! Serves the repositories of the leaf over HTTP, with the server that `frond serve` has.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sync::http::serve::{self, Certificate, Repos, ServeOptions, XferService};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use super::admin;
use super::board::Board;
use super::config::{Config, TlsFiles};
use super::metrics;
use super::page::Page;
use super::stop::{self, Stopper};
use crate::exit::{Code, Failure};
use crate::measure;

/// Time between two looks at the files of a certificate.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Host and port under which others reach an address: where it is that of every interface, by the name of the machine.
pub(crate) fn reached_at(address: SocketAddr) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match host.trim() {
        host if address.ip().is_unspecified() && !host.is_empty() => format!("{host}:{}", address.port()),
        _ => address.to_string(),
    }
}

/// The port, which stays when the configuration is read anew.
pub(crate) struct Port {
    listener: StdListener,
    pub(crate) at: SocketAddr,
    /// None: it was handed down, whatever the configuration says.
    asked: Option<SocketAddr>,
}

/// The server of one configuration.
pub(crate) struct Server {
    stopper: Stopper,
    task: JoinHandle<()>,
    watching: Option<JoinHandle<()>>,
}

impl Port {
    /// Takes it. `flag` names what it is to be changed with.
    pub(crate) fn take(asked: SocketAddr, flag: &str) -> Result<Self, Failure> {
        let listener = StdListener::bind(asked).map_err(|error| {
            let hint = format!("choose another address or port with {flag}");
            Failure::new(Code::Failed, format!("cannot listen on {asked}: {error}"), hint)
        })?;
        Ok(Self { asked: Some(asked), ..Self::handed(listener)? })
    }

    /// Uses one that somebody else took for us.
    pub(crate) fn handed(listener: StdListener) -> Result<Self, Failure> {
        listener.set_nonblocking(true).map_err(|error| cannot(&error))?;
        let at = listener.local_addr().map_err(|error| cannot(&error))?;
        Ok(Self { listener, at, asked: None })
    }

    /// Whether it is the one that a configuration asks for.
    pub(crate) fn is_for(&self, asked: Option<SocketAddr>) -> bool {
        self.asked.is_none() || asked == self.asked
    }

    pub(crate) fn into_listener(self) -> Result<(TcpListener, SocketAddr), Failure> {
        Ok((TcpListener::from_std(self.listener).map_err(|error| cannot(&error))?, self.at))
    }

    /// Serves the repositories of a configuration there.
    pub(crate) fn serve(
        &self,
        config: &Config,
        certificate: Option<Arc<Certificate>>,
        board: &Board,
        page: &Page,
    ) -> Result<Server, Failure> {
        let listener = TcpListener::from_std(self.listener.try_clone().map_err(|error| cannot(&error))?)
            .map_err(|error| cannot(&error))?;
        let files =
            config.repositories.iter().map(|repository| (repository.name.clone(), repository.file.clone()));
        let names: BTreeMap<PathBuf, String> = files.clone().map(|(name, file)| (file, name)).collect();
        let watching = certificate.clone().map(|certificate| tokio::spawn(watch(certificate)));
        let options = ServeOptions {
            observer: metrics::requests(board, move |file| names.get(file).cloned()),
            turned_away: measure::turned_away(),
            base_path: config.base_path.clone(),
            decode: ServeOptions::taking(config.request_bytes.0),
            drain_timeout: config.drain,
            kept: 1,
            forwarding: config.forwarding.clone(),
            certificate,
            front: (config.probes || config.page).then(|| {
                let probes = config.probes.then(|| board.clone());
                admin::front(probes, config.page.then(|| page.clone()), config.base_path.clone())
            }),
            ..ServeOptions::default()
        };
        let service = XferService::new(Repos::named(files), options);
        let (stopper, stop) = stop::pair();
        let task = tokio::spawn(async move { serve::run(listener, service, stop.wait()).await });
        Ok(Server { stopper, task, watching })
    }
}

fn cannot(error: &std::io::Error) -> Failure {
    Failure::new(Code::Failed, format!("cannot listen: {error}"), "check what listens on this machine")
}

impl Server {
    /// Takes no further connection, and waits until what was begun is answered.
    pub(crate) async fn stop(self) {
        self.stopper.stop();
        if let Some(watching) = self.watching {
            watching.abort();
        }
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the server ended in an unforeseen way");
        }
    }
}

/// The certificate of a configuration: the one there is, read again, if it is of the same files.
pub(crate) fn certificate(
    files: Option<&TlsFiles>,
    known: Option<&Arc<Certificate>>,
) -> Result<Option<Arc<Certificate>>, Failure> {
    let Some(TlsFiles { certificate, key }) = files else { return Ok(None) };
    if let Some(known) = known.filter(|known| known.is_of(certificate, key)) {
        told(known.reload().map_err(|error| error.to_string()));
        return Ok(Some(Arc::clone(known)));
    }
    let loaded = Certificate::load(certificate, key).map_err(|error| {
        let hint =
            "tls-certificate is a PEM file with the server's certificate first, tls-key one with its key";
        Failure::new(Code::Failed, error.to_string(), hint)
    })?;
    Ok(Some(Arc::new(loaded)))
}

/// Looks again and again whether the files changed, and then has new connections get the new certificate.
pub(crate) async fn watch(certificate: Arc<Certificate>) {
    let mut last = Ok(false);
    loop {
        sleep(LOOK_EVERY).await;
        let certificate = Arc::clone(&certificate);
        let look = spawn_blocking(move || certificate.reload_if_changed().map_err(|error| error.to_string()));
        let Ok(found) = look.await else { return };
        // The same trouble, time and again, is worth one line.
        if found.is_ok() || found != last {
            told(found.clone());
        }
        last = found;
    }
}

fn told(reloaded: Result<bool, String>) {
    match reloaded {
        Ok(true) => tracing::warn!("there is a new certificate: new connections get it"),
        Ok(false) => {}
        Err(error) => tracing::error!("the certificate stays as it was: {error}"),
    }
}
