//! The client's side of HTTP against a server that says what it is told to
//! (limits-and-edge-cases, lines 15 to 28 and 183).
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use bytes::Bytes;
use sync::http::{HttpOptions, HttpTransport};
use sync::{Transport, TransportError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use xfer::body::{Body, ContentType};

/// What the server does with one connection.
#[derive(Clone)]
enum Act {
    /// Answers one request and closes.
    Say(String),
    /// Answers every request, keeps the connection.
    Keep(String),
    /// Answers and then says nothing more.
    Stall(String),
    /// Answers, and then goes on byte by byte.
    Drip(String),
}

fn request() -> Body {
    Body { content_type: ContentType::Uncompressed, bytes: Bytes::from_static(b"# hello\n") }
}

fn options() -> HttpOptions {
    HttpOptions {
        connect_timeout: Duration::from_millis(700),
        idle_timeout: Duration::from_millis(300),
        exchange_timeout: Duration::from_secs(2),
        reply_bytes: 1000,
        ..HttpOptions::default()
    }
}

/// Starts a server whose connections act in turn; `PORT` in what it says is its port.
async fn server(acts: Vec<Act>) -> (u16, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let mut heads = Vec::new();
        for act in acts {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (text, keep, stall, drips) = match act {
                Act::Say(text) => (text, false, false, 0),
                Act::Keep(text) => (text, true, false, 0),
                Act::Stall(text) => (text, false, true, 0),
                Act::Drip(text) => (text, false, false, 900),
            };
            let text = text.replace("PORT", &port.to_string());
            while let Some(head) = read_request(&mut stream).await {
                heads.push(head);
                stream.write_all(text.as_bytes()).await.unwrap();
                for _ in 0..drips {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    if stream.write_all(b"#").await.is_err() {
                        break;
                    }
                }
                if stall {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                }
                if !keep {
                    break;
                }
            }
        }
        heads
    });
    (port, task)
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).await.ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
    }
    let mut body = [0; 8];
    stream.read_exact(&mut body).await.ok()?;
    assert_eq!(&body, b"# hello\n");
    Some(String::from_utf8(bytes).unwrap())
}

const OK: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/x-fossil-uncompressed\r\nContent-Length: 4\r\n\r\n# a\n";

async fn exchange(acts: Vec<Act>, path: &str) -> (Result<Body, TransportError>, Vec<String>) {
    let (port, task) = server(acts).await;
    let url = format!("http://{path}").replace("HOST", &format!("127.0.0.1:{port}"));
    let mut transport = HttpTransport::new(url.parse().unwrap(), options());
    let reply = transport.exchange(request()).await;
    task.abort();
    let heads = task.await.unwrap_or_default();
    (reply, heads)
}

