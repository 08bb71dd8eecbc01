//! The leaf: a daemon that keeps repositories in step with their peers and serves them.
//!
//! One task ([`keeper`]) a repository and one a session, so that nobody's slowness holds up others. This task starts
//! and stops them, and hears signals and calls.

mod admin;
mod board;
mod bridge;
mod clock;
mod cloning;
pub(crate) mod config;
pub(crate) mod control;
pub(crate) mod doctor;
mod health;
mod heard;
mod hook;
mod keeper;
mod link;
mod meeting;
mod metrics;
mod page;
mod past;
mod rate;
mod registry;
mod reload;
pub(crate) mod serving;
mod session;
mod signals;
mod stop;
mod systemd;
mod visits;
mod watch;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use sync::http::serve::Certificate;
use sync::http::{HttpOptions, Proxies};
use sync::nats::{Absence, ConnectOptions, Connection, PeerId, Topic, WordError};
use sync::schedule::Wake;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout_at};

use self::board::{Board, Phase};
use self::bridge::Bridge;
use self::clock::Clock;
use self::config::{Config, Flags, Repository};
use self::control::{Call, Socket};
use self::keeper::Keeper;
use self::link::Routes;
use self::meeting::Meeting;
use self::page::Page;
use self::past::Past;
use self::rate::Rates;
use self::serving::{Port, Server};
use self::session::Errand;
use self::signals::{Heard, Signals};
use self::stop::Stopper;
use self::systemd::Handed;
use self::watch::Watcher;
use crate::chance;
use crate::exit::{Code, Failure};
use crate::measure;
use crate::output::{self, Output, counted};

/// Wakes of a repository that wait for its task: more of them say nothing new.
const WAITING_WAKES: usize = 64;

/// How long a repository may take to close its file once what was under way is done or given up.
const CLOSING: Duration = Duration::from_secs(3);

/// Time between two looks at the network.
const LINK_EVERY: Duration = Duration::from_secs(5);

/// Where the leaf can be reached, said once it runs.
#[derive(Serialize)]
struct Started {
    r#type: &'static str,
    repositories: usize,
    bridges: usize,
    url: Option<String>,
    admin_url: Option<String>,
    socket: String,
}

/// The leaf at work.
struct Leaf {
    flags: Flags,
    config: Config,
    clock: Clock,
    board: Board,
    past: Past,
    page: Page,
    watcher: Arc<Watcher>,
    http: HttpOptions,
    /// The connection to the broker where peers meet.
    broker: Option<Connection>,
    keepers: BTreeMap<String, Kept>,
    bridges: Vec<Bridged>,
    port: Option<Port>,
    certificate: Option<Arc<Certificate>>,
    server: Option<Server>,
}

/// A repository that is kept in step.
struct Kept {
    repository: Arc<Repository>,
    wakes: mpsc::Sender<Wake>,
    stopper: Stopper,
    task: JoinHandle<()>,
}

/// A server that is answered for.
struct Bridged {
    config: config::Bridge,
    stopper: Stopper,
    task: JoinHandle<()>,
}

/// What the leaf as a whole hears.
enum Event {
    Signal(Heard),
    Call(Call),
    /// It is time to look at the network.
    Link,
}

