//! What may stand before a server: an HTTP proxy that clients are told of, and an end of TLS.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::{proxy, scripted};

/// An HTTP proxy. It finds one server behind every name.
#[derive(Debug)]
pub struct Gateway {
    /// Where it listens.
    pub address: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
    _door: Door,
}

/// Takes TLS off, and hands requests on.
#[derive(Debug)]
pub struct Tls {
    /// Where it listens.
    pub address: SocketAddr,
    _door: Door,
}

impl Gateway {
    /// Starts one in front of `server`.
    #[track_caller]
    pub fn start(server: SocketAddr) -> Self {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let ours = Arc::clone(&lines);
        let door = Door::open(move |stream| pass(stream, server, &ours));
        Self { address: door.address, lines, _door: door }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The request lines that came so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Tls {
    /// Starts one in front of `server` that is called `name`. Who trusts the file `certificate`, which is
    /// written here, trusts it.
    #[track_caller]
    pub fn start(server: SocketAddr, name: &str, certificate: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
        std::fs::write(certificate, made.cert.pem()).expect("cannot write the certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| {
                config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key)
            });
        let config = Arc::new(config.expect("a configuration of TLS"));
        let door = Door::open(move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
            let mut stream = StreamOwned::new(connection, stream);
            let Some((head, body)) = scripted::read(&mut stream)? else { return Ok(()) };
            let reply = relay(server, &head, &body)?;
            stream.write_all(&reply)?;
            stream.conn.send_close_notify();
            stream.flush()
        });
        Self { address: door.address, _door: door }
    }
}

/// A listener that has a thread for each connection. Dropped, it closes.
#[derive(Debug)]
struct Door {
    address: SocketAddr,
    closed: Arc<AtomicBool>,
}

impl Door {
    #[track_caller]
    fn open(serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("cannot bind a port");
        let address = listener.local_addr().expect("a bound port has a number");
        let closed = Arc::new(AtomicBool::new(false));
        let (ours, serve) = (Arc::clone(&closed), Arc::new(serve));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ours.load(Ordering::SeqCst) {
                    return;
                }
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || {
                    // A client that goes away in the middle is its own affair.
                    let _ =
                        stream.set_read_timeout(Some(Duration::from_secs(30))).and_then(|()| serve(stream));
                });
            }
        });
        Self { address, closed }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn pass(mut client: TcpStream, server: SocketAddr, lines: &Mutex<Vec<String>>) -> io::Result<()> {
    let Some((head, body)) = scripted::read(&mut client)? else { return Ok(()) };
    let line = head.lines().next().unwrap_or_default();
    lines.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
    if line.starts_with("CONNECT ") {
        let server = TcpStream::connect(server)?;
        client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
        let (up, down) = (server.try_clone()?, client.try_clone()?);
        std::thread::spawn(move || proxy::copy(client, up));
        proxy::copy(server, down);
        return Ok(());
    }
    let Some((host, _)) = line.split_once("//").and_then(|(_, rest)| rest.split_once('/')) else {
        return client.write_all(b"HTTP/1.1 400 Not For A Proxy\r\nContent-Length: 0\r\n\r\n");
    };
    let head = head.replacen(&format!("http://{host}"), "", 1);
    client.write_all(&relay(server, &head, &body)?)
}

/// Asks `server` the same, and takes all of its reply.
fn relay(server: SocketAddr, head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(server)?;
    server.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes())?;
    server.write_all(body)?;
    let mut reply = Vec::new();
    server.read_to_end(&mut reply)?;
    Ok(reply)
}
