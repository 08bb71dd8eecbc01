//! A server behind web servers, over TLS, and beside pages of a host; and peers that keep a connection for nothing.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used)]

mod common;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use repo::{Genesis, Repo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use sync::client::{self, Remember, Setting};
use sync::http::serve::{self, Certificate, ForwardHeader, Forwarding, Repos, ServeOptions, XferService};
use sync::http::{HttpOptions, HttpTransport};
use sync::{SyncOptions, Transport as _, TransportError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use xfer::Message;
use xfer::body::{Body, ContentType};

const PLAIN: &str = "Content-Type: application/x-fossil-uncompressed";

struct Server {
    port: u16,
    _stop: oneshot::Sender<()>,
    directory: tempfile::TempDir,
}

/// Answers with the address of who asks.
fn naming() -> ServeOptions {
    ServeOptions {
        handler: Arc::new(|_, _, cx| Ok(Message::error(cx.peer.unwrap_or("nobody")))),
        ..ServeOptions::default()
    }
}

async fn server(options: ServeOptions) -> Server {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.fossil");
    let genesis = Genesis { project: "ab".repeat(20), server: "cd".repeat(20), ..Genesis::default() };
    drop(Repo::create(&file, &genesis).unwrap());
    let (port, stop) = common::listen(&file, options).await;
    Server { port, _stop: stop, directory }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    /// Sends bytes, reads until the server closes.
    async fn say(&self, text: &str) -> String {
        let mut stream = self.connect().await;
        let _ = stream.write_all(text.as_bytes()).await;
        read_to_end(&mut stream).await
    }

    async fn post(&self, headers: &str) -> String {
        self.say(&format!("POST / HTTP/1.0\r\n{PLAIN}\r\n{headers}Content-Length: 0\r\n\r\n")).await
    }
}

/// What comes until the other side closes, which it has to.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut reply = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut reply)).await;
    assert!(read.is_ok(), "it stays open: {}", String::from_utf8_lossy(&reply));
    String::from_utf8_lossy(&reply).into_owned()
}

fn believing(header: ForwardHeader) -> Forwarding {
    Forwarding { proxies: vec!["127.0.0.0/8".parse().unwrap()], header }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_is_said_by_web_servers_that_are_believed_and_by_nobody_else() {
    let x = "X-Forwarded-For: 192.0.2.7\r\n";
    let forwarded = "Forwarded: for=192.0.2.8\r\n";
    let both = format!("{x}{forwarded}");
    let cases = [
        (Forwarding::default(), "127.0.0.1"),
        (believing(ForwardHeader::XForwarded), "192.0.2.7"),
        (believing(ForwardHeader::Forwarded), "192.0.2.8"),
    ];
    for (forwarding, expected) in cases {
        let server = server(ServeOptions { forwarding, ..naming() }).await;
        let reply = server.post(&both).await;
        assert!(reply.ends_with(&format!("error {expected}\n")), "{reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_names_its_address_where_a_believed_web_server_says_it() {
    let get = "GET /a HTTP/1.0\r\nHost: inner\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: code.example\r\n\r\n";
    let options = |forwarding| ServeOptions { forwarding, ..naming() };
    let directory = tempfile::tempdir().unwrap();
    drop(Repo::create(&directory.path().join("a.fossil"), &Genesis::default()).unwrap());
    for (forwarding, expected) in [
        (Forwarding::default(), "fossil clone URL a.fossil"),
        (believing(ForwardHeader::XForwarded), "fossil clone https://code.example/a a.fossil"),
    ] {
        let service = XferService::new(Repos::new(directory.path()).unwrap(), options(forwarding));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        tokio::spawn(serve::run(listener, service, std::future::pending()));
        stream.write_all(get.as_bytes()).await.unwrap();
        let page = read_to_end(&mut stream).await;
        assert!(page.contains(expected), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_answers_by_the_head_what_is_its_own() {
    let front = |head: &http::request::Parts| {
        (head.uri.path() == "/healthz").then(|| {
            let mut response = Response::new(Bytes::from_static(b"well"));
            *response.status_mut() = StatusCode::OK;
            response
        })
    };
    let server = server(ServeOptions { front: Some(Arc::new(front)), ..naming() }).await;
    let reply = server.say("GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(reply.starts_with("HTTP/1.0 200 ") && reply.ends_with("\r\n\r\nwell"), "{reply}");
    assert!(server.post("").await.ends_with("error 127.0.0.1\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_asks_nothing_or_never_ends_asking_is_closed() {
    let options = ServeOptions { header_timeout: Duration::from_millis(300), ..naming() };
    let server = server(options).await;
    // Nothing at all, and nothing more after an answer.
    let mut silent = server.connect().await;
    assert_eq!(read_to_end(&mut silent).await, "");
    let mut kept = server.connect().await;
    let request = format!("POST / HTTP/1.1\r\nHost: h\r\n{PLAIN}\r\nContent-Length: 0\r\n\r\n");
    kept.write_all(request.as_bytes()).await.unwrap();
    let reply = read_to_end(&mut kept).await;
    assert!(reply.ends_with("error 127.0.0.1\n") && reply.matches("HTTP/1.1").count() == 1, "{reply}");
    // A line of a head now and then: never idle, and never done.
    let (mut read, mut write) = server.connect().await.into_split();
    let dripping = tokio::spawn(async move {
        write.write_all(b"POST / HTTP/1.1\r\n").await?;
        loop {
            write.write_all(b"X: y\r\n").await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        #[expect(unreachable_code, reason = "says what the type of an error is")]
        Ok::<(), std::io::Error>(())
    });
    let mut reply = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(30), read.read_to_end(&mut reply)).await;
    dripping.abort();
    assert!(closed.is_ok(), "it stays open");
    assert!(reply.is_empty() || reply.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&reply));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_of_too_many_lines_is_refused() {
    let server = server(naming()).await;
    let lines = |count| "X: y\r\n".repeat(count);
    let status = |reply: &str| reply.split(' ').nth(1).unwrap_or("none").to_owned();
    assert_eq!(status(&server.post(&lines(90)).await), "200");
    assert_eq!(status(&server.post(&lines(200)).await), "431");
}

struct Pem {
    chain: PathBuf,
    key: PathBuf,
}

impl Pem {
    fn write(&self) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&self.chain, made.cert.pem()).unwrap();
        std::fs::write(&self.key, made.signing_key.serialize_pem()).unwrap();
    }

    /// A connection of who trusts this certificate.
    async fn connect(&self, server: &Server) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.chain).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, server.connect().await).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_shown_to_new_connections_and_old_ones_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let pem = Pem { chain: directory.path().join("chain.pem"), key: directory.path().join("key.pem") };
    pem.write();
    let certificate = Arc::new(Certificate::load(&pem.chain, &pem.key).unwrap());
    let server = server(ServeOptions { certificate: Some(Arc::clone(&certificate)), ..naming() }).await;
    let request = format!("POST / HTTP/1.1\r\nHost: h\r\n{PLAIN}\r\nContent-Length: 0\r\n\r\n");
    let mut old = pem.connect(&server).await.unwrap();
    pem.write();
    assert!(pem.connect(&server).await.is_err(), "the old one is shown");
    assert!(certificate.reload_if_changed().unwrap());
    drop(pem.connect(&server).await.unwrap());
    old.write_all(request.as_bytes()).await.unwrap();
    let mut reply = vec![0; 4096];
    let size = old.read(&mut reply).await.unwrap();
    assert!(reply[..size].ends_with(b"error 127.0.0.1\n"), "{}", String::from_utf8_lossy(&reply));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_without_tls_to_a_port_for_tls_is_told_which_scheme_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let pem = Pem { chain: directory.path().join("chain.pem"), key: directory.path().join("key.pem") };
    pem.write();
    let certificate = Arc::new(Certificate::load(&pem.chain, &pem.key).unwrap());
    let options = ServeOptions {
        certificate: Some(certificate),
        header_timeout: Duration::from_millis(300),
        ..naming()
    };
    let server = server(options).await;
    let url = format!("http://127.0.0.1:{}/", server.port).parse().unwrap();
    let request = Body { content_type: ContentType::Uncompressed, bytes: Bytes::from_static(b"# a\n") };
    let error = HttpTransport::new(url, HttpOptions::default()).exchange(request).await.unwrap_err();
    assert!(matches!(error, TransportError::WrongScheme { speaks: "https", .. }), "{error}");
    // Who never greets is not waited for.
    assert_eq!(read_to_end(&mut server.connect().await).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_busy_for_a_while_is_asked_again_as_it_says() {
    let refusals = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&refusals);
    let front = move |_: &http::request::Parts| {
        let is_first = counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2;
        is_first.then(|| {
            let mut response = Response::new(Bytes::from_static(b"soon"));
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response.headers_mut().insert("retry-after", "0".parse().unwrap());
            response
        })
    };
    let options = ServeOptions { front: Some(Arc::new(front)), ..ServeOptions::default() };
    let server = server(options).await;
    let ours = server.directory.path().join("ours.fossil");
    let genesis = Genesis { project: "ab".repeat(20), server: "ef".repeat(20), ..Genesis::default() };
    let mut repo = Repo::create(&ours, &genesis).unwrap();
    let url: sync::http::Url = format!("http://127.0.0.1:{}/", server.port).parse().unwrap();
    let options = SyncOptions { pull: true, ..SyncOptions::default() };
    let mut impatient = Setting::new().unwrap();
    let mut transport = HttpTransport::new(url.clone(), HttpOptions::default());
    let refused =
        client::sync(&mut repo, &mut transport, options.clone(), Remember::No, &mut impatient).await;
    assert!(refused.unwrap_err().to_string().contains("503"));
    assert_eq!(transport.retry_after(), Some(Duration::ZERO));
    let mut patient = Setting { patience: Duration::from_secs(30), ..Setting::new().unwrap() };
    let asked = client::sync(&mut repo, &mut transport, options, Remember::No, &mut patient).await;
    let error = asked.unwrap_err().to_string();
    assert!(error.contains("not authorized to read"), "nobody may pull there: {error}");
    assert_eq!(refusals.load(std::sync::atomic::Ordering::SeqCst), 3);
    assert!(transport.peer_time().is_some());
}