/// Runs until a signal ends it.
pub(crate) async fn run(flags: Flags, output: &Output) -> Result<Code, Failure> {
    let Handed { listen, admin } = systemd::sockets()?;
    let config = config::load(&flags)?;
    let mut signals = Signals::listen()?;
    let socket = Socket::listen(&config.socket)?;
    let mut leaf = Leaf::new(flags, config).await?;
    leaf.port = listen.map(Port::handed).transpose()?;
    let admin = admin::listen(admin, leaf.config.admin)?;
    let admin_url = admin.as_ref().map(|(_, at)| format!("http://{at}/"));
    let mut beside = JoinSet::new();
    if let Some((listener, _)) = admin {
        beside.spawn(admin::serve(listener, leaf.board.clone(), leaf.page.clone()));
    }
    beside.spawn(leaf.past.clone().watch(leaf.board.clone()));
    let (call, mut calls) = mpsc::channel(WAITING_WAKES);
    let board = leaf.board.clone();
    beside.spawn(async move { socket.serve(board, call).await });
    systemd::keep_watchdog(&mut beside, leaf.board.clone());
    let lived = leaf.live(admin_url, &mut signals, &mut calls, output).await;
    if lived.is_ok() {
        tokio::spawn(async move {
            output::interrupted(signals.last().await, "stopped at once");
        });
        leaf.drain().await;
    }
    // With its task goes the socket.
    beside.shutdown().await;
    lived.map(|()| Code::Ok)
}

impl Leaf {
    async fn new(flags: Flags, config: Config) -> Result<Self, Failure> {
        let clock = Clock::start();
        let board = Board::new(clock);
        board.set(&config, |_| false);
        if let Some(telemetry) = measure::telemetry() {
            let board = board.clone();
            telemetry.watch(move || metrics::readings(&board.report()));
        }
        let past = Past::default();
        let proxies = Proxies::from_variables(|name| std::env::var(name).ok()).map_err(|error| {
            Failure::new(Code::Usage, error.to_string(), "mend http_proxy, https_proxy or all_proxy")
        })?;
        let options = ConnectOptions {
            absence: Absence::IsWaitedFor,
            name: "frond leaf".to_owned(),
            ..ConnectOptions::default()
        };
        let certificate = serving::certificate(config.tls.as_ref(), None)?;
        let broker = match &config.nats {
            Some(broker) => Some(Connection::open(broker, &options).await?),
            None => None,
        };
        Ok(Self {
            flags,
            config,
            clock,
            page: Page::new(board.clone(), past.clone()),
            board,
            past,
            watcher: Arc::new(Watcher::start()),
            http: HttpOptions { proxies, ..HttpOptions::default() },
            broker,
            keepers: BTreeMap::new(),
            bridges: Vec::new(),
            port: None,
            certificate,
            server: None,
        })
    }

    /// Starts, and does what it is told until it is told to end.
    async fn live(
        &mut self,
        admin_url: Option<String>,
        signals: &mut Signals,
        calls: &mut mpsc::Receiver<Call>,
        output: &Output,
    ) -> Result<(), Failure> {
        self.start()?;
        let started = self.started(admin_url);
        output.answer(&started, || started.text());
        self.board.enter(Phase::Running);
        systemd::ready();
        self.until_told(signals, calls).await
    }

    /// Starts what the configuration has and what does not run yet.
    fn start(&mut self) -> Result<(), Failure> {
        if self.port.is_none() {
            self.port = self.config.listen.map(|asked| Port::take(asked, "--listen")).transpose()?;
        }
        if self.server.is_none() {
            let certificate = || self.certificate.clone();
            let serve = |port: &Port| port.serve(&self.config, certificate(), &self.board, &self.page);
            self.server = self.port.as_ref().map(serve).transpose()?;
        }
        for repository in &self.config.repositories {
            if !self.keepers.contains_key(&repository.name) {
                let kept = self.keep(Arc::new(repository.clone()))?;
                self.keepers.insert(repository.name.clone(), kept);
            }
        }
        for bridge in &self.config.bridges {
            if !self.bridges.iter().any(|bridged| bridged.config == *bridge) {
                self.bridges.extend(self.answer_for(bridge));
            }
        }
        Ok(())
    }

