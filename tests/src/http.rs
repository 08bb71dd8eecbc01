//! HTTP by hand, to say what no client of good manners says.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// What a server answered.
#[derive(Clone, Default)]
pub struct Answer {
    /// Status code; 0 if the connection closed without an answer.
    pub status: u16,
    /// Header lines, without the status line.
    pub headers: Vec<(String, String)>,
    /// What follows the header.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of that name, in whatever case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn parse(bytes: &[u8]) -> Self {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Self::default() };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(':'));
        Self {
            status: status.unwrap_or(0),
            headers: headers.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect(),
            body: bytes[end + 4..].to_vec(),
        }
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text: String = self.text().chars().take(2000).collect();
        write!(f, "status {}, {:?}\n{text}", self.status, self.headers)
    }
}

/// Sends bytes, and reads until the server closes.
pub fn send(server: SocketAddr, bytes: &[u8]) -> Answer {
    exchange(server, bytes, |_| {})
}

/// Sends bytes, says that no more will come, and reads until the server closes.
pub fn send_and_hang_up(server: SocketAddr, bytes: &[u8]) -> Answer {
    exchange(server, bytes, |stream| drop(stream.shutdown(Shutdown::Write)))
}

fn exchange(server: SocketAddr, bytes: &[u8], sent: impl FnOnce(&TcpStream)) -> Answer {
    let Ok(mut stream) = TcpStream::connect(server) else { return Answer::default() };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
    // The server may have said no before all was sent.
    let _ = stream.write_all(bytes);
    sent(&stream);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    Answer::parse(&answer)
}

/// A request with header lines of one's own; Host and Connection are added.
pub fn request(line: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n").into_bytes();
    for (key, value) in headers {
        bytes.extend(format!("{key}: {value}\r\n").into_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// Posts a body as a client of good manners does.
pub fn post(server: SocketAddr, path: &str, content_type: &str, body: &[u8]) -> Answer {
    let length = body.len().to_string();
    let headers = [("Content-Type", content_type), ("Content-Length", length.as_str())];
    send(server, &request(&format!("POST {path}"), &headers, body))
}

/// Posts cards, uncompressed.
pub fn cards(server: SocketAddr, path: &str, cards: impl AsRef<[u8]>) -> Answer {
    post(server, path, "application/x-fossil-uncompressed", cards.as_ref())
}
