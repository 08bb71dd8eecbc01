//! Looks for what keeps a leaf from its work, and says what to do. Changes nothing, here or at peers.

mod bridge;
mod broker;
mod files;
mod peer;
mod repository;

use std::time::Duration;

use repo::UnixTime;
use serde::Serialize;
use serde_json::Value;
use sync::client::now;
use sync::http::{HttpOptions, Proxies};

use self::repository::Known;
use super::config::{self, Address, Config, Flags, Peer, Repository, Secret};
use super::control::{self, Request};
use crate::exit::Failure;

/// How long anybody may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// How far clocks may differ, and times lie in the future.
const CLOCK: Duration = Duration::from_secs(60);

/// When this was written: no clock shows an earlier time.
const WRITTEN: UnixTime = UnixTime::from_seconds(1_767_225_600);

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    r#type: &'static str,
    pub(crate) level: Level,
    /// What was looked at: `repository team`, `broker`, ...
    pub(crate) about: String,
    pub(crate) what: String,
    /// What to do; none where all is well.
    pub(crate) hint: Option<String>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    Ok,
    /// It works, but not for long, or not for everyone.
    Warning,
    /// Something does not work.
    Error,
}

/// What was found so far, told as it is found.
pub(crate) struct Findings<'a> {
    tell: &'a mut dyn FnMut(&Finding),
}