    fn keep(&self, repository: Arc<Repository>) -> Result<Kept, Failure> {
        let (stopper, stop) = stop::pair();
        let (wakes, woken) = mpsc::channel(WAITING_WAKES);
        let errand = Errand {
            repository: Arc::clone(&repository),
            http: self.http.clone(),
            clock: self.clock,
            rates: Rates::new(&repository.peers, self.clock),
            stop,
            board: self.board.clone(),
            past: self.past.clone(),
            meeting: self.first_meeting(&repository)?,
        };
        let keeper = Keeper {
            errand,
            watcher: Arc::clone(&self.watcher),
            wakes: woken,
            waker: wakes.clone(),
            seed: chance::seed()?,
            broker: self.broker.clone().map(|connection| (connection, self.config.prefix.clone())),
            drain: self.config.drain,
            request_bytes: self.config.request_bytes,
            registry: self.config.registry.map(|every| (every, self.addresses(&repository))),
            deferred: BTreeMap::new(),
        };
        Ok(Kept { repository, wakes, stopper, task: tokio::spawn(keeper.run()) })
    }

    /// Where a repository is asked for that is not here yet, if its project is known.
    fn first_meeting(&self, repository: &Repository) -> Result<Option<Arc<Meeting>>, Failure> {
        let (Some(connection), Some(project)) = (&self.broker, &repository.project) else { return Ok(None) };
        let wrong = |error: WordError| {
            Failure::new(Code::Usage, error.to_string(), "choose another prefix or project code")
        };
        let topic = Topic::new(&self.config.prefix, project).map_err(wrong)?;
        let own = PeerId::new(&chance::code()?).map_err(wrong)?;
        Ok(Some(Arc::new(Meeting::new(connection.clone(), topic, own))))
    }

    /// Where a repository is reached.
    fn addresses(&self, repository: &Repository) -> Vec<String> {
        let served = self.port.as_ref().map(|port| {
            let Config { base_path, repositories, tls, .. } = &self.config;
            let scheme = if tls.is_some() { "https" } else { "http" };
            let name = if repositories.len() > 1 { &*repository.name } else { "" };
            format!("{scheme}://{}{base_path}/{name}", serving::reached_at(port.at))
        });
        let broker = self.config.nats.as_ref();
        let broker = broker.map(|broker| format!("{}://{}", broker.scheme(), broker.authority()));
        served.into_iter().chain(broker).collect()
    }

    fn answer_for(&self, config: &config::Bridge) -> Option<Bridged> {
        let (stopper, stop) = stop::pair();
        let bridge = Bridge {
            config: config.clone(),
            // A configuration with bridges has a broker.
            connection: self.broker.clone()?,
            prefix: self.config.prefix.clone(),
            http: self.http.clone(),
            board: self.board.clone(),
            stop,
            drain: self.config.drain,
            request_bytes: self.config.request_bytes,
        };
        Some(Bridged { config: config.clone(), stopper, task: tokio::spawn(bridge.run()) })
    }

    fn started(&self, admin_url: Option<String>) -> Started {
        let scheme = if self.config.tls.is_some() { "https" } else { "http" };
        let url = self.port.as_ref().map(|port| format!("{scheme}://{}{}/", port.at, self.config.base_path));
        Started {
            r#type: "leaf",
            repositories: self.config.repositories.len(),
            bridges: self.config.bridges.len(),
            url,
            admin_url,
            socket: self.config.socket.display().to_string(),
        }
    }

