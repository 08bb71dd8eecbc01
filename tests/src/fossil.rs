//! Stock Fossil, the oracle.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::{Said, Server, line};
use crate::{Scratch, sql};

/// Runs stock Fossil with a home directory and a user of its own, so that nothing of the machine's
/// owner is read or written.
#[derive(Debug)]
pub struct Fossil {
    home: Scratch,
}

impl Fossil {
    /// Finds stock Fossil. A machine without it fails the test: nothing is skipped.
    #[track_caller]
    pub fn new() -> Self {
        let found = Command::new("fossil").arg("version").output();
        assert!(
            found.is_ok_and(|output| output.status.success()),
            "these tests compare with stock Fossil, and there is no `fossil` on the PATH: \
             install it (2.21 or newer; on Debian `apt-get install fossil`)"
        );
        Self { home: Scratch::new() }
    }

    /// A command that runs stock Fossil in `dir`, or in its home.
    pub fn command_in(&self, dir: Option<&Path>) -> Command {
        let home = self.home.path();
        let mut command = Command::new("fossil");
        command.env("HOME", home).env("FOSSIL_HOME", home).env("USER", "admin").env("TZ", "UTC");
        command.env_remove("FOSSIL_USER").env_remove("http_proxy");
        command.current_dir(dir.unwrap_or(home));
        command
    }

    /// Runs stock Fossil in its home directory, whatever comes of it.
    #[track_caller]
    pub fn try_run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Said {
        self.try_run_in(None, args, b"")
    }

    /// Runs stock Fossil in a directory with something on stdin, whatever comes of it.
    #[track_caller]
    pub fn try_run_in<S: AsRef<OsStr>>(
        &self,
        dir: Option<&Path>,
        args: impl IntoIterator<Item = S>,
        stdin: &[u8],
    ) -> Said {
        let mut command = self.command_in(dir);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("cannot run {}: {error}", line(&command)));
        // A command that does not read its input closes it early.
        let _ = child.stdin.take().map(|mut pipe| pipe.write_all(stdin));
        let output = child.wait_with_output().expect("a child that was started can be waited for");
        Said::new(&command, &output)
    }

    /// Runs stock Fossil in its home directory and gives what it said. It must not have failed: stock
    /// exits 0 after many errors, so its words count.
    #[track_caller]
    pub fn output<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        check(&self.try_run(args))
    }

    /// The same in a directory.
    #[track_caller]
    pub fn output_in<S: AsRef<OsStr>>(&self, dir: &Path, args: impl IntoIterator<Item = S>) -> String {
        check(&self.try_run_in(Some(dir), args, b""))
    }

    /// Makes an empty repository with a known project code. Nobody may clone and pull; `dev` with
    /// password `pw` is a set-up user.
    #[track_caller]
    pub fn new_repository(&self, file: &Path, project: &str) {
        self.output([OsStr::new("new"), file.as_os_str()]);
        self.prepare(file, project);
    }

    /// Gives a repository its project code and the users that tests expect.
    #[track_caller]
    pub fn prepare(&self, file: &Path, project: &str) {
        sql::execute(file, &format!("UPDATE config SET value='{project}' WHERE name='project-code'"));
        for words in [
            &["user", "capabilities", "nobody", "gjorz"][..],
            &["user", "new", "dev", "dev@example.test", "pw"],
            &["user", "capabilities", "dev", "s"],
        ] {
            self.output(words.iter().map(OsStr::new).chain([OsStr::new("-R"), file.as_os_str()]));
        }
    }

    /// Serves a repository on a port of its own.
    #[track_caller]
    pub fn server(&self, file: &Path) -> Server {
        Server::start(|port| {
            let mut command = self.command_in(None);
            command.args(["server", "--localhost", "--port", &port.to_string()]).arg(file);
            command
        })
    }

    /// Clones, and gives what stock said.
    #[track_caller]
    pub fn clone(&self, url: &str, file: &Path) -> String {
        self.output([OsStr::new("clone"), "--no-open".as_ref(), url.as_ref(), file.as_os_str()])
    }

    /// Pulls, and gives what stock said.
    #[track_caller]
    pub fn pull(&self, url: &str, file: &Path) -> String {
        self.exchange("pull", url, file)
    }

    /// Pulls, pushes or does both (`sync`), and gives what stock said.
    #[track_caller]
    pub fn exchange(&self, command: &str, url: &str, file: &Path) -> String {
        self.output([OsStr::new(command), url.as_ref(), "-R".as_ref(), file.as_os_str()])
    }

    /// Asks stock whether every artifact of the file is sound.
    #[track_caller]
    pub fn test_integrity(&self, file: &Path) {
        let said = self.output([OsStr::new("test-integrity"), "-R".as_ref(), file.as_os_str()]);
        let clean = said.contains(" 0 errors") || said.contains("no errors");
        assert!(clean && !said.contains("skipping"), "test-integrity of {}:\n{said}", file.display());
    }

    /// Runs stock Fossil again and again while somebody else has the file, or what it writes down for itself: it gives
    /// up at once, or soon. Gives what it said at last.
    #[track_caller]
    pub fn patiently(&self, dir: Option<&Path>, words: &[&str]) -> Said {
        self.despite(&["database is locked", "Database error"], dir, words)
    }

    /// Runs stock Fossil again and again until it says none of `excuses`, and gives what it said then. Whatever else fails is a
    /// failure.
    #[track_caller]
    pub fn despite(&self, excuses: &[&str], dir: Option<&Path>, words: &[&str]) -> Said {
        for _ in 0..200 {
            let said = self.try_run_in(dir, words, b"");
            let all = said.all();
            if !excuses.iter().any(|excuse| all.contains(excuse)) {
                assert_eq!(said.code, Some(0), "{said}");
                return said;
            }
        }
        panic!("there is no end of {excuses:?}: {words:?}");
    }

    /// Makes all derived tables anew.
    #[track_caller]
    pub fn rebuild(&self, file: &Path) {
        self.output([OsStr::new("rebuild"), file.as_os_str()]);
    }
}

impl Default for Fossil {
    fn default() -> Self {
        Self::new()
    }
}

#[track_caller]
fn check(said: &Said) -> String {
    let bad = said.all().lines().any(|line| {
        let line = line.trim_start();
        // A notice tells of a server that was killed and whose file is whole again.
        let failed = line.contains("SQLITE_") && !line.contains("SQLITE_NOTICE");
        line.starts_with("Error") || line.contains("fatal") || failed
    });
    assert!(said.code == Some(0) && !bad, "stock Fossil failed\n{said}");
    said.all()
}
