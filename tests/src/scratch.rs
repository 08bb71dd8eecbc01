//! A directory of its own for each test.

use std::path::{Path, PathBuf};

/// A temporary directory, removed with everything in it when dropped: but where a test failed and `FROND_KEEP` is set, it
/// stays to be looked at.
#[derive(Debug)]
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    /// Makes an empty one.
    #[track_caller]
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("frond-test-").tempdir();
        Self(dir.expect("cannot make a temporary directory"))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The path of `name` in it. Nothing is made.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Makes the directory `name` in it.
    #[track_caller]
    pub fn dir(&self, name: &str) -> PathBuf {
        let path = self.file(name);
        std::fs::create_dir_all(&path).expect("cannot make a directory");
        path
    }

    /// Writes a file in it.
    #[track_caller]
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(name);
        std::fs::write(&path, content).expect("cannot write a file");
        path
    }

    /// Copies a repository file into it: the file alone, which nobody may have open.
    #[track_caller]
    pub fn copy(&self, from: &Path, name: &str) -> PathBuf {
        let path = self.file(name);
        std::fs::copy(from, &path).unwrap_or_else(|error| panic!("cannot copy {}: {error}", from.display()));
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.0.disable_cleanup(std::thread::panicking() && std::env::var_os("FROND_KEEP").is_some());
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}