impl Findings<'_> {
    fn well(&mut self, about: &str, what: impl Into<String>) {
        self.add(Level::Ok, about, what, None);
    }

    fn warn(&mut self, about: &str, what: impl Into<String>, hint: &str) {
        self.add(Level::Warning, about, what, Some(hint));
    }

    fn fail(&mut self, about: &str, what: impl Into<String>, hint: &str) {
        self.add(Level::Error, about, what, Some(hint));
    }

    fn failure(&mut self, about: &str, failure: &Failure) {
        self.fail(about, failure.what.as_str(), &failure.hint);
    }

    fn add(&mut self, level: Level, about: &str, what: impl Into<String>, hint: Option<&str>) {
        let (about, hint) = (about.to_owned(), hint.map(str::to_owned));
        (self.tell)(&Finding { r#type: "finding", level, about, what: what.into(), hint });
    }
}

/// Looks at everything that a leaf of this configuration needs.
pub(crate) async fn examine(flags: &Flags, tell: &mut dyn FnMut(&Finding)) {
    let mut findings = Findings { tell };
    let config = match config::load_or_all_wrong(flags) {
        Ok(config) => config,
        Err(wrong) => return wrong.iter().for_each(|failure| findings.failure("configuration", failure)),
    };
    configuration(&config, &mut findings);
    clock(&mut findings);
    running(&config, &mut findings);
    let projects = repositories(&config, &mut findings);
    let connection = broker::examine(&config, &projects, &mut findings).await;
    let proxies = Proxies::from_variables(|name| std::env::var(name).ok());
    let http = match proxies {
        Ok(proxies) => HttpOptions { proxies, ..HttpOptions::default() },
        Err(error) => {
            let hint = "mend http_proxy, https_proxy or all_proxy";
            return findings.fail("configuration", error.to_string(), hint);
        }
    };
    for known in &config.bridges {
        bridge::examine(known, &http, &mut findings).await;
    }
    for repository in &config.repositories {
        let meeting =
            connection.as_ref().and_then(|connection| broker::meeting(&config, repository, connection));
        for known in &repository.peers {
            peer::examine(repository, known, meeting.as_ref(), &http, &mut findings).await;
        }
    }
}

fn configuration(config: &Config, findings: &mut Findings<'_>) {
    let about = "configuration";
    let from =
        config.file.as_ref().map_or("flags and environment".to_owned(), |file| file.display().to_string());
    let peers: usize = config.repositories.iter().map(|repository| repository.peers.len()).sum();
    findings.well(about, format!("{from}; repositories: {}, peers: {peers}", config.repositories.len()));
    let mut peers = config.repositories.iter().flat_map(|repository| &repository.peers);
    let is_in_file =
        |peer: &Peer| matches!(peer.password, Secret::Found { origin: "its url" | "the key password", .. });
    if peers.any(is_in_file) {
        for file in config.file.iter().filter(|file| files::is_open_to_others(file)) {
            findings.warn(
                about,
                format!("{} holds a password, and others may read it", file.display()),
                "chmod 600, or put the password into a file of its own: password-file",
            );
        }
    }
    if let Some(wide) = config.forwarding.proxies.iter().find(|proxy| proxy.is_everyone()) {
        findings.warn(
            about,
            format!("trusted-proxies has {wide}: everybody may say that they are somebody else"),
            "list the addresses of the web servers before this leaf alone",
        );
    }
    files::certificate(config, findings);
}

fn clock(findings: &mut Findings<'_>) {
    if now() < WRITTEN {
        let hint = "set it, and keep it right: timedatectl set-ntp true";
        findings.fail("clock", "this machine's clock shows a time before this program was written", hint);
    }
}

/// How a leaf is that runs with this configuration.
fn running(config: &Config, findings: &mut Findings<'_>) {
    let Ok(verdict) = control::ask(&config.socket, &Request::Ready) else {
        return findings.well("leaf", format!("none runs at {}", config.socket.display()));
    };
    if verdict["status"] == "ok" {
        findings.well("leaf", "runs, and is ready");
    }
    for problem in verdict["problems"].as_array().into_iter().flatten() {
        let of = ["repository", "peer"].map(|key| problem[key].as_str());
        let of: String = of.iter().flatten().map(|name| format!("{name}: ")).collect();
        let what = problem["what"].as_str().unwrap_or_default();
        findings.warn("leaf", format!("runs, and is not ready: {of}{what}"), "see `frond leaf status`");
    }
    if let Ok(report) = control::ask(&config.socket, &Request::Status) {
        troubles(&report, findings);
    }
}

/// What the leaf that runs says went wrong the last time.
fn troubles(report: &Value, findings: &mut Findings<'_>) {
    let all = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for repository in all(&report["repositories"]) {
        let name = word(&repository["name"]);
        trouble(&format!("repository {name}"), &repository["error"], findings);
        for error in all(&repository["broker_errors"]) {
            trouble(&format!("repository {name}"), &error, findings);
        }
        for peer in all(&repository["peers"]) {
            trouble(&format!("peer {} of {name}", word(&peer["url"])), &peer["error"], findings);
        }
    }
    for bridge in all(&report["bridges"]) {
        trouble(&format!("bridge {}", word(&bridge["url"])), &bridge["error"], findings);
    }
}

/// What may pass by itself is a warning.
fn trouble(of: &str, error: &Value, findings: &mut Findings<'_>) {
    if error["message"].is_string() {
        let (what, hint) = (format!("{of}: {}", word(&error["message"])), word(&error["hint"]));
        match error["class"].as_str() {
            Some("network" | "locked") => findings.warn("leaf", what, hint),
            _ => findings.fail("leaf", what, hint),
        }
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

/// The projects of those that open.
fn repositories(config: &Config, findings: &mut Findings<'_>) -> Vec<String> {
    let mut projects = Vec::new();
    for repository in &config.repositories {
        let about = format!("repository {}", repository.name);
        files::directory(&repository.file, &about, findings);
        if !repository.file.exists() {
            missing(repository, &about, findings);
            projects.extend(repository.project.clone());
            continue;
        }
        if let Some(Known { project }) = repository::examine(&repository.file, &about, findings) {
            projects.push(project);
        }
    }
    projects
}

/// A repository that is not there has to have somebody to be cloned from; whether they let us, is asked later.
fn missing(repository: &Repository, about: &str, findings: &mut Findings<'_>) {
    let file = repository.file.display();
    let is_meeting = |peer: &Peer| matches!(peer.address, Address::Meeting { .. });
    if repository.peers.is_empty() {
        let what = format!("{file}: is not there, and no peer to clone it from");
        return findings.fail(about, what, "make it with `frond new`, or give a peer");
    }
    if repository.project.is_none() && repository.peers.iter().all(is_meeting) {
        let what = format!("{file}: is not there, and it is not known which project to ask the broker for");
        return findings.fail(
            about,
            what,
            "give its project code with --project or the key project, or a peer",
        );
    }
    findings.well(about, format!("{file}: is not there yet; the leaf will clone it from its peers"));
}
