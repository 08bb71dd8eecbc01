//! Programs that tests start, and what becomes of them.

use std::ffi::OsStr;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// The same command, run by another program that is given `args` before it.
pub fn within<S: AsRef<OsStr>>(
    program: &str,
    args: impl IntoIterator<Item = S>,
    command: &Command,
) -> Command {
    let mut outer = Command::new(program);
    outer.args(args).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        outer.current_dir(dir);
    }
    outer
}

/// A process that a test started. A clone is the same process.
#[derive(Debug, Clone)]
pub struct Process(Arc<Mutex<Child>>);

impl Process {
    pub(crate) fn of(child: Child) -> Self {
        Self(Arc::new(Mutex::new(child)))
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child().id()
    }

    /// Kills it and those that it started, by their ids: stock has a process for each connection.
    pub fn kill(&self) {
        let mut child = self.child();
        let Ok(None) = child.try_wait() else { return };
        let started = children(child.id());
        let _ = child.kill();
        for id in started {
            let _ = Command::new("kill").args(["-KILL", &id.to_string()]).stderr(Stdio::null()).status();
        }
    }

    /// Whether it ended.
    pub fn has_ended(&self) -> bool {
        !matches!(self.child().try_wait(), Ok(None))
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&self) -> ExitStatus {
        self.child().wait().expect("a child that was started can be waited for")
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The processes that a process started and that have not ended.
pub fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // ID (NAME) STATE PARENT; the name may hold anything.
        let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        rest.split_whitespace().nth(1) == Some(parent.to_string().as_str())
    })
    .collect()
}

/// A command that is under way.
#[derive(Debug)]
pub struct Running {
    command: String,
    process: Process,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
}

impl Running {
    /// Starts it, with nothing to read.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn();
        let mut child = child.unwrap_or_else(|error| panic!("cannot run {}: {error}", line(command)));
        let (stdout, stderr) = (child.stdout.take().map(read), child.stderr.take().map(read));
        let (stdout, stderr) = (stdout.expect("a pipe"), stderr.expect("a pipe"));
        Self { command: line(command), process: Process::of(child), stdout, stderr }
    }

    /// The process.
    pub fn process(&self) -> Process {
        self.process.clone()
    }

    /// What it said when it was done. One that is not done after so long is killed, and fails the test.
    #[track_caller]
    pub fn end(self, limit: Duration) -> Said {
        let deadline = Instant::now() + limit;
        while !self.process.has_ended() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        let in_time = self.process.has_ended();
        self.process.kill();
        let code = self.process.wait().code();
        let text = |thread: JoinHandle<String>| thread.join().unwrap_or_default();
        let said = Said { command: self.command, code, stdout: text(self.stdout), stderr: text(self.stderr) };
        assert!(in_time, "not done after {limit:?}\n{said}");
        said
    }
}

/// Reads to the end, in a thread of its own.
pub(crate) fn read(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = pipe.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// A server that a test started. Dropped, it is killed, by its id.
#[derive(Debug)]
pub struct Server {
    process: Process,
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

    /// Starts a server on a port that is its own, and waits until it answers.
    #[track_caller]
    pub fn start_at(port: u16, command: &mut Command) -> Self {
        Self::try_start(command, port).unwrap_or_else(|| panic!("no server starts: {}", line(command)))
    }

    fn try_start(command: &mut Command, port: u16) -> Option<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn();
        let mut child = child.unwrap_or_else(|error| panic!("cannot run {}: {error}", line(command)));
        let output = child.stderr.take().map(read);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let server = Self { process: Process::of(child), address, output };
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            // A port taken meanwhile by another process ends the child: another port then. Until it ends, that one may answer.
            if server.process.has_ended() {
                return None;
            }
            let answers = TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok();
            if answers && listens(server.id(), port) {
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
        self.process.id()
    }

    /// Its process.
    pub fn process(&self) -> Process {
        self.process.clone()
    }

    /// Ends it, and gives what it wrote to stderr.
    pub fn stop(mut self) -> String {
        self.end();
        self.output.take().and_then(|output| output.join().ok()).unwrap_or_default()
    }

    /// Asks it to end, and waits until it has.
    #[track_caller]
    pub fn terminate(self) {
        let id = self.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(told.success(), "cannot end process {id}");
        self.process.wait();
    }

    fn end(&self) {
        self.process.kill();
        self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether a process, or one that it began, listens on a port of this machine; where that cannot be known, it does.
fn listens(id: u32, port: u16) -> bool {
    let Ok(sockets) = std::fs::read_to_string("/proc/net/tcp") else { return true };
    let listening = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_it = words.get(1)?.ends_with(&format!(":{port:04X}")) && *words.get(3)? == "0A";
        is_it.then(|| format!("socket:[{}]", words.get(9).unwrap_or(&"")))
    };
    let listening: Vec<String> = sockets.lines().filter_map(listening).collect();
    let Ok(processes) = std::fs::read_dir("/proc") else { return true };
    let ids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|&other| is_of(other, id)).any(|other| {
        let Ok(files) = std::fs::read_dir(format!("/proc/{other}/fd")) else { return false };
        let mut links = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
        links.any(|link| listening.iter().any(|socket| link.as_os_str() == socket.as_str()))
    })
}

/// Whether a process is another one, or was begun by it, or by one that it began.
fn is_of(mut id: u32, other: u32) -> bool {
    while id != other {
        let Ok(text) = std::fs::read_to_string(format!("/proc/{id}/stat")) else { return false };
        let parent = text.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
        match parent {
            Some(parent) if parent > 1 => id = parent,
            _ => return false,
        }
    }
    true
}

/// A port that nobody listens on at the moment.
#[track_caller]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("cannot bind a port");
    listener.local_addr().expect("a bound port has a number").port()
}
