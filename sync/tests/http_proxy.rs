//! The client's side of HTTP through a proxy on loopback.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use bytes::Bytes;
use sync::http::{HttpOptions, HttpTransport, Proxies};
use sync::{Transport, TransportError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use xfer::body::{Body, ContentType};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/x-fossil-uncompressed\r\n\
                  Content-Length: 4\r\n\r\n# a\n";

/// `bob:p@ss` in Base64.
const LOGIN: &str = "proxy-authorization: basic ym9ionbac3m=";

/// A proxy that says `text` once, or, if that ends the head of a reply to CONNECT, `after` too once more came.
async fn proxy(text: &'static str, after: &'static str) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = read_head(&mut stream).await;
        stream.write_all(text.as_bytes()).await.unwrap();
        if !after.is_empty() {
            stream.read_exact(&mut [0]).await.unwrap();
            stream.write_all(after.as_bytes()).await.unwrap();
        }
        // The rest of the request is taken, lest the reply be lost in a reset.
        stream.shutdown().await.unwrap();
        while stream.read(&mut [0; 1000]).await.is_ok_and(|size| size > 0) {}
        head
    });
    (port, task)
}

async fn read_head(stream: &mut TcpStream) -> String {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).await.unwrap();
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).unwrap()
}

async fn ask(url: &str, proxies: Proxies) -> Result<Body, TransportError> {
    let options = HttpOptions {
        connect_timeout: Duration::from_secs(2),
        idle_timeout: Duration::from_secs(2),
        proxies,
        ..HttpOptions::default()
    };
    let request = Body { content_type: ContentType::Uncompressed, bytes: Bytes::from_static(b"# hello\n") };
    HttpTransport::new(url.parse().unwrap(), options).exchange(request).await
}

/// Asks `url` through a proxy; what came of it, and the head of the request that the proxy got.
async fn through(
    url: &str,
    text: &'static str,
    after: &'static str,
) -> (Result<Body, TransportError>, String) {
    let (port, task) = proxy(text, after).await;
    let proxies = Proxies::through(&format!("http://bob:p%40ss@127.0.0.1:{port}")).unwrap();
    let reply = ask(url, proxies).await;
    let head = tokio::time::timeout(Duration::from_secs(2), task).await.unwrap().unwrap();
    (reply, head)
}

#[tokio::test]
async fn a_request_to_an_http_server_names_the_whole_address() {
    let (reply, head) = through("http://eve:secret@repository.invalid:81/a/../b//", OK, "").await;
    assert_eq!(reply.unwrap().bytes, "# a\n");
    assert!(head.starts_with("POST http://repository.invalid:81/a/../b// HTTP/1.1\r\n"), "{head}");
    let lower = head.to_ascii_lowercase();
    assert!(lower.contains("\r\nhost: repository.invalid:81\r\n"), "{head}");
    assert!(lower.contains(&format!("\r\n{LOGIN}\r\n")), "{head}");
    assert!(!lower.contains("secret"), "{head}");
}

#[tokio::test]
async fn to_reach_an_https_server_the_proxy_is_told_to_connect() {
    const MADE: &str = "HTTP/1.1 200 Made\r\n\r\n";
    let url = "https://repository.invalid/a";
    // Beyond the proxy is a server that takes what TLS says for a bad request.
    let (reply, head) = through(url, MADE, "HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert!(head.starts_with("CONNECT repository.invalid:443 HTTP/1.1\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains(&format!("\r\n{LOGIN}\r\n")), "{head}");
    let expected =
        TransportError::WrongScheme { peer: "repository.invalid:443".into(), asked: "https", speaks: "http" };
    assert_eq!(reply.unwrap_err(), expected);
}

#[tokio::test]
async fn what_a_proxy_does_wrong_is_told_of_the_proxy() {
    let (http, https) = ("http://repository.invalid/", "https://repository.invalid/");
    let cases = [
        (http, "HTTP/1.1 407 Login\r\nContent-Length: 0\r\n\r\n", "answers with HTTP status 407"),
        (https, "HTTP/1.1 407 Login\r\n\r\n", "answers with HTTP status 407"),
        (https, "HTTP/1.1 503 No\r\n\r\n", "it makes no connection to repository.invalid:443"),
        (https, "220 mail ESMTP\r\n", "it makes no connection to repository.invalid:443"),
        (http, "220 mail ESMTP\r\n", "it answers with something that is no HTTP: 220 mail ESMTP"),
        (http, "\x15\x03\x01\0\x02\x02\x46", "it answers with something that is no HTTP"),
        (http, "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "it answers with malformed HTTP"),
    ];
    for (url, said, words) in cases {
        let error = through(url, said, "").await.0.expect_err(said);
        let text = error.to_string();
        assert!(text.starts_with("the proxy 127.0.0.1:") && text.contains(words), "{said}\n{text}");
        assert!(!error.may_retry(), "{text}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_told_from_a_server_that_is_not_there() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    for url in ["http://repository.invalid/", "https://repository.invalid/"] {
        let error = ask(url, Proxies::through(&format!("127.0.0.1:{port}")).unwrap()).await.unwrap_err();
        let expected = format!("cannot connect to the proxy 127.0.0.1:{port}");
        assert!(error.to_string().starts_with(&expected) && error.may_retry(), "{error}");
        let error = ask(url, Proxies::through("no-such-proxy.invalid:3128").unwrap()).await.unwrap_err();
        assert!(
            matches!(&error, TransportError::UnknownHost { host, .. } if host == "no-such-proxy.invalid"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_host_that_needs_no_proxy_is_asked_directly() {
    let (server, task) = proxy(OK, "").await;
    let variables =
        |name: &str| (name == "all_proxy").then(|| "http://no-such-proxy.invalid:3128".to_owned());
    let proxies = Proxies::from_variables(variables).unwrap();
    ask(&format!("http://127.0.0.1:{server}/a"), proxies).await.unwrap();
    assert!(task.await.unwrap().starts_with("POST /a HTTP/1.1\r\n"));
}
