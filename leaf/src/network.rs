//! What every command that talks to a server shares: address, login, runtime, signals, summary.

use std::future::Future;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use sync::SyncResult;
use sync::client::Setting;
use sync::http::{HttpOptions, Password, Url};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::{Code, Failure};
use crate::output::{self, Output};
use crate::progress::Reporter;

/// Options of every command that talks to a server.
#[derive(Debug, Args)]
pub(crate) struct Network {
    /// Get private artifacts too (the user needs capability x)
    #[arg(long)]
    pub(crate) private: bool,
    /// Do not remember the URL
    #[arg(long)]
    pub(crate) once: bool,
    /// Give up when the server sends nothing for so long
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

impl Network {
    pub(crate) fn http(&self) -> HttpOptions {
        let idle_timeout = Duration::from_secs(self.timeout);
        let default = HttpOptions::default();
        HttpOptions {
            idle_timeout,
            connect_timeout: default.connect_timeout.min(idle_timeout),
            exchange_timeout: idle_timeout * 30,
            ..default
        }
    }

    pub(crate) fn remember(&self) -> sync::client::Remember {
        if self.once { sync::client::Remember::No } else { sync::client::Remember::Yes }
    }
}

/// Reads an address.
pub(crate) fn url(text: &str) -> Result<Url, Failure> {
    text.parse().map_err(|error| {
        let shown = text.rsplit_once('@').map_or(text, |(_, rest)| rest);
        let what = format!("{shown:?} is no URL of a repository: {error}");
        Failure::new(Code::Usage, what, "write it as http://HOST/PATH or https://USER@HOST/PATH")
    })
}

/// The login an address stands for. The password: that of the address, else FROND_PASSWORD, else `kept`.
pub(crate) fn login(url: &Url, kept: Option<String>) -> Result<(Option<String>, Option<String>), Failure> {
    let Some(user) = url.user.clone() else { return Ok((None, None)) };
    let password = url.password.clone().map(|Password(text)| text);
    let password = password.or_else(|| std::env::var("FROND_PASSWORD").ok()).or(kept);
    let password = password.filter(|text| !text.is_empty());
    if password.is_none() && user != "anonymous" && user != "nobody" {
        let what = format!("no password for user {user:?} of {}", url.authority());
        return Err(Failure::new(Code::Refused, what, "put it in FROND_PASSWORD"));
    }
    Ok((Some(user), password))
}

/// Where progress is shown.
pub(crate) fn setting(output: &Output) -> Result<Setting, Failure> {
    let mut setting = Setting::new()?;
    setting.observer = Box::new(Reporter::new(*output));
    Ok(setting)
}

/// Runs a task to its end. A signal ends the program at once, which no repository file minds.
pub(crate) fn run<T>(task: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = runtime(2)?;
    Ok(runtime.block_on(async {
        if let (Ok(mut interrupt), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        {
            tokio::spawn(async move {
                let code = tokio::select! {
                    _ = interrupt.recv() => Code::Interrupted,
                    _ = terminate.recv() => Code::Terminated,
                };
                output::interrupted(code, "interrupted; run the same command again to go on");
            });
        }
        task.await
    }))
}

/// A runtime of few threads: the work is in the database, not in the network.
pub(crate) fn runtime(threads: usize) -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Code::Failed, format!("cannot start threads: {error}"), "try again"))
}

/// What a session did, as the last line of `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    r#type: &'static str,
    operation: &'static str,
    rounds: u32,
    artifacts_sent: u64,
    artifacts_received: u64,
    bytes_sent: u64,
    bytes_received: u64,
    unversioned_sent: u64,
    unversioned_received: u64,
    project_code: String,
    resumed: bool,
    unavailable: u64,
    seconds: f64,
}

impl Summary {
    pub(crate) fn new(operation: &'static str, result: &SyncResult, resumed: bool, begun: Instant) -> Self {
        let stats = &result.stats;
        if result.unavailable > 0 {
            let first = result.first_unavailable.map(tracing::field::display);
            tracing::warn!(
                artifacts = result.unavailable,
                first,
                "named by the repository, but not sent by the server"
            );
        }
        Self {
            r#type: "summary",
            operation,
            rounds: result.rounds,
            artifacts_sent: stats.files_sent,
            artifacts_received: stats.files_received,
            bytes_sent: stats.bytes_sent,
            bytes_received: stats.bytes_received,
            unversioned_sent: 0,
            unversioned_received: 0,
            project_code: result.project.clone(),
            resumed,
            unavailable: result.unavailable,
            seconds: (begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
        }
    }

    /// The same for people, in stock's words, which scripts look for.
    pub(crate) fn text(&self, url: &Url) -> String {
        let mut operation = self.operation.to_owned();
        if let Some(first) = operation.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        format!(
            "Round-trips: {}   Artifacts sent: {}  received: {}\n\
             {operation} done, wire bytes sent: {}  received: {}  remote: {}\n",
            self.rounds,
            self.artifacts_sent,
            self.artifacts_received,
            self.bytes_sent,
            self.bytes_received,
            url.host
        )
    }
}
