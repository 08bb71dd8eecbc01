//! Programs that tests start, and what becomes of them.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a program said when it was done.
#[derive(Debug, Clone)]
pub struct Said {
    /// The command line, for messages.
    pub command: String,
    /// Exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Said {
    /// Both streams, stdout first.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// What a command that ended said.
    pub fn new(command: &Command, output: &Output) -> Self {
        Self {
            command: line(command),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { command, code, stdout, stderr } = self;
        write!(f, "$ {command}\nexit code {code:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// The command line, for messages.
pub fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// A server that a test started. Dropped, it is killed, by its id.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    output: Option<JoinHandle<String>>,
}

impl Server {
    /// Starts a server on a port that was free a moment ago, and waits until it answers.
    /// `command` makes the command for a port.
    #[track_caller]
    pub fn start(mut command: impl FnMut(u16) -> Command) -> Self {
        for _ in 0..20 {
            let port = free_port();
            let mut command = command(port);
            if let Some(server) = Self::try_start(&mut command, port) {
                return server;
            }
        }
        panic!("no server started on 20 ports: {}", line(&command(0)));
    }

    fn try_start(command: &mut Command, port: u16) -> Option<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn();
        let mut child = child.unwrap_or_else(|error| panic!("cannot run {}: {error}", line(command)));
        let output = child.stderr.take().map(|mut stderr| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                let _ = stderr.read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            })
        });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = Self { child, address, output };
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            // A port taken meanwhile by another process ends the child: another port then.
            if server.child.try_wait().ok()?.is_some() {
                return None;
            }
            if TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok() {
                return Some(server);
            }
            assert!(Instant::now() < deadline, "{} does not answer", line(command));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The URL of its root.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The URL of its root with a login.
    pub fn url_as(&self, user: &str, password: &str) -> String {
        format!("http://{user}:{password}@{}/", self.address)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it, and gives what it wrote to stderr.
    pub fn stop(mut self) -> String {
        self.end();
        self.output.take().and_then(|output| output.join().ok()).unwrap_or_default()
    }

    /// Asks it to end, and waits until it has.
    #[track_caller]
    pub fn terminate(mut self) {
        let id = self.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(told.success(), "cannot end process {id}");
        self.child.wait().expect("a child that was started can be waited for");
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// A port that nobody listens on at the moment.
#[track_caller]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("cannot bind a port");
    listener.local_addr().expect("a bound port has a number").port()
}
