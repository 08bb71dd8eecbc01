//! A small disk of one's own, which only those see who are put inside: it really gets full.
//!
//! It takes root, or the right to have a user namespace.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Scratch;
use crate::frond::run;
use crate::process::{Said, within};

/// A disk in memory. Dropped, it is gone.
#[derive(Debug)]
pub struct Disk {
    /// Lives where the disk is mounted, for as long as its input is open.
    holder: Child,
    is_root: bool,
    path: PathBuf,
}

impl Disk {
    /// Mounts one of so many KiB at the directory `disk` of a scratch directory.
    #[track_caller]
    pub fn of(scratch: &Scratch, kib: u64) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        let path = scratch.dir("disk");
        let script = format!("mount -t tmpfs -o size={kib}k tmpfs \"$0\" && echo mounted && read end");
        let mut command = Command::new("unshare");
        command.arg("--mount").args((!is_root).then_some("--map-root-user")).args(["sh", "-c", &script]);
        command.arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command.spawn().expect("unshare runs");
        let mut said = String::new();
        let pipe = holder.stdout.take().expect("a pipe");
        BufReader::new(pipe).read_line(&mut said).expect("a pipe can be read");
        assert_eq!(said, "mounted\n", "cannot mount a small disk: are there user namespaces?");
        Self { holder, is_root, path }
    }

    /// A path on the disk. Only processes inside find it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The same command, run where the disk is.
    pub fn inside(&self, command: &Command) -> Command {
        let dir = command.get_current_dir().unwrap_or(Path::new("/")).to_owned();
        let args = [OsStr::new("-c"), OsStr::new("cd \"$0\" && exec \"$@\""), dir.as_os_str()];
        let script = within("sh", args, command);
        let target = self.holder.id().to_string();
        let mut args = vec!["--target", &target, "--mount"];
        if !self.is_root {
            args.extend(["--user", "--preserve-credentials"]);
        }
        within("nsenter", args, &script)
    }

    /// Runs a command where the disk is, to its end.
    #[track_caller]
    pub fn run(&self, command: &Command) -> Said {
        run(&mut self.inside(command))
    }

    /// Copies a file from elsewhere to the disk.
    #[track_caller]
    pub fn take(&self, from: &Path, name: &str) -> PathBuf {
        let to = self.file(name);
        self.tool(Command::new("cp").arg(from).arg(&to));
        to
    }

    /// Copies a file, which nobody may have open, from the disk to elsewhere.
    #[track_caller]
    pub fn give(&self, name: &str, to: &Path) {
        self.tool(Command::new("cp").arg(self.file(name)).arg(to));
    }

    /// Changes the size so that so many KiB are free.
    #[track_caller]
    pub fn leave(&self, kib: u64) {
        let mut command = Command::new("df");
        let said = self.tool(command.args(["--output=used", "-k"]).arg(&self.path));
        let used = said.stdout.lines().nth(1).and_then(|line| line.trim().parse::<u64>().ok());
        // A size of 0 would be no bound at all.
        let size = (used.unwrap_or_else(|| panic!("no number\n{said}")) + kib).max(1);
        self.remount(&format!("size={size}k"));
    }

    /// Changes how the disk is mounted.
    #[track_caller]
    pub fn remount(&self, options: &str) {
        let mut command = Command::new("mount");
        self.tool(command.args(["-o", &format!("remount,{options}")]).arg(&self.path));
    }

    #[track_caller]
    fn tool(&self, command: &Command) -> Said {
        let said = self.run(command);
        assert_eq!(said.code, Some(0), "{said}");
        said
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
