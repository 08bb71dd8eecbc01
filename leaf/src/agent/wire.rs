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
    Carrier, Cx, Event, Flow, Flows, Limits, NoFaults, NoGuard, Observer as _, ObserverSource, Origin,
    TraceContext, Transport, TransportError, Watched, handle_sync,
};
use tokio::sync::Notify;
use tokio::task::block_in_place;
use tokio::time::sleep;
use xfer::body::{Body, pack, unpack};
use xfer::{DecodeLimits, Message, decode, encode};

use super::config::{Address, Peer};
use super::meeting::Meeting;
use super::rate::Rates;
use super::stop::Stop;
use crate::exit::{Code, Failure};
use crate::measure;
use crate::remote::{self, Remote};

/// Reaches one peer.
pub(crate) struct Wire {
    way: Way,
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
        stop: Stop,
        rates: &Rates,
    ) -> Result<Self, Failure> {
        let flows = rates.of(peer);
        let way = match &peer.address {
            Address::Remote(Remote::Http(url)) => {
                let transport = HttpTransport::new(url.clone(), with_timeout(http, peer));
                Way::Http(Box::new(transport.paced(flows)))
            }
            Address::Remote(Remote::Nats(address)) => {
                let broker = remote::completed(address.broker.clone())?;
                let address = nats::Address { broker, ..(**address).clone() };
                Way::Nats(Box::new(NatsTransport::new(address, nats_options(peer, own)).paced(flows)))
            }
            Address::Meeting { broker, .. } => {
                let (meeting, wanted) = meeting.ok_or_else(|| {
                    let what = format!("{broker}: it is not known which project to ask for there");
                    Failure::new(Code::Usage, what, "give its project code with --project or the key project")
                })?;
                let options = nats_options(peer, own);
                let (connection, topic) = (meeting.connection.clone(), meeting.topic.clone());
                Way::Nats(Box::new(NatsTransport::over(connection, topic, wanted, options).paced(flows)))
            }
            Address::File(file) => Way::File(Box::new(FileTransport::open(file, flows)?)),
        };
        Ok(Self { way, stop, parked: Arc::default() })
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

    /// Who answered last, on a broker.
    pub(crate) fn peer(&self) -> Option<&PeerId> {
        match &self.way {
            Way::Nats(transport) => transport.peer(),
            Way::Http(_) | Way::File(_) => None,
        }
    }

    /// What the peer's clock said last, if it says so.
    pub(crate) fn peer_time(&self) -> Option<SystemTime> {
        match &self.way {
            Way::Http(transport) => transport.peer_time(),
            Way::Nats(_) | Way::File(_) => None,
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
        match &mut self.way {
            Way::Http(transport) => transport.exchange(request).await,
            Way::Nats(transport) => transport.exchange(request).await,
            Way::File(transport) => transport.exchange(request, &self.stop).await,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match &self.way {
            Way::Http(transport) => transport.retry_after(),
            Way::Nats(_) | Way::File(_) => None,
        }
    }

    fn destination(&self) -> Option<&str> {
        match &self.way {
            Way::Http(_) | Way::File(_) => None,
            Way::Nats(transport) => transport.destination(),
        }
    }

    fn status(&self) -> Option<u16> {
        match &self.way {
            Way::Http(transport) => transport.status(),
            Way::Nats(_) | Way::File(_) => None,
        }
    }
}

fn with_timeout(http: &HttpOptions, peer: &Peer) -> HttpOptions {
    HttpOptions {
        idle_timeout: peer.timeout,
        connect_timeout: http.connect_timeout.min(peer.timeout),
        exchange_timeout: longest_exchange(peer),
        ..http.clone()
    }
}

/// How long one exchange may take in all. Where bytes move slowly because they are to, that is no fault.
fn longest_exchange(peer: &Peer) -> Duration {
    let slowest = [peer.up_rate, peer.down_rate].into_iter().flatten().min();
    let most = DecodeLimits::default().body_bytes as u64;
    peer.timeout * 30 + slowest.map_or(Duration::ZERO, |rate| Duration::from_secs(most / rate.max(1)))
}

fn nats_options(peer: &Peer, own: Option<PeerId>) -> NatsOptions {
    let default = ConnectOptions::default();
    let connect_timeout = default.connect_timeout.min(peer.timeout);
    NatsOptions {
        connect: ConnectOptions { connect_timeout, ..default },
        idle_timeout: peer.timeout,
        exchange_timeout: longest_exchange(peer),
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
    flows: Flows,
    /// Somebody who may set the file up: as good as whoever may write to it.
    login: Option<(String, String)>,
}

impl FileTransport {
    fn open(file: &Path, flows: Flows) -> Result<Self, Failure> {
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
        Ok(Self { repo, file: file.to_owned(), observers, trace: None, flows, login })
    }

    /// A file is read and written at once: a rate is kept by waits before. A leaf that is to stop waits no more.
    async fn exchange(&mut self, request: Body, stop: &Stop) -> Result<Body, TransportError> {
        for flow in [&self.flows.up, &self.flows.down].into_iter().flatten() {
            tokio::select! {
                () = sleep(flow.wait()) => {}
                () = stop.wait() => {}
            }
        }
        let reply = block_in_place(|| self.answer(&request))?;
        let moved = |flow: &Option<Arc<dyn Flow>>, bytes| flow.iter().for_each(|flow| flow.moved(bytes));
        moved(&self.flows.up, request.bytes.len());
        moved(&self.flows.down, reply.bytes.len());
        Ok(reply)
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
