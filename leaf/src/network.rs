//! What every command that talks to a server shares: address, login, runtime, signals, summary.

use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use repo::Repo;
use repo::branch::Fork;
use serde::{Serialize, Serializer};
use sync::client::{self, ClientError, Remember, Setting};
use sync::http::{HttpOptions, Proxies, ProxyError};
use sync::nats::{ConnectOptions, NatsOptions};
use sync::{SyncOptions, SyncResult};
use telemetry::{SpanId, within};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::chance;
use crate::exit::{Code, Failure};
use crate::login::{self, Login, Origin};
use crate::measure::{self, Place};
use crate::output::{self, Output};
use crate::progress::Reporter;
use crate::remote::{self, Remote};

/// What goes beside public artifacts.
#[derive(Debug, Default, Args)]
pub(crate) struct Beside {
    /// Exchange private artifacts too (the user needs capability x)
    #[arg(long)]
    pub(crate) private: bool,
    /// Exchange unversioned files too (giving needs capability y)
    #[arg(short, long)]
    pub(crate) unversioned: bool,
}

/// Options of every command that talks to a server.
#[derive(Debug, Args)]
pub(crate) struct Network {
    /// Remember neither the URL nor its password
    #[arg(long)]
    pub(crate) once: bool,
    /// Give up when the server sends nothing for so long
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// Go through this HTTP proxy, or through none; else as http_proxy, https_proxy and no_proxy say
    #[arg(long, value_name = "URL|off", value_parser = proxy)]
    proxy: Option<Proxies>,
}

impl Network {
    pub(crate) fn http(&self) -> Result<HttpOptions, Failure> {
        let idle_timeout = Duration::from_secs(self.timeout);
        let default = HttpOptions::default();
        let proxies = match &self.proxy {
            Some(proxies) => proxies.clone(),
            None => Proxies::from_variables(|name| std::env::var(name).ok()).map_err(|error| {
                let hint = "mend http_proxy, https_proxy or all_proxy, or give --proxy URL|off";
                Failure::new(Code::Usage, error.to_string(), hint)
            })?,
        };
        Ok(HttpOptions {
            idle_timeout,
            connect_timeout: default.connect_timeout.min(idle_timeout),
            exchange_timeout: idle_timeout * 30,
            proxies,
            ..default
        })
    }

    pub(crate) fn nats(&self) -> NatsOptions {
        let idle_timeout = Duration::from_secs(self.timeout);
        let default = ConnectOptions::default();
        NatsOptions {
            connect: ConnectOptions { connect_timeout: default.connect_timeout.min(idle_timeout), ..default },
            idle_timeout,
            exchange_timeout: idle_timeout * 30,
            ..NatsOptions::default()
        }
    }

    /// What the repository is to know of this session for the next one.
    pub(crate) fn remember(&self, login: &Login) -> Result<Remember, Failure> {
        Ok(match login.origin {
            _ if self.once => Remember::No,
            Origin::Given => Remember::Login { salt: chance::byte()? },
            Origin::Elsewhere => Remember::Address,
        })
    }
}

fn proxy(text: &str) -> Result<Proxies, ProxyError> {
    if text == "off" { Ok(Proxies::none()) } else { Proxies::through(text) }
}

/// Reads an address of the command line, where others can see it.
pub(crate) fn given_url(text: &str, output: &Output) -> Result<Remote, Failure> {
    let url = Remote::read(text)?;
    if url.has_secret() {
        let instead = match &url {
            Remote::Http(_) => {
                "leave it out to be asked for it, or put it in FROND_PASSWORD or in a file that FROND_PASSWORD_FILE names"
            }
            Remote::Nats(_) => "put it in NATS_PASSWORD or NATS_TOKEN, or name a file or a context",
        };
        output
            .warn(&format!("other users of this machine can see a password on the command line; {instead}"));
    }
    Ok(url)
}

/// Whom a repository is synchronized with, and as whom.
struct Peer {
    url: Remote,
    login: Login,
}