    /// Does what signals and calls say, until one says to end.
    async fn until_told(
        &mut self,
        signals: &mut Signals,
        calls: &mut mpsc::Receiver<Call>,
    ) -> Result<(), Failure> {
        let mut routes = Routes::read();
        let mut link = interval(LINK_EVERY);
        link.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.board.turn();
            let event = tokio::select! {
                heard = signals.next() => Event::Signal(heard),
                Some(call) = calls.recv() => Event::Call(call),
                _ = link.tick() => Event::Link,
            };
            match event {
                Event::Signal(Heard::End) => return Ok(()),
                Event::Signal(Heard::SyncNow) => self.wake_all(Wake::SyncNow(None)),
                Event::Signal(Heard::Reload) => self.reload().await,
                Event::Call(Call { repository, peer, answer }) => {
                    let asked = self.sync_now(repository.as_deref(), peer.as_deref());
                    // Whoever called may be gone.
                    let _ = answer.send(asked);
                }
                Event::Link => {
                    let now = Routes::read();
                    if now.gained_over(&routes) {
                        tracing::info!("the network is back");
                        self.wake_all(Wake::NetworkReturned);
                    }
                    routes = now;
                }
            }
        }
    }

    /// Where so many wakes wait that there is no room, this one would change nothing.
    fn wake_all(&self, wake: Wake) {
        for kept in self.keepers.values() {
            let _ = kept.wakes.try_send(wake);
        }
    }

    /// Asks for sessions of one repository or all with one peer or all; gives how many, or what there is none of.
    fn sync_now(&self, repository: Option<&str>, peer: Option<&str>) -> Result<usize, String> {
        let chosen =
            self.keepers.values().filter(|kept| repository.is_none_or(|name| kept.repository.name == name));
        let (mut repositories, mut sessions) = (0, 0);
        for kept in chosen {
            repositories += 1;
            let peers = kept.repository.peers.iter().enumerate();
            for (index, _) in
                peers.filter(|(_, known)| peer.is_none_or(|url| known.address.to_string() == url))
            {
                sessions += 1;
                let _ = kept.wakes.try_send(Wake::SyncNow(Some(index)));
            }
        }
        match (repositories, sessions, repository, peer) {
            (0, _, Some(name), _) => Err(format!("there is no repository {name:?}")),
            (_, 0, _, Some(url)) => Err(format!("there is no peer {url:?}")),
            _ => Ok(sessions),
        }
    }

    /// Begins nothing new, and waits for what is under way, for a bounded time.
    async fn drain(mut self) {
        measure::ending();
        self.board.enter(Phase::Draining);
        systemd::stopping();
        tracing::info!("finishing what was begun");
        let keepers: Vec<Kept> = std::mem::take(&mut self.keepers).into_values().collect();
        let server = self.server.take();
        let served = async {
            if let Some(server) = server {
                server.stop().await;
            }
        };
        let bridges = stop_bridges(std::mem::take(&mut self.bridges));
        let stopping = async { tokio::join!(stop_all(keepers, self.config.drain), served, bridges) };
        self.board.turning(stopping).await;
    }
}

/// Tells them to stop, and waits until they have: each bounds how long that takes.
async fn stop_bridges(bridges: Vec<Bridged>) {
    for bridged in &bridges {
        bridged.stopper.stop();
    }
    for bridged in bridges {
        if let Err(error) = bridged.task.await {
            tracing::error!(bridge = %bridged.config.url, %error, "a task failed");
        }
    }
}

/// Tells them to stop, and waits until they have: each gives up what takes longer than `patience` by itself, and closes its
/// file then.
async fn stop_all(keepers: Vec<Kept>, patience: Duration) {
    for kept in &keepers {
        kept.stopper.stop_within(patience);
    }
    let deadline = tokio::time::Instant::now() + patience + CLOSING;
    for mut kept in keepers {
        let repository = kept.repository.name.as_str();
        match timeout_at(deadline, &mut kept.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(repository, %error, "a task failed"),
            Err(_) => {
                tracing::warn!(repository, "stopped before its file was closed");
                kept.task.abort();
            }
        }
    }
}

impl Started {
    fn text(&self) -> String {
        let repositories = if self.repositories == 1 { "repository" } else { "repositories" };
        let mut text = format!("Leaf of {} {repositories}", self.repositories);
        if self.bridges > 0 {
            text += &format!(" and {}", counted(self.bridges as u64, "bridge"));
        }
        text += &format!(", socket {}", self.socket);
        for (what, url) in [("serving at", &self.url), ("probes at", &self.admin_url)] {
            text.extend(url.iter().map(|url| format!(", {what} {url}")));
        }
        text
    }
}
