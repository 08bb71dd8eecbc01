//! How the rounds of a session reach a peer: over HTTP, over a broker, or into a file of this machine; not faster than they may, and
//! none any more once the leaf is to stop.

use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use repo::{Repo, user};
use sync::client;
use sync::http::{HttpOptions, HttpTransport, Password};
use sync::nats::{self, ConnectOptions, NatsOptions, NatsTransport, PeerId};
use sync::{
    Carrier, Cx, Event, Limits, NoFaults, NoGuard, Observer as _, ObserverSource, Origin, TraceContext,
    Transport, TransportError, Watched, handle_sync,
};
use tokio::sync::Notify;
use tokio::task::block_in_place;
use tokio::time::sleep;
use xfer::body::{Body, pack, unpack};
use xfer::{DecodeLimits, Message, decode, encode};

use super::clock::Clock;
use super::config::{Address, Peer};
use super::meeting::Meeting;
use super::rate::{Rates, Shared};
use super::stop::Stop;
use crate::exit::{Code, Failure};
use crate::measure;
use crate::remote::{self, Remote};

/// Reaches one peer.
pub(crate) struct Wire {
    way: Way,
    up: Shared,
    down: Shared,
    clock: Clock,
    stop: Stop,
    /// Told when a round was not begun because the leaf is to stop.
    pub(crate) parked: Arc<Notify>,
}

enum Way {
    Http(Box<HttpTransport>),
    Nats(Box<NatsTransport>),
    File(Box<FileTransport>),
}

impl Wire {
    /// Will speak to a peer. Nothing is sent yet. `own` names the repository among its peers; at a meeting, any of those
    /// is asked or a certain one.
    pub(crate) fn new(
        peer: &Peer,
        http: &HttpOptions,
        own: Option<PeerId>,
        meeting: Option<(&Meeting, Option<PeerId>)>,
        clock: Clock,
        stop: Stop,
        rates: &Rates,
    ) -> Result<Self, Failure> {
        let way = match &peer.address {
            Address::Remote(Remote::Http(url)) => {
                Way::Http(Box::new(HttpTransport::new(url.clone(), with_timeout(http, peer))))
            }
            Address::Remote(Remote::Nats(address)) => {
                let broker = remote::completed(address.broker.clone())?;
                let address = nats::Address { broker, ..(**address).clone() };
                Way::Nats(Box::new(NatsTransport::new(address, nats_options(peer, own))))
            }
            Address::Meeting { broker, .. } => {
                let (meeting, wanted) = meeting.ok_or_else(|| {
                    let what = format!("{broker}: it is not known which project to ask for there");
                    Failure::new(Code::Usage, what, "give its project code with --project or the key project")
                })?;
                let options = nats_options(peer, own);
                let (connection, topic) = (meeting.connection.clone(), meeting.topic.clone());
                Way::Nats(Box::new(NatsTransport::over(connection, topic, wanted, options)))
            }
            Address::File(file) => Way::File(Box::new(FileTransport::open(file)?)),
        };
        let [up, down] = rates.of(peer);
        Ok(Self { way, up, down, clock, stop, parked: Arc::default() })
    }

    /// As whom a session logs in.
    pub(crate) fn login(&self, peer: &Peer, password: Option<&Password>) -> (Option<String>, Option<String>) {
        match &self.way {
            Way::Http(_) | Way::Nats(_) => {
                let password = password.map(|Password(text)| text.clone());
                (peer.address.user().map(str::to_owned), password)
            }
            Way::File(file) => file.login.clone().unzip(),
        }
    }

    /// What the peer's clock said last, if it says so.
    pub(crate) fn peer_time(&self) -> Option<SystemTime> {
        match &self.way {
            Way::Http(transport) => transport.peer_time(),
            Way::Nats(_) | Way::File(_) => None,
        }
    }

    /// Waits until what an exchange moved is within what may move. A leaf that is to stop has no more to move.
    async fn keep_rates(&mut self, sent: usize, received: usize) {
        let now = self.clock.now();
        let wait = self.up.settle(sent as u64, now).max(self.down.settle(received as u64, now));
        if !wait.is_zero() {
            tokio::select! {
                () = sleep(wait) => {}
                () = self.stop.wait() => {}
            }
        }
    }
}