/// The peer at the address that was given, else at the one that the repository remembers.
fn peer(given: Option<&str>, repo: &mut Repo, output: &Output) -> Result<Peer, Failure> {
    let remembered = client::remembered_url(&repo.snapshot()?)?;
    let url = match (given, &remembered) {
        (Some(text), _) => given_url(text, output)?,
        (None, Some(text)) => Remote::read(text)?,
        (None, None) => {
            let file = repo.path().unwrap_or(Path::new("")).display();
            let hint = format!("give one: frond pull URL -R {file}");
            return Err(Failure::new(Code::Usage, format!("{file}: no server is remembered"), hint));
        }
    };
    // Stock may have written the same address in another way.
    let known = remembered.and_then(|text| Remote::read(&text).ok());
    let is_known = known.is_some_and(|known| known.to_string() == url.to_string());
    let kept = if is_known { client::remembered_password(repo)? } else { None };
    let login = login::find(&url, kept)?;
    Ok(Peer { url, login })
}

/// Forks that are told to people.
const SHOWN_FORKS: usize = 5;

/// How long a command waits for a server that is busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bounds of a session; progress is shown, and what is measured is measured.
pub(crate) fn setting(
    file: &Path,
    url: &Remote,
    output: &Output,
) -> Result<(Setting, Option<SpanId>), Failure> {
    let mut setting = Setting::new()?;
    let (observer, span) = measure::session(&measure::stem(file), &url.to_string(), Place::of(url));
    setting.observer = Box::new((Reporter::new(*output), observer));
    setting.patience = PATIENCE;
    Ok((setting, span))
}

/// One session of a repository with the server at the address that was given, else at the one that it remembers, whatever
/// comes of it.
pub(crate) fn session(
    network: &Network,
    given: Option<&str>,
    repo: &mut Repo,
    options: SyncOptions,
    output: &Output,
) -> Result<(Remote, Result<SyncResult, ClientError>), Failure> {
    let file = repo.path().unwrap_or(Path::new("")).to_owned();
    let operation = options.operation();
    let Peer { url, login } =
        peer(given, repo, output).inspect_err(|failure| unbegun(&file, None, operation, failure))?;
    let mut prepare = || {
        let remember = network.remember(&login)?;
        let transport = url.wire(network, remote::own_name(repo)?)?;
        Ok((remember, transport, setting(&file, &url, output)?))
    };
    let (remember, mut transport, (mut setting, span)) =
        prepare().inspect_err(|failure| unbegun(&file, Some(&url), operation, failure))?;
    let options = SyncOptions { user: login.user, password: login.password, ..options };
    let outcome = run(within(span, client::sync(repo, &mut transport, options, remember, &mut setting)))?;
    Ok((url, outcome))
}

/// Tells who measures of a session that could not begin, with the server as far as that is known.
pub(crate) fn unbegun(file: &Path, url: Option<&Remote>, operation: &'static str, failure: &Failure) {
    let name = url.map(ToString::to_string).unwrap_or_default();
    measure::unbegun(&measure::stem(file), &name, url.map_or(Place::UNKNOWN, Place::of), operation, failure);
}

/// Runs a task to its end, or until a signal: then it is dropped at the next exchange, and cleans up. What blocks
/// meanwhile, or a second signal, does not hold the program up: no repository file minds its end.
pub(crate) fn run<T>(task: impl Future<Output = T>) -> Result<T, Failure> {
    runtime(2)?.block_on(async {
        let (tell, told) = oneshot::channel();
        let signals = Signals::listen().map_err(|error| {
            Failure::new(Code::Failed, format!("cannot listen for signals: {error}"), "try again")
        })?;
        tokio::spawn(watch(signals, tell));
        tokio::select! {
            done = task => Ok(done),
            Ok(code) = told => Err(Failure::new(code, "interrupted", GO_ON)),
        }
    })
}

