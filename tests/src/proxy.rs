//! Counts what travels between a client and a server, whoever they are.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A proxy in front of a server.
#[derive(Debug)]
pub struct Proxy {
    /// Where clients connect.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    up: AtomicU64,
    down: AtomicU64,
    /// Bytes down, by connection.
    replies: Mutex<Vec<Arc<AtomicU64>>>,
    closed: AtomicBool,
}

/// What travelled so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes from clients.
    pub up: u64,
    /// Bytes to clients.
    pub down: u64,
}

impl Proxy {
    /// Starts one in front of `server`.
    #[track_caller]
    pub fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("cannot bind a port");
        let address = listener.local_addr().expect("a bound port has a number");
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if ours.closed.load(Ordering::SeqCst) {
                    return;
                }
                ours.join(client, server);
            }
        });
        Self { address, shared }
    }

    /// The URL of the server's root, through the proxy.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// What travelled so far.
    pub fn traffic(&self) -> Traffic {
        Traffic { up: self.shared.up.load(Ordering::SeqCst), down: self.shared.down.load(Ordering::SeqCst) }
    }

    /// Forgets what travelled so far.
    pub fn reset(&self) {
        self.shared.up.store(0, Ordering::SeqCst);
        self.shared.down.store(0, Ordering::SeqCst);
        self.shared.connections().clear();
    }

    /// The most that came down one connection.
    pub fn largest_reply(&self) -> u64 {
        self.shared.connections().iter().map(|bytes| bytes.load(Ordering::SeqCst)).max().unwrap_or(0)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn connections(&self) -> std::sync::MutexGuard<'_, Vec<Arc<AtomicU64>>> {
        self.replies.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn join(self: &Arc<Self>, client: TcpStream, server: SocketAddr) {
        let Ok(server) = TcpStream::connect(server) else { return };
        let (Ok(client_too), Ok(server_too)) = (client.try_clone(), server.try_clone()) else { return };
        let bytes = Arc::new(AtomicU64::new(0));
        self.connections().push(Arc::clone(&bytes));
        let (up, down) = (Arc::clone(self), Arc::clone(self));
        std::thread::spawn(move || {
            copy(client, server, |count| {
                up.up.fetch_add(count, Ordering::SeqCst);
            });
        });
        std::thread::spawn(move || {
            copy(server_too, client_too, |count| {
                down.down.fetch_add(count, Ordering::SeqCst);
                bytes.fetch_add(count, Ordering::SeqCst);
            });
        });
    }
}

/// Copies until one side is done.
pub(crate) fn copy(mut from: TcpStream, mut to: TcpStream, count: impl Fn(u64)) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
        count(length as u64);
    }
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}