impl Transport for Wire {
    fn carry(&mut self, trace: Option<TraceContext>) {
        match &mut self.way {
            Way::Http(transport) => transport.carry(trace),
            Way::Nats(transport) => transport.carry(trace),
            Way::File(transport) => transport.trace = trace,
        }
    }

    async fn exchange(&mut self, request: Body) -> Result<Body, TransportError> {
        if self.stop.is_set() {
            // The round before this one is done. Whoever waits for `parked` drops the session here.
            self.parked.notify_one();
            pending::<()>().await;
        }
        let sent = request.bytes.len();
        self.up.rest(self.clock.now());
        self.down.rest(self.clock.now());
        let reply = match &mut self.way {
            Way::Http(transport) => transport.exchange(request).await?,
            Way::Nats(transport) => transport.exchange(request).await?,
            Way::File(transport) => block_in_place(|| transport.answer(&request))?,
        };
        self.keep_rates(sent, reply.bytes.len()).await;
        Ok(reply)
    }

    fn retry_after(&self) -> Option<Duration> {
        match &self.way {
            Way::Http(transport) => transport.retry_after(),
            Way::Nats(_) | Way::File(_) => None,
        }
    }
}

fn with_timeout(http: &HttpOptions, peer: &Peer) -> HttpOptions {
    HttpOptions {
        idle_timeout: peer.timeout,
        connect_timeout: http.connect_timeout.min(peer.timeout),
        exchange_timeout: peer.timeout * 30,
        ..http.clone()
    }
}

fn nats_options(peer: &Peer, own: Option<PeerId>) -> NatsOptions {
    let default = ConnectOptions::default();
    let connect_timeout = default.connect_timeout.min(peer.timeout);
    NatsOptions {
        connect: ConnectOptions { connect_timeout, ..default },
        idle_timeout: peer.timeout,
        exchange_timeout: peer.timeout * 30,
        own,
        ..NatsOptions::default()
    }
}

/// Answers rounds from a repository file of this machine.
struct FileTransport {
    repo: Repo,
    file: PathBuf,
    observers: ObserverSource,
    trace: Option<TraceContext>,
    /// Somebody who may set the file up: as good as whoever may write to it.
    login: Option<(String, String)>,
}

impl FileTransport {
    fn open(file: &Path) -> Result<Self, Failure> {
        let opened = block_in_place(|| {
            let mut repo = Repo::open(file)?;
            let users = user::list(&repo.snapshot()?)?;
            let owner = users.into_iter().find(|user| {
                user.capabilities.contains('s') && !user.password.is_empty() && !user::is_special(&user.login)
            });
            Ok::<_, repo::RepoError>((repo, owner.map(|user| (user.login, user.password))))
        });
        let (repo, login) = opened.map_err(|error| Failure::from(error).at(file))?;
        let observers = measure::requests(|_| None);
        Ok(Self { repo, file: file.to_owned(), observers, trace: None, login })
    }

    fn answer(&mut self, request: &Body) -> Result<Body, TransportError> {
        let mut watched = Watched::take_up((self.observers)(&Origin {
            carrier: Carrier::File,
            peer: None,
            file: &self.file,
            target: "",
            bytes: request.bytes.len() as u64,
            trace: self.trace.as_ref(),
        }));
        let peer = self.file.display().to_string();
        let failed = |reason: String| TransportError::CutShort { peer: peer.clone(), reason };
        let message = read(request).map_err(|text| {
            watched.end(0, Some(&text), None);
            failed(text)
        })?;
        let mut cx = Cx {
            now: client::now(),
            clock: Some(&client::now),
            limits: &Limits::default(),
            peer: None,
            guard: &NoGuard,
            buggify: &mut NoFaults,
            observer: &mut watched,
        };
        let reply =
            handle_sync(&mut self.repo, &message, &mut cx).map_err(|error| failed(error.to_string()))?;
        let reply = pack(encode(&reply), request.content_type);
        watched.observe(&Event::Replied { bytes: reply.bytes.len() as u64 });
        Ok(reply)
    }
}

fn read(request: &Body) -> Result<Message, String> {
    let limits = DecodeLimits::default();
    let text = unpack(request, &limits).map_err(|error| error.to_string())?;
    decode(&text, &limits).map_err(|error| error.to_string())
}
