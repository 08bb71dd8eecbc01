//! Runs stock Fossil.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A directory with a stock Fossil that has it for a home.
pub(crate) struct Fossil {
    dir: TempDir,
}

impl Fossil {
    /// In memory where there is such a place: stock waits for the disk at every commit.
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What Fossil says, run in the directory.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        self.run_in(self.dir.path(), args)
    }

    pub(crate) fn run_in<S: AsRef<OsStr>>(&self, dir: &Path, args: impl IntoIterator<Item = S>) -> String {
        let output = Command::new("fossil")
            .args(args)
            .current_dir(dir)
            .env("HOME", self.dir.path())
            .env("USER", "alice")
            .output()
            .expect("stock fossil, 2.21 or newer, is on the PATH");
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&said).into_owned()
    }
}
