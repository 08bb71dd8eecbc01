//! Stock Fossil, for the interop tests of this crate.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A scratch directory with a user of its own.
pub(crate) struct Stock {
    home: tempfile::TempDir,
}

impl Stock {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a scratch directory") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Runs a command in the scratch directory. Stock exits 0 after many errors: look at what it says.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> String {
        let output = Command::new("fossil")
            .args(args)
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env("USER", "alice")
            .output()
            .expect("stock `fossil` is not installed");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "fossil {args:?}: {said}");
        said.into_owned()
    }

    /// What stock has to say against a repository.
    #[track_caller]
    pub(crate) fn assert_sound(&self, file: &Path) {
        let file = file.to_str().expect("scratch paths are text");
        let said = self.run(&["test-integrity", "-R", file]);
        assert!(said.contains(" 0 errors") && said.contains("integrity-check: ok"), "{said}");
    }
}
