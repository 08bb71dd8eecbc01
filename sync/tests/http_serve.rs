//! The server's side of HTTP, spoken to byte by byte (limits-and-edge-cases, lines 1 to 26 and 173).
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use repo::{Genesis, Repo, UnixTime};
use sync::http::serve::ServeOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use xfer::body::{ContentType, pack};
use xfer::{Card, Message};

/// A server, and the switch that ends it.
struct Server {
    port: u16,
    _stop: oneshot::Sender<()>,
    directory: tempfile::TempDir,
}

fn create(file: &Path) {
    let genesis = Genesis {
        project: "ab".repeat(20),
        server: "cd".repeat(20),
        user: "me".into(),
        now: UnixTime::from_seconds(1_800_000_000),
        ..Genesis::default()
    };
    Repo::create(file, &genesis).unwrap();
}

/// Answers with the number of cards, after a while to a `cookie slow`; panics at a `cookie panic`.
fn counting() -> ServeOptions {
    ServeOptions {
        handler: Arc::new(|_, request, _| {
            let is_told = |cookie: &str| request.cards.contains(&Card::Cookie(cookie.into()));
            assert!(!is_told("panic"), "told to");
            if is_told("slow") {
                std::thread::park_timeout(Duration::from_millis(100));
            }
            let text = format!(" {} cards", request.cards.len());
            Ok(Message { login: None, cards: vec![Card::Comment(text.into())] })
        }),
        header_timeout: Duration::from_millis(500),
        idle_timeout: Duration::from_millis(500),
        ..ServeOptions::default()
    }
}

async fn server(is_directory: bool, options: ServeOptions) -> Server {
    let directory = tempfile::tempdir().unwrap();
    create(&directory.path().join("a.fossil"));
    let path = if is_directory { directory.path().to_owned() } else { directory.path().join("a.fossil") };
    let (port, stop) = common::listen(&path, options).await;
    Server { port, _stop: stop, directory }
}

impl Server {
    /// Sends bytes, reads until the server closes; at most two seconds.
    async fn say(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let _ = stream.write_all(bytes).await;
        let mut reply = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(2), stream.read_to_end(&mut reply)).await;
        String::from_utf8_lossy(&reply).into_owned()
    }

    /// Sends bytes, says that no more will come, and reads until the server closes.
    async fn say_and_hang_up(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        reply
    }

    /// Posts cards to a path; HTTP/1.0, as Fossil 2.21 does.
    async fn post(&self, path: &str, headers: &str, body: &[u8]) -> String {
        let head = format!("POST {path} HTTP/1.0\r\n{headers}\r\nContent-Length: {}\r\n\r\n", body.len());
        self.say(&[head.as_bytes(), body].concat()).await
    }
}

const PLAIN: &str = "Content-Type: application/x-fossil-uncompressed";

