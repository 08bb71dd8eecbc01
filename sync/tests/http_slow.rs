//! Peers that send or take their bytes too slowly, beside peers that do not.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use repo::{Genesis, Repo};
use sync::http::serve::{self, Repos, ServeOptions, XferService};
use sync::{Carrier, TurnedAway};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use xfer::{Card, Message};

const LARGE_REPLY: usize = 12 << 20;

/// Far longer than anything here takes, far shorter than the hour that a slow peer would be given.
const PROMPTLY: Duration = Duration::from_secs(30);

struct Server {
    port: u16,
    _stop: tokio::sync::oneshot::Sender<()>,
    _directory: tempfile::TempDir,
}

/// Nobody is cut unless a test says so. A `cookie large` is answered with [`LARGE_REPLY`] bytes.
fn patient() -> ServeOptions {
    let hour = Duration::from_secs(3600);
    ServeOptions {
        handler: Arc::new(|_, request, _| {
            let is_large = request.cards.contains(&Card::Cookie("large".into()));
            let text =
                if is_large { "x".repeat(LARGE_REPLY) } else { format!(" {} cards", request.cards.len()) };
            Ok(Message { login: None, cards: vec![Card::Comment(text.into())] })
        }),
        idle_timeout: hour,
        crowded_timeout: hour,
        ..ServeOptions::default()
    }
}

async fn server(options: ServeOptions) -> Server {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.fossil");
    let genesis = Genesis { project: "ab".repeat(20), server: "cd".repeat(20), ..Genesis::default() };
    Repo::create(&file, &genesis).unwrap();
    let service = XferService::new(Repos::new(&file).unwrap(), options);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    tokio::spawn(serve::run(listener, service, async { drop(stopped.await) }));
    Server { port, _stop: stop, _directory: directory }
}

fn head(length: usize) -> String {
    format!(
        "POST / HTTP/1.0\r\nContent-Type: application/x-fossil-uncompressed\r\nContent-Length: {length}\r\n\r\n"
    )
}

