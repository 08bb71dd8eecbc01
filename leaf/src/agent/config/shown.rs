//! The configuration as `frond leaf check` explains it: everything but secrets.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::value::{Every, shown};
use super::{Bridge, Config, Peer, Repository, Secret};

/// All of it.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    r#type: &'static str,
    config: Option<String>,
    listen: Option<String>,
    base_path: String,
    trusted_proxies: Vec<String>,
    proxy_header: String,
    tls_certificate: Option<String>,
    tls_key: Option<String>,
    request_bytes: usize,
    probes: bool,
    page: bool,
    admin: Option<String>,
    nats: Option<String>,
    prefix: String,
    socket: String,
    registry: String,
    drain: String,
    repositories: Vec<ShownRepository>,
    bridges: Vec<ShownBridge>,
}

#[derive(Debug, Serialize)]
struct ShownBridge {
    url: String,
    project_code: Option<String>,
    name: Option<String>,
    timeout: String,
}

#[derive(Debug, Serialize)]
struct ShownRepository {
    name: String,
    file: String,
    /// Whether it is there; else it is cloned.
    exists: bool,
    project_code: Option<String>,
    hook: Vec<String>,
    peers: Vec<ShownPeer>,
}

#[derive(Debug, Serialize)]
struct ShownPeer {
    url: String,
    login: Option<String>,
    password: &'static str,
    direction: &'static str,
    beside: Vec<&'static str>,
    poll: String,
    jitter_percent: u32,
    hours: Option<String>,
    retry: String,
    retry_cap: String,
    timeout: String,
    send_bytes: u64,
    up_rate: Option<u64>,
    down_rate: Option<u64>,
    within: Option<String>,
}

impl Shown {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            r#type: "configuration",
            config: config.file.as_ref().map(|file| file.display().to_string()),
            listen: config.listen.map(|address| address.to_string()),
            base_path: config.base_path.clone(),
            trusted_proxies: config.forwarding.proxies.iter().map(ToString::to_string).collect(),
            proxy_header: config.forwarding.header.to_string(),
            tls_certificate: config.tls.as_ref().map(|tls| tls.certificate.display().to_string()),
            tls_key: config.tls.as_ref().map(|tls| tls.key.display().to_string()),
            request_bytes: config.request_bytes.0,
            probes: config.probes,
            page: config.page,
            admin: config.admin.map(|address| address.to_string()),
            nats: config.nats.as_ref().map(sync::nats::Broker::authority),
            prefix: config.prefix.clone(),
            socket: config.socket.display().to_string(),
            registry: config.registry.map_or(Every::Off, Every::Time).to_string(),
            drain: shown(config.drain),
            repositories: config.repositories.iter().map(of_repository).collect(),
            bridges: config.bridges.iter().map(of_bridge).collect(),
        }
    }

    /// The same for people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let none = || "-".to_owned();
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "{name:<13}{value}");
        };
        line("config", self.config.as_deref().unwrap_or("flags and environment"));
        line("listen", &self.listen.clone().unwrap_or_else(none));
        line("base-path", if self.base_path.is_empty() { "-" } else { &self.base_path });
        match self.trusted_proxies.as_slice() {
            [] => line("proxies", "none is believed"),
            all => line("proxies", &format!("{}, by {}", all.join(", "), self.proxy_header)),
        }
        line("tls", &self.tls_certificate.clone().unwrap_or_else(none));
        line("requests", &format!("up to {} bytes", self.request_bytes));
        line("page", if self.page { "at the address of the repositories too" } else { "-" });
        line("probes", if self.probes { "at the address of the repositories too" } else { "-" });
        line("admin", &self.admin.clone().unwrap_or_else(none));
        line("nats", &self.nats.clone().unwrap_or_else(none));
        line("prefix", &self.prefix);
        line("socket", &self.socket);
        line("registry", &self.registry);
        line("drain", &self.drain);
        for repository in &self.repositories {
            let there = if repository.exists { "" } else { ", to be cloned" };
            let _ = writeln!(text, "\nrepository {} ({}{there})", repository.name, repository.file);
            if !repository.hook.is_empty() {
                let _ = writeln!(text, "  hook {}", repository.hook.join(" "));
            }
            if repository.peers.is_empty() {
                let _ = writeln!(text, "  no peers: it is served, and synchronized with nobody");
            }
            repository.peers.iter().for_each(|peer| peer.write(&mut text));
        }
        for ShownBridge { url, project_code, name, timeout } in &self.bridges {
            let _ = writeln!(text, "\nbridge {url}");
            let _ = writeln!(
                text,
                "    project      {}",
                project_code.as_deref().unwrap_or("the server is asked")
            );
            let _ = writeln!(text, "    name         {}", name.as_deref().unwrap_or("by its address"));
            let _ = writeln!(text, "    timeout      {timeout}");
        }
        text
    }
}