fn status(reply: &str) -> &str {
    reply.split(' ').nth(1).unwrap_or("none")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_is_answered_on_any_path_with_a_length_and_a_closed_connection() {
    let server = server(false, counting()).await;
    for path in ["/", "/xfer", "/no/such/page", "/../../etc/passwd"] {
        let reply = server.post(path, PLAIN, b"# a\n# b\n").await;
        assert!(reply.starts_with("HTTP/1.0 200 OK\r\n"), "{path}\n{reply}");
        assert!(reply.ends_with("\r\n\r\n# 2 cards\n"), "{path}\n{reply}");
        assert!(reply.contains("Content-Length: 10\r\n"), "{reply}");
        assert!(reply.contains("Content-Type: application/x-fossil-uncompressed\r\n"), "{reply}");
        assert!(!reply.to_ascii_lowercase().contains("chunked"), "{reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packed_request_gets_a_packed_reply() {
    let server = server(false, counting()).await;
    let body = pack(b"# a\n".to_vec(), ContentType::Compressed);
    let reply = server.post("/", "Content-Type: application/x-fossil", &body.bytes).await;
    assert!(reply.contains("Content-Type: application/x-fossil\r\n"), "{reply}");
    assert!(!reply.contains("cards"), "{reply}");
    let reply = server.post("/", "Content-Type: application/x-fossil; charset=utf-8", &body.bytes).await;
    assert_eq!(status(&reply), "200", "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_message_gets_an_error_card() {
    let server = server(false, counting()).await;
    let cases: [(&str, &[u8]); 4] = [
        (PLAIN, b"file zz 3\nabc"),
        (PLAIN, b"pull a b c d e f g h \0\n"),
        ("Content-Type: application/x-fossil-debug", b"gimme 123\n"),
        (PLAIN, b"file 0123456789012345678901234567890123456789 99\nabc"),
    ];
    for (headers, body) in cases {
        let reply = server.post("/", headers, body).await;
        assert_eq!(status(&reply), "200", "{reply}");
        assert!(reply.contains("\r\n\r\nerror ") || reply.contains("cards"), "{reply}");
    }
    for body in
        [&b"pull a b\n"[..], b"\0\0\0\x05abcdefgh", b"\xff\xff\xff\xf0\x78\x9c\x03\x00\x00\x00\x00\x01"]
    {
        let reply = server.post("/", "Content-Type: application/x-fossil", body).await;
        assert_eq!(status(&reply), "200", "{reply}");
    }
    // Nothing at all is an empty message.
    let reply = server.post("/", PLAIN, b"").await;
    assert!(reply.ends_with("# 0 cards\n"), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused_by_its_status() {
    let server = server(false, counting()).await;
    let cases = [
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-fossil\r\nConnection: close\r\n\r\n",
            "411",
        ),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-fossil\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\n# a\n\r\n0\r\n\r\n",
            "411",
        ),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-fossil\r\nContent-Length: -5\r\n\r\n",
            "400",
        ),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-fossil\r\nContent-Length: 4294967300\r\nConnection: close\r\n\r\n# a\n",
            "413",
        ),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-fossilZZZ\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "415",
        ),
        ("POST /xfer HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nConnection: close\r\n\r\n# a\n", "400"),
        (
            "POST /xfer HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 4\r\nConnection: close\r\n\r\n# a\n",
            "415",
        ),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-fossil\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
            "417",
        ),
        ("GET / HTTP/1.0\r\nContent-Type: application/x-fossil\r\n\r\n", "405"),
        ("DELETE / HTTP/1.0\r\n\r\n", "405"),
        ("GET /other HTTP/1.0\r\n\r\n", "404"),
        ("GARBAGE\r\n\r\n", "400"),
    ];
    for (request, expected) in cases {
        let reply = server.say(request.as_bytes()).await;
        assert_eq!(status(&reply), expected, "{request}\n{reply}");
        assert!(!reply.contains("100 Continue"), "{reply}");
    }
    let long = format!("GET / HTTP/1.0\r\nX: {}\r\n\r\n", "y".repeat(1_000_000));
    assert_eq!(status(&server.say(long.as_bytes()).await), "431");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_stalls_is_given_up() {
    let server = server(false, counting()).await;
    let stalled = format!("POST / HTTP/1.0\r\n{PLAIN}\r\nContent-Length: 9\r\n\r\n# a\n");
    assert_eq!(status(&server.say(stalled.as_bytes()).await), "408");
    let head = server.say(b"POST / HTTP/1.0\r\nContent").await;
    assert!(head.is_empty() || status(&head) == "408", "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_that_no_more_will_come_hears_the_answer() {
    let server = server(false, counting()).await;
    let cards = "cookie slow\n";
    let request = format!("POST / HTTP/1.1\r\nHost: h\r\n{PLAIN}\r\nContent-Length: {}\r\n\r\n", cards.len());
    let reply = server.say_and_hang_up(format!("{request}{cards}").as_bytes()).await;
    assert!(reply.ends_with("# 1 cards\n"), "{reply}");
    assert_eq!(status(&server.say_and_hang_up(request.as_bytes()).await), "408", "half a request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_an_error_of_one_request() {
    let server = server(false, counting()).await;
    assert_eq!(status(&server.post("/", PLAIN, b"cookie panic\n").await), "500");
    assert_eq!(status(&server.post("/", PLAIN, b"cookie fine\n").await), "200");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_carries_many_rounds() {
    let server = server(false, counting()).await;
    let request = format!("POST / HTTP/1.1\r\nHost: h\r\n{PLAIN}\r\nContent-Length: 4\r\n\r\n# a\n");
    let reply = server.say(request.repeat(3).as_bytes()).await;
    assert_eq!(reply.matches("# 1 cards\n").count(), 3, "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_serves_each_repository_by_the_first_segment_under_the_base() {
    let options = ServeOptions { base_path: "/base".into(), ..counting() };
    let server = server(true, options).await;
    for (path, expected) in [
        ("/base/a", "200"),
        ("/base/a/xfer", "200"),
        ("/base/b", "404"),
        ("/base/", "404"),
        ("/a", "404"),
        ("/basea/a", "404"),
        ("/base/../a", "404"),
        ("/base/%2e%2e%2fa", "404"),
    ] {
        assert_eq!(status(&server.post(path, PLAIN, b"# a\n").await), expected, "{path}");
    }
    // The browser resolves a link against the address it asked, whatever stands before us.
    for (asked, link) in [("/base/", "./a"), ("/base", "./base/a"), ("/base//", "./a")] {
        let list = server.say(format!("GET {asked} HTTP/1.0\r\nHost: upstream\r\n\r\n").as_bytes()).await;
        assert!(list.contains(&format!("<a href=\"{link}\">a</a>")), "{asked}\n{list}");
        assert!(!list.contains("upstream"), "{list}");
    }
    let page = server.say(b"GET /base/a HTTP/1.0\r\nHost: upstream\r\n\r\n").await;
    assert!(page.contains("fossil clone URL a.fossil") && !page.contains("upstream"), "{page}");
    let head = server.say(b"HEAD /base/a HTTP/1.0\r\nHost: example.org\r\n\r\n").await;
    assert!(head.ends_with("\r\n\r\n") && head.contains("Content-Length: "), "{head}");
    assert_eq!(status(&server.say(b"GET /base/a/b HTTP/1.0\r\n\r\n").await), "404");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_repository_is_not_there() {
    let server = server(true, counting()).await;
    std::fs::write(server.directory.path().join("letter.fossil"), "to my aunt\n".repeat(9000)).unwrap();
    std::fs::write(server.directory.path().join("empty.fossil"), "").unwrap();
    let list = server.say(b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(list.contains("\"./a\"") && !list.contains("letter") && !list.contains("empty"), "{list}");
    for path in ["/letter", "/empty"] {
        assert_eq!(status(&server.post(path, PLAIN, b"# a\n").await), "404", "{path}");
        assert_eq!(status(&server.say(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await), "404");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_sees_who_asks_and_which_repository_is_meant() {
    let options = ServeOptions {
        handler: Arc::new(|repo, _, cx| {
            let file = repo.path().and_then(Path::file_name).unwrap().to_string_lossy().into_owned();
            Ok(Message::error(format!("{file} {}", cx.peer.unwrap_or("nobody"))))
        }),
        ..counting()
    };
    let reply = server(true, options).await.post("/a", PLAIN, b"").await;
    assert!(reply.ends_with("error a.fossil\\s127.0.0.1\n"), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_replaced_or_removed_is_noticed() {
    let options = ServeOptions {
        handler: Arc::new(|repo, _, _| {
            let project = repo::config::project_code(&repo.snapshot()?)?.unwrap_or_default();
            Ok(Message { login: None, cards: vec![Card::Comment(project.into())] })
        }),
        ..counting()
    };
    let server = server(true, options).await;
    let file = server.directory.path().join("a.fossil");
    assert!(server.post("/a", PLAIN, b"").await.contains(&"ab".repeat(20)));
    let other = server.directory.path().join("other");
    let genesis = Genesis {
        project: "ef".repeat(20),
        server: "cd".repeat(20),
        user: "me".into(),
        ..Genesis::default()
    };
    Repo::create(&other, &genesis).unwrap();
    std::fs::rename(&other, &file).unwrap();
    assert!(server.post("/a", PLAIN, b"").await.contains(&"ef".repeat(20)));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(status(&server.post("/a", PLAIN, b"").await), "404");
}
