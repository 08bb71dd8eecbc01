//! Stands between a client and a server, whoever they are: counts what travels, acts at a moment that was chosen in
//! bytes, and makes the line as bad as a test wants it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::SockRef;

/// Bytes that travel at a time over a slow line.
const SLOW_PIECE: usize = 4096;

/// How often a line on which nothing moves looks whether that is still so.
const LOOK: Duration = Duration::from_millis(5);

/// A proxy in front of a server.
#[derive(Debug)]
pub struct Proxy {
    /// Where clients connect.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client.
    Up,
    /// To the client.
    Down,
}

/// A moment of an exchange, counted from the last [`Proxy::reset`] over all connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// So many bytes went this way, and not one more.
    Byte(Way, u64),
    /// Before the first byte of the request (odd) or reply (even) of this number, from 1 on, is handed on.
    Turn(u64),
}

/// What is wrong with the line. Bytes are counted as for a [`Moment`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Connections are closed as soon as they are there.
    Closed,
    /// After so many bytes this way, connections break.
    Cut(Way, u64),
    /// After so many bytes this way, no more goes this way, and nobody is told.
    Stall(Way, u64),
    /// After so many bytes this way, the receiver is told that there are no more. The other way stays open.
    HalfClosed(Way, u64),
    /// Whatever was sent in one piece waits so long.
    Delay(Duration),
    /// So many bytes a second, either way.
    Throttle(u64),
}

#[derive(Debug)]
struct Shared {
    server: Mutex<SocketAddr>,
    state: Mutex<State>,
    /// Bytes down, by connection.
    replies: Mutex<Vec<Arc<AtomicU64>>>,
    /// Bytes that the system keeps of what was handed on, if that is bounded.
    kept: Option<usize>,
}

#[derive(Default)]
struct State {
    up: u64,
    down: u64,
    last: Option<Way>,
    turns: u64,
    requests: u64,
    trap: Option<(Moment, Box<dyn FnOnce() + Send>)>,
    fault: Fault,
    closed: bool,
}

/// What travelled so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes from clients.
    pub up: u64,
    /// Bytes to clients.
    pub down: u64,
    /// Requests and replies; of connections beside each other, changes of direction.
    pub turns: u64,
    /// Requests, each connection for itself.
    pub requests: u64,
}

impl Proxy {
    /// Starts one in front of `server`.
    #[track_caller]
    pub fn start(server: SocketAddr) -> Self {
        Self::begin(server, None)
    }

    /// Starts one that hands on no more than the receiver takes, but for some KiB: what is counted did travel.
    #[track_caller]
    pub fn exact(server: SocketAddr) -> Self {
        Self::begin(server, Some(4096))
    }

    #[track_caller]
    fn begin(server: SocketAddr, kept: Option<usize>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("cannot bind a port");
        let address = listener.local_addr().expect("a bound port has a number");
        let shared = Arc::new(Shared {
            server: Mutex::new(server),
            state: Mutex::default(),
            replies: Mutex::default(),
            kept,
        });
        let ours = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if ours.state().closed {
                    return;
                }
                ours.join(client);
            }
        });
        Self { address, shared }
    }

    /// The URL of the server's root, through the proxy.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The same with a login.
    pub fn url_as(&self, user: &str, password: &str) -> String {
        format!("http://{user}:{password}@{}/", self.address)
    }

    /// Leads connections to another server from now on.
    pub fn lead_to(&self, server: SocketAddr) {
        *lock(&self.shared.server) = server;
    }

    /// What travelled so far.
    pub fn traffic(&self) -> Traffic {
        let state = self.shared.state();
        Traffic { up: state.up, down: state.down, turns: state.turns, requests: state.requests }
    }

    /// Forgets what travelled so far, and what was to be done at a moment.
    pub fn reset(&self) {
        let mut state = self.shared.state();
        *state = State { fault: state.fault, closed: state.closed, ..State::default() };
        lock(&self.shared.replies).clear();
    }

    /// Does something at a moment, once; until it is done nothing travels that way.
    pub fn at(&self, moment: Moment, act: impl FnOnce() + Send + 'static) {
        self.shared.state().trap = Some((moment, Box::new(act)));
    }

    /// Whether something is still to be done at a moment.
    pub fn is_armed(&self) -> bool {
        self.shared.state().trap.is_some()
    }

    /// Makes the line bad, or good again, for the connections there are too.
    pub fn suffer(&self, fault: Fault) {
        self.shared.state().fault = fault;
    }

    /// The most that came down one connection.
    pub fn largest_reply(&self) -> u64 {
        lock(&self.shared.replies).iter().map(|bytes| bytes.load(Ordering::SeqCst)).max().unwrap_or(0)
    }

    /// What came down the newest connection.
    pub fn last_reply(&self) -> u64 {
        lock(&self.shared.replies).last().map_or(0, |bytes| bytes.load(Ordering::SeqCst))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { up, down, turns, fault, .. } = self;
        write!(f, "{up} bytes up, {down} down, {turns} turns, {fault:?}")
    }
}

