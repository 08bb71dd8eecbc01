//! A broker, and a client of it by hand.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Scratch;
use crate::process::free_port;

/// A `nats-server` in a directory of its own. Dropped, it is killed, by its id.
#[derive(Debug)]
pub struct Nats {
    dir: Scratch,
    child: Option<Child>,
    /// Its port for clients.
    pub port: u16,
}

impl Nats {
    /// Starts a broker that lets everybody in.
    #[track_caller]
    pub fn start() -> Self {
        Self::with("")
    }

    /// Starts a broker with more lines of configuration. A machine without one fails the test: nothing is skipped.
    /// `NATS_SERVER` names another program than `nats-server`.
    #[track_caller]
    pub fn with(configuration: &str) -> Self {
        for _ in 0..20 {
            let (dir, port) = (Scratch::new(), free_port());
            let store = dir.dir("store");
            let common = format!("listen: \"127.0.0.1:{port}\"\nserver_name: test-{port}\n");
            dir.write("server.conf", common + &configuration.replace("{STORE}", &store.to_string_lossy()));
            let mut broker = Self { dir, child: None, port };
            if broker.up() {
                return broker;
            }
        }
        panic!("no broker started on 20 ports");
    }

    /// Starts it again on its port.
    #[track_caller]
    pub fn restart(&mut self) {
        self.stop();
        assert!(self.up(), "the broker does not start again on port {}", self.port);
    }

    /// Kills it.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    #[track_caller]
    fn up(&mut self) -> bool {
        let program = std::env::var_os("NATS_SERVER").unwrap_or_else(|| "nats-server".into());
        let mut command = Command::new(&program);
        command.arg("-c").arg(self.dir.file("server.conf")).current_dir(self.dir.path());
        let log = std::fs::File::create(self.dir.file("log")).expect("cannot make a log file");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn();
        let child = child.unwrap_or_else(|error| {
            panic!(
                "these tests need a broker, and {} does not run ({error}): install nats-server",
                program.display()
            )
        });
        let child = self.child.insert(child);
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if child.try_wait().ok().flatten().is_some() {
                return false;
            }
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
            if TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok() {
                return true;
            }
            assert!(Instant::now() < deadline, "the broker does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.file("log")).unwrap_or_default()
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The address of a project there.
    pub fn project(&self, code: &str) -> String {
        format!("{}/{code}", self.url())
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A client that says exactly what it is told to.
#[derive(Debug)]
pub struct ByHand(BufReader<TcpStream>);

/// A message as it came.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Where it was said.
    pub subject: String,
    /// Where it is to be answered; empty: nowhere.
    pub reply: String,
    /// Its headers with the line before them; none: it has no headers.
    pub headers: Option<String>,
    /// What it says.
    pub payload: Vec<u8>,
}

impl ByHand {
    /// Connects. Headers are understood, but nobody is told that nobody answers.
    #[track_caller]
    pub fn connect(broker: &Nats) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, broker.port)).expect("the broker is there");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout can be set");
        let mut client = Self(BufReader::new(stream));
        client.line();
        client.write(b"CONNECT {\"verbose\":false,\"echo\":false,\"headers\":true}\r\n");
        client.flush();
        client
    }

    /// Listens at a subject.
    #[track_caller]
    pub fn subscribe(&mut self, subject: &str, id: u32) {
        self.write(format!("SUB {subject} {id}\r\n").as_bytes());
        self.flush();
    }

    /// Listens at a subject as one of a group, of whom one gets each message.
    #[track_caller]
    pub fn join(&mut self, subject: &str, group: &str, id: u32) {
        self.write(format!("SUB {subject} {group} {id}\r\n").as_bytes());
        self.flush();
    }

    /// Listens no more.
    #[track_caller]
    pub fn unsubscribe(&mut self, id: u32) {
        self.write(format!("UNSUB {id}\r\n").as_bytes());
        self.flush();
    }

    /// Says something without headers.
    #[track_caller]
    pub fn publish(&mut self, subject: &str, reply: &str, payload: &[u8]) {
        self.write(format!("PUB {subject} {reply} {}\r\n", payload.len()).as_bytes());
        self.write(payload);
        self.write(b"\r\n");
    }

    /// Says something with headers: lines that end with CR and LF.
    #[track_caller]
    pub fn publish_with(&mut self, subject: &str, reply: &str, headers: &str, payload: &[u8]) {
        let head = format!("NATS/1.0\r\n{headers}\r\n");
        let all = head.len() + payload.len();
        self.write(format!("HPUB {subject} {reply} {} {all}\r\n{head}", head.len()).as_bytes());
        self.write(payload);
        self.write(b"\r\n");
    }

    /// Asks without headers, and waits for the answer.
    #[track_caller]
    pub fn ask(&mut self, subject: &str, payload: &[u8]) -> Heard {
        self.subscribe("_INBOX.by-hand", 9000);
        self.publish(subject, "_INBOX.by-hand", payload);
        let heard = self.hear();
        self.write(b"UNSUB 9000\r\n");
        heard
    }

    /// Whether a message comes within `patience`, or has begun to.
    #[track_caller]
    pub fn has_more(&mut self, patience: Duration) -> bool {
        self.0.get_ref().set_read_timeout(Some(patience)).expect("a timeout can be set");
        let begins = loop {
            match self.0.fill_buf().map(|bytes| bytes.first().copied()) {
                Ok(Some(b'P')) => {
                    if self.line().starts_with("PING") {
                        self.write(b"PONG\r\n");
                    }
                }
                Ok(first) => break first.is_some(),
                Err(_) => break false,
            }
        };
        self.0.get_ref().set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout can be set");
        begins
    }

    /// The next message.
    #[track_caller]
    pub fn hear(&mut self) -> Heard {
        loop {
            let line = self.line();
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |word: &str| word.parse::<usize>().unwrap_or_else(|_| panic!("{line:?}"));
            let (head, all) = match words.as_slice() {
                ["PING"] => {
                    self.write(b"PONG\r\n");
                    continue;
                }
                ["MSG", .., all] => (0, number(all)),
                ["HMSG", .., head, all] => (number(head), number(all)),
                ["PONG" | "+OK" | "INFO", ..] => continue,
                _ => panic!("the broker says {line:?}"),
            };
            let numbers = if words[0] == "MSG" { 1 } else { 2 };
            let reply = if words.len() == 4 + numbers { words[3].to_owned() } else { String::new() };
            let mut bytes = vec![0; all + 2];
            self.0.read_exact(&mut bytes).expect("a message is as long as it says");
            bytes.truncate(all);
            let payload = bytes.split_off(head);
            let headers = (head > 0).then(|| String::from_utf8_lossy(&bytes).into_owned());
            return Heard { subject: words[1].to_owned(), reply, headers, payload };
        }
    }

    /// Waits until the broker has heard everything.
    #[track_caller]
    pub fn flush(&mut self) {
        self.write(b"PING\r\n");
        loop {
            match self.line().trim_end() {
                "PONG" => return,
                "PING" => self.write(b"PONG\r\n"),
                line => panic!("the broker says {line:?} before it has heard everything"),
            }
        }
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("the broker says something");
        line
    }

    #[track_caller]
    fn write(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).expect("the broker listens");
    }
}