impl ShownPeer {
    fn write(&self, text: &mut String) {
        let _ = writeln!(text, "  peer {}", self.url);
        let beside: String = self.beside.iter().map(|what| format!(", {what}")).collect();
        let _ = writeln!(text, "    login        {}", self.login.as_deref().unwrap_or("nobody"));
        let _ = writeln!(text, "    password     {}", self.password);
        let _ = writeln!(text, "    exchange     {}{beside}", self.direction);
        let _ = writeln!(text, "    poll         {} (give or take {} %)", self.poll, self.jitter_percent);
        if let Some(hours) = &self.hours {
            let _ = writeln!(text, "    hours        {hours}");
        }
        let _ = writeln!(text, "    on failure   again after {}, then up to {}", self.retry, self.retry_cap);
        let _ = writeln!(text, "    timeout      {}", self.timeout);
        let rate =
            |rate: Option<u64>| rate.map_or("no limit".to_owned(), |rate| format!("{rate} bytes a second"));
        let _ = writeln!(text, "    rates        up {}, down {}", rate(self.up_rate), rate(self.down_rate));
        if let Some(within) = &self.within {
            let _ = writeln!(text, "    required     a good session within {within}");
        }
    }
}

fn of_repository(repository: &Repository) -> ShownRepository {
    ShownRepository {
        name: repository.name.clone(),
        file: repository.file.display().to_string(),
        exists: repository.file.exists(),
        project_code: repository.project.clone(),
        hook: repository.hook.clone(),
        peers: repository.peers.iter().map(of_peer).collect(),
    }
}

fn of_bridge(bridge: &Bridge) -> ShownBridge {
    ShownBridge {
        url: bridge.url.to_string(),
        project_code: bridge.project.clone(),
        name: bridge.name.as_ref().map(ToString::to_string),
        timeout: shown(bridge.timeout),
    }
}

fn of_peer(peer: &Peer) -> ShownPeer {
    let beside = [
        (peer.private, "private artifacts"),
        (peer.unversioned, "unversioned files"),
        (peer.tables, "synced tables"),
    ];
    ShownPeer {
        url: peer.address.to_string(),
        login: peer.address.user().map(str::to_owned),
        password: match &peer.password {
            Secret::None => "none, or the one that the repository remembers",
            Secret::Found { origin, .. } => origin,
        },
        direction: match (peer.pull, peer.push) {
            (true, true) => "pull and push",
            (true, false) => "pull",
            (false, true) => "push",
            (false, false) => "neither pull nor push",
        },
        beside: beside.into_iter().filter_map(|(is_on, what)| is_on.then_some(what)).collect(),
        poll: peer.poll.map_or(Every::Off, Every::Time).to_string(),
        jitter_percent: peer.jitter_percent,
        hours: peer.hours.as_ref().map(ToString::to_string),
        retry: shown(peer.retry),
        retry_cap: shown(peer.retry_cap),
        timeout: shown(peer.timeout),
        send_bytes: peer.send_bytes,
        up_rate: peer.up_rate,
        down_rate: peer.down_rate,
        within: peer.within.map(|within: Duration| shown(within)),
    }
}