/// What becomes of the next bytes.
enum Step {
    /// So many of them go on, after a while.
    Pass(usize, Duration),
    /// Something is to be done first.
    Act(Box<dyn FnOnce() + Send>),
    /// They stay.
    Wait,
    /// The connection breaks.
    Break,
    /// The receiver is told that there are no more.
    End,
}

impl State {
    fn step(&mut self, way: Way, length: usize) -> Step {
        if self.last != Some(way) {
            self.last = Some(way);
            self.turns += 1;
        }
        let moved = self.moved(way);
        let mut most = length;
        match self.trap {
            Some((Moment::Turn(turn), _)) if turn <= self.turns => return self.spring(),
            Some((Moment::Byte(at, byte), _)) if at == way => match byte.saturating_sub(moved) {
                0 => return self.spring(),
                left => most = most.min(usize::try_from(left).unwrap_or(most)),
            },
            _ => {}
        }
        let (at, byte, then) = match self.fault {
            Fault::Cut(at, byte) => (at, byte, Step::Break),
            Fault::Stall(at, byte) => (at, byte, Step::Wait),
            Fault::HalfClosed(at, byte) => (at, byte, Step::End),
            Fault::Closed => return Step::Break,
            Fault::Delay(pause) => return Step::Pass(most, pause),
            Fault::Throttle(rate) => {
                let piece = most.min(SLOW_PIECE);
                return Step::Pass(piece, Duration::from_secs_f64(piece as f64 / rate as f64));
            }
            Fault::None => return Step::Pass(most, Duration::ZERO),
        };
        match byte.saturating_sub(moved) {
            _ if at != way => Step::Pass(most, Duration::ZERO),
            0 => then,
            left => Step::Pass(most.min(usize::try_from(left).unwrap_or(most)), Duration::ZERO),
        }
    }

    fn spring(&mut self) -> Step {
        self.trap.take().map_or(Step::Wait, |(_, act)| Step::Act(act))
    }

    fn moved(&self, way: Way) -> u64 {
        match way {
            Way::Up => self.up,
            Way::Down => self.down,
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn join(self: &Arc<Self>, client: TcpStream) {
        let server = *lock(&self.server);
        if self.state().fault == Fault::Closed {
            return;
        }
        let Ok(server) = TcpStream::connect(server) else { return };
        for stream in self.kept.iter().flat_map(|_| [&client, &server]) {
            let set = SockRef::from(stream).set_send_buffer_size(self.kept.unwrap_or_default());
            set.expect("a buffer can be small");
        }
        let (Ok(client_too), Ok(server_too)) = (client.try_clone(), server.try_clone()) else { return };
        let bytes = Arc::new(AtomicU64::new(0));
        lock(&self.replies).push(Arc::clone(&bytes));
        let (up, down) = (Arc::clone(self), Arc::clone(self));
        let is_asking = Arc::new(AtomicBool::new(false));
        let is_asking_too = Arc::clone(&is_asking);
        std::thread::spawn(move || up.carry(Way::Up, client, server, &is_asking, &AtomicU64::new(0)));
        std::thread::spawn(move || down.carry(Way::Down, server_too, client_too, &is_asking_too, &bytes));
    }

    /// Copies until one side is done, or the fault of the line ends it. Both ways of a connection know whether it `is_asking`.
    fn carry(
        &self,
        way: Way,
        mut from: TcpStream,
        mut to: TcpStream,
        is_asking: &AtomicBool,
        count: &AtomicU64,
    ) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if is_asking.swap(way == Way::Up, Ordering::SeqCst) != (way == Way::Up) && way == Way::Up {
                self.state().requests += 1;
            }
            let mut rest = &buffer[..length];
            while !rest.is_empty() {
                let step = self.state().step(way, rest.len());
                match step {
                    Step::Pass(bytes, after) => {
                        std::thread::sleep(after);
                        let Some((piece, later)) = rest.split_at_checked(bytes) else { return };
                        if to.write_all(piece).is_err() {
                            let _ = from.shutdown(Shutdown::Both);
                            return;
                        }
                        rest = later;
                        self.count(way, bytes as u64);
                        count.fetch_add(bytes as u64, Ordering::SeqCst);
                    }
                    Step::Act(act) => act(),
                    Step::Wait if self.state().closed => return,
                    Step::Wait => std::thread::sleep(LOOK),
                    Step::Break => {
                        let _ = to.shutdown(Shutdown::Both);
                        let _ = from.shutdown(Shutdown::Both);
                        return;
                    }
                    Step::End => {
                        let _ = to.shutdown(Shutdown::Write);
                        return;
                    }
                }
            }
        }
        let _ = to.shutdown(Shutdown::Write);
        let _ = from.shutdown(Shutdown::Read);
    }

    fn count(&self, way: Way, bytes: u64) {
        let mut state = self.state();
        match way {
            Way::Up => state.up += bytes,
            Way::Down => state.down += bytes,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Copies until one side is done.
pub(crate) fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}