async fn says(reply: &str) -> Result<String, TransportError> {
    let (reply, _) = exchange(vec![Act::Say(reply.replace('\n', "\r\n").replace("LF", "\n"))], "HOST/").await;
    reply.map(|body| String::from_utf8(body.bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn a_request_is_a_post_to_the_path_as_written_with_a_length_and_no_login() {
    let (port, task) = server(vec![Act::Say(OK.into())]).await;
    let url = format!("http://bob:secret@127.0.0.1:{port}/a/../b//?query");
    let mut transport = HttpTransport::new(url.parse().unwrap(), options());
    transport.exchange(request()).await.unwrap();
    let head = task.await.unwrap().remove(0).to_ascii_lowercase();
    assert!(head.starts_with("post /a/../b// http/1.1\r\n"), "{head}");
    for line in [
        "content-length: 8",
        "content-type: application/x-fossil-uncompressed",
        &format!("host: 127.0.0.1:{port}"),
    ] {
        assert!(head.contains(&format!("{line}\r\n")), "{line}\n{head}");
    }
    assert!(
        !head.contains("authorization") && !head.contains("secret") && !head.contains("expect"),
        "{head}"
    );
}

#[tokio::test]
async fn a_reply_is_read_by_its_length_its_chunks_or_to_the_end() {
    const TYPE: &str = "Content-Type: application/x-fossil-uncompressed";
    let cases = [
        format!("HTTP/1.1 200 OK\n{TYPE}\nContent-Length: 4\n\n# aLF"),
        format!("HTTP/1.0 200 OK\n{TYPE}\n\n# aLF"),
        format!("HTTP/1.1 200 OK\n{TYPE}; charset=utf-8\nConnection: close\n\n# aLF"),
        format!("HTTP/1.1 200 OK\n{TYPE}\nTransfer-Encoding: chunked\n\n4\n# aLF\n0\n\n"),
        format!("HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\n{TYPE}\nContent-Length: 4\n\n# aLF"),
    ];
    for case in cases {
        assert_eq!(says(&case).await.as_deref(), Ok("# a\n"), "{case}");
    }
}

#[tokio::test]
async fn whatever_is_no_reply_is_an_error_that_says_what_came() {
    let cases = [
        ("HTTP/1.1 404 Not Found\nContent-Length: 15\n\n<b>no</b> such x", "HTTP status 404: no such"),
        ("HTTP/1.1 303 See Other\nLocation: http://h/\nContent-Length: 0\n\n", "HTTP status 303: See Other"),
        (
            "HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: 12\n\n<p>Hello</p>",
            "is no Fossil server: it answers with text/html: Hello",
        ),
        ("HTTP/1.1 200 OK\nContent-Length: 0\n\n", "is no Fossil server: it answers with no content type"),
        (
            "HTTP/1.1 200 OK\nContent-Type: application/x-fossilZZZ\nContent-Length: 0\n\n",
            "is no Fossil server",
        ),
        (
            "HTTP/1.1 200 OK\nContent-Type: application/x-fossil\nContent-Length: 1001\n\n",
            "longer than 1000 bytes",
        ),
        ("HTTP/1.1 200 OK\nContent-Type: application/x-fossil\nContent-Length: 10\n\n1234", "broke"),
        (
            "HTTP/1.1 200 OK\nContent-Type: application/x-fossil\nTransfer-Encoding: chunked\n\n5\n12345",
            "broke",
        ),
        (
            "HTTP/1.1 200 OK\nContent-Type: application/x-fossil\nContent-Length: -5\n\n",
            "with malformed HTTP",
        ),
        ("HTTP/2 200\n\n", "is no Fossil server: it answers with malformed HTTP"),
        ("garbage", "is no Fossil server: it answers with something that is no HTTP: garbage"),
        ("\u{1}\u{2}\n", "it answers with something that is no HTTP: "),
        ("", "broke"),
        ("HTTP/1.1 200 OK\nContent-Type: application/x-fossil\nContent-Length: 0\n\n", "sent an empty reply"),
        ("HTTP/1.0 200 OK\nContent-Type: application/x-fossil\n\n", "broke: it closed before"),
        ("HTTP/1.1 301 Moved\nContent-Length: 0\n\n", "without saying where"),
        ("HTTP/1.1 302 Found\nLocation: ssh://h/new\nContent-Length: 0\n\n", "no address to follow"),
        ("HTTP/1.1 302 Found\nLocation: file:///etc\nContent-Length: 0\n\n", "no address to follow"),
    ];
    for (reply, expected) in cases {
        let error = says(reply).await.expect_err(reply).to_string();
        assert!(error.contains(expected), "{reply}\n{error}");
    }
}

#[tokio::test]
async fn an_endless_body_stops_at_the_limit() {
    let body = "x".repeat(5000);
    let error =
        says(&format!("HTTP/1.0 200 OK\nContent-Type: application/x-fossil\n\n{body}")).await.unwrap_err();
    assert!(matches!(error, TransportError::TooLong { limit: 1000, .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_stalls_is_given_up() {
    for said in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-fossil\r\nContent-Length: 9\r\n\r\n12",
    ] {
        let (reply, _) = tokio::time::timeout(
            Duration::from_secs(30),
            exchange(vec![Act::Stall(said.to_owned())], "HOST/"),
        )
        .await
        .unwrap();
        assert!(matches!(reply, Err(TransportError::TimedOut { .. })), "{said:?} {reply:?}");
    }
}

/// Something comes all the time, and the reply would take 18 seconds.
#[tokio::test]
async fn a_server_that_drips_is_given_up() {
    let head = OK.replace("Length: 4\r\n\r\n# a\n", "Length: 900\r\n\r\n");
    let (reply, _) = tokio::time::timeout(Duration::from_secs(30), exchange(vec![Act::Drip(head)], "HOST/"))
        .await
        .unwrap();
    assert!(matches!(reply, Err(TransportError::TooSlow { .. })), "{reply:?}");
}

#[tokio::test]
async fn a_redirect_is_followed_with_the_same_body_and_remembered_if_permanent() {
    for (status, is_remembered) in [(301, true), (302, false), (307, false), (308, true)] {
        let moved = format!(
            "HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:PORT/b/xfer/xfer\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let (port, task) = server(vec![Act::Say(moved), Act::Say(OK.into())]).await;
        let url = format!("http://bob@127.0.0.1:{port}/a");
        let mut transport = HttpTransport::new(url.parse().unwrap(), options());
        transport.exchange(request()).await.unwrap();
        let heads = task.await.unwrap();
        assert!(heads[1].starts_with("POST /b/xfer HTTP/1.1\r\n"), "{heads:?}");
        let lasting = if is_remembered { "b/xfer" } else { "a" };
        assert_eq!(transport.lasting_url(), Some(format!("http://bob@127.0.0.1:{port}/{lasting}")));
    }
}

#[tokio::test]
async fn a_relative_redirect_is_resolved_against_the_address_that_was_asked() {
    let moved = "HTTP/1.1 308 Moved\r\nLocation: ../b/xfer\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let (port, task) = server(vec![Act::Say(moved.into()), Act::Say(OK.into())]).await;
    let url = format!("http://bob@127.0.0.1:{port}/a/c/d");
    let mut transport = HttpTransport::new(url.parse().unwrap(), options());
    transport.exchange(request()).await.unwrap();
    let heads = task.await.unwrap();
    assert!(heads[1].starts_with("POST /a/b HTTP/1.1\r\n"), "{heads:?}");
    assert_eq!(transport.lasting_url(), Some(format!("http://bob@127.0.0.1:{port}/a/b")));
}

#[tokio::test]
async fn redirects_end_after_twenty_requests() {
    let moved = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:PORT/\r\nContent-Length: 0\r\n\r\n";
    let (port, task) = server(vec![Act::Keep(moved.into())]).await;
    let mut transport = HttpTransport::new(format!("http://127.0.0.1:{port}/").parse().unwrap(), options());
    let error = transport.exchange(request()).await.unwrap_err();
    assert!(error.to_string().contains("without end"), "{error}");
    drop(transport);
    assert_eq!(task.await.unwrap().len(), 20);
}

#[tokio::test]
async fn a_login_is_not_carried_to_another_host() {
    let moved = "HTTP/1.1 302 Found\r\nLocation: http://localhost:PORT/\r\nContent-Length: 0\r\n\r\n";
    let (reply, _) = exchange(vec![Act::Say(moved.into())], "bob@HOST/").await;
    assert!(reply.unwrap_err().to_string().contains("must not get this login"));
    let (reply, _) = exchange(vec![Act::Say(moved.into()), Act::Say(OK.into())], "HOST/").await;
    assert!(reply.is_ok());
}

#[tokio::test]
async fn one_connection_serves_many_rounds_and_is_made_anew_when_it_was_closed() {
    let (port, task) = server(vec![Act::Keep(OK.into())]).await;
    let mut transport = HttpTransport::new(format!("http://127.0.0.1:{port}/").parse().unwrap(), options());
    for _ in 0..3 {
        transport.exchange(request()).await.unwrap();
    }
    drop(transport);
    assert_eq!(task.await.unwrap().len(), 3);

    // The server promises to keep the connection and closes it all the same.
    let (port, task) = server(vec![Act::Say(OK.into()), Act::Say(OK.into())]).await;
    let mut transport = HttpTransport::new(format!("http://127.0.0.1:{port}/").parse().unwrap(), options());
    for _ in 0..2 {
        transport.exchange(request()).await.unwrap();
    }
    assert_eq!(task.await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_host_that_is_not_there_is_told_from_a_port_that_is_closed() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let ask =
        async |url: String| HttpTransport::new(url.parse().unwrap(), options()).exchange(request()).await;
    let closed = ask(format!("http://127.0.0.1:{port}/")).await.unwrap_err();
    assert!(matches!(closed, TransportError::Unreachable { .. }), "{closed:?}");
    assert!(closed.may_retry());
    let unknown = ask("http://no-such-host.invalid/".into()).await.unwrap_err();
    assert!(matches!(unknown, TransportError::UnknownHost { .. }), "{unknown:?}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let _ = stream.read(&mut [0; 1000]).await;
    });
    let plain = ask(format!("https://127.0.0.1:{port}/")).await.unwrap_err();
    assert!(matches!(plain, TransportError::WrongScheme { speaks: "http", .. }), "{plain:?}");
}
