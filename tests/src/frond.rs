//! The program under test.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::process::{Said, Server, line};
use crate::{Nats, Scratch};

/// Exit code: failed, in a way that has no code of its own.
pub const FAILED: i32 = 1;
/// Exit code: the command line is wrong.
pub const USAGE: i32 = 2;
/// Exit code: part of it was done, and stays.
pub const PARTIAL: i32 = 3;
/// Exit code: nobody was reached; a retry may help.
pub const UNREACHABLE: i32 = 4;
/// Exit code: login or permission refused.
pub const REFUSED: i32 = 5;
/// Exit code: no such repository.
pub const NO_REPOSITORY: i32 = 10;
/// Exit code: another process holds the repository.
pub const LOCKED: i32 = 11;

/// Runs `frond` with a home directory of its own.
#[derive(Debug)]
pub struct Frond {
    home: Scratch,
}

impl Frond {
    /// Builds the program if need be.
    #[track_caller]
    pub fn new() -> Self {
        binary();
        Self { home: Scratch::new() }
    }

    /// A command that runs `frond` in its home directory.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let home = self.home.path();
        let mut command = Command::new(binary());
        command.env("HOME", home).env("USER", "admin").env("NO_COLOR", "1").env_remove("RUST_LOG");
        for name in ["FOSSIL_USER", "XDG_CONFIG_HOME", "XDG_STATE_HOME"] {
            command.env_remove(name);
        }
        for name in ["FROND_PASSWORD", "FROND_PASSWORD_FILE"] {
            command.env_remove(name);
        }
        for name in ["USER", "PASSWORD", "TOKEN", "CREDS", "NKEY", "CA", "CERT", "KEY", "CONTEXT"] {
            command.env_remove(format!("NATS_{name}"));
        }
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_ascii_uppercase());
        }
        command.current_dir(home).stdin(Stdio::null()).args(args);
        command
    }

    /// Runs `frond`, whatever comes of it.
    #[track_caller]
    pub fn try_run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Said {
        run(&mut self.command(args))
    }

    /// Runs `frond`, which must exit 0, and gives its stdout.
    #[track_caller]
    pub fn output<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let said = self.try_run(args);
        assert_eq!(said.code, Some(0), "frond failed\n{said}");
        said.stdout
    }

    /// Clones; gives the summary.
    #[track_caller]
    pub fn clone(&self, url: &str, file: &Path) -> Value {
        let said = self.try_run([OsStr::new("clone"), "--json".as_ref(), url.as_ref(), file.as_os_str()]);
        let summary = summary(&said);
        let made: Value = serde_json::from_str(said.stdout.lines().next().unwrap_or_default())
            .unwrap_or_else(|error| panic!("{error}\n{said}"));
        assert_eq!(made["type"], "clone", "what was made comes before the summary\n{said}");
        assert_ne!(made["password"].as_str().unwrap_or_default(), "", "nobody can log in\n{said}");
        summary
    }

    /// Pulls; gives the summary.
    #[track_caller]
    pub fn pull(&self, url: &str, file: &Path) -> Value {
        summary(&self.try_exchange("pull", url, file))
    }

    /// Pushes; gives the summary.
    #[track_caller]
    pub fn push(&self, url: &str, file: &Path) -> Value {
        summary(&self.try_exchange("push", url, file))
    }

    /// Pulls and pushes; gives the summary.
    #[track_caller]
    pub fn sync(&self, url: &str, file: &Path) -> Value {
        summary(&self.try_exchange("sync", url, file))
    }

    /// Pulls, pushes or does both, whatever comes of it.
    #[track_caller]
    pub fn try_exchange(&self, command: &str, url: &str, file: &Path) -> Said {
        let words = [OsStr::new(command), "--json".as_ref(), url.as_ref(), "-R".as_ref(), file.as_os_str()];
        self.try_run(words)
    }

    /// Serves a repository, or a directory of them, on a port of its own.
    #[track_caller]
    pub fn server(&self, path: &Path) -> Server {
        Server::start(|port| {
            let listen = format!("127.0.0.1:{port}");
            self.command([OsStr::new("serve"), path.as_os_str(), "--listen".as_ref(), listen.as_ref()])
        })
    }

    /// Serves a repository on a broker too, with a line in the log for each request.
    #[track_caller]
    pub fn server_on(&self, broker: &Nats, path: &Path) -> Server {
        Server::start(|port| {
            let (listen, url) = (format!("127.0.0.1:{port}"), broker.url());
            let mut command = self.command(["serve", "-v", "--listen", &listen, "--nats", &url]);
            command.arg(path);
            command
        })
    }

    /// Has Frond look for faults: there must be none.
    #[track_caller]
    pub fn verify(&self, file: &Path) {
        self.output([OsStr::new("verify"), "-R".as_ref(), file.as_os_str()]);
    }
}

impl Default for Frond {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs a command to its end.
#[track_caller]
pub fn run(command: &mut Command) -> Said {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {}: {error}", line(command)));
    Said::new(command, &output)
}

/// The object that ends the `--json` output of clone and pull, which must have gone well.
#[track_caller]
pub fn summary(said: &Said) -> Value {
    assert_eq!(said.code, Some(0), "frond failed\n{said}");
    let last = said.stdout.lines().last().unwrap_or_default();
    let value: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}\n{said}"));
    assert_eq!(value["type"], "summary", "the last line of --json is the summary\n{said}");
    value
}

/// A number of a summary.
#[track_caller]
pub fn count(summary: &Value, name: &str) -> u64 {
    summary[name].as_u64().unwrap_or_else(|| panic!("no number {name} in {summary}"))
}

/// Where the program is. `FROND_BIN` names it; else the release build of this workspace is brought up to
/// date: a debug build would test the same code, much slower.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("FROND_BIN") {
        Some(named) => std::path::absolute(named).expect("FROND_BIN names a file"),
        None => build(),
    })
}

#[track_caller]
fn build() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = target_directory();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace).args([
        "build",
        "--release",
        "-p",
        "frond-leaf",
        "--bin",
        "frond",
        "--target-dir",
    ]);
    let said = run(cargo.arg(&target));
    assert_eq!(said.code, Some(0), "frond does not build\n{said}");
    target.join("release").join(format!("frond{}", std::env::consts::EXE_SUFFIX))
}

/// Where cargo put the program that runs now: `TARGET/PROFILE/deps/NAME` or `TARGET/PROFILE/NAME`.
pub fn target_directory() -> PathBuf {
    let program = std::env::current_exe().expect("a running program has a path");
    let profile = program.ancestors().find(|dir| dir.join("deps").is_dir() && dir.join("build").is_dir());
    let target = profile.and_then(Path::parent);
    target.unwrap_or_else(|| panic!("{} is in no target directory", program.display())).to_owned()
}
