//! A configuration that is read anew while the leaf runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::config::{self, Config, Repository};
use super::{Kept, Leaf, serving, stop_all, stop_bridges, systemd};
use crate::exit::Failure;

impl Leaf {
    /// Reads the configuration anew. What stays as it was goes on undisturbed; with an error everything does.
    pub(super) async fn reload(&mut self) {
        systemd::reloading();
        let read = config::load(&self.flags).and_then(|config| {
            let certificate = serving::certificate(config.tls.as_ref(), self.certificate.as_ref())?;
            Ok((config, certificate))
        });
        match read {
            Ok((config, certificate)) => {
                self.certificate = certificate;
                if let Err(failure) = self.change_to(config).await {
                    tracing::error!(
                        "the new configuration is in force, but in part: {}; {}",
                        failure.what,
                        failure.hint
                    );
                }
            }
            Err(failure) => {
                tracing::error!("the configuration stays as it was: {}; {}", failure.what, failure.hint);
            }
        }
        systemd::ready();
    }

    async fn change_to(&mut self, new: Config) -> Result<(), Failure> {
        let fixed = |config: &Config| {
            (config.admin, config.socket.clone(), config.nats.clone(), config.prefix.clone())
        };
        if new.registry != self.config.registry {
            tracing::warn!("another interval of the register counts for repositories that are begun anew");
        }
        if fixed(&new) != fixed(&self.config) {
            tracing::warn!("other addresses for admin, socket and broker count from the next start");
        }
        let takes_same = new.request_bytes == self.config.request_bytes;
        let is_kept = |repository: &Repository| takes_same && new.repositories.contains(repository);
        let gone = self.keepers.iter().filter(|(_, kept)| !is_kept(&kept.repository));
        let gone: Vec<String> = gone.map(|(name, _)| name.clone()).collect();
        let stopped: Vec<Kept> = gone.iter().filter_map(|name| self.keepers.remove(name)).collect();
        let files = |config: &Config| -> BTreeMap<String, PathBuf> {
            config.repositories.iter().map(|one| (one.name.clone(), one.file.clone())).collect()
        };
        let way = |config: &Config| {
            let Config { base_path, drain, forwarding, tls, probes, page, .. } = config.clone();
            (base_path, drain, forwarding, tls, (probes, page))
        };
        let serves_same = files(&new) == files(&self.config)
            && way(&new) == way(&self.config)
            && takes_same
            && self.port.as_ref().is_none_or(|port| port.is_for(new.listen));
        if !serves_same && let Some(server) = self.server.take() {
            // The next one takes over at once; this one ends with its last request.
            tokio::spawn(server.stop());
        }
        if self.port.as_ref().is_some_and(|port| !port.is_for(new.listen)) {
            self.port = None;
        }
        let old = std::mem::take(&mut self.bridges);
        let (stay, go) =
            old.into_iter().partition(|bridged| takes_same && new.bridges.contains(&bridged.config));
        self.bridges = stay;
        let stopping = async { tokio::join!(stop_all(stopped, new.drain), stop_bridges(go)) };
        self.board.turning(stopping).await;
        self.board.set(&new, |name| self.keepers.contains_key(name));
        self.config = new;
        tracing::info!(repositories = self.config.repositories.len(), "the configuration was read anew");
        self.start()
    }
}
