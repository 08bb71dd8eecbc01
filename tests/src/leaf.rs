//! Leaves under test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::{self, Answer};
use crate::process::line;
use crate::rng::Rng;
use crate::{Frond, frond, sql};

/// How long anything may take. It never does: a machine that is busy is no finding.
const PATIENCE: Duration = Duration::from_secs(60);

/// A leaf that a test started. Dropped, it is killed, by its id.
#[derive(Debug)]
pub struct Leaf {
    child: Child,
    /// What it said when it began.
    pub started: Value,
    output: Option<JoinHandle<String>>,
}

impl Leaf {
    /// Starts one, and waits until it says that it runs.
    #[track_caller]
    pub fn start<S: AsRef<OsStr>>(frond: &Frond, args: impl IntoIterator<Item = S>) -> Self {
        let mut command = frond.command(["leaf", "--json", "-v"]);
        Self::start_command(command.args(args))
    }

    /// Starts one for a repository file, served on a port of its own, with an address for probes.
    #[track_caller]
    pub fn of(frond: &Frond, file: &Path, args: &[&str]) -> Self {
        let file = file.to_string_lossy();
        let own = ["-R", &file, "--listen", "127.0.0.1:0", "--admin", "0"];
        let often: &[&str] = if args.contains(&"--poll") { &[] } else { &["--poll", "500ms"] };
        Self::start(frond, own.iter().chain(often).chain(args))
    }

    /// Starts what a command says.
    #[track_caller]
    pub fn start_command(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("cannot run {}: {error}", line(command)));
        let output = child.stderr.take().map(|mut stderr| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                let _ = stderr.read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            })
        });
        let mut first = String::new();
        let stdout = child.stdout.take().expect("stdout is a pipe");
        BufReader::new(stdout).read_line(&mut first).expect("a leaf says something");
        let mut leaf = Self { child, started: Value::Null, output };
        leaf.started = match serde_json::from_str::<Value>(&first) {
            Ok(value) if value["type"] == "leaf" => value,
            _ => panic!("{} does not start\n{first}{}", line(command), leaf.kill()),
        };
        leaf
    }

    /// The URL of the root it serves.
    pub fn url(&self) -> String {
        self.started["url"].as_str().expect("the leaf serves").to_owned()
    }

    /// The address it serves at.
    pub fn address(&self) -> SocketAddr {
        address(&self.url())
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it is.
    #[track_caller]
    pub fn status(&self, frond: &Frond) -> Value {
        let socket = self.started["socket"].as_str().expect("the leaf has a socket");
        let text = frond.output(["leaf", "status", "--json", "--socket", socket]);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// What a path of the admin address answers.
    pub fn probe(&self, path: &str) -> Answer {
        let url = self.started["admin_url"].as_str().expect("the leaf has an admin address");
        http::send(address(url), &http::request(&format!("GET {path}"), &[], b""))
    }

    /// Sends it a signal: `TERM`, `HUP`, `USR1`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let told = Command::new("kill").args([&format!("-{name}"), &id]).status().expect("kill runs");
        assert!(told.success(), "cannot signal process {id}");
    }

    /// Waits until it ended by itself; gives how, and what it wrote to stderr.
    #[track_caller]
    pub fn wait(mut self) -> (ExitStatus, String) {
        let mut status = None;
        until("the leaf ends", || {
            status = self.child.try_wait().expect("a child that was started can be waited for");
            status.is_some()
        });
        (status.expect("it ended"), self.log())
    }

    /// Asks it to end, and waits until it has; gives what it wrote to stderr. It must end well.
    #[track_caller]
    pub fn terminate(self) -> String {
        self.signal("TERM");
        let (status, log) = self.wait();
        assert_eq!(status.code(), Some(0), "the leaf did not end well\n{log}");
        log
    }

    /// Kills it, and gives what it wrote to stderr.
    pub fn kill(&mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.log()
    }

    fn log(&mut self) -> String {
        self.output.take().and_then(|output| output.join().ok()).unwrap_or_default()
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        let log = self.kill();
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "--- a leaf said\n{log}");
        }
    }
}

/// Waits until something holds.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never came: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Makes a repository that everybody may clone, pull from and push to.
#[track_caller]
pub fn open_repository(frond: &Frond, file: &Path) {
    let path = file.to_string_lossy();
    frond.output(["new", &*path, "-A", "ann"]);
    frond.output(["user", "capabilities", "nobody", "gio", "-R", &*path]);
}

/// Checks a file in that holds its name, and gives the hash of the check-in.
#[track_caller]
pub fn check_in(frond: &Frond, file: &Path, name: &str) -> String {
    check_in_content(frond, file, name, name.as_bytes())
}

/// Checks so many bytes in that do not compress, and gives the hash of the check-in.
#[track_caller]
pub fn check_in_bytes(frond: &Frond, file: &Path, length: usize) -> String {
    check_in_content(frond, file, "bytes.bin", &Rng::new(length as u64).bytes(length))
}

#[track_caller]
fn check_in_content(frond: &Frond, file: &Path, name: &str, content: &[u8]) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join(name), content).expect("a file");
    let users = sql::column(file, "SELECT login FROM user WHERE cap LIKE '%s%' ORDER BY uid");
    let mut command = frond.command(["commit", "--user", &users[0], "-m", name, name, "-R"]);
    command.arg(file).current_dir(directory.path());
    let said = frond::run(&mut command);
    assert_eq!(said.code, Some(0), "no check-in\n{said}");
    let hash = said.stdout.split_whitespace().last().map(str::to_owned);
    hash.unwrap_or_else(|| panic!("no check-in\n{said}"))
}

/// The project that a repository is of.
#[track_caller]
pub fn project_code(file: &Path) -> String {
    sql::column(file, "SELECT value FROM config WHERE name='project-code'")[0].clone()
}

/// Whether a repository holds an artifact.
#[track_caller]
pub fn holds(frond: &Frond, file: &Path, hash: &str) -> bool {
    file.exists() && frond.try_run(["artifact", hash, "-R", &file.to_string_lossy()]).code == Some(0)
}

fn address(url: &str) -> SocketAddr {
    let host = url.split('/').nth(2).unwrap_or_default();
    host.parse().unwrap_or_else(|error| panic!("{url}: {error}"))
}