impl Server {
    /// One whole exchange, promptly.
    async fn exchange(&self, body: &str) -> String {
        let exchange = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
            stream.write_all(format!("{}{body}", head(body.len())).as_bytes()).await.unwrap();
            let mut reply = String::new();
            stream.read_to_string(&mut reply).await.unwrap();
            reply
        };
        timeout(PROMPTLY, exchange).await.unwrap()
    }

    /// Declares so many bytes, sends some, then one at a time until the server ends it; what it said.
    async fn drip(&self, declared: usize, at_once: usize) -> JoinHandle<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(head(declared).as_bytes()).await.unwrap();
        stream.write_all(&vec![b'#'; at_once]).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let dripping = tokio::spawn(async move {
            while write.write_all(b"#").await.is_ok() {
                sleep(Duration::from_millis(5)).await;
            }
        });
        tokio::spawn(async move {
            let mut reply = vec![0; 1024];
            let size = read.read(&mut reply).await.unwrap_or_default();
            dripping.abort();
            String::from_utf8_lossy(&reply[..size]).into_owned()
        })
    }

    /// Asks for a large reply, takes its first byte and no more.
    async fn ask_and_not_read(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(([127, 0, 0, 1], self.port).into()).await.unwrap();
        let body = "cookie large\n";
        stream.write_all(format!("{}{body}", head(body.len())).as_bytes()).await.unwrap();
        timeout(PROMPTLY, stream.read_u8()).await.unwrap().unwrap();
        stream
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_requests_declare_and_do_not_send_keeps_nobody_out() {
    let server = server(ServeOptions { memory_bytes: 2 << 20, ..patient() }).await;
    let _dripping = (server.drip(128 << 20, 0).await, server.drip(128 << 20, 0).await);
    sleep(Duration::from_millis(100)).await;
    assert!(server.exchange("# a\n").await.ends_with("# 1 cards\n"));
    let large = "# a\n".repeat(200_000);
    assert!(server.exchange(&large).await.ends_with("# 200000 cards\n"), "of most of the memory");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_drips_ends_although_it_is_never_idle() {
    let options =
        ServeOptions { idle_timeout: Duration::from_millis(500), least_rate: 64 << 10, ..patient() };
    let server = server(options).await;
    let ended = timeout(PROMPTLY, server.drip(1 << 20, 100 << 10).await).await.unwrap().unwrap();
    assert!(ended.starts_with("HTTP/1.0 408 "), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_request_that_holds_memory_gives_way_to_one_that_needs_it() {
    let options =
        ServeOptions { memory_bytes: 2 << 20, crowded_timeout: Duration::from_millis(300), ..patient() };
    let server = server(options).await;
    let slow = server.drip(128 << 20, 1200 << 10).await;
    sleep(Duration::from_millis(100)).await;
    assert!(server.exchange("# a\n").await.ends_with("# 1 cards\n"));
    let large = "# a\n".repeat(200_000);
    assert!(server.exchange(&large).await.ends_with("# 200000 cards\n"));
    assert!(timeout(PROMPTLY, slow).await.unwrap().unwrap().starts_with("HTTP/1.0 408 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_finds_no_room_is_turned_away_and_told_of_as_that() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let options = ServeOptions {
        memory_bytes: 2 << 20,
        // So long a request waits for room; one that drips goes on for as long as it likes.
        idle_timeout: Duration::from_millis(500),
        least_rate: 1,
        turned_away: Arc::new(move |carrier, reason| tell.lock().unwrap().push((carrier, reason))),
        ..patient()
    };
    let server = server(options).await;
    let _slow = server.drip(128 << 20, 1200 << 10).await;
    sleep(Duration::from_millis(100)).await;
    // What it is answered may be lost: the server closes a connection on which bytes came that it did not read.
    let _late = server.drip(128 << 20, 800 << 10).await;
    let is_told = async {
        while told.lock().unwrap().is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PROMPTLY, is_told).await.unwrap();
    assert_eq!(*told.lock().unwrap(), [(Carrier::Http, TurnedAway::NoRoom)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_requests_that_have_memory_in_part_do_not_wait_for_each_other() {
    let server = server(ServeOptions { memory_bytes: 2 << 20, ..patient() }).await;
    let half = "# a\n".repeat(125_000);
    let in_halves = async || {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
        stream.write_all(format!("{}{half}", head(2 * half.len())).as_bytes()).await.unwrap();
        sleep(Duration::from_millis(100)).await;
        stream.write_all(half.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        reply
    };
    let all = async { tokio::join!(in_halves(), in_halves(), in_halves()) };
    let (one, two, three) = timeout(PROMPTLY, all).await.unwrap();
    for reply in [one, two, three] {
        assert!(reply.ends_with("# 250000 cards\n"), "{reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_nobody_reads_keep_no_small_exchange_waiting() {
    let server = server(ServeOptions { memory_bytes: 32 << 20, ..patient() }).await;
    let _unread = server.ask_and_not_read().await;
    let waits = server.exchange("cookie large\n");
    let small = async {
        for _ in 0..10 {
            assert!(server.exchange("# a\n").await.ends_with("# 1 cards\n"));
        }
    };
    tokio::select! {
        biased;
        () = small => {}
        reply = waits => panic!("{} bytes, and nothing was left for them", reply.len()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_nobody_reads_gives_way_to_one_that_waits() {
    let options =
        ServeOptions { memory_bytes: 32 << 20, crowded_timeout: Duration::from_millis(300), ..patient() };
    let server = server(options).await;
    let mut unread = server.ask_and_not_read().await;
    assert!(server.exchange("cookie large\n").await.len() > LARGE_REPLY);
    let mut rest = Vec::new();
    let _ = timeout(PROMPTLY, unread.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.len() < LARGE_REPLY, "it was cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_beyond_those_that_may_wait_are_refused() {
    let server = server(ServeOptions { memory_bytes: 32 << 20, ..patient() }).await;
    let _unread = server.ask_and_not_read().await;
    let (one, other) = (server.exchange("cookie large\n"), server.exchange("cookie large\n"));
    let refused = tokio::select! { reply = one => reply, reply = other => reply };
    assert!(refused.starts_with("HTTP/1.0 503 "), "{}", refused.len());
}
