//! Says that a command waits for whoever uses its file, instead of standing still in silence.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// How long waiting needs no word.
const PATIENCE: Duration = Duration::from_secs(1);

/// Does something that may wait for other users of a file. If it takes long, says who they are.
pub(crate) fn on<T>(file: &Path, work: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let (done, is_done) = channel::<()>();
        scope.spawn(move || {
            if is_done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let seconds = repo::Limits::default().busy_timeout_ms / 1000;
                let who = users(file).unwrap_or_else(|| "another process".to_owned());
                tracing::warn!("{}: in use by {who}; waiting up to {seconds} seconds", file.display());
            }
        });
        let value = work();
        drop(done);
        value
    })
}

/// Other processes that hold locks on a file, where the system tells.
fn users(file: &Path) -> Option<String> {
    let inode = format!(":{}", fs::metadata(file).ok()?.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let mut holders: Vec<u32> = locks.lines().filter_map(|line| holder(line, &inode)).collect();
    holders.retain(|id| *id != std::process::id());
    holders.sort_unstable();
    holders.dedup();
    let named = |id: &u32| {
        let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
        format!("{} (process {id})", name.trim())
    };
    (!holders.is_empty()).then(|| holders.iter().map(named).collect::<Vec<_>>().join(", "))
}

/// The process of a line of `/proc/locks`, if the lock is on the inode.
fn holder(line: &str, inode: &str) -> Option<u32> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| word.matches(':').count() == 2 && word.ends_with(inode))?;
    words.get(at.checked_sub(1)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_read_from_the_list_of_the_system() {
        let line = "1: POSIX  ADVISORY  WRITE 4711 fe:01:131090 1073741824 1073742335";
        assert_eq!(holder(line, ":131090"), Some(4711));
        assert_eq!(holder(line, ":31090"), None);
        assert_eq!(holder("", ":131090"), None);
    }
}