/// What is said to whom interrupts.
const GO_ON: &str = "run the same command again to go on";

/// Time that a task has to clean up.
const GRACE: Duration = Duration::from_secs(2);

async fn watch(mut signals: Signals, tell: oneshot::Sender<Code>) {
    let code = signals.next().await;
    if tell.send(code).is_ok() {
        let _ = timeout(GRACE, signals.next()).await;
        output::interrupted(code, &format!("interrupted; {GO_ON}"));
    }
}

/// The signals that end a program.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From now on they end nothing by themselves.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for one; gives the exit code that it stands for.
    pub(crate) async fn next(&mut self) -> Code {
        tokio::select! {
            _ = self.interrupt.recv() => Code::Interrupted,
            _ = self.terminate.recv() => Code::Terminated,
        }
    }
}

/// A runtime of few threads: the work is in the database, not in the network.
pub(crate) fn runtime(threads: usize) -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Code::Failed, format!("cannot start threads: {error}"), "try again"))
}

/// How a session ended that did what it could.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    /// The server took nothing of one kind.
    Refused,
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
    rows_sent: u64,
    rows_received: u64,
    rows_refused: u64,
    refused: bool,
    project_code: String,
    resumed: bool,
    unavailable: u64,
    /// Branches that this session left with more than one open end.
    #[serde(serialize_with = "by_branch")]
    pub(crate) forks: Vec<Fork>,
    seconds: f64,
}

/// The open ends of each branch.
fn by_branch<S: Serializer>(forks: &[Fork], to: S) -> Result<S::Ok, S::Error> {
    let ends = |fork: &Fork| fork.ends.iter().map(ToString::to_string).collect::<Vec<_>>();
    to.collect_map(forks.iter().map(|fork| (fork.branch.to_str_lossy(), ends(fork))))
}

impl Summary {
    pub(crate) fn new(operation: &'static str, result: &SyncResult, end: End, begun: Instant) -> Self {
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
            unversioned_sent: stats.uv_files_sent,
            unversioned_received: stats.uv_files_received,
            rows_sent: result.tables.values().map(|table| table.sent).sum(),
            rows_received: result.tables.values().map(|table| table.received).sum(),
            rows_refused: result.refused_rows,
            refused: end == End::Refused,
            project_code: result.project.clone(),
            resumed: result.resumed,
            unavailable: result.unavailable,
            forks: Vec::new(),
            seconds: (begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
        }
    }

    /// Tells people of them, as stock does.
    pub(crate) fn warn_of_forks(&self, output: &Output) {
        for Fork { branch, ends } in self.forks.iter().take(SHOWN_FORKS) {
            let ends: Vec<String> = ends.iter().map(xfer::ArtifactId::short).collect();
            let branch = branch.to_str_lossy();
            output.warn(&format!(
                "a fork has occurred: branch {branch} has {} ends, {}; merge them, or say with --parent which one to go on from",
                ends.len(),
                ends.join(", ")
            ));
        }
    }

    /// The same for people, in stock's words, which scripts look for.
    pub(crate) fn text(&self, url: &Remote) -> String {
        let mut operation = self.operation.to_owned();
        if let Some(first) = operation.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let end = if self.refused { "refused" } else { "done" };
        let more = [
            ("Unversioned files", self.unversioned_sent, self.unversioned_received),
            ("Rows", self.rows_sent, self.rows_received),
        ];
        let more = more.into_iter().filter(|&(_, sent, received)| sent + received > 0);
        let more: String = more
            .map(|(what, sent, received)| format!("   {what} sent: {sent}  received: {received}"))
            .collect();
        format!(
            "Round-trips: {}   Artifacts sent: {}  received: {}{more}\n\
             {operation} {end}, wire bytes sent: {}  received: {}  remote: {}\n",
            self.rounds,
            self.artifacts_sent,
            self.artifacts_received,
            self.bytes_sent,
            self.bytes_received,
            url.host()
        )
    }
}
