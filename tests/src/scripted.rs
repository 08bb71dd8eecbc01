//! A server that answers as a script says: to see what a client makes of it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flate2::read::ZlibDecoder;

/// A request that came.
#[derive(Debug, Clone)]
pub struct Request {
    /// Which one, counting from 1.
    pub number: usize,
    /// Request line and header, as they came.
    pub head: String,
    /// The cards, inflated.
    pub text: String,
}

/// What the script answers.
#[derive(Debug, Clone)]
pub enum Reply {
    /// These cards, in a reply of good form.
    Cards(Vec<u8>),
    /// These bytes, header and all; then the connection closes.
    Raw(Vec<u8>),
    /// These bytes, then silence.
    Stall(Vec<u8>),
}

impl Reply {
    /// Cards in a reply of good form.
    pub fn cards(text: impl Into<Vec<u8>>) -> Self {
        Self::Cards(text.into())
    }

    /// A reply with header lines of one's own.
    pub fn http(status: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let mut bytes = format!("HTTP/1.1 {status}\r\n").into_bytes();
        for (key, value) in headers {
            bytes.extend(format!("{key}: {value}\r\n").into_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body.as_ref());
        Self::Raw(bytes)
    }

    /// A reply of a content type, otherwise of good form.
    pub fn typed(content_type: &str, body: impl AsRef<[u8]>) -> Self {
        let length = body.as_ref().len().to_string();
        let headers = [("Content-Type", content_type), ("Content-Length", &length), ("Connection", "close")];
        Self::http("200 OK", &headers, body)
    }

    /// A redirect.
    pub fn redirect(status: &str, to: &str) -> Self {
        Self::http(status, &[("Location", to), ("Content-Length", "0"), ("Connection", "close")], "")
    }
}

/// The server. Dropped, it stops listening.
#[derive(Debug)]
pub struct Scripted {
    /// Where it listens.
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    closed: Arc<AtomicBool>,
}

impl Scripted {
    /// Starts one.
    #[track_caller]
    pub fn start(script: impl Fn(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("cannot bind a port");
        let address = listener.local_addr().expect("a bound port has a number");
        let (requests, closed) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let server = Self { address, requests: Arc::clone(&requests), closed: Arc::clone(&closed) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if closed.load(Ordering::SeqCst) {
                    return;
                }
                // A client that goes away in the middle is its own affair.
                let _ = answer(stream, &requests, &script, &closed);
            }
        });
        server
    }

    /// The URL of its root.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The requests that came so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().map(|requests| requests.clone()).unwrap_or_default()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn answer(
    mut stream: TcpStream,
    requests: &Mutex<Vec<Request>>,
    script: &impl Fn(&Request) -> Reply,
    closed: &AtomicBool,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let Some((head, body)) = read(&mut stream)? else { return Ok(()) };
    let text = String::from_utf8_lossy(&plain(&head, &body)).into_owned();
    let request = {
        let mut all = requests.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let request = Request { number: all.len() + 1, head, text };
        all.push(request.clone());
        request
    };
    match script(&request) {
        Reply::Raw(bytes) => stream.write_all(&bytes),
        Reply::Cards(cards) => {
            let Reply::Raw(bytes) = Reply::typed("application/x-fossil-uncompressed", &cards) else {
                return Ok(());
            };
            stream.write_all(&bytes)
        }
        Reply::Stall(bytes) => {
            stream.write_all(&bytes)?;
            while !closed.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        }
    }
}

/// Head and body of a request; none if the peer closes before it is whole.
pub(crate) fn read(stream: &mut impl Read) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&buffer[..length]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        if bytes.len() - end - 4 >= content_length(&head) {
            return Ok(Some((head, bytes[end + 4..].to_vec())));
        }
    }
}

fn content_length(head: &str) -> usize {
    let lengths = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = lengths.filter(|(key, _)| key.eq_ignore_ascii_case("content-length"));
    lengths.next().and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0)
}

fn plain(head: &str, body: &[u8]) -> Vec<u8> {
    let lower = head.to_ascii_lowercase();
    let is_plain = lower.contains("x-fossil-uncompressed") || lower.contains("x-fossil-debug");
    let mut text = Vec::new();
    match body.get(4..) {
        Some(stream) if !is_plain && ZlibDecoder::new(stream).read_to_end(&mut text).is_ok() => text,
        _ => body.to_vec(),
    }
}
